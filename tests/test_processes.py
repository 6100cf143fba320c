"""What tests start is interrupted as in a terminal, and leaves nothing behind."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.processes import interruptible, ran, started

SLEEPS = "import time; print('ready', flush=True); time.sleep(60)"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEPS!r}])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def ignoring():
    """As in a shell that has put the tests into the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ignoring")
def test_what_is_started_is_interrupted_where_the_shell_ignores_it():
    with started([sys.executable, "-c", SLEEPS]) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_a_process_and_its_own_end_with_the_test_that_failed():
    with contextlib.suppress(ZeroDivisionError), started([sys.executable, "-c", PARENT]) as process:
        grandchild = int(process.stdout.readline())
        raise ZeroDivisionError
    assert process.returncode == -signal.SIGKILL
    assert process.stdout.closed
    assert process.stderr.closed
    deadline = time.monotonic() + 10
    while is_running(grandchild):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether it is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_another_status_is_told_with_what_was_printed():
    with pytest.raises(AssertionError, match="no good"):
        ran([sys.executable, "-c", "raise SystemExit('no good')"])


def test_tests_start_nothing_otherwise():
    tests = Path(__file__).parent
    files = set(tests.rglob("*.py")) - set((tests / "fixtures").glob("*.py"))
    for path in files - {tests / "processes.py"}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                named = (node.value.id, node.attr)
                assert named not in {("subprocess", "Popen"), ("subprocess", "run")}, path

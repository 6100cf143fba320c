"""Programs that tests start: each is interrupted as in a terminal, and ends when its test does."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TOLD: dict[str, Any] = {
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "text": True,
    "cwd": ROOT,
    "process_group": 0,
}

Process = subprocess.Popen[str]


def module(name: str, *options: str) -> list[str]:
    """``python -m name options``."""
    return [sys.executable, "-m", name, *options]


def free_port() -> int:
    """For processes that meet on this machine."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, here and in what is started here.

    A shell that runs the tests in the background has them ignore it, and what they start inherits
    that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def started(command: Sequence[str], **settings: Any) -> Iterator[Process]:
    """A process of a group of its own, which is killed and reaped at the end of the block."""
    with interruptible():
        process = subprocess.Popen(command, **{**TOLD, **settings})
    with process:  # closes its pipes and waits for it
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def ran(
    command: Sequence[str], *, status: int = 0, timeout: float = 1800, **settings: Any
) -> subprocess.CompletedProcess[str]:
    """A process that has ended by itself, with this status."""
    with started(command, **settings) as process:
        printed, errors = process.communicate(timeout=timeout)
    assert process.returncode == status, f"{printed}{errors}"
    return subprocess.CompletedProcess(command, status, printed, errors)

"""Signals that ask to stop: when the first is heard, and that a second ends the process at once."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from experiments import interrupts, records
from experiments.command import status_of
from tests.processes import started


@pytest.fixture
def listening() -> Iterator[None]:
    """As in a command whose parent ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.restored():
        interrupts.listen()
        yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_stops_with_a_status_of_its_own_and_the_command_that_goes_on(
    number, status, capsys
):
    interrupts.goes_on("Go on: python -m experiments.claims --resume there")
    assert status_of(lambda: os.kill(os.getpid(), number)) == status
    assert capsys.readouterr().err == (
        "Stopped.\nGo on: python -m experiments.claims --resume there\n"
    )


@pytest.mark.usefixtures("listening")
def test_records_are_written_whole_before_it_is_heard(tmp_path, monkeypatch):
    add = records._added

    def disturbed(file, data):
        add(file, data[:5])
        signal.raise_signal(signal.SIGTERM)
        add(file, data[5:])

    monkeypatch.setattr(records, "_added", disturbed)
    with pytest.raises(KeyboardInterrupt):
        records.append(tmp_path, {"event": "run", "loss": 0.5}, {"event": "run", "loss": 0.25})
    assert [record["loss"] for record in records.read(tmp_path)] == [0.5, 0.25]


@pytest.mark.usefixtures("listening")
def test_a_library_that_took_the_signals_does_not_keep_them():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with interrupts.held():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("listening")
def test_one_that_falls_into_a_callback_that_cannot_raise_comes_again():
    def dropped(*_):
        gc.callbacks.remove(dropped)
        os.kill(os.getpid(), signal.SIGTERM)

    def collect_and_wait():
        gc.collect()
        time.sleep(30)

    gc.callbacks.append(dropped)
    with pytest.raises(KeyboardInterrupt):
        collect_and_wait()
    assert dropped not in gc.callbacks
    assert interrupts.status() == 143


@pytest.mark.usefixtures("listening")
def test_the_end_of_a_process_is_not_disturbed():
    interrupts.end(0)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)


BUSY = """
import time
from experiments import interrupts
interrupts.listen()
interrupts.goes_on("Go on: there")
with interrupts.held():  # as a program that is compiled, which hears nothing
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_second_ends_the_process_at_once_but_one_that_is_sent_twice_does_not():
    with started([sys.executable, "-c", BUSY]) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.stderr.readline().startswith("Stopping when what is under way is done")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1] == "Stopped at once.\nGo on: there\n"
    assert process.returncode == 143

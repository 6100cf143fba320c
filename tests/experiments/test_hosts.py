"""Several processes train what one trains, and none is left waiting when another is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import records
from experiments.config import Config, ConfigError, resolved
from experiments.mnist import hosts
from experiments.runs import build
from tests.processes import Process, free_port, started
from tests.xla import HURRY, ONE_THREAD

ROOT = Path(__file__).parents[2]
SETTINGS = Config(batch_size=13, hidden=5, learning_rate=0.05, strength=0.02, penalty="elastic_net")
OPTIONS = (
    *("--batch-size", "13", "--hidden", "5", "--learning-rate", "0.05", "--strength", "0.02"),
    *("--penalty", "elastic_net"),
)
COMMAND = """
import os, sys, time
from experiments.command import run_command
from experiments.config import Config
from experiments.mnist import __main__ as mnist, hosts, resume

if hosts.WORKER in os.environ:  # who watches one imports no JAX
    import jax, numpy as np
    from experiments.runs import Run

    def saving(run, *where, parts=Run.parts):
        "The command as it is, with the parameters of every process kept."
        for part in parts(run, *where):
            leaves = jax.tree.leaves(jax.device_get(part.progress.state.params))
            if part.ends_epoch:
                name = f"{sys.path[0]}/params-{jax.process_index()}-{part.epoch}"
                np.savez(name, *leaves)
            if part.epoch > 2 and "--resume" not in sys.argv:
                time.sleep(1)  # one of them is killed meanwhile
            yield part

    Run.parts = saving
run_command("mnist", mnist.main, Config, resume.settings)
"""


@contextlib.contextmanager
def start(count: int, idx: str, folder: Path, *options: str) -> Iterator[list[Process]]:
    """The command in several processes of this machine, a new run or one that goes on."""
    script = folder / "command.py"
    script.write_text(COMMAND)
    new = (*OPTIONS, "--data", idx, "--output", str(folder / "run"))
    common = options if "--resume" in options else (*new, *options)
    join = ("--coordinator", f"127.0.0.1:{free_port()}", "--processes", str(count))
    command = [sys.executable, str(script), *common, *join]
    cache = str(folder / "cache")
    environment = {"PYTHONPATH": str(ROOT), "JAXREG_CACHE_DIR": cache, "XLA_FLAGS": HURRY}
    environment |= ONE_THREAD
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(started([*command, "--process", str(process)], env=environment))
            for process in range(count)
        ]


def check_as_one_process(count: int, folder: Path, dataset, epochs=(1, 2)) -> None:
    """Parameters of every process, and the records, after each of these epochs."""
    config = resolved(dataclasses.replace(SETTINGS, epochs=epochs[-1]))
    written = [record for record in records.read(folder / "run") if record["event"] == "epoch"]
    found = (epoch for epoch in build(config, dataset).epochs() if epoch.number in epochs)
    for epoch in found:
        expected = jax.tree.leaves(jax.device_get(epoch.state.params))
        for process in range(count):
            kept = np.load(folder / f"params-{process}-{epoch.number}.npz")
            for leaf, array in zip(expected, kept.values(), strict=True):
                np.testing.assert_allclose(array, leaf, rtol=0, atol=1e-6)
        record = written[epoch.number - 1]
        assert {name: record[name] for name in epoch.metrics} == pytest.approx(
            epoch.metrics, abs=2e-6
        )


def test_two_processes_of_two_devices_train_as_one_and_the_first_alone_speaks(idx, tiny, tmp_path):
    options = ("--devices", "2", "--epochs", "2", "--matmul-precision", "highest")
    with start(2, idx, tmp_path, *options) as processes:
        first, second = (process.communicate(timeout=240) for process in processes)
    assert [process.returncode for process in processes] == [0, 0], (first, second)
    assert "· batch 13 · 4 × cpu in 2 processes\n" in first[0]
    assert re.findall(r"^(Epoch \d|Test Accuracy)", first[0], re.M) == [
        *("Epoch 1", "Test Accuracy", "Epoch 2", "Test Accuracy")
    ]
    assert (first[1], second) == ("", ("", ""))
    check_as_one_process(2, tmp_path, tiny)
    start_record, *_ = records.read(tmp_path / "run")
    assert (start_record["devices"], start_record["processes"]) == (4, 2)
    assert start_record["config"]["matmul_precision"] == "highest"


def test_a_killed_process_ends_the_others_with_one_line_and_two_go_on(idx, tiny, tmp_path):
    written = [tmp_path / f"params-{process}-2.npz" for process in range(3)]
    with start(3, idx, tmp_path, "--epochs", "9", "--checkpoint-every", "3") as processes:
        wait_for(lambda: all(path.exists() for path in written), processes)
        time.sleep(0.2)  # the record of the second epoch is written after its parameters
        killed = processes.pop(1)
        killed.kill()
        since = time.monotonic()
        ends = [process.communicate(timeout=30) for process in processes]
        assert time.monotonic() - since < 15
        assert killed.communicate()[0] == ""
    assert [process.returncode for process in processes] == [hosts.LOST] * 2
    for process, (_, errors) in zip((0, 2), ends, strict=True):
        assert errors == (
            f"Error: process {process} of 3: expected every process to go on, but one has died or "
            f"hangs; all have stopped, start them again with --resume {tmp_path}/run\n"
        )
    assert [printed for printed, _ in ends[1:]] == [""]
    check_as_one_process(3, tmp_path, tiny)
    with start(2, idx, tmp_path, "--resume", str(tmp_path / "run")) as processes:
        first, second = (process.communicate(timeout=240) for process in processes)
    assert [process.returncode for process in processes] == [0, 0], (first, second)
    assert re.search(
        rf"^Goes on after update \d+, from {tmp_path}/run/checkpoints/", first[0], re.M
    )
    check_as_one_process(2, tmp_path, tiny, epochs=(9,))


def wait_for(condition: Callable[[], bool], processes: list[Process]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        ended = [process for process in processes if process.poll() is not None]
        assert not ended, ended[0].communicate()
        time.sleep(0.05)


# --- the watcher, without a training ---

FATE = """
import os, signal, sys, time
from experiments.config import Config, resolved
from experiments.mnist import hosts

config = Config(coordinator="127.0.0.1:1", processes=2, process=1, connect_timeout=9)
hosts.connect = {connect}
hosts.SILENCE = 2.0
hosts.run(resolved(config), {work})
"""
PASS, MEET = "lambda config: None", "expected every process to go on"
FATES = {  # what happens to the worker: (connect, work, status, the line on stderr)
    "aborted when connected": (PASS, "os.abort", hosts.LOST, MEET),
    "aborted before": (
        "lambda config: os.abort()",
        "None",
        hosts.LOST,
        "Error: --processes: expected 2 at 127.0.0.1:1 within 9 s (--connect-timeout), but not all "
        "came; start every --process from 0, each once",
    ),
    "killed": (
        PASS,
        "lambda: os.kill(os.getpid(), signal.SIGKILL)",
        128 + signal.SIGKILL,
        "Error: expected the training to end by itself, but SIGKILL did",
    ),
    "its watcher is stopped": (
        PASS,
        "lambda: (os.kill(os.getppid(), signal.SIGSTOP), time.sleep(60))",
        hosts.LOST,
        MEET,
    ),
}


@pytest.mark.parametrize(("connect", "work", "status", "line"), FATES.values(), ids=FATES)
def test_the_watcher_says_what_became_of_the_worker(connect, work, status, line):
    code = FATE.format(connect=connect, work=work)
    with started([sys.executable, "-c", code]) as process:
        for _ in range(200):  # until it has ended; a stopped one is woken to report
            time.sleep(0.1)
            if process.poll() is not None:
                break
            stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if stat == "T":
                time.sleep(3)
                process.send_signal(signal.SIGCONT)
        errors = process.communicate(timeout=10)[1]
    assert (process.returncode, errors.count("\n")) == (status, 1)
    assert line in errors


# --- what cannot be meant ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 0}, "--devices: expected at least 1, got 0"),
        ({"connect_timeout": 0}, "--connect-timeout: expected at least 1, got 0"),
        (
            {"contrast": True, "devices": 2},
            "--contrast: expected one device, got several; it compares in float64 what rounds "
            "alike, so leave out --devices, --coordinator and --distributed",
        ),
        (
            {"parallel": "pmap", "distributed": "auto"},
            "--parallel pmap: expected one process, got several; those are connected by "
            "--parallel jit",
        ),
        (
            {"distributed": "auto", "coordinator": "a:1"},
            "--distributed auto: expected it alone, since it finds the coordinator, got "
            "--coordinator a:1 too; leave out one of them",
        ),
        (
            {"process": 1},
            "--coordinator: expected HOST:PORT of process 0 beside --process, got none; add "
            "--coordinator, or leave out --processes and --process",
        ),
        (
            {"coordinator": "a", "processes": 2, "process": 0},
            "--coordinator: expected HOST:PORT of process 0, got 'a'; for processes on one machine "
            "write 127.0.0.1:12345",
        ),
        (
            {"coordinator": "a:1", "processes": 2},
            "--process: expected a number beside --coordinator, got none; write --coordinator "
            "HOST:PORT --processes N --process I",
        ),
        (
            {"coordinator": "a:1", "processes": 0, "process": 0},
            "--processes: expected at least 1, got 0",
        ),
        (
            {"coordinator": "a:1", "processes": 2, "process": 2},
            "--process: expected 0 to 1 with --processes 2, got 2; processes are counted from 0",
        ),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ConfigError) as error:
        resolved(Config(**changes))
    assert str(error.value) == message


def test_a_port_that_is_taken_and_a_coordinator_that_is_not_there_are_said():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        config = Config(coordinator=address, processes=2, process=0, connect_timeout=1)
        with pytest.raises(ConfigError) as taken:
            hosts.connect(config)
    with pytest.raises(ConfigError) as absent:
        hosts.connect(dataclasses.replace(config, process=1))
    port = address.partition(":")[2]
    assert [str(taken.value), str(absent.value)] == [
        f"--coordinator {address}: expected a free port, but {port} cannot be opened here (Address "
        f"already in use); name another, the same for every process",
        f"--coordinator {address}: expected process 0 there within 1 s (--connect-timeout), but it "
        f"cannot be reached (Connection refused); start --process 0, and check host and port",
    ]


def test_a_machine_that_is_no_cluster_is_said(monkeypatch):
    def initialize(**_):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(ConfigError) as error:
        hosts.connect(Config(distributed="auto"))
    assert str(error.value) == (
        "--distributed auto: expected a Cloud TPU slice or a cluster that JAX knows, but found "
        "none (coordinator_address should be defined.); elsewhere write --coordinator HOST:PORT "
        "--processes N --process I"
    )


def test_processes_with_other_options_or_data_are_named(tiny, monkeypatch):
    from jax.experimental import multihost_utils

    digests = []

    def gather(digest):
        digests.append(int(digest))
        return np.array([digests[0], digests[-1], digests[0]])

    monkeypatch.setattr(multihost_utils, "process_allgather", gather)
    hosts.check_agreement(Config(process=0), tiny)
    hosts.check_agreement(Config(process=1, output=Path("elsewhere")), tiny)
    for config, dataset in (
        (Config(strength=1e-3), tiny),
        (Config(), dataclasses.replace(tiny, test=tiny.train)),
    ):
        with pytest.raises(ConfigError, match="those of process 1 differ from those of process 0"):
            hosts.check_agreement(config, dataset)

"""Several processes as one training, one on each host: how they meet, and how they end.

When one of them dies, JAX ends the others by SIGABRT, which Python cannot catch, or an exchange
fails; a process that leaves in order waits for the dead one. So the command starts itself once
more: what was started trains nothing, but watches a worker that does, passes on its exit status,
and says in one line what happened. A worker whose watcher is gone, or stopped, ends too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from experiments import interrupts
from experiments.command import status_of
from experiments.config import Config, ConfigError
from experiments.data import Dataset

LOST = 75
"""Exit status when another process was lost: a failure that may not happen again (EX_TEMPFAIL)."""

HEARTBEAT = 10  # seconds without a sign of life after which a process counts as dead
PULSE, SILENCE = 1.0, 6.0  # seconds between signs of a watcher, and without one before its end
SHUTDOWN = 60  # seconds that the others wait for process 0 to write its figures
WORKER = "JAXREG_WORKER"
CONNECTED = b"connected: every process came\n"


def run(config: Config, work: Callable[[], None]) -> NoReturn:
    """Does the work together with the other processes, and exits with its status.

    The program that calls is started once more, with its own command line: call it from a command.
    The exit status is that of `status_of`, or `LOST`.

    Args:
      config: a resolved configuration with ``--coordinator`` or ``--distributed``.
      work: what to do once they are connected.
    """
    if WORKER not in os.environ:
        sys.exit(watch(config))
    pulse, log = map(int, os.environ.pop(WORKER).split(","))
    _part_output(log)
    threading.Thread(target=_follow, args=(pulse,), daemon=True).start()
    try:
        status = status_of(lambda: _together(config, work))
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # leaving in order waits for processes that may be dead


# --- the process that was started ---


def watch(config: Config) -> int:
    """Starts the worker, waits for its end, and says what it could not: its exit status."""
    pulse, beat = os.pipe()
    with tempfile.TemporaryFile() as log:
        worker = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={**os.environ, WORKER: f"{pulse},{log.fileno()}"},
            pass_fds=(pulse, log.fileno()),
            process_group=0,  # Ctrl-C comes here, and is passed on once
        )
        os.close(pulse)
        _pass_on_signals(worker)
        status = _wait(worker, beat)
        log.seek(0)
        connected = CONNECTED in log.read()
    if status == LOST or status == -signal.SIGABRT:
        print(f"Error: {_lost(config) if connected else _missing(config)}", file=sys.stderr)
        return LOST
    if status < 0:
        name = signal.Signals(-status).name
        print(f"Error: expected the training to end by itself, but {name} did", file=sys.stderr)
        return 128 - status
    return status


def _pass_on_signals(worker: subprocess.Popen[bytes]) -> None:
    """All of them, the second too: the worker knows what to do, and this ends when it does."""
    signal.set_wakeup_fd(-1)
    for number in interrupts.NUMBERS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: worker.send_signal(number))


def _wait(worker: subprocess.Popen[bytes], beat: int) -> int:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return worker.wait(PULSE)
        with contextlib.suppress(BrokenPipeError):
            os.write(beat, b".")


def _lost(config: Config) -> str:
    me = "" if config.process is None else f"process {config.process} of {config.processes}: "
    place = config.resume or config.output or "their folder"
    how = f" with --resume {place}" if config.checkpoint_every is not None else ""
    return (
        f"{me}expected every process to go on, but one has died or hangs; "
        f"all have stopped, start them again{how}"
    )


def _missing(config: Config) -> str:
    seconds = f"within {config.connect_timeout} s (--connect-timeout), but not all came"
    if config.coordinator is None:
        return f"--distributed auto: expected every process {seconds}; start one on each host"
    return (
        f"--processes: expected {config.processes} at {config.coordinator} {seconds}; "
        f"start every --process from 0, each once"
    )


# --- the worker ---


def _part_output(log: int) -> None:
    """Python prints where it did; what libraries write, stack traces among it, goes to the log."""
    sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _follow(pulse: int) -> None:
    """Ends this process when the one that watches it is gone or stopped."""
    while select.select([pulse], [], [], SILENCE)[0] and os.read(pulse, 1024):
        pass
    os._exit(LOST)


def _together(config: Config, work: Callable[[], None]) -> None:
    """Connects, works, and leaves when all are done."""
    import jax

    connect(config)
    os.write(2, CONNECTED)
    try:
        work()
        jax.distributed.shutdown()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise
        sys.exit(LOST)  # an exchange failed: another process is gone


def connect(config: Config) -> None:
    """Meets the other processes.

    Raises:
      ConfigError: if the coordinator cannot be reached, its port is taken, or JAX knows no cluster.
    """
    import jax

    deadline = time.monotonic() + config.connect_timeout
    limits: dict[str, Any] = {
        "heartbeat_timeout_seconds": HEARTBEAT,
        "shutdown_timeout_seconds": SHUTDOWN,
    }
    if config.coordinator is None:
        try:
            jax.distributed.initialize(initialization_timeout=config.connect_timeout, **limits)
        except (ValueError, RuntimeError) as error:
            raise ConfigError(
                f"--distributed auto: expected a Cloud TPU slice or a cluster that JAX knows, but "
                f"found none ({str(error).splitlines()[0]}); elsewhere write --coordinator "
                f"HOST:PORT --processes N --process I"
            ) from None
        return
    _check_port(config.coordinator) if config.process == 0 else _reach(config, deadline)
    left = max(1, round(deadline - time.monotonic()))
    jax.distributed.initialize(
        config.coordinator, config.processes, config.process, initialization_timeout=left, **limits
    )


def _check_port(coordinator: str) -> None:
    port = int(coordinator.rpartition(":")[2])
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise ConfigError(
            f"--coordinator {coordinator}: expected a free port, but {port} cannot be opened here "
            f"({os.strerror(error.errno or 0)}); name another, the same for every process"
        ) from None


def _reach(config: Config, deadline: float) -> None:
    host, _, port = str(config.coordinator).rpartition(":")
    while True:
        try:
            return socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        except OSError as error:
            if time.monotonic() < deadline and not isinstance(error, socket.gaierror):
                time.sleep(0.1)
                continue
            raise ConfigError(
                f"--coordinator {config.coordinator}: expected process 0 there within "
                f"{config.connect_timeout} s (--connect-timeout), but it cannot be reached "
                f"({error.strerror or error}); start --process 0, and check host and port"
            ) from None


def agreed(signal: int, length: int) -> tuple[int, int]:
    """A signal that any process was sent, and the least of their lengths of the next part."""
    from jax.experimental import multihost_utils

    found: Any = multihost_utils.process_allgather(np.array([signal, length], np.int32))
    return int(found[:, 0].max()), int(found[:, 1].min())


def told(value: Any) -> Any:
    """What process 0 says, as JSON has it, on every process."""
    from jax.experimental import multihost_utils

    text = json.dumps(value).encode()
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    ours = np.frombuffer(text[:size].ljust(size), np.uint8)
    return json.loads(bytes(np.asarray(multihost_utils.broadcast_one_to_all(ours))))


def see(folder: Path) -> bool:
    """Whether every process finds the folder."""
    from jax.experimental import multihost_utils

    found: Any = multihost_utils.process_allgather(np.int32(folder.is_dir()))
    return bool(found.all())


def check_agreement(config: Config, dataset: Dataset) -> None:
    """Stops every process if they were not given the same options and data.

    Raises:
      ConfigError: with the processes that differ from process 0.
    """
    from jax.experimental import multihost_utils

    own = dataclasses.replace(config, process=None, output=None, compilation_cache=True)
    digest = zlib.crc32(repr(own).encode())
    for array in (*dataset.train, *dataset.test):
        digest = zlib.crc32(array.tobytes(), digest)
    found: Any = multihost_utils.process_allgather(np.uint32(digest)).ravel()
    if others := [str(i) for i, value in enumerate(found) if value != found[0]]:
        raise ConfigError(
            f"--process: expected the same options and data for every process, but those of "
            f"process {', '.join(others)} differ from those of process 0; only --process and "
            f"--output may"
        )

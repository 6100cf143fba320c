"""Kills commands at random moments, and proves that they end as if nothing had happened.

`python -m tests.killing SUBJECT --kills 100 --seed 0` does that at large, the tests in small. What
is killed is a row of `SUBJECTS`. A trial starts it, kills it by SIGKILL one to three times, at
moments drawn from the whole of its life or while a file is written, goes on each time, and compares
what it leaves in the end, bit by bit, with what it leaves when nobody kills it.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.processes import module, started
from tests.xla import HURRY, ONE_THREAD

Commands = Sequence[Sequence[str]]
TAKES_DOWN = 75  # exit status of a process that has lost another


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is killed.

    Attributes:
      first: of a folder, the commands that are started together; one of them is killed.
      again: of a folder, those that go on there.
      left: of a folder, all that must be the same.
      same: raises where two of these are not.
      writing: pattern of what lies in the folder while something is written.
    """

    first: Callable[[Path], Commands]
    again: Callable[[Path, int], Commands]
    left: Callable[[Path], Any]
    same: Callable[[Any, Any], None]
    writing: str


def environment(cache: Path) -> dict[str, str]:
    """Of what is killed: programs compiled in a hurry, and kept."""
    kept = {"JAXREG_CACHE_DIR": str(cache), "XLA_FLAGS": HURRY, "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **kept, **ONE_THREAD}


def run(commands: Commands, settings: dict[str, str], until: Callable[[], bool] | None) -> bool:
    """Starts processes together; whether they ended by themselves, well.

    Args:
      commands: of which the last is killed.
      settings: the environment.
      until: asked again and again: whether the moment has come; None if nobody is killed.
    """
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(started(c, env=settings)) for c in commands]
        while until is not None and processes[-1].poll() is None:
            if until():
                processes[-1].kill()
                break
            time.sleep(0.001)
        ends = [process.communicate(timeout=600) for process in processes]
        statuses = [process.returncode for process in processes]
    if until is None:
        assert not any(statuses), (statuses, ends)
    else:
        assert set(statuses) <= {0, -9, TAKES_DOWN}, (statuses, ends)
    return not any(statuses)


def undisturbed(subject: Subject, folder: Path, settings: dict[str, str]) -> tuple[Any, float]:
    """What is left where nobody kills, and how long that takes with compiled programs."""
    for name in ("warm", "whole"):
        since = time.monotonic()
        run(subject.first(folder / name), settings, None)
    return subject.left(folder / "whole"), time.monotonic() - since


def at_random(draw: random.Random, subject: Subject, folder: Path, seconds: float):
    """A moment to kill: after some time, or a while after something is begun to be written."""
    since, wait = time.monotonic(), draw.uniform(0, seconds)
    if draw.random() < 0.5:
        return lambda: time.monotonic() - since > wait
    later, seen = draw.choice([0, 0, draw.uniform(0, 0.2)]), []

    def writing() -> bool:
        if not seen and time.monotonic() - since > wait / 2 and any(folder.glob(subject.writing)):
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] >= later

    return writing


def trial(
    subject: Subject, folder: Path, settings: dict[str, str], expected: Any, moments: Sequence[Any]
) -> int:
    """Kills at these moments, goes on, ends, and compares; how often it was killed."""
    kills, commands = 0, subject.first(folder)
    for moment in moments:
        if run(commands, settings, moment()):
            break
        kills += 1
        begun = (folder / "config.json").exists() and (folder / "records.jsonl").exists()
        commands = subject.again(folder, kills) if begun else subject.first(folder)
    else:
        run(commands, settings, None)
    subject.same(subject.left(folder), expected)
    return kills


# --- the main job ---

TRAINING = (
    *("--norm", "batch", "--dropout", "0.2", "--batch-size", "256"),
    *("--optimizer", "adam", "--coupling", "decoupled", "--schedule", "cosine"),
    *("--hidden", "16", "--epochs", "3", "--checkpoint-every", "47"),
)


def trained(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The arrays of the last checkpoint, and the records but for what took how long."""
    from experiments import checkpoints, records

    found = checkpoints.newest(folder / "checkpoints", print)
    assert found is not None
    like = {path: np.zeros(shape, dtype) for path, (dtype, shape) in found.shapes.items()}
    kept = [
        {name: value for name, value in record.items() if not name.endswith("seconds")}
        for record in records.read(folder)
        if record["event"] != "start"
    ]
    return found.restore(like), kept


def same(found: Any, expected: Any) -> None:
    """Bit by bit."""
    assert found[0].keys() == expected[0].keys()
    for path, leaf in found[0].items():
        assert leaf.dtype == expected[0][path].dtype
        np.testing.assert_array_equal(leaf, expected[0][path], err_msg=path)
    assert found[1] == expected[1]


def close(found: Any, expected: Any) -> None:
    """Within what another number of devices changes."""
    for path, leaf in found[0].items():
        np.testing.assert_allclose(leaf, expected[0][path], rtol=0, atol=1e-4, err_msg=path)
    assert [record["event"] for record in found[1]] == [record["event"] for record in expected[1]]


def mnist(*options: str) -> list[str]:
    return module("experiments.mnist", *options)


def together(count: int, *options: str) -> Commands:
    """The command in so many processes of this machine."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    join = ("--coordinator", f"127.0.0.1:{port}", "--processes", str(count))
    return [mnist(*options, *join, "--process", str(process)) for process in range(count)]


# --- studies ---

COUPLING = (
    *("--data", "digits", "--pool", "1", "--examples", "200", "--batch-size", "50"),
    *("--epochs", "10", "--hidden", "8", "--seeds", "3", "--rows", "4", "--regime", "a"),
    *("--decays", "0.002", "0.256", "--optimizers", "adam"),
)
TUNE = (
    *("--method", "cv", "bayesian", "hypergradient", "--data", "digits", "--examples", "100"),
    *("--epochs", "2", "--hidden", "8", "--batch-size", "32", "--folds", "2", "--trials", "9"),
    *("--strengths", "1e-4", "1e-1", "3", "--seeds", "2"),
)
COMBINATIONS = (
    *("--models", "mlp", "--data", "digits", "--pool", "4", "--examples", "60", "--hidden", "5"),
    *("--epochs", "10", "--batch-size", "30", "--seeds", "3", "--tuning-seeds", "1"),
)
SESSION = ("start", "stop", "summary", "left")
"""Events of a process rather than of a study."""


def made(folder: Path) -> list[dict[str, Any]]:
    """The records of a study, in their order, but for what took how long."""
    from experiments import records

    return [
        {name: value for name, value in record.items() if name != "seconds"}
        for record in records.read(folder)
        if record["event"] not in SESSION
    ]


def equal(found: Any, expected: Any) -> None:
    """Every training once, in the same order, with the same numbers."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == theirs


def study(name: str, *options: str) -> Subject:
    """A study, which goes on with its own settings; a sweep, chunk by chunk."""
    command = f"experiments.{name}"
    return Subject(
        lambda folder: [module(command, *options, "--output", str(folder))],
        lambda folder, _: [module(command, "--resume", str(folder))],
        made,
        equal,
        "lock.json",
    )


WRITING = "checkpoints/*.orbax-checkpoint-tmp*"
SUBJECTS = {
    "coupling": study("coupling", *COUPLING),
    "combinations": study("combinations", *COMBINATIONS),
    "tune": study("tune", *TUNE),
    "mnist": Subject(
        lambda folder: [mnist(*TRAINING, "--output", str(folder))],
        lambda folder, _: [mnist("--resume", str(folder))],
        trained,
        same,
        WRITING,
    ),
    "mnist-of-four": Subject(  # goes on with as many
        lambda folder: together(4, *TRAINING, "--output", str(folder)),
        lambda folder, _: together(4, "--resume", str(folder)),
        trained,
        same,
        WRITING,
    ),
    "mnist-of-four-or-three": Subject(
        lambda folder: together(4, *TRAINING, "--output", str(folder)),
        lambda folder, kills: together(4 - kills % 2, "--resume", str(folder)),
        trained,
        close,
        WRITING,
    ),
}


def main() -> None:
    """Kills a subject so often."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    subject, draw, kills, trials = SUBJECTS[given.subject], random.Random(given.seed), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder, settings = Path(name), environment(Path(name) / "cache")
        expected, seconds = undisturbed(subject, folder, settings)
        print(f"Undisturbed {seconds:.1f} s", flush=True)
        while kills < given.kills:
            place = folder / f"trial-{trials}"
            count = min(draw.randint(1, 3), given.kills - kills)
            moments = [lambda p=place: at_random(draw, subject, p, seconds) for _ in range(count)]
            kills, trials = kills + trial(subject, place, settings, expected, moments), trials + 1
            print(f"{kills} kills, {trials} trials, all the same", flush=True)


if __name__ == "__main__":
    main()

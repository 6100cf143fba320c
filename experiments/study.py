"""What all studies do, in this order: prepare, say what will be trained, train, draw; or go on.

A study trains many networks and writes down each in ``records.jsonl``. It is made of parts, each a
program: `carry_out` follows them, and what was stopped or interrupted goes on with ``--resume``.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console

from experiments import interrupts, ownership
from experiments.formatting import in_minutes
from experiments.options import going_on
from experiments.progress import Advance, progress
from experiments.provenance import command_line, how_it_was_made
from experiments.records import (
    append,
    is_finished,
    open_folder,
    read,
    read_config,
    reopen_folder,
    write_config,
)

S = TypeVar("S")
Records = Sequence[Mapping[str, Any]]


class Study(Protocol):
    """A study under way."""

    @property
    def config(self) -> Any:
        """The settings, with nothing left open."""
        ...

    @property
    def folder(self) -> Path:
        """Where ``records.jsonl`` lies."""
        ...

    def conduct(self, parts: Any, advance: Advance, /) -> None:
        """Trains every part; what ``records.jsonl`` holds already is not trained again.

        Raises:
          KeyboardInterrupt: when interrupted, with everything finished in the records.
        """


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a study is, as a command.

    Attributes:
      command: its name.
      prepare: of its options the study and its parts; everything that can go wrong goes wrong here.
      announce: prints what will be trained; by the ``id`` of each part its seconds, about.
      draw: prints and draws what there is; ``record`` adds a summary to the records.
      trains: events of the records that are a training each.
      begins: the event with which a part begins.
      part: what a part is called.
      first: what is done before anything is trained, for the bar.
    """

    command: str
    prepare: Callable[[Any], tuple[Any, Sequence[Any]]]
    announce: Callable[[Any, Sequence[Any], Console], Mapping[str, float]]
    draw: Callable[[Any, Sequence[Any], Console, bool], None]
    trains: Collection[str]
    begins: str
    part: str
    first: str = "compiling"

    def trained(self, records: Records) -> list[Mapping[str, Any]]:
        """Every training that there is."""
        return [record for record in records if record["event"] in self.trains]


def carry_out(kind: Kind, config: Any) -> None:
    """All of a study: the ``main`` of its command. Exits where it was interrupted."""
    started = time.perf_counter()
    study, parts = kind.prepare(config)
    goes_on(kind.command, study.folder)
    try:
        _carried_out(kind, study, parts, started)
    finally:
        ownership.release(study.folder)


def _carried_out(kind: Kind, study: Any, parts: Sequence[Any], started: float) -> None:
    console = Console()
    if is_finished(study.folder):
        kind.draw(study, parts, console, False)
        return
    append(study.folder, {"event": "start", "config": vars(study.config)})
    finished = _conducted(study, parts, kind.announce(study, parts, console), console, kind.first)
    took = time.perf_counter() - started
    append(study.folder, {"event": "stop", "finished": finished, "seconds": took})
    kind.draw(study, parts, console, True)
    if not finished:
        print(interrupts.advice())
        sys.exit(interrupts.status())


def _conducted(
    study: Study, parts: Sequence[Any], seconds: Mapping[str, float], console: Console, first: str
) -> bool:
    """Trains what is left; False if interrupted."""
    try:
        with progress(seconds, console, first) as advance:
            study.conduct(parts, advance)
    except KeyboardInterrupt:
        return False
    return True


def goes_on(command: str, folder: Path) -> None:
    """What is printed where it ends early: how it goes on."""
    interrupts.goes_on(f"Go on: {command_line(command, {'resume': folder})}")


# --- what its command is made of ---


def settings(config: S, command: str, around: Collection[str]) -> S:
    """Those that are given, or with ``--resume`` those of the study that goes on.

    Args:
      config: the options.
      command: whose study.
      around: options that are no settings.

    Raises:
      ConfigError, OutputError: if there is no such study, or settings beside it.
    """
    given: Any = config
    if given.resume is None:
        return config
    return going_on(config, reopen_folder(given.resume, command), around)


def folder(config: Any, command: str, facts: Mapping[str, Any]) -> Path:
    """A new one with ``config.json``, or that of the study that goes on."""
    if config.resume is not None:
        return config.resume
    found = open_folder(command, config.output)
    write_config(found, command, config, facts)
    return found


def in_all(seconds: Mapping[str, float]) -> str:
    """How long all parts take together."""
    return f"About {in_minutes(sum(seconds.values()))} in all."


def note(kind: Kind, study: Study, parts: Sequence[Any]) -> str:
    """What the reader must know first: that the study is not finished."""
    if is_finished(study.folder):
        return ""
    records = read(study.folder)
    begun = sum(record["event"] == kind.begins for record in records)
    done = len(kind.trained(records))
    return f"Stopped after {done:,} trainings, in {kind.part} {begun} of {len(parts)}."


def nothing(kind: Kind, study: Study, wanted: str) -> str:
    """Why there is nothing to draw: there is no ``wanted``, such as "strength"."""
    runs = kind.trained(read(study.folder))
    diverged = sum(run["diverged"] for run in runs)
    if not is_finished(study.folder):
        return f"Stopped after {len(runs):,} trainings, before a {wanted} had all its seeds."
    return (
        f"Of {len(runs):,} trainings {diverged:,} diverged, and no {wanted} has all its seeds; "
        f"take a lower --learning-rate"
    )


def print_saved(study: Study, patterns: Sequence[str]) -> None:
    """Names the files that there are."""
    left = [pattern for pattern in patterns if any(study.folder.glob(pattern))]
    print(f"Saved {study.folder}/ ({', '.join(left)})")


def made(kind: Kind, study: Study, rows: Mapping[str, str], command: str) -> dict[str, str]:
    """How it was made, for pages: ``rows`` are what the study says of itself."""
    records = read(study.folder)
    runs = kind.trained(records)
    diverged = sum(run["diverged"] for run in runs)
    return {
        "trainings": f"{len(runs):,}, {diverged:,} diverged",
        **rows,
        **how_it_was_made(read_config(study.folder), records, command),
    }


def held(source: Any) -> str:
    """The images that a source keeps from training."""
    return f"{len(source.validation.labels):,} images choose, {len(source.test.labels):,} test"

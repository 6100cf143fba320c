"""What all studies do, in this order: prepare, say what will be trained, train, draw; or go on.

A study trains many networks and writes down each in ``records.jsonl``. It is made of parts, each a
program: `carry_out` follows them. What was stopped, killed or ran out of room goes on with
``--resume``: trainings are made in one order, so what is on disk says what is left. Until all are
made there is no answer, and a report says that first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console

from experiments import interrupts, ownership
from experiments.command import FAILED
from experiments.errors import ConfigError
from experiments.formatting import in_minutes
from experiments.options import going_on
from experiments.progress import Advance, progress
from experiments.provenance import command_line, how_it_was_made
from experiments.records import (
    WriteError,
    append,
    is_finished,
    open_folder,
    read,
    read_config,
    reopen_folder,
    save,
    write_config,
)

S = TypeVar("S")
SURE = 20.0
"""Seconds of work after which the speed of before counts as much as the estimate: so long it takes
to begin."""
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

    def count(self, part: Any, /) -> int:
        """All trainings of a part."""
        ...

    def conduct(self, parts: Any, advance: Advance, /) -> None:
        """Trains every part; what ``records.jsonl`` holds already is not trained again.

        Raises:
          KeyboardInterrupt: when interrupted, with everything finished in the records.
        """


@dataclasses.dataclass(frozen=True)
class State:
    """How far a study is.

    Attributes:
      left: trainings that are not made, by the id of a part; parts of which none is left out.
      note: what the reader must know first: that the study is not finished; else "".
      headline: likewise, in the place of its answer.
    """

    left: Mapping[str, int]
    note: str = ""
    headline: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """What there is to say of a study.

    Attributes:
      answer: sentences.
      summary: what the records keep of it.
      files: by name, in their order, what writes each to a path.
      shown: what is printed below the answer: tables, and lines of warnings.
    """

    answer: Sequence[str]
    summary: Mapping[str, Any]
    files: Mapping[str, Callable[[Path], object]]
    shown: Sequence[Any]


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a study is, as a command.

    Attributes:
      command: its name.
      prepare: of its options the study and its parts; everything that can go wrong goes wrong here.
      estimate: by the ``id`` of each part about how many seconds all of it takes.
      plan: of the parts that are left the table of what will be trained, given by id how many
        trainings, and how many seconds.
      report: of the records what there is to say; None if they hold nothing to draw yet.
      trains: events of the records that are a training each.
      begins: the event with which a part begins.
      part: what a part is called.
      lacks: what of a finished study must have all its seeds, or there is nothing to draw.
      files: patterns of what lies in its folder.
      key: the name of a part's id in records.
      unit: what is counted.
      counts: events that say how much of a part is done, with the names that tell one piece of
        work from others, where that is not a record for each of ``trains``.
      titles: what parts are called while they are trained, by id.
      first: what is done before anything is trained, for the bar.
      aside: what else is said of the plan.
    """

    command: str
    prepare: Callable[[Any], tuple[Any, Sequence[Any]]]
    estimate: Callable[[Any, Sequence[Any]], Mapping[str, float]]
    plan: Callable[[Any, Sequence[Any], Mapping[str, int], Mapping[str, float]], Any]
    report: Callable[[Any, Sequence[Any], Records, State], Report | None]
    trains: Collection[str]
    begins: str
    part: str
    lacks: str
    files: Sequence[str]
    key: str = "part"
    unit: str = "trainings"
    counts: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    titles: Callable[[Sequence[Any]], Mapping[str, str]] = lambda parts: {}
    first: str = "compiling"
    aside: str = ""

    def trained(self, records: Records) -> list[Mapping[str, Any]]:
        """Every training that there is."""
        return [record for record in records if record["event"] in self.trains]

    def done(self, part: Any, records: Records) -> int:
        """How much of a part there is, in the units of `Study.count`."""
        own = [record for record in records if record.get(self.key) == part.id]
        if not self.counts:
            return len(self.trained(own))
        counted = [record for record in own if record["event"] in self.counts]
        return len({(r["event"], *(r[n] for n in self.counts[r["event"]])) for r in counted})


def carry_out(kind: Kind, config: Any) -> None:
    """All of a study: the ``main`` of its command. Exits where it was stopped."""
    started = time.perf_counter()
    study, parts = kind.prepare(config)
    goes_on(kind.command, study.folder)
    try:
        status = _carried_out(kind, study, parts, started)
    finally:
        ownership.release(study.folder)
    if status:
        sys.exit(status)


def _carried_out(kind: Kind, study: Any, parts: Sequence[Any], started: float) -> int:
    """Trains what is left and shows what there is: the exit status."""
    console = Console()
    if is_finished(study.folder):
        print(f"Nothing is left to train in {study.folder}: it is drawn anew.", flush=True)
        return _show(kind, study, parts, console, read(study.folder)[-1]["event"] == "stop")
    before = read(study.folder)
    append(study.folder, {"event": "start", "config": vars(study.config)})
    seconds = _announced(kind, study, parts, before, console)
    finished, failure = _conducted(kind, study, parts, seconds, console)
    took = time.perf_counter() - started
    with contextlib.suppress(WriteError):
        append(study.folder, {"event": "stop", "finished": finished, "seconds": took})
    status = _show(kind, study, parts, console, True)
    if failure is not None:
        print(f"Error: {failure}", file=sys.stderr)
    if not finished or status:
        print(interrupts.advice())
    return status if finished else FAILED if failure is not None else interrupts.status()


def _announced(
    kind: Kind, study: Any, parts: Sequence[Any], records: Records, console: Console
) -> dict[str, float]:
    """Prints what is left to train; by part about how many seconds that takes."""
    left = _left(kind, study, parts, records)
    whole = kind.estimate(study, parts)
    pace = _pace(kind, study, parts, records, whole)
    seconds = {
        p.id: whole[p.id] * pace * left[p.id] / study.count(p) for p in parts if p.id in left
    }
    own = [part for part in parts if part.id in left]
    made = sum(map(study.count, parts)) - sum(left.values())
    begun = f"{made:,} {kind.unit} are made. " if made else ""
    if own:
        console.print(kind.plan(study, own, left, seconds), highlight=False)
    text = f"{begun}About {in_minutes(sum(seconds.values()))} in all. {kind.aside}"
    console.print(text.rstrip() if own else f"{begun}None is left.", highlight=False)
    return seconds


def _left(kind: Kind, study: Any, parts: Sequence[Any], records: Records) -> dict[str, int]:
    """Trainings that are not made, by part; none of parts that are done."""
    left = {part.id: study.count(part) - kind.done(part, records) for part in parts}
    return {name: count for name, count in left.items() if count > 0}


def _pace(
    kind: Kind, study: Any, parts: Sequence[Any], records: Records, whole: Mapping[str, float]
) -> float:
    """Seconds that a second of the estimates has taken so far: 1 if that is not known."""
    stops = [record["seconds"] for record in records if record["event"] == "stop"]
    if len(stops) < sum(record["event"] == "start" for record in records):
        return 1.0  # one was killed
    made = sum(whole[p.id] * kind.done(p, records) / study.count(p) for p in parts)
    return (SURE + sum(stops)) / (SURE + made)


def _conducted(
    kind: Kind, study: Any, parts: Sequence[Any], seconds: Mapping[str, float], console: Console
) -> tuple[bool, WriteError | None]:
    """Trains what is left: whether all of it, and what the disk said if it took no more."""
    try:
        with progress(seconds, console, kind.first, kind.titles(parts)) as advance:
            study.conduct(parts, advance)
    except KeyboardInterrupt:
        return False, None
    except WriteError as error:
        return False, error
    return True, None


# --- what there is to say ---


def _show(kind: Kind, study: Any, parts: Sequence[Any], console: Console, record: bool) -> int:
    """Writes and prints what the records say: the exit status, of a disk that takes no more."""
    records = read(study.folder)
    state = _state(kind, study, parts, records)
    report = kind.report(study, parts, records, state)
    if report is None:
        print(f"{state.note} {' '.join(state.headline)}" if state.note else _nothing(kind, records))
        _print_saved(kind, study)
        return 0
    if record:
        with contextlib.suppress(WriteError):
            append(study.folder, {"event": "summary", **report.summary})
    failed = saved(study.folder, report.files)
    for line in (state.note, *report.answer):
        if line:
            console.print(line, highlight=False)
    for each in report.shown:
        console.print(each, highlight=False, markup=not isinstance(each, str))
    _print_saved(kind, study)
    if failed:
        print(f"Error: {failed}", file=sys.stderr)
    return FAILED if failed else 0


def saved(folder: Path, files: Mapping[str, Callable[[Path], object]]) -> str:
    """Writes files; of those that could not be written, which and why."""
    failed: dict[str, OSError] = {}
    for name, write in files.items():
        try:
            save(folder / name, write)
        except OSError as error:
            failed[name] = error
    if not failed:
        return ""
    reason = next(iter(failed.values()))
    return f"{reason}; {', '.join(failed)} are not drawn"


def _state(kind: Kind, study: Any, parts: Sequence[Any], records: Records) -> State:
    left = _left(kind, study, parts, records)
    if is_finished(study.folder) or not left:
        return State({})
    whole = sum(map(study.count, parts))
    made = f"{whole - sum(left.values()):,} of {whole:,}"
    headline = f"There is no answer yet: {made} {kind.unit} are made."
    begun = sum(record["event"] == kind.begins for record in records)
    done = whole - sum(left.values())
    where = f"in {kind.part} {begun} of {len(parts)}" if begun else f"before the first {kind.part}"
    note = f"Stopped after {done:,} {kind.unit}, {where}."
    return State(left, note, (headline,))


def _nothing(kind: Kind, records: Records) -> str:
    """Why there is nothing to draw of a finished study."""
    runs = kind.trained(records)
    diverged = sum(run["diverged"] for run in runs)
    return (
        f"Of {len(runs):,} trainings {diverged:,} diverged, and no {kind.lacks} has all its seeds; "
        f"take a lower --learning-rate"
    )


def _print_saved(kind: Kind, study: Study) -> None:
    """Names the files that there are."""
    left = [pattern for pattern in kind.files if any(study.folder.glob(pattern))]
    print(f"Saved {study.folder}/ ({', '.join(left)})")


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
    content = reopen_folder(given.resume, command)
    try:
        return going_on(config, content, around)
    except ConfigError:
        ownership.release(given.resume)
        raise


def folder(config: Any, command: str, facts: Mapping[str, Any]) -> Path:
    """A new one with ``config.json``, or that of the study that goes on."""
    if config.resume is not None:
        return config.resume
    found = open_folder(command, config.output)
    write_config(found, command, config, facts)
    return found


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

"""`python -m experiments.path`: the regularization path, accuracy and exact zeros against λ.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from experiments.command import INTERRUPTED, run_command
from experiments.data import load
from experiments.formatting import in_minutes
from experiments.options import going_on
from experiments.path.config import (
    AROUND,
    Curve,
    PathConfig,
    check_example,
    command_line,
    planned,
    resolved,
)
from experiments.progress import progress
from experiments.provenance import how_it_was_made
from experiments.records import (
    append,
    is_finished,
    open_folder,
    read,
    read_config,
    reopen_folder,
    write_config,
)

if TYPE_CHECKING:
    from experiments.path.conduct import Study
    from experiments.path.content import PathContent

COMMAND = "path"
FILES = ("config.json", "records.jsonl", "weights_*.npz", "path.png", "weights.png", "report.html")


def main(config: PathConfig) -> None:
    """Says what it will do, trains, prints what came out, and draws it."""
    started = time.perf_counter()
    if config.sklearn_example:
        _sklearn_example(config)
        return
    study, curves = _prepare(config)
    console = Console()
    if is_finished(study.folder):
        _draw(study, len(curves), console)
        return
    append(study.folder, {"event": "start", "config": vars(study.config)})
    seconds = _announced(study, curves, console)
    finished = True
    try:
        shares = {curve.id: share for curve, share in zip(curves, seconds, strict=True)}
        with progress(shares, console, "compiling") as advance:
            study.conduct(curves, advance)
    except KeyboardInterrupt:
        finished = False
    took = time.perf_counter() - started
    append(study.folder, {"event": "stop", "finished": finished, "seconds": took})
    _draw(study, len(curves), console, record=True)
    if not finished:
        print(f"Go on: python -m experiments.path --resume {study.folder}")
        sys.exit(INTERRUPTED)


def _sklearn_example(config: PathConfig) -> None:
    """Solves scikit-learn's example and shows it beside what scikit-learn found."""
    from experiments import machine

    check_example(config)
    facts = machine.every_device(config.platform, config.compilation_cache, float64=True)
    from experiments.path import sklearn_example, tables

    folder = open_folder(COMMAND, config.output)
    write_config(folder, COMMAND, config, {**facts, "data": config.data})
    print("scikit-learn's example of sparse digits, in float64: about a minute.", flush=True)
    records = sklearn_example.compared()
    append(folder, *records)
    Console().print(tables.example(records), highlight=False)
    print(f"Saved {folder}/ (config.json, records.jsonl)")


def _prepare(config: PathConfig) -> tuple[Study, list[Curve]]:
    """Everything that can go wrong before training: options, device, data, folder."""
    if config.resume is not None:
        config = going_on(config, reopen_folder(config.resume, COMMAND), AROUND)
    config = resolved(config)
    curves = planned(config)
    dataset = load(config.data)
    from experiments import machine

    facts = machine.every_device(config.platform, config.compilation_cache)
    from experiments.paired import sample
    from experiments.path.conduct import Study

    source = sample.source(dataset, config.pool or 1)
    for curve in curves:
        sample.check(curve.setup, source)
    folder = config.resume or open_folder(COMMAND, config.output)
    if config.resume is None:
        write_config(folder, COMMAND, config, {**facts, "data": config.data})
    return Study(config, source, folder), curves


def _announced(study: Study, curves: Sequence[Curve], console: Console) -> list[float]:
    """Prints what will be trained; about how many seconds each path will take."""
    from experiments.path import cost, tables

    seconds = cost.estimates(curves, study.source, len(study.seeds))
    console.print(tables.plan(curves, len(study.seeds), seconds), highlight=False)
    console.print(f"About {in_minutes(sum(seconds))} in all.", highlight=False)
    return seconds


def _draw(study: Study, curves: int, console: Console, record: bool = False) -> None:
    """The answer, the table and the picture, of whatever there is."""
    from experiments.path import picture, pictures, tables
    from experiments.path.describe import describe
    from experiments.path.page import still
    from experiments.path.page.write import write
    from experiments.path.results import results

    records = read(study.folder)
    found = [each for each in results(records) if len(each.complete)]
    if not found:
        done = sum(record["event"] == "run" for record in records)
        print(f"Stopped after {done:,} trainings, before a strength had all its seeds.")
        print(f"Saved {study.folder}/ (config.json, records.jsonl)")
        return
    note = _note(records, study, curves)
    content = describe(found, _made(study, records), note)
    if record:
        append(study.folder, {"event": "summary", **_summary(content)})
    picture.draw(content, study.folder / "path.png")
    weights = pictures.every(study.folder, [curve["id"] for curve in content["curves"]])
    drawn = still.draw(content, weights, study.folder / "weights.png")
    write(content, weights, study.folder / "report.html", drawn)
    for line in (note, *content["answer"]):
        if line:
            console.print(line, highlight=False)
    console.print(tables.choices(content))
    left = [pattern for pattern in FILES if any(study.folder.glob(pattern))]
    print(f"Saved {study.folder}/ ({', '.join(left)})")


def _note(records: Sequence[dict[str, Any]], study: Study, curves: int) -> str:
    """What the reader must know first: that the study is not finished."""
    if is_finished(study.folder):
        return ""
    done = sum(record["event"] == "run" for record in records)
    begun = sum(record["event"] == "curve" for record in records)
    return f"Stopped after {done:,} trainings, in path {begun} of {curves}."


def _summary(content: PathContent) -> dict[str, Any]:
    return {name: content[name] for name in ("answer", "choices", "note")}


def _made(study: Study, records: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How it was made, for the page."""
    runs = [record for record in records if record["event"] == "run"]
    diverged = sum(record["diverged"] for record in runs)
    source, config = study.source, study.config
    held = f"{len(source.validation.labels):,} images choose, {len(source.test.labels):,} test"
    noise = f", {100 * (config.label_noise or 0):g} % of the labels wrong"
    return {
        "trainings": f"{len(runs):,}, {diverged:,} diverged",
        "seeds": ", ".join(map(str, study.seeds)),
        "data": f"{source.name}{noise}; {held}",
        **how_it_was_made(read_config(study.folder), records, command_line(config)),
    }


if __name__ == "__main__":
    run_command(COMMAND, main, PathConfig)

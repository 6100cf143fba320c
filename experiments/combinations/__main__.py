"""`python -m experiments.combinations`: every penalty beside Dropout and BatchNorm, what helps.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from experiments.combinations.config import (
    AROUND,
    CombinationsConfig,
    Part,
    command_line,
    planned,
    resolved,
)
from experiments.command import INTERRUPTED, run_command
from experiments.data import load
from experiments.formatting import in_minutes
from experiments.options import going_on
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
    from experiments.combinations.conduct import Study
    from experiments.combinations.content import Content

COMMAND = "combinations"
FILES = ("config.json", "records.jsonl", "combinations.png", "combinations.md", "report.html")


def main(config: CombinationsConfig) -> None:
    """Says what it will do, trains, prints what came out, and draws it."""
    started = time.perf_counter()
    study, parts = _prepare(config)
    console = Console()
    if is_finished(study.folder):
        _draw(study, parts, console)
        return
    append(study.folder, {"event": "start", "config": vars(study.config)})
    seconds = _announced(study, parts, console)
    finished = True
    try:
        shares = {part.id: share for part, share in zip(parts, seconds, strict=True)}
        with progress(shares, console, "compiling") as advance:
            study.conduct(parts, advance)
    except KeyboardInterrupt:
        finished = False
    took = time.perf_counter() - started
    append(study.folder, {"event": "stop", "finished": finished, "seconds": took})
    _draw(study, parts, console, record=True)
    if not finished:
        print(f"Go on: python -m experiments.combinations --resume {study.folder}")
        sys.exit(INTERRUPTED)


def _prepare(config: CombinationsConfig) -> tuple[Study, list[Part]]:
    """Everything that can go wrong before training: options, device, data, folder."""
    if config.resume is not None:
        config = going_on(config, reopen_folder(config.resume, COMMAND), AROUND)
    config = resolved(config)
    dataset = load(config.data)
    from experiments import machine

    facts = machine.every_device(config.platform, config.compilation_cache)
    from experiments.combinations.conduct import Study
    from experiments.paired import sample

    source = sample.source(dataset, config.pool or 1)
    parts = planned(config, len(source.train.labels))
    for part in parts:
        sample.check(part.setup, source)
    folder = config.resume or open_folder(COMMAND, config.output)
    if config.resume is None:
        write_config(folder, COMMAND, config, {**facts, "data": config.data})
    return Study(config, source, folder), parts


def _announced(study: Study, parts: Sequence[Part], console: Console) -> list[float]:
    """Prints what will be trained; about how many seconds each part will take."""
    from experiments.combinations import cost, tables

    counts = {part.id: study.count(part) for part in parts}
    seconds = cost.estimates(parts, counts, study.source)
    console.print(tables.plan(parts, counts, seconds), highlight=False)
    console.print(f"About {in_minutes(sum(seconds))} in all.", highlight=False)
    return seconds


def _draw(study: Study, parts: Sequence[Part], console: Console, record: bool = False) -> None:
    """The answer, the tables and the picture, of whatever there is."""
    from experiments.combinations import page, picture, tables
    from experiments.combinations.describe import describe
    from experiments.combinations.results import results

    records = read(study.folder)
    found = [each for each in results(records) if any(map(each.has, each.errors))]
    if not found:
        done = sum(record["event"] in ("tried", "run") for record in records)
        print(f"Stopped after {done:,} trainings, before anything had all its seeds.")
        print(f"Saved {study.folder}/ (config.json, records.jsonl)")
        return
    note = _note(records, study, parts)
    content = describe(found, _made(study, records), note)
    if record:
        append(study.folder, {"event": "summary", **_summary(content)})
    drawn = study.folder / "combinations.png"
    picture.draw(content, drawn)
    page.write(content, drawn, study.folder / "report.html")
    (study.folder / "combinations.md").write_text(tables.markdown(content), encoding="utf-8")
    for line in (note, *content["answer"]):
        if line:
            console.print(line, highlight=False)
    for model in content["models"]:
        console.print(tables.errors(model))
    if any(model["ordering"] for model in content["models"]):
        console.print(tables.ordering(content["models"]))
    left = [name for name in FILES if (study.folder / name).exists()]
    print(f"Saved {study.folder}/ ({', '.join(left)})")


def _note(records: Sequence[dict[str, Any]], study: Study, parts: Sequence[Part]) -> str:
    """What the reader must know first: that the study is not finished."""
    if is_finished(study.folder):
        return ""
    done = sum(record["event"] in ("tried", "run") for record in records)
    begun = sum(record["event"] == "part" for record in records)
    return f"Stopped after {done:,} trainings, in program {begun} of {len(parts)}."


def _summary(content: Content) -> dict[str, Any]:
    return {name: content[name] for name in ("answer", "note")}


def _made(study: Study, records: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How it was made, for the page."""
    runs = [record for record in records if record["event"] in ("tried", "run")]
    diverged = sum(record["diverged"] for record in runs)
    source, config = study.source, study.config
    held = f"{len(source.validation.labels):,} images choose, {len(source.test.labels):,} test"
    noise = f", {100 * (config.label_noise or 0):g} % of the labels wrong"
    trained = {part["setup"]["examples"] for part in records if part["event"] == "part"}
    images = ", ".join(f"{count:,}" for count in sorted(trained))
    return {
        "trainings": f"{len(runs):,}, {diverged:,} diverged",
        "seeds": f"{', '.join(map(str, study.seeds))}; strengths are chosen on "
        f"{', '.join(map(str, study.tuning_seeds))}",
        "data": f"{source.name}: {images} images train{noise}; {held}",
        **how_it_was_made(read_config(study.folder), records, command_line(config)),
    }


if __name__ == "__main__":
    run_command(COMMAND, main, CombinationsConfig)

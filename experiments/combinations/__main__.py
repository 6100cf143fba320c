"""`python -m experiments.combinations`: every penalty beside Dropout and BatchNorm, what helps.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from experiments import study as studies
from experiments.combinations.config import (
    AROUND,
    CombinationsConfig,
    Part,
    command_line,
    planned,
    resolved,
)
from experiments.command import run_command
from experiments.data import load
from experiments.records import append, read

if TYPE_CHECKING:
    from experiments.combinations.conduct import Study
    from experiments.combinations.content import Content

COMMAND = "combinations"
FILES = ("config.json", "records.jsonl", "combinations.png", "combinations.md", "report.html")


def main(config: CombinationsConfig) -> None:
    """Says what it will do, trains, prints what came out, and draws it."""
    studies.carry_out(KIND, config)


def _prepare(config: CombinationsConfig) -> tuple[Study, list[Part]]:
    """Everything that can go wrong before training: options, device, data, folder."""
    config = resolved(studies.settings(config, COMMAND, AROUND))
    dataset = load(config.data)
    from experiments import machine

    facts = machine.every_device(config.platform, config.compilation_cache)
    from experiments.combinations.conduct import Study
    from experiments.paired import sample

    source = sample.source(dataset, config.pool or 1)
    parts = planned(config, len(source.train.labels))
    for part in parts:
        sample.check(part.setup, source)
    folder = studies.folder(config, COMMAND, {**facts, "data": config.data})
    return Study(config, source, folder), parts


def _announce(study: Study, parts: Sequence[Part], console: Console) -> dict[str, float]:
    """Prints what will be trained; about how many seconds each part will take."""
    from experiments.combinations import cost, tables

    counts = {part.id: study.count(part) for part in parts}
    seconds = cost.estimates(parts, counts, study.source)
    console.print(tables.plan(parts, counts, seconds), highlight=False)
    found = {part.id: estimate for part, estimate in zip(parts, seconds, strict=True)}
    console.print(studies.in_all(found), highlight=False)
    return found


def _draw(study: Study, parts: Sequence[Part], console: Console, record: bool) -> None:
    """The answer, the tables and the picture, of whatever there is."""
    from experiments.combinations import page, picture, tables
    from experiments.combinations.describe import describe
    from experiments.combinations.results import results

    records = read(study.folder)
    found = [each for each in results(records) if any(map(each.has, each.errors))]
    if not found:
        print(studies.nothing(KIND, study, "penalty"))
        studies.print_saved(study, FILES)
        return
    note = studies.note(KIND, study, parts)
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
    studies.print_saved(study, FILES)


def _summary(content: Content) -> dict[str, Any]:
    return {name: content[name] for name in ("answer", "note")}


def _made(study: Study, records: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How it was made, for the page."""
    source, config = study.source, study.config
    noise = f", {100 * (config.label_noise or 0):g} % of the labels wrong"
    trained = {part["setup"]["examples"] for part in records if part["event"] == "part"}
    images = ", ".join(f"{count:,}" for count in sorted(trained))
    rows = {
        "seeds": f"{', '.join(map(str, study.seeds))}; strengths are chosen on "
        f"{', '.join(map(str, study.tuning_seeds))}",
        "data": f"{source.name}: {images} images train{noise}; {studies.held(source)}",
    }
    return studies.made(KIND, study, rows, command_line(config))


KIND = studies.Kind(COMMAND, _prepare, _announce, _draw, ("tried", "run"), "part", "program")

if __name__ == "__main__":
    run_command(COMMAND, main, CombinationsConfig)

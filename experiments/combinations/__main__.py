"""`python -m experiments.combinations`: every penalty beside Dropout and BatchNorm, what helps.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

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


def _estimate(study: Study, parts: Sequence[Part]) -> dict[str, float]:
    """About how many seconds each part takes."""
    from experiments.combinations import cost

    counts = {part.id: study.count(part) for part in parts}
    seconds = cost.estimates(parts, counts, study.source)
    return {part.id: estimate for part, estimate in zip(parts, seconds, strict=True)}


def _plan(
    study: Study, parts: Sequence[Part], left: Mapping[str, int], seconds: Mapping[str, float]
) -> Table:
    """What will be trained."""
    del study
    from experiments.combinations import tables

    return tables.plan(parts, left, [seconds[part.id] for part in parts])


def _report(
    study: Study, parts: Sequence[Part], records: studies.Records, state: studies.State
) -> studies.Report | None:
    """The answer, the tables and the picture, of whatever there is."""
    from experiments.combinations import page, picture, tables
    from experiments.combinations.describe import describe
    from experiments.combinations.results import results

    found = [each for each in results(records) if any(map(each.has, each.errors))]
    if not found:
        return None
    unfinished = [part.model for part in parts if part.id in state.left]
    content = describe(found, _made(study, records), state.note, state.headline, unfinished)
    drawn = study.folder / "combinations.png"
    files = {
        drawn.name: lambda path: picture.draw(content, path),
        "report.html": lambda path: page.write(content, drawn, path),
        "combinations.md": lambda path: path.write_text(tables.markdown(content), "utf-8"),
    }
    shown = [tables.errors(model) for model in content["models"]]
    if any(model["ordering"] for model in content["models"]):
        shown.append(tables.ordering(content["models"]))
    return studies.Report(content["answer"], _summary(content), files, shown)


def _summary(content: Content) -> dict[str, Any]:
    return {name: content[name] for name in ("answer", "note")}


def _made(study: Study, records: studies.Records) -> dict[str, str]:
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


KIND = studies.Kind(
    COMMAND,
    _prepare,
    _estimate,
    _plan,
    _report,
    trains=("tried", "run"),
    begins="part",
    part="program",
    lacks="penalty",
    files=FILES,
)

if __name__ == "__main__":
    run_command(COMMAND, main, CombinationsConfig)

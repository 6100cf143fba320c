"""`python -m experiments.path`: the regularization path, accuracy and exact zeros against λ.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from experiments import study as studies
from experiments.command import run_command
from experiments.data import load
from experiments.path.config import (
    AROUND,
    Curve,
    PathConfig,
    check_example,
    command_line,
    planned,
    resolved,
)
from experiments.records import append, open_folder, read, write_config

if TYPE_CHECKING:
    from experiments.path.conduct import Study
    from experiments.path.content import PathContent

COMMAND = "path"
FILES = ("config.json", "records.jsonl", "weights_*.npz", "path.png", "weights.png", "report.html")


def main(config: PathConfig) -> None:
    """Says what it will do, trains, prints what came out, and draws it."""
    if config.sklearn_example:
        _sklearn_example(config)
    else:
        studies.carry_out(KIND, config)


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
    config = resolved(studies.settings(config, COMMAND, AROUND))
    curves = planned(config)
    dataset = load(config.data)
    from experiments import machine

    facts = machine.every_device(config.platform, config.compilation_cache)
    from experiments.paired import sample
    from experiments.path.conduct import Study

    source = sample.source(dataset, config.pool or 1)
    for curve in curves:
        sample.check(curve.setup, source)
    folder = studies.folder(config, COMMAND, {**facts, "data": config.data})
    return Study(config, source, folder), curves


def _announce(study: Study, curves: Sequence[Curve], console: Console) -> dict[str, float]:
    """Prints what will be trained; about how many seconds each path will take."""
    from experiments.path import cost, tables

    seconds = cost.estimates(curves, study.source, len(study.seeds))
    console.print(tables.plan(curves, len(study.seeds), seconds), highlight=False)
    found = {curve.id: estimate for curve, estimate in zip(curves, seconds, strict=True)}
    console.print(studies.in_all(found), highlight=False)
    return found


def _draw(study: Study, curves: Sequence[Curve], console: Console, record: bool) -> None:
    """The answer, the table and the picture, of whatever there is."""
    from experiments.path import picture, pictures, tables
    from experiments.path.describe import describe
    from experiments.path.page import still
    from experiments.path.page.write import write
    from experiments.path.results import results

    records = read(study.folder)
    found = [each for each in results(records) if len(each.complete)]
    if not found:
        print(studies.nothing(KIND, study, "strength"))
        studies.print_saved(study, FILES)
        return
    note = studies.note(KIND, study, curves)
    content = describe(found, _made(study), note)
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
    studies.print_saved(study, FILES)


def _summary(content: PathContent) -> dict[str, Any]:
    return {name: content[name] for name in ("answer", "choices", "note")}


def _made(study: Study) -> dict[str, str]:
    """How it was made, for the page."""
    source, config = study.source, study.config
    noise = f", {100 * (config.label_noise or 0):g} % of the labels wrong"
    rows = {
        "seeds": ", ".join(map(str, study.seeds)),
        "data": f"{source.name}{noise}; {studies.held(source)}",
    }
    return studies.made(KIND, study, rows, command_line(config))


KIND = studies.Kind(COMMAND, _prepare, _announce, _draw, ("run",), "curve", "path")

if __name__ == "__main__":
    run_command(COMMAND, main, PathConfig)

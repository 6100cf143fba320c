"""`python -m experiments.path`: the regularization path, accuracy and exact zeros against λ.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

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
from experiments.records import append, open_folder, write_config

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


def _estimate(study: Study, curves: Sequence[Curve]) -> dict[str, float]:
    """About how many seconds each path takes."""
    from experiments.path import cost

    seconds = cost.estimates(curves, study.source, len(study.seeds))
    return {curve.id: estimate for curve, estimate in zip(curves, seconds, strict=True)}


def _plan(
    study: Study, curves: Sequence[Curve], left: Mapping[str, int], seconds: Mapping[str, float]
) -> Table:
    """What will be trained."""
    from experiments.path import tables

    known = {c.id: study.count(c) - left[c.id] for c in curves}
    return tables.plan(curves, len(study.seeds), [seconds[curve.id] for curve in curves], known)


def _report(
    study: Study, curves: Sequence[Curve], records: studies.Records, state: studies.State
) -> studies.Report | None:
    """The answer, the table and the picture, of the paths that are followed to their end."""
    del curves
    from experiments.path import picture, pictures, tables
    from experiments.path.describe import describe
    from experiments.path.page import still
    from experiments.path.page.write import write
    from experiments.path.results import results

    whole = [each for each in results(records) if each.id not in state.left]
    found = [each for each in whole if len(each.complete)]
    if not found:
        return None
    content = describe(found, _made(study), state.note, state.headline)
    weights = pictures.every(study.folder, [curve["id"] for curve in content["curves"]])
    drawn = study.folder / "weights.png"
    files: dict[str, Any] = {"path.png": lambda path: picture.draw(content, path)}
    if weights:
        files[drawn.name] = lambda path: still.draw(content, weights, path)
    shown = drawn if weights else None
    files["report.html"] = lambda path: write(content, weights, path, shown)
    table = tables.choices(content)
    return studies.Report(content["answer"], _summary(content), files, [table])


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


KIND = studies.Kind(
    COMMAND,
    _prepare,
    _estimate,
    _plan,
    _report,
    trains=("run",),
    begins="curve",
    part="path",
    lacks="strength",
    files=FILES,
    key="curve",
)

if __name__ == "__main__":
    run_command(COMMAND, main, PathConfig)

"""`python -m experiments.tune`: choosing λ by every way at equal budget, what each reaches.

Heavy imports wait until the options are known to be good.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rich.table import Table

from experiments import study as studies
from experiments.command import run_command
from experiments.data import load
from experiments.errors import ConfigError
from experiments.tune.config import (
    AROUND,
    SEARCHES,
    Part,
    TuneConfig,
    command_line,
    planned,
    resolved,
)

if TYPE_CHECKING:
    from experiments.data import Dataset
    from experiments.tune.conduct import Study
    from experiments.tune.content import Content

COMMAND = "tune"
FILES = ("config.json", "records.jsonl", "tune.png", "tune.md", "report.html")


def main(config: TuneConfig) -> None:
    """Says what it will do, chooses, trains, prints what came out, and draws it."""
    studies.carry_out(KIND, config)


def _prepare(config: TuneConfig) -> tuple[Study, list[Part]]:
    """Everything that can go wrong before training: options, packages, device, data, folder."""
    config = resolved(studies.settings(config, COMMAND, AROUND))
    _check_packages(config)
    dataset = load(config.data)
    _check_examples(config, dataset)
    from experiments import machine

    facts = machine.every_device(config.platform, config.compilation_cache)
    from experiments.tune.conduct import Study

    _check_folds(config, dataset)
    folder = studies.folder(config, COMMAND, {**facts, "data": config.data})
    return Study(config, dataset, folder), planned(config)


def _check_packages(config: TuneConfig) -> None:
    needing = [name for name in config.method or () if name in SEARCHES]
    if needing and find_spec("optuna") is None:
        raise ConfigError(
            f"--method {needing[0]}: expected the package optuna, which is not installed; "
            f'pip install ".[tune]", or take --method cv hypergradient ridge evidence'
        )


def _check_examples(config: TuneConfig, dataset: Dataset) -> None:
    available = len(dataset.train.labels)
    if (config.examples or 0) > available:
        raise ConfigError(
            f"--examples: expected at most {available:,}, the training images of {config.data}, "
            f"got {config.examples:,}"
        )


def _check_folds(config: TuneConfig, dataset: Dataset) -> None:
    """Raises if a fold would leave a training without a class."""
    from experiments.tune.trainings import images_of
    from jaxreg import tune

    for seed in config.every_seed:
        labels = images_of(seed, dataset.train, config.examples or 1).labels
        try:
            tune.folds(len(labels), config.folds or 1, seed=seed, classes=labels)
        except ValueError as error:
            raise ConfigError(
                f"--folds {config.folds}: expected every class in every training, but of the "
                f"images of seed {seed} {_reason(error)}; take more than --examples "
                f"{config.examples:,}"
            ) from None


def _reason(error: ValueError) -> str:
    """What came, of an error that says what was expected, what came, and what to do elsewhere."""
    return str(error).rpartition(", but ")[2].partition(";")[0]


def _estimate(study: Study, parts: Sequence[Part]) -> dict[str, float]:
    """About how many seconds each part takes."""
    from experiments.tune import cost

    return cost.estimates(parts, study.config, study.dataset)


def _plan(
    study: Study, parts: Sequence[Part], left: Mapping[str, int], seconds: Mapping[str, float]
) -> Table:
    """What will be done."""
    from experiments.tune import tables

    shown = [
        dataclasses.replace(p, trainings=p.trainings * left[p.id] // study.count(p)) for p in parts
    ]
    return tables.plan(shown, len(study.config.every_seed), seconds)


def _report(
    study: Study, parts: Sequence[Part], records: studies.Records, state: studies.State
) -> studies.Report | None:
    """The answer, the table and the picture, of whatever there is."""
    del parts
    from experiments.tune import page, picture, tables
    from experiments.tune.describe import describe
    from experiments.tune.results import results

    found = results(records)
    if found is None:
        return None
    content = describe(found, _made(study, records), state.note, state.headline)
    drawn = study.folder / "tune.png"
    files = {
        drawn.name: lambda path: picture.draw(content, path),
        "report.html": lambda path: page.write(content, drawn, path),
        "tune.md": lambda path: path.write_text(tables.markdown(content), "utf-8"),
    }
    warnings = [f"warning: {line}" for line in content["warnings"]]
    shown = [*tables.terminal(content), *warnings]
    return studies.Report(content["answer"], _summary(content), files, shown)


def _summary(content: Content) -> dict[str, Any]:
    return {name: content[name] for name in ("answer", "rows", "note")}


def _made(study: Study, records: studies.Records) -> dict[str, str]:
    """How it was made, for the page."""
    source, config = study.dataset, study.config
    own = {r["part"]: 0 for r in records if r["event"] == "choice"}
    for r in records:
        if r["event"] == "choice":
            own[r["part"]] += r["trainings"]
    runs = [r for r in records if r["event"] == "run"]
    diverged = sum(r["diverged"] for r in runs)
    low, high, count = config.strengths or (0, 0, 0)
    rows = {
        "trainings": f"{sum(own.values()):,} that choose, {len(runs):,} with what was chosen and "
        f"along the curve, of which {diverged:,} diverged",
        "seeds": ", ".join(map(str, config.every_seed)),
        "data": f"{source.name}: each seed draws {config.examples:,} of "
        f"{len(source.train.labels):,} images; {len(source.test.labels):,} test",
        "strengths": f"{low:g} to {high:g}, {count} on the curve; {config.trials} trials; "
        f"{config.folds} folds",
        "penalty": f"{config.penalty}, {config.coupling}",
    }
    return studies.made(KIND, study, rows, command_line(config))


KIND = studies.Kind(
    COMMAND,
    _prepare,
    _estimate,
    _plan,
    _report,
    trains=("run",),
    begins="part",
    part="part",
    lacks="way",
    files=FILES,
    unit="choices and trainings",
    counts={"choice": ("seed",), "run": ("method", "strength", "seed")},
)

if __name__ == "__main__":
    run_command(COMMAND, main, TuneConfig)

"""Choosing λ: a grid by cross-validation, ridge regression in closed form, and the Lasso.

The grid, 5 folds × 20 strengths × 3 seeds of the mission's network on 5,000 digits by Adam, is one
process for each sample, as a user starts it: `tune.cross_validate` here, scikit-learn's
`GridSearchCV` and loops in PyTorch with a process for each core. All have the same folds, batch
size, epochs, learning rate and λ, and start from the same distribution; PyTorch's fast loop and
this project draw the same numbers and make the same trainings, as the losses show. Steady are the
trainings alone: without imports, data, starting processes (but scikit-learn's) and compilation.

The closed form and the Lasso run in this process, compiled before, in float64.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.benchmark.linear_problems import PATHS, RIDGE, RIDGE_CV, lassos, ridges
from experiments.benchmark.suites import PEERS, ROOT, Recorder
from experiments.benchmark.suites.models import torch_of
from experiments.benchmark.tables import Column, Target, as_json, table, target_table
from experiments.benchmark.timing import Sample, Spread, Timings, interleave, run_process
from experiments.formatting import in_seconds, significant

PACKAGES = ("sklearn",)
CORES = os.cpu_count() or 1
OURS, SKLEARN = "jaxreg", "scikit-learn"
FAST, LOADER = "PyTorch, fast", "PyTorch, DataLoader"
GRID = "5 folds × 20 strengths × 3 seeds"
SIZES = "--examples 5000 --folds 5 --strengths 20 --seeds 3 --epochs 5"
QUICK = "--examples 2000 --folds 5 --strengths 4 --seeds 1 --epochs 2"
COLUMNS = (
    Column("whole process", "process"),
    Column("to jaxreg", "process", OURS),
    Column("steady", "steady"),
    Column("to jaxreg", "steady", OURS),
    Column("least loss", "loss", unit="", decimals=4),
    Column("greatest", "worst", unit="", decimals=4),
)
TARGETS = [
    Target(measure, peer, OURS, 5.0)
    for measure in ("process", "steady")
    for peer in (SKLEARN, LOADER, FAST)
]
RIDGES = ((5000, 100), (2000, 500), (200, 2000))
LASSO = (2000, 500)
IN_PROCESS = (Column("time", "seconds"), Column("of all cores", "cpu"))
Contenders = Mapping[str, Callable[[], Sample]]


def run(
    repeats: int, quick: bool, console: Console, record: Recorder, *, peers: Path | None = None
) -> dict[str, object]:
    """Measures, prints the tables, and returns what is to be saved.

    Args:
      repeats: rounds, in each of which every contender runs once.
      quick: a grid of 20 short trainings, and small linear problems: shows that it works.
      console: where to print.
      record: called with each sample as soon as it is there.
      peers: the interpreter that has PyTorch; this one if None.

    Raises:
      ConfigError: if PyTorch is not installed there.
    """
    python = str(peers or sys.executable)
    sizes = QUICK if quick else SIZES
    results: dict[str, object] = {"torch": torch_of(python, "tune"), "grid": sizes}
    grid = {name: functools.partial(_sample, c) for name, c in commands(python, sizes).items()}
    measured = functools.partial(_measured, repeats=repeats, console=console, record=record)
    results[GRID] = measured(GRID, grid, COLUMNS, TARGETS)
    for size in RIDGES:
        name = "ridge, {:,} × {:,}".format(*size)
        target = Target("seconds", RIDGE_CV, RIDGE, 1.0)
        columns = (*IN_PROCESS, Column("to jaxreg", "seconds", RIDGE))
        results[name] = measured(name, ridges(*_small(size, quick)), columns, [target])
    name = "Lasso, {:,} × {:,}".format(*LASSO)
    columns = (*IN_PROCESS, Column("to jaxreg", "seconds", PATHS))
    results[name] = measured(name, lassos(*_small(LASSO, quick)), columns, [])
    return results


def _small(size: tuple[int, int], quick: bool) -> tuple[int, int]:
    return (size[0] // 4, size[1] // 4) if quick else size


def _measured(
    name: str,
    contenders: Contenders,
    columns: tuple[Column, ...],
    targets: list[Target],
    *,
    repeats: int,
    console: Console,
    record: Recorder,
) -> dict[str, object]:
    """Samples in turns, and the tables of them."""

    def on_sample(contender: str, sample: Sample) -> None:
        record({"event": "sample", "problem": name, "contender": contender, **sample})
        seconds = in_seconds(next(iter(sample.values())), 3)
        console.print(f"{name}: {contender}: {seconds}", style="dim", highlight=False)

    timings = interleave(contenders, repeats, on_sample=on_sample)
    console.print(table(name, timings, columns))
    if targets:
        console.print(target_table(timings, targets))
    return as_json(timings, columns, targets)


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """Writes the tables in Markdown."""
    (folder / "tune.md").write_text(markdown(results), encoding="utf-8")


def markdown(results: Mapping[str, Any]) -> str:
    """A table of the grid and whether its aim is reached, and one of the linear problems."""
    grid = Timings(results[GRID]["samples"])
    head = ["", "whole process", "to jaxreg", "steady", "to jaxreg", "least held-out loss"]
    rows = [_grid_row(grid, name) for name in grid.samples]
    linear = [name for name in results if name.startswith(("ridge", "Lasso"))]
    others = [_linear_row(name, Timings(results[name]["samples"])) for name in linear]
    linear_table = _table(["", "jaxreg", "scikit-learn", "chosen λ"], others)
    return f"{_table(head, rows)}\n{_aim(grid)}\n\n{linear_table}"


def _aim(timings: Timings) -> str:
    """Which of the targets are reached.

    >>> def sample(seconds):
    ...     return [{"process": 2 * seconds, "steady": seconds}]
    >>> times = {OURS: 1.0, SKLEARN: 6.0, LOADER: 5.0, FAST: 3.0}
    >>> _aim(Timings({name: sample(seconds) for name, seconds in times.items()}))
    'Five times as fast is not reached everywhere. PyTorch, fast: process 3.00×, steady 3.00×.'
    """
    missed: dict[str, list[str]] = {}
    for target in TARGETS:
        if not target.reached(timings):
            ratio = significant(target.ratio(timings).median)
            missed.setdefault(target.slower, []).append(f"{target.measure} {ratio}×")
    said = "; ".join(f"{name}: {', '.join(each)}" for name, each in missed.items())
    if not said:
        return "Five times as fast is reached."
    everywhere = len(missed) == len({target.slower for target in TARGETS})
    return f"Five times as fast is not reached{'' if everywhere else ' everywhere'}. {said}."


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def _grid_row(timings: Timings, name: str) -> list[str]:
    cells = [name]
    for measure in ("process", "steady"):
        cells.append(timings.spread(measure, name).show(" s"))
        cells.append(f"{significant(timings.ratio(measure, name, OURS).median)}×")
    return [*cells, f"{timings.spread('loss', name).median:.4f}"]


def _linear_row(name: str, timings: Timings) -> list[str]:
    """Times in milliseconds, with what each contender is where there are several."""
    ours = [contender for contender in timings.samples if contender.startswith("jaxreg")]
    peer = next(contender for contender in timings.samples if contender not in ours)

    def shown(contender: str) -> str:
        values = (1e3 * value for value in timings.values("seconds", contender))
        return Spread.of(values).show(" ms")

    mine = [shown(c) + f" ({c.removeprefix('jaxreg ')})" * (len(ours) > 1) for c in ours]
    strengths = {significant(timings.spread("strength", c).median) for c in timings.samples}
    return [name, "; ".join(mine), shown(peer), ", ".join(sorted(strengths))]


# --- the grid ---


def commands(python: str, sizes: str) -> dict[str, list[str]]:
    """What each contender is started by."""
    ours = [sys.executable, "-m", "experiments.benchmark.digits_grid"]
    sklearn = [sys.executable, str(PEERS / "sklearn_grid.py"), "--jobs", str(CORES)]
    torch = [python, str(PEERS / "torch_grid.py"), "--processes", str(CORES)]
    programs = {OURS: ours, SKLEARN: sklearn, FAST: torch, LOADER: [*torch, "--loader"]}
    return {name: [*program, *sizes.split()] for name, program in programs.items()}


def _sample(command: list[str]) -> Sample:
    """One whole process; the least and the greatest of the strengths' held-out losses."""
    process = run_process(command, cwd=ROOT)
    found = json.loads(process.output.splitlines()[-1])
    times = {"process": process.seconds, "steady": found["seconds"]}
    return {**times, "loss": min(found["losses"]), "worst": max(found["losses"])}

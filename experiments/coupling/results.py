"""The records of a study as tables of losses and errors, for each heat map."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.coupling.grid import Grid, grid_of
from experiments.decay_form import Axis
from experiments.optimizers import half_cosine
from experiments.paired.setup import STRETCHES, Setup


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What the trainings of one heat map gave; arrays are [rows, columns, seeds].

    Attributes:
      id: of the panel.
      regime: a, b, c or custom.
      form: of `experiments.forms`.
      setup: what the trainings have in common.
      grid: learning rates and decays.
      reach: what momentum makes of the decay, see `Form.reach`.
      views: the axes on which its decay can be expressed.
      nature: what theory applies to: invariant, linear or neither, see `coupling.nature`.
      seeds: in the order of the arrays.
      losses: log validation losses; infinite where a training diverged, NaN where it was not made.
      validation_errors: shares of the validation images; NaN likewise.
      test_errors: of the test images.
      undecayed_losses: [rows, seeds], without decay; NaN if that was not asked for.
      undecayed_errors: likewise, of the test images.
      details: by (row, column), the record of the first seed, with its curves.
    """

    id: str
    regime: str
    form: str
    setup: Setup
    grid: Grid
    reach: float
    views: tuple[Axis, ...]
    nature: str
    seeds: tuple[int, ...]
    losses: np.ndarray
    validation_errors: np.ndarray
    test_errors: np.ndarray
    undecayed_losses: np.ndarray
    undecayed_errors: np.ndarray
    details: Mapping[tuple[int, int], Mapping[str, Any]]

    @property
    def shift(self) -> int | None:
        """Columns between the two views from row to row; None where there is one view."""
        return self.grid.shift if len(self.views) == 2 else None

    @property
    def log_learning_rates(self) -> np.ndarray:
        return np.log(self.grid.learning_rates)

    @property
    def log_decays(self) -> np.ndarray:
        return np.log(self.grid.decays)

    @property
    def multiplier(self) -> np.ndarray:
        """s_t for every step of a training."""
        steps = self.setup.steps
        if self.setup.schedule == "constant":
            return np.ones(steps)
        return half_cosine(steps, numpy=np)(np.arange(steps))

    @property
    def times(self) -> np.ndarray:
        """Steps made when the curves are recorded."""
        return np.arange(1, STRETCHES + 1) * (self.setup.steps // STRETCHES)

    def total_decay(self) -> np.ndarray | None:
        """D = Σ ω_t over a training [rows, columns]; None where there is no ω."""
        if "rate" not in self.views:
            return None
        return self.grid.table("rate", self.reach) * self.multiplier.sum()


def results(records: Iterable[Mapping[str, Any]]) -> list[Results]:
    """The heat maps of ``records.jsonl``, finished or not, in the order of their training."""
    records = list(records)
    grids = [record for record in records if record["event"] == "grid"]
    return [_results(grid, [r for r in records if _is_of(r, grid)]) for grid in grids]


def _is_of(record: Mapping[str, Any], grid: Mapping[str, Any]) -> bool:
    return record["event"] == "run" and record["panel"] == grid["panel"]


def _results(content: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> Results:
    grid, seeds = grid_of(content["grid"]), tuple(content["seeds"])
    named: dict[str, Any] = {name: content[name] for name in ("regime", "form", "reach", "nature")}
    views = tuple(content["views"])
    tables: dict[str, Any] = {
        "losses": _table(grid, seeds, runs, _loss),
        "validation_errors": _table(grid, seeds, runs, _error("validation_error")),
        "test_errors": _table(grid, seeds, runs, _error("test_error")),
    }
    bare = [r for r in runs if r["column"] is None]
    undecayed: dict[str, Any] = {
        "undecayed_losses": _column(grid, seeds, bare, _loss),
        "undecayed_errors": _column(grid, seeds, bare, _error("test_error")),
    }
    details = {(r["row"], r["column"]): r for r in runs if "histogram" in r}
    setup = Setup(**content["setup"])
    return Results(
        content["panel"], setup=setup, grid=grid, views=views, seeds=seeds, details=details,
        **named, **tables, **undecayed,
    )  # fmt: skip


def _table(grid: Grid, seeds: Sequence[int], runs: Any, value: Any) -> np.ndarray:
    table = np.full((*grid.shape, len(seeds)), np.nan)
    for run in runs:
        if run["column"] is not None:
            table[run["row"], run["column"], seeds.index(run["seed"])] = value(run)
    return table


def _column(grid: Grid, seeds: Sequence[int], runs: Any, value: Any) -> np.ndarray:
    column = np.full((grid.rows[1], len(seeds)), np.nan)
    for run in runs:
        column[run["row"], seeds.index(run["seed"])] = value(run)
    return column


def _loss(run: Mapping[str, Any]) -> float:
    return math.inf if run["diverged"] else math.log(float(run["validation_loss"]))


def _error(name: str) -> Any:
    return lambda run: math.nan if run["diverged"] else float(run[name])

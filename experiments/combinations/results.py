"""The records of a study as arrays, network by network.

What lies in the folder of a study (``runs/combinations/TIME`` or ``--output``):

``config.json``
  as of every command: settings, versions, device.
``records.jsonl``, a JSON object for each line, told apart by ``event``:
  ``part``      a program begins. ``part`` (its id, ``MODEL-NORM``), ``model``, ``places`` (without
                and with dropout), ``setup``, ``learning_rate``, ``dropout``, ``strengths`` by
                penalty, the weakest first, ``seeds``, ``tuning_seeds``, ``invariant`` (the kernels
                that a norm follows, as their names).
  ``tried``     a training that chooses a strength. ``part``, ``penalty``, ``place``, ``strength``,
                ``seed``, ``diverged``, ``validation_loss``, ``validation_error`` (a share),
                ``effective``: by invariant kernel the mean over the training of η_t/‖w‖², ‖w‖² the
                mean over units of what comes into one.
  ``run``       a training that is compared: the same, and ``test_loss``, ``test_error``,
                ``train_loss`` (of the last twentieth of the steps), ``zeros``: the share of the
                weights that is exactly zero.
  ``followed``  a part is done: ``part``, ``seconds``.
  ``start``, ``stop``, ``summary``  as of every study.

`results` reads the lines; `describe` makes `content.Content` of them, which is what tables, picture
and page show.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Cell = tuple[str, str]
"""(penalty, place)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What the combinations of one network gave.

    Attributes:
      model: the network.
      seeds: those that measure, in the order of the arrays.
      tuning_seeds: those that choose.
      strengths: by penalty, those that were tried, the weakest first.
      invariant: by place, the names of the kernels that a norm follows.
      tried: by cell, validation errors [strengths, tuning seeds]; NaN where one is missing or
        diverged.
      tried_effective: likewise, effective learning rates; NaN without invariant kernels.
      errors: by cell, test errors [seeds], likewise.
      zeros: shares of weights that are exactly zero, likewise.
      effective: effective learning rates, likewise: geometric means over the invariant kernels.
      used: by cell, the strength of its runs.
      lost: by cell, which of its strengths and which of its seeds diverged.
    """

    model: str
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...]
    strengths: Mapping[str, tuple[float, ...]]
    invariant: Mapping[str, tuple[str, ...]]
    tried: Mapping[Cell, np.ndarray]
    tried_effective: Mapping[Cell, np.ndarray]
    errors: Mapping[Cell, np.ndarray]
    zeros: Mapping[Cell, np.ndarray]
    effective: Mapping[Cell, np.ndarray]
    used: Mapping[Cell, float]
    lost: Mapping[Cell, tuple[set[float], set[int]]]

    def has(self, *cells: Cell) -> bool:
        """Whether every seed of these cells is there, at a strength that could be chosen."""
        return all(
            cell in self.errors and np.isfinite(self.errors[cell]).all() and not self.failed(cell)
            for cell in cells
        )

    def failed(self, cell: Cell) -> str:
        """What diverged, so that nothing can be said of a cell; empty where nothing did."""
        strengths, seeds = self.lost.get(cell, (set(), set()))
        if strengths.issuperset(self.strengths[cell[0]]):
            return "every strength diverged"
        return f"{len(seeds)} of {len(self.seeds)} seeds diverged" if seeds else ""

    @property
    def places(self) -> list[str]:
        """Those of which there are any trainings."""
        return list(self.invariant)


def results(records: Iterable[Mapping[str, Any]]) -> list[Results]:
    """The networks of ``records.jsonl``, finished or not, in the order of their training."""
    records = list(records)
    parts = [record for record in records if record["event"] == "part"]
    models = dict.fromkeys(part["model"] for part in parts)
    return [_results([p for p in parts if p["model"] == m], records) for m in models]


def _results(parts: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> Results:
    first, ids = parts[0], {part["part"] for part in parts}
    own = [record for record in records if record.get("part") in ids]
    tried = [record for record in own if record["event"] == "tried"]
    runs = [record for record in own if record["event"] == "run"]
    seeds, tuning = tuple(first["seeds"]), tuple(first["tuning_seeds"])
    strengths = {name: tuple(values) for name, values in first["strengths"].items()}

    def of_seeds(value: Any) -> dict[Cell, np.ndarray]:
        tables: dict[Cell, np.ndarray] = {}
        for run in runs:
            row = tables.setdefault(_cell(run), np.full(len(seeds), np.nan))
            if not run["diverged"]:
                row[seeds.index(run["seed"])] = value(run)
        return tables

    def of_strengths(value: Any) -> dict[Cell, np.ndarray]:
        tables: dict[Cell, np.ndarray] = {}
        for run in tried:
            own = strengths[run["penalty"]]
            table = tables.setdefault(_cell(run), np.full((len(own), len(tuning)), np.nan))
            if not run["diverged"]:
                table[own.index(run["strength"]), tuning.index(run["seed"])] = value(run)
        return tables

    return Results(
        first["model"],
        seeds,
        tuning,
        strengths,
        {place: tuple(part["invariant"]) for part in parts for place in part["places"]},
        tried=of_strengths(lambda run: run["validation_error"]),
        tried_effective=of_strengths(_effective),
        errors=of_seeds(lambda run: run["test_error"]),
        zeros=of_seeds(lambda run: run["zeros"]),
        effective=of_seeds(_effective),
        used={_cell(run): run["strength"] for run in runs},
        lost=_lost([*tried, *runs]),
    )


def _lost(trainings: Iterable[Mapping[str, Any]]) -> dict[Cell, tuple[set[float], set[int]]]:
    """By cell, strengths of which a training that chooses diverged, and seeds that measure."""
    found: dict[Cell, tuple[set[float], set[int]]] = {}
    for record in trainings:
        if record["diverged"]:
            strengths, seeds = found.setdefault(_cell(record), (set(), set()))
            if record["event"] == "tried":
                strengths.add(record["strength"])
            else:
                seeds.add(record["seed"])
    return found


def _cell(run: Mapping[str, Any]) -> Cell:
    return run["penalty"], run["place"]


def _effective(run: Mapping[str, Any]) -> float:
    """The geometric mean over the invariant kernels."""
    rates = [float(rate) for rate in run["effective"].values()]
    if not rates:
        return math.nan
    return float(np.exp(np.mean(np.log(rates))))

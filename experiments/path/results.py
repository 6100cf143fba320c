"""The records of a study as arrays, curve by curve.

What lies in the folder of a study (``runs/path/TIME`` or ``--output``):

``config.json``
  as of every command: settings, versions, device.
``records.jsonl``, a JSON object for each line, told apart by ``event``:
  ``curve``     a path begins. ``curve`` (its id, ``NETWORK-PENALTY``), ``network``, ``penalty``,
                ``strengths`` ascending, ``seeds``, ``setup``, ``epochs`` (passes after which a
                training is tested; none for regression, whose solutions are exact), ``unit``,
                ``units`` (how many there are), ``full_rank``.
  ``run``       a training, or a solution. ``curve``, ``strength``, ``seed``, ``diverged``, and each
                of `measures.MEASURES` at its end; accuracies and ``zeros`` are shares between 0
                and 1. Of a training also ``learning``, the test accuracy after each of ``epochs``;
                of a solution ``steps`` and ``converged``. Of the first seed also ``histogram``:
                counts in `pictures.EDGES` of the first layer's weights that are not exactly zero.
  ``cut``       what is left when dead units are cut out of the first seed's network: see `cut`.
  ``followed``  a path is done: ``curve``, ``seconds``.
  ``start``, ``stop``, ``summary``  as of every study.
``weights_CURVE.npz``
  the first layer's weights of the first seed as pictures: see `pictures`.

`results` reads the lines; `describe` makes `content.PathContent` of them, which is what pictures
and pages draw.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.paired.setup import Setup
from experiments.path.measures import MEASURES
from experiments.path.penalties import PENALTIES, Network, PathPenalty


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What one path gave.

    Attributes:
      id: of the curve.
      network: mlp or regression.
      penalty: of `PENALTIES`.
      strengths: ascending.
      seeds: in the order of the arrays.
      setup: what the trainings have in common.
      epochs: passes after which they are measured; none for solutions.
      unit: what is counted as live: hidden units, or pixels.
      units: how many of them there are.
      full_rank: the largest rank of the first layer's kernel.
      measured: by name, arrays [strengths, seeds]; NaN where one is missing or diverged.
      learning: test accuracy [strengths, seeds, epochs], likewise.
      converged: [strengths, seeds], of solutions; True for trainings, which end when they end.
      histograms: by the place of the strength, of the first seed.
      cuts: likewise, the record.
    """

    id: str
    network: Network
    penalty: str
    strengths: tuple[float, ...]
    seeds: tuple[int, ...]
    setup: Setup
    epochs: tuple[float, ...]
    unit: str
    units: int
    full_rank: int
    measured: Mapping[str, np.ndarray]
    learning: np.ndarray
    converged: np.ndarray
    histograms: Mapping[int, list[int]]
    cuts: Mapping[int, Mapping[str, Any]]

    @property
    def row(self) -> PathPenalty:
        """The penalty's."""
        return PENALTIES[self.penalty]

    @property
    def complete(self) -> np.ndarray:
        """Places of the strengths of which every seed is there."""
        return np.flatnonzero(np.isfinite(self.measured["validation_accuracy"]).all(1))


def results(records: Iterable[Mapping[str, Any]]) -> list[Results]:
    """The paths of ``records.jsonl``, finished or not, in the order in which they were followed."""
    records = list(records)
    curves = [record for record in records if record["event"] == "curve"]
    return [_results(curve, records) for curve in curves]


def _results(curve: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> Results:
    own = [record for record in records if record.get("curve") == curve["curve"]]
    runs = [record for record in own if record["event"] == "run"]
    strengths, seeds = tuple(curve["strengths"]), tuple(curve["seeds"])
    shape = len(strengths), len(seeds)
    measured = {name: np.full(shape, np.nan) for name in MEASURES}
    learning = np.full((*shape, len(curve["epochs"])), np.nan)
    converged = np.ones(shape, bool)
    for run in runs:
        place = strengths.index(run["strength"]), seeds.index(run["seed"])
        converged[place] = run.get("converged", True)
        if not run["diverged"]:
            learning[place] = run.get("learning", [])
            for name, table in measured.items():
                table[place] = run[name]
    return Results(
        curve["curve"], curve["network"], curve["penalty"], strengths, seeds,
        Setup(**curve["setup"]), tuple(curve["epochs"]), curve["unit"], curve["units"],
        curve["full_rank"], measured, learning, converged,
        {strengths.index(r["strength"]): r["histogram"] for r in runs if "histogram" in r},
        {strengths.index(r["strength"]): r for r in own if r["event"] == "cut"},
    )  # fmt: skip

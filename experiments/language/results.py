"""The records of a study as arrays, program by program.

What lies in the folder of a study (``runs/language/TIME`` or ``--output``):

``config.json``
  as of every command: settings, versions, device; the text's name, ``characters`` and ``digest``.
``records.jsonl``, a JSON object for each line, told apart by ``event``:
  ``part``      a program begins. ``part`` (its id, ``width-WIDTH-text-EXAMPLES``), ``setup``,
                ``learning_rates`` (that where decay is tuned first), ``rates`` (ω, ascending),
                ``steps``, ``steps_per_epoch``, ``parameters``, ``seeds``.
  ``run``       a training. ``part``, ``learning_rate``, ``rate``, ``seed``, ``diverged``, and in
                nats per character ``train_loss`` (of the last twentieth of the steps),
                ``validation_loss``, ``test_loss``.
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

from experiments.language.config import Setup

BIT = math.log(2)
"""Nats."""


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What the trainings of one program gave.

    Attributes:
      id: of the program.
      setup: what its trainings have in common.
      learning_rates: those of the rows, that where decay is tuned first.
      rates: of decay, those of the columns, ascending.
      seeds: in the order of the arrays.
      parameters: how many the model has.
      validation: bits per character [learning rates, rates, seeds] of the text that chooses; NaN
        where one is missing, infinite where one diverged.
      test: likewise, of the text that is reported.
      train: likewise, of the last steps.
    """

    id: str
    setup: Setup
    learning_rates: tuple[float, ...]
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    parameters: int
    validation: np.ndarray
    test: np.ndarray
    train: np.ndarray

    @property
    def complete(self) -> np.ndarray:
        """bool [learning rates]: whether every training with that learning rate is there."""
        return np.asarray(~np.isnan(self.validation).any((1, 2)))


def results(records: Iterable[Mapping[str, Any]]) -> list[Results]:
    """The programs of ``records.jsonl``, finished or not, in the order of their training."""
    records = list(records)
    parts = [record for record in records if record["event"] == "part"]
    return [_results(part, records) for part in parts]


def _results(part: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> Results:
    runs = [r for r in records if r["event"] == "run" and r["part"] == part["part"]]
    axes = tuple(tuple(part[name]) for name in ("learning_rates", "rates", "seeds"))
    names = "learning_rate", "rate", "seed"
    tables = {name: np.full(tuple(map(len, axes)), np.nan) for name in ("validation", "test")}
    tables["train"] = np.full_like(tables["test"], np.nan)
    for run in runs:
        place = tuple(axis.index(run[name]) for axis, name in zip(axes, names, strict=True))
        for name, table in tables.items():
            table[place] = math.inf if run["diverged"] else run[f"{name}_loss"] / BIT
    setup = Setup(**part["setup"])
    learning_rates, rates, seeds = axes
    return Results(part["part"], setup, learning_rates, rates, seeds, part["parameters"], **tables)

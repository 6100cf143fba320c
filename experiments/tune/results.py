"""What ``records.jsonl`` of a study holds, as arrays: choices by way and seed, and their ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.tune.names import SUBJECTS

Row = tuple[str, str]
"""A method, and what it chooses for."""


@dataclasses.dataclass(frozen=True)
class Results:
    """Choices and trainings of the seeds that have all of them.

    Attributes:
      seeds: in their order.
      choices: by row the records of the choices, seed by seed.
      accuracy, loss: by row what its choice reaches on test images, by seed; losses are known of
        the network alone.
      bare: (accuracy, loss) without a penalty, by seed; None where it is not trained.
      strengths: of the curve.
      curve: (accuracy, loss), each of shape (strengths, seeds), of trainings on all images.
      diverged: trainings that did, of those with chosen strengths and of the curve.
    """

    seeds: tuple[int, ...]
    choices: dict[Row, list[Mapping[str, Any]]]
    accuracy: dict[Row, np.ndarray]
    loss: dict[Row, np.ndarray]
    bare: tuple[np.ndarray, np.ndarray] | None
    strengths: np.ndarray
    curve: tuple[np.ndarray, np.ndarray]
    diverged: int

    @property
    def of_network(self) -> list[Row]:
        """Rows that can be compared: of the network, trained with every seed's choice."""
        return [row for row in self.choices if row[1] == "network" and row in self.loss]

    def spent(self, row: Row) -> np.ndarray:
        """Trainings of each seed's choice."""
        return np.array([choice["trainings"] for choice in self.choices[row]], float)

    def chosen(self, row: Row) -> np.ndarray:
        """The strength of each seed."""
        return np.array([choice["strength"] for choice in self.choices[row]], float)


def results(records: Sequence[Mapping[str, Any]]) -> Results | None:
    """Of the seeds that every way has chosen for; None before there is one.

    A study that is stopped has ways that have begun, and others that have not: what is compared has
    the same seeds in all that have begun and have at least one choice.
    """
    choices = [r for r in records if r["event"] == "choice"]
    rows = list(dict.fromkeys((r["part"], r["subject"]) for r in choices))
    by_row = {row: _of(row, choices) for row in rows}
    if not rows:
        return None
    seeds = tuple(s for s in by_row[rows[0]] if all(s in by_row[row] for row in rows))
    runs = [r for r in records if r["event"] == "run"]
    if runs:
        seeds = tuple(seed for seed in seeds if _whole(seed, runs, rows))
    if not seeds:
        return None
    kept = {row: [by_row[row][seed] for seed in seeds] for row in rows}
    accuracy = {
        row: np.array([choice["accuracy"] for choice in kept[row]], float)
        for row in rows
        if row[1] != "network"
    }
    trained = {method: _ends(method, runs, seeds) for method in {r["method"] for r in runs}}
    ends = {row: trained[row[0]] for row in rows if row[1] == "network" and row[0] in trained}
    strengths = sorted({r["strength"] for r in runs if r["method"] == "grid"})
    return Results(
        seeds=seeds,
        choices={row: kept[row] for row in sorted(rows, key=lambda row: _place(row, rows))},
        accuracy={**accuracy, **{row: end[0] for row, end in ends.items()}},
        loss={row: end[1] for row, end in ends.items()},
        bare=trained.get("none"),
        strengths=np.array(strengths),
        curve=_curve(strengths, runs, seeds),
        diverged=sum(r["diverged"] for r in runs),
    )


def _of(row: Row, choices: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    return {r["seed"]: r for r in choices if (r["part"], r["subject"]) == row}


def _place(row: Row, rows: Sequence[Row]) -> tuple[int, int]:
    """By what is chosen for, then in the order of the records."""
    return list(SUBJECTS).index(row[1]), rows.index(row)


def _whole(seed: int, runs: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> bool:
    """Whether a seed has all its trainings: its last are those with what was chosen."""
    trained = {r["method"] for r in runs if r["seed"] == seed}
    return {row[0] for row in rows if row[1] == "network"} <= trained


def _ends(
    method: str, runs: Sequence[Mapping[str, Any]], seeds: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    found = {r["seed"]: r for r in runs if r["method"] == method}
    accuracy, loss = (
        np.array([float(found[seed][name]) for seed in seeds]) for name in ("accuracy", "test_loss")
    )
    return accuracy, loss


def _curve(
    strengths: Sequence[float], runs: Sequence[Mapping[str, Any]], seeds: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    found = {(r["strength"], r["seed"]): r for r in runs if r["method"] == "grid"}
    accuracy, loss = (
        np.array([[float(found[s, seed][name]) for seed in seeds] for s in strengths])
        for name in ("accuracy", "test_loss")
    )
    return accuracy, loss

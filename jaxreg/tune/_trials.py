"""Trials of a search, trained side by side: every batch of every search is one program."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxreg._sweep.side_by_side import AXIS
from jaxreg.tune._runs import scored, taken
from jaxreg.tune._space import Space
from jaxreg.tune._study import Study


@dataclasses.dataclass(frozen=True)
class Trainings:
    """How trials are trained: as runs of one program, whatever their number."""

    owner: str
    train: Callable[..., Any]
    space: Space
    weights: np.ndarray
    shared: tuple[Any, ...]
    options: dict[str, Any]

    def scores(self, trials: list[Any], split: int) -> tuple[np.ndarray, np.ndarray]:
        """(scores, errors) of shape (trials,) on one split, NaN where a training diverged."""
        points = self.space.points([trial.params for trial in trials])
        count = len(trials) * self.space.repeats
        rows = np.minimum(np.arange(count + -count % self._round), count - 1)
        found = scored(
            self.owner, self.train, taken(points, rows), self.weights[[split]], self.shared,
            self.options,
        )  # fmt: skip
        tables = (
            values[:count].reshape(-1, self.space.repeats)
            for values in (found.scores, found.errors**2)
        )
        scores, squares = (table.mean(axis=1) for table in tables)
        return scores, np.sqrt(squares)

    @property
    def _round(self) -> int:
        """Runs that start together; fewer would be another program."""
        width = self.options["per_device"]
        devices = self.options["mesh"].shape.get(AXIS, 1)
        return devices * (width if isinstance(width, int) else 1)


def trained(trainings: Trainings, study: Study, batch: list[Any]) -> None:
    """Trains a batch split by split, each on what is left of it, and tells what came of it."""
    splits = len(trainings.weights)
    held = np.sum(trainings.weights == 0, axis=1)
    notes = {trial.number: {"scores": [], "errors": []} for trial in batch}
    means: dict[int, float] = {}
    for split in range(splits):
        scores, errors = trainings.scores(batch, split)
        for trial, score, error in zip(batch, scores.tolist(), errors.tolist(), strict=True):
            notes[trial.number]["scores"].append(score)
            notes[trial.number]["errors"].append(error)
        means = {t.number: _mean(notes[t.number], held) for t in batch}
        diverged = [t for t in batch if not np.isfinite(means[t.number])]
        left = [t for t in batch if np.isfinite(means[t.number])]
        hopeless = study.hopeless(left, notes, means, split) if split + 1 < splits else []
        for trial in diverged + hopeless:
            study.tell(trial, _in_json(notes[trial.number]), None)
        batch = [trial for trial in left if trial not in hopeless]
        if not batch:
            return
    for trial in batch:
        study.tell(trial, _in_json(notes[trial.number]), means[trial.number])


def _mean(note: dict[str, list[float]], held: np.ndarray) -> float:
    scores = note["scores"]
    return float(np.average(scores, weights=held[: len(scores)]))


def _in_json(note: dict[str, list[float]]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {name: [x if np.isfinite(x) else None for x in xs] for name, xs in note.items()}

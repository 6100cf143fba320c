"""What the paths say, computed once: which strength is chosen, and how far one can go beyond it.

Each statistic is a function of resampled seeds and chooses its strength anew for each resample.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from experiments.path.results import Results
from experiments.statistics.resample import Estimate, estimate

WITHIN = 0.005
"""Validation accuracy that may be given away for a sparser network: half a point."""
Choose = Callable[[np.ndarray], int]
"""From validation accuracies [strengths] to a place among them."""


def best(accuracies: np.ndarray) -> int:
    """The place of the best; of equally good ones the highest strength."""
    return len(accuracies) - 1 - int(np.argmax(accuracies[::-1]))


def sparsest(accuracies: np.ndarray) -> int:
    """The highest place within `WITHIN` of the best."""
    return int(np.flatnonzero(accuracies >= accuracies.max() - WITHIN)[-1])


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A path at the strength that a rule chooses.

    Attributes:
      place: of the strength, for all seeds together.
      strength: λ there.
      accuracy: test accuracy.
      gain: above the lowest strength, in pairs: λ = 0 for trainings.
      zeros, live, rank: as measured there.
    """

    place: int
    strength: float
    accuracy: Estimate
    gain: Estimate
    zeros: Estimate
    live: Estimate
    rank: Estimate


def chosen(results: Results, choose: Choose) -> Chosen | None:
    """The path where ``choose`` puts it; None while no strength has all its seeds."""
    there = results.complete
    if not len(there):
        return None
    validation = results.measured["validation_accuracy"][there]
    place = int(there[choose(validation.mean(1))])

    def at(name: str, beside: int | None = None) -> Estimate:
        table = results.measured[name][there]

        def statistic(seeds: np.ndarray) -> float:
            rows = table[:, seeds].mean(1)
            found = rows[choose(validation[:, seeds].mean(1))]
            return float(found if beside is None else found - rows[beside])

        return estimate(statistic, len(results.seeds), resamples=0)

    measured = {name: at(name) for name in ("zeros", "live", "rank")}
    accuracy, gain = at("test_accuracy"), at("test_accuracy", beside=0)
    return Chosen(place, results.strengths[place], accuracy, gain, **measured)


def means(results: Results, name: str) -> list[Estimate]:
    """A measure at every strength: the mean over seeds at the end of the training."""
    table = results.measured[name]
    return [
        estimate(lambda seeds, row=row: float(row[seeds].mean()), len(results.seeds), resamples=0)
        for row in table
    ]

"""What a study finds: what each way reaches and spends, and whether ways differ beyond seeds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.statistics.resample import Estimate, estimate
from experiments.tune.results import Results, Row
from experiments.verdicts import Verdicts

VERDICTS = Verdicts("better", "worse")
"""Of a way beside the one with the least mean test loss, or beside no penalty."""


class Pair(NamedTuple):
    """Two ways whose losses differ beyond seeds: the better one, the other, by how much."""

    better: Row
    other: Row
    difference: Estimate


def mean(values: np.ndarray) -> Estimate:
    """Over seeds."""
    return estimate(lambda seeds: float(values[seeds].mean()), len(values), resamples=0)


def log_mean(values: np.ndarray) -> float:
    """The geometric mean."""
    return float(np.exp(np.log(values).mean()))


def better(difference: Estimate) -> bool | None:
    """Whether a difference of losses lies below 0: None where its interval holds 0."""
    if difference.jackknife is None:
        return None
    low, high = difference.jackknife
    return True if high < 0 else False if low > 0 else None


def gain(results: Results, row: Row) -> Estimate | None:
    """The test loss less that without a penalty, in pairs."""
    if results.bare is None:
        return None
    return mean(results.loss[row] - results.bare[1])


def best(results: Results) -> Row:
    """The way with the least mean test loss: found among test losses, and so a little lucky."""
    return _by_loss(results)[0]


def _by_loss(results: Results) -> list[Row]:
    """Ways by their mean test loss, those of which a training diverged at the end."""

    def key(row: Row) -> float:
        loss = float(results.loss[row].mean())
        return loss if np.isfinite(loss) else np.inf

    return sorted(results.of_network, key=key)


def beside_best(results: Results, row: Row) -> Estimate:
    """The test loss less that of the best way, in pairs."""
    return mean(results.loss[row] - results.loss[best(results)])


def differing(results: Results) -> list[Pair]:
    """Pairs of ways whose difference has an interval without 0."""
    found = []
    for one, other in itertools.combinations(results.of_network, 2):
        difference = mean(results.loss[one] - results.loss[other])
        answer = better(difference)
        if answer is not None:
            turned = mean(results.loss[other] - results.loss[one])
            pair = (one, other, difference) if answer else (other, one, turned)
            found.append(Pair(*pair))
    return found


def largest(results: Results) -> Estimate | None:
    """The difference between the two ways that are farthest apart, larger less smaller."""
    ordered = _by_loss(results)
    if len(ordered) < 2:
        return None
    return mean(results.loss[ordered[-1]] - results.loss[ordered[0]])


def seconds(results: Results, row: Row) -> float:
    """Of one choice: the median over seeds, but for the first, which compiles."""
    took = [float(choice["seconds"]) for choice in results.choices[row]]
    return float(np.median(took[1:] or took))


def cheapest(results: Results) -> Row | None:
    """Of the ways that are not seen to be worse than the best, the one that spends least: in
    trainings, those with a derivative as many as take its time."""
    factor = of_derivative(results) or 1.0
    good = [row for row in results.of_network if better(beside_best(results, row)) is not False]

    def cost(row: Row) -> float:
        return float(results.spent(row).mean()) * (factor if row[0] == "hypergradient" else 1.0)

    return min(good, key=cost, default=None)


def of_derivative(results: Results) -> float | None:
    """A training with its derivative, in those without: seconds of a training of both."""
    each = [
        seconds(results, row) / float(results.spent(row).mean())
        for row in (("hypergradient", "network"), ("cv", "network"))
        if row in results.of_network
    ]
    return each[0] / each[1] if len(each) == 2 else None


def needed(results: Results, row: Row) -> float | None:
    """Trainings until a score is within a standard error of the least that any way has found on
    the same folds: the median over seeds; None if in half of them there is none.

    A curve has no order in which it is tried: it needs all of them.
    """
    counts = [_needed(results, row, place) for place in range(len(results.seeds))]
    middle = float(np.median([np.inf if count is None else count for count in counts]))
    return middle if np.isfinite(middle) else None


def _needed(results: Results, row: Row, place: int) -> float | None:
    choice = results.choices[row][place]
    limit = _limit([results.choices[other][place] for other in results.of_network])
    good = np.flatnonzero(np.array(choice["scores"], float) <= limit)
    if not len(good):
        return None
    if row[0] == "cv":
        return float(choice["trainings"])
    return float(np.sum(choice["spent"][: int(good[0]) + 1]))


def _limit(choices: Sequence) -> float:
    """The least score, and its standard error."""
    scores, errors = (
        np.concatenate([np.array(choice[name], float) for choice in choices])
        for name in ("scores", "errors")
    )
    place = int(np.nanargmin(scores))
    return float(scores[place] + np.nan_to_num(errors[place]))

"""What the trainings say, computed once: what it costs to keep a number of decay when something
else changes, and whether the best time scale is constant in epochs.

Decay acts by ω = η·λ, the decay per step where the schedule is highest. Three numbers can be kept:
ω, as AdamW was published; λ, as AdamW of PyTorch and optax has it; or the time scale
τ = 1/(ω · updates in an epoch), in epochs, which Wang & Aitchison find to be the one to keep.
Whatever is chosen is chosen by validation text, over the same seeds; costs are those of test text,
seed by seed, and each statistic chooses anew for the seeds that it is given.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from experiments.language.results import Results
from experiments.statistics.resample import Estimate, estimate
from experiments.verdicts import Verdicts

Kept = Literal["rate", "strength", "time"]
KEPT: dict[Kept, str] = {"rate": "ω", "strength": "λ", "time": "τ"}
"""The numbers of decay that can be kept."""
TOLERANCE = 0.02
"""Bits per character that keeping a number may cost."""
SAME = 0.01
"""How far apart two decays may lie that count as one: texts of 2ⁿ characters are not 2 : 1 in
windows."""
CONSTANT = 0.4
"""How far from 0 the slope of a constant may lie: see ``adamw-time-scale`` of the claims."""
KEEPING = Verdicts("can be kept", "has to be re-tuned")
VERDICTS = Verdicts("holds", "does not hold here")


@dataclasses.dataclass(frozen=True)
class Row:
    """The trainings of one program with one learning rate."""

    results: Results
    place: int

    @property
    def learning_rate(self) -> float:
        return self.results.learning_rates[self.place]

    @property
    def validation(self) -> np.ndarray:
        """[rates, seeds]."""
        return self.results.validation[self.place]

    @property
    def test(self) -> np.ndarray:
        """Likewise."""
        return self.results.test[self.place]

    def chosen(self, seeds: np.ndarray) -> int:
        """The place of the decay with the lowest mean validation loss; of equals the weakest."""
        return int(np.argmin(self.validation[:, seeds].mean(1)))

    def rate_like(self, base: Row, rate: float, kept: Kept) -> float:
        """The ω here that keeps a number of the decay ``rate`` of another row."""
        here, there = self.results.setup, base.results.setup
        factors = {
            "rate": 1.0,
            "strength": self.learning_rate / base.learning_rate,
            "time": there.steps_per_epoch / here.steps_per_epoch,
        }
        return rate * factors[kept]


def rows(found: Sequence[Results]) -> list[Row]:
    """Every row that is complete; the first is that where decay is tuned."""
    return [
        Row(each, place)
        for each in found
        for place in range(len(each.learning_rates))
        if each.complete[place]
    ]


# --- what decay does where it is tuned ---


def tuned(row: Row) -> Estimate:
    """Test loss with tuned decay, in bits per character."""
    return _estimate(row, lambda seeds: row.test[row.chosen(seeds)][seeds].mean())


def gain(row: Row) -> Estimate | None:
    """What tuned decay takes off; None if there is no training without decay."""
    if row.results.rates[0] != 0:
        return None
    return _estimate(row, lambda s: (row.test[0] - row.test[row.chosen(s)])[s].mean())


def rate(row: Row) -> float:
    """The ω that all seeds choose together."""
    return row.results.rates[row.chosen(np.arange(len(row.results.seeds)))]


def _estimate(row: Row, statistic: Callable[[np.ndarray], float | None]) -> Estimate:
    return estimate(statistic, len(row.results.seeds), resamples=0)


# --- what can be kept ---


@dataclasses.dataclass(frozen=True)
class Carried:
    """A number of the tuned decay, kept where something else has changed.

    Attributes:
      row: where it is kept.
      kept: which; ``also`` are others to which it amounts.
      rate: the ω that this is.
      cost: bits per character above decay that is tuned there; undefined where ω lies outside of
        those that were trained.
      verdict: whether the cost lies below `TOLERANCE`.
    """

    row: Row
    kept: Kept
    also: tuple[Kept, ...]
    rate: float
    cost: Estimate
    verdict: bool | None


def carried(base: Row, row: Row) -> list[Carried]:
    """All numbers kept, those that amount to the same once."""
    found: dict[float, list[Kept]] = {}
    for kept in KEPT:
        found.setdefault(round(row.rate_like(base, 1.0, kept), 9), []).append(kept)
    return [_carried(base, row, first, tuple(also)) for first, *also in found.values()]


def _carried(base: Row, row: Row, kept: Kept, also: tuple[Kept, ...]) -> Carried:
    cost = _estimate(row, lambda seeds: _cost(base, row, kept, seeds))
    here = row.rate_like(base, rate(base), kept)
    return Carried(row, kept, also, here, cost, cost.within(-math.inf, TOLERANCE))


def _cost(base: Row, row: Row, kept: Kept, seeds: np.ndarray) -> float:
    there = base.results.rates[base.chosen(seeds)]
    losses = at(row.test, row.results.rates, row.rate_like(base, there, kept))
    return float((losses - row.test[row.chosen(seeds)])[seeds].mean())


def at(losses: np.ndarray, rates: Sequence[float], rate: float) -> np.ndarray:
    """Losses [rates, seeds] at any ω among those that were trained: straight between two of them in
    the logarithm, NaN beyond.

    >>> at(np.array([[5.0], [2.0], [4.0]]), (0.0, 1.0, 4.0), 2.0)
    array([3.])
    """
    exact = np.flatnonzero(np.isclose(rates, rate, rtol=SAME, atol=0))
    if len(exact):
        return losses[exact[0]]
    known = np.flatnonzero(np.array(rates) > 0)
    if not len(known) or not rates[known[0]] < rate < rates[-1]:
        return np.full(losses.shape[1], np.nan)
    logs = np.log(np.array(rates)[known])
    return np.array([np.interp(math.log(rate), logs, each) for each in losses[known].T])


def cheaper(base: Row, others: Sequence[Row], kept: Kept, instead: Kept) -> Estimate | None:
    """What keeping one number saves against another, in bits per character, the mean over all
    changes; above 0 it is the better one to keep. None if nothing changes."""
    if not others:
        return None

    def saved(seeds: np.ndarray) -> float:
        costs = [[_cost(base, row, name, seeds) for row in others] for name in (instead, kept)]
        return float(np.mean(costs[0]) - np.mean(costs[1]))

    return _estimate(base, saved)


def of_learning_rate(base: Row, row: Row) -> Estimate:
    """What it costs to keep the learning rate too, against a learning rate and a decay that are
    tuned together in the program of ``row``, in bits per character; decay is tuned in both."""
    known = rows([row.results])
    same = Row(row.results, row.results.learning_rates.index(base.learning_rate))

    def cost(seeds: np.ndarray) -> float:
        lowest = [r.validation[r.chosen(seeds)][seeds].mean() for r in known]
        best = known[int(np.argmin(lowest))]
        kept = same.test[same.chosen(seeds)] - best.test[best.chosen(seeds)]
        return float(kept[seeds].mean())

    return _estimate(row, cost)


# --- the time scale ---


def log_best(row: Row, seeds: np.ndarray) -> float:
    """log ω of the lowest validation loss, by the parabola through the three decays around it; NaN
    where it is the weakest or the strongest that was trained."""
    rates = np.array(row.results.rates)
    losses = row.validation[:, seeds].mean(1)
    lowest = int(np.argmin(losses))
    around = slice(lowest - 1, lowest + 2)
    if lowest in (0, len(rates) - 1) or rates[lowest - 1] <= 0:
        return math.nan
    if not np.isfinite(losses[around]).all():
        return math.nan
    bend, slope, _ = np.polyfit(np.log(rates[around]), losses[around], 2)
    return float(-slope / (2 * bend)) if bend > 0 else math.nan


def log_time(row: Row, seeds: np.ndarray) -> float:
    """log τ of the best decay, τ in epochs."""
    return -log_best(row, seeds) - math.log(row.results.setup.steps_per_epoch)


def time_scale(row: Row) -> Estimate:
    """log τ of the best decay, τ in epochs."""
    return _estimate(row, lambda seeds: log_time(row, seeds))


def between(row: Row) -> bool | None:
    """Whether the best τ lies between one epoch and all of them."""
    return time_scale(row).within(0.0, math.log(row.results.setup.epochs))


def slope(
    of: Sequence[Row], x: Callable[[Row], float], y: Callable[[Row, np.ndarray], float]
) -> Estimate | None:
    """d y / d log x over some rows, by least squares; None with fewer than two."""
    if len(of) < 2:
        return None
    logs = np.log([x(row) for row in of])

    def fitted(seeds: np.ndarray) -> float:
        values = np.array([y(row, seeds) for row in of])
        return float(np.polyfit(logs, values, 1)[0]) if np.isfinite(values).all() else math.nan

    return _estimate(of[0], fitted)


def constant(found: Estimate | None) -> bool | None:
    """Whether a slope is that of a constant."""
    return None if found is None else found.within(-CONSTANT, CONSTANT)

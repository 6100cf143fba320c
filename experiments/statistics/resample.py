"""Intervals over seeds: the jackknife with Student's t, and the bootstrap beside it.

A statistic is a function of an array of seeds (places, with repetition): whatever it chooses on
the way, a window, a best cell, it chooses anew for each resample. With five seeds the percentile
bootstrap is about 0.6 of the width that it should have; the jackknife-t interval decides.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import t as student

from experiments.formatting import fixed, plus_minus

Statistic = Callable[[np.ndarray], float | None]
Interval = tuple[float, float]
CONFIDENCE = 0.95
RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A statistic of all seeds, with its intervals.

    Attributes:
      value: of all seeds together; None where it is undefined.
      jackknife: value ± t·se at 95 %, from leaving out one seed at a time; None with fewer than
        two seeds, or where the statistic is undefined without some seed.
      bootstrap: 2.5 % and 97.5 % of it over resampled seeds; None likewise.
      seeds: how many.
    """

    value: float | None
    jackknife: Interval | None
    bootstrap: Interval | None
    seeds: int

    def within(self, low: float, high: float) -> bool | None:
        """Whether the jackknife interval lies inside: None where it neither does nor lies outside.

        >>> Estimate(0.1, (0.0, 0.2), None, 5).within(-1, 1)
        True
        """
        if self.value is None or self.jackknife is None:
            return None
        if low <= self.jackknife[0] and self.jackknife[1] <= high:
            return True
        return False if self.jackknife[1] < low or high < self.jackknife[0] else None

    def times(self, factor: float) -> Estimate:
        """The estimate of a multiple, such as percentage points; ``factor`` is above 0."""
        value = None if self.value is None else self.value * factor
        jackknife, bootstrap = _times(self.jackknife, factor), _times(self.bootstrap, factor)
        return Estimate(value, jackknife, bootstrap, self.seeds)

    def show(self, decimals: int = 2) -> str:
        """As ``−0.98 ± 0.05``, or ``undecided``."""
        if self.value is None:
            return "undecided"
        if self.jackknife is None:
            return f"{fixed(self.value, decimals)} (no interval)"
        low, high = self.jackknife
        return plus_minus(self.value, (high - low) / 2, decimals)


def _times(interval: Interval | None, factor: float) -> Interval | None:
    return None if interval is None else (interval[0] * factor, interval[1] * factor)


def estimate(statistic: Statistic, seeds: int, resamples: int = RESAMPLES) -> Estimate:
    """The statistic of all seeds, and its intervals.

    >>> values = np.array([1.0, 2.0, 3.0])
    >>> found = estimate(lambda seeds: values[seeds].mean(), 3)
    >>> found.value, [round(end, 2) for end in found.jackknife]
    (2.0, [-0.48, 4.48])
    """
    everyone = np.arange(seeds)
    value = defined(statistic(everyone))
    if value is None or seeds < 2:
        return Estimate(value, None, None, seeds)
    without = [defined(statistic(np.delete(everyone, seed))) for seed in everyone]
    return Estimate(
        value, _jackknife(value, without), _bootstrap(statistic, seeds, resamples), seeds
    )


def defined(value: float | None) -> float | None:
    """None for what is no finite number."""
    return None if value is None or not math.isfinite(value) else float(value)


def _jackknife(value: float, without: Sequence[float | None]) -> Interval | None:
    found = [v for v in without if v is not None]
    seeds = len(without)
    if len(found) < seeds:
        return None
    deviations = np.array(found) - np.mean(found)
    error = math.sqrt((seeds - 1) / seeds * float(np.sum(deviations**2)))
    reach = float(student.ppf((1 + CONFIDENCE) / 2, seeds - 1)) * error
    return value - reach, value + reach


def _bootstrap(statistic: Statistic, seeds: int, resamples: int) -> Interval | None:
    """Resamples of one seed alone count where the statistic is defined for them.

    What is drawn several times, in whatever order, is computed once: five seeds have 126 resamples.
    """
    drawn = np.sort(np.random.default_rng(0).integers(0, seeds, (resamples, seeds)), axis=1)
    different, counts = np.unique(drawn, axis=0, return_counts=True)
    found = zip(map(defined, map(statistic, different)), counts, strict=True)
    values = [value for value, count in found if value is not None for _ in range(count)]
    if len(values) < max(resamples / 2, 1):
        return None
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)

"""An estimate as plain JSON, for what draws it."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from experiments.formatting import shortened
from experiments.statistics.resample import Estimate, estimate

DIGITS = 6


class NumberContent(TypedDict):
    """A mean over seeds with its 95 % interval, jackknife-t; None with fewer than two seeds."""

    value: float | None
    low: float | None
    high: float | None


def number(found: Estimate) -> NumberContent:
    """The value and the ends of its interval, to six digits.

    >>> number(Estimate(0.25, None, None, 1))
    {'value': 0.25, 'low': None, 'high': None}
    """
    low, high = found.jackknife or (None, None)
    ends = (None if x is None else shortened(x, DIGITS) for x in (found.value, low, high))
    value, low, high = ends
    return {"value": value, "low": low, "high": high}


def mean(values: np.ndarray) -> Estimate:
    """The mean over seeds.

    >>> mean(np.array([1.0, 3.0])).value
    2.0
    """
    return estimate(lambda seeds: float(values[seeds].mean()), len(values), resamples=0)

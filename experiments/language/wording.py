"""Changes, numbers and estimates as text."""

from __future__ import annotations

import dataclasses
import math

from experiments.formatting import general, plus_minus
from experiments.language.findings import KEPT, Carried, Row
from experiments.statistics.resample import Estimate


def bits(found: Estimate) -> str:
    """Bits per character with their interval."""
    if found.value is None:
        return "outside the decays that were trained"
    return found.show(3)


def epochs(found: Estimate) -> str:
    """A time of which the logarithm is known, with its interval.

    >>> epochs(Estimate(0.0, (-0.7, 0.7), None, 4)), epochs(Estimate(None, None, None, 4))
    ('1 (0.5 to 2)', 'not identified')
    """
    if found.value is None:
        return "not identified"
    if found.jackknife is None:
        return general(math.exp(found.value), 2)
    low, high = (general(math.exp(end), 2) for end in found.jackknife)
    return f"{general(math.exp(found.value), 2)} ({low} to {high})"


def steepness(found: Estimate | None) -> str:
    """A slope with its interval."""
    if found is None or found.value is None:
        return "not identified"
    if found.jackknife is None:
        return general(found.value, 2)
    low, high = found.jackknife
    return plus_minus(found.value, (high - low) / 2, 2)


def exponentiated(found: Estimate) -> Estimate:
    """The estimate of a number whose logarithm is known."""
    ends = found.jackknife and (math.exp(found.jackknife[0]), math.exp(found.jackknife[1]))
    value = None if found.value is None else math.exp(found.value)
    return dataclasses.replace(found, value=value, jackknife=ends)


def title(row: Row) -> str:
    """As ``width 32, 16,384 characters``."""
    setup = row.results.setup
    return f"width {setup.width}, {setup.examples:,} characters"


def change(base: Row, row: Row) -> str:
    """What is other than where decay is tuned, as ``width × 1/2``."""
    here, there = row.results.setup, base.results.setup
    factors = {
        "η": row.learning_rate / base.learning_rate,
        "width": here.width / there.width,
        "text": here.examples / there.examples,
    }
    changed = [f"{name} {_times(f)}" for name, f in factors.items() if not math.isclose(f, 1)]
    return ", ".join(changed)


def _times(factor: float) -> str:
    return f"× {general(factor, 3)}" if factor >= 1 else f"× 1/{general(1 / factor, 3)}"


def kept(found: Carried) -> str:
    """The numbers that are kept, as ``ω = τ``."""
    return " = ".join(KEPT[name] for name in (found.kept, *found.also))

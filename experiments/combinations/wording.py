"""Cells and estimates as text."""

from __future__ import annotations

from experiments.combinations.penalties import NONE, PENALTIES
from experiments.combinations.results import Cell
from experiments.formatting import fixed, plus_minus
from experiments.statistics.resample import Estimate

PARTS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "dropout": ("Dropout",),
    "batchnorm": ("BatchNorm",),
    "both": ("Dropout", "BatchNorm"),
}


def named(cell: Cell) -> str:
    """
    >>> named(("max_norm", "dropout")), named(("none", "plain"))
    ('Dropout + max-norm', 'the plain network')
    """
    penalty, place = cell
    own = () if penalty == NONE else (PENALTIES[penalty].title,)
    return " + ".join((*PARTS[place], *own)) or "the plain network"


def points(found: Estimate) -> str:
    """A share as percentage points, with its interval."""
    return found.times(100).show(2)


def factor(found: Estimate) -> str:
    """A factor with half the width of its interval."""
    if found.value is None:
        return ""
    if found.jackknife is None:
        return fixed(found.value, 2)
    low, high = found.jackknife
    return plus_minus(found.value, (high - low) / 2, 2)

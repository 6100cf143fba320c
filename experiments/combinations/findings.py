"""What the combinations say, computed once: which strength is chosen, what helps, and what of the
published ordering holds.

Strengths are chosen by validation images on seeds that measure nothing; what is compared here are
test errors of other seeds, in pairs, each seed with the same images, weights and batches.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.stats import kendalltau

from experiments.combinations.penalties import NONE
from experiments.combinations.results import Cell, Results
from experiments.statistics.resample import Estimate, estimate
from experiments.verdicts import Verdicts

VERDICTS = Verdicts("holds", "does not hold here")
Word = Literal["helps", "redundant", "hurts", "undecided"]
WORDS: tuple[Word, ...] = ("helps", "redundant", "hurts", "undecided")


@dataclasses.dataclass(frozen=True)
class Choice:
    """The strength that validation chooses.

    Attributes:
      strength: with the lowest mean validation error over the tuning seeds; of equals the weakest.
        One with which a training diverged is never chosen.
      strongest: whether it is the last that was tried, so that a stronger one may be better.
    """

    strength: float
    strongest: bool


def choice(results: Results, cell: Cell) -> Choice | None:
    """The strength of a cell; None if with each a training diverged."""
    means = results.tried[cell].mean(1)
    if np.isnan(means).all():
        return None
    place = int(np.nanargmin(means))
    return Choice(results.strengths[cell[0]][place], place == len(means) - 1)


def error(results: Results, cell: Cell) -> Estimate:
    """The mean test error of a cell, of the seeds that measure."""
    return _mean(results.errors[cell])


def difference(results: Results, cell: Cell, base: Cell) -> Estimate:
    """cell − base in test error, seed by seed."""
    return _mean(results.errors[cell] - results.errors[base])


def _mean(values: np.ndarray) -> Estimate:
    return estimate(lambda seeds: float(values[seeds].mean()), len(values), resamples=0)


# --- what helps ---


@dataclasses.dataclass(frozen=True)
class Effect:
    """What one thing adds to others, in test error.

    Attributes:
      added: a penalty, ``dropout`` or ``batchnorm``.
      base: the cell that it is added to.
      cell: with it.
      difference: cell − base; below 0 it helps.
      beyond_half: that less half the difference where it is added to the plain network without a
        penalty: above 0, it gains less than half as much here. None there.
      word: see `word`.
    """

    added: str
    base: Cell
    cell: Cell
    difference: Estimate
    beyond_half: Estimate | None
    word: Word


def word(found: Estimate, alone: Estimate | None, beyond_half: Estimate | None) -> Word:
    """What an addition does, by 95 % intervals.

    helps, hurts: the difference lies below, above 0. redundant: neither, though it helps the plain
    network, and its gain is less than half of that. undecided: all else.
    """
    if _below(found):
        return "helps"
    if _above(found):
        return "hurts"
    is_redundant = _below(alone) and _above(beyond_half)
    return "redundant" if is_redundant else "undecided"


def _below(found: Estimate | None) -> bool:
    return found is not None and found.jackknife is not None and found.jackknife[1] < 0


def _above(found: Estimate | None) -> bool:
    return found is not None and found.jackknife is not None and found.jackknife[0] > 0


ADDED: dict[str, tuple[tuple[str, str], ...]] = {
    "dropout": (("plain", "dropout"), ("batchnorm", "both")),
    "batchnorm": (("plain", "batchnorm"), ("dropout", "both")),
}
"""Places before and after."""


def effects(results: Results) -> list[Effect]:
    """Everything that is added to something, of cells that are there: penalties to each place, then
    Dropout and BatchNorm to each penalty."""
    names = [name for name in results.strengths if name != NONE]
    steps = [(name, (NONE, place), (name, place)) for name in names for place in results.places]
    steps += [
        (added, (name, before), (name, after))
        for added, pairs in ADDED.items()
        for before, after in pairs
        for name in results.strengths
    ]
    return [_effect(results, *step) for step in steps if results.has(*step[1:])]


def _effect(results: Results, added: str, base: Cell, cell: Cell) -> Effect:
    plain = (NONE, "plain")
    start = (NONE, added) if added in ADDED else (added, "plain")
    found = difference(results, cell, base)
    if base == plain or not results.has(start, plain):
        return Effect(added, base, cell, found, None, word(found, None, None))
    errors = results.errors
    alone = errors[start] - errors[plain]
    beyond_half = _mean(errors[cell] - errors[base] - alone / 2)
    answer = word(found, _mean(alone), beyond_half)
    return Effect(added, base, cell, found, beyond_half, answer)


# --- the published ordering ---

PUBLISHED: tuple[tuple[Cell, float], ...] = (
    (("max_norm", "dropout"), 1.05),
    (("l2", "dropout"), 1.25),
    (("max_norm", "plain"), 1.35),
    (("l2", "plain"), 1.62),
)
"""Test errors in % of Srivastava et al. 2014, *Dropout*, table 9, the lowest first."""


@dataclasses.dataclass(frozen=True)
class Ordering:
    """Whether the test errors stand in the published order.

    Attributes:
      errors: of `PUBLISHED`, in its order.
      steps: each less the one before: above 0 if they stand in that order.
      verdicts: of the steps: whether each lies above 0; None if its interval holds 0.
      tau: Kendall's rank correlation of the means with the published errors.
      holds: all of `verdicts`: False if one is False, None if one is undecided.
      weaker: whether both with Dropout lie below L2 alone, likewise.
    """

    errors: tuple[Estimate, ...]
    steps: tuple[Estimate, ...]
    verdicts: tuple[bool | None, ...]
    tau: float
    holds: bool | None
    weaker: bool | None


def ordering(results: Results) -> Ordering | None:
    """The published ordering; None while one of its cells is not there."""
    cells = [cell for cell, _ in PUBLISHED]
    if not results.has(*cells):
        return None
    errors = tuple(error(results, cell) for cell in cells)
    pairs = zip(cells[1:], cells[:-1], strict=True)
    steps = tuple(difference(results, later, earlier) for later, earlier in pairs)
    verdicts = tuple(map(above, steps))
    apart = [above(difference(results, cells[-1], cell)) for cell in cells[:2]]
    ranks = kendalltau([e.value for e in errors], [value for _, value in PUBLISHED])
    tau = float(np.asarray(ranks)[0])
    return Ordering(errors, steps, verdicts, tau, every(verdicts), every(apart))


def above(found: Estimate) -> bool | None:
    """Whether a number lies above 0: None if its interval holds 0."""
    return True if _above(found) else False if _below(found) else None


def every(answers: Sequence[bool | None]) -> bool | None:
    """Whether all hold: False if one does not, None if one is undecided.

    >>> every([True, None]), every([None, False])
    (None, False)
    """
    return False if False in answers else None if None in answers else True


# --- the effective learning rate ---


def factor(results: Results, cell: Cell) -> Estimate | None:
    """By how much a penalty multiplies the effective learning rate of the layers that a norm
    follows: its geometric mean over seeds; None where no layer is."""
    base = (NONE, cell[1])
    if not results.invariant[cell[1]] or not results.has(cell, base):
        return None
    logs = np.log(results.effective[cell]) - np.log(results.effective[base])
    found = _mean(logs)
    if found.value is None or found.jackknife is None:
        return dataclasses.replace(
            found, value=None if found.value is None else math.exp(found.value)
        )
    low, high = found.jackknife
    return Estimate(math.exp(found.value), (math.exp(low), math.exp(high)), None, found.seeds)

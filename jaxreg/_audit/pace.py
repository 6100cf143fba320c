"""What scales a decay: the learning rate, its schedule, a schedule of its own, or nothing.

A schedule reads a count in the state, and integers of the state that rise with the steps may be
set forward: so the decay after a million steps is seen without taking them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from jaxreg._audit.answers import Answers
from jaxreg._audit.forms import Finding

CONSTANT = 1e-4  # relative differences below which numbers count as constant
MISFIT = 0.02  # of what a decay varies: less is the rounding of an optimizer, not a schedule
COARSE = (0, *(round(10 ** (k / 2)) for k in range(15)))  # counts to see whether anything moves
FINE = (0, *sorted({round(1.5**k) for k in range(41)}))  # counts to find the largest decay
Pace = Literal["constant", "with the schedule", "its own schedule", "without the schedule"]
Counters = tuple[int, ...]  # places of integers in the state


@dataclasses.dataclass(frozen=True)
class Course:
    """How a decay changes with the steps, beside the steps themselves.

    Attributes:
      pace: whether it changes, and with what.
      counters: the integers of the state that it depends on.
      count: what they are set to where it is largest.
    """

    pace: Pace
    counters: Counters = ()
    count: int = 0


def degree(coefficients: Any, learning_rates: Any) -> float | None:
    """k in coefficient ∝ learning_rateᵏ; None if the coefficient is not of that form."""
    c, lr = np.asarray(coefficients, float), np.asarray(learning_rates, float)
    if np.any(c == 0) or np.any(np.sign(c) != np.sign(c[0])):
        return None
    slopes = np.log(c[1:] / c[0]) / np.log(lr[1:] / lr[0])
    return float(slopes.mean()) if np.ptp(slopes) < 0.02 else None


def course(answers: Answers, found: Finding) -> Course:
    """How the decay of a leaf changes with the steps."""
    if found.form in ("none", "undetermined") or found.coupled:
        return Course("constant")
    seen = Course(_by_steps(answers, found.per_step))
    debiased = answers.has_memory and _is_constant(np.abs(found.per_step))
    if debiased or answers.is_still or not answers.answers_zero_gradients:
        return seen  # what moves with a count then is no schedule, but an average's correction
    return _by_counts(answers, seen)


def decay(answers: Answers, counters: Counters, count: int) -> float:
    """The decay of a step with ``counters`` at ``count``: a share of w, or the longest update."""
    place = answers.unclipped
    seen = answers.glance(0.0, place, tuple((k, count) for k in counters))
    return seen.rate / place if answers.is_linear else seen.size


def response(answers: Answers, counters: Counters, count: int) -> float:
    """The length of the same step, under gradients and without decay."""
    return answers.glance(1.0, 0.0, tuple((k, count) for k in counters)).length


def _by_counts(answers: Answers, seen: Course) -> Course:
    """What the counts add to what was ``seen`` in the first steps."""
    ticking = tuple(answers.probes.ticking)

    def over(measure: Callable[..., float], counters: Counters) -> np.ndarray:
        return np.array([abs(measure(answers, counters, n)) for n in COARSE])

    if _is_constant(over(decay, ticking)):
        return Course("without the schedule") if _ends(over(response, ticking), seen) else seen
    moving = tuple(k for k in ticking if not _is_constant(over(decay, (k,))))
    for counters in _beside(moving or ticking, ticking):
        if _in_proportion(over(decay, counters), over(response, counters)):
            return Course("with the schedule", counters, _largest(answers, counters))
    own = any(_is_constant(over(response, (k,))) for k in moving)
    together = seen.pace == "with the schedule" and not own  # one count for all that it does
    pace: Pace = "with the schedule" if together else "its own schedule"
    return Course(pace, ticking, _largest(answers, ticking))


def _ends(lengths: np.ndarray, seen: Course) -> bool:
    """Whether steps of length 0 come later, where none was among the first.

    Where a count of 1 alone stops the steps, more than a schedule hangs on it.
    """
    return seen.pace == "constant" and bool(np.all(lengths[:2] > 0) and np.any(lengths == 0))


def _beside(counters: Counters, ticking: Counters) -> Iterator[Counters]:
    """These, then with one or all of the others: the steps may have a count of their own."""
    others = [k for k in ticking if k not in counters]
    yield counters
    yield from ((*counters, k) for k in others)
    yield ticking


def _largest(answers: Answers, counters: Counters) -> int:
    """The count with the largest decay: that of a coarse search, then between its neighbours."""

    def value(count: int) -> float:
        return abs(decay(answers, counters, count))

    counts: Sequence[int] = FINE
    while True:
        best = max(counts, key=value)
        i = counts.index(best)
        low, high = counts[max(i - 1, 0)], counts[min(i + 1, len(counts) - 1)]
        flat = best < high and value(best) == value(high)
        if high - low <= 2 or flat:
            return best
        counts = sorted({best, *(round(n) for n in np.linspace(low, high, 6))})


def _by_steps(answers: Answers, per_step: tuple[float, ...]) -> Pace:
    """How a decay that is a share of w changes with the first steps."""
    if not per_step or answers.has_memory:
        return "constant"
    decays, responses = np.abs(per_step), _responses(answers)
    moving = (decays > 0) | (responses[0] > 0)  # accumulated gradients: neither moves
    decays, responses = decays[moving], [r[moving] for r in responses]
    if _is_constant(decays):
        at_rest = (responses[0] == 0) & (decays > 0)
        return "without the schedule" if np.any(at_rest) else "constant"
    together = any(_in_proportion(decays, response) for response in responses)
    return "with the schedule" if together else "its own schedule"


def _responses(answers: Answers) -> list[np.ndarray]:
    """How long the steps are: under the same gradient at all steps, and under one only.

    The one or the other is constant, but for a schedule, for most optimizers: for Adam and for
    momentum. Where both vary it may be the optimizer's nature.
    """
    steps = range(answers.steps)
    constant = answers.at(1.0, 0.0, constant=True)
    single = np.stack([answers.at(1.0, 0.0, only=t)[t] for t in steps])
    return [np.linalg.norm(updates, axis=1) for updates in (constant, single)]


def _in_proportion(decays: np.ndarray, responses: np.ndarray) -> bool:
    largest = int(np.argmax(decays))
    if responses[largest] == 0:
        return False
    shares, others = decays / decays[largest], responses / responses[largest]
    tolerance = max(CONSTANT, MISFIT * float(np.ptp(shares)))
    return bool(np.all(np.abs(shares - others) <= tolerance))


def _is_constant(numbers: np.ndarray) -> bool:
    return numbers.size == 0 or bool(np.ptp(numbers) <= CONSTANT * np.max(numbers, initial=0.0))

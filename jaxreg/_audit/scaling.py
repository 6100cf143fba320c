"""What scales a decay: the learning rate, its schedule, a schedule of its own, or nothing.

A schedule reads a count in the state, and integers of the state that rise with the steps may be
set forward: so the decay after a million steps is seen without taking them. The learning rate is
seen from optimizers that are made with several.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxreg._audit.answers import TINY, Answers, power, size
from jaxreg._audit.arrays import along
from jaxreg._audit.probes import Counts, Probe
from jaxreg._audit.record import LeafAudit, Pace, text

CONSTANT = 1e-4  # relative differences below which numbers count as constant
MISFIT = 0.02  # of what a decay varies: less is the rounding of an optimizer, not a schedule
COARSE = (0, *(round(10 ** (k / 2)) for k in range(15)))  # counts to see whether anything moves
FINE = (0, *sorted({round(1.5**k) for k in range(41)}))  # counts to find the largest decay
GROWTH = 1e-3  # relative growth that is worth a word
WHOLE = 0.02  # how near to a whole number a power of the learning rate is taken for it
OF_ONE = {"with the schedule": "schedule", "its own schedule": "its own schedule"}
Counters = tuple[int, ...]  # places of integers in the state


class Peak(NamedTuple):
    """Where the decay is largest: ``counters`` of the state at ``value``; none if all is seen."""

    counters: Counters = ()
    value: int = 0


class Glance(NamedTuple):
    """What is kept of one update of one leaf: one is asked for at each of many counts."""

    rate: float  # c, if the update was −c·W
    size: float  # of the largest entry
    length: float


def scaled(found: LeafAudit, answers: Answers) -> LeafAudit:
    """The record with ``pace``, ``share`` and ``scales_with``, and the coefficient in their unit.

    First the steps, so that the learning rates are compared where the decay is largest.
    """
    pace, peak = _course(found, answers)
    found = _at_the_peak(dataclasses.replace(found, pace=pace), answers, peak)
    if found.is_coupled or not found.decays:
        return found
    if len(answers.family) == 1:
        return dataclasses.replace(found, scales_with=OF_ONE.get(found.pace, "unknown"))
    shares, rates = [_share(a, peak) for a in answers.family], answers.probes.rates
    found, k = _implicit(found, shares, rates) or (found, power(shares, rates))
    return _per_unit(found, k, rates[0])


# --- the steps ---


def _course(found: LeafAudit, answers: Answers) -> tuple[Pace, Peak]:
    """How the decay of a leaf changes with the steps, and where it is largest."""
    if found.is_coupled or not found.decays:
        return "constant", Peak()
    seen = _by_steps(answers, found.per_step)
    debiased = answers.has_memory and _is_constant(np.abs(found.per_step))
    if debiased or answers.is_still or not answers.answers_zero_gradients:
        return seen, Peak()  # what moves with a count then is the correction of an average
    return _by_counts(answers, seen)


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
    step = Probe(gradient=1.0, place=0.0)
    constant = answers.to(step._replace(constant=True))
    single = np.stack([answers.to(step._replace(only=t))[t] for t in range(answers.steps)])
    return [np.linalg.norm(updates, axis=1) for updates in (constant, single)]


# --- the counts ---


def _glance(answers: Answers, gradient: float, place: float, counts: Counts) -> Glance:
    """At the first update with decay, under constant gradients, after counts were set forward."""
    probes, step = answers.probes, answers.active
    probe = Probe(gradient, place, constant=True, steps=step + 1, counts=counts)

    def make() -> list[Glance]:
        rows = zip(probes.ask(probe).updates, probes.directions, strict=True)
        return [_seen(u[step], w) for u, w in rows]

    return probes.once(("glance", probe), make)[answers.index]


def _seen(update: np.ndarray, w: np.ndarray) -> Glance:
    rate = -float(along(update, w)) / max(float(along(w, w)), TINY)
    return Glance(rate, size(update), float(np.sqrt(along(update, update))))


def _decay(answers: Answers, counters: Counters, count: int) -> float:
    """The decay of a step with ``counters`` at ``count``: a share of w, or the longest update."""
    place = answers.unclipped
    seen = _glance(answers, 0.0, place, tuple((k, count) for k in counters))
    return seen.rate / place if answers.is_linear else seen.size


def _response(answers: Answers, counters: Counters, count: int) -> float:
    """The length of the same step, under gradients and without decay."""
    return _glance(answers, 1.0, 0.0, tuple((k, count) for k in counters)).length


def _by_counts(answers: Answers, seen: Pace) -> tuple[Pace, Peak]:
    """What the counts add to what was ``seen`` in the first steps."""
    ticking = tuple(answers.probes.ticking)

    def over(measure: Callable[..., float], counters: Counters) -> np.ndarray:
        return np.array([abs(measure(answers, counters, n)) for n in COARSE])

    if _is_constant(over(_decay, ticking)):
        ends = _ends(over(_response, ticking), seen)
        return "without the schedule" if ends else seen, Peak()
    moving = tuple(k for k in ticking if not _is_constant(over(_decay, (k,))))
    for counters in _beside(moving or ticking, ticking):
        if _in_proportion(over(_decay, counters), over(_response, counters)):
            return "with the schedule", _largest(answers, counters)
    own = any(_is_constant(over(_response, (k,))) for k in moving)
    together = seen == "with the schedule" and not own  # one count for all that it does
    pace: Pace = "with the schedule" if together else "its own schedule"
    return pace, _largest(answers, ticking)


def _ends(lengths: np.ndarray, seen: Pace) -> bool:
    """Whether steps of length 0 come later, where none was among the first.

    Where a count of 1 alone stops the steps, more than a schedule hangs on it.
    """
    return seen == "constant" and bool(np.all(lengths[:2] > 0) and np.any(lengths == 0))


def _beside(counters: Counters, ticking: Counters) -> Iterator[Counters]:
    """These, then with one or all of the others: the steps may have a count of their own."""
    others = [k for k in ticking if k not in counters]
    yield counters
    yield from ((*counters, k) for k in others)
    yield ticking


def _largest(answers: Answers, counters: Counters) -> Peak:
    """The count with the largest decay: that of a coarse search, then between its neighbours."""

    def value(count: int) -> float:
        return abs(_decay(answers, counters, count))

    counts: Sequence[int] = FINE
    while True:
        best = max(counts, key=value)
        i = counts.index(best)
        low, high = counts[max(i - 1, 0)], counts[min(i + 1, len(counts) - 1)]
        flat = best < high and value(best) == value(high)
        if high - low <= 2 or flat:
            return Peak(counters, best)
        counts = sorted({best, *(round(n) for n in np.linspace(low, high, 6))})


def _in_proportion(decays: np.ndarray, responses: np.ndarray) -> bool:
    largest = int(np.argmax(decays))
    if responses[largest] == 0:
        return False
    shares, others = decays / decays[largest], responses / responses[largest]
    tolerance = max(CONSTANT, MISFIT * float(np.ptp(shares)))
    return bool(np.all(np.abs(shares - others) <= tolerance))


def _is_constant(numbers: np.ndarray) -> bool:
    return numbers.size == 0 or bool(np.ptp(numbers) <= CONSTANT * np.max(numbers, initial=0.0))


def _at_the_peak(found: LeafAudit, answers: Answers, peak: Peak) -> LeafAudit:
    """The record with the coefficient of the largest decay, and that decay as a share of w."""
    seen = found.largest
    if not peak.counters:
        return dataclasses.replace(found, share=seen)
    share = _share(answers, peak)
    grown = share / (seen if answers.is_linear else size(answers.decay))
    coefficient, evidence = found.coefficient, found.evidence
    if found.pace == "with the schedule" and coefficient is not None:
        coefficient = share if answers.is_linear else grown * coefficient
    if grown > 1 + GROWTH and found.per_step:
        evidence += f"; up to {text(grown * seen)} later"
    return dataclasses.replace(
        found, coefficient=coefficient, evidence=evidence, share=grown * seen
    )


# --- the learning rates ---


def _share(answers: Answers, peak: Peak) -> float:
    """What a step takes away, as a share of w, or for an update of another degree its size."""
    if not answers.answers_zero_gradients or answers.is_still:
        rates = answers.rates(answers.odd())
        return float(rates[np.argmax(rates != 0)])
    return _decay(answers, *peak) if peak.counters else answers.share


def _implicit(
    found: LeafAudit, shares: Sequence[float], rates: Sequence[float]
) -> tuple[LeafAudit, float] | None:
    """w/(1 + c), told from (1 − c)·w by the power of the learning rate in the c of the one."""
    explicit = power(shares, rates)
    if found.form != "decoupled" or explicit is None or not 0 < shares[0] < 1:
        return None
    inverse = [c / (1 - c) for c in shares]
    exact = power(inverse, rates)
    if exact is None or abs(exact - 1) > 1e-2 * abs(explicit - 1):
        return None
    evidence = "w/(1 + c) with c in proportion to the learning rate: implicit decay"
    implicit = dataclasses.replace(
        found, form="proximal", evidence=evidence, coefficient=inverse[0]
    )
    return implicit, exact


def _per_unit(found: LeafAudit, k: float | None, rate: Any) -> LeafAudit:
    """The record with the coefficient without the power of the learning rate that it holds."""
    coefficient = found.coefficient
    if coefficient is not None and k is not None:
        coefficient /= rate ** (round(k) if abs(k - round(k)) < WHOLE else k)
    scales_with = _shown(k) + ", schedule" * (found.pace == "with the schedule")
    return dataclasses.replace(found, coefficient=coefficient, scales_with=scales_with)


def _shown(k: float | None) -> str:
    if k is None:
        return "no power of the learning rate"
    names = {0: "nothing", 1: "learning rate", 2: "learning rate²"}
    near = names.get(round(k))
    return near if near and abs(k - round(k)) < WHOLE else f"learning rate^{k:.2g}"

"""Which form of decay the answers of an optimizer show, leaf by leaf.

Each rule looks at the answers for one leaf and returns its record, or passes. No rule knows the
name, the state or the class of an optimizer: all that counts is what comes out for what goes in.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxreg._audit import at_rest, beside, coupled
from jaxreg._audit.answers import Answers, size
from jaxreg._audit.black_box import Arrays, Optimizer
from jaxreg._audit.probes import Probe, Probes
from jaxreg._audit.record import LeafAudit, text
from jaxreg._audit.scaling import COARSE

DOUBLINGS = 3  # of the steps, at most
RULES = (
    # Numbers that cannot be compared: every other rule compares numbers.
    at_rest.unreadable,
    at_rest.stationary,
    at_rest.unanswered,
    # Where w − W is answered and not w: every other rule takes the centre for all there is.
    at_rest.keeps_parameters,
    # Nothing at W, −W and 2W without gradients. A box that holds them all is still there too, so
    # what is far or small is asked before; what is left shows under gradients alone.
    at_rest.idle,
    beside.projection,
    beside.only_under_gradients,
    at_rest.rescaled,
    # −c·W without gradients. Trust ratios first: they too are linear. Memory next: what remains is
    # of the present w. A step that is not linear in gradients spares the search for the one that
    # cancels; where it is linear, coupled comes before decoupled, for it may be both.
    beside.trust_ratio,
    coupled.through_momentum,
    beside.decoupled_from_the_gradient,
    coupled.in_the_gradient,
    beside.decoupled,
    beside.under_gradients,
    # Not in proportion to w. A threshold may look coupled, since a gradient can cancel it; a sum
    # of both decays looks coupled to whoever does not look at what is left.
    beside.threshold,
    coupled.through_statistics,
    coupled.of_another_penalty,
    beside.of_another_penalty,
    beside.unexplained,
)
"""The first that recognises a leaf says which form it is: special forms before the general."""


def judged(answers: Answers) -> LeafAudit:
    """The record of a leaf; around a reference it is of decay toward that."""
    return _dated(_toward(_first(answers), answers), answers)


def _first(answers: Answers) -> LeafAudit:
    return next(found for rule in RULES if (found := rule(answers)) is not None)


def _toward(found: LeafAudit, answers: Answers) -> LeafAudit:
    """Of decay toward what the leaf is drawn to, unless that is a copy of the parameters' own."""
    if answers.is_around_zero:
        return found
    starts = answers.is_drawn_to_its_start
    if starts and (not found.per_step or abs(found.largest) >= 0.5):
        return at_rest.own_way(answers)
    if not found.decays:
        return found
    where = "the initial parameters" if starts else _typical(answers.probes.centre[answers.index])
    evidence = f"toward {where}: {found.form}, {found.evidence}"
    return dataclasses.replace(found, form="toward a reference", evidence=evidence)


def _typical(reference: np.ndarray) -> str:
    return f"values of modulus {text(np.sqrt(np.mean(np.abs(reference) ** 2)))}"


def _dated(found: LeafAudit, answers: Answers) -> LeafAudit:
    """With the count from which on the leaf decays, where that is not the first."""
    if not answers.probes.counts or found.form == "none":
        return found
    count = answers.probes.counts[0][1]
    return dataclasses.replace(found, evidence=f"from step {count} or earlier on: {found.evidence}")


# --- what is asked: from which step on, around which values ---


def answers_of(asked: Optimizer, rates: tuple[Any, ...]) -> list[Answers]:
    """Of every leaf, from the step on that shows its decay and around what it is drawn to."""
    plain = _long_enough(asked, rates)
    counts = [_begins(plain, i) for i in range(len(asked.leaves))]
    by_count = {n: _around(plain.later(n)) for n in set(counts)}
    return [Answers(by_count[n][i], i) for i, n in enumerate(counts)]


def _long_enough(asked: Optimizer, rates: tuple[Any, ...]) -> Probes:
    """With more steps where the last one alone updates: what it keeps is seen later."""
    for _ in range(DOUBLINGS):
        probes = Probes(asked, rates)
        moves = next((m for n in _counts(probes) if (m := _moves_after(probes, n)).any()), None)
        if moves is None or moves[:-1].any():
            return probes
        asked.steps *= 2
    return Probes(asked, rates)


def _begins(plain: Probes, index: int) -> int:
    """The count from which on a leaf decays, or else from which on gradients move it."""
    for gradient in (0.0, 1.0):
        for count in _counts(plain) if gradient == 0 or not _moves_after(plain, 0).any() else ():
            if size(_largest_after(plain, count, gradient)[index]) > 0:
                return count
    return 0


def _largest_after(probes: Probes, count: int, gradient: float) -> Arrays:
    """The largest entries of the updates after ``count`` steps, of shape (steps,) each.

    They are 0 where a counter begins anew meanwhile: it cannot stand at ``count``.
    """

    def make() -> Arrays:
        asked = probes.ask if count else probes.reply
        found = asked(Probe(gradient, counts=probes.all_at(count)))
        falls = count and np.any(np.diff(found.counters[:, probes.ticking], axis=0) < 0)
        return [np.abs(u).max(axis=1, initial=0.0) * (not falls) for u in found.updates]

    return probes.once(("after", count, gradient), make)


def _moves_after(probes: Probes, count: int) -> np.ndarray:
    """Which steps under gradients have an update, after ``count`` of them."""

    def make() -> np.ndarray:
        return np.any([largest > 0 for largest in _largest_after(probes, count, 1.0)], axis=0)

    return probes.once(("moves", count), make)


def _counts(probes: Probes) -> tuple[int, ...]:
    return COARSE if probes.ticking else (0,)


def _around(plain: Probes) -> list[Probes]:
    """The probes around what each leaf is drawn to: 0, its own start or other values.

    All leaves stand there at once, for one may reach the others.
    """
    answers = [Answers(plain, i) for i in range(len(plain.directions))]
    drawn = [not _first(a).is_coupled for a in answers]
    starts = [d and a.is_drawn_to_its_start for d, a in zip(drawn, answers, strict=True)]
    refers = [d and not s and _refers(a) for d, s, a in zip(drawn, starts, answers, strict=True)]
    if not any(starts) and not any(refers):
        return [plain] * len(answers)
    found = plain.references() if any(refers) else plain.centre
    rows = zip(starts, refers, plain.drawn(salt=10**6), found, strict=True)
    centre = [s * own + r * np.nan_to_num(other) for s, r, own, other in rows]
    around = dataclasses.replace(plain, centre=centre, starts_at_centre=any(starts))
    lost = [r and Answers(around, i).is_lopsided for i, r in enumerate(refers)]
    return [plain if left else around for left in lost]


def _refers(answers: Answers) -> bool:
    return answers.is_lopsided and beside.projection(answers) is None

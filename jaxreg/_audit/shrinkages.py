"""Rules for updates that are not in proportion to w: thresholds, coupling to Adam, others."""

from __future__ import annotations

import numpy as np

from jaxreg._audit.answers import FAINT, TOLERANCE, Answers, size, text
from jaxreg._audit.black_box import Arrays
from jaxreg._audit.forms import VISIBLE, Finding, decoupled, mean_pull, shown_degree
from jaxreg._audit.roots import NEAR

SMALL = (1e-2, 1e-4, 1e-6, 1e-8, 1e-11, 1e-14)
LARGE = 1e4


def projection(answers: Answers) -> Finding | None:
    """Lands somewhere without gradients, and stays there: a constraint, or a hard threshold."""
    if answers.is_linear and not answers.is_still:
        return None
    places = [p for p in (1.0, -1.0, LARGE, -LARGE, *SMALL) if size(answers.at(0.0, p))]
    if not places or answers.has_memory:
        return None
    moved = answers.probes.at(0.0, places[0])
    step = int(np.argmax(np.abs(moved[answers.index]).max(axis=1) > 0))
    landed = [w + u[step] for w, u in zip(answers.probes.placed(places[0]), moved, strict=True)]
    again = answers.probes.zero_gradient_at(landed)[answers.index]
    if size(again) > TOLERANCE * size(moved[answers.index]):
        return None
    return Finding("proximal", "a projection or a hard threshold: moves once, then stays")


def threshold(answers: Answers) -> Finding | None:
    """Small weights become exactly 0 without gradients: a proximal operator."""
    if answers.has_memory:
        return None
    for place in SMALL:
        small = answers.at(0.0, place)[answers.active] + place * answers.direction
        if size(small) <= 4 * answers.precision * place:
            return Finding("proximal", "small weights become exactly 0", _up_to(answers))
    return None


def _up_to(answers: Answers) -> float | None:
    """|w| up to which entries become 0, where it is the same for all: a + b·|w| is taken away."""
    largest = int(np.argmax(np.abs(answers.at(0.0, 1.0)).max(axis=1)))
    near, far = (np.abs(answers.at(0.0, s)[largest]) for s in (1.0, 2.0))
    a, b = 2 * near - far, (far - near) / np.abs(answers.direction)
    least = a / (1 - b)
    rounding = 8 * answers.precision * size(answers.direction)
    return float(least.mean()) if np.ptp(least) <= TOLERANCE * size(least) + rounding else None


def preconditioned(answers: Answers) -> Finding | None:
    """The decay goes through what the optimizer makes of gradients, such as Adam's division."""
    pull = answers.cancelling_rates
    return _twice(answers, pull) or _through_statistics(answers, pull) or _another_penalty(answers)


def _through_statistics(answers: Answers, pull: Arrays) -> Finding | None:
    if not answers.is_coupled(pull, FAINT, NEAR):
        return None
    evidence = f"the gradient −d·w cancels it; alone it is of degree {shown_degree(answers)} in w"
    d = mean_pull(answers, pull)
    return Finding("coupled", evidence, d, coupled=True, preconditioned=True)


def _twice(answers: Answers, pull: Arrays) -> Finding | None:
    """What the gradient −d·w leaves of the decay is decoupled."""
    left = answers.odd(1.0, pull=pull)
    visible = size(left) > VISIBLE * size(answers.at(1.0, 1.0))
    if not (visible and answers.has_memory and answers.is_uniform(left, 1e-2)):
        return None
    d, c = mean_pull(answers, pull), float(answers.rates(left)[answers.active])
    evidence = f"d·w in the gradient, and {text(c)}·w beside the step as well"
    return Finding("coupled", evidence, d, coupled=True, preconditioned=True, also=c)


def _another_penalty(answers: Answers) -> Finding | None:
    if not answers.is_coupled(answers.cancelling_entries, FAINT, NEAR):
        return None
    evidence = "the gradient −p(w) cancels it, of another penalty than λ‖w‖²"
    linear_step = size(answers.odd(8.0) - answers.odd(1.0)) <= TOLERANCE * size(answers.odd(1.0))
    return Finding("coupled", evidence, coupled=True, preconditioned=not linear_step)


def beside_the_step(answers: Answers) -> Finding | None:
    """The same with and without gradients, but not one −c·w for all entries."""
    alone = answers.at(0.0, 1.0)
    if answers.has_memory or not answers.is_beside(alone):
        return None
    far = answers.at(0.0, 2.0)
    if size(far - 2 * alone) > TOLERANCE * size(far):
        degree = shown_degree(answers)
        evidence = f"the same with and without gradients, no memory, but of degree {degree} in w"
        return Finding("decoupled", f"{evidence}: of another penalty than λ‖w‖²")
    shares = np.abs(alone[answers.active] / answers.direction)
    evidence = f"−c·w with and without gradients, c from {text(shares.min())} to "
    rates = answers.rates(alone)
    return decoupled(rates, f"{evidence}{text(shares.max())} by entries; c is their mean")


def unexplained(answers: Answers) -> Finding | None:
    if size(answers.at(0.0, 0.0)):
        return Finding("undetermined", "moves w = 0 without gradients: is noise added?")
    memory = "with" if answers.has_memory else "without"
    degree = f"and degree {shown_degree(answers)} in w"
    reason = f"updates without gradients, {memory} memory {degree}, that fit no form"
    return Finding("undetermined", reason)

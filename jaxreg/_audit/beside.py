"""Rules that tell kinds of decay beside the step: in proportion to w or not, to zero, or at all."""

from __future__ import annotations

import numpy as np

from jaxreg._audit.answers import TOLERANCE, Answers, size
from jaxreg._audit.arrays import along, first_with_update
from jaxreg._audit.probes import LARGE, SMALL
from jaxreg._audit.record import LeafAudit, text

BESIDE = "−c·w with and without gradients, no memory"


# --- onto a set ---


def projection(answers: Answers) -> LeafAudit | None:
    """Lands somewhere without gradients, and stays there: a constraint, or a hard threshold."""
    if answers.is_linear and not answers.is_still:
        return None
    places = (1.0, -1.0, LARGE, -LARGE, *SMALL)
    place = next((p for p in places if size(answers.alone_at(p))), None)
    if place is None or answers.has_memory:
        return None
    moved = answers.alone_at(place)
    again = answers.probes.from_where_it_lands(place, first_with_update(moved))[answers.index]
    if size(again) > TOLERANCE * size(moved):
        return None
    return answers.found("proximal", "a projection or a hard threshold: moves once, then stays")


def threshold(answers: Answers) -> LeafAudit | None:
    """Small weights become exactly 0 without gradients: a proximal operator."""
    if answers.has_memory:
        return None
    for place in SMALL:
        left = answers.alone_at(place)[answers.active] + place * answers.direction
        if size(left) <= 4 * answers.precision * place:
            return answers.found("proximal", "small weights become exactly 0", _up_to(answers))
    return None


def _up_to(answers: Answers) -> float | None:
    """|w| up to which entries become 0, where it is the same for all: a + b·|w| is taken away."""
    largest = int(np.argmax(np.abs(answers.alone).max(axis=1)))
    near, far = (np.abs(updates[largest]) for updates in (answers.alone, answers.alone_twice))
    a, b = 2 * near - far, (far - near) / np.abs(answers.direction)
    least = a / (1 - b)
    rounding = 8 * answers.precision * size(answers.direction)
    return float(least.mean()) if np.ptp(least) <= TOLERANCE * size(least) + rounding else None


# --- in proportion to w ---


def trust_ratio(answers: Answers) -> LeafAudit | None:
    """Every update is a fixed share of ‖w‖ long, with or without gradients."""
    if not answers.is_linear:
        return None
    updates = answers.alone, answers.under_gradient, answers.under_gradient_twice
    changed = updates[1] - updates[0]
    t = first_with_update(changed)
    alone, under, far = (float(np.sqrt(along(update[t], update[t]))) for update in updates)
    if size(changed) == 0 or not (_same(alone, under) and _same(2 * under, far)):
        return None
    rates = answers.rates(answers.alone)
    evidence = f"every update is {text(rates[t])}·‖w‖ long, gradient or not"
    evidence += "; kept in a buffer" * answers.has_memory
    return answers.found("trust ratio", evidence, rates=rates)


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= TOLERANCE * max(abs(a), abs(b))


def decoupled_from_the_gradient(answers: Answers) -> LeafAudit | None:
    """−c·w beside a step that is not linear in gradients: none of them could be the decay's."""
    found = decoupled(answers)
    return found if found is not None and not answers.is_linear_in_gradients else None


def decoupled(answers: Answers) -> LeafAudit | None:
    """−c·w beside the step."""
    if not (answers.is_linear and answers.is_beside(answers.alone)):
        return None
    return answers.found_decoupled(answers.rates(answers.decay), BESIDE)


def under_gradients(answers: Answers) -> LeafAudit | None:
    """−c·w without gradients, but under them of entries or by their size."""
    if not answers.is_linear:
        return None
    return _cautious(answers, answers.rates(answers.decay)) or _gradient_relative(answers)


def only_under_gradients(answers: Answers) -> LeafAudit | None:
    """Nothing without gradients, but −c·w beside the step under them."""
    odd = answers.odd()
    if not (answers.is_still and answers.is_uniform(odd)):
        return None
    rates, evidence = answers.rates(odd), "−c·w beside the step, nothing without gradients"
    return (
        _gradient_relative(answers)
        or _cautious(answers, 2 * rates)
        or answers.found_decoupled(rates, evidence)
    )


def _cautious(answers: Answers, rates: np.ndarray) -> LeafAudit | None:
    """Entry by entry under gradients, either −c·w or nothing, and both occur."""
    t = int(np.argmax(rates != 0))
    added = answers.under_gradient[t] - answers.step[t]
    share = np.real(-added * np.conj(answers.direction)) / np.abs(answers.direction) ** 2
    on = share / rates[t]
    either = np.all((np.abs(on) < TOLERANCE) | (np.abs(on - 1) < TOLERANCE))
    if not (either and np.any(on > 0.5)):
        return None
    part = f"here on {np.mean(on > 0.5):.0%} of them"
    evidence = f"cautious: under gradients −c·w or nothing, by entries; {part}"
    return answers.found_decoupled(rates, evidence)


def _gradient_relative(answers: Answers) -> LeafAudit | None:
    odd, larger = answers.odd(), answers.odd(gradient=4.0)
    if not (answers.is_uniform(odd) and answers.is_uniform(larger)):
        return None
    rates = answers.rates(odd)
    t = int(np.argmax(rates != 0))
    ratio = answers.rates(larger)[t] / rates[t]
    degree = np.log(ratio) / np.log(4.0) if ratio > 0 else 0.0
    if abs(degree) <= 1e-3:
        return None
    evidence = f"−c·w beside the step, with c as |gradient|^{degree:.2g}"
    return answers.found("gradient-relative", evidence, float(rates[t]), rates)


# --- not in proportion to w ---


def of_another_penalty(answers: Answers) -> LeafAudit | None:
    """The same with and without gradients, but not one −c·w for all entries."""
    alone = answers.alone
    if answers.has_memory or not answers.is_beside(alone):
        return None
    if not answers.is_doubled(alone, answers.alone_twice):
        degree = answers.shown_degree
        evidence = f"the same with and without gradients, no memory, but of degree {degree} in w"
        return answers.found("decoupled", f"{evidence}: of another penalty than λ‖w‖²")
    shares = np.abs(alone[answers.active] / answers.direction)
    evidence = f"−c·w with and without gradients, c from {text(shares.min())} to "
    evidence += f"{text(shares.max())} by entries; c is their mean"
    return answers.found_decoupled(answers.rates(alone), evidence)


def unexplained(answers: Answers) -> LeafAudit:
    if size(answers.at_rest):
        return answers.found("undetermined", "moves w = 0 without gradients: is noise added?")
    memory = "with" if answers.has_memory else "without"
    degree = f"and degree {answers.shown_degree} in w"
    reason = f"updates without gradients, {memory} memory {degree}, that fit no form"
    return answers.found("undetermined", reason)

"""Rules for leaves that nothing moves but gradients, or that cannot be asked without any."""

from __future__ import annotations

import numpy as np

from jaxreg._audit.answers import FAINT, TOLERANCE, Answers, size
from jaxreg._audit.forms import Finding, decoupled
from jaxreg._audit.roots import NEAR
from jaxreg._audit.shares import cautious, gradient_relative
from jaxreg._audit.shrinkages import LARGE, SMALL

COARSE = 1e-3


def unreadable(answers: Answers) -> Finding | None:
    if not all(np.isfinite(answers.at(1.0, place)).all() for place in (1.0, -1.0)):
        return Finding("undetermined", "its updates are not finite")
    if answers.precision > COARSE:
        return Finding("undetermined", "it computes in bfloat16, too coarsely to tell")
    return None


def stationary(answers: Answers) -> Finding | None:
    """Never moves, whatever the gradient: frozen, or not yet."""
    probes = [answers.at(1.0, 1.0), answers.at(1.0, -1.0), answers.at(0.0, LARGE)]
    if any(size(probe) for probe in probes):
        return None
    if any(size(update) for update in answers.probes.at(1.0, 1.0)):
        return Finding("none", "frozen: no gradient moves it")
    more = f"steps={4 * answers.steps}"
    reason = f"no update in {answers.steps} steps; does it accumulate gradients? ask for {more}"
    return Finding("undetermined", reason)


def unanswered(answers: Answers) -> Finding | None:
    """No finite answer without gradients: the decay is read under gradients alone."""
    if answers.answers_zero_gradients:
        return None
    near, far = answers.odd(1.0, 1.0), answers.odd(1.0, 2.0)
    if answers.is_nothing(near):
        return Finding("none", "the same update at w and −w (not finite without gradients)")
    if answers.is_uniform(near) and size(far - 2 * near) <= TOLERANCE * size(far):
        evidence = "not finite without gradients; under them −c·w beside the step"
        return decoupled(answers.rates(near), evidence)
    return Finding("undetermined", "its updates are not finite without gradients")


def keeps_parameters(answers: Answers) -> Finding | None:
    """At rest where it began, but pulled back from anywhere else."""
    kept = answers.is_still and answers.has_memory
    return own_way(answers) if kept or answers.keeps_a_copy else None


def own_way(answers: Answers) -> Finding:
    """For parameters kept in the state: from w and −w, along the optimizer's own way."""
    there, opposite = (answers.probes.own_way(1.0, s)[answers.index] for s in (1.0, -1.0))
    kept = "it keeps parameters of its own in its state"
    if size(there - opposite) <= 1e-9 * size(there):
        return Finding("none", f"{kept}; along its own way the same updates from w and −w")
    reason = f"{kept}, such as an average: judge what it does to the evaluation parameters"
    return Finding("undetermined", reason)


def idle(answers: Answers) -> Finding | None:
    """No decay, with gradients or without, near or far."""
    if not answers.is_still or not answers.is_nothing(answers.odd()):
        return None
    if any(size(answers.at(0.0, place)) for place in (*SMALL, LARGE, -LARGE)):
        return None
    return Finding("none", "no update without gradients; under them the same at w and −w")


def only_under_gradients(answers: Answers) -> Finding | None:
    """Nothing without gradients, but w and −w are treated differently under them."""
    if not answers.is_still:
        return None
    odd = answers.odd()
    if answers.is_uniform(odd):
        evidence = "−c·w beside the step, nothing without gradients"
        rates = answers.rates(odd)
        return (
            gradient_relative(answers, odd)
            or cautious(answers, 2 * rates)
            or decoupled(rates, evidence)
        )
    if _only_rescales(answers) or _is_free_of_w_below_a_clip(answers):
        return Finding("none", "w changes the length of the step, not its direction")
    return Finding("undetermined", "w changes the step, in a way that fits no form")


def _is_free_of_w_below_a_clip(answers: Answers) -> bool:
    """A clip by the norm of all leaves lets their decay reach the step of one that has none."""
    step, odd = answers.at(FAINT, NEAR), answers.odd(FAINT, NEAR)
    return size(odd) <= 4 * answers.precision * size(step)


def _only_rescales(answers: Answers) -> bool:
    step, other = answers.at(1.0, 1.0), answers.at(1.0, -1.0)
    lengths = np.linalg.norm(step, axis=1), np.linalg.norm(other, axis=1)
    along = np.abs(np.sum(np.conj(step) * other, axis=1))
    return bool(np.all(along >= (1 - 1e-9) * lengths[0] * lengths[1]))

"""Rules that tell decay from none: leaves that do not decay, or of which that cannot be asked."""

from __future__ import annotations

import numpy as np

from jaxreg._audit.answers import Answers, size
from jaxreg._audit.probes import FAINT, LARGE, NEAR, SMALL, UNDER_GRADIENT
from jaxreg._audit.record import LeafAudit

COARSE = 1e-3  # eps of a dtype that is too coarse


def unreadable(answers: Answers) -> LeafAudit | None:
    both = answers.under_gradient, answers.under_gradient_opposite
    if not all(np.isfinite(updates).all() for updates in both):
        return answers.found("undetermined", "its updates are not finite")
    if answers.precision > COARSE:
        return answers.found("undetermined", "it computes in bfloat16, too coarsely to tell")
    return None


def stationary(answers: Answers) -> LeafAudit | None:
    """Never moves, whatever the gradient: frozen, or not yet."""
    both = answers.under_gradient, answers.under_gradient_opposite
    if any(size(updates) for updates in (*both, answers.alone_at(LARGE))):
        return None
    if any(size(update) for update in answers.probes.updates(UNDER_GRADIENT)):
        return answers.found("none", "frozen: no gradient moves it")
    more = f"steps={4 * answers.steps}"
    reason = f"no update in {answers.steps} steps; does it accumulate gradients? ask for {more}"
    return answers.found("undetermined", reason)


def unanswered(answers: Answers) -> LeafAudit | None:
    """No finite answer without gradients: the decay is read under gradients alone."""
    if answers.answers_zero_gradients:
        return None
    near, far = answers.odd(place=1.0), answers.odd(place=2.0)
    if answers.is_nothing(near):
        return answers.found("none", "the same update at w and −w (not finite without gradients)")
    if answers.is_uniform(near) and answers.is_doubled(near, far):
        evidence = "not finite without gradients; under them −c·w beside the step"
        return answers.found_decoupled(answers.rates(near), evidence)
    return answers.found("undetermined", "its updates are not finite without gradients")


def keeps_parameters(answers: Answers) -> LeafAudit | None:
    """At rest where it began, but pulled back from anywhere else."""
    kept = answers.is_still and answers.has_memory
    return own_way(answers) if kept or answers.keeps_a_copy else None


def own_way(answers: Answers) -> LeafAudit:
    """For parameters kept in the state: from w and −w, along the optimizer's own way."""
    there, opposite = (answers.probes.own_way(s)[answers.index] for s in (1.0, -1.0))
    kept = "it keeps parameters of its own in its state"
    if size(there - opposite) <= 1e-9 * size(there):
        return answers.found("none", f"{kept}; along its own way the same updates from w and −w")
    reason = f"{kept}, such as an average: judge what it does to the evaluation parameters"
    return answers.found("undetermined", reason)


def idle(answers: Answers) -> LeafAudit | None:
    """No decay, with gradients or without, near or far."""
    if not answers.is_still or not answers.is_nothing(answers.odd()):
        return None
    if any(size(answers.alone_at(place)) for place in (*SMALL, LARGE, -LARGE)):
        return None
    return answers.found("none", "no update without gradients; under them the same at w and −w")


def rescaled(answers: Answers) -> LeafAudit | None:
    """Nothing without gradients; under them w changes the length of the step at most."""
    if not answers.is_still or answers.is_uniform(answers.odd()):
        return None
    if _only_rescales(answers) or _is_free_of_w_below_a_clip(answers):
        return answers.found("none", "w changes the length of the step, not its direction")
    return answers.found("undetermined", "w changes the step, in a way that fits no form")


def _is_free_of_w_below_a_clip(answers: Answers) -> bool:
    """A clip by the norm of all leaves lets their decay reach the step of one that has none."""
    step = answers.under(FAINT, NEAR)
    return size(answers.odd(FAINT, NEAR)) <= 4 * answers.precision * size(step)


def _only_rescales(answers: Answers) -> bool:
    step, other = answers.under_gradient, answers.under_gradient_opposite
    lengths = np.linalg.norm(step, axis=1), np.linalg.norm(other, axis=1)
    aligned = np.abs(np.sum(np.conj(step) * other, axis=1))
    return bool(np.all(aligned >= (1 - 1e-9) * lengths[0] * lengths[1]))

"""Rules for decay that takes a share of w away: in proportion to w where no gradient is."""

from __future__ import annotations

import numpy as np

from jaxreg._audit.answers import FAINT, TOLERANCE, Answers, same, size, text
from jaxreg._audit.forms import VISIBLE, Finding, decoupled, mean_pull
from jaxreg._audit.probes import along
from jaxreg._audit.roots import NEAR

BESIDE = "−c·w with and without gradients, no memory"


def trust_ratio(answers: Answers) -> Finding | None:
    """Every update is a fixed share of ‖w‖ long, with or without gradients."""
    if not answers.is_linear:
        return None
    probes = [answers.at(0.0, 1.0), answers.at(1.0, 1.0), answers.at(1.0, 2.0)]
    t = int(np.argmax(np.abs(probes[1] - probes[0]).max(axis=1) > 0))
    alone, under, far = (float(np.sqrt(along(update[t], update[t]))) for update in probes)
    if size(probes[1] - probes[0]) == 0 or not (same(alone, under) and same(2 * under, far)):
        return None
    rates = answers.rates(probes[0])
    evidence = f"every update is {text(rates[t])}·‖w‖ long, gradient or not"
    evidence += "; kept in a buffer" * answers.has_memory
    return Finding("trust ratio", evidence, per_step=tuple(rates))


def linear_with_memory(answers: Answers) -> Finding | None:
    """Decay that a buffer of the optimizer holds on to."""
    if not (answers.is_linear and answers.has_memory):
        return None
    rates, pull = answers.rates(answers.alone), answers.cancelling_rates
    grown = f"without gradients its updates grow as {text(rates / rates[answers.active])}"
    if answers.is_coupled(pull, FAINT, alternating(answers, NEAR)):
        evidence = f"the gradient −d·w cancels it; {grown}"
        d = mean_pull(answers, pull)
        return Finding("through momentum", evidence, d, tuple(rates), coupled=True)
    evidence = f"in a buffer, but not as a gradient is; {grown}"
    return _both(answers, rates) or Finding(
        "through momentum", evidence, float(rates[answers.active]), tuple(rates)
    )


def _both(answers: Answers, rates: np.ndarray) -> Finding | None:
    """Decay c·w beside the step as well as d·w in a gradient that momentum holds on to."""
    if not _is_linear_in_gradients(answers):
        return None
    ones, place = [np.ones_like(w) for w in answers.probes.directions], answers.unclipped
    pulled = answers.at(0.0, place, pull=ones) / place
    under = rates - answers.rates(pulled)  # of the gradient W alone
    columns = np.stack([under, np.ones_like(under)], axis=1)
    (d, c), *_ = np.linalg.lstsq(columns, rates, rcond=None)
    if size(columns @ [d, c] - rates) > TOLERANCE * size(rates) or c < VISIBLE * size(rates):
        return None
    evidence = f"d·w in the gradient, and {text(c)}·w beside the step as well"
    return Finding(
        "through momentum", evidence, float(d), tuple(rates), coupled=True, also=float(c)
    )


def linear(answers: Answers) -> Finding | None:
    """Decay of the present parameters, in proportion to them."""
    if not answers.is_linear:
        return None
    rates, odd = answers.rates(answers.alone), answers.odd()
    beside = answers.is_beside(answers.at(0.0, 1.0))
    if beside and not _is_linear_in_gradients(answers):
        return decoupled(rates, BESIDE)
    pull = answers.cancelling_rates
    if answers.is_coupled(pull, 1.0, alternating(answers, 1.0)):
        return _coupled(mean_pull(answers, pull), rates, beside)
    if beside:
        return decoupled(rates, BESIDE)
    return cautious(answers, rates) or gradient_relative(answers, odd)


def _is_linear_in_gradients(answers: Answers) -> bool:
    near, far = answers.at(0.5, 0.0), answers.at(1.0, 0.0)
    return size(far - 2 * near) <= TOLERANCE * size(far) + 2 * answers.noise


def _coupled(d: float, rates: np.ndarray, beside: bool) -> Finding:
    if beside:
        evidence = "the gradient −d·w cancels it, and it is −c·w beside the step: one program"
        return Finding("coupled = decoupled", evidence, d, tuple(rates), coupled=True)
    evidence = "the gradient −d·w cancels it; the step is not linear in it: clipping?"
    return Finding("coupled", evidence, d, tuple(rates), coupled=True, preconditioned=True)


def alternating(answers: Answers, place: float) -> tuple[float, ...]:
    """Places that change with each update, or an average over steps would look like no average."""
    before = np.cumsum(answers.moves) - answers.moves
    return tuple(place * (1.0 + n % 2) for n in before.tolist())


def cautious(answers: Answers, rates: np.ndarray) -> Finding | None:
    """Entry by entry under gradients, either −c·w or nothing, and both occur."""
    t = int(np.argmax(rates != 0))
    added = answers.at(1.0, 1.0)[t] - answers.at(1.0, 0.0)[t]
    share = np.real(-added * np.conj(answers.direction)) / np.abs(answers.direction) ** 2
    on = share / rates[t]
    either = np.all((np.abs(on) < TOLERANCE) | (np.abs(on - 1) < TOLERANCE))
    if not (either and np.any(on > 0.5)):
        return None
    part = f"here on {np.mean(on > 0.5):.0%} of them"
    return decoupled(rates, f"cautious: under gradients −c·w or nothing, by entries; {part}")


def gradient_relative(answers: Answers, odd: np.ndarray) -> Finding | None:
    larger, rates = answers.odd(4.0), answers.rates(odd)
    if not (answers.is_uniform(odd) and answers.is_uniform(larger)):
        return None
    t = int(np.argmax(rates != 0))
    ratio = answers.rates(larger)[t] / rates[t]
    degree = np.log(ratio) / np.log(4.0) if ratio > 0 else 0.0
    if abs(degree) <= 1e-3:
        return None
    evidence = f"−c·w beside the step, with c as |gradient|^{degree:.2g}"
    return Finding("gradient-relative", evidence, float(rates[t]), tuple(map(float, rates)))

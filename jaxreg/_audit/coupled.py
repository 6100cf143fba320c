"""Rules that tell decay in the gradient from decay beside the step: all that "coupled" means.

With F what the optimizer makes of gradients alone and W a random direction, the decay is coupled
if there is a d such that gradients G − d·W at W give what G + d·W give at −W, which is F(G). The d
is searched for where the gradient −d·W alone cancels the decay (`Probes.cancelling_rates`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxreg._audit.answers import TOLERANCE, Answers, size
from jaxreg._audit.black_box import Arrays
from jaxreg._audit.probes import FAINT, NEAR, Place, Probe
from jaxreg._audit.record import Form, LeafAudit, text

VISIBLE = 1e-9  # of a step: above what the rounding of d leaves
CANCELS = "the gradient −d·w cancels it"


def through_momentum(answers: Answers) -> LeafAudit | None:
    """Decay that a buffer of the optimizer holds on to: in the gradient, or in another way."""
    if not (answers.is_linear and answers.has_memory):
        return None
    rates, pull = answers.rates(answers.decay), answers.probes.cancelling_rates
    grown = f"without gradients its updates grow as {text(rates / rates[answers.active])}"
    if _cancels(answers, pull, FAINT, _alternating(answers, NEAR)):
        return _coupled(answers, "through momentum", f"{CANCELS}; {grown}", pull, rates)
    evidence = f"in a buffer, but not as a gradient is; {grown}"
    return _both(answers, rates) or answers.found(
        "through momentum", evidence, float(rates[answers.active]), rates
    )


def in_the_gradient(answers: Answers) -> LeafAudit | None:
    """Decay in proportion to w, without memory, that a gradient cancels."""
    if not answers.is_linear:
        return None
    pull, rates = answers.probes.cancelling_rates, answers.rates(answers.decay)
    if not _cancels(answers, pull, 1.0, _alternating(answers, 1.0)):
        return None
    if not answers.is_beside(answers.alone):
        evidence = f"{CANCELS}; the step is not linear in it: clipping?"
        return _coupled(answers, "coupled", evidence, pull, rates, preconditioned=True)
    power = answers.power_of_rate
    if power is not None and round(power) != 1:
        evidence = "−c·w beside the step, whatever the learning rate"
        return answers.found_decoupled(rates, evidence)
    evidence = f"{CANCELS}, and it is −c·w beside the step: one program"
    return _coupled(answers, "coupled = decoupled", evidence, pull, rates)


def through_statistics(answers: Answers) -> LeafAudit | None:
    """Decay that goes through what the optimizer makes of gradients, such as Adam's division."""
    pull = answers.probes.cancelling_rates
    if (found := _twice(answers, pull)) or not _cancels(answers, pull, FAINT, NEAR):
        return found
    evidence = f"{CANCELS}; alone it is of degree {answers.shown_degree} in w"
    return _coupled(answers, "coupled", evidence, pull, preconditioned=True)


def of_another_penalty(answers: Answers) -> LeafAudit | None:
    """What a gradient −p(w) cancels, entry by entry, but no −d·w."""
    if not _cancels(answers, answers.probes.cancelling_entries, FAINT, NEAR):
        return None
    evidence = "the gradient −p(w) cancels it, of another penalty than λ‖w‖²"
    odd = answers.odd()
    linear_step = size(answers.odd(gradient=8.0) - odd) <= TOLERANCE * size(odd)
    return answers.found(
        "coupled", evidence, scales_with="gradient", preconditioned=not linear_step
    )


def _cancels(answers: Answers, pull: Arrays, gradient: float, place: Place) -> bool:
    """Whether gradients G − p at W and G + p at −W give the same updates."""
    if not np.any(pull[answers.index]):
        return False
    left, decay = answers.odd(gradient, place, pull), answers.odd(gradient, place)
    noise = 4 * answers.precision * size(answers.under(gradient, place))
    return size(left) <= max(1e-3 * size(decay), min(noise, 0.1 * size(decay)))


def _alternating(answers: Answers, place: float) -> tuple[float, ...]:
    """Places that change with each update, or an average over steps would look like no average."""
    before = np.cumsum(answers.moves) - answers.moves
    return tuple(place * (1.0 + n % 2) for n in before.tolist())


def _both(answers: Answers, rates: np.ndarray) -> LeafAudit | None:
    """Decay c·w beside the step as well as d·w in a gradient that momentum holds on to."""
    if not answers.is_linear_in_gradients:
        return None
    place = answers.unclipped
    pulled = answers.to(Probe(place=place), pull=answers.probes.ones) / place
    under = rates - answers.rates(pulled)  # of the gradient W alone
    columns = np.stack([under, np.ones_like(under)], axis=1)
    (d, c), *_ = np.linalg.lstsq(columns, rates, rcond=None)
    if size(columns @ [d, c] - rates) > TOLERANCE * size(rates) or c < VISIBLE * size(rates):
        return None
    return answers.found(
        "through momentum", _shown_both(c), float(d), rates, "gradient", also=float(c)
    )


def _twice(answers: Answers, pull: Arrays) -> LeafAudit | None:
    """What the gradient −d·w leaves of the decay is decoupled."""
    left = answers.odd(pull=pull)
    visible = size(left) > VISIBLE * size(answers.under_gradient)
    if not (visible and answers.has_memory and answers.is_uniform(left, 1e-2)):
        return None
    c = float(answers.rates(left)[answers.active])
    return _coupled(answers, "coupled", _shown_both(c), pull, preconditioned=True, also=c)


def _shown_both(c: float) -> str:
    return f"d·w in the gradient, and {text(c)}·w beside the step as well"


def _coupled(
    answers: Answers, form: Form, evidence: str, pull: Arrays, rates: Any = (), **more: Any
) -> LeafAudit:
    d = float(np.mean(np.real(pull[answers.index])))
    return answers.found(form, evidence, d, rates, scales_with="gradient", **more)

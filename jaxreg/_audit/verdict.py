"""The verdict on each leaf: its form of decay, how strong, and what scales it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxreg._audit import at_rest, forms, judge, pace, roots, shrinkages
from jaxreg._audit.answers import Answers, size, text
from jaxreg._audit.black_box import Optimizer
from jaxreg._audit.forms import Finding, Form
from jaxreg._audit.probes import Probes
from jaxreg._tree import Leaf


@dataclasses.dataclass(frozen=True)
class LeafAudit:
    """What the optimizer does to one leaf besides following its gradient.

    Attributes:
      name: the leaf's, such as ``fc1/kernel``.
      form: none, decoupled, coupled, coupled = decoupled (for this optimizer one program), through
        momentum, trust ratio, gradient-relative, proximal, toward a reference, or undetermined,
        for which ``evidence`` gives the reason.
      coefficient: of decoupled decay the share of w that a step takes away, divided by the
        learning rate if it scales with that; of coupled decay the d of the gradient d·w, which is
        2λ; None where the form has no such number.
      scales_with: "learning rate", "learning rate²", "schedule", "nothing", "gradient" where the
        decay is coupled, or "unknown" where one optimizer was given and its steps are all alike.
      degree: how updates without gradients grow with w: 1 in proportion, 0 not at all.
      per_step: the share of w that each of the steps took away.
      evidence: what was seen.
    """

    name: str
    form: Form
    coefficient: float | None
    scales_with: str
    degree: float | None
    per_step: tuple[float, ...]
    evidence: str


@dataclasses.dataclass(frozen=True)
class Suspect:
    """One leaf with all that is known of it."""

    leaf: Leaf
    audited: LeafAudit
    answers: Answers
    also: float | None
    preconditioned: bool
    pace: pace.Pace
    in_loss: float  # 2λ of a penalty in the loss

    @property
    def decays(self) -> bool:
        return self.audited.form not in ("none", "undetermined")

    @property
    def share(self) -> float:
        """The share of w that a step takes away, the largest of all steps; 0 where unknown."""
        return max(self.audited.per_step, key=abs, default=0.0)


def suspects(asked: Optimizer, rates: Sequence[Any], in_loss: Mapping[str, float]) -> list[Suspect]:
    plain = Probes(asked, rates[0])
    chosen = [_around(plain, i) for i in range(len(asked.leaves))]
    again = {id(p): [p, *map(p.again, rates[1:])] for p in chosen}
    answers = [[Answers(p, i) for p in again[id(c)]] for i, c in enumerate(chosen)]
    return [_suspect(a, rates, in_loss.get(a[0].leaf.name, 0.0)) for a in answers]


def _around(plain: Probes, index: int) -> Probes:
    """The probes around what this leaf is drawn towards: 0, its own start or other values."""
    answers = Answers(plain, index)
    if judge.judge(answers).coupled:
        return plain
    if answers.is_drawn_to_its_start:
        return plain.companion("started", _started)
    if answers.is_lopsided and shrinkages.projection(answers) is None:
        referenced = plain.companion("referenced", _referenced)
        if not Answers(referenced, index).is_lopsided:
            return referenced
    return plain


def _started(plain: Probes) -> Probes:
    return Probes(plain.optimizer, plain.rate, plain.drawn(salt=10**6), starts_at_centre=True)


def _referenced(plain: Probes) -> Probes:
    found = roots.references(plain)
    return Probes(plain.optimizer, plain.rate, [np.nan_to_num(r) for r in found])


def _finding(answers: Answers) -> Finding:
    """What is judged around a reference is decay toward it, unless it is a copy of its own."""
    found = judge.judge(answers)
    if answers.probes.starts_at_centre and abs(max(found.per_step, key=abs, default=1.0)) >= 0.5:
        return at_rest.own_way(answers)
    if found.form in ("none", "undetermined") or answers.is_around_zero:
        return found
    centre = answers.probes.centre[answers.index]
    where = "the initial parameters" if answers.probes.starts_at_centre else _typical(centre)
    evidence = f"toward {where}: {found.form}, {found.evidence}"
    return dataclasses.replace(found, form="toward a reference", evidence=evidence)


def _typical(reference: np.ndarray) -> str:
    return f"values of modulus {text(np.sqrt(np.mean(np.abs(reference) ** 2)))}"


def _suspect(answers: list[Answers], rates: Sequence[Any], in_loss: float) -> Suspect:
    leaf, found = answers[0].leaf, _finding(answers[0])
    shares = [_share(a) for a in answers]
    found, power = _by_rates(found, shares, rates) if len(rates) > 1 else (found, None)
    followed = pace.pace(answers[0], found.per_step)
    audited = LeafAudit(
        name=leaf.name,
        form=found.form,
        coefficient=_per_unit(found, power, rates[0]),
        scales_with=_scales(found, power, followed, len(rates) > 1),
        degree=answers[0].degree,
        per_step=tuple(float(c) + 0.0 for c in found.per_step),
        evidence=found.evidence,
    )
    return Suspect(leaf, audited, answers[0], found.also, found.preconditioned, followed, in_loss)


def _per_unit(found: Finding, power: float | None, rate: Any) -> float | None:
    """The coefficient without the power of the learning rate that it holds."""
    if power is None or found.coefficient is None or found.coupled:
        return found.coefficient
    return found.coefficient / rate ** (round(power) if abs(power - round(power)) < 0.02 else power)


def _share(answers: Answers) -> float:
    """What a step takes away, as a share of w, or for an update of another degree its size."""
    if not answers.answers_zero_gradients or answers.is_still:
        rates = answers.rates(answers.odd())
        return float(rates[np.argmax(rates != 0)])
    alone = answers.at(0.0, 1.0)
    return float(answers.rates(alone)[answers.active]) if answers.is_linear else size(alone)


def _by_rates(
    found: Finding, shares: Sequence[float], rates: Sequence[float]
) -> tuple[Finding, float | None]:
    """The power of the learning rate in the decay, and what that says of the form.

    By it w/(1 + c) is told from (1 − c)·w, and a decay beside SGD from one in its gradient.
    """
    power = pace.degree(shares, rates)
    if found.form == "coupled = decoupled" and power is not None and round(power) != 1:
        evidence = "−c·w beside the step, whatever the learning rate"
        return forms.decoupled(np.asarray(found.per_step), evidence), power
    if found.form != "decoupled" or power is None or not 0 < shares[0] < 1:
        return found, power
    inverse = [c / (1 - c) for c in shares]
    exact = pace.degree(inverse, rates)
    if exact is None or abs(exact - 1) > 1e-2 * abs(power - 1):
        return found, power
    evidence = "w/(1 + c) with c in proportion to the learning rate: implicit decay"
    return dataclasses.replace(
        found, form="proximal", evidence=evidence, coefficient=inverse[0]
    ), exact


def _scales(found: Finding, power: float | None, followed: pace.Pace, family: bool) -> str:
    if found.form in ("none", "undetermined"):
        return ""
    if found.coupled:
        return "gradient"
    if not family:
        paces = {"with the schedule": "schedule", "its own schedule": "its own schedule"}
        return paces.get(followed, "unknown")
    return _powers(power) + ", schedule" * (followed == "with the schedule")


def _powers(power: float | None) -> str:
    if power is None:
        return "no power of the learning rate"
    names = {0: "nothing", 1: "learning rate", 2: "learning rate²"}
    near = names.get(round(power))
    return near if near and abs(power - round(power)) < 0.02 else f"learning rate^{power:.2g}"

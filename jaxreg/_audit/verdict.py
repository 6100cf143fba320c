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
from jaxreg._trees import Leaf

DOUBLINGS = 3  # of the steps, at most
VISIBLE = 1e-3  # relative growth that is worth a word


@dataclasses.dataclass(frozen=True)
class LeafAudit:
    """What the optimizer does to one leaf besides following its gradient.

    Attributes:
      name: the leaf's, such as ``fc1/kernel``.
      form: none, decoupled, coupled, coupled = decoupled (for this optimizer one program), through
        momentum, trust ratio, gradient-relative, proximal, toward a reference, or undetermined,
        for which ``evidence`` gives the reason.
      coefficient: of decoupled decay the share of w that a step takes away, divided by the
        learning rate if it scales with that, at the schedule's peak if it goes with one; of coupled
        decay the d of the gradient d·w, which is 2λ; of a threshold the |w| up to which it acts;
        None where the form has no such number.
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
    share: float  # of w that a step takes away, the largest of all steps; 0 where unknown
    in_loss: float  # 2λ of a penalty in the loss

    @property
    def decays(self) -> bool:
        return self.audited.form not in ("none", "undetermined")

    @property
    def grown(self) -> float:
        """How much longer the largest share is than those of the steps asked for."""
        return abs(self.share) / (max(map(abs, self.audited.per_step), default=0.0) or 1.0)


def suspects(asked: Optimizer, rates: Sequence[Any], in_loss: Mapping[str, float]) -> list[Suspect]:
    plain = _long_enough(asked, rates[0])
    counts = [_begins(plain, i) for i in range(len(asked.leaves))]
    by_count = {n: _chosen(plain.later(n) if n else plain) for n in set(counts)}
    chosen = [by_count[n][i] for i, n in enumerate(counts)]
    again = {id(p): [p, *map(p.again, rates[1:])] for p in chosen}
    answers = [[Answers(p, i) for p in again[id(c)]] for i, c in enumerate(chosen)]
    return [_suspect(a, rates, in_loss.get(a[0].leaf.name, 0.0)) for a in answers]


def _long_enough(asked: Optimizer, rate: Any) -> Probes:
    """With more steps where the last one alone updates: what it keeps is seen later."""
    for _ in range(DOUBLINGS):
        probes = Probes(asked, rate)
        moves = next((m for n in _counts(probes) if (m := probes.moves(n)).any()), None)
        if moves is None or moves[:-1].any():
            break
        asked.steps *= 2
    return Probes(asked, rate)


def _begins(plain: Probes, index: int) -> int:
    """The count from which on a leaf decays, or else from which on gradients move it."""
    for gradient in (0.0, 1.0):
        for count in _counts(plain) if gradient == 0 or not plain.moves(0).any() else ():
            if size(plain.after(count, gradient)[index]) > 0:
                return count
    return 0


def _counts(probes: Probes) -> tuple[int, ...]:
    return pace.COARSE if probes.ticking else (0,)


def _chosen(plain: Probes) -> list[Probes]:
    """The probes around what each leaf is drawn towards: 0, its own start or other values.

    All leaves stand there at once, for one may reach the others.
    """
    answers = [Answers(plain, i) for i in range(len(plain.directions))]
    drawn = [not judge.judge(a).coupled for a in answers]
    starts = [d and a.is_drawn_to_its_start for d, a in zip(drawn, answers, strict=True)]
    refers = [d and not s and _refers(a) for d, s, a in zip(drawn, starts, answers, strict=True)]
    if not any(starts) and not any(refers):
        return [plain] * len(answers)
    found = roots.references(plain) if any(refers) else plain.centre
    rows = zip(starts, refers, plain.drawn(salt=10**6), found, strict=True)
    centre = [s * own + r * np.nan_to_num(other) for s, r, own, other in rows]
    around = Probes(plain.optimizer, plain.rate, centre, any(starts), plain.forward)
    lost = [r and Answers(around, i).is_lopsided for i, r in enumerate(refers)]
    return [plain if left else around for left in lost]


def _refers(answers: Answers) -> bool:
    return answers.is_lopsided and shrinkages.projection(answers) is None


def _finding(answers: Answers) -> Finding:
    """What is judged around a reference is decay toward it, unless it is a copy of its own."""
    found = judge.judge(answers)
    if answers.is_around_zero:
        return found
    starts = answers.is_drawn_to_its_start
    if starts and abs(max(found.per_step, key=abs, default=1.0)) >= 0.5:
        return at_rest.own_way(answers)
    if found.form in ("none", "undetermined"):
        return found
    where = "the initial parameters" if starts else _typical(answers.probes.centre[answers.index])
    evidence = f"toward {where}: {found.form}, {found.evidence}"
    return dataclasses.replace(found, form="toward a reference", evidence=evidence)


def _dated(found: Finding, answers: Answers) -> Finding:
    if not answers.probes.forward or found.form == "none":
        return found
    count = answers.probes.forward[0][1]
    return dataclasses.replace(found, evidence=f"from step {count} or earlier on: {found.evidence}")


def _typical(reference: np.ndarray) -> str:
    return f"values of modulus {text(np.sqrt(np.mean(np.abs(reference) ** 2)))}"


def _suspect(answers: list[Answers], rates: Sequence[Any], in_loss: float) -> Suspect:
    leaf, found = answers[0].leaf, _dated(_finding(answers[0]), answers[0])
    course = pace.course(answers[0], found)
    shares = [_share(a, course) for a in answers]
    found, peak = _at_the_peak(answers[0], found, course, shares[0])
    found, power = _by_rates(found, shares, rates) if len(rates) > 1 else (found, None)
    audited = LeafAudit(
        name=leaf.name,
        form=found.form,
        coefficient=_per_unit(found, power, rates[0]),
        scales_with=_scales(found, power, course.pace, len(rates) > 1),
        degree=answers[0].degree,
        per_step=tuple(float(c) + 0.0 for c in found.per_step),
        evidence=found.evidence,
    )
    more = found.also, found.preconditioned, course.pace, peak, in_loss
    return Suspect(leaf, audited, answers[0], *more)


def _at_the_peak(
    answers: Answers, found: Finding, course: pace.Course, share: float
) -> tuple[Finding, float]:
    """The finding with the coefficient of the largest decay, and that decay as a share of w."""
    seen = max(found.per_step, key=abs, default=0.0)
    if not course.counters:
        return found, seen
    grown, coefficient = share / (seen if answers.is_linear else size(answers.alone)), None
    if course.pace != "with the schedule":
        coefficient = found.coefficient
    elif found.coefficient is not None:
        coefficient = share if answers.is_linear else grown * found.coefficient
    evidence = found.evidence
    if grown > 1 + VISIBLE and found.per_step:
        evidence += f"; up to {text(grown * seen)} later"
    return dataclasses.replace(found, coefficient=coefficient, evidence=evidence), grown * seen


def _per_unit(found: Finding, power: float | None, rate: Any) -> float | None:
    """The coefficient without the power of the learning rate that it holds."""
    if power is None or found.coefficient is None or found.coupled:
        return found.coefficient
    return found.coefficient / rate ** (round(power) if abs(power - round(power)) < 0.02 else power)


def _share(answers: Answers, course: pace.Course) -> float:
    """What a step takes away, as a share of w, or for an update of another degree its size."""
    if not answers.answers_zero_gradients or answers.is_still:
        rates = answers.rates(answers.odd())
        return float(rates[np.argmax(rates != 0)])
    if course.counters:
        return pace.decay(answers, course.counters, course.count)
    alone = answers.alone
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

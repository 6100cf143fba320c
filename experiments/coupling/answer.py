"""The answer of a study in a few sentences, put together from its conclusions."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.coupling import names
from experiments.coupling.comparisons import UNDECAYED, Comparison
from experiments.coupling.conclusions import RegimeConclusions
from experiments.coupling.findings import EDGE, MARGIN, MEAN_REGRET, VERDICTS, Finding
from experiments.decay_form import Axis

Kept = dict[Axis, list[Finding]]
_OTHER: dict[Axis, Axis] = {"rate": "strength", "strength": "rate"}


def answer(regimes: Sequence[RegimeConclusions], headline: Sequence[str] = ()) -> list[str]:
    """One sentence on which form is best, and one for each regime on where λ belongs.

    Args:
      regimes: as `conclude` gives them.
      headline: of a study that is not finished, in place of the first sentence.
    """
    compared = [comparison for regime in regimes for comparison in regime.comparisons]
    known = [_place(regime) for regime in regimes if regime.whole]
    return [*(headline or [_which(compared)]), *known]


def _which(compared: Sequence[Comparison]) -> str:
    """Best against best: what is decided, then what is not."""
    forms = [c for c in compared if c.second != UNDECAYED] or list(compared)
    if not forms:
        return "Which one? There is one form here, and nothing to compare it with."
    decided = [f"in {_decided(c)}" for c in forms if c.verdict != VERDICTS.undecided]
    undecided = [c for c in forms if c.verdict == VERDICTS.undecided]
    if undecided:
        decided.append(f"{'otherwise ' if decided else ''}none is shown to be better")
        decided[-1] += f" ({_undecided(undecided)})"
    return f"Which one? Each tuned, {'; '.join(decided)}."


def _decided(c: Comparison) -> str:
    better, worse = (c.first, c.second) if c.verdict.startswith(c.first) else (c.second, c.first)
    return f"{names.short(c.regime)} {better} has {c.margin} points less test error than {worse}"


def _undecided(compared: Sequence[Comparison]) -> str:
    """As ``AdamW less Adam with L2: 0.17 ± 0.40 points of test error in A, 0.97 ± 1.05 in B``."""
    pairs = dict.fromkeys((c.first, c.second) for c in compared)
    parts = []
    for first, second in pairs:
        own = [c for c in compared if (c.first, c.second) == (first, second)]
        numbers = ", ".join(f"{c.points} in {names.short(c.regime)}" for c in own)
        parts.append(f"{first} less {second} {numbers}")
    return "points of test error: " + "; ".join(parts)


def _place(regime: RegimeConclusions) -> str:
    """What may stay as it is when the learning rate changes."""
    findings = [finding for each in regime.maps for finding in each.findings]
    alone = names.are_alone(regime.results)
    edges = [f for f in findings if f.name == EDGE]
    axes: tuple[Axis, ...] = ("rate", "strength")
    kept: Kept = {axis: [f for f in edges if _stays(f, axis)] for axis in axes}
    moving = [f for f in edges if _moves_in_both(f, kept)]
    parts = [_kept(axis, found, alone) for axis, found in kept.items() if found]
    parts += [_moves(moving, alone)] if moving else []
    advice = "; ".join(parts or ["no heat map has an upper edge in four rows or more"])
    where = f"{names.short(regime.name)}, {names.regime_title(regime.results)}"
    return f"{where}: {advice}{_cost(findings, kept)}."


def _stays(finding: Finding, axis: Axis) -> bool:
    return finding.axis == axis and finding.estimate.within(-MARGIN, MARGIN) is True


def _moves_in_both(finding: Finding, kept: Kept) -> bool:
    """Whether neither view of its heat map stays: then its slope in λ is reported."""
    staying = {f.results.id for found in kept.values() for f in found}
    known = finding.estimate.value is not None and finding.axis == "strength"
    return known and finding.results.id not in staying


def _kept(axis: Axis, found: Sequence[Finding], alone: bool) -> str:
    what = {"rate": "ω, the decay per step", "strength": "λ"}[axis]
    good = "the largest good one is the same at every learning rate"
    return f"tune {what}; {good} ({_powers(found, alone)})"


def _moves(moving: Sequence[Finding], alone: bool) -> str:
    return f"the largest good λ changes with the learning rate ({_powers(moving, alone)})"


def _powers(found: Sequence[Finding], alone: bool) -> str:
    """As ``∝ η^p, p = 0.02 ± 0.05 under SGD, 0.03 ± 0.05 under AdamW``."""
    each = (f"{f.estimate.show()} under {names.title(f.results, alone)}" for f in found)
    return f"∝ η^p, p = {', '.join(each)}"


def _cost(findings: Sequence[Finding], kept: Kept) -> str:
    """What keeping the other number costs, where one stays."""
    axes: tuple[Axis, ...] = ("rate", "strength")
    for axis in axes:
        for edge in kept[axis]:
            own = (f for f in findings if f.results is edge.results and f.name == MEAN_REGRET)
            found = {f.axis: f for f in own}
            if len(found) == 2:
                right, wrong = found[axis], found[_OTHER[axis]]
                symbols = names.SYMBOL[axis], names.SYMBOL[_OTHER[axis]]
                return (
                    f". Kept for another learning rate, {symbols[0]} costs "
                    f"{right.estimate.show()} in log loss, {symbols[1]} {wrong.estimate.show()}"
                )
    return ""

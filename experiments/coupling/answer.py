"""The answer of a study in a few sentences, put together from its numbers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from experiments.coupling import findings as what
from experiments.coupling import names
from experiments.coupling.findings import EDGE, MARGIN, MEAN_REGRET, Finding
from experiments.coupling.results import Results
from experiments.decay_form import Axis
from experiments.statistics import surface
from experiments.statistics.resample import Estimate

Kept = dict[Axis, list[Finding]]
_OTHER: dict[Axis, Axis] = {"rate": "strength", "strength": "rate"}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The best of one form against the best of another, in test error, over the same seeds.

    Attributes:
      regime: of both.
      first: a form.
      second: another, or no decay.
      estimate: first − second.
      on_rim: the forms whose best lies on the rim of their grid, so that they may do better.
    """

    regime: str
    first: str
    second: str
    estimate: Estimate
    on_rim: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Which is better, if both intervals leave out 0, and the worse had its optimum inside its
        grid. A choice of cells is no smooth function of the seeds: no interval alone is trusted."""
        intervals = self.estimate.jackknife, self.estimate.bootstrap
        pairs = ((self.first, self.second, -1), (self.second, self.first, 1))
        for better, worse, sign in pairs:
            decided = all(
                ends is not None and min(e * sign for e in ends) > 0 for ends in intervals
            )
            if decided and worse not in self.on_rim:
                return f"{better} is better"
        return "undecided"

    @property
    def points(self) -> str:
        """As ``−0.12 ± 0.30``, in percentage points."""
        return _scaled(self.estimate, 100).show()


def comparisons(regime: str, results: Sequence[Results]) -> list[Comparison]:
    """Every pair of forms of one optimizer and set-up, and each optimizer against no decay."""
    found = []
    alone = names.are_alone(results)
    for one, other in itertools.combinations(results, 2):
        if one.setup == other.setup:
            pair = names.title(one, alone), names.title(other, alone)
            errors = partial(what.best_test_error, one), partial(what.best_test_error, other)
            rim = tuple(n for n, r in zip(pair, (one, other), strict=True) if _on_rim(r))
            found.append(_comparison(regime, pair, errors, one, rim))
    for one in results:
        if np.isfinite(one.undecayed_losses).any():
            pair = names.title(one, alone), "no decay"
            errors = partial(what.best_test_error, one), partial(what.undecayed_test_error, one)
            found.append(_comparison(regime, pair, errors, one))
    return found


def _comparison(
    regime: str,
    pair: tuple[str, str],
    errors: tuple[what.Error, what.Error],
    results: Results,
    on_rim: tuple[str, ...] = (),
) -> Comparison:
    return Comparison(regime, *pair, what.difference(*errors, len(results.seeds)), on_rim)


def _on_rim(results: Results) -> bool:
    return surface.on_rim(results.losses.mean(-1))


def answer(
    results: Sequence[Results], findings: Sequence[Finding], compared: Sequence[Comparison]
) -> list[str]:
    """One sentence on which form is best, and one for each regime on where λ belongs."""
    regimes = list(dict.fromkeys(r.regime for r in results))
    own = {r: [f for f in findings if f.results.regime == r] for r in regimes}
    return [_which(compared), *(_place(regime, found) for regime, found in own.items())]


def _which(compared: Sequence[Comparison]) -> str:
    """Best against best: what is decided, then what is not."""
    forms = [c for c in compared if c.second != "no decay"] or list(compared)
    if not forms:
        return "Which one? There is one form here, and nothing to compare it with."
    decided = [f"in {_decided(c)}" for c in forms if c.verdict != "undecided"]
    undecided = [c for c in forms if c.verdict == "undecided"]
    if undecided:
        decided.append(f"{'otherwise ' if decided else ''}none is shown to be better")
        decided[-1] += f" ({_undecided(undecided)})"
    return f"Which one? Each tuned, {'; '.join(decided)}."


def _decided(c: Comparison) -> str:
    better, worse = (c.first, c.second) if c.verdict.startswith(c.first) else (c.second, c.first)
    points = c.points.removeprefix("−")
    return f"{names.short(c.regime)} {better} has {points} points less test error than {worse}"


def _undecided(compared: Sequence[Comparison]) -> str:
    """As ``AdamW less Adam with L2: 0.17 ± 0.40 points of test error in A, 0.97 ± 1.05 in B``."""
    pairs = dict.fromkeys((c.first, c.second) for c in compared)
    parts = []
    for first, second in pairs:
        own = [c for c in compared if (c.first, c.second) == (first, second)]
        numbers = ", ".join(f"{c.points} in {names.short(c.regime)}" for c in own)
        parts.append(f"{first} less {second} {numbers}")
    return "points of test error: " + "; ".join(parts)


def _place(regime: str, findings: Sequence[Finding]) -> str:
    """What may stay as it is when the learning rate changes."""
    alone = names.are_alone([f.results for f in findings])
    edges = [f for f in findings if f.name == EDGE]
    axes: tuple[Axis, ...] = ("rate", "strength")
    kept: Kept = {axis: [f for f in edges if _stays(f, axis)] for axis in axes}
    moving = [f for f in edges if _moves_in_both(f, kept)]
    parts = [_kept(axis, found, alone) for axis, found in kept.items() if found]
    parts += [_moves(moving, alone)] if moving else []
    said = "; ".join(parts or ["no heat map has an upper edge in four rows or more"])
    where = f"{names.short(regime)}, {names.regime_title([f.results for f in findings])}"
    return f"{where}: {said}{_cost(findings, kept)}."


def _stays(finding: Finding, axis: Axis) -> bool:
    return finding.axis == axis and finding.estimate.within(-MARGIN, MARGIN) is True


def _moves_in_both(finding: Finding, kept: Kept) -> bool:
    """Whether neither view of its heat map stays: then the λ view tells how it moves."""
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


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    def scale(ends: Any) -> Any:
        return None if ends is None else (ends[0] * factor, ends[1] * factor)

    value = None if estimate.value is None else estimate.value * factor
    intervals = scale(estimate.jackknife), scale(estimate.bootstrap)
    return dataclasses.replace(
        estimate, value=value, jackknife=intervals[0], bootstrap=intervals[1]
    )

"""Statistics of one heat map: slopes, interactions, regrets, with intervals and expected values.

Expected values follow from the set-up alone. A slope is as expected if its 95 % interval lies
within ±0.25 of the expected one, a quarter of the difference between the regimes; not as expected
if it lies wholly outside; otherwise undecided. `conclusions` computes them for a whole study.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from experiments.coupling.results import Results
from experiments.decay_form import Axis
from experiments.forms import FORMS
from experiments.statistics import additivity, surface
from experiments.statistics.resample import Estimate, Statistic, estimate
from experiments.verdicts import Verdicts

VERDICTS = Verdicts("as expected", "not as expected")
MARGIN = 0.25
RESAMPLES = 500
FORGETS = 3.0
"""D = Σω_t from which on a training has forgotten its start, up to e⁻³."""
SLOPES: dict[tuple[str, bool], dict[Axis, float]] = {
    ("invariant", True): {"strength": -1.0, "rate": 0.0},
    ("invariant", False): {"strength": -2.0},
    ("linear", True): {"strength": 0.0, "rate": 1.0},
    ("linear", False): {"strength": 0.0},
}
"""By what theory can hold on to, and whether there is a decay per step; where there is none, as for
Adam with the penalty in its gradient, the optimizer scales the decay as it scales the gradient."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One statistic of one heat map.

    Attributes:
      name: what it is.
      results: of which heat map.
      axis: strength or rate, or None where it belongs to both.
      estimate: with intervals.
      detail: what it was computed from.
      expected: what theory predicts, None if nothing.
    """

    name: str
    results: Results
    axis: Axis | None
    estimate: Estimate
    detail: str
    expected: float | None = None

    @property
    def verdict(self) -> str:
        """Computed from the interval; empty where nothing was expected."""
        if self.expected is None:
            return ""
        inside = self.estimate.within(self.expected - MARGIN, self.expected + MARGIN)
        return VERDICTS.word(inside)


EDGE, HIGHER_EDGE, RIDGE = "upper-edge slope", "upper-edge slope at 0.4", "ridge slope"
SHARE, MEAN_REGRET, LARGEST_REGRET = "interaction share", "transfer regret", "largest regret"


def findings(results: Results) -> list[Finding]:
    """All statistics of a heat map."""
    slopes = [_slope(results, axis, *kind) for kind in _SLOPES for axis in results.views]
    return [*slopes, *_shares(results), *_regrets(results)]


Rows = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _edges_at(level: float) -> Rows:
    return lambda losses, log_decays: surface.upper_edges(losses, log_decays, level)


_SLOPES: Sequence[tuple[str, Rows]] = (
    (EDGE, _edges_at(surface.LEVEL)),
    (HIGHER_EDGE, _edges_at(surface.HIGHER_LEVEL)),
    (RIDGE, surface.ridge),
)


def slope_of(results: Results, axis: Axis, rows: Rows, seeds: np.ndarray) -> float | None:
    """The slope of a row's log decay on its log learning rate, on either axis."""
    found = rows(surface.seed_mean(results.losses, seeds), results.log_decays)
    if axis != results.grid.axis:
        found = found + results.log_learning_rates * (1 if axis == "rate" else -1)
    return surface.slope(results.log_learning_rates, found)


def _slope(results: Results, axis: Axis, name: str, rows: Rows) -> Finding:
    def statistic(seeds: np.ndarray) -> float | None:
        return slope_of(results, axis, rows, seeds)

    everyone = np.arange(len(results.seeds))
    found = rows(surface.seed_mean(results.losses, everyone), results.log_decays)
    count = int(np.isfinite(found).sum())
    detail = f"{count} of {len(found)} rows"
    estimated = over_seeds(statistic, len(results.seeds))
    return Finding(name, results, axis, estimated, detail, expected(results, axis))


def expected(results: Results, axis: Axis) -> float | None:
    """The slope that theory predicts for a set-up; None where its conditions do not hold.

    Scale-invariant weights are at equilibrium at a constant learning rate alone, and neither theory
    applies to a grid in which no training forgets its start.
    """
    total = results.total_decay()
    if total is not None and total.max() < FORGETS:
        return None
    if results.nature == "invariant" and results.setup.schedule != "constant":
        return None
    return SLOPES.get((results.nature, "rate" in results.views), {}).get(axis)


def over_seeds(statistic: Statistic, seeds: int) -> Estimate:
    """A statistic of all seeds, with the intervals of this study."""
    return estimate(statistic, seeds, RESAMPLES)


def _shares(results: Results) -> list[Finding]:
    return [finding for axis in results.views if (finding := _share(results, axis)) is not None]


def _share(results: Results, axis: Axis) -> Finding | None:
    shift = 0 if axis == results.grid.axis else results.shift or 0

    def statistic(seeds: np.ndarray) -> float | None:
        found = additivity.interaction(results.losses[..., seeds], shift)
        return None if found is None else found.share

    whole = additivity.interaction(results.losses, shift)
    if whole is None:
        return None
    detail = f"{whole.cells} cells, df {whole.df}, F {whole.f:.1f}"
    return Finding(SHARE, results, axis, over_seeds(statistic, len(results.seeds)), detail)


def _regrets(results: Results) -> list[Finding]:
    if results.shift is None:
        return []
    kinds = ((MEAN_REGRET, np.mean), (LARGEST_REGRET, np.max))
    return [_regret(results, axis, *kind) for kind in kinds for axis in results.views]


def _regret(results: Results, axis: Axis, name: str, summary: Callable[..., float]) -> Finding:
    shift = results.shift or 0

    def regrets(seeds: np.ndarray) -> np.ndarray:
        found = additivity.transfer_regret(surface.seed_mean(results.losses, seeds), shift)
        return found.kept if axis == results.grid.axis else found.other

    def statistic(seeds: np.ndarray) -> float | None:
        found = regrets(seeds)
        return float(summary(found)) if len(found) else None

    whole = regrets(np.arange(len(results.seeds)))
    lost = int(np.isinf(whole).sum())
    detail = f"{len(whole)} pairs" + (f", {lost} of them diverge" if lost else "")
    found = over_seeds(statistic, len(results.seeds))
    if lost:
        found = dataclasses.replace(found, value=math.inf)
    return Finding(name, results, axis, found, detail)


IDENTITY = "independent − L2 slope − 1"


def identity_gaps(group: Sequence[Results]) -> list[Finding]:
    """How far separately trained forms are from being one family: 0 by construction, if they are.

    The upper-edge slope of the decoupled form in ω, less that of the penalty in the loss in λ,
    less 1; under SGD with momentum, where both are trained, though under plain SGD they are one.
    """
    found = {(r.setup, r.form): r for r in group if r.setup.optimizer == "momentum"}
    same = {key: (key[0], FORMS[key[1]].shown_by("sgd")) for key in found}
    pairs = [(found[key], found[o]) for key, o in same.items() if o != key and o in found]
    detail = "trained separately"
    return [Finding(IDENTITY, pair[0], None, _gap(*pair), detail, 0.0) for pair in pairs]


def _gap(coupled: Results, decoupled: Results) -> Estimate:
    def statistic(seeds: np.ndarray) -> float | None:
        edges = _edges_at(surface.LEVEL)
        independent = slope_of(decoupled, "rate", edges, seeds)
        in_loss = slope_of(coupled, "strength", edges, seeds)
        return None if independent is None or in_loss is None else independent - in_loss - 1

    return over_seeds(statistic, len(coupled.seeds))

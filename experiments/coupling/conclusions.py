"""Everything that is computed of a study, once; `answer` and `describe` only put it into words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from experiments.coupling.comparisons import Comparison, comparisons
from experiments.coupling.findings import Finding, findings, identity_gaps
from experiments.coupling.results import Results
from experiments.statistics import surface


@dataclasses.dataclass(frozen=True, eq=False)
class MapConclusions:
    """One heat map.

    Attributes:
      results: what its trainings gave.
      findings: its statistics.
      best: row and column of the best cell, of the mean over seeds; None if all diverged,
        or not all is trained.
      row_best: of each row the column of its best cell, likewise.
      edges: of each row the decay at its upper edge, NaN where there is none.
    """

    results: Results
    findings: list[Finding]
    best: tuple[int, int] | None
    row_best: list[int | None]
    edges: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class RegimeConclusions:
    """The heat maps of one regime.

    Attributes:
      name: a, b, c or custom.
      maps: in the order of their training.
      gaps: how far forms that were trained apart are from being one.
      comparisons: forms against forms, and against no decay.
      whole: whether every heat map that is planned is trained; else it is not concluded from.
    """

    name: str
    maps: list[MapConclusions]
    gaps: list[Finding]
    comparisons: list[Comparison]
    whole: bool = True

    @property
    def results(self) -> list[Results]:
        return [each.results for each in self.maps]


def conclude(
    results: Sequence[Results], left: Mapping[str, str] | None = None
) -> list[RegimeConclusions]:
    """What the heat maps of a study say, regime by regime.

    Args:
      results: the heat maps that there are.
      left: by the id of a heat map of which trainings are missing its regime.
    """
    left = left or {}
    names = dict.fromkeys(each.regime for each in results)
    groups = {name: [r for r in results if r.regime == name] for name in names}
    return [_of_regime(name, group, left) for name, group in groups.items()]


def _of_regime(name: str, group: Sequence[Results], left: Mapping[str, str]) -> RegimeConclusions:
    maps = [_of_map(results, results.id not in left) for results in group]
    if name in left.values():
        return RegimeConclusions(name, maps, [], [], whole=False)
    return RegimeConclusions(name, maps, identity_gaps(group), comparisons(name, group))


def _of_map(results: Results, whole: bool) -> MapConclusions:
    means = results.losses.mean(-1)
    rows, _ = means.shape
    if not whole:
        return MapConclusions(results, [], None, [None] * rows, np.full(rows, np.nan))
    edges = np.exp(surface.upper_edges(means, results.log_decays))
    found = findings(results)
    return MapConclusions(results, found, surface.best(means), surface.best_of_rows(means), edges)

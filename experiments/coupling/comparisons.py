"""The best of one form against the best of another, in test error, seed by seed.

Each is chosen by its validation loss, anew in every resample of the seeds; the test images are only
reported.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from experiments.coupling import names
from experiments.coupling.findings import VERDICTS, over_seeds
from experiments.coupling.results import Results
from experiments.statistics import surface
from experiments.statistics.resample import Estimate, Interval

UNDECAYED = "no decay"


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
        return VERDICTS.undecided

    @property
    def points(self) -> str:
        """As ``−0.12 ± 0.30``, in percentage points."""
        return self.estimate.times(100).show()

    @property
    def margin(self) -> str:
        """`points` without its sign."""
        found = self.estimate.times(100)
        value = None if found.value is None else abs(found.value)
        return dataclasses.replace(found, value=value).show()

    @property
    def bootstrap(self) -> Interval | None:
        """In percentage points."""
        return self.estimate.times(100).bootstrap


def comparisons(regime: str, results: Sequence[Results]) -> list[Comparison]:
    """Every pair of forms of one optimizer and set-up, and each optimizer against no decay."""
    return [*_of_forms(regime, results), *_to_no_decay(regime, results)]


def _of_forms(regime: str, results: Sequence[Results]) -> list[Comparison]:
    alone, found = names.are_alone(results), []
    for one, other in itertools.combinations(results, 2):
        if one.setup == other.setup:
            pair = names.title(one, alone), names.title(other, alone)
            errors = partial(best_test_error, one), partial(best_test_error, other)
            rim = tuple(n for n, r in zip(pair, (one, other), strict=True) if _on_rim(r))
            compared = difference(*errors, len(one.seeds))
            found.append(Comparison(regime, *pair, compared, rim))
    return found


def _to_no_decay(regime: str, results: Sequence[Results]) -> list[Comparison]:
    alone, found = names.are_alone(results), []
    for one in results:
        if np.isfinite(one.undecayed_losses).any():
            errors = partial(best_test_error, one), partial(undecayed_test_error, one)
            compared = difference(*errors, len(one.seeds))
            found.append(Comparison(regime, names.title(one, alone), UNDECAYED, compared))
    return found


def _on_rim(results: Results) -> bool:
    return surface.on_rim(results.losses.mean(-1))


def best_test_error(results: Results, seeds: np.ndarray) -> float | None:
    """Mean test error of the cell that the validation images choose."""
    cell = surface.best(surface.seed_mean(results.losses, seeds))
    return None if cell is None else float(results.test_errors[cell][seeds].mean())


def undecayed_test_error(results: Results, seeds: np.ndarray) -> float | None:
    """The same without decay: the learning rate that the validation images choose."""
    cell = surface.best(surface.seed_mean(results.undecayed_losses[:, None], seeds))
    return None if cell is None else float(results.undecayed_errors[cell[0]][seeds].mean())


_Error = Callable[[np.ndarray], float | None]


def difference(first: _Error, second: _Error, seeds: int) -> Estimate:
    """First − second of two test errors, over the same seeds, each chosen anew in each resample."""

    def statistic(resample: np.ndarray) -> float | None:
        one, other = first(resample), second(resample)
        return None if one is None or other is None else one - other

    return over_seeds(statistic, seeds)

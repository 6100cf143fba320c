"""Whether a decay tuned at one learning rate serves at another, and how additive a grid is.

The same cells have two columns: that of the grid (say ω), and that of the other parametrisation
(λ ∝ ω / learning rate), where cell (i, j) stands in column j − shift·i. A negative shift likewise.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from experiments.statistics.surface import best_of_rows

WINDOW = 0.5
"""Cells count that lie within so much of the best log loss: the rest say nothing of an optimum."""


@dataclasses.dataclass(frozen=True)
class Interaction:
    """How far log losses are from a sum of a term for the row and one for the column.

    Attributes:
      share: of the variance between cells, what no such sum explains; noise of seeds taken off.
      cells: how many cells were used.
      df: degrees of freedom of the interaction.
      f: its mean square over that of the noise of the cells' means; NaN with one seed.
    """

    share: float
    cells: int
    df: int
    f: float


def interaction(losses: np.ndarray, shift: int = 0, window: float = WINDOW) -> Interaction | None:
    """The interaction of learning rate and decay, on the cells near the best.

    share = (SS_rest − df·s²/S) / (SS_between − (n − 1)·s²/S): SS_rest is left over by least squares
    of rows + columns, S the number of seeds, s² the mean square of cell × seed. Both
    parametrisations use the same cells.

    Args:
      losses: log validation losses [rows, columns, seeds].
      shift: 0 for the columns of the grid, otherwise those of the other parametrisation.
      window: how far above the best cell may lie.

    Returns:
      None where no degree of freedom is left, or all variance is noise.
    """
    means = losses.mean(-1)
    if not np.isfinite(means).any():
        return None
    used = np.isfinite(means) & (means <= means[np.isfinite(means)].min() + window)
    rows, columns = np.nonzero(used)
    cells, values = losses[used], means[used]
    rest, rank = _residual(values, rows, columns - shift * rows)
    df = len(values) - rank
    if df <= 0:
        return None
    noise = _noise(cells)
    between = float(np.sum((values - values.mean()) ** 2)) - (len(values) - 1) * noise
    if between <= 0:
        return None
    f = rest / df / noise if noise > 0 else np.nan
    return Interaction((rest - df * noise) / between, len(values), df, f)


def _residual(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[float, int]:
    """Sum of squares that rows + columns leave, and the rank of that fit."""
    design = np.hstack([_indicator(rows), _indicator(columns)])
    fitted, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    return float(np.sum((values - design @ fitted) ** 2)), int(rank)


def _indicator(labels: np.ndarray) -> np.ndarray:
    return (labels[:, None] == np.unique(labels)).astype(float)


def _noise(cells: np.ndarray) -> float:
    """s²/S, the variance of a cell's mean: cell × seed, without what a seed does to all cells."""
    n, seeds = cells.shape
    if n < 2 or seeds < 2:
        return 0.0
    rest = cells - cells.mean(1, keepdims=True) - cells.mean(0) + cells.mean()
    return float(np.sum(rest**2)) / ((n - 1) * (seeds - 1)) / seeds


@dataclasses.dataclass(frozen=True)
class Regret:
    """What it costs in log loss to keep a decay when the learning rate changes.

    Attributes:
      kept: for each pair of rows, when the grid's own decay is kept.
      other: for the same pairs, when the other parametrisation's is kept.
    """

    kept: np.ndarray
    other: np.ndarray


def transfer_regret(means: np.ndarray, shift: int) -> Regret:
    """Takes the best decay of each row to every other row, by both parametrisations.

    Only pairs that stay inside the grid by both count. Infinite where the cell diverged.

    Args:
      means: log validation losses [rows, columns], of seeds' means.
      shift: columns between the two parametrisations from one row to the next.
    """
    tuned = best_of_rows(means)
    kept, other = [], []
    for source, column in enumerate(tuned):
        for target, lowest in enumerate(tuned):
            if source == target or column is None or lowest is None:
                continue
            moved = column + shift * (target - source)
            if not 0 <= moved < means.shape[1]:
                continue
            pair = means[target, [column, moved]] - means[target, lowest]
            if not np.isnan(pair).any():
                kept.append(pair[0])
                other.append(pair[1])
    return Regret(np.array(kept), np.array(other))

"""A grid of losses as a surface over (log learning rate, log decay): edges, ridges, best cells.

Losses are log validation losses, [rows, columns]: a row for each learning rate, ascending, a column
for each decay, ascending. Infinite where a seed diverged, NaN where a cell was not trained.
"""

from __future__ import annotations

import numpy as np

LEVEL, HIGHER_LEVEL = 0.25, 0.4
"""How far above its minimum a row's upper edge lies, in log loss; the second confirms the first."""
CONTRAST = 0.05
"""What the ends of a row must lie above its minimum for the minimum to be more than noise."""
FEWEST_ROWS = 4


def seed_mean(losses: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The mean over some seeds of losses [rows, columns, seeds].

    Infinite where one is infinite, NaN where one is missing.
    """
    return losses[..., seeds].mean(-1)


def upper_edges(losses: np.ndarray, log_decays: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """For each row the log decay beyond its minimum where the loss first exceeds that by ``level``.

    Interpolated between the two cells around it; the last finite cell where the next diverged. NaN
    where the loss stays below, or a cell before it is missing.

    >>> upper_edges(np.array([[1.0, 0.0, 0.5]]), np.array([0.0, 1.0, 2.0]))
    array([1.5])
    """
    return np.array([_edge(row, log_decays, level) for row in losses])


def _edge(row: np.ndarray, log_decays: np.ndarray, level: float) -> float:
    if not np.isfinite(row).any():
        return np.nan
    lowest = int(np.nanargmin(row))
    height = row[lowest] + level
    for j in range(lowest + 1, len(row)):
        if np.isnan(row[j]):
            return np.nan
        if row[j] > height:
            share = 0.0 if np.isinf(row[j]) else (height - row[j - 1]) / (row[j] - row[j - 1])
            return log_decays[j - 1] + share * (log_decays[j] - log_decays[j - 1])
    return np.nan


def edge_slope(
    losses: np.ndarray,
    log_learning_rates: np.ndarray,
    log_decays: np.ndarray,
    level: float = LEVEL,
) -> float | None:
    """d log upper edge / d log learning rate, by least squares; None with fewer than 4 edges.

    0 if the edge lies at the same decay for every learning rate. Of the decay per step ω it is by
    1 larger than of λ ∝ ω/learning rate, exactly: both are the same edges.
    """
    return slope(log_learning_rates, upper_edges(losses, log_decays, level))


def ridge(losses: np.ndarray, log_decays: np.ndarray, contrast: float = CONTRAST) -> np.ndarray:
    """For each row the log decay of its minimum, by a parabola through the cells around it.

    NaN where the minimum is no more than noise or lies outside: unless both ends of the row lie
    ``contrast`` above it.

    >>> ridge(np.array([[1.0, 0.0, 0.0, 1.0]]), np.arange(4.0))
    array([1.5])
    """
    return np.array([_vertex(row, log_decays, contrast) for row in losses])


def _vertex(row: np.ndarray, log_decays: np.ndarray, contrast: float) -> float:
    known = np.flatnonzero(~np.isnan(row))
    if not np.isfinite(row).any():
        return np.nan
    lowest = int(np.nanargmin(row))
    ends = row[known[[0, -1]]]
    if lowest in known[[0, -1]] or (ends < row[lowest] + contrast).any():
        return np.nan
    below, here, above = row[lowest - 1 : lowest + 2]
    bend = below - 2 * here + above
    if not np.isfinite(bend) or bend <= 0:
        return log_decays[lowest]
    return log_decays[lowest] + (below - above) / (2 * bend) * (log_decays[1] - log_decays[0])


def slope(x: np.ndarray, y: np.ndarray) -> float | None:
    """The least-squares slope over the finite y; None with fewer than 4 of them."""
    known = np.isfinite(y)
    if known.sum() < FEWEST_ROWS:
        return None
    return float(np.polyfit(x[known], y[known], 1)[0])


def best(losses: np.ndarray) -> tuple[int, int] | None:
    """Row and column of the lowest finite loss."""
    finite = np.where(np.isfinite(losses), losses, np.inf)
    if not np.isfinite(finite).any():
        return None
    row, column = np.unravel_index(np.argmin(finite), finite.shape)
    return int(row), int(column)


def on_rim(losses: np.ndarray) -> bool:
    """Whether the best cell lies on the rim of the grid: then a better one may lie outside.

    >>> on_rim(np.array([[1.0, 0.9, 1.0], [1.0, 0.5, 1.0], [1.0, 0.8, 1.0]]))
    False
    """
    cell = best(losses)
    places = zip(cell or (0, 0), losses.shape, strict=True)
    return any(place in (0, count - 1) for place, count in places)


def best_of_rows(losses: np.ndarray) -> list[int | None]:
    """The column of the lowest finite loss of each row."""
    found = [best(row[None]) for row in losses]
    return [None if cell is None else cell[1] for cell in found]

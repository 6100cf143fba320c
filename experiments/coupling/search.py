"""The coarse pass: moves a grid to where the optimum and the upper edges are.

A few rows and every third column are trained with one seed that the study does not use. Where the
best loss lies on the rim, the rim moves out. Losses are log validation losses, infinite where a
training diverged.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from experiments.coupling.grid import Grid
from experiments.statistics.surface import HIGHER_LEVEL, upper_edges

STRIDE = 3
ROUNDS = 4
CLEAR = 0.05
"""By so much a row must be better than its neighbour before the grid moves towards it, and the
lowest decay differ from none before it moves down: less is the noise of one seed."""
FAR = 10.0
"""What a diverged training counts above the best, to find an edge between the two."""
MOST_RATE = 0.5
"""The largest ω that is tried: beyond it nothing is left after a few steps."""

Cell = tuple[int, int | None]
Measure = Callable[[Sequence[Cell]], Sequence[float]]


@dataclasses.dataclass
class Search:
    """What is known of a lattice: the loss of each (row, column); column None: no decay."""

    measure: Measure
    losses: dict[Cell, float] = dataclasses.field(default_factory=dict)

    def at(self, rows: Sequence[int], columns: Sequence[int | None]) -> np.ndarray:
        """Losses [rows, columns], trained where they are not known yet."""
        cells: list[Cell] = [(row, column) for row in rows for column in columns]
        new = [cell for cell in cells if cell not in self.losses]
        if new:
            self.losses |= dict(zip(new, self.measure(new), strict=True))
        return np.array([self.losses[cell] for cell in cells]).reshape(len(rows), len(columns))


@dataclasses.dataclass(frozen=True)
class Probed:
    """The coarse pass of one window: rows, columns, losses [rows, columns], those of no decay."""

    rows: list[int]
    columns: list[int]
    losses: np.ndarray
    undecayed: np.ndarray

    def lowest(self) -> np.ndarray:
        """For each row the place of its minimum; the first where all diverged."""
        return np.argmin(self.losses, 1)

    def _plateaus(self) -> np.ndarray:
        """For each row the last place that is as good as its minimum, but for noise; the first
        where the losses do not rise again."""
        as_good = self.losses <= self.losses.min(1, keepdims=True) + CLEAR
        last = as_good.shape[1] - 1 - np.argmax(as_good[:, ::-1], 1)
        return np.where(np.isnan(self.edges()), np.argmax(as_good, 1), last)

    def edges(self) -> np.ndarray:
        """For each row the column of its upper edge at the higher level, between those probed."""
        lowest = self.losses.min(1, keepdims=True)
        heights = np.minimum(self.losses, np.where(np.isfinite(lowest), lowest, 0) + FAR)
        return upper_edges(heights, np.array(self.columns, float), HIGHER_LEVEL)

    def lacks_edges(self) -> bool:
        """Whether a row, of those in which not all diverged, has none."""
        known = np.isfinite(self.losses).any(1)
        return bool(np.isnan(self.edges()[known]).any())

    def optimum_may_lie_below(self) -> bool:
        """Whether a row is best at its lowest decay, and that is not simply as good as none."""
        known = np.isfinite(self.losses[:, 0]) & (self.lowest() == 0)
        differs = np.abs(self.losses[known, 0] - self.undecayed[known]) > CLEAR
        return bool(differs.any())

    def window(self) -> tuple[int, int]:
        """Columns from two below the lowest optimum to one above the highest edge."""
        low = self.columns[self._plateaus().min()] - STRIDE + 1
        edges = np.nan_to_num(self.edges(), nan=self.columns[-1])
        return low, max(math.ceil(edges.max()) + 1, low + STRIDE)


def search(grid: Grid, measure: Measure, move_rows: bool = True, move_columns: bool = True) -> Grid:
    """The grid moved so that, in the coarse pass, its optimum and its upper edges lie inside.

    It keeps its number of rows; of columns it takes as many as the rows need between them. Towards
    a better learning rate it moves only as long as every row still has an upper edge.

    Args:
      grid: where to start.
      measure: trains cells of the lattice and returns their losses.
      move_rows: False keeps the learning rates.
      move_columns: False keeps the decays.
    """
    known = Search(measure)
    found, probed = _settled(known, grid, move_columns)
    for _ in range(ROUNDS if move_rows else 0):
        step = _step(probed)
        if not step:
            break
        first, count = found.rows
        moved = dataclasses.replace(found, rows=(first + step, count))
        moved, probed = _settled(known, moved, move_columns)
        if probed.lacks_edges():
            break
        found = moved
    return found


def _settled(known: Search, grid: Grid, move_columns: bool) -> tuple[Grid, Probed]:
    """The grid with the columns that its rows need."""
    (first, count), most = grid.columns, _highest(grid)
    columns = list(range(first, first + count + STRIDE - 1, STRIDE))
    probed = _probe(known, grid, columns)
    if not move_columns:
        return grid, probed
    for _ in range(ROUNDS):
        before = list(columns)
        if probed.optimum_may_lie_below():
            columns = [columns[0] - STRIDE, *columns]
        if probed.lacks_edges() and columns[-1] + STRIDE <= most:
            columns = [*columns, columns[-1] + STRIDE]
        if columns == before:
            break
        probed = _probe(known, grid, columns)
    low, high = probed.window()
    return dataclasses.replace(grid, columns=(low, min(high, most) - low + 1)), probed


def _probe(known: Search, grid: Grid, columns: list[int]) -> Probed:
    first, count = grid.rows
    rows = sorted({first, first + count // 2, first + count - 1})
    return Probed(rows, columns, known.at(rows, columns), known.at(rows, [None])[:, 0])


def _highest(grid: Grid) -> int:
    """The highest column that is tried."""
    if grid.axis == "strength":
        return grid.columns[0] + grid.columns[1] + ROUNDS * STRIDE
    return math.floor(math.log(MOST_RATE / grid.decay) / math.log(grid.ratio))


def _step(probed: Probed) -> int:
    """Rows to move by, towards a rim that is clearly the best."""
    minima = probed.losses.min(1)
    best = int(np.argmin(minima))
    others = np.delete(minima, best)
    if best == len(minima) // 2 or not len(others) or minima[best] > others.min() - CLEAR:
        return 0
    return -1 if best == 0 else 1

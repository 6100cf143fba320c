"""Grids that are aligned in (log learning rate, log decay), so that two views are one grid.

The only arithmetic of η, λ and ω is here: where a cell of the lattice lies (`Grid.learning_rate_of`
and `Grid.decay_of`), and what a decay is on the other axis (`on_axis`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.config import ConfigError
from experiments.decay_form import Axis
from experiments.forms import FORMS, trained
from experiments.paired.setup import Setup


@dataclasses.dataclass(frozen=True)
class Grid:
    """Learning rates × decays, both geometric; a window of an endless lattice.

    Attributes:
      axis: what the columns are: ω, the decay per step (rate), or λ (strength).
      learning_rate: that of row 0.
      decay: that of column 0.
      row_ratio: of neighbouring learning rates.
      ratio: of neighbouring decays.
      rows: the rows of the lattice in this window: (first, how many).
      columns: likewise.
    """

    axis: Axis
    learning_rate: float
    decay: float
    row_ratio: float
    ratio: float
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows[1], self.columns[1]

    @property
    def learning_rates(self) -> np.ndarray:
        """Ascending, of the rows."""
        return np.array([self.learning_rate_of(row) for row in _window(self.rows)], float)

    @property
    def decays(self) -> np.ndarray:
        """Ascending, of the columns."""
        return np.array([self.decay_of(column) for column in _window(self.columns)], float)

    def learning_rate_of(self, row: int) -> float:
        """η of a row of the lattice."""
        return self.learning_rate * self.row_ratio**row

    def decay_of(self, column: int | None) -> float:
        """The decay of a column of the lattice, on the grid's own axis; None is no decay."""
        return 0.0 if column is None else self.decay * self.ratio**column

    @property
    def shift(self) -> int:
        """Columns by which a decay moves from a row to the next where the other view's is kept.

        Raises:
          ConfigError: if the views are not aligned.
        """
        exact = math.log(self.row_ratio) / math.log(self.ratio)
        if abs(exact - round(exact)) > 1e-9 or round(exact) < 1:
            raise ConfigError(
                f"--row-ratio: expected a power of --ratio {self.ratio:g}, so that both views are "
                f"one grid, got {self.row_ratio:g}; take {self.ratio**2:g}"
            )
        return round(exact) if self.axis == "rate" else -round(exact)

    def table(self, axis: Axis, reach: float) -> np.ndarray:
        """Every cell's ω or λ [rows, columns]: see `on_axis`."""
        own = np.broadcast_to(self.decays, self.shape)
        return np.array(on_axis(axis, own, self.axis, self.learning_rates[:, None], reach))


def on_axis(axis: Axis, decay: Any, given: Axis, learning_rate: Any, reach: float) -> Any:
    """``decay``, ``given`` as one of λ and ω, as the other or the same: ω = 2·reach·η·λ.

    Args:
      axis: what is wanted.
      decay: numbers.
      given: what they are.
      learning_rate: η, likewise.
      reach: what momentum makes of the decay: see `Form.reach`.
    """
    factor = 2 * reach * learning_rate
    if axis == given:
        return decay
    return decay * factor if axis == "rate" else decay / factor


def grid_of(content: Mapping[str, Any]) -> Grid:
    """The grid of a record."""
    windows = {name: tuple(content[name]) for name in ("rows", "columns")}
    return Grid(**{**content, **windows})


def _window(window: tuple[int, int]) -> range:
    first, count = window
    return range(first, first + count)


def points(
    setup: Setup, form: str, learning_rates: Any, decays: Any, axis: Axis, seeds: Any
) -> dict[str, np.ndarray]:
    """What trainings of a form run over, from arrays of equal length; ``decays`` on ``axis``."""
    η, decay = (np.asarray(values, np.float64) for values in (learning_rates, decays))
    wanted = trained(FORMS[form]).axis
    decay = on_axis(wanted, decay, axis, η, FORMS[form].reach(setup.optimizer))
    return {
        "learning_rate": η.astype(np.float32),
        wanted: decay.astype(np.float32),
        "seed": np.asarray(seeds, np.int32),
    }

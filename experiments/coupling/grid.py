"""Grids that are aligned in (log learning rate, log decay), so that two views are one grid."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.config import ConfigError
from experiments.paired.setup import Axis, Form, Setup
from experiments.training import MOMENTUM


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
        return self.learning_rate * self.row_ratio ** _indices(self.rows)

    @property
    def decays(self) -> np.ndarray:
        """Ascending, of the columns."""
        return self.decay * self.ratio ** _indices(self.columns)

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
        """Every cell's ω or λ [rows, columns]: ω = 2·reach·η·λ. See `reach`."""
        factor = 2 * reach * self.learning_rates[:, None]
        own = np.broadcast_to(self.decays, self.shape)
        if axis == self.axis:
            return own.copy()
        return own * factor if axis == "rate" else own / factor


def grid_of(content: Mapping[str, Any]) -> Grid:
    """The grid of a record."""
    windows = {name: tuple(content[name]) for name in ("rows", "columns")}
    return Grid(**{**content, **windows})


def _indices(window: tuple[int, int]) -> np.ndarray:
    first, count = window
    return np.arange(first, first + count, dtype=float)


def reach(setup: Setup, form: Form) -> float:
    """What momentum μ makes of a decay that passes through it: 1/(1 − μ)."""
    through = setup.optimizer == "momentum" and form != "decoupled"
    return 1 / (1 - MOMENTUM) if through else 1.0


def has_view(setup: Setup, form: Form, axis: Axis) -> bool:
    """Whether decay of this form can be said on this axis: Adam with L2 has no decay per step."""
    return axis == "strength" or not (form == "coupled" and setup.optimizer == "adam")


def points(
    setup: Setup, form: Form, learning_rates: Any, decays: Any, axis: Axis, seeds: Any
) -> dict[str, np.ndarray]:
    """What `Trainings.run` takes, from arrays of equal length; ``decays`` on ``axis``."""
    η = np.asarray(learning_rates, np.float64)
    decay = np.asarray(decays, np.float64)
    wanted: Axis = "rate" if form == "decoupled" else "strength"
    if wanted != axis:
        factor = 2 * reach(setup, form) * η
        decay = decay * factor if wanted == "rate" else decay / factor
    return {
        "learning_rate": η.astype(np.float32),
        wanted: decay.astype(np.float32),
        "seed": np.asarray(seeds, np.int32),
    }

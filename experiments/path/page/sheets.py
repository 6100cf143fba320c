"""Weights as sheets: one grey PNG for each strength, with the units side by side.

A weight is one of 2·levels + 1 greys: the middle is exactly zero and nothing else is, what is
below it is negative. The greys are even, from black to white.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from PIL import Image

UNITS = 128
"""Of each sheet at most: the first ones in the order."""
COLUMNS = 16
ROOM = 7_000_000
"""Characters that all sheets of a page may take together."""
SIZES = ((15, 32), (9, 32), (5, 32), (3, 32), (3, 16), (1, 8))
"""Levels, and pixels of a side: the first that fits is taken."""
STRONG = 0.95
"""Share of the weights, before they shrink, that are within the colours."""


class Sheets(TypedDict):
    """The pictures of a curve."""

    urls: list[str | None]
    """One for each strength; None where the weights are not known."""
    width: int
    height: int
    columns: int
    count: int
    """Of units that are shown."""
    levels: int


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The units of a curve as they are drawn.

    Attributes:
      weights: [strength, unit, height, width], the largest units first; NaN where unknown.
      scale: of which size a weight has its full colour.
    """

    weights: np.ndarray
    scale: float

    def steps(self, weights: np.ndarray, levels: int) -> np.ndarray:
        """Signed levels; only what is exactly zero is 0.

        >>> Drawn(np.zeros(0), 1.0).steps(np.array([-1.0, -1e-9, 0.0, 0.5, 2.0]), levels=2)
        array([-2, -1,  0,  1,  2])
        """
        sizes = np.clip(np.ceil(np.abs(weights) / self.scale * levels), 1, levels)
        return (sizes * np.sign(weights)).astype(int)


def sheets(weights: Mapping[str, np.ndarray]) -> dict[str, Sheets]:
    """The pictures of all curves, small enough together.

    Args:
      weights: by curve, [strength, unit, height, width] and perhaps channels; NaN where a
        strength is missing. Curves with as many units are of one network.
    """
    found: dict[str, Sheets] = {}
    for levels, side in SIZES:
        found = {curve: _of_curve(each, levels) for curve, each in drawn(weights, side).items()}
        if sum(len(url or "") for each in found.values() for url in each["urls"]) <= ROOM:
            break
    return found


def drawn(weights: Mapping[str, np.ndarray], side: int = SIZES[0][1]) -> dict[str, Drawn]:
    """The units of each curve: with one order and one scale for all of a network."""
    small = {curve: pooled(_without_channels(array), side) for curve, array in weights.items()}
    found: dict[str, Drawn] = {}
    for count in dict.fromkeys(array.shape[1] for array in small.values()):
        own = {curve: array for curve, array in small.items() if array.shape[1] == count}
        first = _unshrunk(list(own.values()))
        order, scale = _order(first), _scale(first)
        found |= {curve: Drawn(array[:, order], scale) for curve, array in own.items()}
    return {curve: found[curve] for curve in weights}


def _of_curve(units: Drawn, levels: int) -> Sheets:
    _, count, height, width = units.weights.shape
    known = [None if np.isnan(w).any() else units.steps(w, levels) for w in units.weights]
    return {
        "urls": [None if steps is None else _url(_sheet(greys(steps, levels))) for steps in known],
        "width": width,
        "height": height,
        "columns": COLUMNS,
        "count": count,
        "levels": levels,
    }


def greys(steps: np.ndarray, levels: int) -> np.ndarray:
    """From black to white.

    >>> greys(np.array([-2, -1, 0, 1, 2]), levels=2)
    array([  0,  64, 128, 191, 255], dtype=uint8)
    """
    return np.rint((steps + levels) * 255 / (2 * levels)).astype(np.uint8)


def pooled(weights: np.ndarray, side: int) -> np.ndarray:
    """Means over squares, such that no picture has a longer side; zero only where all are.

    >>> pooled(np.array([[[[1.0, 3.0, 0.0], [1.0, 3.0, 0.0]]]]), 2)
    array([[[[2., 0.]]]])
    """
    block = math.ceil(max(weights.shape[2:]) / side)
    pad = [(0, 0), (0, 0), *((0, -length % block) for length in weights.shape[2:])]
    rows = np.pad(weights, pad) if block > 1 else weights
    strength, unit, height, width = rows.shape
    shape = (strength, unit, height // block, block, width // block, block)
    squares = rows.reshape(shape)
    means = squares.mean((3, 5))
    largest = np.abs(squares).max((3, 5))
    return np.where((means == 0) & (largest > 0), np.finfo(np.float32).tiny, means)


def _without_channels(weights: np.ndarray) -> np.ndarray:
    return weights if weights.ndim == 4 else weights.mean(-1)


def _unshrunk(weights: Sequence[np.ndarray]) -> np.ndarray:
    """[unit, height, width] at the lowest strength that is known, of the first curve."""
    known = [each for array in weights for each in array if not np.isnan(each).any()]
    return known[0] if known else np.zeros_like(weights[0][0])


def _order(first: np.ndarray) -> np.ndarray:
    """The largest first, before they shrink: a square is the same unit on every sheet."""
    return np.argsort(-np.square(first).sum((1, 2)), kind="stable")[:UNITS]


def _scale(first: np.ndarray) -> float:
    sizes = np.abs(first[first != 0])
    return float(np.quantile(sizes, STRONG)) if sizes.size else 1.0


def _sheet(units: np.ndarray) -> np.ndarray:
    count, height, width = units.shape
    rows = math.ceil(count / COLUMNS)
    filled = np.concatenate([units, np.zeros((rows * COLUMNS - count, height, width), np.uint8)])
    grid = filled.reshape(rows, COLUMNS, height, width).swapaxes(1, 2)
    return grid.reshape(rows * height, COLUMNS * width)


def _url(grey: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"

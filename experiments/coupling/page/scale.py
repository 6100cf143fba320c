"""What the page and the picture share: colours, and where the cells of a heat map lie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TypeGuard

import matplotlib

from experiments.coupling.content import CellContent, PanelContent, RegimeContent
from experiments.decay_form import Axis

COLOUR_MAP = matplotlib.colormaps["viridis_r"]  # even in lightness, also without colour vision
SPAN = 3.0
"""From the brightest to the darkest colour the loss grows by at most this factor."""


def colour_range(regime: RegimeContent) -> tuple[float, float]:
    """The losses of the brightest and of the darkest colour, for all heat maps of a regime."""
    losses = [loss for cell in cells(regime) if finite(loss := cell["loss"])]
    if not losses:
        return 1.0, SPAN
    low = min(losses)
    return low, max(min(max(losses), low * SPAN), low * 1.01)


def cells(regime: RegimeContent) -> Iterator[CellContent]:
    """All that were trained."""
    for panel in regime["panels"]:
        for row in panel["cells"]:
            yield from (cell for cell in row if cell)


def finite(value: float | None) -> TypeGuard[float]:
    """Whether it is a number, and not NaN or infinite."""
    return value is not None and math.isfinite(value)


def edges(values: Sequence[float]) -> list[float]:
    """Borders of cells around ``values``, half-way between neighbours on a logarithmic axis.

    >>> edges([1.0, 4.0])
    [0.5, 2.0, 8.0]
    """
    if len(values) == 1:
        return [values[0] / 2, values[0] * 2]
    inner = [math.sqrt(a * b) for a, b in itertools.pairwise(values)]
    return [values[0] ** 2 / inner[0], *inner, values[-1] ** 2 / inner[-1]]


def ratio(panel: PanelContent, row: int, axis: Axis) -> float | None:
    """What turns decays on the trained axis of a row into those on ``axis``."""
    pairs = zip(panel[axis][row], panel["decays"], strict=True)
    known = (other / decay for other, decay in pairs if other)
    return 1.0 if axis == panel["trained"] else next(known, None)

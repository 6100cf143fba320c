"""The weights of the first layer, as they are kept for pictures: ``weights_CURVE.npz``.

One file for each curve, of its first seed: ``pictures`` int8 [strength, unit, height, width] and
``largest`` float32 [strength, unit]; a weight is picture · largest / 127. An exact zero, and only
that, is 0: what is smaller than half a step is ±1. ``done`` bool [strength] says which are there.
Regression has its classes as units. Images of several channels have them as a last axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.path.config import Curve
from experiments.records import save

STEPS = 127
EDGES = np.linspace(-0.4, 0.4, 82)
"""Of the histograms; an odd number of bins, so that one is around 0."""


def histogram(kernel: Any) -> dict[str, Any]:
    """Counts of the weights that are not exactly zero in `EDGES`; the outer bins hold the rest."""
    weights = np.asarray(kernel)[np.asarray(kernel) != 0]
    counts, _ = np.histogram(np.clip(weights, EDGES[0], EDGES[-1]), EDGES)
    return {"histogram": counts}


def file_of(folder: Path, curve: str) -> Path:
    """Where the weights of a curve are."""
    return folder / f"weights_{curve}.npz"


def add(folder: Path, curve: Curve, shape: Sequence[int], kernels: Mapping[int, Any]) -> None:
    """Adds kernels [pixel, unit], by the place of their strength, to those that are there."""
    path = file_of(folder, curve.id)
    units = np.shape(next(iter(kernels.values())))[1]
    image = shape[:2] if shape[2] == 1 else shape
    count = len(curve.strengths)
    if path.exists():
        with np.load(path) as stored:
            pictures, largest, done = (stored[name] for name in ("pictures", "largest", "done"))
    else:
        pictures = np.zeros((count, units, *image), np.int8)
        largest, done = np.zeros((count, units), np.float32), np.zeros(count, bool)
    for place, kernel in kernels.items():
        steps, largest[place] = packed(np.asarray(kernel).T)
        pictures[place], done[place] = steps.reshape(units, *image), True
    arrays = {"pictures": pictures, "largest": largest, "done": done}
    save(path, lambda partial: np.savez_compressed(partial, **arrays))


def packed(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows as whole steps of 1/127 of their largest, and those; only what is zero becomes 0.

    >>> packed(np.array([[1.0, -0.5, 1e-6, 0.0]]))
    (array([[127, -64,   1,   0]], dtype=int8), array([1.]))
    """
    largest = np.abs(weights).max(1)
    scale = np.where(largest > 0, largest, 1)[:, None]
    steps = np.maximum(np.rint(np.abs(weights) / scale * STEPS), 1) * np.sign(weights)
    return np.nan_to_num(steps).astype(np.int8), largest


def unpacked(folder: Path, curve: str) -> np.ndarray | None:
    """Weights float32 [strength, unit, height, width]; None if there are none.

    NaN where a strength is missing.
    """
    path = file_of(folder, curve)
    if not path.exists():
        return None
    with np.load(path) as stored:
        steps, largest, done = (stored[name] for name in ("pictures", "largest", "done"))
    scale = largest.reshape(*largest.shape, *[1] * (steps.ndim - 2)) / np.float32(STEPS)
    weights = steps.astype(np.float32) * scale
    weights[~done] = np.nan
    return weights


def every(folder: Path, curves: Iterable[str]) -> dict[str, np.ndarray]:
    """`unpacked`, of all curves that have any."""
    found = {curve: unpacked(folder, curve) for curve in curves}
    return {curve: weights for curve, weights in found.items() if weights is not None}

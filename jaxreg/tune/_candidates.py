"""Series of strengths, and the candidates among points."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jax import dtypes

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._sweep.grid import plain


@explained
def strengths(
    low: float = 1e-5, high: float = 1e-2, count: int = 20, *, zero: bool = False
) -> np.ndarray:
    """Strengths to try: from ``low`` to ``high`` in equal steps of the logarithm.

    A strength matters by its order of magnitude: between 1e-5 and 1e-2 equal steps of the number
    itself would leave out all but the last decade. No logarithm reaches 0, the training without a
    penalty; ``zero`` puts it first. For a penalty that makes parameters zero the series from the
    strength that makes all of them zero, `jaxreg.diagnostics.strength_max`, is
    ``strengths(1e-3 * top, top)``.

    >>> strengths(1e-4, 1e-2, 3, zero=True)
    array([0.    , 0.0001, 0.001 , 0.01  ], dtype=float32)

    Args:
      low: the smallest, above 0.
      high: the largest.
      count: how many, without the 0.
      zero: whether to begin with 0.

    Returns:
      An array of shape (count,), or (count + 1,) with ``zero``, increasing.

    Raises:
      ValueError: if not 0 < low < high, both finite and within what the precision holds, or
        ``count`` is below 2.
    """
    low, high = (_numbers.positive(f"strengths: {n}", x) for n, x in (("low", low), ("high", high)))
    if not float(low) < float(high):
        raise ValueError(f"strengths: expected low < high, got {low:g} and {high:g}")
    require_held("strengths", [low, high])
    series = np.geomspace(float(low), float(high), _numbers.count("strengths: count", count, 2))
    dtype = dtypes.canonicalize_dtype(np.float64)
    return np.concatenate([[0.0] * bool(zero), series]).astype(dtype)


@dataclasses.dataclass(frozen=True)
class Candidates:
    """The different points, apart from what is averaged over.

    Attributes:
      values: by name arrays with one entry for each candidate, ``strength`` among them.
      of_point: which candidate each point is one of.
    """

    values: dict[str, np.ndarray]
    of_point: np.ndarray

    @property
    def strengths(self) -> np.ndarray:
        return np.asarray(self.values["strength"], float)

    @property
    def count(self) -> int:
        return len(self.strengths)

    def alike(self) -> np.ndarray:
        """Bool (candidates, candidates): which differ in strength alone."""
        same = np.ones((self.count, self.count), bool)
        for name, values in self.values.items():
            if name != "strength":
                rows = values.reshape(self.count, -1)
                same &= np.all(rows[:, None] == rows[None], axis=-1)
        return same

    def mean(self, table: np.ndarray) -> np.ndarray:
        """(points, splits) → (candidates, splits): NaN where one of the points is."""
        total = np.zeros((self.count, table.shape[1]))
        np.add.at(total, self.of_point, table)
        return total / np.bincount(self.of_point)[:, None]


def candidates_of(owner: str, points: Any, average: tuple[str, ...]) -> Candidates:
    """The candidates among checked points.

    Raises:
      TypeError: if points are no dictionary of arrays with a strength.
      ValueError: if strengths are negative, not finite or none, or there is a single candidate.
    """
    _check_points(owner, points)
    named = {name: values for name, values in points.items() if name not in average}
    plain_ = {name: np.asarray(plain(values)) for name, values in named.items()}
    count = len(plain_["strength"])
    rows = list(zip(*(map(_hashable, values) for values in plain_.values()), strict=True))
    first: dict[Any, int] = {}
    of_point = np.array([first.setdefault(row, len(first)) for row in rows])
    if len(first) < 2:
        raise ValueError(
            f"{owner}: expected several candidates to choose between, got {count} "
            f"point{'s' * (count > 1)} of one strength; write grid(strength=tune.strengths())"
        )
    places = [int(np.argmax(of_point == i)) for i in range(len(first))]
    return Candidates({name: values[places] for name, values in plain_.items()}, of_point)


def _hashable(entry: np.ndarray) -> Any:
    return entry.item() if not entry.ndim else (entry.shape, entry.tobytes())


def _check_points(owner: str, points: Any) -> None:
    advice = "write grid(strength=[1e-4, 1e-3], seed=[0, 1])"
    if not isinstance(points, Mapping) or "strength" not in points:
        raise TypeError(
            f"{owner}: points: expected a dictionary of arrays with a strength, got "
            f"{brief(points)}; {advice}"
        )
    lengths = {name: np.shape(values)[:1] for name, values in points.items()}
    if len(set(lengths.values())) > 1 or () in lengths.values():
        raise ValueError(
            f"{owner}: points: expected arrays of one length, got "
            f"{', '.join(f'{name} of {brief(points[name])}' for name in points)}; {advice}"
        )
    series = checked_strengths(owner, points["strength"])
    if not len(series):
        raise ValueError(f"{owner}: points: expected strengths, got none; {advice}")


def checked_strengths(owner: str, strengths: Any) -> np.ndarray:
    """A series of numbers ≥ 0 on the host."""
    series = np.asarray(strengths)
    if series.ndim != 1 or series.dtype.kind not in "iuf":
        raise TypeError(
            f"{owner}: expected strengths that are a series of numbers, got {brief(strengths)}"
        )
    for number in series:
        _numbers.checked(f"{owner}: strength", number.item())
    require_held(f"{owner}: strength", series)
    return series


def require_held(name: str, numbers: Any) -> None:
    """Raises for numbers that would become infinite, or 0, in the precision of JAX."""
    dtype = dtypes.canonicalize_dtype(np.float64)
    limits, array = np.finfo(dtype), np.abs(np.asarray(numbers, np.float64))
    lost = (array != 0) & ((array < limits.tiny) | (array > limits.max))
    if np.any(lost):
        raise ValueError(
            f"{name}: expected 0, or numbers from {limits.tiny:.1e} to {limits.max:.1e}, which "
            f"{dtype} holds, got {array[lost].flat[0]:g}; scale the loss, or compute in float64: "
            f'jax.config.update("jax_enable_x64", True)'
        )

"""Axes of arrays, as integers."""

from __future__ import annotations

import operator
from typing import Any

Axis = int | tuple[int, ...]


def as_axis(axis: Any) -> Axis | None:
    """One axis or a tuple of some as Python integers, hashable; None if it is neither."""
    several = isinstance(axis, tuple) and len(axis) > 0
    try:
        axes = tuple(operator.index(_no_bool(a)) for a in (axis if several else (axis,)))
    except TypeError:
        return None
    return axes if several else axes[0]


def _no_bool(axis: Any) -> Any:
    if isinstance(axis, bool):
        raise TypeError
    return axis


def counted(axis: Axis, ndim: int) -> frozenset[int]:
    """The axes of an array of so many dimensions, counted from its first."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    return frozenset(a + ndim if a < 0 else a for a in axes)


def are_axes(axis: Axis, ndim: int) -> bool:
    """Whether an array of so many dimensions has these axes, each once."""
    count = len(axis) if isinstance(axis, tuple) else 1
    axes = counted(axis, ndim)
    return len(axes) == count and axes <= set(range(ndim))

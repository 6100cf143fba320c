"""The points of a sweep: a tree of arrays with one leading axis, a training for each entry."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import dtypes

from jaxreg._messages.calls import explained


@explained
def grid(**axes: Any) -> dict[str, Any]:
    """Every combination of some values: the Cartesian product, the last axis fastest.

    For `sweep`. To lay results out as a table again, reshape their leading axis to the lengths of
    the axes: ``accuracy.reshape(2, 3)``.

    >>> points = grid(strength=[0.0, 0.5], seed=[0, 1, 2])
    >>> points["strength"].tolist(), points["seed"].tolist()
    ([0.0, 0.0, 0.0, 0.5, 0.5, 0.5], [0, 1, 2, 0, 1, 2])

    Args:
      **axes: for each name a sequence of numbers, an array (its first axis counts), or an array of
        PRNG keys.

    Returns:
      A dictionary of arrays of equal length, in JAX's default precision.

    Raises:
      ValueError: if there is no axis, or one is empty or a single number.
    """
    if not axes:
        raise ValueError("grid: expected axes, got none; write grid(strength=[1e-4, 1e-3])")
    values = {name: _axis(name, axis) for name, axis in axes.items()}
    indices = np.indices([len(axis) for axis in values.values()])
    chosen = (index.ravel() for index in indices)
    return {name: axis[index] for (name, axis), index in zip(values.items(), chosen, strict=True)}


def _axis(name: str, axis: Any) -> Any:
    array = axis if is_key(axis) else np.asarray(axis)
    if not array.ndim:
        raise ValueError(
            f"grid: {name}: expected a sequence of values, got {axis!r}; write {name}=[{axis!r}]"
        )
    if not len(array):
        raise ValueError(f"grid: {name}: expected at least one value, got none; leave it out")
    return array if is_key(array) else array.astype(dtypes.canonicalize_dtype(array.dtype))


def is_key(value: Any) -> bool:
    """Whether ``value`` is an array of typed PRNG keys."""
    dtype = getattr(value, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, dtypes.prng_key)


def plain(value: Any) -> Any:
    """``value``, or the numbers that a PRNG key is made of."""
    return jax.random.key_data(value) if is_key(value) else value


@dataclasses.dataclass(frozen=True)
class Points:
    """Checked points on the host: the arrays, and how to make one point of their entries."""

    arrays: list[np.ndarray]
    impls: tuple[Any, ...]  # of PRNG keys, None for other arrays
    structure: Any
    count: int

    def block(self, rows: slice, capacity: int, width: int) -> list[np.ndarray]:
        """Some points as arrays [capacity, width, …]; filled up by repeating the last of them."""
        index = np.minimum(np.arange(rows.start, rows.start + capacity * width), rows.stop - 1)
        return [array[index.reshape(capacity, width)] for array in self.arrays]

    def shapes(self, capacity: int, width: int) -> list[jax.ShapeDtypeStruct]:
        """Those of a block."""
        return [
            jax.ShapeDtypeStruct(
                (capacity, width, *array.shape[1:]), dtypes.canonicalize_dtype(array.dtype)
            )
            for array in self.arrays
        ]


def point(structure: Any, impls: tuple[Any, ...], arrays: list[Any]) -> Any:
    """A tree of its leaves, PRNG keys made of their numbers again."""
    leaves = [
        array if impl is None else jax.random.wrap_key_data(array, impl=impl)
        for array, impl in zip(arrays, impls, strict=True)
    ]
    return jax.tree.unflatten(structure, leaves)


def checked(points: Any) -> Points:
    """Points that a sweep can run over.

    Raises:
      TypeError: if a leaf is no array of numbers or keys.
      ValueError: if there are none, or their lengths differ.
    """
    named, structure = jax.tree_util.tree_flatten_with_path(points)
    leaves = {f"points{jax.tree_util.keystr(path)}": leaf for path, leaf in named}
    lengths = {name: _length(name, leaf) for name, leaf in leaves.items()}
    if not lengths:
        raise ValueError(f"sweep: expected points with arrays, got {points!r}; see jaxreg.grid")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(
            f"sweep: expected arrays of one length, but {listed}; jaxreg.grid combines axes"
        )
    count = next(iter(lengths.values()))
    if not count:
        raise ValueError(f"sweep: expected at least one point, but {next(iter(lengths))} is empty")
    impls = tuple(jax.random.key_impl(v) if is_key(v) else None for v in leaves.values())
    arrays = [np.asarray(plain(leaf)) for leaf in leaves.values()]
    return Points(arrays, impls, structure, count)


def _length(name: str, leaf: Any) -> int:
    if not np.ndim(leaf):
        raise ValueError(
            f"sweep: {name}: expected an array with one entry for each point, got the single "
            f"value {leaf!r}; write np.array([...])"
        )
    dtype = np.asarray(plain(leaf)).dtype
    if not (jnp.issubdtype(dtype, jnp.number) or dtype == jnp.bool_):
        raise TypeError(
            f"sweep: {name}: expected numbers or PRNG keys, got {dtype}; "
            f"run one sweep for each of its values"
        )
    return np.shape(leaf)[0]


def size(arrays: Any) -> int:
    """Bytes of arrays or of their shapes, keys included."""
    return sum(
        math.prod(leaf.shape) * (16 if is_key(leaf) else leaf.dtype.itemsize)
        for leaf in jax.tree.leaves(arrays)
    )

"""Vectors as lists of real arrays: sums, products and norms over all of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import AbstractValue

from jaxreg import _numbers

Vector = list[jax.Array]


def varying(tree: Any, like: Any) -> Any:
    """The tree, such that inside `jax.shard_map` it differs between devices where ``like`` does."""
    axes = frozenset().union(*map(_axes, jax.tree.leaves(like)))

    def cast(x: jax.Array) -> jax.Array:
        missing = tuple(axes - _axes(x))
        return jax.lax.pcast(x, missing, to="varying") if missing else x

    return jax.tree.map(cast, tree)


def agreed(v: Vector, like: Vector) -> Vector:
    """A vector that is the same on all devices where ``like`` is, as `jax.shard_map` must know."""
    extra = [tuple(_axes(x) - _axes(y)) for x, y in zip(v, like, strict=True)]
    return [jax.lax.pmean(x, axes) if axes else x for x, axes in zip(v, extra, strict=True)]


def _axes(x: Any) -> frozenset[str]:
    """The axes of `jax.shard_map` along which an array, or one of such a type, differs."""
    kind: Any = x if isinstance(x, AbstractValue) else jax.typeof(x)
    return kind.manual_axis_type.varying if hasattr(kind, "manual_axis_type") else kind.vma


def dtype_of(v: Sequence[Any]) -> Any:
    """The widest dtype of the arrays, in which the numbers about all of them are."""
    return functools.reduce(np.promote_types, (x.dtype for x in v))


def add(a: Vector, b: Vector) -> Vector:
    return [x + y for x, y in zip(a, b, strict=True)]


def subtract(a: Vector, b: Vector) -> Vector:
    return [x - y for x, y in zip(a, b, strict=True)]


def times(number: jax.Array, v: Vector) -> Vector:
    return [number.astype(x.dtype) * x for x in v]


def choose(condition: jax.Array, a: Any, b: Any) -> Any:
    """One of two vectors, or of two trees of them; what both share needs no choice."""
    return jax.tree.map(lambda x, y: x if x is y else jnp.where(condition, x, y), a, b)


def dot(a: Vector, b: Vector) -> jax.Array:
    return _numbers.total([jnp.sum(x * y) for x, y in zip(a, b, strict=True)])


@jax.jit  # traced once, however often it is in a program
def norm(v: Vector) -> jax.Array:
    """√Σ|x|², finite at any size of the entries."""
    dtype = dtype_of(v)
    sizes = [jnp.max(jnp.abs(x), initial=0).astype(dtype) for x in v]
    largest = functools.reduce(jnp.maximum, sizes)
    unit = jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)
    small = [x / unit.astype(x.dtype) for x in v]
    return unit * jnp.sqrt(dot(small, small))

"""Precision: the dtype in which one computes, and sums of many scalars."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

BLOCK = 8  # scalars added up by one kernel


def real_dtype(dtype: Any) -> Any:
    """The dtype of the modulus: float32 for complex64."""
    return jnp.finfo(dtype).dtype


def real_like(number: ArrayLike, w: jax.Array) -> jax.Array:
    """``number`` in the real dtype of ``w``, with which it takes part in arithmetic unpromoted."""
    return jnp.asarray(number).astype(jnp.finfo(w.dtype).dtype)


def widen(w: Any) -> jax.Array:
    """``w`` in at least float32, so that bfloat16 and float16 accumulate in float32."""
    w = jnp.asarray(w)
    return w.astype(np.promote_types(w.dtype, np.float32))  # jax refuses in its strict mode


def total(values: Sequence[jax.Array]) -> jax.Array:
    """Sum of scalars, in the widest of their dtypes; 0 for none. Compiles in linear time.

    A chain of additions over thousands of leaves makes XLA fuse them all into one kernel, in
    quadratic time, as does one array of them all; blocks behind barriers stay small kernels.
    """
    if not values:
        return jnp.zeros((), jnp.float32)
    dtype = functools.reduce(np.promote_types, [v.dtype for v in values])
    return _total([v.astype(dtype) for v in values])


@jax.custom_jvp
def _total(values: list[jax.Array]) -> jax.Array:
    while len(values) > 1:
        blocks = [values[i : i + BLOCK] for i in range(0, len(values), BLOCK)]
        values = [jnp.sum(lax.optimization_barrier(jnp.stack(block))) for block in blocks]
    return values[0]


@_total.defjvp
def _total_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    return _total(*primals), jnp.sum(jnp.stack(tangents[0]))

"""Modulus, norms and singular values of one array: finite at zero and at extreme sizes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike

from jaxreg._numbers._dtypes import real_dtype, widen


def squared_modulus(w: jax.Array) -> jax.Array:
    """|w|² entrywise, real."""
    if jnp.iscomplexobj(w):
        return jnp.square(w.real) + jnp.square(w.imag)
    return jnp.square(w)


@jax.custom_jvp
def modulus(w: jax.Array) -> jax.Array:
    """|w| with derivative 0 at 0, where `jax.grad` of `jnp.abs` is 1 and pushes zeros away."""
    return jnp.abs(w)


@modulus.defjvp
def _modulus_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[Any, Any]:
    (w,), (dw,) = primals, tangents
    return jnp.abs(w), (jnp.conj(jnp.sign(w)) * dw).real.astype(jnp.abs(w).dtype)


def scaled(w: jax.Array, axis: Any = None) -> tuple[jax.Array, jax.Array]:
    """(w/m, m) with m = max|w| over ``axis``, kept, and no derivative; m = 1 for 0 and ∞.

    Squares of what is at most 1 cannot overflow, and those that underflow do not count.
    """
    size = _size(w, axis)
    return w / size.astype(w.dtype), size


def _size(w: jax.Array, axis: Any) -> jax.Array:
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(w), axis=axis, keepdims=True, initial=0))
    return jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def norm(w: jax.Array, axis: Any, floor: ArrayLike = 0.0) -> jax.Array:
    """√Σ|w|² over ``axis``, which is kept with length 1, in at least float32; gradient 0 at 0.

    One pass over ``w``, unless a square may have left the range of the dtype: then another, scaled
    one. Norms up to ``floor`` may pass for 0, which spares zeros the second pass.
    """
    square = jnp.sum(squared_modulus(widen(w)), axis=axis, keepdims=True)
    info = jnp.finfo(square.dtype)
    least = float(info.tiny / info.eps)
    within = (square > least) | (jnp.asarray(floor, square.dtype) > 2 * least**0.5)
    exact = jnp.all(within & (square < info.max))
    return jax.lax.cond(exact, _root, _scaled_norm_over(axis), w, square)


@norm.defjvp
def _norm_jvp(axis: Any, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    (w, floor), (dw, _) = primals, tangents
    size = norm(w, axis, floor)
    wide = widen(w)
    direction = jnp.where(size == 0, 0, wide / jnp.where(size == 0, 1, size).astype(wide.dtype))
    slope = (jnp.conj(direction) * dw.astype(wide.dtype)).real
    return size, jnp.sum(slope, axis=axis, keepdims=True)


def _root(w: jax.Array, square: jax.Array) -> jax.Array:
    del w
    return jnp.sqrt(square)


@functools.cache
def _scaled_norm_over(axis: Any) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The same function for the same axes: for a new one JAX compiles a new program."""
    return functools.partial(_scaled_norm, axis)


def _scaled_norm(axis: Any, w: jax.Array, square: jax.Array) -> jax.Array:
    """The norm in units of the largest entry; the barrier spares a float32 copy of bfloat16."""
    del square
    size, again = jax.lax.optimization_barrier((_size(w, axis), w))
    wide = widen(again)
    size = size.astype(real_dtype(wide.dtype))
    small = wide / size.astype(wide.dtype)
    return size * jnp.sqrt(jnp.sum(squared_modulus(small), axis=axis, keepdims=True))


def unsplit(w: jax.Array, count: int = 2) -> jax.Array:
    """The array with its last ``count`` axes, by default every matrix, whole on a device.

    On an explicit-sharding mesh, where products, decompositions and sorting of split ones are
    refused; elsewhere the compiler sees to it.
    """
    spec = jax.typeof(w).sharding.spec
    batch = w.ndim - min(count, w.ndim)
    if all(axis is None for axis in spec[batch:]):
        return w
    whole = PartitionSpec(*spec[:batch], *[None] * (w.ndim - batch))
    return jax.sharding.reshard(w, whole)


def split_as(result: jax.Array, w: jax.Array) -> jax.Array:
    """The result over devices as ``w`` is, on an explicit-sharding mesh."""
    ours, theirs = (jax.typeof(x).sharding.spec for x in (result, w))
    return result if ours == theirs else jax.sharding.reshard(result, theirs)


def svd(w: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """U, the singular values and Vᵀ of each matrix, without the rows and columns they leave out.

    An infinity counts as NaN: given one, LAPACK's divide and conquer may never return.
    """
    w = unsplit(w)
    u, s, vh = jnp.linalg.svd(jnp.where(jnp.isfinite(w), w, jnp.nan), full_matrices=False)
    return u, s, vh

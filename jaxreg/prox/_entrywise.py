"""Convex penalties entry by entry."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg.prox._arguments import operator


@operator
def l1(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """Soft threshold: argmin_v step·Σ|v| + ½‖v − w‖², entrywise.

    Real entries move towards zero by ``step`` and stop there, exactly; complex ones shrink in
    modulus. The solution of a Lasso whose features are orthonormal.

    >>> l1(jnp.array([-2.0, 0.5, 3.0]), 1.0)
    Array([-1.,  0.,  2.], dtype=float32)

    References: Donoho 1995, *De-noising by soft-thresholding*; Parikh & Boyd 2014, *Proximal
    Algorithms*, §6.5.2.
    """
    w = jnp.asarray(w)
    step = _numbers.real_like(step, w)
    if jnp.iscomplexobj(w):
        return by_modulus(w, lambda size: jnp.maximum(size - step, 0))
    return w - jnp.clip(w, -step, step)


@operator
def l2(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """Shrinkage: argmin_v step·Σ|v|² + ½‖v − w‖² = w / (1 + 2·step).

    No ½ in the penalty, hence the 2 (a library that penalises ½Σ|v|² divides by 1 + step).

    >>> l2(jnp.array([3.0, -6.0]), 1.0)
    Array([ 1., -2.], dtype=float32)

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §6.1.1.
    """
    w = jnp.asarray(w)
    return w / (1 + 2 * _numbers.real_like(step, w)).astype(w.dtype)


@operator
def huber(w: ArrayLike, step: ArrayLike, delta: ArrayLike) -> jax.Array:
    """argmin_v step·Σ h(v) + ½‖v − w‖², with h(v) = ½|v|² up to delta, delta·(|v| − ½delta) beyond.

    Where |w| ≤ delta·(1 + step) it is w / (1 + step), beyond a shift by step·delta.

    >>> huber(jnp.array([1.0, -5.0]), 1.0, delta=2.0)
    Array([ 0.5, -3. ], dtype=float32)

    References: Beck 2017, *First-Order Methods in Optimization*, §6.7.1.
    """
    w = jnp.asarray(w)
    step, delta = _numbers.real_like(step, w), _numbers.real_like(delta, w)
    return by_modulus(w, lambda size: jnp.maximum(size / (1 + step), size - step * delta))


def by_modulus(w: jax.Array, shrink: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """``shrink`` applied to the modulus of every entry, whose sign or phase is kept."""
    size = jnp.abs(w)
    if not jnp.iscomplexobj(w):
        return jnp.sign(w) * shrink(size)
    return w * (shrink(size) / jnp.where(size == 0, 1, size)).astype(w.dtype)

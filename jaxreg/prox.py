"""Proximal operators and projections of one array: each docstring is its argmin.

``step`` is the product of the penalty's strength λ and the length s of the step, so that

    prox(w, step) = argmin_v  step·f(v) + ½‖v − w‖²        for the unit penalty f.

These are the mathematics behind ``penalty.prox``, which applies them to trees, selections, sums
and low-precision dtypes; call that on parameters, and these on a single array.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def l1(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """Soft threshold: argmin_v step·Σ|v| + ½‖v − w‖², entrywise.

    Real entries move towards zero by ``step`` and stop there, exactly; complex ones shrink in
    modulus and keep their phase. The solution of a Lasso whose features are orthonormal.

    Args:
      w: array of any shape, real or complex.
      step: λ·s ≥ 0, a scalar or broadcastable to ``w``.

    Returns:
      Array of the shape of ``w``.

    >>> l1(jnp.array([-2.0, 0.5, 3.0]), 1.0)
    Array([-1.,  0.,  2.], dtype=float32)

    References: Donoho 1995, *De-noising by soft-thresholding*; Parikh & Boyd 2014, *Proximal
    Algorithms*, §6.5.2.
    """
    w = jnp.asarray(w)
    if jnp.iscomplexobj(w):
        size = jnp.abs(w)
        shrunk = jnp.maximum(size - step, 0) / jnp.where(size > 0, size, 1)
        return w * shrunk.astype(w.dtype)
    return w - jnp.clip(w, -jnp.asarray(step, w.dtype), jnp.asarray(step, w.dtype))


def l2(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """Shrinkage: argmin_v step·Σ|v|² + ½‖v − w‖² = w / (1 + 2·step).

    No ½ in the penalty, hence the 2 (a library that penalises ½Σ|v|² divides by 1 + step).

    Args:
      w: array of any shape, real or complex.
      step: λ·s ≥ 0, a scalar or broadcastable to ``w``.

    Returns:
      Array of the shape of ``w``.

    >>> l2(jnp.array([3.0, -6.0]), 1.0)
    Array([ 1., -2.], dtype=float32)

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §6.1.1.
    """
    w = jnp.asarray(w)
    return w / (1 + 2 * jnp.asarray(step, jnp.finfo(w.dtype).dtype)).astype(w.dtype)

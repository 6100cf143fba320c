"""SLOPE, whose prox is the isotonic regression of sorted sizes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.calls import explained
from jaxreg.prox._entrywise import by_modulus
from jaxreg.prox._isotonic import decreasing


@explained
def slope(w: ArrayLike, step: ArrayLike, weights: ArrayLike) -> jax.Array:
    """argmin_v step·Σ weightsᵢ·|v|₍ᵢ₎ + ½‖v − w‖², with the sizes |v| in decreasing order.

    The sizes less step·weights, made decreasing by averaging neighbours that are not, and cut off
    at 0: entries of nearly equal size become equal.

    >>> slope(jnp.array([4.0, -3.5, 0.5]), 1.0, jnp.array([2.0, 1.0, 0.5]))
    Array([ 2.25, -2.25,  0.  ], dtype=float32)

    Args:
      w: an array; all its entries are sorted together.
      step: a scalar.
      weights: as many numbers ≥ 0 as entries, decreasing.

    References: Bogdan et al. 2015, *SLOPE: adaptive variable selection via convex optimization*
    (arXiv:1407.3824), algorithm 3.
    """
    w = jnp.asarray(w)
    step, weights = _numbers.real_like(step, w), _numbers.real_like(weights, w)

    def shrunk(size: jax.Array) -> jax.Array:
        flat = size.ravel()
        order = jnp.argsort(-flat)
        fitted = decreasing(flat[order] - step * weights)
        kept = jnp.where(fitted <= 0, 0, fitted)  # not `> 0`, or NaN would pass for 0
        return kept[jnp.argsort(order)].reshape(size.shape)

    return _numbers.split_as(by_modulus(_numbers.unsplit(w, w.ndim), shrunk), w)

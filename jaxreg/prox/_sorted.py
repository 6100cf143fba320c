"""SLOPE, whose prox is the isotonic regression of sorted sizes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg.prox._arguments import operator
from jaxreg.prox._entrywise import by_modulus
from jaxreg.prox._isotonic import decreasing


@operator
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
    weights = _checked(weights, w.size)
    step, weights = _numbers.real_like(step, w), _numbers.real_like(weights, w)

    def shrunk(size: jax.Array) -> jax.Array:
        flat = size.ravel()
        order = jnp.argsort(-flat)
        fitted = decreasing(flat[order] - step * weights)
        kept = jnp.where(fitted <= 0, 0, fitted)  # not `> 0`, or NaN would pass for 0
        return kept[jnp.argsort(order)].reshape(size.shape)

    return _numbers.split_as(by_modulus(_numbers.unsplit(w, w.ndim), shrunk), w)


def _checked(weights: Any, count: int) -> jax.Array:
    """The weights, once they are known to be as many as entries, and if known, decreasing."""
    found = _numbers.array("prox.slope: weights", weights)
    if found.shape != (count,):
        raise ValueError(
            f"prox.slope: weights: expected one for each of the {count} entries, got "
            f"{brief(weights)}"
        )
    if isinstance(weights, list | tuple | np.ndarray):
        known = np.asarray(weights)
        if not np.all((known >= 0) & (known < np.inf)) or np.any(np.diff(known) > 0):
            raise ValueError(
                f"prox.slope: weights: expected finite numbers ≥ 0 that decrease, got "
                f"{_numbers.show(known)}; sort them: weights[::-1] if they increase"
            )
    return found

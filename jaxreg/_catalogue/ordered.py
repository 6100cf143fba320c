"""Penalties in which the rank of an entry decides how much it counts: SLOPE."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import ndtri
from jax.typing import ArrayLike

from jaxreg import _numbers, prox
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty
from jaxreg._trees import pytree


@pytree
class Slope(Penalty):
    """The sorted L1 norm; see `slope`."""

    weights: Any = None  # one number for each rank, or
    q: Any = None  # the level that stands for them

    __name__ = "slope"
    convex: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True

    def misfit(self, w: jax.Array) -> str | None:
        if self.weights is None or len(self.weights) == w.size:
            return None
        return f"an array of {len(self.weights)} entries, one for each of its weights"

    def array_value(self, w: jax.Array) -> jax.Array:
        size = _numbers.modulus(_numbers.unsplit(w, w.ndim)).ravel()
        return jnp.sum(self._sequence(size.size, size.dtype) * -jnp.sort(-size))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.slope(w, step, self._sequence(w.size, jnp.finfo(w.dtype).dtype))

    def _sequence(self, count: int, dtype: Any) -> jax.Array:
        if self.weights is not None:
            return _numbers.cast(self.weights, dtype)
        rank = jnp.arange(1, count + 1, dtype=dtype)
        return -ndtri(_numbers.scalar("q", self.q, dtype) * rank / (2 * count))

    def __repr__(self) -> str:
        if self.weights is None:
            return f"slope(q={_numbers.show(self.q)})"
        return f"slope({_numbers.show(self.weights)})"


@explained
def slope(weights: Any = None, *, q: Any = None) -> Penalty:
    """SLOPE, the sorted L1 norm: the larger an entry beside the others, the more it counts.

    value(w) = Σᵢ weightsᵢ·|w|₍ᵢ₎, with |w|₍₁₎ ≥ |w|₍₂₎ ≥ … the sizes of the entries of an array;
    gradient sign(w)·weights of its rank, taken as 0 at 0 (one of several where sizes are equal);
    prox(w) = argmin_v step·value(v) + ½‖v − w‖², by isotonic regression of the sorted sizes.

    Sparse like ``l1``, and entries of nearly equal size become equal, so that correlated features
    are found together. With equal weights it is ``l1``, with the first alone not 0 the largest
    size, with linearly decreasing ones OSCAR. ``q`` stands for the weights of the Benjamini–
    Hochberg procedure, Φ⁻¹(1 − q·i/(2p)) for an array of p entries: in linear regression with
    orthonormal features and noise of size σ, strength σ holds the share of false discoveries
    below q. (With the loss ½·mean of n squares and features of size 1, that is strength σ/√n.)

    Every array is sorted by itself. Sorting and pooling take O(p) memory.

    >>> penalty = slope(jnp.array([2.0, 1.0, 0.5]))
    >>> params = {"w": jnp.array([-3.5, 4.0, 0.5])}
    >>> float(penalty(params))
    11.75
    >>> penalty.prox(params, step=1.0)
    {'w': Array([-2.25,  2.25,  0.  ], dtype=float32)}

    Args:
      weights: a decreasing sequence of numbers ≥ 0, as many as the array has entries.
      q: in its place, the level, between 0 and 1, for arrays of any size.

    Returns:
      A penalty: ``slope(weights)(params)`` is a real scalar, at least float32. A leaf with another
      number of entries raises a ValueError when it is applied.

    Raises:
      TypeError: if neither or both are given, or ``weights`` is no sequence of numbers.
      ValueError: if weights that are known are negative, not finite or increase; if ``q`` is a
        Python number that is not between 0 and 1.

    References: Bogdan et al. 2015, *SLOPE: adaptive variable selection via convex optimization*
    (arXiv:1407.3824); Bondell & Reich 2008, *Simultaneous regression shrinkage, variable selection,
    and supervised clustering of predictors with OSCAR*.
    """
    if (weights is None) == (q is None):
        raise TypeError(
            f"slope: expected weights or q, got {'neither' if q is None else 'both'}; write "
            f"slope(q=0.1)(params), or slope(weights)(params) with a decreasing sequence"
        )
    return Slope(q=_level(q)) if weights is None else Slope(_falling(weights))


def _level(q: Any) -> Any:
    q = _numbers.setting("slope", "q", q, above=0)
    if _numbers.is_python(q) and q >= 1:
        raise ValueError(
            f"slope: expected q between 0 and 1, got {q!r}; write slope(q=0.1)(params)"
        )
    return q


def _falling(weights: Any) -> Any:
    """The weights as an array, once they are known to be a sequence, and a decreasing one."""
    numbers = isinstance(weights, list | tuple) and all(map(_numbers.is_real, weights))
    numbers = numbers or (_numbers.is_numeric(weights) and not _numbers.is_python(weights))
    if not numbers or np.ndim(weights) != 1 or not np.size(weights):
        raise TypeError(
            f"slope: expected weights, a decreasing sequence of numbers, got {brief(weights)}; "
            f"write slope(jnp.linspace(2.0, 1.0, size))(params), or slope(q=0.1)(params)"
        )
    if isinstance(weights, Tracer):
        return weights
    known = np.array(weights, float)
    if not (np.all(np.isfinite(known)) and np.all(known >= 0) and np.all(np.diff(known) <= 0)):
        raise ValueError(
            f"slope: expected weights that are finite, ≥ 0 and decreasing, got {known[:6]}; sort "
            f"them: weights[::-1] if they increase"
        )
    return weights if isinstance(weights, jax.Array) else known

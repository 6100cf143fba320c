"""Conditions on every entry by itself: value 0 where they hold, ∞ elsewhere; prox, a projection.

The condition on the norms of groups, `max_norm`, is in `groups`.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxreg import _numbers, prox
from jaxreg._messages.calls import explained
from jaxreg._penalty.constraint import Constraint
from jaxreg._penalty.penalty import Penalty, ready_made
from jaxreg._trees import pytree


@pytree
class NonNegative(Constraint):
    """The constraint that no entry is negative.

    value(w) = 0 where all w ≥ 0, ∞ elsewhere; prox(w) = max(w, 0), the projection, for any step.

    For ``prox`` and `jaxreg.project`; it has no strength, and differentiating it raises.

    >>> params = {"kernel": jnp.array([3.0, -0.5])}
    >>> float(non_negative(params))
    inf
    >>> non_negative.prox(params, step=1.0)
    {'kernel': Array([3., 0.], dtype=float32)}

    Args:
      params: a pytree of real arrays.

    Returns:
      0 or ∞, a real scalar, at least float32.

    Raises:
      TypeError: if it is differentiated, multiplied by a number, or called with one.
      ValueError: if an array is complex.

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §6.2.4.
    """

    __name__ = "non_negative"
    entrywise: ClassVar[bool] = True
    interval: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True

    def misfit(self, w: jax.Array) -> str | None:
        return _unless_real(w)

    def contains(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        del rounding  # zero is exact in every dtype
        return jnp.all(w >= 0)

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.non_negative(w)


non_negative = ready_made(NonNegative())


@pytree
class Box(Constraint):
    """The constraint that every entry lies between two bounds; see `box`."""

    lower: Any
    upper: Any

    __name__ = "box"
    entrywise: ClassVar[bool] = True
    interval: ClassVar[bool] = True

    def misfit(self, w: jax.Array) -> str | None:
        return _unless_real(w)

    def contains(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        lower, upper = self._bounds(w.dtype)
        return jnp.all((w >= lower - rounding) & (w <= upper + rounding))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.box(w, *self._bounds(w.dtype))

    def _bounds(self, dtype: Any) -> tuple[jax.Array, jax.Array]:
        lower = _numbers.scalar("lower", self.lower, dtype)
        return lower, _numbers.scalar("upper", self.upper, dtype)


@explained
def box(lower: Any, upper: Any) -> Penalty:
    """The constraint that every entry lies in an interval.

    value(w) = 0 where lower ≤ w ≤ upper for all entries, ∞ elsewhere, up to the rounding of the
    dtype; prox(w) = clip(w, lower, upper), the projection, for any step.

    For ``prox`` and `jaxreg.project` (Wasserstein critics, physical bounds); it has no strength,
    and differentiating it raises.

    >>> constraint = box(lower=0.0, upper=1.0)
    >>> constraint.prox({"kernel": jnp.array([3.0, 0.5])}, step=1.0)
    {'kernel': Array([1. , 0.5], dtype=float32)}

    Args:
      lower: a number, array or traced value; −∞ for none.
      upper: likewise, ≥ lower; ∞ for none.

    Returns:
      A constraint: ``box(lower, upper)(params)`` is 0 or ∞, for real arrays.

    Raises:
      TypeError: if a bound is neither a number nor an array.
      ValueError: if a Python number is NaN, or lower > upper.

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §6.2.4.
    """
    lower, upper = _bound("lower", lower), _bound("upper", upper)
    if isinstance(lower, float) and isinstance(upper, float) and lower > upper:
        raise ValueError(f"box: expected lower ≤ upper, got {lower!r} and {upper!r}; exchange them")
    return Box(lower, upper)


def _bound(name: str, number: Any) -> Any:
    if isinstance(number, float | np.floating) and math.isinf(number):
        return float(number)
    return _numbers.setting("box", name, number, above=-math.inf)


def _unless_real(w: jax.Array) -> str | None:
    return "real numbers" if jnp.iscomplexobj(w) else None

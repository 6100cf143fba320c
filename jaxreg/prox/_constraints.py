"""Projections onto conditions on every entry."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg.prox._arguments import operator


@operator
def non_negative(w: ArrayLike) -> jax.Array:
    """Projection: argmin_v ½‖v − w‖² with v ≥ 0, that is max(w, 0).

    >>> non_negative(jnp.array([-2.0, 0.5]))
    Array([0. , 0.5], dtype=float32)
    """
    return optax.projections.projection_non_negative(jnp.asarray(w))


@operator
def box(w: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> jax.Array:
    """Projection: argmin_v ½‖v − w‖² with lower ≤ v ≤ upper.

    >>> box(jnp.array([-2.0, 0.5, 3.0]), lower=0.0, upper=1.0)
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    w = jnp.asarray(w)
    return optax.projections.projection_box(
        w, _numbers.real_like(lower, w), _numbers.real_like(upper, w)
    )

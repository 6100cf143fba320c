"""The prox of groups in a diagonal metric, ½Σ|v − w|²/steps: a step for every entry.

With one step for all, `jaxreg.prox` has the closed forms. Here the entries of a group shrink
unevenly, and how much depends on one number t per group, the root of

    ‖z/(base + t·slope)‖ = level.

The reciprocal of the left side is a power mean of affine functions: concave and increasing in t.
Newton's method on it, begun below the root, therefore climbs to it without ever passing it.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxreg import _numbers

NEWTON_STEPS = 16  # enough where the steps of one group span twenty orders of magnitude


def group_lasso(w: jax.Array, steps: jax.Array, axis: Any) -> jax.Array:
    """argmin_v Σ_G ‖v_G‖ + ½Σ|v − w|²/steps: v = w·ν/(ν + steps) with ν = ‖v_G‖.

    A group is 0 where ‖w/steps‖ ≤ 1; elsewhere ν is the root of ‖w/(ν + steps)‖ = 1, in
    [0, ‖w‖].

    References: Yun, Lozano & Yang 2021, *Adaptive proximal gradient methods for structured neural
    networks*.
    """
    small, size = _numbers.scaled(w, axis)
    shrink = steps / size
    modulus = jnp.abs(small)
    still = shrink == 0
    ratio = jnp.where(still, jnp.where(modulus == 0, 0, jnp.inf), modulus / _safe(still, shrink))
    gone = _numbers.norm(ratio, axis) <= 1  # not `> 1`, or NaN would pass for 0
    length = _numbers.norm(small, axis)
    far, near = jnp.max(shrink, axis, keepdims=True), jnp.max(modulus - shrink, axis, keepdims=True)
    start = jnp.maximum(jnp.maximum(length - far, near), 0)
    root = jnp.minimum(_root(modulus, shrink, jnp.ones_like(shrink), start, 1.0, axis), length)
    reach = root + shrink
    factor = root / _safe(reach == 0, reach)
    return w * jnp.where(gone, 0, factor).astype(w.dtype)


def max_norm(w: jax.Array, bound: jax.Array, steps: jax.Array, axis: Any) -> jax.Array:
    """argmin_v ½Σ|v − w|²/steps with ‖v_G‖ ≤ bound: v = w/(1 + μ·steps), μ ≥ 0 as small as can be.

    Only the ratios of the steps within a group count. Where a step is 0, which would hold its
    entry fast and might leave nothing within the bound, it counts as the least that the dtype
    tells from the others; where all are, as equal.
    """
    small, size = _numbers.scaled(w, axis)
    level = bound / size
    largest = jnp.max(steps, axis, keepdims=True)
    ratios = jnp.where(largest == 0, 1, steps / _safe(largest == 0, largest))
    ratios = jnp.maximum(ratios, jnp.finfo(ratios.dtype).eps)
    length = _numbers.norm(small, axis)
    inside = length <= level
    reachable = _safe(inside | (level == 0), level)
    start = jnp.where(inside, 0, length / reachable - 1)
    root = _root(jnp.abs(small), jnp.ones_like(ratios), ratios, start, reachable, axis)
    moved = small / (1 + root * ratios).astype(w.dtype)
    fitted = moved * (level / _safe(inside, _numbers.norm(moved, axis))).astype(w.dtype)
    return jnp.where(inside, w, fitted * size.astype(w.dtype))


def _root(
    modulus: jax.Array, base: jax.Array, slope: jax.Array, start: jax.Array, level: Any, axis: Any
) -> jax.Array:
    """t with ‖modulus/(base + t·slope)‖ = level for every group, from a start that is not above."""

    def newton(_: Any, t: jax.Array) -> jax.Array:
        reach = base + t * slope
        reach = _safe(reach == 0, reach)
        ratio = modulus / reach
        square = jnp.sum(ratio**2, axis, keepdims=True)
        fall = jnp.sum(ratio**2 * (slope / reach), axis, keepdims=True)
        rise = (jnp.sqrt(square) / level - 1) * square / _safe(fall == 0, fall)
        return t + jnp.maximum(rise, 0)

    return lax.fori_loop(0, NEWTON_STEPS, newton, start)


def _safe(forbidden: jax.Array, denominator: jax.Array) -> jax.Array:
    return jnp.where(forbidden, 1, denominator)

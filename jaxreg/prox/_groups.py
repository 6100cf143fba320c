"""Groups of entries, whose norms shrink or are bounded."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg.prox._arguments import operator
from jaxreg.prox._nonconvex import mcp, scad


@operator
def group_lasso(w: ArrayLike, step: ArrayLike, axis: int | tuple[int, ...]) -> jax.Array:
    """Group soft threshold: argmin_v step·Σ_G ‖v_G‖ + ½‖v − w‖² = w_G·max(0, 1 − step/‖w_G‖).

    A group is what shares its index on all axes but ``axis``; it becomes 0 as a whole.

    >>> group_lasso(jnp.array([[3.0, 0.3], [4.0, 0.4]]), 1.0, axis=0)
    Array([[2.4, 0. ],
           [3.2, 0. ]], dtype=float32)

    References: Yuan & Lin 2006, *Model selection and estimation in regression with grouped
    variables*.
    """

    def factor(size: jax.Array, step: jax.Array) -> jax.Array:
        gone = size <= step  # not `size > step`, or NaN would pass for 0
        return jnp.where(gone, 0, 1 - step / jnp.where(gone, 1, size))

    return _group_by_group(jnp.asarray(w), axis, step, factor)


@operator
def group_mcp(
    w: ArrayLike, step: ArrayLike, gamma: ArrayLike, axis: int | tuple[int, ...]
) -> jax.Array:
    """argmin_v step·Σ_G m(‖v_G‖) + ½‖v − w‖²: `mcp` of the norms, directions kept.

    A group is what shares its index on all axes but ``axis``.

    >>> group_mcp(jnp.array([[3.0, 0.3], [4.0, 0.4]]), 1.0, gamma=2.0, axis=0)
    Array([[3., 0.],
           [4., 0.]], dtype=float32)

    References: Huang, Breheny & Ma 2012, *A selective review of group selection in high-dimensional
    models* (arXiv:1204.6491).
    """

    def factor(size: jax.Array, step: jax.Array) -> jax.Array:
        return mcp(size, step, gamma) / jnp.where(size == 0, 1, size)

    return _group_by_group(jnp.asarray(w), axis, step, factor, gamma)


@operator
def group_scad(
    w: ArrayLike, step: ArrayLike, a: ArrayLike, axis: int | tuple[int, ...]
) -> jax.Array:
    """argmin_v step·Σ_G f(‖v_G‖) + ½‖v − w‖²: `scad` of the norms, directions kept.

    A group is what shares its index on all axes but ``axis``.

    >>> group_scad(jnp.array([[3.0, 0.3], [4.0, 0.4]]), 1.0, a=3.0, axis=0)
    Array([[3., 0.],
           [4., 0.]], dtype=float32)

    References: Wang, Chen & Li 2007, *Group SCAD regression analysis for microarray time course
    gene expression data*.
    """

    def factor(size: jax.Array, step: jax.Array) -> jax.Array:
        return scad(size, step, a) / jnp.where(size == 0, 1, size)

    return _group_by_group(jnp.asarray(w), axis, step, factor, a)


@operator
def max_norm(w: ArrayLike, bound: ArrayLike, axis: int | tuple[int, ...]) -> jax.Array:
    """Projection: argmin_v ½‖v − w‖² with ‖v_G‖ ≤ bound for every group, as in `group_lasso`.

    Longer groups are scaled to length ``bound``, shorter ones stay as they are.
    (`optax.projections.projection_l2_ball` squares entries, which overflows at 1e20 in float32.)

    >>> max_norm(jnp.array([[3.0, 0.3], [4.0, 0.4]]), bound=1.0, axis=0)
    Array([[0.6, 0.3],
           [0.8, 0.4]], dtype=float32)

    References: Srebro, Rennie & Jaakkola 2004, *Maximum-margin matrix factorization*.
    """

    def factor(size: jax.Array, bound: jax.Array) -> jax.Array:
        inside = size <= bound
        return jnp.where(inside, 1, bound / jnp.where(inside, 1, size))

    return _group_by_group(jnp.asarray(w), axis, bound, factor)


def _group_by_group(
    w: jax.Array,
    axis: int | tuple[int, ...],
    limit: ArrayLike,
    factor: Callable[[jax.Array, jax.Array], jax.Array],
    least: ArrayLike = jnp.inf,
) -> jax.Array:
    """Every group times ``factor(its norm, limit)``.

    That is constant for norms up to ``limit`` or ``least``, which need not be told from 0. Low
    precision is widened twice, with a barrier between, so that no float32 copy is kept.
    """
    again, wide = w, _numbers.widen(w)
    limit, least = _numbers.real_like(limit, wide), _numbers.real_like(least, wide)
    size = _numbers.norm(w, axis, jnp.minimum(limit, least))
    if w.dtype != wide.dtype:
        size, again = jax.lax.optimization_barrier((size, w))
    again = _numbers.widen(again)
    return (again * factor(size, limit).astype(again.dtype)).astype(w.dtype)

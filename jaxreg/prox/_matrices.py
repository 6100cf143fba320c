"""Singular values of the last two axes."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg.prox._arguments import operator


@operator
def nuclear(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """argmin_V step·Σσᵢ(V) + ½‖V − W‖²: the singular values are soft-thresholded.

    >>> nuclear(jnp.diag(jnp.array([3.0, 0.5])), 1.0)
    Array([[2., 0.],
           [0., 0.]], dtype=float32)

    Args:
      w: matrix, or a batch of matrices in the last two axes.
      step: a scalar, or one for each matrix, of shape (…, 1, 1).

    References: Cai, Candès & Shen 2010, *A singular value thresholding algorithm for matrix
    completion* (arXiv:0810.3286).
    """
    w = jnp.asarray(w)
    return _by_singular_value(w, step, lambda s, step: jnp.maximum(s - step[..., None], 0))


@operator
def spectral(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """argmin_V step·σ₁(V) + ½‖V − W‖²: the largest singular values are cut to one level.

    By Moreau's identity it is W minus its projection onto the nuclear-norm ball of radius step.

    >>> spectral(jnp.diag(jnp.array([4.0, 2.0, 0.5])), 4.0)
    Array([[1. , 0. , 0. ],
           [0. , 1. , 0. ],
           [0. , 0. , 0.5]], dtype=float32)

    Args:
      w: matrix, or a batch of matrices in the last two axes.
      step: a scalar, or one for each matrix, of shape (…, 1, 1).

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §6.7.3; Duchi et al. 2008, *Efficient
    projections onto the l1-ball for learning in high dimensions*.
    """
    w = jnp.asarray(w)
    return _by_singular_value(w, step, jnp.vectorize(_cut, signature="(n),()->(n)"))


@jax.jit  # outside jit, too, one program instead of dozens
def _cut(s: jax.Array, step: jax.Array) -> jax.Array:
    """``s`` ≥ 0 minus its projection onto the l1 ball of radius ``step``."""
    small, size = _numbers.scaled(s)
    radius = jnp.maximum(step / size[0], jnp.finfo(s.dtype).eps ** 2)  # it divides by the radius
    with jax.numpy_dtype_promotion("standard"):  # it mixes integers and floats
        projected = optax.projections.projection_simplex(small, radius).astype(s.dtype)
    return size * jnp.where(jnp.sum(small) <= radius, 0, small - projected)


def _by_singular_value(
    w: jax.Array, step: ArrayLike, change: Callable[[jax.Array, jax.Array], jax.Array]
) -> jax.Array:
    step = _numbers.real_like(step, w)
    u, s, vh = _numbers.svd(w)
    of_matrix = step[..., 0, 0] + jnp.zeros_like(s[..., 0]) if step.ndim else step  # split as s is
    changed = change(s, of_matrix)[..., None, :].astype(u.dtype)
    moved = jnp.matmul(u * changed, vh, precision="highest")
    return jnp.where(step == 0, w, _numbers.split_as(moved, w))

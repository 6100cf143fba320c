"""What regularization does to parameters, in numbers: size, sparsity, rank, capacity.

How far a step turns them is in `_rotation`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.calls import explained
from jaxreg._trees import Leaf
from jaxreg.diagnostics._chosen import Axis, chosen, group_sizes, size

NEAR = 1e-3  # of the largest: below this an entry or a group is nearly zero


@explained
def norms(params: Any, *, where: Any = None) -> dict[str, jax.Array]:
    """The L2 norm of every parameter: ‖w‖ = √Σ|w|².

    >>> norms({"kernel": jnp.array([3.0, -4.0])})
    {'kernel': Array(5., dtype=float32)}

    Args:
      params: a tree of arrays.
      where: which leaves, as for `jaxreg.where`; None for all.

    Returns:
      {name: ‖w‖}, at least float32.
    """
    return {leaf.name: size(_numbers.widen(leaf.value)) for leaf in chosen(params, where)}


class Sparsity(NamedTuple):
    """Fractions between 0 and 1 of the entries or groups of a parameter.

    Attributes:
      exact: those that are exactly zero.
      near: those that are zero or at most 10⁻³ of the largest.
    """

    exact: Any
    near: Any


@explained
def sparsity(params: Any, *, where: Any = None, axis: Axis = None) -> dict[str, Sparsity]:
    """How much of every parameter is zero, and how much is zero or nearly so.

    exact = #{w = 0} / size, near = #{|w| ≤ 10⁻³·max|w|} / size. With ``axis`` the same of the
    norms of groups: whole rows, columns, filters or channels. Only a proximal step gives exact
    zeros; gradient steps on a penalty give near ones at best.

    >>> sparsity({"kernel": jnp.array([[0.0, 0.0], [0.0, 3.0]])})["kernel"].exact
    Array(0.75, dtype=float32)
    >>> sparsity({"kernel": jnp.array([[0.0, 0.0], [0.0, 3.0]])}, axis=0)["kernel"].exact
    Array(0.5, dtype=float32)

    Args:
      params: a tree of arrays.
      where: which leaves, as for `jaxreg.where`; None for all.
      axis: what the norm of a group runs over, as for `jaxreg.group_lasso`; None for entries.

    Returns:
      {name: (exact, near)}.

    Raises:
      ValueError: if a leaf lacks one of the axes.
    """
    return {leaf.name: _sparsity(leaf, axis) for leaf in chosen(params, where)}


def _sparsity(leaf: Leaf, axis: Axis) -> Sparsity:
    w = _numbers.widen(leaf.value)
    sizes = jnp.abs(w) if axis is None else group_sizes("sparsity", leaf, axis)
    small = sizes <= NEAR * jnp.max(sizes, initial=0)
    return Sparsity(_fraction(sizes == 0), _fraction(small))


def _fraction(flags: jax.Array) -> jax.Array:
    return jnp.sum(flags, dtype=jnp.float32) / max(flags.size, 1)


@explained
def stable_rank(params: Any, *, where: Any = None) -> dict[str, jax.Array]:
    """‖W‖_F² / σ₁², between 1 and the rank: how many directions a matrix really uses.

    It changes little when small singular values do, unlike the rank. Weight decay and ``nuclear``
    lower it. Matrices are the last two axes; leading axes (stacked layers, positions of a
    convolution's filter) are a batch. It costs the singular values.

    >>> stable_rank({"kernel": jnp.diag(jnp.array([2.0, 2.0, 0.0]))})
    {'kernel': Array(2., dtype=float32)}

    Args:
      params: a tree of arrays.
      where: which leaves, as for `jaxreg.where`; None for all.

    Returns:
      {name: stable rank, of the shape of the leading axes}, for leaves of at least two axes; 0
      for a matrix of zeros.

    References: Rudelson & Vershynin 2007, *Sampling from large matrices*
    (arXiv:math/0503442).
    """
    leaves = (leaf for leaf in chosen(params, where) if jnp.ndim(leaf.value) >= 2)
    return {leaf.name: _stable_rank(_numbers.widen(leaf.value)) for leaf in leaves}


def _stable_rank(w: jax.Array) -> jax.Array:
    if not w.size:
        return jnp.zeros(w.shape[:-2], _numbers.real_dtype(w.dtype))
    s = _singular_values(_numbers.scaled(w, (-2, -1))[0])
    largest = jnp.max(s, axis=-1)
    ratios = s / jnp.where(largest > 0, largest, 1)[..., None]
    return jnp.sum(jnp.square(ratios), axis=-1)


def _singular_values(w: jax.Array) -> jax.Array:
    """Of each matrix, largest first; NaN where it is not finite: LAPACK may never return from ∞."""
    w = _numbers.unsplit(w)
    return jnp.linalg.svd(jnp.where(jnp.isfinite(w), w, jnp.nan), compute_uv=False)


@explained
def degrees_of_freedom(
    features: ArrayLike, strength: ArrayLike, *, half: bool = False, intercept: bool = False
) -> jax.Array:
    """The effective number of parameters of ridge regression: Σ dᵢ/(dᵢ + nλ).

    dᵢ are the eigenvalues of XᵀX, and n counts the examples: jaxreg's loss is mean (y − Xw)² +
    λ‖w‖², whose fitted values are Hy with H = X(XᵀX + nλI)⁻¹Xᵀ, and this is the trace of H. It
    falls from the rank of X at λ = 0 to 0, and makes strengths comparable between data sets.

    >>> degrees_of_freedom(jnp.diag(jnp.array([2.0, 1.0])), 0.5)
    Array(1.3, dtype=float32)

    Args:
      features: X, of shape (examples, features).
      strength: λ ≥ 0.
      half: whether the data loss is ½·mean (y − Xw)²; then 2nλ stands in the place of nλ.
      intercept: whether a constant that is not penalised is fitted too: X is centred, and the
        constant counts 1.

    Returns:
      A scalar.

    Raises:
      ValueError: if ``features`` is no matrix, or ``strength`` a negative Python number.

    References: Hastie, Tibshirani & Friedman 2009, *The Elements of Statistical Learning*, §3.4.1.
    """
    x = _numbers.widen(_numbers.array("degrees_of_freedom: features", features))
    if x.ndim != 2:
        raise ValueError(
            f"degrees_of_freedom: expected features of shape (examples, features), got {x.shape}; "
            f"flatten each example: x.reshape(len(x), -1)"
        )
    x = x - jnp.mean(x, axis=0) if intercept else x
    s = _singular_values(x)
    d = jnp.square(jnp.where(s <= s[:1] * max(x.shape) * jnp.finfo(s.dtype).eps, 0, s))
    strength = _numbers.scalar("strength", _numbers.checked("strength", strength), d.dtype)
    shrunk = d / jnp.where(d == 0, 1, d + (2 if half else 1) * len(x) * strength)
    return jnp.sum(shrunk) + int(intercept)

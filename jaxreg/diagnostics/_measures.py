"""What regularization does to parameters, in numbers: size, sparsity, rank, rotation, capacity.

Every function takes a tree and returns a number or an array for each parameter, by name, so that
it can be jitted, logged and compared between frameworks. A single array has the name ``""``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers, _trees
from jaxreg._messages.calls import explained
from jaxreg._select.select import where as rule
from jaxreg._trees import Leaf, leaves_of

Axis = int | tuple[int, ...] | None
NEAR = 1e-3  # of the largest: below this an entry or a group is nearly zero


@explained
def norms(params: Any, *, where: Any = None) -> dict[str, jax.Array]:
    """The L2 norm of every parameter: ‖w‖ = √Σ|w|².

    Args:
      params: a tree of arrays.
      where: which leaves, as for `jaxreg.where`; None for all.

    Returns:
      {name: ‖w‖}, at least float32.

    >>> norms({"kernel": jnp.array([3.0, -4.0])})
    {'kernel': Array(5., dtype=float32)}
    """
    return {leaf.name: _size(_numbers.widen(leaf.value)) for leaf in chosen(params, where)}


class Sparsity(NamedTuple):
    """Fractions between 0 and 1 of entries or groups: exactly zero, and zero or nearly so."""

    exact: Any
    near: Any


@explained
def sparsity(params: Any, *, where: Any = None, axis: Axis = None) -> dict[str, Sparsity]:
    """How much of every parameter is zero, and how much is zero or nearly so.

    exact = #{w = 0} / size, near = #{|w| ≤ 10⁻³·max|w|} / size. With ``axis`` the same of the
    norms of groups: whole rows, columns, filters or channels. Only a proximal step gives exact
    zeros; gradient steps on a penalty give near ones at best.

    Args:
      params: a tree of arrays.
      where: which leaves, as for `jaxreg.where`; None for all.
      axis: what the norm of a group runs over, as for `jaxreg.group_lasso`; None for entries.

    Returns:
      {name: (exact, near)}.

    Raises:
      ValueError: if a leaf lacks one of the axes.

    >>> sparsity({"kernel": jnp.array([[0.0, 0.0], [0.0, 3.0]])})["kernel"].exact
    Array(0.75, dtype=float32)
    >>> sparsity({"kernel": jnp.array([[0.0, 0.0], [0.0, 3.0]])}, axis=0)["kernel"].exact
    Array(0.5, dtype=float32)
    """
    return {leaf.name: _sparsity(leaf, axis) for leaf in chosen(params, where)}


def _sparsity(leaf: Leaf, axis: Axis) -> Sparsity:
    w = _numbers.widen(leaf.value)
    sizes = jnp.abs(w) if axis is None else _group_sizes("sparsity", leaf, axis)
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

    Args:
      params: a tree of arrays.
      where: which leaves, as for `jaxreg.where`; None for all.

    Returns:
      {name: stable rank, of the shape of the leading axes}, for leaves of at least two axes; 0
      for a matrix of zeros.

    >>> stable_rank({"kernel": jnp.diag(jnp.array([2.0, 2.0, 0.0]))})
    {'kernel': Array(2., dtype=float32)}

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


Optimizer = Literal["sgd", "adam", "lion"]
DEGREES: dict[str, int] = {"sgd": 2, "adam": 1, "lion": 1}


@explained
def effective_learning_rate(
    learning_rate: ArrayLike,
    params: Any,
    optimizer: Optimizer = "sgd",
    *,
    where: Any = None,
    axis: Axis = None,
) -> dict[str, jax.Array]:
    """The learning rate that a scale-invariant parameter feels: η/‖w‖² (SGD), η/‖w‖ (Adam, Lion).

    Where a normalisation layer follows, the loss depends on the direction w/‖w‖ alone, and a
    gradient step of SGD turns it as one of η/‖w‖² would turn a unit vector. Weight decay acts on
    such weights only through this number. It says nothing of weights that are not normalised:
    select those that are.

    Args:
      learning_rate: η, of the schedule at this step; for momentum μ give η/(1 − μ).
      params: a tree of arrays.
      optimizer: ``"sgd"``, whose step is proportional to the gradient, or ``"adam"`` or
        ``"lion"``, whose step does not depend on its size (AdamW and others of the kind too).
      where: which leaves, as for `jaxreg.where`; None for all.
      axis: what the norm runs over, where each unit is normalised by itself: 0 for a Dense kernel
        (in, out) under batch normalisation. None for the whole array.

    Returns:
      {name: effective learning rate}, an array over the groups with ``axis``; ∞ for zero weights.

    Raises:
      ValueError: if ``optimizer`` is another word, or if a leaf lacks one of the axes.

    >>> effective_learning_rate(0.1, {"kernel": jnp.array([3.0, -4.0])}, "sgd")
    {'kernel': Array(0.004, dtype=float32)}
    >>> effective_learning_rate(0.1, {"kernel": jnp.array([3.0, -4.0])}, "adam")
    {'kernel': Array(0.02, dtype=float32)}

    References: van Laarhoven 2017, *L2 regularization versus batch and weight normalization*
    (arXiv:1706.05350); Hoffer et al. 2018, *Norm matters* (arXiv:1803.01814).
    """
    if optimizer not in DEGREES:
        raise ValueError(
            f"effective_learning_rate: expected optimizer 'sgd', 'adam' or 'lion', got "
            f"{optimizer!r}; 'sgd' if its step grows with the gradient, 'adam' if it does not"
        )
    rate = _numbers.checked("learning_rate", learning_rate)
    return {
        leaf.name: _rate(rate, _group_sizes("effective_learning_rate", leaf, axis), optimizer)
        for leaf in chosen(params, where)
    }


def _rate(rate: Any, size: jax.Array, optimizer: Optimizer) -> jax.Array:
    rate = _numbers.scalar("learning_rate", rate, size.dtype)
    return rate / size if DEGREES[optimizer] == 1 else rate / size / size


@explained
def angular_update(
    params: Any, previous: Any, *, where: Any = None, axis: Axis = None
) -> dict[str, jax.Array]:
    """The angle between every parameter and what it was, in radians: ∠(w, w₀) between 0 and π.

    Of weights under normalisation it is all that a step does. At equilibrium with weight decay it
    is the same for all units, √(2ηλ') a step for SGD and √(2ηλ'(1 − β₁)/(1 + β₁)) for AdamW, with
    λ' the decay added to the gradient or decoupled with η. Exact for small angles, where the
    arccosine loses all digits.

    Args:
      params: a tree of arrays.
      previous: a tree like it, some steps ago.
      where: which leaves, as for `jaxreg.where`; None for all.
      axis: what a vector runs over, as for `jaxreg.group_lasso`: 0 gives an angle for each unit
        of a Dense kernel (in, out). None for the whole array as one vector.

    Returns:
      {name: angle}, an array over the groups with ``axis``. Between zero and a vector it is π/2,
      between zero and zero 0.

    Raises:
      ValueError: if ``previous`` lacks a leaf or has it in another shape, or if a leaf lacks one
        of the axes.

    >>> angular_update(jnp.array([0.0, 1.0]), jnp.array([2.0, 0.0]))
    {'': Array(1.5707964, dtype=float32)}

    References: Kosson, Messmer & Jaggi 2024, *Rotational equilibrium* (arXiv:2305.17212).
    """
    leaves = chosen(params, where)
    rows = zip(leaves, matching("previous", previous, leaves), strict=True)
    return {leaf.name: _angle(leaf, old, axis) for leaf, old in rows}


def _angle(leaf: Leaf, previous: Any, axis: Axis) -> jax.Array:
    """2·atan2(‖a − b‖, ‖a + b‖) for the two unit vectors."""
    _require_axis("angular_update", leaf, axis)
    w = _numbers.widen(leaf.value)
    a, b = _unit(w, axis), _unit(_numbers.widen(previous).astype(w.dtype), axis)
    return 2 * jnp.arctan2(_size(a - b, axis), _size(a + b, axis))


def _unit(w: jax.Array, axis: Axis) -> jax.Array:
    size = _numbers.norm(w, axis)
    small = _numbers.scaled(w, axis)[0]  # denormal norms have no digits to divide by
    length = jnp.where(size > 0, _numbers.norm(small, axis), 1)
    return small / length.astype(w.dtype)


@explained
def degrees_of_freedom(
    features: ArrayLike, strength: ArrayLike, *, half: bool = False, intercept: bool = False
) -> jax.Array:
    """The effective number of parameters of ridge regression: Σ dᵢ/(dᵢ + nλ).

    dᵢ are the eigenvalues of XᵀX, and n counts the examples: jaxreg's loss is mean (y − Xw)² +
    λ‖w‖², whose fitted values are Hy with H = X(XᵀX + nλI)⁻¹Xᵀ, and this is the trace of H. It
    falls from the rank of X at λ = 0 to 0, and makes strengths comparable between data sets.

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

    >>> degrees_of_freedom(jnp.diag(jnp.array([2.0, 1.0])), 0.5)
    Array(1.3, dtype=float32)

    References: Hastie, Tibshirani & Friedman 2009, *The Elements of Statistical Learning*, §3.4.1.
    """
    x = _numbers.widen(features)
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


def chosen(params: Any, where: Any) -> list[Leaf]:
    """The leaves that a rule selects, of a tree that holds parameters."""
    leaves = leaves_of("diagnostics", params)
    return list(itertools.compress(leaves, rule(where).selected(leaves)))


def matching(argument: str, tree: Any, leaves: Sequence[Leaf]) -> list[Any]:
    """The arrays of another tree at the same names."""
    values = {leaf.name: leaf.value for leaf in _trees.leaves(tree)}
    for leaf in leaves:
        found = jnp.shape(values[leaf.name]) if leaf.name in values else "nothing"
        if found != jnp.shape(leaf.value):
            raise ValueError(
                f"{argument}: expected a tree like the parameters, with shape "
                f"{jnp.shape(leaf.value)} at {leaf.name or 'the array'}, got {found}"
            )
    return [values[leaf.name] for leaf in leaves]


def _size(w: jax.Array, axis: Axis = None) -> jax.Array:
    return jnp.squeeze(_numbers.norm(w, axis), axis)


def _group_sizes(function: str, leaf: Leaf, axis: Axis) -> jax.Array:
    _require_axis(function, leaf, axis)
    return _size(_numbers.widen(leaf.value), axis)


def _require_axis(function: str, leaf: Leaf, axis: Axis) -> None:
    shape = jnp.shape(leaf.value)
    axes = () if axis is None else (axis,) if isinstance(axis, int) else axis
    if any(not -len(shape) <= a < len(shape) for a in axes):
        raise ValueError(
            f"{function}: expected an array with axis {axis}, got shape {shape} at "
            f"{leaf.name or 'the array'}; select the leaves that are meant: where=jaxreg.weights"
        )

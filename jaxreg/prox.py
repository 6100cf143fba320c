"""Proximal operators and projections of one array: each docstring is its argmin.

``step`` is the product of the penalty's strength λ and the length s of the step, so that

    prox(w, step) = argmin_v  step·f(v) + ½‖v − w‖²        for the unit penalty f.

These are the mathematics behind ``penalty.prox``, which applies them to trees, selections, sums
and low-precision dtypes; call that on parameters, and these on a single array. Everywhere ``w`` is
an array of any shape, and ``step`` ≥ 0 and the settings are scalars or broadcastable to it (in
`group_lasso` and `max_norm`: to one number per group); the result has the shape and dtype of ``w``.
Complex entries keep their phase. A step of 0 moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.calls import explained
from jaxreg._messages.names import absent


@explained
def l1(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """Soft threshold: argmin_v step·Σ|v| + ½‖v − w‖², entrywise.

    Real entries move towards zero by ``step`` and stop there, exactly; complex ones shrink in
    modulus. The solution of a Lasso whose features are orthonormal.

    >>> l1(jnp.array([-2.0, 0.5, 3.0]), 1.0)
    Array([-1.,  0.,  2.], dtype=float32)

    References: Donoho 1995, *De-noising by soft-thresholding*; Parikh & Boyd 2014, *Proximal
    Algorithms*, §6.5.2.
    """
    w = jnp.asarray(w)
    step = _real(step, w)
    if jnp.iscomplexobj(w):
        return _entrywise(w, lambda size: jnp.maximum(size - step, 0))
    return w - jnp.clip(w, -step, step)


@explained
def l2(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """Shrinkage: argmin_v step·Σ|v|² + ½‖v − w‖² = w / (1 + 2·step).

    No ½ in the penalty, hence the 2 (a library that penalises ½Σ|v|² divides by 1 + step).

    >>> l2(jnp.array([3.0, -6.0]), 1.0)
    Array([ 1., -2.], dtype=float32)

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §6.1.1.
    """
    w = jnp.asarray(w)
    return w / (1 + 2 * _real(step, w)).astype(w.dtype)


@explained
def huber(w: ArrayLike, step: ArrayLike, delta: ArrayLike) -> jax.Array:
    """argmin_v step·Σ h(v) + ½‖v − w‖², with h(v) = ½|v|² up to delta, delta·(|v| − ½delta) beyond.

    Where |w| ≤ delta·(1 + step) it is w / (1 + step), beyond a shift by step·delta.

    >>> huber(jnp.array([1.0, -5.0]), 1.0, delta=2.0)
    Array([ 0.5, -3. ], dtype=float32)

    References: Beck 2017, *First-Order Methods in Optimization*, §6.7.1.
    """
    w = jnp.asarray(w)
    step, delta = _real(step, w), _real(delta, w)
    return _entrywise(w, lambda size: jnp.maximum(size / (1 + step), size - step * delta))


@explained
def log_sum(w: ArrayLike, step: ArrayLike, eps: ArrayLike) -> jax.Array:
    """argmin_v step·Σ log(1 + |v|/eps) + ½‖v − w‖², the global one; of two equal ones, 0.

    The stationary points solve (|w| − v)(eps + v) = step. Where step ≤ eps² the objective is
    convex and the larger root, if positive, is the minimiser; otherwise it competes with 0.

    >>> log_sum(jnp.array([1.0, 4.0]), 1.0, eps=1.0)
    Array([0.      , 3.791288], dtype=float32)

    References: Candès, Wakin & Boyd 2008, *Enhancing sparsity by reweighted l1 minimization*
    (arXiv:0711.1612); Prater-Bennette, Shen & Tripp 2022, *The proximity operator of the log-sum
    penalty* (arXiv:2103.02681).
    """
    w = jnp.asarray(w)
    step, eps = _real(step, w), _real(eps, w)

    def shrunk(size: jax.Array) -> jax.Array:
        root = _larger_root(size, step, eps)
        gain = root * (size - root / 2) - step * jnp.log1p(root / eps)  # objective at 0 − at root
        best = jnp.where((step > eps**2) & (gain <= 0), 0, root)
        return jnp.where(step == 0, size, best)

    return _entrywise(w, shrunk)


def _larger_root(size: jax.Array, step: jax.Array, eps: jax.Array) -> jax.Array:
    """The larger v with (size − v)(eps + v) = step, or 0 where it is not positive or not real."""
    reach = size + eps
    inside = 1 - 4 * (step / reach) / reach
    real = inside > 0
    distance = reach * jnp.sqrt(jnp.where(real, inside, 1))
    beyond = size > eps  # two forms, neither of which subtracts nearly equal numbers
    small = 2 * (size * eps - step) / (jnp.where(beyond, 0, eps - size) + distance)
    root = jnp.where(beyond, (size - eps + distance) / 2, small)
    return jnp.where(real, jnp.maximum(root, 0), 0)


@explained
def mcp(w: ArrayLike, step: ArrayLike, gamma: ArrayLike) -> jax.Array:
    """argmin_v step·Σ m(v) + ½‖v − w‖², m(v) = |v| − |v|²/(2·gamma) up to gamma, ½gamma beyond.

    Firm threshold: 0 up to step, w from gamma on, straight in between. Where step ≥ gamma the
    objective is concave in between, and the global minimiser is a hard threshold at √(gamma·step);
    of two equal ones, 0.

    >>> mcp(jnp.array([0.5, 1.5, 3.0]), 1.0, gamma=2.0)
    Array([0., 1., 3.], dtype=float32)

    References: Zhang 2010, *Nearly unbiased variable selection under minimax concave penalty*
    (arXiv:1002.4734).
    """
    w = jnp.asarray(w)
    step, gamma = _real(step, w), _real(gamma, w)
    firm = step < gamma
    slope = 1 / (1 - jnp.where(firm, step / gamma, 0))
    threshold = jnp.where(firm, gamma, jnp.sqrt(gamma) * jnp.sqrt(jnp.where(firm, 1, step)))

    def shrunk(size: jax.Array) -> jax.Array:
        below = jnp.where(firm, jnp.maximum(size - step, 0) * slope, 0)
        return jnp.where(size <= threshold, below, size)

    return _entrywise(w, shrunk)


@explained
def scad(w: ArrayLike, step: ArrayLike, a: ArrayLike) -> jax.Array:
    """argmin_v step·Σ f(v) + ½‖v − w‖², where f has slope 1 up to 1, 0 from a on, a line between.

    A soft threshold while |w| ≤ 1 + step, w itself from a on, straight in between. Where
    step ≥ a − 1 the objective is concave in between, and the global minimiser jumps from the soft
    threshold to w, at ½(a + 1 + step) or, for step ≥ a + 1, at √((a + 1)·step); of two equal
    ones, the smaller.

    >>> scad(jnp.array([1.5, 3.0, 4.0]), 1.0, a=3.0)
    Array([0.5, 3. , 4. ], dtype=float32)

    References: Fan & Li 2001, *Variable selection via nonconcave penalized likelihood and its
    oracle properties*.
    """
    w = jnp.asarray(w)
    step, a = _real(step, w), _real(a, w)
    convex = step < a - 1
    bend = jnp.where(convex, step / (a - 1), 0)
    farthest = jnp.where(step < a + 1, 1, step)
    jump = jnp.where(step < a + 1, (a + 1 + step) / 2, jnp.sqrt(a + 1) * jnp.sqrt(farthest))

    def shrunk(size: jax.Array) -> jax.Array:
        soft = jnp.maximum(size - step, 0)
        between = jnp.where(size <= a, (size - a * bend) / (1 - bend), size)
        beyond = jnp.where(convex, between, size)
        return jnp.where(size <= jnp.where(convex, 1 + step, jump), soft, beyond)

    return _entrywise(w, shrunk)


@explained
def l0(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """Hard threshold: argmin_v step·#{v ≠ 0} + ½‖v − w‖²; of two equal ones, 0.

    Entries with |w| ≤ √(2·step) become 0 and the others stay as they are.

    >>> l0(jnp.array([-2.0, 0.5, 3.0]), 2.0)
    Array([0., 0., 3.], dtype=float32)

    References: Blumensath & Davies 2008, *Iterative thresholding for sparse approximations*.
    """
    w = jnp.asarray(w)
    return jnp.where(jnp.abs(w) <= jnp.sqrt(2 * _real(step, w)), 0, w)


@explained
def non_negative(w: ArrayLike) -> jax.Array:
    """Projection: argmin_v ½‖v − w‖² with v ≥ 0, that is max(w, 0).

    >>> non_negative(jnp.array([-2.0, 0.5]))
    Array([0. , 0.5], dtype=float32)
    """
    return optax.projections.projection_non_negative(jnp.asarray(w))


@explained
def box(w: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> jax.Array:
    """Projection: argmin_v ½‖v − w‖² with lower ≤ v ≤ upper.

    >>> box(jnp.array([-2.0, 0.5, 3.0]), lower=0.0, upper=1.0)
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    w = jnp.asarray(w)
    return optax.projections.projection_box(w, _real(lower, w), _real(upper, w))


@explained
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


@explained
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


@explained
def nuclear(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """argmin_V step·Σσᵢ(V) + ½‖V − W‖²: the singular values are soft-thresholded.

    Args:
      w: matrix, or a batch of matrices in the last two axes.
      step: a scalar.

    >>> nuclear(jnp.diag(jnp.array([3.0, 0.5])), 1.0)
    Array([[2., 0.],
           [0., 0.]], dtype=float32)

    References: Cai, Candès & Shen 2010, *A singular value thresholding algorithm for matrix
    completion* (arXiv:0810.3286).
    """
    w = jnp.asarray(w)
    step = _real(step, w)
    return _by_singular_value(w, step, lambda s: jnp.maximum(s - step, 0))


@explained
def spectral(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """argmin_V step·σ₁(V) + ½‖V − W‖²: the largest singular values are cut to one level.

    By Moreau's identity it is W minus its projection onto the nuclear-norm ball of radius step.

    Args:
      w: matrix, or a batch of matrices in the last two axes.
      step: a scalar.

    >>> spectral(jnp.diag(jnp.array([4.0, 2.0, 0.5])), 4.0)
    Array([[1. , 0. , 0. ],
           [0. , 1. , 0. ],
           [0. , 0. , 0.5]], dtype=float32)

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §6.7.3; Duchi et al. 2008, *Efficient
    projections onto the l1-ball for learning in high dimensions*.
    """
    w = jnp.asarray(w)
    step = _real(step, w)
    return _by_singular_value(w, step, jnp.vectorize(lambda s: _cut(s, step), signature="(n)->(n)"))


@jax.jit  # outside jit, too, one program instead of dozens
def _cut(s: jax.Array, step: jax.Array) -> jax.Array:
    """``s`` ≥ 0 minus its projection onto the l1 ball of radius ``step``."""
    small, size = _numbers.scaled(s)
    radius = jnp.maximum(step / size[0], jnp.finfo(s.dtype).eps ** 2)  # it divides by the radius
    with jax.numpy_dtype_promotion("standard"):  # it mixes integers and floats
        projected = optax.projections.projection_simplex(small, radius).astype(s.dtype)
    return size * jnp.where(jnp.sum(small) <= radius, 0, small - projected)


def _by_singular_value(
    w: jax.Array, step: jax.Array, change: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    u, s, vh = _numbers.svd(w)
    moved = jnp.matmul(u * change(s)[..., None, :].astype(u.dtype), vh, precision="highest")
    return jnp.where(step == 0, w, _numbers.split_as(moved, w))


def _entrywise(w: jax.Array, shrink: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """``shrink`` applied to the modulus of every entry, whose sign or phase is kept."""
    size = jnp.abs(w)
    if not jnp.iscomplexobj(w):
        return jnp.sign(w) * shrink(size)
    return w * (shrink(size) / jnp.where(size == 0, 1, size)).astype(w.dtype)


def _group_by_group(
    w: jax.Array,
    axis: int | tuple[int, ...],
    limit: ArrayLike,
    factor: Callable[[jax.Array, jax.Array], jax.Array],
) -> jax.Array:
    """Every group times ``factor(its norm, limit)``, which is constant for norms up to ``limit``.

    Low precision is widened twice, with a barrier between, so that no float32 copy is kept.
    """
    again, limit = w, _real(limit, _numbers.widen(w))
    size = _numbers.norm(w, axis, limit)
    if w.dtype != _numbers.widen(w).dtype:
        size, again = jax.lax.optimization_barrier((size, w))
    again = _numbers.widen(again)
    return (again * factor(size, limit).astype(again.dtype)).astype(w.dtype)


def _real(number: ArrayLike, w: jax.Array) -> jax.Array:
    """``number`` in the real dtype of ``w``, with which it takes part in arithmetic unpromoted."""
    return jnp.asarray(number).astype(jnp.finfo(w.dtype).dtype)


__getattr__ = absent("jaxreg.prox")

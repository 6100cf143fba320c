"""How far parameters are from a solution, and from which strength on the solution is zero."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.prox_sum import prox_of_sum
from jaxreg._penalty.term import Term, by_leaf
from jaxreg._trees import Leaf, leaves_of
from jaxreg.diagnostics import _chosen


@explained
def optimality(
    penalty: Penalty, params: Any, grads: Any, step: ArrayLike = 1.0
) -> dict[str, jax.Array]:
    """How far every parameter is from a stationary point: ‖w − prox(w − step·g)‖/step.

    It is the length of the gradient of data loss + penalty where that exists, and takes the kinks
    of ``l1`` and of group norms into account where it does not: 0 exactly at a solution. For a
    parameter without a penalty it is the norm of its gradient.

    >>> from jaxreg import l1
    >>> optimality(0.5 * l1, {"w": jnp.array([2.0, 0.0])}, {"w": jnp.array([-0.5, 0.3])})
    {'w': Array(0., dtype=float32)}

    Args:
      penalty: as ``1e-4 * l1``, with its strengths.
      params: a tree of arrays, w.
      grads: the gradient g of the *data* loss at ``params``; a tree like it.
      step: s > 0. Any value has the same zeros; the learning rate is a natural one.

    Returns:
      {name: residual}, in the unit of the gradient.

    Raises:
      TypeError: if ``penalty`` is none.
      ValueError: if ``grads`` is no tree like ``params``, there is no parameter in it, or ``step``
        is a Python number that is not positive.

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §4.2 (the gradient mapping).
    """
    _require_penalty("optimality", penalty, "penalty, params, grads")
    step = _numbers.checked("step", step)
    if _numbers.is_python(step) and step == 0:
        raise ValueError("step: expected a positive number, got 0; take the learning rate")
    leaves = _chosen.chosen(params, None)
    rows = zip(
        leaves,
        _chosen.matching("grads", grads, leaves),
        by_leaf(penalty.terms, leaves),
        strict=True,
    )
    return {leaf.name: _residual(leaf, grad, terms, step) for leaf, grad, terms in rows}


def _residual(leaf: Leaf, grad: Any, terms: Sequence[Term], step: ArrayLike) -> jax.Array:
    w = _numbers.widen(leaf.value)
    length = _numbers.scalar("step", step, _numbers.real_dtype(w.dtype))
    arrived = w - length.astype(w.dtype) * _numbers.widen(grad).astype(w.dtype)
    landed = prox_of_sum(leaf._replace(value=arrived), terms, length)
    return jnp.squeeze(_numbers.norm(w - landed, None)) / length


@explained
def strength_max(penalty: Penalty, grads: Any) -> jax.Array:
    """The smallest strength at which every penalised parameter is zero.

    λ_max = min {λ : prox of λ·penalty at −g, with step 1, is 0}, which is max|g| for ``l1`` and
    the largest norm of a group of g for ``group_lasso``: the top of a regularization path. For
    a sum such as ``0.9 * l1 + 0.1 * group_lasso(0)`` the ratios are kept and λ multiplies it all.

    A notion of convex problems: only there is what solves the equations at zero the minimum. In a
    neural network it tells from where on zero weights stay zero, no more.

    >>> from jaxreg import l1
    >>> strength_max(l1, {"w": jnp.array([0.3, -0.7])})
    Array(0.7, dtype=float32)

    Args:
      penalty: made of ``l1``, group norms or matrix norms, alone, summed, or with ``l2`` beside
        them (which does not count: its gradient at 0 is 0).
      grads: the gradient g of the data loss where the penalised parameters are zero and all
        others are at their optimum. For linear regression under ½·mean (y − Xw)² with an intercept
        it is −Xᵀ(y − mean y)/n.

    Returns:
      A scalar; ∞ if no strength gives zeros, as with ``l2`` alone.

    Raises:
      TypeError: if a term is no norm, is not convex, or has a reference.
      ValueError: if there is no parameter in ``grads``.

    References: Tibshirani et al. 2012, *Strong rules for discarding predictors in lasso-type
    problems* (arXiv:1011.2234).
    """
    _require_penalty("strength_max", penalty, "penalty, grads")
    for term in penalty.terms:
        _require_norm(term)
    leaves = leaves_of("strength_max", grads)
    rows = [
        (leaf._replace(value=-_numbers.widen(leaf.value)), _without_l2(terms), _free(leaf, terms))
        for leaf, terms in zip(leaves, by_leaf(penalty.terms, leaves), strict=True)
        if any(not term.unit.constraint for term in terms)
    ]
    if not rows:
        return jnp.zeros((), jnp.float32)

    def gives_zeros(strength: jax.Array) -> jax.Array:
        landed = [(prox_of_sum(leaf, _times(t, strength), 1.0), free) for leaf, t, free in rows]
        return jnp.all(jnp.stack([jnp.all((w == 0) | free) for w, free in landed]))

    top = _smallest(gives_zeros, jnp.result_type(*(_real(leaf) for leaf, _, _ in rows)))
    undefined = jnp.any(jnp.stack([jnp.any(jnp.isnan(leaf.value)) for leaf, _, _ in rows]))
    return jnp.where(undefined, jnp.nan, top)


def _require_penalty(function: str, penalty: Any, arguments: str) -> None:
    if not isinstance(penalty, Penalty):
        raise TypeError(
            f"{function}: expected a penalty such as 1e-4 * l1 first, got {brief(penalty)}; "
            f"write {function}({arguments})"
        )


def _require_norm(term: Term) -> None:
    is_norm = term.unit.homogeneous or term.unit.quadratic
    if not (is_norm and term.unit.convex) or term.reference is not None:
        raise TypeError(
            f"strength_max: expected norms such as l1 and group_lasso, with or without l2, got "
            f"{term!r}; without a kink at zero no strength gives zeros, and for a non-convex "
            f"penalty or around a reference they are not the solution"
        )


def _without_l2(terms: Sequence[Term]) -> list[Term]:
    """Without the squares, which have no part in it; beside them alone nothing becomes zero."""
    return [term for term in terms if not term.unit.quadratic]


def _free(leaf: Leaf, terms: Sequence[Term]) -> jax.Array:
    """Where every weight is 0, so that nothing is penalised."""
    real = _real(leaf)
    weights = (term.weight(leaf, real) for term in terms if not term.unit.constraint)
    return functools.reduce(jnp.logical_and, [weight == 0 for weight in weights])


def _times(terms: Sequence[Term], strength: jax.Array) -> list[Term]:
    return [term if term.unit.constraint else term.times(strength) for term in terms]


def _real(leaf: Leaf) -> Any:
    return _numbers.real_dtype(leaf.value.dtype)


def _smallest(holds: Any, dtype: Any) -> jax.Array:
    """The smallest number ≥ 0 for which ``holds``, which stays so above it; ∞ if there is none.

    By powers of two, then by bisection to the last digit.
    """
    info, two, one = jnp.finfo(dtype), jnp.asarray(2, dtype), jnp.ones((), dtype)
    holds = jax.jit(holds)  # traced once
    one = jnp.where(holds(one), one, one)  # inside shard_map it varies as the data do
    grown = jax.lax.while_loop(lambda x: jnp.isfinite(x) & ~holds(x), lambda x: x * two, one)
    above = jax.lax.while_loop(lambda x: (x > info.tiny) & holds(x / two), lambda x: x / two, grown)

    def halve(_: int, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        below, above = bracket
        middle = below + (above - below) / two
        right = holds(middle)
        return jnp.where(right, below, middle), jnp.where(right, middle, above)

    bracket = jax.lax.fori_loop(0, info.nmant + 1, halve, (above / two, above))
    zero = jnp.zeros((), dtype)
    return jnp.where(holds(zero), zero, jnp.where(jnp.isfinite(grown), bracket[1], grown))

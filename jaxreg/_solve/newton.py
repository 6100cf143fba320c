"""Semismooth Newton steps on the equation of a solution, in place of momentum.

Once the zeros of a solution are known, the problem on the other entries is smooth, and for a
quadratic loss one Newton step solves it. Far from the solution such a step need not descend, so
its result is only the point from which the next proximal step starts. Where a Newton step reduced
the residual little, the next one is made later; conjugate gradients take at most about two products
for each proximal step made so far.

References: Li, Sun & Toh 2018, *A highly efficient semismooth Newton augmented Lagrangian method
for solving Lasso problems* (arXiv:1607.05428); Stella, Themelis & Patrinos 2017, *Forward–backward
quasi-Newton methods* (arXiv:1604.08096).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg._solve import conjugate, vectors
from jaxreg._solve.fixed_point import slopes
from jaxreg._solve.problem import Data, Point, Problem
from jaxreg._solve.vectors import Vector

FIRST, AGAIN = 8, 2  # proximal steps until a Newton step, and after a successful one
SOME = 20  # products with the second derivative that are always allowed
SUCCESS = 0.1  # of the residual is left, at most


class Schedule(NamedTuple):
    """When to make a Newton step."""

    due: jax.Array  # at this number of steps
    gap: jax.Array  # so many after the last
    before: jax.Array  # the residual at the last Newton step
    now: jax.Array  # one is to be made


def schedule(dtype: Any, due: Any) -> Schedule:
    first = jnp.full((), FIRST, jnp.int32)
    return Schedule(
        jnp.asarray(due, jnp.int32), first, jnp.full((), jnp.inf, dtype), jnp.array(False)
    )


def after_step(plan: Schedule, steps: jax.Array, residual: jax.Array) -> Schedule:
    """The schedule after an accepted step, which may be the first after a Newton step."""
    gap = jnp.where(residual < SUCCESS * plan.before, AGAIN, jnp.maximum(2 * plan.gap, FIRST))
    gap = jnp.where(plan.now, gap, plan.gap)
    due = jnp.where(plan.now, steps + gap, plan.due)
    now = steps >= due
    return Schedule(due, gap, jnp.where(now, residual, plan.before), now)


def products(plan: Schedule, steps: jax.Array) -> jax.Array:
    """How many a step may take: none if none is due, while one is for another problem of a vmap."""
    return jnp.where(plan.now, SOME + 2 * steps, 0)


class NoDerivative(Exception):  # noqa: N818
    """The loss or the prox has no derivative that a Newton step takes."""


def newton_step(
    problem: Problem,
    w: Point,
    step: jax.Array,
    data: Data,
    *,
    tolerance: jax.Array,
    products: jax.Array,
) -> Vector:
    """w − R'(w)⁻¹·R(w) for R(w) = w − prox(w − step·∇f(w); step).

    Raises:
      NoDerivative: where the loss has no second derivative, or the prox none.
    """
    nothing = [jnp.zeros_like(x) for x in w.x]
    try:
        slope = slopes(problem, w.x, w.gradient, step, data)
        landed = problem.prox(vectors.subtract(w.x, vectors.times(step, w.gradient)), step, data)
        back = vectors.subtract(landed, w.x)
        right = slope.right(back, nothing)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise NoDerivative from error
    y = conjugate.solve(slope.matrix, right, tolerance, products)
    return vectors.add(landed, slope.prox(y))

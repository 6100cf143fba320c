"""Newton steps on the equation of a solution, tried in between: long where they succeed.

Once the zeros of a solution are found, what is left is a smooth problem on the others, and one
step solves it if it is quadratic. Before that a leap may lead anywhere. So it only takes the place
of momentum: it says from where the next trial starts. It is tried rarely where it was in vain, and
soon again where it was not; it makes no more than twice as many products as steps were made.

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
from jaxreg._solve.problem import Data, Problem
from jaxreg._solve.vectors import Vector

FIRST, AGAIN = 8, 2  # steps until a leap, and after one that led far
FAR = 0.1  # of the residual is left


class Schedule(NamedTuple):
    """When to leap."""

    due: jax.Array  # at this number of steps
    gap: jax.Array  # so many after the last
    before: jax.Array  # the residual at the last leap
    now: jax.Array  # a leap is to be made


def schedule(dtype: Any) -> Schedule:
    first = jnp.full((), FIRST, jnp.int32)
    return Schedule(first, first, jnp.full((), jnp.inf, dtype), jnp.array(False))


def after_step(plan: Schedule, steps: jax.Array, residual: jax.Array) -> Schedule:
    """The schedule after an accepted step, which may be the first after a leap."""
    gap = jnp.where(residual < FAR * plan.before, AGAIN, jnp.maximum(2 * plan.gap, FIRST))
    gap = jnp.where(plan.now, gap, plan.gap)
    due = jnp.where(plan.now, steps + gap, plan.due)
    now = steps >= due
    return Schedule(due, gap, jnp.where(now, residual, plan.before), now)


def leap(
    problem: Problem,
    w: Vector,
    gradient: Vector,
    step: jax.Array,
    data: Data,
    *,
    tolerance: jax.Array,
    products: jax.Array,
) -> Vector:
    """w − R'(w)⁻¹·R(w) for R(w) = w − prox(w − step·∇f(w); step)."""
    slope = slopes(problem, w, gradient, step, data)
    landed = problem.prox(vectors.subtract(w, vectors.times(step, gradient)), step, data)
    back = vectors.subtract(landed, w)
    nothing = [jnp.zeros_like(x) for x in w]
    y = conjugate.solve(slope.matrix, slope.right(back, nothing), tolerance, products)
    return vectors.add(landed, slope.prox(y))

"""The programs of a path: one solution after another, or all side by side."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg._solve import freedom, iteration, vectors
from jaxreg._solve.descent import Limits
from jaxreg._solve.problem import Data, Point, Problem, scaled
from jaxreg._solve.solve import Ended, ended
from jaxreg._solve.vectors import Vector
from jaxreg.diagnostics import strength_max

ALL_ZERO = 1e30  # a strength above which nothing penalised is left
SOON = 2  # proximal steps until the first Newton step, from a solution nearby


class Plan(NamedTuple):
    """What of a path is known before the program runs; hashable."""

    from_top: bool  # the strengths are multiples of the largest, which is to be found
    side_by_side: bool
    freedom: freedom.Way


@functools.partial(jax.jit, static_argnums=(0, 5))
def along(
    problem: Problem, start: Vector, data: Data, factors: jax.Array, limits: Limits, plan: Plan
) -> tuple[jax.Array, Ended, jax.Array]:
    """The strengths, the ends and the degrees of freedom, each with a leading axis."""
    many = _side_by_side if plan.side_by_side else _one_after_another
    return many(problem, start, data, factors, limits, plan)


def _end(problem: Problem, w: Vector, data: Data, limits: Limits, plan: Plan) -> Any:
    end = ended(problem, w, data, limits)
    free = freedom.degrees_of_freedom(problem, end.w, end.gradient, end.step, data, plan.freedom)
    return end, free


def _one_after_another(
    problem: Problem, start: Vector, data: Data, factors: jax.Array, limits: Limits, plan: Plan
) -> tuple[jax.Array, Ended, jax.Array]:
    """Each from the solution before; a first one, all zero, only gives the largest strength."""
    unit = jnp.ones_like(factors[0])
    first = problem.point(start, data)

    def body(before: Carry, now: tuple[jax.Array, jax.Array]) -> tuple[Carry, Any]:
        factor, is_null = now
        strength = jnp.where(is_null, ALL_ZERO, before.top * factor)
        there = data._replace(penalty=scaled(data.penalty, strength))
        known = before.limits._replace(known=before.start)
        end, free = _end(problem, before.start.x, there, known, plan)
        top = before.top
        if plan.from_top:
            top = jax.lax.cond(is_null, lambda: _top(problem, end, data), lambda: before.top)
        usable = jnp.isfinite(end.loss)
        after = vectors.choose(usable, _point(end), first)
        return Carry(after, _nearby(before.limits, end), top), (strength, end, free)

    is_null = jnp.zeros(len(factors), bool)
    if plan.from_top:
        factors, is_null = jnp.concatenate([unit[None], factors]), jnp.append(True, is_null)
    _, found = jax.lax.scan(body, Carry(first, _as_arrays(limits, unit), unit), (factors, is_null))
    return jax.tree.map(lambda x: x[1:], found) if plan.from_top else found


class Carry(NamedTuple):
    """What one solution hands to the next."""

    start: Point
    limits: Limits
    top: jax.Array


def _as_arrays(limits: Limits, unit: jax.Array) -> Limits:
    numbers = [unit * x for x in (limits.step, limits.growth, limits.scale)]
    newton_at = jnp.asarray(limits.newton_at, jnp.int32)
    return Limits(limits.tolerance, limits.steps, *numbers, newton_at=newton_at)


def _nearby(limits: Limits, end: Ended) -> Limits:
    return limits._replace(
        step=end.step,
        growth=jnp.full_like(limits.growth, iteration.GROWTH),
        scale=jnp.maximum(limits.scale, jnp.where(jnp.isfinite(end.scale), end.scale, 0)),
        newton_at=jnp.full_like(limits.newton_at, SOON),
    )


def _point(end: Ended) -> Point:
    loss = end.loss.astype(vectors.dtype_of(end.w))
    return jax.lax.stop_gradient(Point(end.w, loss, end.gradient))


def _top(problem: Problem, end: Ended, data: Data) -> jax.Array:
    """The largest strength: from which on all is zero, and a little more for rounding."""
    gradient = jax.lax.stop_gradient(end.gradient)
    top = strength_max(jax.lax.stop_gradient(data.penalty), problem.tree(gradient, data))
    return top.astype(end.step.dtype) * (1 + 4 * jnp.finfo(end.step.dtype).eps)


def _side_by_side(
    problem: Problem, start: Vector, data: Data, factors: jax.Array, limits: Limits, plan: Plan
) -> tuple[jax.Array, Ended, jax.Array]:
    """All from the start."""
    top = jnp.ones_like(factors[0])
    if plan.from_top:
        zeroing = data._replace(penalty=scaled(data.penalty, top * ALL_ZERO))
        top = _top(problem, ended(problem, start, zeroing, limits), data)

    def one(strength: jax.Array) -> tuple[Ended, jax.Array]:
        there = data._replace(penalty=scaled(data.penalty, strength))
        return _end(problem, start, there, limits, plan)

    return top * factors, *jax.vmap(one)(top * factors)

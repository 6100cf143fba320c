"""Solutions over a series of strengths: `path`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty
from jaxreg._solve import freedom, turns, vectors
from jaxreg._solve.descent import Limits
from jaxreg._solve.problem import Data, Problem, scaled
from jaxreg._solve.result import Path
from jaxreg._solve.solution import Solution
from jaxreg._solve.solve import Ended, Given, ended, limited, require_start, solution, stated
from jaxreg._solve.vectors import Vector
from jaxreg.diagnostics import strength_max

ALL_ZERO = 1e30  # a strength above which nothing penalised is left
SOON = 2  # steps until the first leap, from a solution nearby
GIVE = "give strengths=[…], the numbers to multiply it by"


@explained
def path(
    loss: Callable[..., Any],
    penalty: Penalty,
    params: Any,
    *args: Any,
    strengths: Any = None,
    count: int = 100,
    ratio: float = 1e-3,
    side_by_side: bool = False,
    tolerance: float | None = None,
    max_steps: int = 10_000,
    has_aux: bool = False,
    degrees_of_freedom: bool | None = None,
) -> Path:
    """docstring"""
    given = stated("path", loss, penalty, params, args, has_aux)
    limits = limited("path", given.start, tolerance, max_steps)
    from_top = strengths is None
    if from_top:
        _require_norms(penalty, given)
    dtype = vectors.dtype_of(given.start)
    factors = _falling(count, ratio, dtype) if from_top else _checked(strengths, dtype)
    way = freedom.way_for(penalty, sum(x.size for x in given.start), degrees_of_freedom)
    plan = Plan(from_top, side_by_side, way)
    strengths, ends, free = _along(given.problem, given.start, given.data, factors, limits, plan)
    require_start("path", ends)
    _require_top(penalty, strengths)
    found = solution(given, ends)
    fields = {name: getattr(found, name) for name in Solution.__dataclass_fields__}
    return Path(strengths=strengths, **fields, degrees_of_freedom=free)


class Plan(NamedTuple):
    """What of a path is known before the program runs; hashable."""

    from_top: bool  # the strengths are multiples of the largest, which is to be found
    side_by_side: bool
    freedom: freedom.Way


def _falling(count: Any, ratio: Any, dtype: Any) -> jax.Array:
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise ValueError(f"path: count: expected an integer of at least 2, got {brief(count)}")
    ratio = _numbers.positive("ratio", ratio)
    if _numbers.is_python(ratio) and ratio >= 1:
        raise ValueError(
            f"path: ratio: expected the smallest strength beside the largest, below 1, got {ratio}"
        )
    return jnp.geomspace(1, ratio, count, dtype=dtype)


def _checked(strengths: Any, dtype: Any) -> jax.Array:
    """The strengths as an array, once they are known to be a series of numbers ≥ 0."""
    try:
        series = jnp.asarray(strengths)
    except (TypeError, ValueError):
        series = jnp.zeros(())
    if series.ndim != 1 or not series.size or not jnp.issubdtype(series.dtype, jnp.number):
        raise TypeError(
            f"path: strengths: expected a series of numbers such as [1.0, 0.1], got "
            f"{brief(strengths)}; for one strength write solve(loss, strength * penalty, params, …)"
        )
    if not isinstance(series, Tracer):
        for number in np.asarray(series):
            _numbers.checked("strengths", number.item())
    return series.astype(dtype)


def _require_norms(penalty: Penalty, given: Given) -> None:
    """Raises for a penalty that no strength makes zero, once it is known that all else is right."""
    try:
        jax.eval_shape(strength_max, penalty, given.problem.tree(given.start, given.data))
    except TypeError as error:
        raise TypeError(f"path: without strengths it starts at strength_max. {error}; {GIVE}") from None


def _require_top(penalty: Penalty, strengths: jax.Array) -> None:
    if isinstance(strengths, Tracer) or np.all(np.isfinite(strengths)):
        return
    raise ValueError(
        f"path: expected a penalty that some strength makes zero, such as l1, got {penalty!r}; {GIVE}"
    )


@functools.partial(jax.jit, static_argnums=(0, 5))
def _along(
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
    """Each from the solution before; the first, where all is zero, only tells the largest."""
    unit = jnp.ones_like(factors[0])

    def body(before: Carry, now: tuple[jax.Array, jax.Array]) -> tuple[Carry, Any]:
        factor, is_null = now
        strength = jnp.where(is_null, ALL_ZERO, before.top * factor)
        there = data._replace(penalty=scaled(data.penalty, strength))
        end, free = _end(problem, before.w, there, before.limits, plan)
        top = before.top
        if plan.from_top:
            top = jax.lax.cond(is_null, lambda: _top(problem, end, data), lambda: before.top)
        usable = jnp.isfinite(end.loss)
        w = vectors.choose(usable, end.w, start)
        return Carry(w, _nearby(before.limits, end), top), (strength, end, free)

    is_null = jnp.zeros(len(factors), bool)
    if plan.from_top:
        factors, is_null = jnp.concatenate([unit[None], factors]), jnp.append(True, is_null)
    _, found = jax.lax.scan(body, Carry(start, _as_arrays(limits, unit), unit), (factors, is_null))
    return jax.tree.map(lambda x: x[1:], found) if plan.from_top else found


class Carry(NamedTuple):
    """What one solution hands to the next."""

    w: Vector
    limits: Limits
    top: jax.Array


def _as_arrays(limits: Limits, unit: jax.Array) -> Limits:
    numbers = [unit * x for x in (limits.step, limits.growth, limits.scale)]
    leap = jnp.asarray(limits.leap, jnp.int32)
    return Limits(limits.tolerance, limits.steps, *numbers, leap=leap)


def _nearby(limits: Limits, end: Ended) -> Limits:
    return limits._replace(
        step=end.step,
        growth=jnp.full_like(limits.growth, turns.GROWTH),
        scale=jnp.maximum(limits.scale, jnp.where(jnp.isfinite(end.scale), end.scale, 0)),
        leap=jnp.full_like(limits.leap, SOON),
    )


def _top(problem: Problem, end: Ended, data: Data) -> jax.Array:
    """The largest strength: a little more, for rounding, than where the first entry becomes zero."""
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

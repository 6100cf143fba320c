"""The state of the descent, and what an iteration of its loop does to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg._solve import newton, vectors
from jaxreg._solve.problem import Point
from jaxreg._solve.vectors import Vector

FIRST_GROWTH, GROWTH = 8.0, 1.1  # of the step a turn, before it was once too long and after
SHORTEST = 1 / 32  # of a step is tried next where it was too long
ROUNDING = 1e3  # units in the last place by which a loss may be off: a sum over many examples


class State(NamedTuple):
    x: Vector  # the point to evaluate next: a trial, or
    ahead: jax.Array  # where momentum leads
    w: Point  # accepted last
    objective: jax.Array  # there
    residual: jax.Array  # there
    v: Point  # from where trials start
    plain: jax.Array  # that is w: no momentum
    t: jax.Array  # momentum
    step: jax.Array  # of the next trial
    taken: jax.Array  # step to w
    growth: jax.Array
    shortest: jax.Array  # step accepted since one was too long
    scale: jax.Array  # the largest gradient
    bound: jax.Array  # the residual that counts as none
    steps: jax.Array
    going: jax.Array  # False once there is nowhere to go
    newton: newton.Schedule


def first(w: Vector, step: jax.Array, growth: jax.Array, scale: jax.Array, newton_at: Any) -> State:
    """The state before the loss at the start is known."""
    one, yes = jnp.ones_like(step), jnp.array(True)
    unknown = Point(w, one, [jnp.zeros_like(x) for x in w])
    return State(
        x=w,
        ahead=yes,
        w=unknown,
        objective=one * jnp.inf,
        residual=one * jnp.inf,
        v=unknown,
        plain=yes,
        t=one,
        step=step,
        taken=step,
        growth=growth,
        shortest=one * jnp.inf,
        scale=scale,
        bound=jnp.zeros_like(step),
        steps=jnp.zeros((), jnp.int32),
        going=yes,
        newton=newton.schedule(step.dtype, newton_at),
    )


def arrived(state: State, here: Point) -> State:
    """The loss is known where momentum led, or at the start.

    If it alone is above the objective, or not finite, back to w.
    """
    size, start = vectors.norm(here.gradient), state.plain
    fine = jnp.isfinite(here.loss) & jnp.isfinite(size) & (here.loss <= state.objective)
    w = vectors.choose(start, here, state.w)
    return state._replace(
        ahead=jnp.array(False),
        w=w,
        v=vectors.choose(fine, here, w),
        plain=start | ~fine,
        t=jnp.where(fine, state.t, 1),
        scale=jnp.where(start, jnp.maximum(state.scale, size), state.scale),
        going=fine | ~start,
    )


def tried(state: State, here: Point, penalty: jax.Array) -> State:
    """The loss is known at a trial: accept it, or try again, a shorter step or without momentum."""
    moved = vectors.subtract(here.x, state.v.x)
    bent = _curvature(state, here, moved) * state.step
    fits = jnp.isfinite(vectors.norm(here.gradient)) & (bent <= 1)
    objective, eps = here.loss + penalty, jnp.finfo(bent.dtype).eps
    slack = ROUNDING * eps * jnp.abs(state.objective)
    falls = state.plain | ~(objective > state.objective + slack)
    nowhere = vectors.norm(moved) <= eps * vectors.norm(state.v.x)
    astray = ~state.plain & (fits | nowhere)

    def again() -> State:
        shortened = _shortened(state, bent)._replace(going=~nowhere)
        return vectors.choose(astray, _without_momentum(state), shortened)

    # two branches compile sooner than a choice for every number of the state
    return jax.lax.cond(
        fits & falls,
        lambda: vectors.varying(_accepted(state, here, objective, moved, bent), state),
        lambda: vectors.varying(again(), state),
    )


def _curvature(state: State, here: Point, moved: Vector) -> jax.Array:
    """Of the loss on the way from v: by values, by gradients where those are lost in rounding."""
    length = vectors.norm(moved)
    way = vectors.times(1 / jnp.where(length > 0, length, 1), moved)
    beyond = here.loss - state.v.loss - length * vectors.dot(state.v.gradient, way)
    turned = vectors.dot(vectors.subtract(here.gradient, state.v.gradient), way)
    rounding = ROUNDING * jnp.finfo(length.dtype).eps
    seen = jnp.abs(beyond) > rounding * jnp.maximum(jnp.abs(here.loss), jnp.abs(state.v.loss))
    turned = jnp.where(jnp.abs(turned) > rounding * state.scale, turned, 0)
    curvature = jnp.where(seen, 2 * beyond / length, turned) / length
    return jnp.where(length > 0, jnp.where(jnp.isfinite(here.loss), curvature, jnp.inf), 0)


def _shortened(state: State, bent: jax.Array) -> State:
    factor = jnp.where(jnp.isfinite(bent), jnp.clip(1 / bent, SHORTEST, 1 / 2), SHORTEST)
    return state._replace(
        step=state.step * factor,
        growth=jnp.full_like(state.growth, GROWTH),
    )


def _without_momentum(state: State) -> State:
    return state._replace(v=state.w, plain=jnp.array(True), t=jnp.ones_like(state.t))


def _accepted(
    state: State, here: Point, objective: jax.Array, moved: Vector, bent: jax.Array
) -> State:
    """The trial is w; momentum leads on from it, unless that is uphill or a Newton step is due."""
    forward = vectors.subtract(here.x, state.w.x)
    turned = vectors.subtract(here.gradient, state.v.gradient)
    pull = vectors.times(1 / state.step, moved)
    residual = vectors.norm(vectors.subtract(turned, pull))
    plan = newton.after_step(state.newton, state.steps + 1, residual)
    uphill = vectors.dot(moved, forward) < 0
    t = (1 + jnp.sqrt(1 + 4 * jnp.square(state.t))) / 2
    plain = (uphill | (state.t == 1)) & ~plan.now
    momentum = jnp.where(plain, 0, (state.t - 1) / t)
    shortest = jnp.where(state.growth < FIRST_GROWTH, state.step, jnp.inf)
    shortest = jnp.minimum(shortest, state.shortest)
    longer = state.step * jnp.clip(0.9 / jnp.maximum(bent, 0.01), 1, state.growth)
    return state._replace(
        x=vectors.add(here.x, vectors.times(momentum, forward)),
        ahead=~plain,
        w=here,
        objective=objective,
        residual=residual,
        v=here,
        plain=plain,
        t=jnp.where(uphill | plan.now, 1, t),
        step=longer,
        taken=state.step,
        shortest=shortest,
        scale=jnp.maximum(state.scale, vectors.norm(here.gradient)),
        steps=state.steps + 1,
        going=longer < shortest / jnp.finfo(longer.dtype).eps ** 2,
        newton=plan,
    )

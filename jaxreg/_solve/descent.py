"""Accelerated proximal gradient descent, as one loop with one evaluation of the loss a turn.

    z = prox(v − step·∇f(v); step),        v ← z + β(z − w),        w ← z.

A turn evaluates the loss either at a trial z or at the point v to which momentum leads. The step is
halved or more until the loss at z lies below the parabola of curvature 1/step through v, and grows
again by and by. Momentum ends where it leads uphill (O'Donoghue & Candès 2015), and a trial that
would raise the objective is made again from w without it: so the objective never rises, also where
it is not convex.

By z = prox(v − step·∇f(v)), the vector ∇f(z) − ∇f(v) + (v − z)/step is a subgradient of the
objective at z. The descent ends when its length is small: beside the largest gradient of the loss
on the way, or as rounding of w/step makes it.

References: Beck & Teboulle 2009, *A fast iterative shrinkage-thresholding algorithm*; O'Donoghue &
Candès 2015, *Adaptive restart for accelerated gradient schemes* (arXiv:1204.3982); Becker, Candès &
Grant 2011, *Templates for convex cone problems* (arXiv:1009.2065), §5.3 for curvature by gradients
where differences of values are lost in rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg._solve import leaps, vectors
from jaxreg._solve.problem import Data, Problem
from jaxreg._solve.vectors import Vector

FIRST_GROWTH, GROWTH = 8.0, 1.1  # of the step a turn, before it was once too long and after
ROUNDING = 4  # units in the last place by which sums may be off
SEEN = 1e3  # times rounding: how large a difference must be to have three digits


class Limits(NamedTuple):
    """When to stop, and what is known from before; all may be traced."""

    tolerance: Any  # of the residual, beside the largest gradient
    steps: Any  # at most so many
    step: Any = 1.0  # the first length to try
    scale: Any = 0.0  # of gradients: the largest so far


class State(NamedTuple):
    x: Vector  # the point to evaluate next: a trial, or
    ahead: jax.Array  # where momentum leads
    w: Vector  # accepted last
    loss_w: jax.Array
    gradient_w: Vector
    objective_w: jax.Array
    v: Vector  # from where trials start
    loss_v: jax.Array
    gradient_v: Vector
    plain: jax.Array  # v is w: without momentum
    t: jax.Array  # momentum
    step: jax.Array
    growth: jax.Array
    shortest: jax.Array  # step accepted since one was too long
    scale: jax.Array
    residual: jax.Array
    steps: jax.Array
    going: jax.Array  # False once there is nowhere to go
    leaps: leaps.Schedule
    turns: jax.Array


class Found(NamedTuple):
    """Where the descent ended."""

    w: Vector
    gradient: Vector  # of the loss
    step: jax.Array
    threshold: jax.Array  # of the residual
    scale: jax.Array
    steps: jax.Array
    started: jax.Array  # False if the loss at the start is not finite
    turns: jax.Array


def descend(problem: Problem, start: Vector, data: Data, limits: Limits) -> Found:
    """Minimises loss + penalty from ``start``."""

    def turn(state: State) -> State:
        loss, gradient = problem.with_gradient(state.x, data)
        after = jax.lax.cond(
            state.ahead,
            lambda: _arrived(state, loss, gradient),
            lambda: _tried(state, loss, gradient, problem.penalty(state.x, data)),
        )
        x = jax.lax.cond(
            after.ahead,
            lambda: after.x,
            lambda: problem.prox(_stepped(after), after.step, data),
        )
        if problem.twice:
            leaping = after.ahead & after.leaps.now & ~state.ahead
            x = jax.lax.cond(leaping, lambda: _leapt(problem, after, leaping, data, limits), lambda: x)
        return after._replace(x=x, turns=after.turns + 1)

    def going(state: State) -> jax.Array:
        far = state.residual > _bound(state, limits)
        return state.going & far & (state.steps < limits.steps)

    end = jax.lax.while_loop(going, turn, _start(start, limits))
    started = jnp.isfinite(end.loss_w) & (end.going | (end.steps > 0))
    bound = _bound(end, limits)
    return Found(end.w, end.gradient_w, end.step, bound, end.scale, end.steps, started, end.turns)


def threshold(
    tolerance: Any, scale: jax.Array, shortest: jax.Array, step: jax.Array, w: Vector
) -> jax.Array:
    """The residual that counts as none.

    It is small beside the gradients on the way, and so is a step of it beside w and beside the
    steps on the way; or it is what rounding of w makes. Where the loss falls forever, ever more
    gently, the gradient vanishes and steps do not.
    """
    size, eps = vectors.norm(w), jnp.finfo(step.dtype).eps
    lengths = jnp.where(jnp.isfinite(shortest), (scale * shortest + size) / step, scale)
    return tolerance * jnp.minimum(scale, lengths) + ROUNDING * eps * size / step


def _bound(state: State, limits: Limits) -> jax.Array:
    tolerance = jnp.asarray(limits.tolerance, state.step.dtype)
    return threshold(tolerance, state.scale, state.shortest, state.step, state.w)


def _start(w: Vector, limits: Limits) -> State:
    dtype = vectors.dtype_of(w)
    one, nothing = jnp.ones((), dtype), [jnp.zeros_like(x) for x in w]
    yes, none = jnp.array(True), jnp.zeros((), jnp.int32)
    return State(
        *(w, yes),
        *(w, one, nothing, one * jnp.inf),
        *(w, one, nothing, yes),
        t=one,
        step=jnp.asarray(limits.step, dtype),
        growth=one * FIRST_GROWTH,
        shortest=one * jnp.inf,
        scale=jnp.asarray(limits.scale, dtype),
        residual=one * jnp.inf,
        steps=none,
        going=yes,
        leaps=leaps.schedule(dtype),
        turns=none,
    )


def _leapt(
    problem: Problem, state: State, now: jax.Array, data: Data, limits: Limits
) -> Vector:
    """Where a Newton step leads from w, as exactly as the end of the descent needs it."""
    bound = _bound(state, limits)
    return leaps.leap(
        problem,
        state.w,
        state.gradient_w,
        state.step,
        data,
        tolerance=jnp.minimum(0.1 * bound / state.residual, 0.1),
        products=jnp.where(now, 2 * state.steps, 0),
    )


def _stepped(state: State) -> Vector:
    return vectors.subtract(state.v, vectors.times(state.step, state.gradient_v))


def _arrived(state: State, loss: jax.Array, gradient: Vector) -> State:
    """The loss where momentum led, or at the start; where it is not finite, back to w."""
    size = vectors.norm(gradient)
    fine, first = jnp.isfinite(loss) & jnp.isfinite(size), state.plain
    state = state._replace(
        loss_w=jnp.where(first, loss, state.loss_w),
        gradient_w=vectors.choose(first, gradient, state.gradient_w),
    )
    return state._replace(
        ahead=jnp.array(False),
        v=vectors.choose(fine, state.x, state.w),
        loss_v=jnp.where(fine, loss, state.loss_w),
        gradient_v=vectors.choose(fine, gradient, state.gradient_w),
        plain=first | ~fine,
        t=jnp.where(fine, state.t, 1),
        scale=jnp.where(first & fine, jnp.maximum(state.scale, size), state.scale),
        going=fine | ~first,
    )


def _tried(state: State, loss: jax.Array, gradient: Vector, penalty: jax.Array) -> State:
    """What a trial comes to: it is accepted, made again with a shorter step, or from w."""
    moved = vectors.subtract(state.x, state.v)
    bent = _curvature(state, loss, gradient, moved) * state.step
    fits = jnp.isfinite(vectors.norm(gradient)) & (bent <= 1)
    objective = loss + penalty
    slack = ROUNDING * jnp.finfo(loss.dtype).eps * jnp.abs(state.objective_w)
    falls = state.plain | ~(objective > state.objective_w + slack)
    refused = _shortened(state, moved, bent)
    repeated = _from_w(state)
    accepted = _accepted(state, loss, gradient, objective, moved, bent)
    return jax.tree.map(
        lambda a, b, c: jnp.where(fits & falls, a, jnp.where(fits, b, c)),
        accepted,
        repeated,
        refused,
    )


def _curvature(state: State, loss: jax.Array, gradient: Vector, moved: Vector) -> jax.Array:
    """Of the loss on the way from v: by values, by gradients where those are lost in rounding."""
    length = vectors.norm(moved)
    way = vectors.times(1 / jnp.where(length > 0, length, 1), moved)
    rounding = SEEN * jnp.finfo(loss.dtype).eps
    beyond = loss - state.loss_v - length * vectors.dot(state.gradient_v, way)
    turned = vectors.dot(vectors.subtract(gradient, state.gradient_v), way)
    by_values = 2 * beyond / length / length
    by_gradients = turned / length
    seen = jnp.abs(beyond) > rounding * jnp.maximum(jnp.abs(loss), jnp.abs(state.loss_v))
    seen_there = jnp.abs(turned) > rounding * state.scale
    either = jnp.where(seen, by_values, jnp.where(seen_there, by_gradients, 0))
    return jnp.where(length > 0, jnp.where(jnp.isfinite(loss), either, jnp.inf), 0)


def _shortened(state: State, moved: Vector, bent: jax.Array) -> State:
    """A shorter step; where it no longer moves anything, there is nowhere to go."""
    eps = jnp.finfo(bent.dtype).eps
    factor = jnp.clip(1 / bent, 1 / 32, 1 / 2)
    stuck = vectors.norm(moved) <= eps * vectors.norm(state.v)
    return state._replace(
        step=state.step * jnp.where(jnp.isfinite(factor), factor, 1 / 32),
        growth=jnp.full_like(state.growth, GROWTH),
        going=~stuck,
    )


def _from_w(state: State) -> State:
    return state._replace(
        v=state.w,
        loss_v=state.loss_w,
        gradient_v=state.gradient_w,
        plain=jnp.array(True),
        t=jnp.ones_like(state.t),
    )


def _accepted(
    state: State,
    loss: jax.Array,
    gradient: Vector,
    objective: jax.Array,
    moved: Vector,
    bent: jax.Array,
) -> State:
    forward = vectors.subtract(state.x, state.w)
    uphill = vectors.dot(moved, forward) < 0
    t = (1 + jnp.sqrt(1 + 4 * state.t**2)) / 2
    plain = uphill | (state.t == 1)
    momentum = jnp.where(plain, 0, (state.t - 1) / t)
    ahead = vectors.add(state.x, vectors.times(momentum, forward))
    steps = state.steps + 1
    pull = vectors.times(1 / state.step, moved)
    turned = vectors.subtract(gradient, state.gradient_v)
    settled = state.growth == GROWTH
    shortest = jnp.where(settled, jnp.minimum(state.shortest, state.step), state.shortest)
    longer = state.step * jnp.clip(0.9 / jnp.maximum(bent, 0.01), 1, state.growth)
    residual = vectors.norm(vectors.subtract(turned, pull))
    plan = leaps.after_step(state.leaps, steps, residual)
    return state._replace(
        x=ahead,
        ahead=~plain | plan.now,
        w=state.x,
        loss_w=loss,
        gradient_w=gradient,
        objective_w=objective,
        v=state.x,
        loss_v=loss,
        gradient_v=gradient,
        plain=plain & ~plan.now,
        t=jnp.where(uphill | plan.now, 1, t),
        step=longer,
        shortest=shortest,
        going=longer < shortest / jnp.finfo(longer.dtype).eps ** 2,
        scale=jnp.maximum(state.scale, vectors.norm(gradient)),
        residual=residual,
        steps=steps,
        leaps=plan,
    )

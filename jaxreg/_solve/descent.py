"""Accelerated proximal gradient descent, as one loop with one evaluation of the loss each time.

    z = prox(v − step·∇f(v); step),        v ← z + β(z − w),        w ← z.

An iteration evaluates the loss and its gradient either at a trial z or at the extrapolated point v.
Backtracking: the step is at least halved until the loss at z lies below the parabola of curvature
1/step through v; after an accepted trial it may grow. Restart: momentum is dropped where it leads
uphill, and a trial that would raise the objective is repeated from w without momentum. So the
objective never rises, also where it is not convex. At some iterations v is the result of a
semismooth Newton step instead (`newton`). What an iteration does to the state is in `iteration`.

By z = prox(v − step·∇f(v)), the vector ∇f(z) − ∇f(v) + (v − z)/step is a subgradient of the
objective at z, and for convex penalties at least as long as `jaxreg.diagnostics.optimality` at z.
The descent ends when its length is small.

References: Beck & Teboulle 2009, *A fast iterative shrinkage-thresholding algorithm*; O'Donoghue &
Candès 2015, *Adaptive restart for accelerated gradient schemes* (arXiv:1204.3982); Becker, Candès &
Grant 2011, *Templates for convex cone problems* (arXiv:1009.2065).
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg._solve import iteration, newton, vectors
from jaxreg._solve.iteration import State
from jaxreg._solve.problem import Data, Point, Problem
from jaxreg._solve.vectors import Vector

AFTER_ALL = 1e-3  # of the largest gradient on the way counts in any case
ROUNDING = 4  # units in the last place by which w is off


class Limits(NamedTuple):
    """When to stop, and what is known from a problem nearby; all may be traced."""

    tolerance: Any  # of the residual, beside the largest gradient
    steps: Any  # at most so many
    step: Any = 1.0  # the first length to try
    growth: Any = iteration.FIRST_GROWTH
    scale: Any = 0.0  # the largest gradient
    newton_at: Any = newton.FIRST  # the number of steps before the first
    known: Point | None = None  # the loss and gradient at the start


class Found(NamedTuple):
    """Where the descent ended."""

    w: Vector
    loss: jax.Array
    gradient: Vector  # of the loss
    step: jax.Array
    scale: jax.Array  # the largest gradient
    threshold: jax.Array  # of the residual
    settled: jax.Array  # the residual is below it
    steps: jax.Array
    started: jax.Array  # False if the loss at the start is not finite


def descend(problem: Problem, start: Vector, data: Data, limits: Limits) -> Found:
    """Minimises loss + penalty from ``start``."""

    def turn(state: State) -> State:
        here = problem.point(state.x, data)
        state = jax.lax.cond(
            state.ahead,
            lambda: vectors.varying(iteration.arrived(state, here), state),
            lambda: vectors.varying(_tried(problem, state, here, data), state),
        )
        state = state._replace(bound=_threshold(state, limits))
        x = jax.lax.cond(state.ahead, lambda: state.x, lambda: _trial(problem, state, data))
        now = state.ahead & state.newton.now
        with contextlib.suppress(newton.NoDerivative):
            x = jax.lax.cond(now, lambda: _newton_point(problem, state, data), lambda: x)
        return state._replace(x=x)

    def going(state: State) -> jax.Array:
        near = state.residual <= state.bound  # False for NaN
        return state.going & ~near & (state.steps < limits.steps)

    dtype = vectors.dtype_of(start)
    numbers = [jnp.asarray(x, dtype) for x in (limits.step, limits.growth, limits.scale)]
    first = iteration.first(start, *numbers, newton_at=limits.newton_at)
    first = vectors.varying(first, (start, problem.data_loss(start, data), data.penalty))
    if limits.known is not None:
        first = vectors.varying(_begun(problem, first, limits.known, data), first)
    end = jax.lax.while_loop(going, turn, first)
    return Found(
        w=end.w.x,
        loss=end.w.loss,
        gradient=end.w.gradient,
        step=end.taken,
        scale=end.scale,
        threshold=end.bound,
        settled=end.residual <= end.bound,
        steps=end.steps,
        started=jnp.isfinite(end.w.loss) & jnp.isfinite(end.scale),
    )


def _begun(problem: Problem, state: State, here: Point, data: Data) -> State:
    """The first evaluation is of a trial, where the loss at the start is known."""
    nothing = [jnp.zeros_like(x) for x in here.x]
    here = here._replace(gradient=problem.on_subset(here.gradient, nothing, data))
    state = iteration.arrived(state, here)
    return state._replace(x=_trial(problem, state, data))


def _threshold(state: State, limits: Limits) -> jax.Array:
    return threshold(state.w, state.taken, state.scale, limits.tolerance, state.shortest)


def threshold(
    w: Point, step: jax.Array, scale: jax.Array, tolerance: Any, shortest: Any = jnp.inf
) -> jax.Array:
    """The residual that counts as none.

    It is small beside the gradients here and on the way, and a step of it small beside w and beside
    steps on the way; or it is what rounding of w makes, while that has half of the digits. Where
    the loss falls forever, ever more gently, the gradient vanishes and steps do not.
    """
    size, eps = vectors.norm(w.x), jnp.finfo(step.dtype).eps
    here = vectors.norm(w.gradient) + size / step
    gentle = jnp.clip(here, AFTER_ALL * scale, scale)
    lengths = (scale * shortest + size) / step
    gentle = jnp.where(jnp.isfinite(shortest), jnp.minimum(gentle, lengths), gentle)
    rounding = jnp.minimum(ROUNDING * eps * size / step, jnp.sqrt(eps) * scale)
    return tolerance * gentle + rounding


def _tried(problem: Problem, state: State, here: Point, data: Data) -> State:
    return iteration.tried(state, here, problem.penalty(here.x, data))


def _trial(problem: Problem, state: State, data: Data) -> Vector:
    down = vectors.times(state.step, state.v.gradient)
    return problem.prox(vectors.subtract(state.v.x, down), state.step, data)


def _newton_point(problem: Problem, state: State, data: Data) -> Vector:
    """Where a Newton step leads from w, as exactly as the end of the descent needs it."""
    return newton.newton_step(
        problem,
        state.w,
        state.step,
        data,
        tolerance=jnp.minimum(0.1 * state.bound / state.residual, 0.1),
        products=newton.products(state.newton, state.steps),
    )

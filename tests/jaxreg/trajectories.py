"""Trainings in float64 to compare: many optimizers, one small quadratic, one compiled scan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxreg import add_penalty_gradient, decoupled_decay, l2

RNG = np.random.default_rng(0)
SIZE, MOST = 5, 600
BASIS = np.linalg.qr(RNG.standard_normal((SIZE, SIZE)))[0]
CURVATURE = BASIS * np.linspace(0.5, 3, SIZE) @ BASIS.T
MINIMISER = np.array([2.0, -1.5, 1.0, 0.5, -0.3])
NOISE = RNG.standard_normal((MOST, SIZE))
START = np.linspace(1, -1, SIZE) + 0.3


class Run(NamedTuple):
    """One training: an optimizer, its gradient (params, step) → grads, and where it starts."""

    optimizer: optax.GradientTransformation
    gradient: Callable[[Any, Any], Any]
    start: Any = START


def train(steps: int, *runs: Run) -> list[Any]:
    """For every run its parameters, with the start as row 0; all as one compiled scan."""

    def step(carry, t):
        moved = [advance(run, *pair, t) for run, pair in zip(runs, carry, strict=True)]
        return moved, [params for params, _ in moved]

    def whole(starts):
        carry = [(w, run.optimizer.init(w)) for run, w in zip(runs, starts, strict=True)]
        return jax.lax.scan(step, carry, jnp.arange(steps))[1]

    with jax.enable_x64(True):
        starts = [jax.tree.map(jnp.asarray, run.start) for run in runs]
        paths = jax.device_get(jax.jit(whole)(starts))
    return jax.tree.map(lambda w, later: np.concatenate([w[None], later]), starts, paths)


def advance(run, params, state, t):
    updates, state = run.optimizer.update(run.gradient(params, t), state, params)
    return jax.tree.map(jnp.add, params, updates), state


def gap(a: Any, b: Any) -> float:
    return float(
        max(np.abs(x - y).max() for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))
    )


def still(w, t):
    return CURVATURE @ (w - MINIMISER)


def noisy(w, t):
    return still(w, t) + jnp.asarray(NOISE)[t]


def zero(w, t):
    return jnp.zeros_like(w)


def cosine(steps: int, peak: float = 1.0) -> Callable[[Any], Any]:
    return lambda t: peak * (0.5 + 0.5 * jnp.cos(jnp.pi * t / steps))


def at_each(schedule: Callable[[Any], Any], steps: int) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(schedule(jnp.arange(steps)))


def coupled(optimizer, strength):
    return optax.chain(add_penalty_gradient(strength * l2), optimizer)


def decayed(optimizer, rate, learning_rate, **options):
    return optax.chain(optimizer, decoupled_decay(rate, learning_rate, **options))

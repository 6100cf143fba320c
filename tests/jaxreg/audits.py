"""What the tests of the auditor share: parameters, schedules, home-made optimizers, a disguise."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

PARAMS = {"bias": jnp.zeros(5), "kernel": jnp.zeros((4, 5))}
RATE = 0.1
LR = 0.01
add_decayed = optax.add_decayed_weights
KERNEL = {"bias": False, "kernel": True}
WARM_UP = optax.linear_schedule(0.0, LR, 2)
SLOWLY = optax.linear_schedule(0.1, 0.2, 10)


def wrapped(optimizer):
    """The same, but for the functions and the class: nothing is left to recognise it by."""
    return optax.GradientTransformation(
        lambda params: optimizer.init(params),
        lambda updates, state, params=None, **more: optimizer.update(
            updates, state, params, **more
        ),
    )


def on_kernel(report):
    return next(leaf for leaf in report.leaves if leaf.name == "kernel")


def warm_up_cosine(peak):
    return optax.warmup_cosine_decay_schedule(0.0, peak, 10_000, 100_000)


class Start(NamedTuple):
    params: Any


def decay_to_init(amount):
    def update(updates, state, params):
        moved = jax.tree.map(lambda u, w, r: u - amount * (w - r), updates, params, state.params)
        return moved, state

    return optax.GradientTransformation(lambda params: Start(params), update)


def beside(amount):
    """w ← w − amount(w), beside the step."""

    def update(updates, state, params):
        return jax.tree.map(lambda u, w: u - amount(w), updates, params), state

    return optax.GradientTransformation(lambda params: (), update)


def divided_by_gradients(updates, state, params):
    """Stable weight decay: more of it where gradients are small."""

    def step(g, w):
        return -LR * jnp.sign(g) - 1e-3 * w / (jnp.sqrt(jnp.mean(g**2)) + 1e-8)

    return jax.tree.map(step, updates, params), state


def in_first_moment_alone(decay):
    """Adam whose decay enters the average of gradients but not that of their squares."""

    def init(params):
        return jax.tree.map(jnp.zeros_like, (params, params))

    def update(updates, state, params):
        m = jax.tree.map(lambda m, g, w: 0.9 * m + 0.1 * (g + decay * w), state[0], updates, params)
        v = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g**2, state[1], updates)
        return jax.tree.map(lambda m, v: -LR * m / (jnp.sqrt(v) + 1e-8), m, v), (m, v)

    return optax.GradientTransformation(init, update)

"""Equinox: the model is the tree of parameters, and a penalty is called with it.

Transforms take what ``equinox.filter`` leaves of it, for a model may hold functions too.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import jaxreg
from experiments.frameworks.regression import (
    DECOUPLED,
    IN_LOSS,
    INPUTS,
    LEARNING_RATE,
    RATE,
    STEPS,
    STRENGTH,
    TARGETS,
    ZEROS,
    Run,
)
from jaxreg import decoupled_decay, l1, l2, proximal_step, weights

SPARSE = optax.chain(
    optax.sgd(LEARNING_RATE), proximal_step(STRENGTH * l1.on(weights), LEARNING_RATE)
)


def start() -> eqx.nn.Linear:
    model = eqx.nn.Linear(5, 1, key=jax.random.key(0))
    ones, zeros = jnp.ones_like(model.weight), jnp.zeros(1)
    return eqx.tree_at(lambda m: (m.weight, m.bias), model, (ones, zeros))


def error(model: eqx.nn.Linear, x: Any, y: Any) -> jax.Array:
    return jnp.mean((jax.vmap(model)(x) - y) ** 2)


def penalised(model: eqx.nn.Linear, x: Any, y: Any) -> jax.Array:
    return error(model, x, y) + STRENGTH * l2.on(weights)(model)


def adamw(learning_rate: Any) -> optax.GradientTransformation:
    decay = decoupled_decay(RATE, learning_rate, where=weights)
    return optax.chain(optax.adam(learning_rate), decay)


def trained(loss: Any, optimizer: optax.GradientTransformation) -> Run:
    @eqx.filter_jit
    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = eqx.filter_value_and_grad(loss)(model, x, y)
        params = eqx.filter(model, eqx.is_inexact_array)
        updates, state = optimizer.update(grads, state, params)
        return eqx.apply_updates(model, updates), state, value

    model, value = start(), jnp.inf
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    for _ in range(STEPS):
        model, state, value = step(model, state, INPUTS, TARGETS)
    return Run(model, float(value))


def runs() -> dict[str, Run]:
    return {
        IN_LOSS: trained(penalised, optax.sgd(LEARNING_RATE)),
        DECOUPLED: trained(error, adamw(LEARNING_RATE)),
        ZEROS: trained(error, SPARSE),
    }


def audited() -> jaxreg.Audit:
    return jaxreg.audit(adamw, start())

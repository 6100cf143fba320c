"""Haiku: what ``init`` of a transformed function returns is the tree of parameters."""

from __future__ import annotations

from typing import Any

import haiku as hk
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


@hk.without_apply_rng
@hk.transform
def network(x: Any) -> jax.Array:
    return hk.Linear(1, w_init=hk.initializers.Constant(1.0))(x)


def error(params: hk.Params, x: Any, y: Any) -> jax.Array:
    return jnp.mean((network.apply(params, x) - y) ** 2)


def penalised(params: hk.Params, x: Any, y: Any) -> jax.Array:
    return error(params, x, y) + STRENGTH * l2.on(weights)(params)


def adamw(learning_rate: Any) -> optax.GradientTransformation:
    decay = decoupled_decay(RATE, learning_rate, where=weights)
    return optax.chain(optax.adam(learning_rate), decay)


def trained(loss: Any, optimizer: optax.GradientTransformation) -> Run:
    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    params, value = network.init(jax.random.key(0), INPUTS), jnp.inf
    state = optimizer.init(params)
    for _ in range(STEPS):
        params, state, value = step(params, state, INPUTS, TARGETS)
    return Run(params, float(value))


def runs() -> dict[str, Run]:
    return {
        IN_LOSS: trained(penalised, optax.sgd(LEARNING_RATE)),
        DECOUPLED: trained(error, adamw(LEARNING_RATE)),
        ZEROS: trained(error, SPARSE),
    }


def audited() -> jaxreg.Audit:
    return jaxreg.audit(adamw, network.init(jax.random.key(0), INPUTS))

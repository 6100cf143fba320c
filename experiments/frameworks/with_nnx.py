"""Flax NNX: penalties take the model; `nnx.Optimizer` shows the transforms its parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

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


class Regression(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.fc = nnx.Linear(5, 1, kernel_init=nnx.initializers.ones, rngs=rngs)

    def __call__(self, x: Any) -> jax.Array:
        return self.fc(x)


def error(model: Regression, x: Any, y: Any) -> jax.Array:
    return jnp.mean((model(x) - y) ** 2)


def penalised(model: Regression, x: Any, y: Any) -> jax.Array:
    return error(model, x, y) + STRENGTH * l2.on(weights)(model)


def adamw(learning_rate: Any) -> optax.GradientTransformation:
    decay = decoupled_decay(RATE, learning_rate, where=weights)
    return optax.chain(optax.adam(learning_rate), decay)


def trained(loss: Any, tx: optax.GradientTransformation) -> Run:
    @nnx.jit
    def step(model: Regression, optimizer: nnx.Optimizer, x: Any, y: Any) -> jax.Array:
        value, grads = nnx.value_and_grad(loss)(model, x, y)
        optimizer.update(model, grads)
        return value

    model = Regression(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    value = jnp.inf
    for _ in range(STEPS):
        value = step(model, optimizer, INPUTS, TARGETS)
    return Run(model, float(value))


def runs() -> dict[str, Run]:
    return {
        IN_LOSS: trained(penalised, optax.sgd(LEARNING_RATE)),
        DECOUPLED: trained(error, adamw(LEARNING_RATE)),
        ZEROS: trained(error, SPARSE),
    }


def audited() -> jaxreg.Audit:
    return jaxreg.audit(adamw, Regression(nnx.Rngs(0)))

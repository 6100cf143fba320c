"""Keras 3 on JAX: under ``model.fit``, in a loop of one's own, and what its AdamW does.

A penalty is a regularizer as it is: of one array, so without ``.on(weights)``. Its prox is a
constraint, which Keras applies after each step. (A model that is to be saved needs a function with
a name: ``@keras.saving.register_keras_serializable() def penalty(w): return 0.1 * l2(w)``.)
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported

import jax
import jax.numpy as jnp
import keras
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
from jaxreg import convert, decoupled_decay, l1, l2, weights

KERAS_L2 = "Keras's own L2"


def model_of(**dense: Any) -> keras.Model:
    layer = keras.layers.Dense(1, kernel_initializer="ones", **dense)
    return keras.Sequential([keras.layers.Input((5,)), layer])


def fitted(**dense: Any) -> Run:
    model = model_of(**dense)
    model.compile(optimizer=keras.optimizers.SGD(LEARNING_RATE), loss="mse")
    quiet: Any = 0
    history = model.fit(INPUTS, TARGETS, batch_size=len(INPUTS), epochs=STEPS, verbose=quiet)
    return Run(model.trainable_variables, history.history["loss"][-1])


def by_path(model: keras.Model) -> dict[str, jax.Array]:
    """A tree in which every array has the name that Keras gives it."""
    return {variable.path: variable.value for variable in model.trainable_variables}


def adamw(learning_rate: Any) -> optax.GradientTransformation:
    decay = decoupled_decay(RATE, learning_rate, where=weights)
    return optax.chain(optax.adam(learning_rate), decay)


def trained(optimizer: optax.GradientTransformation) -> Run:
    """A loop of one's own, for a transform of optax."""
    model = model_of()
    paths = [variable.path for variable in model.trainable_variables]

    def error(params: dict[str, jax.Array], x: Any, y: Any) -> jax.Array:
        outputs = model.stateless_call([params[path] for path in paths], [], x)[0]
        return jnp.mean((outputs - y) ** 2)

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(error)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    params, value = by_path(model), jnp.inf
    state = optimizer.init(params)
    for _ in range(STEPS):
        params, state, value = step(params, state, INPUTS, TARGETS)
    return Run(params, float(value))


def runs() -> dict[str, Run]:
    same = keras.regularizers.L2(convert.to_keras_l2(STRENGTH))
    return {
        IN_LOSS: fitted(kernel_regularizer=STRENGTH * l2),
        KERAS_L2: fitted(kernel_regularizer=same),
        DECOUPLED: trained(adamw(LEARNING_RATE)),
        ZEROS: fitted(kernel_constraint=lambda w: (STRENGTH * l1).prox(w, LEARNING_RATE)),
    }


def as_transform(model: keras.Model, optimizer: keras.Optimizer) -> optax.GradientTransformation:
    """An optimizer of Keras as one of optax: its updates are what it changes parameters by."""
    paths = [variable.path for variable in model.trainable_variables]
    optimizer.build(model.trainable_variables)

    def init(params: Any) -> Any:
        del params
        return [variable.value for variable in optimizer.variables]

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        lists = ([tree[path] for path in paths] for tree in (updates, params))
        ends, state = optimizer.stateless_apply(state, *lists)
        return {p: end - params[p] for p, end in zip(paths, ends, strict=True)}, state

    return optax.GradientTransformation(init, update)


def audited() -> jaxreg.Audit:
    """Of Keras's AdamW, told to spare the biases."""
    model = model_of()

    def of_keras(learning_rate: float) -> optax.GradientTransformation:
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=RATE)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return as_transform(model, optimizer)

    return jaxreg.audit(of_keras, by_path(model))

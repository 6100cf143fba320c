"""What trainings of a set-up will take, from the arithmetic of their steps and this machine's pace.

An estimate, good to about a third; what is measured on the way takes its place.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp

from experiments import training
from experiments.models import functions, start
from experiments.models.layers import Batch
from experiments.models.networks import RNN
from experiments.models.table import MODELS
from experiments.paired.sample import Source, network_of
from experiments.paired.setup import Setup

OVERHEAD = 3e-5
"""Seconds of a step beside its matrix products, on a CPU core."""
PREPARING = 2.5
"""Seconds of a program to trace, compile and draw."""
SIDE = 1024


def of_step(setup: Setup, source: Source, pace: float) -> float:
    """Seconds of the arithmetic of one step; ``pace`` in FLOP/s of one device."""
    return step_flops(setup, source) / (MODELS[setup.model].efficiency * pace)


def of_training(setup: Setup, source: Source, pace: float, looks: int = 1) -> float:
    """Seconds of one training that is looked at so often."""
    step = of_step(setup, source, pace)
    held = len(source.validation.labels) + len(source.test.labels) + setup.examples
    evaluation = step * held / setup.batch_size / 3  # of three products it needs the first
    return setup.steps * (OVERHEAD + step) + looks * evaluation


def step_flops(setup: Setup, source: Source) -> float:
    """FLOP of the gradient of one batch, as XLA counts them."""
    network = network_of(setup, source.classes)
    if isinstance(network, RNN):
        network = network.copy(unroll=True)  # of a loop, XLA counts one round
    height, width, channels = source.train.images.shape[1:]
    images = jax.ShapeDtypeStruct((setup.batch_size, height, width, channels), jnp.uint8)
    labels = jax.ShapeDtypeStruct((setup.batch_size,), jnp.int32)
    weights = jax.ShapeDtypeStruct((setup.batch_size,), jnp.float32)
    params = start.shapes_of(network, jax.ShapeDtypeStruct(images.shape, jnp.float32))["params"]
    loss = training.data_loss(functions.forward(network), jnp.float32)

    def gradient(params: Any, images: Any, labels: Any, weights: Any) -> Any:
        return jax.grad(loss, has_aux=True)(params, {}, images, labels, Batch(weights))

    lowered = jax.jit(gradient).lower(params, images, labels, weights)
    analysis: Any = lowered.cost_analysis() or {}
    return float(analysis.get("flops", 0.0))


def pace() -> float:
    """FLOP/s of one device at a large matrix product: all of them share the cores."""
    product = jax.jit(jnp.matmul)
    factor = jnp.ones((SIDE, SIDE))
    jax.block_until_ready(product(factor, factor))
    started = time.perf_counter()
    jax.block_until_ready(product(factor, factor))
    return 2 * SIDE**3 / (time.perf_counter() - started) / len(jax.devices())

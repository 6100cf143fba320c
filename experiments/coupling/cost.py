"""What a study will take, from the arithmetic of its steps and the pace of this machine.

An estimate, good to about a third; what is measured on the way takes its place.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp

from experiments import models, training
from experiments.coupling.regimes import Panel
from experiments.paired.sample import Source
from experiments.paired.setup import Setup

OVERHEAD = 3e-5
"""Seconds of a step beside its matrix products, on a CPU core."""
EFFICIENCY, OF_CONVOLUTIONS = 0.8, 0.05
"""Of the pace of a large matrix product, what small ones and small convolutions reach."""
PREPARING = 2.5
"""Seconds of a panel to trace, compile and draw."""
COARSE = 0.12
"""The coarse pass, in trainings of the study's."""
SIDE = 1024


def seconds(panel: Panel, source: Source, trainings: int, pace: float) -> float:
    """Of a panel with so many trainings; ``pace`` in FLOP/s of one device."""
    setup = panel.setup
    efficiency = OF_CONVOLUTIONS if setup.model == "cnn" else EFFICIENCY
    step = step_flops(setup, source) / (efficiency * pace)
    held = len(source.validation.labels) + len(source.test.labels) + setup.examples
    evaluation = step * held / setup.batch_size / 3  # of three products it needs the first
    one = setup.steps * (OVERHEAD + step) + evaluation
    return PREPARING + trainings * (1 + COARSE) * one / len(jax.devices())


def step_flops(setup: Setup, source: Source) -> float:
    """FLOP of the gradient of one batch, as XLA counts them."""
    network = models.make(setup.model, setup.hidden, source.classes)
    height, width, channels = source.train.images.shape[1:]
    images = jax.ShapeDtypeStruct((setup.batch_size, height, width, channels), jnp.uint8)
    labels = jax.ShapeDtypeStruct((setup.batch_size,), jnp.int32)
    weights = jax.ShapeDtypeStruct((setup.batch_size,), jnp.float32)
    params = models.shapes_of(network, jax.ShapeDtypeStruct(images.shape, jnp.float32))["params"]
    loss = training.data_loss(models.training_apply(network), jnp.float32)
    lowered = jax.jit(jax.grad(loss)).lower(params, images, labels, weights)
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

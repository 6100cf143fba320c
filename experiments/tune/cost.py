"""About how long each part takes, from the arithmetic of its steps and the pace of this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax

from experiments import training
from experiments.data import Dataset
from experiments.models.table import MODELS
from experiments.paired import cost
from experiments.tune.config import RETRAINED, SEARCHES, Part, TuneConfig

PREPARING = 4.0
"""Seconds of a program to trace and compile."""
DERIVATIVE = 2.5
"""A training with its derivative by one strength, in trainings."""
ASKING = 0.3
"""Seconds of a search to propose a strength, and to write it down."""
CLOSED = 1.5
"""Seconds of closed forms for one seed, beside a training."""


def estimates(parts: Sequence[Part], config: TuneConfig, dataset: Dataset) -> dict[str, float]:
    """Seconds of each part, by its id."""
    pace, devices = cost.pace(), len(jax.devices())
    step = step_flops(config, dataset) / (MODELS["mlp"].efficiency * pace)
    examples, batch_size = config.examples or 1, config.batch_size
    steps = training.steps_per_epoch(examples, batch_size) * (config.epochs or 1)
    trained = steps * (cost.OVERHEAD + step)

    def evaluated(images: int) -> float:
        return step * images / batch_size / 3  # of three products it needs the first

    def seconds(part: Part) -> float:
        seeds = config.seeds or 1
        if part.id in ("ridge", "evidence"):
            return PREPARING + seeds * (CLOSED + trained)
        held = len(dataset.test.labels) if part.id == RETRAINED else examples
        each = trained + evaluated(held)
        if part.id == "hypergradient":
            each *= DERIVATIVE
        asking = seeds * (config.trials or 1) * ASKING * (part.id in SEARCHES)
        return PREPARING + part.trainings * each / devices + asking

    return {part.id: seconds(part) for part in parts}


def step_flops(config: TuneConfig, dataset: Dataset) -> float:
    """FLOP of the gradient of one batch: six for each weight and image, but the first layer's need
    no derivative by its images."""
    inputs = math.prod(dataset.train.images.shape[1:])
    return config.batch_size * config.hidden * (4 * inputs + 6 * dataset.classes)

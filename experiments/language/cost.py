"""About how long each part takes, from the arithmetic of its steps and the pace of this machine."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from experiments.language.config import Part, Setup
from experiments.language.trainings import HELD
from experiments.paired import cost

EFFICIENCY = 0.25
"""Of a step's products, beside a large one on the same device."""
OVERHEAD = 4e-4
"""Seconds of a step beside its products, on a CPU core."""
PREPARING = 10.0
"""Seconds of a program to trace and compile."""


def estimates(parts: Sequence[Part], seeds: int, characters: int, shards: int) -> dict[str, float]:
    """Seconds of each part, by its id.

    Args:
      parts: what is trained.
      seeds: how many.
      characters: of the alphabet.
      shards: devices that share a training.
    """
    pace, devices = cost.pace(), max(len(jax.devices()) // shards, 1)

    def seconds(part: Part) -> float:
        count = len(part.learning_rates) * len(part.rates) * seeds
        return PREPARING + count * _one(part.setup, characters, pace) / devices

    return {part.id: seconds(part) for part in parts}


def _one(setup: Setup, characters: int, pace: float) -> float:
    """Seconds of a training on one device; held-out text needs the first of three products."""
    token = of_token(setup, characters) / (EFFICIENCY * pace)
    learnt = setup.steps * setup.batch_size * setup.context
    held = 2 * max(HELD, setup.examples)
    return setup.steps * OVERHEAD + (learnt + held / 3) * token


def of_token(setup: Setup, characters: int) -> float:
    """FLOP of the gradient of one character's loss: six for each weight of a product, and those of
    attention."""
    width, depth = setup.width, setup.depth
    weights = 12 * depth * width**2 + width * characters
    return 6 * (weights + 2 * depth * width * setup.context)

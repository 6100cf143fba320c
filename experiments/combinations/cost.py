"""About how long each part takes, from the arithmetic of its steps and the pace of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax

from experiments.combinations.config import Part
from experiments.paired import cost
from experiments.paired.sample import Source

BESIDE = 2e-4
"""Seconds of a step for momentum, every penalty and the masks of dropout."""
PREPARING = 6.0
"""Seconds of a program to trace, compile and draw."""


def estimates(parts: Sequence[Part], counts: Mapping[str, int], source: Source) -> list[float]:
    """Seconds of each part; ``counts`` are its trainings, by its id."""
    pace = cost.pace()
    return [PREPARING + counts[p.id] * _one(p, source, pace) / len(jax.devices()) for p in parts]


def _one(part: Part, source: Source, pace: float) -> float:
    """Seconds of a training on one device."""
    setup = part.setup
    return cost.of_training(setup, source, pace) + BESIDE * setup.steps

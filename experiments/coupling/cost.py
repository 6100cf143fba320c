"""What a study will take: see `experiments.paired.cost`."""

from __future__ import annotations

import jax

from experiments.coupling.regimes import Panel
from experiments.paired import cost
from experiments.paired.sample import Source

COARSE = 0.12
"""The coarse pass, in trainings of the study's."""


def seconds(panel: Panel, source: Source, trainings: int, pace: float) -> float:
    """Of a panel with so many trainings; ``pace`` in FLOP/s of one device."""
    one = cost.of_training(panel.setup, source, pace)
    return cost.PREPARING + trainings * (1 + COARSE) * one / len(jax.devices())

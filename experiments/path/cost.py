"""About how long each path takes, from the arithmetic of its steps and the pace of this machine."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from experiments.paired import cost
from experiments.paired.sample import Source
from experiments.path.config import Curve
from experiments.path.penalties import PENALTIES
from experiments.path.trainings import LOOKS

IN_LOSS, BY_PROX = 1e-4, 3e-4
"""Seconds of a step for momentum, the penalty's gradient or its prox, of 100,000 weights."""
DECOMPOSITION = 0.03
"""Seconds of a singular value decomposition of the first layer's weights."""
DESCENT = 1500
"""Steps of a solution on average, beyond one over all images each: with those of backtracking."""
WEIGHTS = 1e5


def estimates(curves: Sequence[Curve], source: Source, seeds: int) -> list[float]:
    """Seconds of each path."""
    pace = cost.pace()
    return [cost.PREPARING + seeds * _path(c, source, pace) / len(jax.devices()) for c in curves]


def _path(curve: Curve, source: Source, pace: float) -> float:
    """Seconds of all strengths of one seed on one device."""
    setup, row = curve.setup, PENALTIES[curve.penalty]
    size = source.train.images[0].size * setup.hidden / WEIGHTS
    if curve.network == "regression":
        one = DESCENT * setup.examples * cost.of_step(setup, source, pace)
    else:
        beside = (BY_PROX if row.by_prox else IN_LOSS) * size * setup.steps
        decompositions = LOOKS + (setup.steps / row.every if curve.penalty == "nuclear" else 0)
        one = cost.of_training(setup, source, pace, LOOKS) + beside
        one += decompositions * DECOMPOSITION * size
    return len(curve.strengths) * one

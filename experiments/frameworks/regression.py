"""What every framework fits, from where, and by which numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

_random = np.random.default_rng(0)
INPUTS = _random.normal(size=(64, 5)).astype(np.float32)
TARGETS = (INPUTS[:, :1] * 2 - INPUTS[:, 1:2] + 0.5).astype(np.float32)
"""Of the five inputs the first two count. Models start at weights of 1 and a bias of 0."""

STEPS, LEARNING_RATE = 50, 0.1
STRENGTH = 0.1  # λ of the penalties
RATE = 0.5  # ω of the decay

IN_LOSS, DECOUPLED, ZEROS = "L2 in the loss", "decoupled decay", "L1 by its prox"


class Run(NamedTuple):
    """One training.

    Attributes:
      params: the weights and the bias that it ends at, in the tree of the framework.
      loss: of the last step, with the penalty that is in it.
    """

    params: Any
    loss: float

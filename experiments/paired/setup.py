"""What the trainings of one heat map have in common."""

from __future__ import annotations

import dataclasses
from typing import Literal

from experiments.config import Config, Optimizer
from experiments.forms import FORMS, trained
from experiments.models.table import Norm, Studied

Decayed = Literal["all", "weights", "hidden"]

STRETCHES = 20
"""Equal parts of a training; at the end of each its curves are recorded."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """A network, its data and how long it is trained: everything but the numbers that are swept.

    Attributes:
      model: the network.
      optimizer: sgd, momentum (0.9) or adam (0.9, 0.999).
      schedule: multiplier s_t of the learning rate: 1, or from 1 to 0 by a half cosine.
      decayed: the parameters that decay: all, the weights (no biases, no norms), or those weights
        without the output layer's (hidden).
      examples: training images, drawn anew for each seed.
      label_noise: share of their labels that are wrong.
      batch_size: images in a step.
      epochs: passes over the training images.
      hidden: width of the network.
      norm: what is normalised in it; None: what the network has of its own.
      dropout: share of its units that are zero in a step.
    """

    model: Studied
    optimizer: Optimizer
    schedule: Literal["constant", "cosine"]
    decayed: Decayed
    examples: int
    label_noise: float
    batch_size: int
    epochs: float
    hidden: int
    norm: Norm | None = None
    dropout: float = 0.0

    @property
    def steps(self) -> int:
        """Updates of a training: a multiple of `STRETCHES`."""
        exact = self.epochs * self.examples / self.batch_size
        return max(round(exact / STRETCHES), 1) * STRETCHES

    def config(self, form: str) -> Config:
        """The settings of the optimizer, for `experiments.training`.

        ``form`` is that of a heat map, which may train another: see `forms.trained`.
        """
        return Config(
            coupling=trained(FORMS[form]).name,
            optimizer=self.optimizer,
            schedule=self.schedule,
            batch_size=self.batch_size,
            hidden=self.hidden,
        )

"""The paths of multinomial regression: exact solutions by `jaxreg.path`, all seeds as one program.

The loss is convex, so every solution is a minimum and no form of training decides what it is: a
path has no subgradient beside a prox. A seed is a subset of the images (and its wrong labels).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxreg
from experiments import training
from experiments.models import functions
from experiments.paired.sample import Sample, Source, draw_sample, network_of
from experiments.paired.setup import Setup
from experiments.paired.trainings import drawn_by
from experiments.path.measures import measures
from experiments.path.penalties import PENALTIES

MOST_STEPS = 2000
TOLERANCE = 1e-4
"""Of each solution; what it does not reach is in the records."""


@dataclasses.dataclass(frozen=True, eq=False)
class RegressionPaths:
    """Paths with one penalty; make it once: its program is compiled once.

    Attributes:
      setup: of model softmax: how many images, and the share of wrong labels.
      penalty: of `PENALTIES`.
      strengths: ascending; followed from the highest down, each from the solution before.
      source: images to solve for, to choose by and to test on.
      seeds: each draws images and wrong labels.
    """

    setup: Setup
    penalty: str
    strengths: tuple[float, ...]
    source: Source
    seeds: tuple[int, ...]

    def run(self, points: Mapping[str, Any], **options: Any) -> jaxreg.Sweep:
        """Follows the path once for each point: ``seed``, a place in ``seeds``."""
        return jaxreg.sweep(self, points, self.sample, **options)

    @functools.cached_property
    def sample(self) -> Sample:
        """The data of each seed."""
        return draw_sample(self.setup, self.source, self.seeds)

    def __call__(self, point: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
        """One path: what `measures` finds, [strengths], and the parameters."""
        own = drawn_by(point["seed"], sample)
        apply = functions.training_apply(network_of(self.setup, self.source.classes))
        images = training.pixels(own.train.images, jnp.float32)
        penalty = PENALTIES[self.penalty].penalty(1.0, "regression")
        falling = np.array(self.strengths[::-1], np.float32)
        found = jaxreg.path(
            functools.partial(loss, apply), penalty, own.params, images, own.train.labels,
            strengths=falling, max_steps=MOST_STEPS, tolerance=TOLERANCE, degrees_of_freedom=False,
        )  # fmt: skip

        def look(params: Any) -> Any:
            return measures("regression", apply, params, own)

        looks = jax.lax.map(look, found.params)
        ends = {"steps": found.steps, "converged": found.converged}
        return jax.tree.map(lambda x: x[::-1], {**looks, **ends, "params": found.params})


def loss(apply: training.Apply, params: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean cross-entropy."""
    return jnp.mean(training.cross_entropy(apply(params, images), labels))

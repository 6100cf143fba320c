"""Many trainings of the main job as one program: any strengths, rates, learning rates and seeds.

The step is that of `experiments.training`, under `jaxreg.sweep`. Initial weights and batches are
drawn once for each seed and shared by all runs of that seed, so runs are compared in pairs, and
each is the run that `python -m experiments.mnist` makes alone with its settings.

It is compiled as XLA would: the CPU options of `experiments.machine` are no faster here, and not
safe. Where several CPU devices compute at once, they bring a library of matrix products (Eigen)
that now and then gets the first 216 rows of the test images wrong (jaxlib 0.10.2).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxreg
from experiments import training
from experiments.config import ConfigError, TrainingConfig
from experiments.data import Dataset
from experiments.forms import FORMS
from experiments.problem import Problem

NAMES = ("strength", "l1_strength", "rate", "learning_rate", "dropout", "seed")
"""What may differ between the runs of one program; the rest are settings of the program."""


class Shared(NamedTuple):
    """What all runs use. Batches, initial weights and keys have a leading axis of seeds."""

    train: training.Images
    test: training.Images
    batches: Any  # int32 [seeds, epochs, steps, batch_size]
    weights: Any  # float [steps, batch_size]: the same in every epoch
    params: Any
    keys: Any  # uint32 [seeds, 2]


@dataclasses.dataclass(frozen=True, eq=False)
class Trainings:
    """The trainings of a configuration; make it once, and its program is compiled once.

    Attributes:
      config: a resolved configuration, for everything that the points do not name.
      dataset: what to train on and to test on.
      evaluation: "end" looks at the test images once, after the last epoch; "epoch" after each.
    """

    config: TrainingConfig
    dataset: Dataset
    evaluation: Literal["end", "epoch"] = "end"

    def run(self, points: Mapping[str, Any], **options: Any) -> jaxreg.Sweep:
        """Trains once for each point.

        Args:
          points: arrays of equal length for any of `NAMES`, as from `jaxreg.grid`.
          **options: of `jaxreg.sweep`.

        Returns:
          A `jaxreg.Sweep` whose results are what the main job records of an epoch, by name: loss,
          test_loss, accuracy, penalty, norm and sparsity; of the last epoch, or of every epoch,
          [runs, epochs], with ``evaluation="epoch"``.

        Raises:
          ConfigError: if a name is none of `NAMES`, or has no effect in this configuration.
        """
        found = jaxreg.sweep(self, *self._swept(points), **options)
        return dataclasses.replace(found, points=dict(points))

    def lower(self, points: Mapping[str, Any], **options: Any) -> jax.stages.Lowered:
        """The program that `run` compiles, as `jaxreg.lower_sweep` gives it, with its options."""
        return jaxreg.lower_sweep(self, *self._swept(points), **options)

    def _swept(self, points: Mapping[str, Any]) -> tuple[dict[str, Any], Shared]:
        """What a sweep takes: the points, each seed by its place, and what the runs share."""
        check(self.config, points)
        alone = np.full(len(next(iter(points.values()))), self.config.seed)
        seeds, places = np.unique(points.get("seed", alone), return_inverse=True)
        numbers = {name: np.asarray(v) for name, v in points.items() if name != "seed"}
        shared = self.shared(tuple(map(int, seeds)))
        return {**numbers, "seed": places.astype(np.int32)}, shared

    def __call__(self, point: Mapping[str, Any], shared: Shared) -> dict[str, Any]:
        """One training; its seed is the place of the seed among the shared ones."""
        numbers = {name: value for name, value in point.items() if name != "seed"}
        problem = Problem(dataclasses.replace(self.config, **numbers), self.dataset)
        own = shared.params, shared.keys
        state = problem.state(*jax.tree.map(lambda leaf: leaf[point["seed"]], own))
        run = training.scan_batches(problem.step())

        def measure(state: training.State, loss: Any) -> dict[str, Any]:
            metrics = training.Metrics(loss, *problem.evaluate(state, shared.test))
            size = training.size(problem.penalty, state.params)
            return {**metrics._asdict(), **size._asdict()}

        def epoch(state: training.State, batches: Any) -> tuple[training.State, Any]:
            order = training.Order(batches, shared.weights)
            state, losses = run(state, order, shared.train)
            loss = jnp.mean(losses)
            return state, measure(state, loss) if self.evaluation == "epoch" else loss

        state, found = jax.lax.scan(epoch, state, shared.batches[point["seed"]])
        return found if self.evaluation == "epoch" else measure(state, found[-1])

    def shared(self, seeds: tuple[int, ...]) -> Shared:
        """The data, and for each seed what it determines."""
        problem, epochs = Problem(self.config, self.dataset), range(self.config.epochs)
        keys = [training.key_of(seed) for seed in seeds]
        orders = [[problem.order(key, epoch) for epoch in epochs] for key in keys]
        params = jax.tree.map(lambda *leaves: np.stack(leaves), *map(problem.init, seeds))
        batches = np.stack([[order.indices for order in of_seed] for of_seed in orders])
        return Shared(*problem.images(), batches, orders[0][0].weights, params, np.stack(keys))


def check(config: TrainingConfig, points: Mapping[str, Any]) -> None:
    """Stops if a name of the points means nothing, or nothing in this configuration.

    Raises:
      ConfigError: with the names that can be used.
    """
    takes_rate = FORMS[config.coupling].rate is not None
    without_effect = {
        "strength": config.penalty == "l1" or (takes_rate and "rate" in points),
        "l1_strength": config.penalty == "l2",
        "rate": not takes_rate,
    }
    names = [name for name in NAMES if not without_effect.get(name)]
    wrong = [name for name in points if name not in names]
    if wrong or not points:
        raise ConfigError(
            f"points: expected any of {', '.join(names)} with --penalty {config.penalty} "
            f"--coupling {config.coupling}, got {', '.join(wrong) or 'none'}"
        )

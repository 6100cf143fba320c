"""Trainings of the network for the contract of `jaxreg.tune`, by the step that all commands use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import training
from experiments.config import TrainingConfig
from experiments.data import Dataset, Split
from experiments.problem import Problem


class Own(NamedTuple):
    """What a seed draws; stacked, with a leading axis of seeds."""

    train: training.Images
    batches: Any  # int32 [epochs, steps, batch_size]
    counts: Any  # float [steps, batch_size]: 0 where the last batch is filled up
    params: Any
    key: Any  # uint32 [2]


@dataclasses.dataclass(frozen=True, eq=False)
class TunedTrainings:
    """The trainings of a study; make it once, and its programs are compiled once.

    Attributes:
      config: a resolved configuration; its strengths are those of the points.
      dataset: as large as what a seed draws; its test images are reported.
    """

    config: TrainingConfig
    dataset: Dataset

    def problem(self, strength: Any) -> Problem:
        """The problem with that λ: of L1 λ₁, of the elastic net both."""
        return Problem(dataclasses.replace(self.config, **self.numbers(strength)), self.dataset)

    def numbers(self, strength: Any) -> dict[str, Any]:
        """What a point of `experiments.sweeping` names it."""
        names = {"l2": ("strength",), "l1": ("l1_strength",)}
        both = ("strength", "l1_strength")
        return dict.fromkeys(names.get(self.config.penalty, both), strength)

    def drawn(self, seed: int, pool: Split) -> Own:
        """Images, initial weights and batches of a seed."""
        train = images_of(seed, pool, len(self.dataset.train.labels))
        problem, key = self.problem(0.0), training.key_of(seed)
        orders = [problem.order(key, epoch) for epoch in range(self.config.epochs)]
        batches = np.stack([order.indices for order in orders])
        counts = (orders[0].weights > 0).astype(problem.weight_dtype)
        return Own(training.Images(*train), batches, counts, problem.init(seed), key)

    def losses(self, point: Mapping[str, Any], weights: jax.Array, own: Own) -> jax.Array:
        """The loss of every image, after a training on those that count: as `jaxreg.tune` asks."""
        problem, state = self._trained(point["strength"], weights, own)
        return training.cross_entropy(_logits(problem, state, own.train.images), own.train.labels)

    def outcome(self, point: Mapping[str, Any], owns: Own, test: training.Images) -> dict[str, Any]:
        """What a training on all images of a seed reaches; the seed is its place among ``owns``."""
        own = jax.tree.map(lambda leaf: leaf[point["seed"]], owns)
        problem, state = self._trained(point["strength"], _everyone(own), own)
        loss, accuracy = problem.evaluate(state, test)
        sparsity = training.size(problem.penalty, state.params).sparsity
        return {"test_loss": loss, "accuracy": accuracy, "zeros": sparsity}

    def features(self, own: Own, test: Any) -> tuple[jax.Array, jax.Array]:
        """What the last layer is given, of the images of a seed and of others, by the network that
        was trained without a penalty."""
        problem, state = self._trained(0.0, _everyone(own), own)
        train, others = (
            hidden(state.params, training.pixels(images, problem.dtype))
            for images in (own.train.images, test)
        )
        return train, others

    def _trained(self, strength: Any, weights: jax.Array, own: Own) -> tuple[Problem, Any]:
        """The network after all batches, each the mean over those of its images that count."""
        problem = self.problem(strength)
        run = training.scan_batches(problem.step())

        def epoch(state: training.State, batches: Any) -> tuple[training.State, None]:
            counted = own.counts * weights[batches].astype(own.counts.dtype)
            total = jnp.sum(counted, axis=1, keepdims=True)
            order = training.Order(batches, counted / jnp.where(total > 0, total, 1))
            return run(state, order, own.train)[0], None

        start = problem.state(own.params, own.key)
        return problem, jax.lax.scan(epoch, start, own.batches)[0]


def images_of(seed: int, pool: Split, examples: int) -> Split:
    """So many images, drawn by a seed."""
    chosen = np.random.default_rng([seed, 1]).permutation(len(pool.labels))[:examples]
    return Split(pool.images[chosen], pool.labels[chosen])


def stacked(owns: Sequence[Own]) -> Own:
    """All seeds, for trainings side by side."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *owns)


def hidden(params: Any, images: jax.Array) -> jax.Array:
    """The hidden layer of the network, images given as numbers."""
    layer = params["fc1"]
    return jax.nn.relu(flat(images) @ layer["kernel"] + layer["bias"])


def flat(images: Any) -> Any:
    """A row for each image."""
    return images.reshape(len(images), -1)


def _everyone(own: Own) -> jax.Array:
    return jnp.ones(own.train.labels.shape, own.counts.dtype)


def _logits(problem: Problem, state: training.State, images: jax.Array) -> jax.Array:
    variables = state.params, state.statistics
    return problem.apply(variables, training.pixels(images, problem.dtype))

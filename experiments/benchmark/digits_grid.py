"""`python -m experiments.benchmark.digits_grid`: the search that the suite tune times, a process.

Folds × strengths × seeds of the mission's network on digits, by `jaxreg.tune.cross_validate` and
the train step of all commands. The options and what is printed are those of `peers/torch_grid.py`;
so are the draws, so that both make the same trainings.
"""

# ruff: noqa: E402 (the clock starts before the imports that it measures)

from __future__ import annotations

import time

STARTED = time.perf_counter()

import argparse
import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import machine, training
from experiments.config import TrainingConfig, resolved_training
from experiments.data import Dataset, Split, load
from experiments.problem import Problem
from jaxreg import grid, tune

IMPORT_SECONDS = time.perf_counter() - STARTED
LAYERS = {"fc1": (784, 128), "fc2": (128, 10)}


class Drawn(NamedTuple):
    """What the seeds draw, with a leading axis of seeds."""

    params: Any
    orders: training.Order  # [seeds, epochs, steps, batch_size], of the images that count


@dataclasses.dataclass(frozen=True, eq=False)
class Trainings:
    """The trainings of the grid: Adam on the images that are not held out, and on no others.

    Attributes:
      config: of each of them, but for its strength.
      dataset: the images.
      count: how many of them are not held out: the same in every fold.
    """

    config: TrainingConfig
    dataset: Dataset
    count: int

    def problem(self, strength: Any) -> Problem:
        return Problem(dataclasses.replace(self.config, strength=strength), self.dataset)

    def drawn(self, seed: int) -> Drawn:
        """Initial weights, uniform ±√(6/(inputs + outputs)), and the batches of every epoch."""
        random = np.random.default_rng(seed)
        params = {name: _layer(random, *sizes) for name, sizes in LAYERS.items()}
        orders = [
            training.batches(random.permutation(self.count), self.config.batch_size, np.float32)
            for _ in range(self.config.epochs)
        ]
        return Drawn(params, stacked(orders))

    def losses(
        self, point: Mapping[str, Any], weights: jax.Array, drawn: Drawn, images: training.Images
    ) -> jax.Array:
        """The loss of every image, as `jaxreg.tune` asks."""
        kept = jnp.nonzero(weights, size=self.count)[0]
        own = jax.tree.map(lambda leaf: leaf[point["seed"]], drawn)
        problem = self.problem(point["strength"])
        run = training.scan_batches(problem.step())

        def epoch(state: training.State, order: training.Order) -> tuple[training.State, None]:
            return run(state, order._replace(indices=kept[order.indices]), images)[0], None

        state = jax.lax.scan(epoch, problem.state(own.params, training.key_of(0)), own.orders)[0]
        pixels = training.pixels(images.images, problem.dtype)
        logits = problem.apply((state.params, state.statistics), pixels)
        return training.cross_entropy(logits, images.labels)


def _layer(random: np.random.Generator, inputs: int, outputs: int) -> dict[str, np.ndarray]:
    bound = (6 / (inputs + outputs)) ** 0.5
    shapes = {"kernel": (inputs, outputs), "bias": (outputs,)}
    return {n: random.uniform(-bound, bound, s).astype(np.float32) for n, s in shapes.items()}


def stacked(trees: Any) -> Any:
    """Trees of equal shapes as one, with a leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


@functools.cache
def digits(examples: int) -> Dataset:
    """The first of the training images."""
    whole = load("mnist")
    train = Split(whole.train.images[:examples], whole.train.labels[:examples])
    return dataclasses.replace(whole, train=train)


def kept_by(examples: int, folds: int) -> np.ndarray:
    """Weights of shape (folds, examples): every so many-th image is held out."""
    held = np.arange(examples) % folds == np.arange(folds)[:, None]
    return (~held).astype(np.float32)


def chosen(options: argparse.Namespace, progress: Any = None) -> tune.Choice:
    """The choice by the whole grid.

    Args:
      options: as of `arguments`.
      progress: is called as trainings end.
    """
    settings: dict[str, Any] = {"optimizer": "adam", "learning_rate": 1e-3, "where": "weights"}
    config = resolved_training(TrainingConfig(epochs=options.epochs, **settings))
    weights = kept_by(options.examples, options.folds)
    dataset = digits(options.examples)
    trainings = Trainings(config, dataset, int(weights[0].sum()))
    strengths = tune.strengths(1e-5, 1e-2, options.strengths)
    points = grid(strength=strengths, seed=range(options.seeds))
    drawn = stacked([trainings.drawn(seed) for seed in range(options.seeds)])
    given = drawn, training.Images(*dataset.train)
    settings = {"examples": options.examples, "per_device": 1, "progress": progress}
    return tune.cross_validate(trainings.losses, points, *given, folds=weights, **settings)


def steady(done: list[tuple[int, float]]) -> float:
    """Seconds of all trainings, by the pace of those after the first that came back.

    ``done`` has trainings and seconds since the beginning, as often as they were known.

    >>> steady([(2, 3.0), (6, 7.0), (10, 11.0)])
    10.0
    """
    (first, began), (last, ended) = done[0], done[-1]
    return (ended - began) * last / (last - first)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=5000, help="a multiple of --folds")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--strengths", type=int, default=20, help="from 1e-5 to 1e-2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    machine.every_device("cpu", compilation_cache=False)
    started, done = time.perf_counter(), []
    digits(options.examples)
    data = time.perf_counter() - started
    choice = chosen(options, lambda progress: done.append((progress.done, progress.seconds)))
    times = {"import_seconds": IMPORT_SECONDS, "data_seconds": data, "search": choice.seconds}
    times |= {"seconds": steady(done)}
    print(json.dumps({**times, "losses": choice.scores.tolist()}))


if __name__ == "__main__":
    main()

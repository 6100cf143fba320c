"""The trainings of a claim, all of them one program: one network and data, many optimizers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from experiments import training
from experiments.claims.claim import Settings
from experiments.models import functions, start
from experiments.models.networks import MLP
from experiments.models.table import Studied
from experiments.paired import sample as samples
from experiments.paired.sample import Sample, draw_sample
from experiments.paired.setup import Setup
from experiments.paired.trainings import drawn_by, evaluate

Point = Mapping[str, Any]
Look = Callable[[training.State, training.State], dict[str, Any]]
Observe = Callable[[nn.Module, Any, Sample], dict[str, Any]]


def setup_of(
    model: Studied,
    steps: int,
    examples: int = 2000,
    label_noise: float = 0.0,
    batch_size: int = 64,
    hidden: int = 64,
) -> Setup:
    """A network, its data, and how many steps it is trained: a multiple of 20.

    The optimizer is not the set-up's own here: a claim compares its own.
    """
    return Setup(
        model=model,
        optimizer="sgd",
        schedule="constant",
        decayed="all",
        examples=examples,
        label_noise=label_noise,
        batch_size=batch_size,
        epochs=steps * batch_size / examples,
        hidden=hidden,
    )


def settled(network: nn.Module, params: Any, own: Sample) -> dict[str, Any]:
    """Losses and errors on validation and test images, statistics from the training images."""
    return evaluate(network, params, own)


def validated(network: nn.Module, params: Any, own: Sample) -> dict[str, Any]:
    """The validation error alone, of a network that does not normalise: to be seen often."""
    measure = training.make_evaluate(functions.training_apply(network), jnp.float32)
    return {"error": 1 - measure(params, own.validation)[1]}


def nothing(network: nn.Module, params: Any, own: Sample) -> dict[str, Any]:
    """Sees nothing between the steps."""
    del network, params, own
    return {}


def no_look(before: training.State, after: training.State) -> dict[str, Any]:
    """Sees nothing of a step but its loss, which is always seen."""
    del before, after
    return {}


def equal_weights(point: Point, size: int) -> jax.Array:
    """Every image of a batch counts the same."""
    del point
    return jnp.full(size, 1 / size)


def as_drawn(params: Any, point: Point) -> Any:
    """Starts from the initial weights of the seed."""
    del point
    return params


@dataclasses.dataclass(frozen=True, eq=False)
class Course:
    """The trainings of a claim; make it once: its program is compiled once.

    Attributes:
      setup: network, data and length.
      optimizer: of the numbers of a point.
      observe: (network, params, what the seed has drawn) → numbers, after each stretch.
      look: what is seen of each step; the mean over a stretch is kept.
      stretches: equal parts of a training; 1 observes its end alone.
      start: (initial weights, point) → those to start from.
      of_each: (outputs, labels) → the loss of each image.
      weights: (point, batch size) → the weight of each image in the mean of its batch.
      widths: of an `MLP` without biases, in place of the set-up's network.
    """

    setup: Setup
    optimizer: Callable[[Point], optax.GradientTransformation]
    observe: Observe = settled
    look: Look = no_look
    stretches: int = 1
    start: Callable[[Any, Point], Any] = as_drawn
    of_each: Callable[[jax.Array, jax.Array], jax.Array] = training.cross_entropy
    weights: Callable[[Point, int], jax.Array] = equal_weights
    widths: tuple[int, ...] = ()

    def run(
        self, settings: Settings, cases: Mapping[str, Any], paired: Mapping[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """Trains every case with every seed; arrays [seeds, cases, stretches, …].

        Args:
          settings: images and seeds.
          cases: numbers of the points, arrays of equal length.
          paired: what differs by seed too, trees of arrays [seeds, cases, …].

        Raises:
          KeyboardInterrupt: if interrupted.
        """
        cases = {name: np.asarray(values, np.float32) for name, values in cases.items()}
        count, seeds = len(next(iter(cases.values()))), len(settings.seeds)
        points = {name: np.repeat(values, seeds, axis=0) for name, values in cases.items()}
        points |= jax.tree.map(by_case, dict(paired or {}))
        points["seed"] = np.tile(np.arange(seeds, dtype=np.int32), count)
        train = functools.partial(_train, self, settings.source.classes)
        drawn = drawn_for(self.setup, settings, self.widths)
        found = finished(jaxreg.sweep(train, points, drawn, per_device=1))
        return jax.tree.map(lambda array: by_seed(array, count), found.results)

    def network(self, classes: int) -> nn.Module:
        """What is trained."""
        return network_of(self.setup, classes, self.widths)


def network_of(
    setup: Setup, classes: int, widths: tuple[int, ...] = (), dtype: Any = jnp.float32
) -> nn.Module:
    """The network of a set-up, or, as papers have it, one of these widths and no biases."""
    if widths:
        return MLP(widths, classes, dtype=dtype, use_bias=False, output="output")
    return samples.network_of(setup, classes)


def drawn_for(setup: Setup, settings: Settings, widths: tuple[int, ...] = ()) -> Sample:
    """What each seed determines."""
    found = draw_sample(setup, settings.source, settings.seeds)
    if not widths:
        return found
    example = settings.source.train.images[:1].astype(np.float32)
    draw = start.drawn(network_of(setup, settings.source.classes, widths), example, "lecun")
    return found._replace(params=jax.tree.map(lambda *w: np.stack(w), *map(draw, settings.seeds)))


def own(sample: Sample, seed: Any) -> Sample:
    """What one seed has drawn, its batches [steps, batch size]."""
    drawn = drawn_by(seed, sample)
    return drawn._replace(batches=drawn.batches.reshape(-1, drawn.batches.shape[-1]))


def watched(step: training.Step, look: Look) -> Any:
    """``step``, whose second value is what ``look`` sees of the states before and after it."""

    def watching(state: training.State, *batch: Any) -> tuple[training.State, dict[str, Any]]:
        after, loss = step(state, *batch)
        return after, {"loss": loss, **look(state, after)}

    return watching


def _train(course: Course, classes: int, point: Point, sample: Sample) -> dict[str, Any]:
    """One training of a course."""
    drawn, network = own(sample, point["seed"]), course.network(classes)
    tx = course.optimizer(point)
    loss = training.data_loss(functions.forward(network, full=True), jnp.float32, course.of_each)
    step = training.make_step(loss, tx)
    run = training.scan_batches(watched(step, course.look))
    params = course.start(drawn.params, point)
    state = training.initial_state(params, tx, drawn.key, statistics={})
    batches = drawn.batches.reshape(course.stretches, -1, course.setup.batch_size)
    weights = course.weights(point, course.setup.batch_size)
    weights = jnp.broadcast_to(weights, batches.shape[1:])

    def stretch(state: training.State, batches: Any) -> tuple[training.State, Any]:
        state, seen = run(state, training.Order(batches, weights), drawn.train)
        means = jax.tree.map(lambda leaf: jnp.mean(leaf, 0), seen)
        return state, {**means, **course.observe(network, state.params, drawn)}

    return jax.lax.scan(stretch, state, batches)[1]


def finished(found: jaxreg.Sweep) -> jaxreg.Sweep:
    """A sweep that was not interrupted.

    Raises:
      KeyboardInterrupt: otherwise, since a claim needs all of its trainings.
    """
    if not found.complete:
        raise KeyboardInterrupt
    return found


def by_seed(array: np.ndarray, cases: int) -> np.ndarray:
    """[cases · seeds, …] → [seeds, cases, …]."""
    return np.swapaxes(array.reshape(cases, -1, *array.shape[1:]), 0, 1)


def by_case(array: np.ndarray) -> np.ndarray:
    """[seeds, cases, …] → [cases · seeds, …]."""
    return np.swapaxes(array, 0, 1).reshape(-1, *array.shape[2:])

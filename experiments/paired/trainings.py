"""The trainings of one heat map, as one program under `jaxreg.sweep`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from experiments import optimizers, training
from experiments.models import functions
from experiments.paired.sample import Sample, Source, draw_sample, network_of
from experiments.paired.setup import Setup

BINS = np.linspace(-1, 1, 42)
"""Of the histograms of the weights, over the largest of them."""


@dataclasses.dataclass(frozen=True, eq=False)
class PairedTrainings:
    """Trainings of a set-up with decay of one form; make it once: its program is compiled once.

    Attributes:
      setup: what they have in common.
      form: where the decay acts.
      source: images to train on, to choose by and to test on.
      seeds: each draws images, noise, initial weights and the order of the batches.
    """

    setup: Setup
    form: str
    source: Source
    seeds: tuple[int, ...]

    def run(self, points: Mapping[str, Any], **options: Any) -> jaxreg.Sweep:
        """Trains once for each point.

        Args:
          points: arrays of equal length: ``learning_rate``; ``rate`` (ω, decay per step) of the
            decoupled form, ``strength`` (λ) of the others; ``seed``, a place in ``seeds``.
          **options: of `jaxreg.sweep`.
        """
        return jaxreg.sweep(self, points, self.sample, **options)

    @functools.cached_property
    def sample(self) -> Sample:
        """The data, and for each seed what it determines."""
        return draw_sample(self.setup, self.source, self.seeds)

    def __call__(self, point: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
        """One training: losses and errors at its end, curves on the way, a histogram of weights."""
        own = drawn_by(point["seed"], sample)
        numbers = {name: value for name, value in point.items() if name != "seed"}
        config = dataclasses.replace(self.setup.config(self.form), **numbers)
        network = network_of(self.setup, self.source.classes)
        decays = functions.decays(self.setup.model, self.setup.decayed)
        tx = optimizers.optimizer(config, self.setup.steps, decays)
        loss = training.data_loss(functions.forward(network, full=True), jnp.float32)
        run = training.scan_batches(training.make_step(loss, tx))
        state = training.initial_state(own.params, tx, own.key, statistics={})
        weights: Any = jnp.full(own.batches.shape[1:], 1 / self.setup.batch_size)

        def stretch(state: training.State, batches: Any) -> tuple[training.State, Any]:
            state, losses = run(state, training.Order(batches, weights), own.train)
            return state, {"loss": jnp.mean(losses), **size(decays, state.params)}

        state, curves = jax.lax.scan(stretch, state, own.batches)
        held = evaluate(network, state.params, own)
        return {**held, **curves, **histogram(decays, state.params)}


def drawn_by(seed: Any, sample: Sample) -> Sample:
    """What one seed has drawn."""
    drawn = sample.train, sample.batches, sample.params, sample.key
    train, batches, params, key = jax.tree.map(lambda leaf: leaf[seed], drawn)
    return Sample(train, batches, params, key, sample.validation, sample.test)


def evaluate(network: Any, params: Any, own: Sample) -> dict[str, Any]:
    """Losses and errors on held-out images, normalised by statistics of the training images."""
    images = training.pixels(own.train.images, jnp.float32)
    logits = functions.settled_apply(network, params, images)
    measure = training.make_evaluate(logits, jnp.float32, network.at_once)
    found = {}
    for name, images in (("validation", own.validation), ("test", own.test)):
        loss, accuracy = measure(params, images)
        found |= {f"{name}_loss": loss, f"{name}_error": 1 - accuracy}
    return found


def _decayed(decays: Any, params: Any) -> jax.Array:
    """All the weights that decay, in one vector."""
    leaves, chosen = jax.tree.leaves(params), jax.tree.leaves(decays.mask(params))
    return jnp.concatenate([w.ravel() for w, on in zip(leaves, chosen, strict=True) if on])


def size(decays: Any, params: Any) -> dict[str, jax.Array]:
    """‖w‖ of the weights that decay, and the share of them that is zero or nearly so."""
    w = _decayed(decays, params)
    near = jaxreg.diagnostics.sparsity(w)[""].near
    return {"norm": optax.tree.norm(w), "sparsity": near}


def histogram(decays: Any, params: Any) -> dict[str, jax.Array]:
    """Counts of the weights that decay in `BINS`, and the size of the largest."""
    w = _decayed(decays, params)
    largest = jnp.max(jnp.abs(w))
    places = jnp.searchsorted(BINS[1:-1], w / jnp.where(largest > 0, largest, 1), side="right")
    counts = jnp.zeros(len(BINS) - 1, jnp.int32).at[places].add(1)
    return {"histogram": counts, "largest": largest}

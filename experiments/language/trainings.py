"""The trainings of one shape of the model and its data, all of them one program."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxreg
from experiments import optimizers, training
from experiments.config import TrainingConfig
from experiments.language.config import Setup
from experiments.language.model import CharacterTransformer
from experiments.language.sharding import Layout
from experiments.language.text import Source, windows
from experiments.training import Images, key_of

FORM = "independent"
"""Decay per step ω, times the schedule: with ω = η·λ it is that of the other form."""
HELD, AT_ONCE = 2**14, 2**12
"""Characters of each held-out part that are looked at, at most, unless more are learnt; and how
many of them at a time."""


class Sample(NamedTuple):
    """What the trainings of one shape use; the first four have a leading axis of seeds."""

    train: Images  # windows: [seeds, n, context] characters, and those that follow
    batches: Any  # int32 [seeds, steps, batch_size]
    params: Any
    key: Any  # uint32 [seeds, 2]
    validation: Images
    test: Images


@dataclasses.dataclass(frozen=True, eq=False)
class LanguageTrainings:
    """Trainings of a set-up with AdamW; make it once: its program is compiled once.

    Attributes:
      setup: what they have in common.
      source: the text.
      seeds: each draws windows of the text, initial weights and the order of the batches.
      layout: how parameters and batches lie on devices.
    """

    setup: Setup
    source: Source
    seeds: tuple[int, ...]
    layout: Layout = dataclasses.field(default_factory=Layout)

    def run(self, points: Mapping[str, Any], **options: Any) -> jaxreg.Sweep:
        """Trains once for each point.

        Args:
          points: arrays of equal length: ``learning_rate``; ``rate`` (ω, decay per step); ``seed``,
            a place in ``seeds``.
          **options: of `jaxreg.sweep`.
        """
        mesh = self.layout.mesh
        return jaxreg.sweep(self, points, self.sample, mesh=mesh, **options)

    def lower(self, points: Mapping[str, Any], **options: Any) -> jax.stages.Lowered:
        """The program that `run` compiles, for devices that may be elsewhere."""
        mesh = self.layout.mesh
        return jaxreg.lower_sweep(self, points, self.sample, mesh=mesh, **options)

    @functools.cached_property
    def network(self) -> CharacterTransformer:
        """The model."""
        return network_of(self.setup, len(self.source.alphabet))

    @property
    def parameters(self) -> int:
        """How many the model has."""
        params = jax.tree.map(lambda leaf: leaf[0], self.sample.params)
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    @functools.cached_property
    def sample(self) -> Sample:
        """The text, and for each seed what it determines."""
        return draw_sample(self.setup, self.source, self.network, self.seeds)

    def __call__(self, point: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
        """One training: nats per character of the last steps and of held-out text."""
        own = drawn_by(point["seed"], sample)
        tx = optimizer(self.setup, {name: point[name] for name in ("learning_rate", "rate")})
        layout = self.layout

        def whole(parts: Any) -> Any:
            return layout.whole(parts, own.params)

        step = layout.step(training.make_step(data_loss(self.network, whole), tx))
        state = training.initial_state(layout.split(own.params), tx, own.key, {})
        weights: Any = jnp.full(own.batches.shape, 1 / self.setup.batch_size)
        order = training.Order(own.batches, weights)
        state, losses = training.scan_batches(step)(state, order, own.train)
        measure = functools.partial(mean_loss, self.network, whole(state.params))
        last = max(self.setup.steps // 20, 1)
        return {
            "train_loss": jnp.mean(losses[-last:]),
            "validation_loss": measure(own.validation),
            "test_loss": measure(own.test),
        }


def network_of(setup: Setup, characters: int) -> CharacterTransformer:
    """The model of a set-up."""
    sizes = setup.width, setup.depth, setup.heads, setup.context
    return CharacterTransformer(characters, *sizes, jnp.dtype(setup.dtype))


def optimizer(setup: Setup, numbers: Mapping[str, Any], form: str = FORM) -> Any:
    """AdamW on a half cosine, its decay on the weights alone: `jaxreg.decoupled_decay`."""
    config = TrainingConfig(coupling=form, optimizer="adam", schedule="cosine")
    config = dataclasses.replace(config, **numbers)
    return optimizers.optimizer(config, setup.steps, jaxreg.weights)


def data_loss(network: Any, whole: Callable[[Any], Any] = lambda params: params) -> training.Loss:
    """The mean over a batch of the mean cross-entropy of each window, in nats per character.

    ``whole`` makes the parameters of what is kept of them.
    """

    def loss(
        params: Any, statistics: Any, text: Any, following: Any, batch: Any
    ) -> tuple[Any, Any]:
        logits = network.apply({"params": whole(params)}, text)
        losses = jnp.mean(training.cross_entropy(logits, following), -1)
        return jnp.sum(batch.weights * losses), statistics

    return loss


def mean_loss(network: Any, params: Any, text: Images) -> jax.Array:
    """Nats per character of windows, looked at a few at a time."""

    def of_windows(both: jax.Array) -> jax.Array:
        logits = network.apply({"params": params}, both[..., :-1])
        return jnp.mean(training.cross_entropy(logits, both[..., 1:]), -1)

    both = jnp.concatenate([text.images, text.labels[:, -1:]], -1)
    return jnp.mean(training.in_pieces(of_windows, both, max(AT_ONCE // both.shape[-1], 1)))


def drawn_by(seed: Any, sample: Sample) -> Sample:
    """What one seed has drawn."""
    drawn = sample.train, sample.batches, sample.params, sample.key
    train, batches, params, key = jax.tree.map(lambda leaf: leaf[seed], drawn)
    return Sample(train, batches, params, key, sample.validation, sample.test)


def draw_sample(setup: Setup, source: Source, network: Any, seeds: Sequence[int]) -> Sample:
    """The text, and for each seed what it determines."""
    example = np.zeros((1, setup.context), np.int32)
    init = jax.jit(lambda seed: network.init(jax.random.key(seed), example)["params"])
    params = jax.tree.map(lambda *leaves: np.stack(leaves), *(init(seed) for seed in seeds))
    train, orders = zip(*(_draw(setup, source, seed) for seed in seeds), strict=True)
    keys = np.stack([key_of(seed) for seed in seeds])
    most = max(HELD, setup.examples)
    held = (split(text[:most], setup.context) for text in (source.validation, source.test))
    learnt = jax.tree.map(lambda *leaves: np.stack(leaves), *train)
    return Sample(learnt, np.stack(orders), params, keys, *held)


def split(text: np.ndarray, context: int) -> Images:
    """Windows of a text, and the character that follows each of theirs."""
    both = windows(text, context)
    return Images(both[:, :-1], both[:, 1:])


def _draw(setup: Setup, source: Source, seed: int) -> tuple[Images, np.ndarray]:
    """(windows, batches) of a seed: so many windows from all over the text, and permutations of
    them cut into batches that are all full."""
    generator = np.random.default_rng([seed, 2])
    every = split(source.train[generator.integers(spare(setup, source)) :], setup.context)
    chosen = generator.permutation(len(every.images))[: setup.windows]
    needed = setup.steps * setup.batch_size
    passes = -(-needed // setup.windows)
    order = np.concatenate([generator.permutation(setup.windows) for _ in range(passes)])
    batches = order[:needed].astype(np.int32).reshape(setup.steps, setup.batch_size)
    return Images(*(array[chosen] for array in every)), batches


def spare(setup: Setup, source: Source) -> int:
    """Places where the first window may begin, so that there are as many as are needed."""
    needed = setup.windows * setup.context + 1
    return min(len(source.train) - needed, setup.context - 1) + 1

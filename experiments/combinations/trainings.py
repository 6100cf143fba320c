"""The trainings of one network and norm, all of them one program: every penalty and strength, with
and without dropout."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from experiments import optimizers, training
from experiments.combinations.penalties import NOTHING
from experiments.config import TrainingConfig
from experiments.forms import FORMS, times
from experiments.models import start
from experiments.models.functions import evaluating, forward, make, training_apply
from experiments.paired.sample import Sample, Source, draw_sample, network_of
from experiments.paired.setup import STRETCHES, Setup
from experiments.paired.trainings import drawn_by

IMAGES = 64
ALIKE = 0.01
"""Of the largest logit: what is added to variances changes it by a tenth of that, a weight without
a norm by more."""


@dataclasses.dataclass(frozen=True, eq=False)
class CombinedTrainings:
    """Trainings of a set-up with any of the penalties; make it once: its program is compiled once.

    Attributes:
      setup: what they have in common, the norm among it.
      source: images to train on, to choose by and to test on.
      seeds: each draws images, wrong labels, initial weights and the order of the batches.
    """

    setup: Setup
    source: Source
    seeds: tuple[int, ...]

    def run(self, points: Mapping[str, Any], **options: Any) -> jaxreg.Sweep:
        """Trains once for each point.

        Args:
          points: arrays of equal length: ``learning_rate``, ``dropout``, the numbers of
            `penalties.NOTHING`, and ``seed``, a place in ``seeds``.
          **options: of `jaxreg.sweep`.
        """
        _ = self.invariant  # in the program, where it is needed, nothing can be tried any more
        return jaxreg.sweep(self, points, self.sample, **options)

    @functools.cached_property
    def sample(self) -> Sample:
        """The data, and for each seed what it determines."""
        return draw_sample(self.setup, self.source, self.seeds)

    @functools.cached_property
    def invariant(self) -> tuple[str, ...]:
        """The kernels that a norm follows: see `scale_invariant`."""
        network = network_of(self.setup, self.source.classes)
        params = jax.tree.map(lambda leaf: leaf[0], self.sample.params)
        return scale_invariant(network, params, self.sample.train.images[0][:IMAGES])

    @functools.cached_property
    def statistics(self) -> Any:
        """The running statistics before the first batch."""
        network = network_of(self.setup, self.source.classes)
        return start.statistics(network, self.source.train.images[:1].astype(np.float32))

    def __call__(self, point: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
        """One training: losses and errors at its end, exact zeros, and the effective learning rate
        of each invariant kernel, its mean over the training."""
        setup, own = self.setup, drawn_by(point["seed"], sample)
        sizes = setup.hidden, self.source.classes, setup.norm
        network = make(setup.model, *sizes, point["dropout"])
        tx = optimizer(setup, point, own.params)
        loss = training.data_loss(forward(network), jnp.float32)
        in_loss = (point["loss"] * jaxreg.l2).on(jaxreg.weights)
        run = training.scan_batches(training.make_step(loss, tx, in_loss))
        state = training.initial_state(own.params, tx, own.key, self.statistics)
        weights: Any = jnp.full(own.batches.shape[1:], 1 / setup.batch_size)

        def stretch(state: training.State, batches: Any) -> tuple[training.State, Any]:
            state, losses = run(state, training.Order(batches, weights), own.train)
            return state, (jnp.mean(losses), self._scales(state.params))

        state, (losses, scales) = jax.lax.scan(stretch, state, own.batches)
        paces = point["learning_rate"] * self._multipliers
        return {
            **evaluate(network, state, own),
            "train_loss": losses[-1],
            "zeros": zeros(state.params),
            "effective": {name: jnp.mean(paces / scale) for name, scale in scales.items()},
        }

    @property
    def _multipliers(self) -> Any:
        """s_t in the middle of each stretch."""
        config = TrainingConfig(schedule=self.setup.schedule)
        schedule = optimizers.multiplier(config, self.setup.steps)
        middles = (jnp.arange(STRETCHES) + 0.5) * (self.setup.steps / STRETCHES)
        return schedule(middles) if callable(schedule) else jnp.full(STRETCHES, schedule)

    def _scales(self, params: Any) -> dict[str, jax.Array]:
        """What divides η in each invariant kernel: the mean over units of ‖w into a unit‖²."""
        kernels = {name: named(params)[name] for name in self.invariant}
        return {name: jnp.sum(w**2) / w.shape[-1] for name, w in kernels.items()}


def named(params: Any) -> dict[str, Any]:
    """The leaves by their names, as ``fc1/kernel``."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {"/".join(str(part.key) for part in path): leaf for path, leaf in leaves}


def optimizer(setup: Setup, point: Mapping[str, Any], params: Any) -> optax.GradientTransformation:
    """SGD with momentum and all that acts beside the loss, each by its number of ``point``.

    After momentum μ the prox is 1/(1 − μ) steps long: what is at rest minimises loss + penalty.
    """
    multiplier = optimizers.multiplier(TrainingConfig(schedule=setup.schedule), setup.steps)
    pace = times(point["learning_rate"], multiplier)
    base = optimizers.without_decay(setup.optimizer, pace)
    shrink = jaxreg.elastic_net(l1=point["l1"], l2=point["l2"]).on(jaxreg.weights)
    reach = FORMS["proximal"].reach(setup.optimizer)
    prox = jaxreg.proximal_step(shrink, times(reach, pace))
    decay = jaxreg.decoupled_decay(point["rate"], pace, where=jaxreg.weights)
    bounds = [jaxreg.proximal_step(each, pace) for each in max_norms(point["bound"], params)]
    return optax.chain(base, prox, decay, *bounds)


def max_norms(bound: Any, params: Any) -> list[jaxreg.Penalty]:
    """The constraint that what comes into a unit has at most that norm: all axes of a kernel but
    the last, for kernels of every rank that there are."""
    weights = zip(
        jax.tree.leaves(params), jax.tree.leaves(jaxreg.weights.mask(params)), strict=True
    )
    ranks = sorted({leaf.ndim for leaf, is_weight in weights if is_weight})
    return [
        jaxreg.max_norm(bound, axis=tuple(range(rank - 1))).on(jaxreg.weights & _of_rank(rank))
        for rank in ranks
    ]


def _of_rank(rank: int) -> Any:
    return jaxreg.where(lambda name, leaf: leaf.ndim == rank)


def evaluate(network: Any, state: training.State, own: Sample) -> dict[str, Any]:
    """Losses and errors on held-out images, normalised by the running statistics."""
    apply = evaluating(network, state.statistics)
    measure = training.make_evaluate(apply, jnp.float32, network.at_once)
    found = {}
    for name, images in (("validation", own.validation), ("test", own.test)):
        loss, accuracy = measure(state.params, images)
        found |= {f"{name}_loss": loss, f"{name}_error": 1 - accuracy}
    return found


def zeros(params: Any) -> jax.Array:
    """The share of the weights that is exactly zero."""
    leaves, chosen = jax.tree.leaves(params), jax.tree.leaves(jaxreg.weights.mask(params))
    weights = [w for w, on in zip(leaves, chosen, strict=True) if on]
    counts = jnp.stack([jnp.sum(w == 0) for w in weights])
    return jnp.sum(counts) / sum(w.size for w in weights)


def scale_invariant(network: Any, params: Any, images: np.ndarray) -> tuple[str, ...]:
    """The names of the weights that can be doubled without changing a logit of a batch."""
    apply = jax.jit(training_apply(network))
    scaled = training.pixels(jnp.asarray(images), jnp.float32)
    before = apply(params, scaled)

    def is_invariant(name: str) -> bool:
        change = jnp.max(jnp.abs(apply(_times(params, name, 2.0), scaled) - before))
        return float(change) <= ALIKE * float(jnp.max(jnp.abs(before)))

    weights = named(jaxreg.weights.mask(params))
    return tuple(name for name, on in weights.items() if on and is_invariant(name))


def _times(params: Any, chosen: str, factor: float) -> Any:
    """The parameters, one of them multiplied."""
    leaves, structure = jax.tree.flatten(params)
    factors = [factor if name == chosen else 1.0 for name in named(params)]
    return structure.unflatten([f * w for f, w in zip(factors, leaves, strict=True)])


def points(
    learning_rate: float, dropouts: Sequence[float], numbers: Sequence[Any], seeds: Sequence[int]
) -> dict[str, Any]:
    """The arrays that `CombinedTrainings.run` takes, of numbers for each training."""
    table = {name: [each[name] for each in numbers] for name in NOTHING}
    table |= {"dropout": list(dropouts), "learning_rate": [learning_rate] * len(seeds)}
    found: dict[str, Any] = {name: np.array(values, np.float32) for name, values in table.items()}
    return {**found, "seed": np.array(seeds, np.int32)}

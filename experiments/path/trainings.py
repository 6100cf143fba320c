"""The trainings of one path, all of them one program: a penalty, many strengths and seeds."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

import jaxreg
from experiments import optimizers, training
from experiments.config import TrainingConfig
from experiments.decay_form import Ingredients
from experiments.forms import FORMS, times
from experiments.models import functions
from experiments.paired.sample import Sample, Source, draw_sample, network_of
from experiments.paired.setup import Setup
from experiments.paired.trainings import drawn_by
from experiments.path.measures import measures, test_accuracy
from experiments.path.penalties import PENALTIES, PathPenalty

LOOKS = 4
"""Equal parts of a training, at whose ends it is tested: a divisor of `setup.STRETCHES`."""


@dataclasses.dataclass(frozen=True, eq=False)
class PathTrainings:
    """Trainings of a set-up with one penalty; make it once: its program is compiled once.

    Attributes:
      setup: what they have in common.
      learning_rate: the base learning rate.
      penalty: of `PENALTIES`.
      source: images to train on, to choose by and to test on.
      seeds: each draws images, wrong labels, initial weights and the order of the batches.
    """

    setup: Setup
    learning_rate: float
    penalty: str
    source: Source
    seeds: tuple[int, ...]

    def run(self, points: Mapping[str, Any], **options: Any) -> jaxreg.Sweep:
        """Trains once for each point: ``strength``, and ``seed``, a place in ``seeds``."""
        return jaxreg.sweep(self, points, self.sample, **options)

    @functools.cached_property
    def sample(self) -> Sample:
        """The data, and for each seed what it determines."""
        return draw_sample(self.setup, self.source, self.seeds)

    def __call__(self, point: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
        """One training: what `measures` finds at its end, parameters, and test accuracies on the
        way, [LOOKS]."""
        own, row = drawn_by(point["seed"], sample), PENALTIES[self.penalty]
        network = network_of(self.setup, self.source.classes)
        apply = functions.training_apply(network)
        penalty = row.penalty(point["strength"], "mlp")
        tx = optimizer(self.setup, self.learning_rate, row, penalty)
        in_loss = penalty if FORMS[row.form].in_loss else None
        loss = training.data_loss(functions.forward(network), jnp.float32)
        step = training.make_step(loss, tx, in_loss)
        run = training.scan_batches(step)
        state = training.initial_state(own.params, tx, own.key, statistics={})
        batches = own.batches.reshape(LOOKS, -1, self.setup.batch_size)
        weights: Any = jnp.full(batches.shape[1:], 1 / self.setup.batch_size)

        def part(state: training.State, batches: Any) -> tuple[training.State, Any]:
            state, _ = run(state, training.Order(batches, weights), own.train)
            return state, test_accuracy(apply, state.params, own)

        state, learning = jax.lax.scan(part, state, batches)
        found = measures("mlp", apply, state.params, own)
        return {**found, "learning": learning, "params": state.params}


def optimizer(
    setup: Setup, learning_rate: float, row: PathPenalty, penalty: jaxreg.Penalty
) -> optax.GradientTransformation:
    """The optimizer, with the penalty where its row puts it.

    Adam is followed by the prox in its own metric: another would end elsewhere than where the
    gradient of loss + penalty is zero.
    """
    config = TrainingConfig(
        optimizer=setup.optimizer, schedule=setup.schedule, learning_rate=learning_rate
    )
    schedule = optimizers.multiplier(config, setup.steps)
    pace = times(learning_rate, schedule)
    base = optimizers.without_decay(setup.optimizer, pace)
    if row.by_prox and setup.optimizer == "adam":
        return jaxreg.proximal_step(penalty, optimizer=base, metric="adam")
    if row.every > 1:
        return optax.chain(base, _now_and_then(row, setup, penalty, pace))
    given = Ingredients(config, base, penalty, jaxreg.weights, pace, schedule)
    form = FORMS[row.form]
    return optax.chain(*form.build(form, given))


def _now_and_then(
    row: PathPenalty, setup: Setup, penalty: jaxreg.Penalty, pace: Any
) -> optax.GradientTransformation:
    """The prox after every ``row.every`` steps, as long as all of them together."""
    every, reach = row.every, FORMS[row.form].reach(setup.optimizer)
    alone: Any = pace if callable(pace) else lambda step: pace

    def together(count: Any) -> Any:
        """Of the steps since the last prox, by the middle one."""
        return every * reach * alone(every * count + every // 2)

    def is_due(step: Any, **_: Any) -> Any:
        return jnp.mod(step + 1, every) == 0

    return optax.conditionally_transform(jaxreg.proximal_step(penalty, together), is_due)

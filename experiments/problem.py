"""A configuration and a data set, bound once: what is trained, as pure functions.

The functions are those of `experiments.training`, given what the settings say. They are run alone
by `experiments.runs`, side by side by `experiments.sweeping`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from experiments import optimizers, training
from experiments.config import TrainingConfig
from experiments.data import Dataset
from experiments.forms import FORMS
from experiments.models import fit, functions, start


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """What is trained.

    Attributes:
      config: a resolved configuration; its strengths, rates and learning rate may be traced.
      dataset: what to train on and to test on.
    """

    config: TrainingConfig
    dataset: Dataset

    def __post_init__(self) -> None:
        """Raises a ConfigError where `check` does."""
        check(self.config, self.dataset)

    @property
    def dtype(self) -> Any:
        """Of the arithmetic."""
        return jnp.dtype(self.config.dtype)

    @property
    def weight_dtype(self) -> Any:
        """Of the weights of examples: that of the parameters."""
        return jnp.promote_types(self.dtype, jnp.float32)

    @property
    def examples(self) -> int:
        """Training images."""
        return len(self.dataset.train.labels)

    @property
    def steps_per_epoch(self) -> int:
        """Updates of an epoch."""
        return training.steps_per_epoch(self.examples, self.config.batch_size)

    @property
    def steps(self) -> int:
        """Updates of the whole training."""
        return self.steps_per_epoch * self.config.epochs

    @functools.cached_property
    def network(self) -> nn.Module:
        """The network."""
        config = self.config
        settings = config.norm, config.dropout, self.dtype
        return functions.make(config.model, config.hidden, self.dataset.classes, *settings)

    @property
    def example(self) -> Any:
        """Images for which the network is made."""
        return self.dataset.train.images[:1].astype(np.float32)

    @functools.cached_property
    def init(self) -> Callable[[int], Any]:
        """init(seed) → the parameters that training starts from."""
        if self.config.initializer == "torch":
            return start.drawn(self.network, self.example, "torch")
        init = jax.jit(self.network.init)
        return lambda seed: init(jax.random.key(seed), self.example)["params"]

    @functools.cached_property
    def statistics(self) -> Any:
        """The running statistics of the network before the first batch."""
        return start.statistics(self.network, self.example)

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        """The optimizer, with λ where ``--coupling`` puts it."""
        return optimizers.optimizer(self.config, self.steps)

    @property
    def penalty(self) -> jaxreg.Penalty:
        """The penalty, for every coupling."""
        return optimizers.penalty(self.config)

    @property
    def in_loss(self) -> jaxreg.Penalty | None:
        """The penalty, if it is in the loss that λ acts."""
        return self.penalty if FORMS[self.config.coupling].in_loss else None

    @property
    def loss(self) -> training.Loss:
        """The data loss of a batch."""
        return training.data_loss(self.forward, self.dtype)

    def start(self, seed: int) -> training.State:
        """The state before the first step."""
        return self.state(self.init(seed), training.key_of(seed))

    def begin(self, seed: int) -> training.Progress:
        """Likewise, at the beginning of the first epoch."""
        return training.progress_of(self.start(seed), self.steps_per_epoch, self.weight_dtype)

    def state(self, params: Any, key: Any) -> training.State:
        """Likewise, with these parameters and this key."""
        return training.initial_state(params, self.optimizer, key, self.statistics)

    def order(self, key: Any, epoch: int) -> training.Order:
        """The batches of an epoch, for the key of a state."""
        settings = self.examples, self.config.batch_size, self.weight_dtype
        return training.epoch_order(key, epoch, *settings)

    def images(self) -> tuple[training.Images, training.Images]:
        """The training and the test images."""
        return training.Images(*self.dataset.train), training.Images(*self.dataset.test)

    def forward(
        self, params: Any, statistics: Any, images: jax.Array, batch: Any
    ) -> tuple[jax.Array, Any]:
        """Logits of a batch that trains, with values in [0, 1], and the statistics after it."""
        with _matmul_precision(self.config.matmul_precision):  # the gradient inherits it
            return functions.forward(self.network)(params, statistics, images, batch)

    def apply(self, variables: Any, images: jax.Array) -> jax.Array:
        """Logits of images with values in [0, 1], of the parameters and statistics of a state."""
        with _matmul_precision(self.config.matmul_precision):
            return functions.evaluating(self.network, variables[1])(variables[0], images)

    def step(self, axis: str | None = None) -> training.Step:
        """The train step."""
        return training.make_step(self.loss, self.optimizer, self.in_loss, axis)

    def evaluate(self, state: training.State, test: training.Images) -> tuple[Any, Any]:
        """(mean cross-entropy, accuracy) of test images."""
        measure = training.make_evaluate(self.apply, self.dtype, self.network.at_once)
        return measure((state.params, state.statistics), test)

    def epoch(self, axis: str | None = None, block: int = 1) -> Any:
        """epoch(progress, until, order, train, test) → (progress, metrics)."""
        return training.make_epoch(self.step(axis), self.evaluate, block)


def check(config: TrainingConfig, dataset: Dataset) -> None:
    """Stops before anything is trained if the network cannot take these images or batches.

    Raises:
      ConfigError: with what it can take.
    """
    examples = len(dataset.train.labels)
    fit.check_images(config.model, dataset.train.images.shape[1:], dataset.name)
    fit.check_batches(config.model, config.norm, examples, config.batch_size)


def _matmul_precision(precision: str) -> contextlib.AbstractContextManager[Any]:
    """For what is traced inside; the default leaves JAX's own."""
    if precision == "default":
        return contextlib.nullcontext()
    return jax.default_matmul_precision(precision)

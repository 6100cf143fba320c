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

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from experiments import models, training
from experiments.config import TrainingConfig
from experiments.data import Dataset
from experiments.forms import FORMS


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """What is trained.

    Attributes:
      config: a resolved configuration; its strengths, rates and learning rate may be traced.
      dataset: what to train on and to test on.
    """

    config: TrainingConfig
    dataset: Dataset

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
    def steps(self) -> int:
        """Updates of the whole training."""
        config = self.config
        return training.steps_per_epoch(self.examples, config.batch_size) * config.epochs

    @functools.cached_property
    def network(self) -> models.SimpleNet:
        """The network."""
        return models.SimpleNet(self.config.hidden, self.dataset.classes, self.dtype)

    @functools.cached_property
    def init(self) -> Callable[[int], Any]:
        """init(seed) → the parameters that training starts from."""
        model, example = self.network, self.dataset.train.images[:1].astype(np.float32)
        if self.config.initializer == "torch":
            return models.torch_parameters(model, example)
        init = jax.jit(model.init)
        return lambda seed: init(jax.random.key(seed), example)["params"]

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        """The optimizer, with λ where ``--coupling`` puts it."""
        return training.optimizer(self.config, self.steps)

    @property
    def penalty(self) -> jaxreg.Penalty:
        """The penalty, for every coupling."""
        return training.penalty(self.config)

    @property
    def in_loss(self) -> jaxreg.Penalty | None:
        """The penalty, if it is in the loss that λ acts."""
        return self.penalty if FORMS[self.config.coupling].in_loss else None

    @property
    def loss(self) -> Callable[..., jax.Array]:
        """The data loss of a batch."""
        return training.data_loss(self.apply, self.dtype)

    def start(self, seed: int) -> training.State:
        """The state before the first step."""
        return training.initial_state(self.init(seed), self.optimizer, seed)

    def order(self, key: Any, epoch: int) -> training.Order:
        """The batches of an epoch, for the key of a state."""
        settings = self.examples, self.config.batch_size, self.weight_dtype
        return training.epoch_order(key, epoch, *settings)

    def images(self) -> tuple[training.Images, training.Images]:
        """The training and the test images."""
        return training.Images(*self.dataset.train), training.Images(*self.dataset.test)

    def apply(self, params: Any, images: jax.Array) -> jax.Array:
        """Logits of images with values in [0, 1]."""
        with _matmul_precision(self.config.matmul_precision):  # the gradient inherits it
            return self.network.apply({"params": params}, images)  # pyright: ignore[reportReturnType]

    def step(self, average: training.Average | None = None) -> training.Step:
        """The train step."""
        return training.make_step(self.loss, self.optimizer, self.in_loss, average)

    def evaluate(self, params: Any, test: training.Images) -> tuple[Any, Any]:
        """(mean cross-entropy, accuracy) of test images."""
        return training.make_evaluate(self.apply, self.dtype)(params, test)

    def epoch(self, average: training.Average | None = None) -> Any:
        """epoch(state, order, train, test) → (state, metrics)."""
        return training.make_epoch(self.step(average), self.evaluate)


def _matmul_precision(precision: str) -> contextlib.AbstractContextManager[Any]:
    """For what is traced inside; the default leaves JAX's own."""
    if precision == "default":
        return contextlib.nullcontext()
    return jax.default_matmul_precision(precision)

"""The networks that only the study trains, because theory says where their decay ends."""

from __future__ import annotations

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from experiments.models.layers import Batch, BatchNorm

INVARIANT_EPSILON = 1e-12
"""In place of 1e-5, which a small weight would feel: then its scale would matter."""


class Softmax(nn.Module):
    """Softmax regression, linear in its one matrix of weights: a convex problem."""

    at_once: ClassVar[int | None] = None
    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array, batch: Batch | None = None) -> jax.Array:
        """Logits."""
        del batch  # it is the same while it trains
        return nn.Dense(self.classes, use_bias=False, name="fc1")(images.reshape(len(images), -1))


class Invariant(nn.Module):
    """Images → twice (linear → BatchNorm → ReLU) → classes, all of it scale-invariant.

    There are no scales and biases, and the logits are h·w/‖w‖ for each column w of the last layer.
    """

    at_once: ClassVar[int | None] = None
    hidden: int = 64
    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array, batch: Batch | None = None) -> jax.Array:
        """Logits."""
        x = images.reshape(len(images), -1)
        for place in (1, 2):
            x = nn.Dense(self.hidden, use_bias=False, name=f"fc{place}")(x)
            x = nn.relu(BatchNorm(INVARIANT_EPSILON, affine=False, name=f"norm{place}")(x, batch))
        return UnitColumns(self.classes, name="output")(x)


class UnitColumns(nn.Module):
    """x → x·w/‖w‖ for each column w of the kernel: logits that do not depend on its scale."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits."""
        shape = x.shape[-1], self.features
        kernel: Any = self.param("kernel", nn.initializers.lecun_normal(), shape)
        return x @ (kernel / jnp.linalg.norm(kernel, axis=0))

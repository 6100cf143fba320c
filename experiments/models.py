"""The networks, in Flax Linen: pure `init` and `apply`, which sweeps can map over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


class SimpleNet(nn.Module):
    """Images → hidden → ReLU → classes: the mission's network, 784-128-10 on MNIST.

    Attributes:
      hidden: width of the hidden layer.
      classes: number of logits.
      dtype: of the arithmetic; parameters are float32, or float64 with that.
    """

    hidden: int = 128
    classes: int = 10
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits [n, classes] of images [n, height, width, channels] with values in [0, 1]."""
        param_dtype = jnp.promote_types(self.dtype, jnp.float32)
        x = images.reshape(len(images), -1)
        x = nn.Dense(self.hidden, self.dtype, param_dtype=param_dtype, name="fc1")(x)  # pyright: ignore
        x = nn.relu(x)
        return nn.Dense(self.classes, dtype=self.dtype, param_dtype=param_dtype, name="fc2")(x)


def torch_parameters(model: nn.Module, images: Any) -> Callable[[int], dict[str, Any]]:
    """Parameters as PyTorch starts its linear layers: uniform ±1/√fan_in, biases too.

    Drawn on the host: compiling four device draws takes longer than an epoch of training.

    Args:
      model: a module whose layers each hold a ``kernel`` [fan_in, fan_out] and a ``bias``.
      images: a batch.

    Returns:
      A function of the seed.
    """
    key = jax.eval_shape(jax.random.key, 0)  # a real one would be compiled
    shapes = jax.eval_shape(model.init, key, images)["params"]

    def draw(seed: int) -> dict[str, Any]:
        generator = np.random.default_rng(seed)
        return {name: _torch_layer(layer, generator) for name, layer in shapes.items()}

    return draw


def _torch_layer(shapes: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    bound = shapes["kernel"].shape[0] ** -0.5
    return {
        name: generator.uniform(-bound, bound, leaf.shape).astype(leaf.dtype)
        for name, leaf in sorted(shapes.items())
    }

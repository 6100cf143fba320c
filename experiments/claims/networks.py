"""The one network that only papers need: several hidden layers, and nothing that normalises."""

from __future__ import annotations

import flax.linen as nn
import jax


class Plain(nn.Module):
    """Images → linear → ReLU, as often as there are widths → classes. No biases.

    Attributes:
      widths: of the hidden layers.
      classes: number of outputs.
    """

    widths: tuple[int, ...]
    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Outputs [n, classes] of images [n, height, width, channels] with values in [0, 1]."""
        del train  # it has no statistics
        x = images.reshape(len(images), -1)
        for place, width in enumerate(self.widths, 1):
            x = nn.relu(nn.Dense(width, use_bias=False, name=f"fc{place}")(x))
        return nn.Dense(self.classes, use_bias=False, name="output")(x)

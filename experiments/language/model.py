"""A small language model: a transformer that predicts each character from those before it."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from experiments.models.layers import dense, normalised, parameter_dtype
from experiments.models.networks import Block


class CharacterTransformer(nn.Module):
    """Characters → embedding + position → causal blocks, pre-norm → norm → characters.

    ``network.apply(variables, text)`` gives logits [n, length, characters] of the characters that
    follow each of ``text`` [n, length]; those of a place depend on it and the places before it.
    Blocks are those of the networks of images, without Dropout.

    Attributes:
      characters: how many there are.
      width: of what stands for a character; the linear layers inside a block are four times that.
      depth: number of blocks.
      heads: of each attention; they divide the width.
      context: the longest text.
      dtype: of the arithmetic; the parameters have at least float32.
    """

    characters: int
    width: int
    depth: int
    heads: int
    context: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, text: jax.Array) -> jax.Array:
        """Logits."""
        wide, initial = parameter_dtype(self.dtype), nn.initializers.normal(0.02)
        sizes = self.characters, self.width, self.dtype, wide
        x = nn.Embed(*sizes, embedding_init=initial, name="embedding")(text)
        places = self.param("positions", initial, (self.context, self.width), wide)
        x = x + places[: text.shape[1]].astype(self.dtype)
        for number in range(1, self.depth + 1):
            settings = 4 * self.width, self.heads, "layer", 0.0, self.dtype, number, True
            x = Block(*settings, name=f"block{number}")(x, None)
        return dense(self.characters, self.dtype, "output")(normalised("layer", "norm", x, None))

"""The networks that the main job trains, each a Flax module of one form.

``network.apply(variables, images, batch)`` gives logits [n, classes] of images
[n, height, width, channels] with values in [0, 1]. ``batch`` is what `layers.Batch` says, and None
where nothing is trained. All compute in ``dtype``, with parameters of at least float32.

``at_once`` is the number of images that an evaluation takes at a time, if not all of them: the
features of 10,000 images would fill gigabytes.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from experiments.models.layers import (
    Batch,
    Convolution,
    dense,
    dropout,
    normalised,
    parameter_dtype,
)

PIECE = 1000
GRID = 4


class MLP(nn.Module):
    """Images → (linear → norm → ReLU → dropout) for each width → classes.

    With the default widths it is the mission's network, 784-128-10 on MNIST.

    Attributes:
      widths: of the hidden layers.
      classes: number of logits.
      norm: none, batch or layer; with one, hidden layers need no bias, and have none.
      dropout: share of the hidden units that are zero in a step.
      dtype: of the arithmetic.
      use_bias: whether the linear layers have one.
      output: what the last layer is called; the others are fc1, fc2, …
    """

    at_once: ClassVar[int | None] = None
    widths: tuple[int, ...] = (128,)
    classes: int = 10
    norm: str = "none"
    dropout: Any = 0.0
    dtype: Any = jnp.float32
    use_bias: bool = True
    output: str = "fc2"

    @nn.compact
    def __call__(self, images: jax.Array, batch: Batch | None = None) -> jax.Array:
        """Logits."""
        x = images.reshape(len(images), -1)
        biased = self.use_bias and self.norm == "none"
        for place, width in enumerate(self.widths, 1):
            x = dense(width, self.dtype, f"fc{place}", biased)(x)
            x = nn.relu(normalised(self.norm, f"norm{place}", x, batch))
            x = dropout(x, self.dropout, batch, place)
        return dense(self.classes, self.dtype, self.output, self.use_bias)(x)


class CNN(nn.Module):
    """Images → twice (3×3 convolution → norm → ReLU → 2×2 maxima) → linear → ReLU → classes.

    Attributes:
      hidden: width of the linear layer, whose input is dropped out; the convolutions have an
        eighth and a quarter as many channels.
      classes, norm, dropout, dtype: as of `MLP`.
    """

    at_once: ClassVar[int | None] = PIECE
    hidden: int = 128
    classes: int = 10
    norm: str = "none"
    dropout: Any = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, batch: Batch | None = None) -> jax.Array:
        """Logits."""
        x = images
        for place, share in ((1, 8), (2, 4)):
            channels, biased = max(self.hidden // share, 1), self.norm == "none"
            x = Convolution(channels, self.dtype, biased, name=f"conv{place}")(x)
            x = maxima(nn.relu(normalised(self.norm, f"norm{place}", x, batch)))
        x = nn.relu(dense(self.hidden, self.dtype, "fc")(x.reshape(len(x), -1)))
        x = dropout(x, self.dropout, batch, 1)
        return dense(self.classes, self.dtype, "output")(x)


def maxima(x: jax.Array) -> jax.Array:
    """The largest of each 2×2 positions; a row or column that is left over is dropped.

    By comparing quarters: with its gradient a third of what `nn.max_pool` costs XLA on CPU.
    """
    rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    upper, lower = x[:, 0:rows:2, :columns], x[:, 1:rows:2, :columns]
    larger = jnp.maximum(upper, lower)
    return jnp.maximum(larger[:, :, 0::2], larger[:, :, 1::2])


class RNN(nn.Module):
    """Images, row after row → GRU → dropout → classes.

    What rows bring to the gates is one product for all of them, before the recurrence, and it is
    what is normalised (arXiv 1510.01378): the loop over rows has one product in each step.

    Attributes:
      hidden: width of the state.
      classes, norm, dropout, dtype: as of `MLP`.
      unroll: writes the loop over rows out: slow to compile, and seen whole by XLA's cost analysis.
    """

    at_once: ClassVar[int | None] = PIECE
    hidden: int = 128
    classes: int = 10
    norm: str = "none"
    dropout: Any = 0.0
    dtype: Any = jnp.float32
    unroll: bool = False

    @nn.compact
    def __call__(self, images: jax.Array, batch: Batch | None = None) -> jax.Array:
        """Logits."""
        rows = images.reshape(*images.shape[:2], -1)
        gates = dense(3 * self.hidden, self.dtype, "input", self.norm == "none")(rows)
        gates = normalised(self.norm, "norm", gates, batch)
        x = GRU(self.dtype, self.unroll, name="gru")(gates)
        return dense(self.classes, self.dtype, "output")(dropout(x, self.dropout, batch, 1))


class GRU(nn.Module):
    """h ← (1 − z)·n + z·h: r and z are σ(x + Uh + b), n is tanh(x + r·(Uh + b)); from h = 0.

    Its input x [n, steps, 3·hidden] is what the steps bring to r, z and n, in this order. The loop
    has the three apart: of two slices of one array XLA on CPU computes σ and tanh one by one, and
    takes eight times as long for them.
    """

    dtype: Any = jnp.float32
    unroll: bool = False

    @nn.compact
    def __call__(self, gates: jax.Array) -> jax.Array:
        """The last state [n, hidden]."""
        hidden, wide = gates.shape[-1] // 3, parameter_dtype(self.dtype)
        initial = nn.initializers.lecun_normal()
        kernel = self.param("kernel", initial, (hidden, 3 * hidden), wide).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (3 * hidden,), wide).astype(self.dtype)

        def step(state: jax.Array, x: list[jax.Array]) -> tuple[jax.Array, None]:
            own = jnp.split(state @ kernel + bias, 3, -1)
            r, z = (nn.sigmoid(x[gate] + own[gate]) for gate in (0, 1))
            new = jnp.tanh(x[2] + r * own[2])
            return new + z * (state - new), None

        start = jnp.zeros((len(gates), hidden), self.dtype)
        steps = jnp.split(jnp.swapaxes(gates, 0, 1), 3, -1)
        return jax.lax.scan(step, start, steps, unroll=self.unroll)[0]


class Transformer(nn.Module):
    """4×4 patches of images → linear, + positions → blocks → norm → mean over patches → classes.

    A block adds attention of its normalised input, then two linear layers of that: pre-norm.

    Attributes:
      hidden: width of the layer inside each block; patches are half as wide.
      classes, dtype: as of `MLP`.
      norm: layer, as it was published, batch (over images and patches), or none.
      dropout: share of what is added to the patches, by their positions and each block.
      depth: number of blocks.
      heads: of each attention, or as many of them as divide the width.
    """

    at_once: ClassVar[int | None] = PIECE
    hidden: int = 128
    classes: int = 10
    norm: str = "layer"
    dropout: Any = 0.0
    dtype: Any = jnp.float32
    depth: int = 2
    heads: int = 4

    @nn.compact
    def __call__(self, images: jax.Array, batch: Batch | None = None) -> jax.Array:
        """Logits."""
        width = max(self.hidden // 2, 1)
        x = dense(width, self.dtype, "patches")(patches(images, GRID))
        place = nn.initializers.normal(0.02), x.shape[1:], parameter_dtype(self.dtype)
        x = dropout(x + self.param("positions", *place).astype(self.dtype), self.dropout, batch, 0)
        for number in range(1, self.depth + 1):
            settings = self.hidden, self.heads, self.norm, self.dropout, self.dtype, number
            x = Block(*settings, name=f"block{number}")(x, batch)
        x = jnp.mean(normalised(self.norm, "norm", x, batch), 1)
        return dense(self.classes, self.dtype, "output")(x)


class Block(nn.Module):
    """x + attention(norm(x)), and to that the linear → GELU → linear of its norm.

    ``causal``: each place attends to itself and to those before it.
    """

    hidden: int
    heads: int
    norm: str
    dropout: Any
    dtype: Any
    number: int
    causal: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, batch: Batch | None) -> jax.Array:
        """Patches or characters [n, places, width], as before."""
        width, first = x.shape[-1], 2 * self.number
        y = normalised(self.norm, "norm1", x, batch)
        heads = math.gcd(self.heads, width)
        y = Attention(heads, self.dtype, self.causal, name="attention")(y)
        x = x + dropout(y, self.dropout, batch, first)
        y = normalised(self.norm, "norm2", x, batch)
        y = nn.gelu(dense(self.hidden, self.dtype, "fc1")(y))
        return x + dropout(dense(width, self.dtype, "fc2")(y), self.dropout, batch, first + 1)


class Attention(nn.Module):
    """softmax(q·k/√d)·v in each head of width d, all heads by a linear layer to the same width."""

    heads: int
    dtype: Any
    causal: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Places [n, places, width], each a mean over all of them, or over those up to itself."""
        width = x.shape[-1]

        def split(name: str) -> jax.Array:
            found = dense(width, self.dtype, name)(x)
            return found.reshape(*x.shape[:2], self.heads, -1)

        query, key, value = map(split, ("query", "key", "value"))
        scores = jnp.einsum("nqhd,nkhd->nhqk", query, key) / math.sqrt(width / self.heads)
        if self.causal:
            scores = jnp.where(jnp.tri(x.shape[1], dtype=bool), scores, -jnp.inf)
        shares = nn.softmax(scores.astype(parameter_dtype(self.dtype))).astype(self.dtype)
        mixed = jnp.einsum("nhqk,nkhd->nqhd", shares, value)
        return dense(width, self.dtype, "out")(mixed.reshape(x.shape))


def patches(images: jax.Array, grid: int) -> jax.Array:
    """Equal parts of images, grid² of them row by row [n, grid², numbers]; zeros fill the last."""
    n, height, width, channels = images.shape
    tall, wide = -(-height // grid), -(-width // grid)
    margins = (0, 0), (0, tall * grid - height), (0, wide * grid - width), (0, 0)
    x = jnp.pad(images, margins).reshape(n, grid, tall, grid, wide, channels)
    return x.swapaxes(2, 3).reshape(n, grid * grid, -1)

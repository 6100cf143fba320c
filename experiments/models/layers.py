"""What networks are made of, and what one that trains knows of its batch.

Every layer takes the batch beside its input, or None where nothing is trained: then normalisation
takes the running statistics, and dropout does nothing.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

EPSILON = 1e-5
"""Added to variances by both normalisations, as in PyTorch."""


class Batch(NamedTuple):
    """What a network that trains knows of the batch beside its images.

    Attributes:
      weights: of each image in the mean of the batch: they add up to 1, or, under ``axis``, to as
        many as there are devices. None: all the same.
      key: uint32 [2] and ``step`` determine the masks of dropout; without a key there are none.
      step: updates made before this one.
      axis: the mapped axis of devices, each of which has an equal part of the batch.
      kept: the share of the running statistics that the batch leaves of them.
    """

    weights: Any = None
    key: Any = None
    step: Any = 0
    axis: str | None = None
    kept: float = 0.9


def dense(features: int, dtype: Any, name: str, use_bias: bool = True) -> nn.Dense:
    """A linear layer that computes in ``dtype`` and keeps its parameters in at least float32."""
    return nn.Dense(features, use_bias, dtype, param_dtype=parameter_dtype(dtype), name=name)


def parameter_dtype(dtype: Any) -> Any:
    """Of the parameters of a layer that computes in ``dtype``."""
    return jnp.promote_types(dtype, jnp.float32)


@jax.custom_vjp
def convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution of stride 1 whose result [n, height, width, outputs] is as large as its input.

    Its derivatives are a convolution by the kernel turned round, and one product of all patches
    with the gradient. XLA's own, inside the loop over batches, run on CPU in plain loops: with 16
    and 32 channels they take 21 and 19 times as long.

    Args:
      x: [n, height, width, inputs].
      kernel: [odd, odd, inputs, outputs].
    """
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)


def _forth(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolution(x, kernel), (x, kernel)


def _back(kept: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    (height, width), (rows, columns) = x.shape[1:3], kernel.shape[:2]
    margins = (0, 0), (rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0)
    padded = jnp.pad(x, margins)
    shifted = [
        padded[:, i : i + height, j : j + width] for i in range(rows) for j in range(columns)
    ]
    patches = jnp.concatenate(shifted, -1).reshape(-1, rows * columns * x.shape[-1])
    by_kernel = (patches.T @ gradient.reshape(len(patches), -1)).reshape(kernel.shape)
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    return convolution(gradient, turned), by_kernel


convolution.defvjp(_forth, _back)


class Convolution(nn.Module):
    """A 3×3 `convolution` with zeros around the image, and a bias."""

    features: int
    dtype: Any
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Features [n, height, width, features]."""
        shape, wide = (3, 3, x.shape[-1], self.features), parameter_dtype(self.dtype)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, wide)
        y = convolution(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, shape[-1:], wide)
        return y + bias.astype(self.dtype)


def normalised(norm: str, name: str, x: jax.Array, batch: Batch | None) -> jax.Array:
    """``x`` [n, …, features] normalised: by the batch, by its features (layer), or not (none)."""
    if norm == "batch":
        return BatchNorm(name=name)(x, batch)
    if norm == "layer":
        wide = parameter_dtype(x.dtype)
        return nn.LayerNorm(EPSILON, x.dtype, wide, name=name)(x)
    return x


class BatchNorm(nn.Module):
    """x → scale · (x − mean)/√(variance + epsilon) + bias, for each feature over all else.

    With a batch the statistics are those of its images, as their weights count them, so that
    padding has no part in them, and of all devices. Without, they are the running ones. Flax's own
    knows no weights, and several devices weigh the same there, however many images they have.

    Attributes:
      epsilon: added to the variance.
      affine: whether there are a scale and a bias.
    """

    epsilon: float = EPSILON
    affine: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, batch: Batch | None) -> jax.Array:
        """The features [n, …, features] of the images of a batch, normalised."""
        shape, wide, narrow = x.shape[-1:], parameter_dtype(x.dtype), x.dtype
        x = x.astype(wide)
        running = [
            self.variable("batch_stats", name, start, shape, wide)
            for name, start in (("mean", jnp.zeros), ("var", jnp.ones))
        ]
        found = [statistic.value for statistic in running]
        if batch is not None:
            found = moments(x, batch)
            for old, new in zip(running, found, strict=True):
                old.value = batch.kept * old.value + (1 - batch.kept) * new
        one = (1,) * (x.ndim - 1) + shape
        mean, variance = (statistic.reshape(one) for statistic in found)
        y, factor = x - mean, jax.lax.rsqrt(variance + self.epsilon)
        if self.affine:
            factor *= self.param("scale", nn.initializers.ones, shape, wide).reshape(one)
        y *= factor
        if self.affine:
            y += self.param("bias", nn.initializers.zeros, shape, wide).reshape(one)
        return y.astype(narrow)


def moments(x: jax.Array, batch: Batch) -> list[jax.Array]:
    """Mean and variance of each feature over the images of a batch and their positions."""
    axes = tuple(range(x.ndim - 1))
    if batch.weights is None:
        found = [jnp.mean(power, axes) for power in (x, jnp.square(x))]
    else:
        weights = batch.weights.reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype)
        positions = x[0, ..., 0].size
        found = [jnp.sum(weights * power, axes) / positions for power in (x, jnp.square(x))]
    if batch.axis is not None:
        found = jax.lax.pmean(found, batch.axis)
    mean, square = found
    return [mean, jnp.maximum(0.0, square - jnp.square(mean))]


def dropout(x: jax.Array, rate: Any, batch: Batch | None, place: int) -> jax.Array:
    """``x`` [n, …] with a share of its entries zero, the others as much larger.

    The mask of an image is drawn for its place in the whole batch, so it does not depend on which
    device has it, on how many there are, or on padding.

    Args:
      x: of the images of a batch.
      rate: the share, in [0, 1).
      batch: what they are part of.
      place: another number for each dropout of a network.
    """
    if batch is None or batch.key is None or (isinstance(rate, int | float) and rate == 0):
        return x
    rate = jnp.asarray(rate, jnp.float32)
    key = jax.random.wrap_key_data(batch.key, impl="threefry2x32")
    key = jax.random.fold_in(jax.random.fold_in(key, batch.step), place)
    first = 0 if batch.axis is None else jax.lax.axis_index(batch.axis) * len(x)
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(first + jnp.arange(len(x)))

    def draw(key: Any) -> jax.Array:
        return jax.random.uniform(key, x.shape[1:], jnp.float32)

    kept = jax.vmap(draw)(keys) >= rate
    return jnp.where(kept, x / (1 - rate).astype(x.dtype), jnp.zeros((), x.dtype))

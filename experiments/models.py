"""The networks, in Flax Linen: pure `init` and `apply`, which sweeps can map over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import jaxreg

Name = Literal["simple", "softmax", "batchnorm", "invariant", "cnn"]
OUTPUT: dict[str, str] = {"simple": "fc2", "softmax": "fc1"}
"""The output layers that are not called output."""
INVARIANT_EPSILON = 1e-12
"""In place of BatchNorm's 1e-5, which a small weight would feel: then its scale would matter."""


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
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Logits [n, classes] of images [n, height, width, channels] with values in [0, 1]."""
        del train  # it has no statistics
        param_dtype = jnp.promote_types(self.dtype, jnp.float32)
        x = images.reshape(len(images), -1)
        x = nn.Dense(self.hidden, self.dtype, param_dtype=param_dtype, name="fc1")(x)  # pyright: ignore
        x = nn.relu(x)
        return nn.Dense(self.classes, dtype=self.dtype, param_dtype=param_dtype, name="fc2")(x)


class Softmax(nn.Module):
    """Softmax regression, linear in its one matrix of weights: a convex problem."""

    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Logits, as of `SimpleNet`."""
        del train
        return nn.Dense(self.classes, use_bias=False, name="fc1")(images.reshape(len(images), -1))


class BatchNormNet(nn.Module):
    """Images → twice (linear → BatchNorm → ReLU) → classes.

    Attributes:
      hidden: width of both hidden layers.
      classes: number of logits.
      invariant: everything trained is scale-invariant: no scales and biases, and logits h·w/‖w‖
        for each column w of the output layer. Otherwise an ordinary network.
    """

    hidden: int = 64
    classes: int = 10
    invariant: bool = False

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Logits, as of `SimpleNet`; with ``train`` normalised by the batch itself."""
        x = images.reshape(len(images), -1)
        for layer in ("1", "2"):
            x = nn.Dense(self.hidden, use_bias=False, name=f"fc{layer}")(x)
            x = nn.relu(batch_norm(f"norm{layer}", train, self.invariant)(x))
        if self.invariant:
            return UnitColumns(self.classes, name="output")(x)
        return nn.Dense(self.classes, name="output")(x)


class ConvNet(nn.Module):
    """Images → twice (3×3 convolution of stride 2 → BatchNorm → ReLU) → classes.

    Attributes:
      hidden: channels of the second convolution; the first has half as many.
      classes: number of logits.
    """

    hidden: int = 16
    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Logits, as of `BatchNormNet`."""
        x = images
        for layer, channels in (("1", self.hidden // 2), ("2", self.hidden)):
            x = nn.Conv(channels, (3, 3), strides=2, use_bias=False, name=f"conv{layer}")(x)
            x = nn.relu(batch_norm(f"norm{layer}", train)(x))
        return nn.Dense(self.classes, name="output")(x.reshape(len(x), -1))


class UnitColumns(nn.Module):
    """x → x·w/‖w‖ for each column w of the kernel: logits that do not depend on its scale."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = x.shape[-1], self.features
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        return x @ (kernel / jnp.linalg.norm(kernel, axis=0))


def batch_norm(name: str, train: bool, invariant: bool = False) -> nn.BatchNorm:
    """A normalisation whose statistics are those of the last batch: no average over batches.

    One pass over the training images with ``train`` therefore leaves the statistics that an
    evaluation needs.
    """
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=0.0,
        epsilon=INVARIANT_EPSILON if invariant else 1e-5,
        use_scale=not invariant,
        use_bias=not invariant,
        name=name,
    )


def make(name: Name, hidden: int, classes: int) -> nn.Module:
    """The network of that name."""
    return {
        "simple": lambda: SimpleNet(hidden, classes),
        "softmax": lambda: Softmax(classes),
        "batchnorm": lambda: BatchNormNet(hidden, classes),
        "invariant": lambda: BatchNormNet(hidden, classes, invariant=True),
        "cnn": lambda: ConvNet(hidden, classes),
    }[name]()


def torch_parameters(model: nn.Module, images: Any) -> Callable[[int], dict[str, Any]]:
    """Parameters as PyTorch starts its linear layers: uniform ±1/√fan_in, biases too.

    Drawn on the host: compiling four device draws takes longer than an epoch of training.

    Args:
      model: a module whose layers each hold a ``kernel`` [fan_in, fan_out] and a ``bias``.
      images: a batch.

    Returns:
      A function of the seed.
    """
    shapes = shapes_of(model, images)["params"]

    def draw(seed: int) -> dict[str, Any]:
        generator = np.random.default_rng(seed)
        return {name: _torch_layer(layer, generator) for name, layer in shapes.items()}

    return draw


def shapes_of(model: nn.Module, images: Any) -> Any:
    """Shapes of the variables of a network."""
    key = jax.eval_shape(jax.random.key, 0)  # a real one would be compiled
    return jax.eval_shape(model.init, key, images)


def _torch_layer(shapes: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    bound = shapes["kernel"].shape[0] ** -0.5
    return {
        name: generator.uniform(-bound, bound, leaf.shape).astype(leaf.dtype)
        for name, leaf in sorted(shapes.items())
    }


def lecun_parameters(model: nn.Module, images: Any) -> Callable[[int], dict[str, Any]]:
    """Parameters with kernels of variance 1/fan_in, scales of 1 and biases of 0; by seed.

    Drawn on the host, likewise. Softmax regression starts from 0.
    """
    shapes = shapes_of(model, images)["params"]

    def draw(seed: int) -> dict[str, Any]:
        generator = np.random.default_rng(seed)
        return {name: _lecun_layer(layer, generator) for name, layer in shapes.items()}

    if isinstance(model, Softmax):
        return lambda seed: jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return draw


def _lecun_layer(shapes: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    def start(name: str, leaf: Any) -> Any:
        if name == "kernel":
            fan_in = np.prod(leaf.shape[:-1])
            return (generator.standard_normal(leaf.shape) * fan_in**-0.5).astype(leaf.dtype)
        return np.full(leaf.shape, 1.0 if name == "scale" else 0.0, leaf.dtype)

    return {name: start(name, leaf) for name, leaf in sorted(shapes.items())}


def initializer(model: nn.Module, images: Any) -> Callable[[int], dict[str, Any]]:
    """The parameters that a study starts from: PyTorch's for the mission's network."""
    draw = torch_parameters if isinstance(model, SimpleNet) else lecun_parameters
    return draw(model, images)


def decays(name: Name, decayed: str) -> Any:
    """The rule for parameters that decay: all, weights, or hidden (but the output layer's)."""
    output = jaxreg.where(f"^{OUTPUT.get(name, 'output')}/")
    everything = jaxreg.where(None)
    return {
        "all": everything,
        "weights": jaxreg.weights,
        "hidden": jaxreg.weights & ~output,
    }[decayed]


def training_apply(model: nn.Module) -> Callable[[Any, jax.Array], jax.Array]:
    """apply(params, images) → logits, normalised by the statistics of these images."""
    return lambda params, images: _with_statistics(model, params, images)[0]


def settled_apply(
    model: nn.Module, params: Any, images: jax.Array
) -> Callable[[Any, jax.Array], jax.Array]:
    """apply(params, images) → logits, normalised by the statistics of the images given here."""
    _, statistics = _with_statistics(model, params, images)

    def apply(params: Any, images: jax.Array) -> jax.Array:
        return model.apply({"params": params, **statistics}, images)  # pyright: ignore[reportReturnType]

    return apply


def _with_statistics(model: nn.Module, params: Any, images: jax.Array) -> Any:
    return model.apply({"params": params}, images, train=True, mutable=["batch_stats"])

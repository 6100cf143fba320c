"""The parameters that training starts from, drawn on the host.

On the device the draws of a network are compiled, which takes longer than an epoch of training; on
the host they are also the same on every platform. Each way is one rule for a layer, a dictionary of
arrays, and holds for every network: kernels [inputs…, outputs] by the number of their inputs,
scales 1, and a table of positions as transformers have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np

Shapes = Mapping[str, Any]
Rule = Callable[[Shapes, str, np.random.Generator], Any]

POSITIONS = 0.02
"""Standard deviation of the positions of patches."""


def drawn(model: nn.Module, images: Any, way: str) -> Callable[[int], dict[str, Any]]:
    """The parameters of a network as a function of the seed.

    Args:
      model: the network.
      images: a batch.
      way: torch, as PyTorch starts linear and convolutional layers: uniform ±1/√inputs, biases too.
        lecun: normal, of variance 1/inputs, biases 0. zeros: all of them 0.
    """
    shapes, rule = shapes_of(model, images)["params"], RULES[way]
    return lambda seed: _draw(shapes, rule, np.random.default_rng(seed))


def statistics(model: nn.Module, images: Any) -> dict[str, Any]:
    """The running statistics before the first batch: means 0, variances 1; {} if it has none."""
    shapes = {name: tree for name, tree in shapes_of(model, images).items() if name != "params"}
    return jax.tree.map_with_path(_statistic, shapes)


def shapes_of(model: nn.Module, images: Any) -> Any:
    """Shapes of the variables of a network."""
    key = jax.eval_shape(jax.random.key, 0)  # a real one would be compiled
    return jax.eval_shape(model.init, key, images)


def _draw(shapes: Shapes, rule: Rule, generator: np.random.Generator) -> dict[str, Any]:
    """Leaf after leaf in the order of their names, layer by layer."""
    return {
        name: _draw(leaf, rule, generator)
        if isinstance(leaf, Mapping)
        else np.asarray(rule(shapes, name, generator), leaf.dtype)
        for name, leaf in sorted(shapes.items())
    }


def _torch(layer: Shapes, name: str, generator: np.random.Generator) -> Any:
    if "kernel" not in layer:
        return _constant_or_positions(layer, name, generator)
    bound = _inputs(layer) ** -0.5
    return generator.uniform(-bound, bound, layer[name].shape)


def _lecun(layer: Shapes, name: str, generator: np.random.Generator) -> Any:
    if name != "kernel":
        return _constant_or_positions(layer, name, generator)
    return generator.standard_normal(layer[name].shape) * _inputs(layer) ** -0.5


def _constant_or_positions(layer: Shapes, name: str, generator: np.random.Generator) -> Any:
    if name == "positions":
        return generator.standard_normal(layer[name].shape) * POSITIONS
    return np.full(layer[name].shape, 1.0 if name == "scale" else 0.0)


def _zeros(layer: Shapes, name: str, generator: np.random.Generator) -> Any:
    del generator
    return np.zeros(layer[name].shape)


def _inputs(layer: Shapes) -> int:
    return math.prod(layer["kernel"].shape[:-1])


def _statistic(path: Any, leaf: Any) -> Any:
    return np.full(leaf.shape, 1.0 if path[-1].key == "var" else 0.0, leaf.dtype)


RULES: dict[str, Rule] = {"torch": _torch, "lecun": _lecun, "zeros": _zeros}

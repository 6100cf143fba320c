"""A network as pure functions of its parameters and statistics; which of its parameters decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

import jaxreg
from experiments.models.layers import Batch
from experiments.models.table import MODELS, Sizes

Apply = Callable[[Any, jax.Array], jax.Array]
Forward = Callable[[Any, Any, jax.Array, Batch], tuple[jax.Array, Any]]


def make(
    name: str,
    hidden: int,
    classes: int,
    norm: str | None = None,
    dropout: Any = 0.0,
    dtype: Any = jnp.float32,
) -> nn.Module:
    """The network of that name; without ``norm``, with its own."""
    row = MODELS[name]
    return row.build(Sizes(hidden, classes, norm or row.norms[0], dropout, dtype))


def decays(name: str, decayed: str) -> Any:
    """The rule for parameters that decay: all, weights, or hidden (but the output layer's)."""
    return {
        "all": jaxreg.where(None),
        "weights": jaxreg.weights,
        "hidden": jaxreg.weights & ~jaxreg.where(f"^{MODELS[name].output}/"),
    }[decayed]


def forward(model: nn.Module, full: bool = False) -> Forward:
    """forward(params, statistics, images, batch) → (logits, statistics), of a network that trains.

    Without statistics, {}, none are kept: a batch is then normalised by its own alone. ``full``
    says that no batch has padding, so that its statistics are plain means.
    """

    def run(params: Any, statistics: Any, images: jax.Array, batch: Batch) -> tuple[jax.Array, Any]:
        variables = {"params": params, **statistics}
        batch = batch._replace(weights=None) if full else batch
        logits, found = model.apply(variables, images, batch, mutable=["batch_stats"])
        return logits, found if statistics else statistics

    return run


def evaluating(model: nn.Module, statistics: Any) -> Apply:
    """apply(params, images) → logits, normalised by these statistics."""

    def apply(params: Any, images: jax.Array) -> jax.Array:
        return model.apply({"params": params, **statistics}, images)  # pyright: ignore[reportReturnType]

    return apply


def training_apply(model: nn.Module) -> Apply:
    """apply(params, images) → logits, normalised by the statistics of these images."""
    run = forward(model)
    return lambda params, images: run(params, {}, images, Batch())[0]


def settled_apply(model: nn.Module, params: Any, images: jax.Array) -> Apply:
    """apply(params, images) → logits, normalised by the statistics of the images given here.

    The study evaluates by these, of all training images, and not by running statistics: they do not
    lag behind weights that move fast, and it compares learning rates.
    """
    alone = Batch(kept=0.0)
    _, statistics = model.apply({"params": params}, images, alone, mutable=["batch_stats"])
    return evaluating(model, statistics)

"""What is measured of a network on its path, as jax code."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from experiments import training
from experiments.paired.sample import Sample
from experiments.path.penalties import AXES, Network

RELATIVE = 1e-3
"""The rank counts singular values above this share of the largest."""
MEASURES = (
    *("test_accuracy", "validation_accuracy", "data_loss", "validation_loss", "test_loss"),
    *("zeros", "live", "rank", "l1", "l2"),
)


def measures(
    network: Network, apply: training.Apply, params: Any, own: Sample
) -> dict[str, jax.Array]:
    """The numbers of `MEASURES`: how good, how large, how sparse, of what rank.

    Args:
      network: which one it is.
      apply: apply(params, images) → logits.
      params: a tree of layers, whose first is fc1.
      own: what one seed has drawn.
    """
    kernels = [layer["kernel"] for layer in params.values()]
    first = params["fc1"]["kernel"]
    weights = jnp.concatenate([kernel.ravel() for kernel in kernels])
    return {
        **held_out(apply, params, own),
        "zeros": jnp.mean(weights == 0),
        "live": jnp.sum(jnp.any(first != 0, axis=AXES[network])),
        "rank": rank(first),
        "l1": jnp.sum(jnp.abs(weights)),
        "l2": jnp.linalg.norm(weights),
    }


def held_out(apply: training.Apply, params: Any, own: Sample) -> dict[str, jax.Array]:
    """Mean cross-entropy of all images, and the accuracy of those that do not train."""
    look = training.make_evaluate(apply, jnp.float32)
    of_train, of_validation, of_test = (
        look(params, images) for images in (own.train, own.validation, own.test)
    )
    return {
        "data_loss": of_train[0],
        "validation_loss": of_validation[0],
        "validation_accuracy": of_validation[1],
        "test_loss": of_test[0],
        "test_accuracy": of_test[1],
    }


def test_accuracy(apply: training.Apply, params: Any, own: Sample) -> jax.Array:
    """The accuracy of the test images."""
    return training.make_evaluate(apply, jnp.float32)(params, own.test)[1]


def rank(kernel: jax.Array) -> jax.Array:
    """How many singular values exceed `RELATIVE` of the largest."""
    spectrum = jnp.linalg.svd(kernel, compute_uv=False)
    return jnp.sum(spectrum > RELATIVE * spectrum[0])

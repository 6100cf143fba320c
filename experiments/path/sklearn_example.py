"""scikit-learn's example of sparse digits, solved by `jaxreg.solve` at the converted strength.

The example trains on 5,000 digits and scores on 10,000 others, of all 70,000 in their usual order,
shuffled; which ones differs from run to run, since its split has no seed. Here it has seed 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.data import Dataset, load

REFERENCE = Path(__file__).with_name("sklearn_example.npz")
"""What scikit-learn found, by `experiments.path.make_sklearn_example`."""
TRAIN, TEST = 5000, 10_000
C = 50 / TRAIN


class Digits(NamedTuple):
    """Standardised images [n, pixels] and their labels."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def digits(dataset: Dataset | None = None, train: int = TRAIN, test: int = TEST) -> Digits:
    """The example's data, every pixel with mean 0 and variance 1 over the training images."""
    dataset = load("mnist") if dataset is None else dataset
    splits = dataset.train, dataset.test
    images = np.concatenate([split.images for split in splits])
    labels = np.concatenate([split.labels for split in splits])
    chosen = np.random.RandomState(0).permutation(len(labels))[: train + test]
    pixels = images[chosen].reshape(len(chosen), -1).astype(np.float64)
    mean, spread = pixels[:train].mean(0), pixels[:train].std(0)
    pixels = (pixels - mean) / np.where(spread > 0, spread, 1)
    of = labels[chosen]
    return Digits(pixels[:train], of[:train], pixels[train:], of[train:])


def strength(c: float = C, examples: int = TRAIN) -> float:
    """λ of Σ|w| beside the mean cross-entropy, for scikit-learn's C."""
    from jaxreg.convert import from_logistic_c

    return from_logistic_c(c, examples, norm="l1")


def loss(params: Any, images: Any, labels: Any) -> Any:
    """Mean cross-entropy of logits x·w + b."""
    import jax.numpy as jnp

    from experiments.training import cross_entropy

    return jnp.mean(cross_entropy(images @ params["kernel"] + params["bias"], labels))


def solved(data: Digits, strength: float, **options: Any) -> Any:
    """The `jaxreg.Solution`: the weights are penalised, the intercepts are not."""
    import jax.numpy as jnp

    from jaxreg import l1, solve

    classes = int(data.train_labels.max()) + 1
    images = jnp.asarray(data.train)
    zeros = {
        "kernel": jnp.zeros((images.shape[1], classes), images.dtype),
        "bias": jnp.zeros(classes, images.dtype),
    }
    penalty = strength * l1.on("kernel$")
    return solve(loss, penalty, zeros, images, jnp.asarray(data.train_labels), **options)

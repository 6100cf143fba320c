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
PULL = 50
"""C of scikit-learn, times the examples."""


class Digits(NamedTuple):
    """Standardised images [n, pixels] and their labels."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def digits(dataset: Dataset | None = None, train: int = TRAIN, test: int = TEST) -> Digits:
    """The example's data, every pixel with mean 0 and variance 1 over the training images.

    Pixels that are always blank stay 0.
    """
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


def strength(examples: int = TRAIN) -> float:
    """λ of Σ|w| beside the mean cross-entropy, for the example's C.

    >>> strength()
    0.02
    """
    from jaxreg.convert import from_logistic_c

    return from_logistic_c(PULL / examples, examples, norm="l1")


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


class Run(NamedTuple):
    """One solution of the example; coefficients [class, pixel]."""

    name: str
    coefficients: np.ndarray
    accuracy: float
    rounds: int

    def record(self, other: Run) -> dict[str, Any]:
        """For the records, with its distance from another."""
        ours, theirs = self.coefficients, other.coefficients
        return {
            "event": "example",
            "program": self.name,
            "rounds": self.rounds,
            "zeros": float(np.mean(ours == 0)),
            "accuracy": self.accuracy,
            "difference": float(np.abs(ours - theirs).max()),
            "largest": float(np.abs(theirs).max()),
            "same_zeros": float(np.mean((ours == 0) == (theirs == 0))),
        }


def of_sklearn() -> tuple[Run, Run]:
    """What scikit-learn found: as published, and converged."""
    with np.load(REFERENCE) as stored:
        found = {name: stored[name] for name in stored.files}

    def run(kind: str) -> Run:
        own = {name: found[f"{kind}_{name}"] for name in ("coefficients", "accuracy", "passes")}
        name = f"scikit-learn {found['version']}, tol={float(found[f'{kind}_tolerance']):g}"
        return Run(name, own["coefficients"], float(own["accuracy"]), int(own["passes"]))

    return run("published"), run("converged")


def of_jaxreg(data: Digits) -> Run:
    """What `jaxreg.solve` finds."""
    found = solved(data, strength(len(data.train)))
    params = {name: np.asarray(leaf) for name, leaf in found.params.items()}
    guess = np.argmax(data.test @ params["kernel"] + params["bias"], 1)
    accuracy = float(np.mean(guess == data.test_labels))
    name = "jaxreg.solve" if found.converged else "jaxreg.solve, NOT converged"
    return Run(name, params["kernel"].T, accuracy, int(found.steps))


def compared() -> list[dict[str, Any]]:
    """A record for each program, held against scikit-learn's converged solution."""
    published, converged = of_sklearn()
    ours = of_jaxreg(digits())
    return [run.record(converged) for run in (published, converged, ours)]

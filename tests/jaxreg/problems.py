"""Random problems that solvers are compared on, drawn from a seed; NumPy alone."""

from __future__ import annotations

import numpy as np

SEEDS = range(50)


def linear(seed: int, examples: int, features: int, noise: float = 1.0) -> tuple[np.ndarray, ...]:
    """Features and a target to which six tenths of them contribute."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((examples, features))
    weights = 1.5 * random.standard_normal(features) * (random.uniform(size=features) < 0.6)
    return x, x @ weights + noise * random.standard_normal(examples)


def tasks(seed: int, examples: int, features: int, count: int) -> tuple[np.ndarray, ...]:
    """Features and several targets, to which the same features contribute."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((examples, features))
    weights = random.standard_normal((features, count)) * (random.uniform(size=(features, 1)) < 0.6)
    return x, x @ weights + random.standard_normal((examples, count))


def classes(seed: int, examples: int, features: int, count: int) -> tuple[np.ndarray, ...]:
    """Features and one of ``count`` classes, which overlap."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((examples, features))
    scores = x @ random.standard_normal((features, count))
    return x, np.argmax(scores + 2 * random.gumbel(size=scores.shape), axis=1)


def correlated(seed: int, examples: int, features: int, share: float) -> tuple[np.ndarray, ...]:
    """As `linear`, where every two features have the correlation ``share``."""
    x, y = linear(seed, examples, features)
    common = np.random.default_rng(seed + 1000).standard_normal((examples, 1))
    return np.sqrt(share) * common + np.sqrt(1 - share) * x, y


def stacked(draw, *shape, seeds=SEEDS) -> tuple[np.ndarray, ...]:
    """One problem for every seed, each array with a leading axis."""
    return tuple(map(np.stack, zip(*(draw(seed, *shape) for seed in seeds), strict=True)))


def adaptive(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The weights of the adaptive Lasso: 1/|ŵ| of least squares, and 0 for the first feature."""
    weights = 1 / np.abs(np.linalg.lstsq(x, y)[0])
    return np.concatenate([[0.0], weights[1:]])

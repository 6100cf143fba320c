"""Where to try next: the expected improvement under a Gaussian process, in the unit cube.

A constant plus a process with the covariance Matérn 5/2, a length scale for each coordinate, and
noise. Its hyperparameters are not chosen but averaged over, as Snoek et al. do it: draws from their
prior, weighed by how likely they make the scores. Points that others are trying count as tried,
with the mean that is expected there, so that a batch spreads out.

References: Snoek, Larochelle & Adams 2012, *Practical Bayesian optimization of machine learning
algorithms* (arXiv:1206.2944); Ginsbourger et al. 2010 for batches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

DRAWS, KEPT, CANDIDATES, NEAR = 128, 12, 400, 100
LENGTHS, NOISES = (0.05, 3.0), (1e-6, 0.3)
"""Log-uniform priors: of lengths in the unit cube, and of the share of noise in the variance."""
APART = 0.01  # of every range


class Process(NamedTuple):
    """Processes for several draws of the hyperparameters, which come first in every array."""

    lengths: np.ndarray
    noise: np.ndarray
    share: np.ndarray  # of each draw in what is known
    scale: np.ndarray


def proposal(
    x: np.ndarray, scores: np.ndarray, pending: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """The point of the largest expected improvement.

    Args:
      x: of shape (trials, coordinates), in the unit cube.
      scores: (trials,), to be made small; not finite where a trial diverged.
      pending: (others, coordinates): trials that run.
      random: where draws and candidates come from.
    """
    y = tamed(scores)
    process = drawn(x, y, random)
    near = x[np.argmin(y)] + 0.05 * random.standard_normal((NEAR, x.shape[1]))
    candidates = np.concatenate([random.uniform(size=(CANDIDATES, x.shape[1])), near.clip(0, 1)])
    candidates = _apart(candidates, np.concatenate([x, pending]))
    mean, deviation, least = predicted(process, x, y, pending, candidates)
    return candidates[np.argmax(process.share @ improvement(mean, deviation, least))]


def _apart(candidates: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Those that are not as good as known already; all, if there is no other."""
    distance = np.abs(candidates[:, None] - known[None]).max(axis=-1).min(axis=1)
    return candidates[distance >= APART] if np.any(distance >= APART) else candidates


def tamed(scores: np.ndarray) -> np.ndarray:
    """Standardised; above the median the logarithm of the score, so that the worst do not count.

    With t = (score − least) / (median − least): t up to 1, 1 + log t from there on. What diverged
    is as bad as the worst.
    """
    finite = np.isfinite(scores)
    if not finite.any():
        return np.zeros(len(scores))
    least, middle = np.quantile(scores[finite], [0, 0.5])
    ratio = np.where(finite, scores - least, 0) / ((middle - least) or 1.0)
    warped = np.where(ratio > 1, 1 + np.log(np.maximum(ratio, 1)), ratio)
    warped[~finite] = warped.max()
    return (warped - warped.mean()) / (warped.std() or 1.0)


def drawn(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> Process:
    """The likeliest of many draws of the hyperparameters; the scale is that of largest likelihood.

    log p(y) = −½ n log(yᵀK⁻¹y / n) − ½ log|K| + constant
    """
    lengths = np.exp(random.uniform(*np.log(LENGTHS), size=(DRAWS, x.shape[1])))
    noise = np.exp(random.uniform(*np.log(NOISES), size=DRAWS))
    lower = np.linalg.cholesky(_covariance(x, x, lengths) + noise[:, None, None] * np.eye(len(x)))
    white = np.linalg.solve(lower, np.broadcast_to(y[:, None], (DRAWS, len(y), 1)))[..., 0]
    scale = np.mean(white**2, axis=-1) + 1e-12
    halves = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    likelihood = -0.5 * len(y) * np.log(scale) - halves
    best = np.argsort(-likelihood)[:KEPT]
    share = np.exp(likelihood[best] - likelihood[best[0]])
    return Process(lengths[best], noise[best], share / share.sum(), scale[best])


def predicted(
    process: Process, x: np.ndarray, y: np.ndarray, pending: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean, deviation) of shape (draws, points), and the least mean where trials are."""
    noise = process.noise[:, None, None]
    own = _covariance(x, x, process.lengths)
    weights = np.linalg.solve(
        own + noise * np.eye(len(x)), np.broadcast_to(y[:, None], (len(noise), len(y), 1))
    )
    mean = (_covariance(at, x, process.lengths) @ weights)[..., 0]
    least = (own @ weights)[..., 0].min(axis=1)
    every = np.concatenate([x, pending])  # what is expected at those pending moves no mean
    cross = _covariance(every, at, process.lengths)
    joint = _covariance(every, every, process.lengths) + noise * np.eye(len(every))
    variance = 1 - np.sum(cross * np.linalg.solve(joint, cross), axis=1)
    return mean, np.sqrt(process.scale[:, None] * variance.clip(1e-12)), least


def improvement(mean: np.ndarray, deviation: np.ndarray, least: np.ndarray) -> np.ndarray:
    """E max(least − y, 0) for normal y."""
    from scipy.special import ndtr  # which jax brings

    z = (least[:, None] - mean) / deviation
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return deviation * (z * ndtr(z) + density)


def _covariance(a: np.ndarray, b: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Matérn 5/2 of shape (draws, a, b)."""
    scaled = (a[:, None] - b[None])[None] / lengths[:, None, None]
    r = np.sqrt(5 * np.sum(scaled**2, axis=-1))
    return (1 + r + r**2 / 3) * np.exp(-r)

"""Strengths of ridge regression and of the Lasso, chosen here and by scikit-learn, in this process.

What is compiled is compiled before it is timed; all compute in float64.
"""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from experiments.benchmark.timing import Sample

CORES = os.cpu_count() or 1
RIDGE, RIDGE_CV = "jaxreg ridge_path", "scikit-learn RidgeCV"
PATHS, SOLVED, LASSO_CV = "jaxreg path, fold by fold", "jaxreg tune.solved", "scikit-learn LassoCV"
Contenders = Mapping[str, Callable[[], Sample]]
TOLERANCE = 1e-4  # of all: scores then differ by less than a thousandth of their standard error
WARM: list[Any] = []
"""What has been compiled."""


def regression(examples: int, features: int, relevant: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets, float64; noise is half as large as the signal."""
    random = np.random.default_rng(0)
    x = random.standard_normal((examples, features))
    w = np.zeros(features)
    w[random.choice(features, relevant, replace=False)] = random.standard_normal(relevant)
    noise = random.standard_normal(examples)
    return x, x @ w + np.linalg.norm(x @ w) / np.linalg.norm(noise) / 2 * noise


def ridges(examples: int, features: int) -> Contenders:
    """100 strengths, chosen by leave-one-out; scikit-learn's α is nλ."""
    from sklearn.linear_model import RidgeCV

    from jaxreg import tune

    x, y = regression(examples, features, features)
    strengths = np.geomspace(1e-3, 1e3, 100)
    given = _on_device(x, y, strengths)
    model = RidgeCV(alphas=len(x) * strengths)

    def ours() -> float:
        return float(tune.ridge_path(*given).strength)

    def theirs() -> float:
        return float(np.asarray(model.fit(x, y).alpha_) / len(x))

    return {RIDGE: functools.partial(_timed, ours), RIDGE_CV: functools.partial(_timed, theirs)}


def lassos(examples: int, features: int) -> Contenders:
    """Five folds, 100 strengths down to a thousandth; ½ mean squared error, no intercept."""
    from sklearn.linear_model import LassoCV
    from sklearn.model_selection import KFold

    x, y = regression(examples, features, features // 10)
    strengths = np.geomspace(1, 1e-3, 100) * np.max(np.abs(x.T @ y)) / len(x)
    splits = list(KFold(5, shuffle=True, random_state=0).split(x))
    options: dict[str, Any] = {"tol": TOLERANCE, "max_iter": 10_000, "n_jobs": CORES}
    model = LassoCV(alphas=strengths, cv=splits, fit_intercept=False, **options)
    ours = {
        PATHS: functools.partial(_by_paths, x, y, strengths, splits),
        SOLVED: functools.partial(_by_solving, _training(features), x, y, strengths, splits),
        LASSO_CV: lambda: float(model.fit(x, y).alpha_),
    }
    return {name: functools.partial(_timed, choose) for name, choose in ours.items()}


def _by_paths(x: np.ndarray, y: np.ndarray, strengths: np.ndarray, splits: list[Any]) -> float:
    """A path on each fold's training examples, from one solution to the next."""
    from jax import numpy as jnp

    from jaxreg import l1, path

    losses = np.zeros(len(strengths))
    options: dict[str, Any] = {"tolerance": TOLERANCE, "degrees_of_freedom": False}
    for kept, held in splits:
        start, given = jnp.zeros(x.shape[1]), (jnp.asarray(x[kept]), jnp.asarray(y[kept]))
        found = path(_half_squares, l1, start, *given, strengths=strengths, **options)
        residuals = x[held] @ np.asarray(found.params).T - y[held][:, None]
        losses += np.mean(residuals**2, axis=0)
    return float(strengths[np.argmin(losses)])


def _half_squares(w: Any, x: Any, y: Any) -> Any:
    return 0.5 * ((x @ w - y) ** 2).mean()


def _training(features: int) -> Any:
    """Made once, so that it is compiled once."""
    from jaxreg import l1, tune

    def losses(w: Any, x: Any, y: Any) -> Any:
        return 0.5 * (x @ w - y) ** 2

    return tune.solved(losses, l1, np.zeros(features), tolerance=TOLERANCE)


def _by_solving(
    train: Any, x: np.ndarray, y: np.ndarray, strengths: np.ndarray, splits: list[Any]
) -> float:
    """Every strength on every fold from zero, as a sweep."""
    from jaxreg import tune

    weights = np.ones((len(splits), len(x)))
    for row, (_, held) in zip(weights, splits, strict=True):
        row[held] = 0
    options: dict[str, Any] = {"folds": weights, "examples": len(x), "per_device": 1}
    return tune.cross_validate(train, {"strength": strengths}, x, y, **options).strength


def _on_device(*arrays: np.ndarray) -> list[Any]:
    import jax

    with jax.enable_x64(True):
        return [jax.block_until_ready(jax.numpy.asarray(a)) for a in arrays]


def _timed(choose: Callable[[], float]) -> Sample:
    """What is compiled has been: the first call is not counted."""
    import jax

    with jax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence, at the least strengths
        if choose not in WARM:
            WARM.append(choose)
            choose()
        started = time.perf_counter(), time.process_time()
        strength = choose()
        ended = time.perf_counter(), time.process_time()
    seconds, cpu = (after - before for before, after in zip(started, ended, strict=True))
    return {"seconds": seconds, "cpu": cpu, "strength": strength}

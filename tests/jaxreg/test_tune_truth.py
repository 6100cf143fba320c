"""Every way to choose on problems of which the right answer is known: 200 ridge regressions."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from jaxreg import grid, tune

PROBLEMS, EXAMPLES, FEATURES, NOISE = 200, 100, 25, 1.0
SEARCHED = 12
STRENGTHS = np.asarray(tune.strengths(1e-3, 10.0, 20))

solved = functools.partial(jax.scipy.linalg.solve, assume_a="pos")

MESH = Mesh(np.array(jax.devices()[:1]), ("run",))
"""LAPACK on several CPU devices at once may wait forever (jaxlib 0.10.2)."""


@functools.cache
def drawn():
    """(X, y, w): signal and noise of one size, on average."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(PROBLEMS, EXAMPLES, FEATURES))
    w = rng.normal(size=(PROBLEMS, FEATURES)) / np.sqrt(FEATURES)
    y = np.einsum("rnp,rp->rn", x, w) + NOISE * rng.normal(size=(PROBLEMS, EXAMPLES))
    return x.astype(np.float32), y.astype(np.float32), w.astype(np.float32)


def risk(x, w, strength):
    """E‖ŵ − w‖² over the noise: λ²wᵀ(S + λ)⁻²w + σ²/n·tr S(S + λ)⁻², S = XᵀX/n."""
    d, v = jnp.linalg.eigh(x.T @ x / len(x))
    bias = strength * (v.T @ w) / (d + strength)
    return jnp.sum(bias**2) + NOISE**2 / len(x) * jnp.sum(d / (d + strength) ** 2)


@functools.cache
def risks():
    """By problem at a series of strengths, fine enough to hold the least."""
    fine = jnp.geomspace(1e-3, 10, 2000)
    x, _, w = drawn()
    curves = jax.jit(jax.vmap(jax.vmap(risk, (None, None, 0)), (0, 0, None)))(x, w, fine)
    return np.asarray(fine), np.asarray(curves)


def regrets(strengths):
    """The risk beyond the least that a strength can give, relative to it, by problem."""
    fine, curves = risks()
    at = np.abs(np.log(fine / np.asarray(strengths)[:, None])).argmin(axis=1)
    rows = np.arange(len(at))
    return curves[rows, at] / curves[rows].min(axis=1) - 1


@functools.cache
def closed_forms():
    x, y, _ = drawn()
    path = functools.partial(tune.ridge_path, strengths=STRENGTHS, intercept=False)
    return jax.jit(jax.vmap(path))(x, y)


def train(point, weights, x, y):
    """Ridge regression in closed form on one of the problems."""
    x, y = x[point["problem"]], y[point["problem"]]
    gram = x.T @ (weights[:, None] * x) / weights.sum() + point["strength"] * jnp.eye(FEATURES)
    w = solved(gram, x.T @ (weights * y) / weights.sum())
    return (x @ w - y) ** 2


def by_cross_validation(folds):
    """The strength of least score in each problem: one call for all of them."""
    x, y, _ = drawn()
    points = grid(problem=np.arange(PROBLEMS), strength=STRENGTHS)
    choice = tune.cross_validate(
        train, points, x, y, examples=EXAMPLES, folds=folds, per_device=250, mesh=MESH
    )
    scores = choice.scores.reshape(PROBLEMS, len(STRENGTHS))
    return STRENGTHS[scores.argmin(axis=1)]


def by_evidence():
    x, y, _ = drawn()
    alone = functools.partial(tune.evidence, intercept=False)
    return jax.jit(jax.vmap(lambda x, y: alone(x, y).strength))(x, y)


def by_descent(mode):
    """The strengths of all problems together: the mean of losses that have nothing in common."""
    x, y, _ = drawn()

    def all_of_them(point, weights, x, y):
        points = {"strength": point["strength"], "problem": jnp.arange(PROBLEMS)}
        alone = jax.vmap(lambda one: train(one, weights, x, y))
        return alone(points).mean(axis=0)

    start = {"strength": np.full(PROBLEMS, 1e-2)}
    choice = tune.hypergradient(
        all_of_them, start, x, y, examples=EXAMPLES, folds=5, mode=mode, steps=20, mesh=MESH
    )
    return choice.strength


def by_search(search, **options):
    """The first problems alone: a study costs more than its trainings here."""
    x, y, _ = drawn()
    ends, split = {"strength": (1e-3, 10.0)}, tune.folds(EXAMPLES, 5)
    of = functools.partial(search, examples=EXAMPLES, folds=split, mesh=MESH, **options)
    return [of(train, {**ends, "problem": i}, x, y).strength for i in range(SEARCHED)]


WAYS = {
    "leave-one-out": lambda: STRENGTHS[closed_forms().leave_one_out.argmin(axis=1)],
    "gcv": lambda: STRENGTHS[closed_forms().gcv.argmin(axis=1)],
    "evidence on the grid": lambda: STRENGTHS[closed_forms().evidence.argmax(axis=1)],
    "evidence": by_evidence,
    "five folds": lambda: by_cross_validation(5),
    "hypergradient": lambda: by_descent("reverse"),
    "bayesian": lambda: by_search(tune.bayesian, trials=16),
    "random": lambda: by_search(tune.random, trials=32, batch=32),
    "sobol": lambda: by_search(tune.sobol, trials=16, batch=16),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_median_regret_is_at_most_five_per_cent(way):
    found = regrets(WAYS[way]())
    assert np.median(found) <= 0.05
    for careless in (STRENGTHS[0], STRENGTHS[-1]):
        assert np.median(regrets(np.full(PROBLEMS, careless))) > 0.2


def test_the_analytic_strength_is_close_to_the_best():
    """λ* = pσ²/(n‖w‖²) beside the mean squared error, for features of unit variance."""
    ideal = FEATURES * NOISE**2 / (EXAMPLES * np.sum(drawn()[2] ** 2, axis=1))
    assert np.median(regrets(ideal)) < 0.01

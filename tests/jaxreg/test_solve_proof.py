"""`jaxreg.solve` finds the solutions of scikit-learn, skglm and closed forms, 50 problems each."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, MultiTaskLasso, Ridge

from jaxreg import (
    convert,
    group_lasso,
    group_mcp,
    group_scad,
    l1,
    l2,
    mcp,
    nuclear,
    scad,
    slope,
    solve,
)
from tests.jaxreg import problems

TIGHT: dict[str, Any] = {"tol": 1e-14, "max_iter": 1_000_000}
SKGLM = np.load(pathlib.Path(__file__).parents[1] / "fixtures" / "skglm.npz")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


# Data losses: means over the examples.


def half_squared_error(params: Any, x: Any, y: Any) -> Any:
    error = x @ params["w"] + params["b"] - y
    return 0.5 * jnp.sum(error**2) / len(y)


def cross_entropy(params: Any, x: Any, y: Any) -> Any:
    return jnp.mean(jnp.logaddexp(0, (1 - 2 * y) * (x @ params["w"] + params["b"])))


def multinomial(params: Any, x: Any, y: Any) -> Any:
    scores = jax.nn.log_softmax(x @ params["w"] + params["b"])
    return -jnp.mean(jnp.take_along_axis(scores, y[:, None], axis=1))


def without_intercept(w: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.mean((x @ w.ravel() - y) ** 2)


def of_tasks(w: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.sum((x @ w - y) ** 2) / len(y)


def at_matrix(v: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.sum((x @ v - y) ** 2)


# Penalties as functions of two strengths, so that one program serves several.


def elastic(a: Any, b: Any) -> Any:
    return a * l1.on("^w$") + b * l2.on("^w$")


def groups(a: Any, b: Any) -> Any:
    return a * l1.on("^w$") + b * group_lasso(1).on("^w$")


def pairs(a: Any, b: Any) -> Any:
    return a * l1 + b * group_lasso(1)


# Their conditions of optimality, in NumPy: how far −g is from the subgradients at w.


def beyond(size: Any, strength: Any) -> Any:
    return np.maximum(size - strength, 0)


def kkt_elastic(w: Any, g: Any, a: float, b: float) -> float:
    kept = np.abs(g + a * np.sign(w) + 2 * b * w)
    return float(np.max(np.where(w != 0, kept, beyond(np.abs(g), a))))


def kkt_groups(w: Any, g: Any, a: Any, b: Any) -> float:
    size = np.linalg.norm(w, axis=-1, keepdims=True)
    kept = g + a * np.sign(w) + b * w / np.where(size > 0, size, 1)
    inside = np.where(w != 0, np.abs(kept), beyond(np.abs(g), a))
    gone = beyond(np.linalg.norm(beyond(np.abs(g), a), axis=-1, keepdims=True), b)
    return float(np.max(np.where(size > 0, inside, gone)))


class Case(NamedTuple):
    """A family of problems, a model that solves one, and the strengths that both have."""

    loss: Callable[..., Any]
    penalty: Callable[[Any, Any], Any]
    kkt: Callable[..., float]
    data: tuple[np.ndarray, ...]
    outputs: tuple[int, ...]
    strengths: tuple[float, float]
    model: Callable[..., Any]


def enet(a: float, b: float) -> Any:
    alpha, l1_ratio = convert.to_elastic_net(l1=a, l2=b)
    return ElasticNet(alpha=alpha, l1_ratio=l1_ratio, **TIGHT)


def logistic_l1(a: float, _: float) -> Any:
    c = convert.to_logistic_c(a, examples=60, norm="l1")
    return LogisticRegression(C=c, l1_ratio=1.0, solver="saga", tol=1e-13, max_iter=100_000)


def logistic_l2(_: float, b: float) -> Any:
    c = convert.to_logistic_c(b, examples=60)
    return LogisticRegression(C=c, solver="newton-cg", tol=1e-9, max_iter=100_000)


LINEAR = problems.stacked(problems.linear, 60, 8)
TASKS = problems.stacked(problems.tasks, 60, 6, 3)
TWO = problems.stacked(problems.classes, 60, 6, 2)
THREE = problems.stacked(problems.classes, 60, 5, 3)
CASES = {
    "lasso": Case(
        *(half_squared_error, elastic, kkt_elastic, LINEAR, (), (0.2, 0.0)),
        lambda a, _: Lasso(alpha=a, **TIGHT),
    ),
    "elastic net": Case(half_squared_error, elastic, kkt_elastic, LINEAR, (), (0.2, 0.1), enet),
    "ridge": Case(
        *(half_squared_error, elastic, kkt_elastic, LINEAR, (), (0.0, 0.1)),
        lambda _, b: Ridge(alpha=convert.to_ridge_alpha(b, 60, half=True)),
    ),
    "multi-task lasso": Case(
        *(half_squared_error, groups, kkt_groups, TASKS, (3,), (0.0, 0.3)),
        lambda _, b: MultiTaskLasso(alpha=b, **TIGHT),
    ),
    "logistic l1": Case(cross_entropy, elastic, kkt_elastic, TWO, (), (0.05, 0.0), logistic_l1),
    "logistic l2": Case(cross_entropy, elastic, kkt_elastic, TWO, (), (0.0, 0.05), logistic_l2),
    "multinomial l1": Case(
        multinomial, elastic, kkt_elastic, THREE, (3,), (0.04, 0.0), logistic_l1
    ),
    "multinomial l2": Case(
        multinomial, elastic, kkt_elastic, THREE, (3,), (0.0, 0.04), logistic_l2
    ),
}


@functools.partial(jax.jit, static_argnums=(0, 1))
def solved(loss: Any, penalty: Any, start: Any, a: Any, b: Any, *data: Any) -> tuple[Any, Any]:
    """The solutions of many problems, and the gradient of the loss at each."""

    def one(*data: Any) -> tuple[Any, Any]:
        found = solve(loss, penalty(a, b), start, *data)
        return found, jax.grad(loss)(found.params, *data)

    return jax.vmap(one)(*data)


@pytest.mark.parametrize("name", CASES)
def test_fifty_problems_have_the_coefficients_and_the_support_of_scikit_learn(name: str):
    case = CASES[name]
    x, y = case.data
    start = {"w": jnp.zeros((x.shape[2], *case.outputs)), "b": jnp.zeros(case.outputs)}
    found, grads = solved(case.loss, case.penalty, start, *case.strengths, x, y)
    assert bool(found.converged.all()), found
    zeros = 0
    for i in problems.SEEDS:
        model = case.model(*case.strengths).fit(x[i], y[i])
        w, b = np.asarray(found.params["w"][i]), np.atleast_1d(found.params["b"][i])
        coefficients = model.coef_.reshape(w.T.shape).T
        np.testing.assert_allclose(w, coefficients, rtol=0, atol=1e-6)
        shift = np.mean(b - model.intercept_) if "multinomial" in name else 0  # has no effect
        np.testing.assert_allclose(b - shift, model.intercept_, rtol=0, atol=1e-6)
        assert np.array_equal(w != 0, coefficients != 0)
        assert case.kkt(w, np.asarray(grads["w"][i]), *case.strengths) < 1e-8
        assert np.max(np.abs(grads["b"][i])) < 1e-8
        zeros += int((w == 0).sum())
    assert (zeros > 0) == ("l2" not in name and name != "ridge")


STRENGTH, SHAPE, RATIO = 0.3, 4.0, 0.3  # of `make_skglm`, as what follows
ENTRIES, GROUPS = np.linspace(0, 1.25, 8), np.array([0.5, 0.25, 2.0, 1.0])
RANKS = np.linspace(2, 0.25, 8)


def weighted_pairs(a: Any, b: Any) -> Any:
    return a * l1.weighted(ENTRIES.reshape(4, 2)) + b * group_lasso(1).weighted(GROUPS)


OF_SKGLM: dict[str, tuple[Callable[[Any, Any], Any], tuple[float, float]]] = {
    "mcp": (lambda a, _: a * mcp(STRENGTH * SHAPE), (STRENGTH, 0.0)),
    "scad": (lambda a, _: a**2 * scad(SHAPE), (STRENGTH, 0.0)),
    "weighted_mcp": (lambda a, _: a * mcp(STRENGTH * SHAPE).weighted(ENTRIES), (STRENGTH, 0.0)),
    "slope": (lambda a, _: a * slope(RANKS), (STRENGTH, 0.0)),
    "group": (pairs, (0.0, STRENGTH)),
    "sparse_group": (pairs, (RATIO * STRENGTH, 0.7 * STRENGTH)),
    "weighted_group": (weighted_pairs, (0.0, STRENGTH)),
}


@pytest.mark.parametrize("name", OF_SKGLM)
def test_fifty_problems_have_the_coefficients_and_the_support_of_skglm(name: str):
    penalty, (a, b) = OF_SKGLM[name]
    x, y = problems.stacked(problems.linear, 100, 8)
    unit = STRENGTH if name == "scad" else 1.0
    start = jnp.zeros((4, 2) if "group" in name else 8)
    found, grads = solved(without_intercept, penalty, start, a, b, unit * x, y)
    assert bool(found.converged.all()), found
    w = unit * np.asarray(found.params).reshape(50, 8)
    np.testing.assert_allclose(w, SKGLM[name], rtol=0, atol=1e-6)
    assert np.array_equal(w != 0, np.abs(SKGLM[name]) > 1e-15)
    assert 0.1 < (w == 0).mean() < 0.9
    if "group" in name:
        found_w = np.asarray(found.params)
        b = b * GROUPS[:, None] if "weighted" in name else b
        assert max(map(functools.partial(kkt_groups, a=a, b=b), found_w, grads)) < 1e-8


def test_fifty_sparse_group_lassos_with_weights_fulfil_their_conditions():
    """skglm 0.5 has them, but gives all entries of group g the weight of feature g."""
    strengths = RATIO * STRENGTH, 0.7 * STRENGTH
    x, y = problems.stacked(problems.linear, 100, 8)
    found, grads = solved(without_intercept, weighted_pairs, jnp.zeros((4, 2)), *strengths, x, y)
    assert bool(found.converged.all()), found
    a, b = strengths[0] * ENTRIES.reshape(4, 2), strengths[1] * GROUPS[:, None]
    for w, g in zip(np.asarray(found.params), np.asarray(grads), strict=True):
        assert kkt_groups(w, g, a, b) < 1e-8
    assert 0.1 < np.mean(found.params == 0) < 0.9


def test_fifty_adaptive_lassos_are_those_of_skglm_each_with_its_own_weights():
    """Mapped over data and weights at once, the first of which are 0."""
    x, y = problems.stacked(problems.linear, 100, 8)
    weights = np.stack(list(map(problems.adaptive, x, y)))

    @jax.jit
    @jax.vmap
    def solutions(weights: Any, x: Any, y: Any) -> Any:
        return solve(without_intercept, STRENGTH * l1.weighted(weights), jnp.zeros(8), x, y)

    found = solutions(weights, x, y)
    assert bool(found.converged.all()), found
    np.testing.assert_allclose(found.params, SKGLM["adaptive"], rtol=0, atol=1e-6)
    assert np.array_equal(found.params != 0, np.abs(SKGLM["adaptive"]) > 1e-15)
    assert np.all(found.params[:, 0] != 0)
    assert 0.1 < np.mean(found.params == 0) < 0.9


@pytest.mark.parametrize("name", ["block_mcp", "block_scad"])
def test_fifty_problems_with_several_targets_have_the_rows_of_skglm(name: str):
    penalties = {
        "block_mcp": lambda a, _: a * group_mcp(STRENGTH * SHAPE, axis=1),
        "block_scad": lambda a, _: a**2 * group_scad(SHAPE, axis=1),
    }
    unit = STRENGTH if name == "block_scad" else 1.0
    x, y = problems.stacked(problems.tasks, 100, 8, 3)
    found, _ = solved(of_tasks, penalties[name], jnp.zeros((8, 3)), STRENGTH, 0.0, unit * x, y)
    assert bool(found.converged.all()), found
    w = unit * np.asarray(found.params)
    np.testing.assert_allclose(w, SKGLM[name], rtol=0, atol=1e-6)
    assert np.array_equal(w != 0, np.abs(SKGLM[name]) > 1e-15)
    assert 0.1 < (w == 0).mean() < 0.9


def test_fifty_matrices_have_soft_thresholded_singular_values_or_fulfil_the_conditions():
    random = np.random.default_rng(0)
    y = random.standard_normal((50, 8, 4)) * [3, 1, 1, 0.3]
    identity = np.tile(np.eye(8), (25, 1, 1))
    x = np.concatenate([identity, np.eye(8) + 0.3 * random.standard_normal((25, 8, 8))])
    found, grads = solved(at_matrix, lambda a, _: a * nuclear, jnp.zeros((8, 4)), 3.0, 0.0, x, y)
    assert bool(found.converged.all()), found
    for i in range(50):
        v, g = np.asarray(found.params[i]), np.asarray(grads[i])
        u, s, vh = np.linalg.svd(v if i >= 25 else y[i], full_matrices=False)
        rank = int((s > (1e-9 if i >= 25 else 3.0)).sum())
        if i < 25:
            np.testing.assert_allclose(v, u * np.maximum(s - 3, 0) @ vh, rtol=0, atol=1e-8)
        u, vh = u[:, :rank], vh[:rank]
        np.testing.assert_allclose(u.T @ g, -3 * vh, rtol=0, atol=1e-8)
        np.testing.assert_allclose(g @ vh.T, -3 * u, rtol=0, atol=1e-8)
        assert np.linalg.norm(g, 2) < 3 + 1e-8
        assert 0 < rank < 4

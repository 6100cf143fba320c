"""Proximal gradient reaches the solutions of scikit-learn and of closed forms, in float64."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_linnerud
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, MultiTaskLasso, Ridge

from jaxreg import (
    Penalty,
    add_penalty_gradient,
    convert,
    diagnostics,
    elastic_net,
    group_lasso,
    l1,
    l2,
    nuclear,
    proximal_step,
    sparse_group_lasso,
)

EXACT: dict[str, Any] = {"tol": 1e-14, "max_iter": 1_000_000}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def standardised(array: Any) -> np.ndarray:
    return (array - array.mean(0)) / array.std(0)


DIABETES: Any = tuple(map(standardised, load_diabetes(return_X_y=True)))
LINNERUD: Any = tuple(map(standardised, load_linnerud(return_X_y=True)))
CANCER_X, CANCER_Y = load_breast_cancer(return_X_y=True)
CANCER = standardised(CANCER_X), 2.0 * CANCER_Y - 1


# Data losses, of {"w", "b"}; the intercept is not penalised.


def half_squared_error(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    error = y - x @ params["w"] - params["b"]
    return 0.5 * jnp.sum(error**2) / len(y)


def cross_entropy(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.logaddexp(0, -y * (x @ params["w"] + params["b"])))


def zeros(x: np.ndarray, y: np.ndarray) -> Any:
    return {"w": jnp.zeros((x.shape[1], *y.shape[1:])), "b": jnp.zeros(y.shape[1:])}


def longest_step(x: np.ndarray) -> float:
    """1/L for ½·mean squared error; a quarter of its curvature is that of cross-entropy."""
    return float(len(x) / np.linalg.norm(np.c_[x, np.ones(len(x))], 2) ** 2)


# Solvers: by hand with prox (FISTA with restarts), and as an optax chain


compiled = functools.partial(jax.jit, static_argnums=(0, 5))  # once for all strengths


@compiled
def by_prox(loss: Any, penalty: Penalty, start: Any, step: float, data: Any, steps: int) -> Any:
    def advance(carry: Any, _: Any) -> tuple[Any, None]:
        w, ahead, t = carry
        gradient = jax.grad(loss)(ahead, *data)
        landed = penalty.prox(jax.tree.map(lambda v, g: v - step * g, ahead, gradient), step)
        uphill = sum(
            jnp.vdot(a - v, v - old)
            for a, v, old in zip(*map(jax.tree.leaves, (ahead, landed, w)), strict=True)
        )
        t = jnp.where(uphill > 0, 1.0, t)
        next_t = (1 + jnp.sqrt(1 + 4 * t**2)) / 2
        momentum = jnp.where(uphill > 0, 0.0, (t - 1) / next_t)
        ahead = jax.tree.map(lambda v, old: v + momentum * (v - old), landed, w)
        return (landed, ahead, next_t), None

    return jax.lax.scan(advance, (start, start, jnp.ones(())), length=steps)[0][0]


@compiled
def by_optax(loss: Any, penalty: Penalty, start: Any, step: float, data: Any, steps: int) -> Any:
    optimizer = optax.chain(optax.sgd(step), proximal_step(penalty, step))
    return trained(optimizer, loss, start, data, steps)


def trained(optimizer: Any, loss: Any, start: Any, data: Any, steps: int) -> Any:
    def advance(carry: Any, _: Any) -> tuple[Any, None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, *data), state, params)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(advance, (start, optimizer.init(start)), length=steps)[0][0]


SOLVERS = [(by_prox, 2000), (by_optax, 10_000)]


def solved(solver: Any, steps: int, loss: Any, penalty: Penalty, data: Any, step: float) -> Any:
    """The solution, once its distance from a stationary point has been seen to vanish."""
    data = tuple(map(jnp.asarray, data))
    params = solver(loss, penalty, zeros(*data), step, data, steps)
    assert max(map(float, residuals(loss, penalty, params, data).values())) < 1e-8
    return params


@functools.partial(jax.jit, static_argnums=0)
def residuals(loss: Any, penalty: Penalty, params: Any, data: Any) -> dict[str, jax.Array]:
    return diagnostics.optimality(penalty, params, jax.grad(loss)(params, *data), 0.5)


def same(params: Any, model: Any):
    """The same coefficients within 1e-6, and exact zeros in the same places."""
    coefficients, intercept = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    w = np.asarray(params["w"]).reshape(coefficients.T.shape).T
    np.testing.assert_allclose(w, coefficients, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.atleast_1d(params["b"]), intercept, rtol=0, atol=1e-6)
    assert np.array_equal(w != 0, coefficients != 0)


@pytest.mark.parametrize(("solver", "steps"), SOLVERS)
@pytest.mark.parametrize("strength", [0.01, 0.1])
def test_lasso(solver: Any, steps: int, strength: float):
    penalty = strength * l1.on("^w$")
    params = solved(solver, steps, half_squared_error, penalty, DIABETES, longest_step(DIABETES[0]))
    model = Lasso(alpha=strength, **EXACT).fit(*DIABETES)
    same(params, model)
    assert 0 < np.count_nonzero(model.coef_) < 10


@pytest.mark.parametrize(("solver", "steps"), SOLVERS)
def test_elastic_net(solver: Any, steps: int):
    penalty = elastic_net(l1=0.05, l2=0.02).on("^w$")
    params = solved(solver, steps, half_squared_error, penalty, DIABETES, longest_step(DIABETES[0]))
    alpha, l1_ratio = convert.to_elastic_net(l1=0.05, l2=0.02)
    model = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, **EXACT).fit(*DIABETES)
    same(params, model)
    assert 0 < np.count_nonzero(model.coef_) < 10


@pytest.mark.parametrize(("solver", "steps"), SOLVERS)
def test_multi_task_lasso_is_a_group_lasso_over_tasks(solver: Any, steps: int):
    penalty = 0.3 * group_lasso(axis=1).on("^w$")  # w is (features, tasks)
    params = solved(solver, steps, half_squared_error, penalty, LINNERUD, longest_step(LINNERUD[0]))
    model = MultiTaskLasso(alpha=0.3, **EXACT).fit(*LINNERUD)
    same(params, model)
    assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < 3


@pytest.mark.parametrize(("solver", "steps"), SOLVERS)
def test_logistic_regression_with_l1(solver: Any, steps: int):
    strength = 0.05
    step = 4 * longest_step(CANCER[0])
    params = solved(solver, steps, cross_entropy, strength * l1.on("^w$"), CANCER, step)
    c = convert.to_logistic_c(strength, examples=len(CANCER[0]), norm="l1")
    model = LogisticRegression(C=c, l1_ratio=1.0, solver="saga", tol=1e-10, max_iter=10_000)
    same(params, model.fit(*CANCER))
    assert 0 < np.count_nonzero(model.coef_) < 15


def test_ridge_through_the_prox_the_gradient_and_the_normal_equations():
    x, y = DIABETES
    strength, step = 0.02, longest_step(x)
    penalty = strength * l2.on("^w$")
    exact = np.linalg.solve(x.T @ x + 2 * len(x) * strength * np.eye(10), x.T @ y)
    model = Ridge(alpha=convert.to_ridge_alpha(strength, len(x), half=True)).fit(x, y)
    np.testing.assert_allclose(model.coef_, exact, rtol=0, atol=1e-12)
    by_gradient = optax.chain(add_penalty_gradient(penalty), optax.sgd(0.9 * step))
    coupled = jax.jit(
        lambda data: trained(by_gradient, half_squared_error, zeros(x, y), data, 5000)
    )
    for params in (
        solved(by_prox, 2000, half_squared_error, penalty, DIABETES, step),
        coupled(DIABETES),
    ):
        np.testing.assert_allclose(params["w"], exact, rtol=0, atol=1e-9)


def test_ridge_around_a_reference():
    x, y = DIABETES
    centre = {"w": jnp.linspace(-1, 1, 10), "b": jnp.zeros(())}
    params = solved(
        by_prox,
        2000,
        half_squared_error,
        0.1 * l2.on("^w$").around(centre),
        DIABETES,
        longest_step(x),
    )
    gram = x.T @ x / len(x) + 0.2 * np.eye(10)
    exact = np.linalg.solve(gram, x.T @ y / len(x) + 0.2 * np.linspace(-1, 1, 10))
    np.testing.assert_allclose(params["w"], exact, rtol=0, atol=1e-9)


def half_squared_distance(v: jax.Array, target: jax.Array) -> jax.Array:
    return 0.5 * jnp.sum((v - target) ** 2)


TARGET = np.random.default_rng(0).standard_normal((6, 4)) * [3, 1, 1, 0.3]


def denoised(penalty: Penalty, solver: Any) -> Any:
    """argmin_V ½‖V − target‖² + penalty(V), by steps shorter than the whole way."""
    data = (jnp.asarray(TARGET),)
    v = solver(half_squared_distance, penalty, jnp.zeros((6, 4)), 0.5, data, 100)
    assert float(residuals(half_squared_distance, penalty, v, data)[""]) < 1e-8
    return v


@pytest.mark.parametrize("solver", [by_prox, by_optax])
def test_denoising_a_matrix_with_the_nuclear_norm_thresholds_its_singular_values(solver: Any):
    u, s, vh = np.linalg.svd(TARGET, full_matrices=False)
    strength = (s[1] + s[2]) / 2
    found = denoised(strength * nuclear, solver)
    np.testing.assert_allclose(found, u * np.maximum(s - strength, 0) @ vh, rtol=0, atol=1e-10)
    assert np.linalg.matrix_rank(found, tol=1e-10) == 2


@pytest.mark.parametrize("axis", [0, 1])
def test_denoising_with_the_sparse_group_lasso_solves_its_stationarity_equations(axis: int):
    found = np.asarray(denoised(1.5 * sparse_group_lasso(axis, l1_ratio=0.4), by_prox))
    size = np.linalg.norm(found, axis=axis, keepdims=True)
    pull = TARGET - found  # must be a subgradient: 0.6·sign + 0.9·v/‖v‖ where those exist
    slope = 0.6 * np.sign(found) + 0.9 * found / np.where(size > 0, size, 1)
    np.testing.assert_allclose(pull[found != 0], slope[found != 0], rtol=0, atol=1e-9)
    inside = (found == 0) & (size > 0)
    assert np.all(np.abs(pull[inside]) <= 0.6 + 1e-9)
    gone = np.broadcast_to(size == 0, found.shape)
    left = np.where(gone, np.maximum(np.abs(TARGET) - 0.6, 0), 0)
    assert np.all(np.linalg.norm(left, axis=axis) <= 0.9 + 1e-9)
    assert inside.any()
    assert gone.any()


def test_gradient_steps_on_l1_never_reach_zero_where_the_prox_does():
    x, _ = DIABETES
    penalty, step = 0.1 * l1.on("^w$"), longest_step(x)
    by_gradient = optax.chain(add_penalty_gradient(penalty), optax.sgd(step))
    coupled = jax.jit(
        lambda data: trained(by_gradient, half_squared_error, zeros(*DIABETES), data, 2000)
    )(DIABETES)
    exact = solved(by_prox, 2000, half_squared_error, penalty, DIABETES, step)
    assert float(diagnostics.sparsity(coupled)["w"].exact) == 0
    assert float(diagnostics.sparsity(exact)["w"].exact) >= 0.5

"""`jaxreg.solve` on degenerate problems, on any tree, and what it says when it is not done."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.linear_model import Lasso

from jaxreg import box, l0, l1, mcp, non_negative, solve
from jaxreg._solve.solve import _solved
from jaxreg._solve.traced import traced
from tests.jaxreg import problems

EXAMPLES, FEATURES = 24, 12
TIGHT: dict[str, Any] = {"tol": 1e-14, "max_iter": 1_000_000, "fit_intercept": False}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def squares(w: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.mean((x @ w - y) ** 2)


def labels(w: Any, x: Any, y: Any) -> Any:
    return jnp.mean(jnp.logaddexp(0, -jnp.sign(y) * (x @ w)))


X, Y = problems.linear(0, EXAMPLES, FEATURES)
ZEROS = np.zeros(FEATURES)


def with_column(source: np.ndarray | float, x: np.ndarray = X) -> np.ndarray:
    changed = x.copy()
    changed[:, 1] = source
    return changed


def top(x: np.ndarray, y: np.ndarray = Y) -> float:
    return float(np.max(np.abs(x.T @ y)) / len(y))


def few(count: int) -> np.ndarray:
    """As many examples as ``count``, and no others: with a row of zeros they are the same."""
    return X * (np.arange(EXAMPLES) < count)[:, None]


def kkt(w: np.ndarray, x: np.ndarray, strength: float, y: np.ndarray = Y) -> float:
    g = x.T @ (x @ w - y) / len(y)
    gone = np.maximum(np.abs(g) - strength, 0)
    return float(np.max(np.where(w != 0, np.abs(g + strength * np.sign(w)), gone)))


def lasso(x: np.ndarray, strength: float, **options: Any) -> Any:
    """Of one shape, hence one program for all that follows."""
    return solve(squares, strength * l1, ZEROS, x, Y, **options)


DEGENERATE = {
    "equal columns": (with_column(X[:, 0]), 0.1),
    "opposite columns": (with_column(-X[:, 0]), 0.1),
    "a column of zeros": (with_column(0.0), 0.1),
    "a column of tiny numbers": (with_column(1e-9 * X[:, 1]), 0.1),
    "a long column": (with_column(100 * X[:, 1]), 0.1),
    "fewer examples than features": (few(6), 0.02),
    "one example": (few(1), 0.01),
    "correlated": (problems.correlated(0, EXAMPLES, FEATURES, 0.99)[0], 0.05),
    "hardly a penalty": (X, 1e-6),
    "no penalty": (X, 0.0),
    "no penalty, fewer examples than features": (few(6), 0.0),
    "no penalty, correlated": (problems.correlated(0, EXAMPLES, FEATURES, 0.999)[0], 0.0),
    "no features": (0 * X, 0.1),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_problems_are_solved(name: str):
    x, strength = DEGENERATE[name]
    found = lasso(x, strength)
    w = np.asarray(found.params)
    assert bool(found.converged), found
    assert kkt(w, x, strength) < 1e-8
    model = Lasso(alpha=strength, **TIGHT).fit(x, Y) if strength > 0.01 else None
    if model is not None:
        np.testing.assert_allclose(x @ w, x @ model.coef_, rtol=0, atol=1e-6)
        np.testing.assert_allclose(np.abs(w).sum(), np.abs(model.coef_).sum(), rtol=1e-6)
    if strength == 0:
        np.testing.assert_allclose(x @ w, x @ np.linalg.pinv(x) @ Y, rtol=0, atol=1e-6)
    assert np.all(w[1] == 0) or name not in ("a column of zeros", "a column of tiny numbers")


def test_without_a_penalty_from_zero_the_shortest_solution_is_found():
    found = lasso(few(6), 0.0)
    np.testing.assert_allclose(found.params, np.linalg.pinv(few(6)) @ Y, rtol=0, atol=1e-7)


@pytest.mark.parametrize("factor", [1, 1 + 1e-12, 2, 1e9])
def test_from_the_largest_strength_on_all_is_zero_in_one_step(factor: float):
    found = lasso(X, factor * top(X))
    assert not np.any(found.params)
    assert int(found.steps) == 1
    assert bool(found.converged)


def test_just_below_the_largest_strength_one_entry_is_not_zero():
    assert np.count_nonzero(lasso(X, 0.999 * top(X)).params) == 1


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_units_of_the_target_and_of_the_features_have_no_part_in_it(scale: float):
    exact = np.asarray(lasso(X, 0.1).params)
    target = solve(squares, scale * 0.1 * l1, ZEROS, X, scale * Y)
    features = solve(squares, scale * 0.1 * l1, ZEROS, scale * X, Y)
    np.testing.assert_allclose(target.params / scale, exact, rtol=0, atol=1e-8)
    np.testing.assert_allclose(features.params * scale, exact, rtol=0, atol=1e-8)
    assert bool(target.converged & features.converged)


def test_any_start_leads_to_the_same_solution_and_the_solution_stays():
    exact = lasso(X, 0.1)
    far = solve(squares, 0.1 * l1, 1e6 * np.ones(FEATURES), X, Y)
    again = solve(squares, 0.1 * l1, exact.params, X, Y)
    np.testing.assert_allclose(far.params, exact.params, rtol=0, atol=1e-8)
    np.testing.assert_allclose(again.params, exact.params, rtol=0, atol=1e-12)
    assert int(again.steps) <= 2


@pytest.mark.parametrize("precision", [jnp.float32, jnp.float64])
def test_separable_classes_have_no_solution_and_it_says_so(precision: Any):
    x, y = (jnp.asarray(a, precision) for a in (X, np.sign(X @ np.arange(1, FEATURES + 1))))
    found = solve(labels, 0.0 * l1, jnp.zeros(FEATURES, precision), x, y)
    assert not bool(found.converged)
    assert "NOT converged" in repr(found)
    assert int(found.steps) < 10_000
    penalised = solve(labels, 0.01 * l1, jnp.zeros(FEATURES, precision), x, y)
    assert bool(penalised.converged)


def test_float32_reaches_its_tolerance_and_is_near_float64():
    cases = [(x.astype(np.float32), s) for x, s in DEGENERATE.values()]
    for x, strength in cases:
        found = solve(squares, strength * l1, ZEROS.astype(np.float32), x, Y.astype(np.float32))
        assert bool(found.converged), found
        assert found.params.dtype == found.value.dtype == jnp.float32
        exact = lasso(x.astype(np.float64), strength)
        assert float(found.value - exact.value) < 1e-5 * top(X)


def test_too_few_steps_are_told_with_what_is_left():
    found = lasso(DEGENERATE["correlated"][0], 0.05, max_steps=3)
    assert not bool(found.converged)
    assert int(found.steps) == 3
    assert "NOT converged" in repr(found)
    assert f"{float(found.optimality['']):.4g}" in repr(found)
    assert float(found.optimality[""]) > float(found.tolerance)


# Constraints and penalties of other kinds


def test_constraints_are_kept():
    found = solve(squares, non_negative, ZEROS, X, Y)
    np.testing.assert_allclose(found.params, nnls(X, Y)[0], rtol=0, atol=1e-8)
    sparse = solve(squares, 0.1 * l1 + non_negative, ZEROS - 1, X, Y)
    model = Lasso(alpha=0.1, positive=True, **TIGHT).fit(X, Y)
    np.testing.assert_allclose(sparse.params, model.coef_, rtol=0, atol=1e-8)
    assert float(sparse.parts.penalty) == pytest.approx(0.1 * np.abs(model.coef_).sum())
    bounded = solve(squares, box(-0.1, 0.2), ZEROS, X, Y)
    w, g = np.asarray(bounded.params), X.T @ (X @ np.asarray(bounded.params) - Y) / EXAMPLES
    assert np.all((w >= -0.1) & (w <= 0.2))
    assert np.all(np.where(w == 0.2, g <= 0, np.where(w == -0.1, g >= 0, np.abs(g) < 1e-8)))


@pytest.mark.parametrize("penalty", [0.3 * mcp(2.0), 0.05 * l0], ids=repr)
def test_not_convex_penalties_end_at_a_stationary_point_no_higher_than_the_start(penalty: Any):
    start = np.linspace(-1, 1, FEATURES)
    found = solve(squares, penalty, start, X, Y)
    assert bool(found.converged), found
    before = squares(start, X, Y) + penalty(start)
    assert float(found.value) <= float(before)
    w = np.asarray(found.params)
    g = X.T @ (X @ w - Y) / EXAMPLES
    slope = 0.3 * np.sign(w) * np.maximum(1 - np.abs(w) / 2, 0) if "mcp" in repr(penalty) else 0
    assert np.max(np.abs((g + slope)[w != 0])) < 1e-8
    assert 0 < np.count_nonzero(w) < FEATURES


def test_complex_parameters_are_solved_by_modulus():
    random = np.random.default_rng(0)
    x = random.standard_normal((30, 6)) + 1j * random.standard_normal((30, 6))
    y = x @ np.array([2 + 1j, 0, 0, -1j, 0, 0]) + random.standard_normal(30)

    def loss(w: Any) -> Any:
        error = x @ w - y
        return 0.5 * jnp.mean(error.real**2 + error.imag**2)

    def solution(strength: Any) -> Any:
        w = solve(loss, strength * l1, jnp.zeros(6, complex)).params
        return w.real, w

    program = jax.jit(jax.jacobian(solution, has_aux=True))
    slope, w = map(np.asarray, program(0.2))
    g = x.conj().T @ (x @ w - y) / 30
    sign = w / np.where(w == 0, 1, np.abs(w))
    assert np.max(np.abs((g + 0.2 * sign)[w != 0])) < 1e-8
    assert np.max(np.abs(g[w == 0])) <= 0.2
    assert 0 < np.count_nonzero(w) < 6
    (_, up), (_, down) = program(0.2 + 1e-5), program(0.2 - 1e-5)
    np.testing.assert_allclose(slope, (up - down).real / 2e-5, rtol=0, atol=1e-6)


# Programs: one for all strengths, side by side, and none that is out of date


def test_side_by_side_is_one_by_one_and_a_finished_problem_stays():
    strengths = jnp.array([2 * top(X), 0.1, 1e-3, 0.0])
    data = jnp.stack([X, with_column(X[:, 0]), X, DEGENERATE["no penalty, correlated"][0]])
    many = jax.jit(jax.vmap(lambda s, x: solve(squares, s * l1, ZEROS, x, Y)))(strengths, data)
    for i, strength in enumerate(strengths):
        alone = lasso(np.asarray(data[i]), float(strength))
        np.testing.assert_allclose(many.params[i], alone.params, rtol=0, atol=1e-7)
    assert len(set(many.steps.tolist())) > 1
    assert many.steps[0] == 1
    assert "4 of 4 converged" in repr(many)


def test_a_new_strength_and_new_data_compile_nothing():
    lasso(X, 0.1)
    before = _solved._cache_size()
    lasso(2 * X, 0.2)
    solve(squares, 0.3 * l1, ZEROS + 1, X, Y, tolerance=1e-5, max_steps=7)
    solve(lambda w, x, y: squares(w, x, y), 0.1 * l1, ZEROS, X, Y)
    assert _solved._cache_size() == before


def test_programs_are_one_where_they_compute_the_same():
    def program(function: Any) -> Any:
        return traced(lambda w, _: function(w), [jnp.ones(3)], (), function)[0]

    def times(factor: float) -> Any:
        return lambda w: jnp.sum(factor * w[0] ** 2)

    def with_rule(factor: float) -> Any:
        @jax.custom_jvp
        def rule(x: Any) -> Any:
            return x

        rule.defjvps(lambda t, _, x: factor * t)
        return lambda w: jnp.sum(rule(w[0]))

    assert program(times(2.0)) == program(times(2.0))
    assert program(times(2.0)) != program(times(2.0000000001))
    rules = [with_rule(1.0), with_rule(2.0)]
    assert program(rules[0]) == program(rules[0])
    assert program(rules[0]) != program(rules[1])


def test_what_a_loss_closes_over_may_change_between_calls():
    held = {"y": Y, "factor": 1.0}

    def loss(w: Any) -> Any:
        return squares(w, X, held["factor"] * held["y"])

    @jax.jit
    def compiled(w: Any, y: Any) -> Any:
        return squares(w, X, y)

    exact = np.asarray(lasso(X, 0.1).params)
    np.testing.assert_allclose(solve(loss, 0.1 * l1, ZEROS).params, exact, rtol=0, atol=1e-9)
    held["y"] = 2 * Y
    doubled = solve(loss, 0.2 * l1, ZEROS).params
    np.testing.assert_allclose(doubled, 2 * exact, rtol=0, atol=1e-9)
    held["factor"] = 0.5
    np.testing.assert_allclose(solve(loss, 0.1 * l1, ZEROS).params, exact, rtol=0, atol=1e-9)
    for factor in (1.0, 2.0):
        there = solve(lambda w, f=factor: compiled(w, f * Y), factor * 0.1 * l1, ZEROS).params
        np.testing.assert_allclose(there, factor * exact, rtol=0, atol=1e-9)


def test_flags_among_the_arguments_are_part_of_the_program():
    def loss(w: Any, x: Any, y: Any, squared: bool, axis: int, name: str) -> Any:
        assert isinstance(squared, bool)
        assert name == "any"
        error = jnp.moveaxis(x, axis, 0) @ w - y
        return 0.5 * jnp.mean(error**2 if squared else jnp.abs(error))

    exact = lasso(X, 0.1).params
    found = solve(loss, 0.1 * l1, ZEROS, X, Y, True, 0, "any").params
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-9)


def test_what_a_loss_returns_beside_its_value_arrives_at_the_solution():
    def loss(w: Any, x: Any, y: Any) -> Any:
        return squares(w, x, y), {"fit": x @ w, "count": jnp.array(len(y))}

    found = solve(loss, 0.1 * l1, ZEROS, X, Y, has_aux=True)
    np.testing.assert_allclose(found.parts.aux["fit"], X @ np.asarray(found.params), atol=1e-12)
    assert int(found.parts.aux["count"]) == EXAMPLES
    assert float(found.value) == float(found.parts.data + found.parts.penalty)

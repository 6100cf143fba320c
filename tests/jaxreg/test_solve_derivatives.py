"""Derivatives of solutions: those of scikit-learn's own, of unrolled steps, and of closed forms."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, MultiTaskLasso, Ridge

from jaxreg import convert, group_lasso, l1, l2, non_negative, slope, solve
from tests.jaxreg import problems

EXAMPLES, FEATURES = 40, 6
TIGHT: dict[str, Any] = {"tol": 1e-15, "max_iter": 1_000_000, "fit_intercept": False}
STEP = 1e-4  # of central differences
X, Y = problems.linear(3, EXAMPLES, FEATURES)
TASKS = problems.tasks(3, EXAMPLES, FEATURES, 2)[1]


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def squares(w: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.sum((x @ w - y) ** 2) / len(y)


def of_flat(w: Any, x: Any, y: Any) -> Any:
    return squares(w.ravel(), x, y)


class Case(NamedTuple):
    """A penalty of two strengths, the model that has it, and its targets."""

    penalty: Callable[[Any, Any], Any]
    model: Callable[[float, float], Any]
    strengths: tuple[float, float]
    y: np.ndarray = Y


def elastic(a: Any, b: Any) -> Any:
    return a * l1 + b * l2


def enet(a: float, b: float) -> Any:
    alpha, l1_ratio = convert.to_elastic_net(l1=a, l2=b)
    return ElasticNet(alpha=alpha, l1_ratio=l1_ratio, **TIGHT)


CASES = {
    "l1": Case(elastic, lambda a, _: Lasso(alpha=a, **TIGHT), (0.3, 0.0)),
    "elastic net": Case(elastic, enet, (0.3, 0.1)),
    "l2": Case(
        elastic,
        lambda _, b: Ridge(convert.to_ridge_alpha(b, EXAMPLES, half=True), fit_intercept=False),
        (0.0, 0.1),
    ),
    "group lasso": Case(
        lambda a, b: a * group_lasso(1) + b * l2,
        lambda a, _: MultiTaskLasso(alpha=a, **TIGHT),
        (0.4, 0.0),
        TASKS,
    ),
    "non-negative": Case(
        lambda a, b: a * l1 + b * l2 + non_negative,
        lambda a, _: Lasso(alpha=a, positive=True, **TIGHT),
        (0.2, 0.0),
    ),
}


@functools.partial(jax.jit, static_argnums=0)
def derivatives(penalty: Any, strengths: Any, x: Any, y: Any) -> Any:
    """The solution, its derivatives by strengths and data, forward and reverse, and unrolled."""
    start = jnp.zeros((FEATURES, *y.shape[1:]))

    def solution(strengths: Any, x: Any, y: Any) -> Any:
        w = solve(squares, penalty(*strengths), start, x, y).params
        return w, w

    def unrolled(strengths: Any) -> Any:
        def advance(w: Any, _: Any) -> tuple[Any, None]:
            return penalty(*strengths).prox(w - 0.4 * jax.grad(squares)(w, x, y), 0.4), None

        return jax.lax.scan(advance, start, length=400)[0]

    forward, found = jax.jacfwd(solution, (0, 2), has_aux=True)(strengths, x, y)
    reverse, _ = jax.jacrev(solution, (0, 1, 2), has_aux=True)(strengths, x, y)
    return found, forward, reverse, jax.jacfwd(unrolled)(strengths)


def changes(case: Case, number: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How scikit-learn's solution changes with one of the strengths, by central differences."""
    there = []
    for sign in (1, -1):
        strengths = [s + sign * STEP * (i == number) for i, s in enumerate(case.strengths)]
        there.append(case.model(*strengths).fit(x, y).coef_.T)
    return (there[0] - there[1]) / (2 * STEP)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_scikit_learn_and_of_unrolled_steps(name: str):
    case = CASES[name]
    strengths = tuple(map(jnp.asarray, case.strengths))
    found, forward, reverse, unrolled = derivatives(case.penalty, strengths, X, case.y)
    exact = case.model(*case.strengths).fit(X, case.y).coef_.T
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-8)
    assert np.any(exact == 0) == (name != "l2")
    for number, strength in enumerate(case.strengths):
        np.testing.assert_allclose(forward[0][number], reverse[0][number], rtol=0, atol=1e-9)
        np.testing.assert_allclose(forward[0][number], unrolled[number], rtol=0, atol=1e-7)
        if strength:
            change = changes(case, number, X, case.y)
            np.testing.assert_allclose(forward[0][number], change, rtol=0, atol=1e-5)
    np.testing.assert_allclose(forward[1], reverse[2], rtol=0, atol=1e-9)
    assert np.all(np.asarray(forward[0][0])[exact == 0] == 0)
    direction = np.random.default_rng(0).standard_normal(X.shape)
    near = [case.model(*case.strengths).fit(X + s * direction, case.y) for s in (1e-4, -1e-4)]
    by_x = np.tensordot(reverse[1], direction, 2)
    np.testing.assert_allclose(by_x, (near[0].coef_ - near[1].coef_).T / 2e-4, rtol=0, atol=1e-5)


def test_of_ridge_they_are_the_closed_form_of_any_order_and_under_vmap():
    gram, pull = X.T @ X / EXAMPLES, X.T @ Y / EXAMPLES

    def total(solution: Any) -> Any:
        return lambda s: jnp.sum(jnp.sin(solution(s)))

    def exact(s: Any) -> Any:
        return jnp.linalg.solve(gram + 2 * s * jnp.eye(FEATURES), pull)

    def found(s: Any) -> Any:
        return solve(squares, s * l2, jnp.zeros(FEATURES), X, Y).params

    strengths = jnp.array([1e-3, 0.1, 10.0])
    twice = jax.jit(jax.vmap(lambda s: (jax.grad(total(found))(s), jax.hessian(total(found))(s))))
    for ours, by in zip(twice(strengths), (jax.grad, jax.hessian), strict=True):
        np.testing.assert_allclose(ours, jax.jit(jax.vmap(by(total(exact))))(strengths), rtol=1e-7)


def test_the_value_changes_by_the_penalty_alone():
    """At a minimum the parameters have no part in it: d value/dλ = Σ|w|."""

    def value(strength: Any) -> Any:
        found = solve(squares, strength * l1 + non_negative, jnp.zeros(FEATURES), X, Y)
        return found.value, found

    slope, found = jax.jit(jax.grad(value, has_aux=True))(0.2)
    assert float(slope) == pytest.approx(float(jnp.sum(jnp.abs(found.params))), abs=1e-9)
    assert float(found.parts.penalty) == pytest.approx(0.2 * float(slope))


def test_weights_of_entries_groups_and_ranks_have_derivatives():
    """By two numbers that make the weights, against differences of the solutions."""
    start, ranks = jnp.zeros((3, 2)), jnp.arange(6.0)

    def solutions(at: Any) -> Any:
        a, b = at
        entries, groups = a * (1 + ranks.reshape(3, 2)), b * jnp.array([0.5, 0.0, 2.0])
        both = 0.05 * l1.weighted(entries) + 0.1 * group_lasso(1).weighted(groups)
        by_rank = 0.05 * slope(a + b * ranks[::-1] / 6)
        found = jnp.stack([solve(of_flat, p, start, X, Y).params for p in (both, by_rank)])
        return found, found

    program = jax.jit(jax.jacfwd(solutions, has_aux=True))
    at = jnp.array([1.0, 1.2])
    by_number, _ = program(at)
    for i, way in enumerate(1e-5 * np.eye(2)):
        (_, up), (_, down) = program(at + way), program(at - way)
        np.testing.assert_allclose(by_number[..., i], (up - down) / 2e-5, rtol=0, atol=1e-6)
    assert np.all(np.any(by_number != 0, axis=(1, 2)))


def test_arrays_that_the_loss_closes_over_and_settings_of_penalties_have_derivatives():
    def through_closure(factor: Any, lower: Any) -> Any:
        def loss(w: Any) -> Any:
            return squares(w, X, factor * Y)

        start = {"w": jnp.zeros(FEATURES), "steps": jnp.arange(3), "name": "any"}
        penalty = 0.3 * l1 + 0.1 * l2.around({"w": lower * jnp.ones(FEATURES)})
        w = solve(lambda p: loss(p["w"]), penalty, start).params["w"]
        return w, w

    program = jax.jit(jax.jacfwd(through_closure, (0, 1), has_aux=True))
    forward, _ = program(1.0, 0.5)
    for i in range(2):
        up, down = ((1 + s * (i == 0), 0.5 + s * (i == 1)) for s in (1e-5, -1e-5))
        change = (program(*up)[1] - program(*down)[1]) / 2e-5
        np.testing.assert_allclose(forward[i], change, rtol=0, atol=1e-6)
        assert np.any(forward[i] != 0)


def test_the_start_and_the_distance_from_the_solution_have_none():
    def parts(start: Any, strength: Any) -> Any:
        found = solve(squares, strength * l1, start, X, Y)
        return found.params.sum(), found.optimality[""]

    params, distance = jax.jit(jax.jacrev(parts, (0, 1)))(jnp.ones(FEATURES), 0.3)
    assert not np.any(params[0])
    assert params[1] != 0
    assert not np.any(distance[0])
    assert distance[1] == 0


def test_in_float32_and_with_equal_columns_they_are_finite():
    x = np.concatenate([X, X[:, :1]], axis=1).astype(np.float32)
    y = Y.astype(np.float32)

    def fitted(strength: Any) -> Any:
        return x @ solve(squares, strength * l1, jnp.zeros(FEATURES + 1, np.float32), x, y).params

    slope = jax.jit(jax.jacfwd(fitted))(np.float32(0.3))
    change = changes(CASES["l1"], 0, X, Y)
    np.testing.assert_allclose(slope, X @ change, rtol=0, atol=1e-3)

"""`jaxreg.path`: the paths of scikit-learn, what enters when, and how much the data determine."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import enet_path, lasso_path

from jaxreg import Path, diagnostics, group_lasso, l1, l2, mcp, non_negative, path, slope, solve

TIGHT: dict[str, Any] = {"tol": 1e-14, "max_iter": 1_000_000}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def standardised(array: Any) -> np.ndarray:
    return (array - array.mean(0)) / array.std(0)


X, Y = map(standardised, load_diabetes(return_X_y=True))
ZEROS = np.zeros(10)


def squares(w: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.mean((x @ w - y) ** 2)


def with_intercept(params: Any, x: Any, y: Any) -> Any:
    return squares(params["w"], x, y - params["b"])


def of_diabetes(penalty: Any, **options: Any) -> Path:
    return path(squares, penalty, ZEROS, X, Y, **options)


def test_the_lasso_path_is_that_of_scikit_learn():
    found = of_diabetes(l1)
    strengths, coefficients, _ = lasso_path(X, Y, alphas=100, **TIGHT)
    np.testing.assert_allclose(found.strengths, strengths, rtol=1e-12)
    np.testing.assert_allclose(found.params, coefficients.T, rtol=0, atol=1e-8)
    assert np.array_equal(found.params != 0, coefficients.T != 0)
    assert bool(found.converged.all())
    assert int(found.steps.max()) <= 100


def test_the_elastic_net_path_is_that_of_scikit_learn_also_side_by_side():
    ratio = 0.7
    penalty = ratio * l1 + (1 - ratio) / 2 * l2
    strengths, coefficients, _ = enet_path(X, Y, l1_ratio=ratio, alphas=30, eps=0.01, **TIGHT)
    one_by_one = of_diabetes(penalty, count=30, ratio=0.01)
    at_once = of_diabetes(penalty, count=30, ratio=0.01, side_by_side=True)
    for found in (one_by_one, at_once):
        np.testing.assert_allclose(found.strengths, strengths, rtol=1e-12)
        np.testing.assert_allclose(found.params, coefficients.T, rtol=0, atol=1e-8)
        assert np.array_equal(found.params != 0, coefficients.T != 0)
    assert int(one_by_one.steps.sum()) < int(at_once.steps.sum())


def test_weights_are_features_of_another_size_and_what_has_none_is_free():
    """|weight·w| is |v| for v = weight·w on the features x/weight: glmnet's penalty.factor."""
    weights = np.linspace(0.2, 2.0, 10)
    found = of_diabetes(l1.weighted(weights), count=20)
    strengths, coefficients, _ = lasso_path(X / weights, Y, alphas=20, **TIGHT)
    np.testing.assert_allclose(found.strengths, strengths, rtol=1e-12)
    np.testing.assert_allclose(found.params, coefficients.T / weights, rtol=0, atol=1e-8)
    free = of_diabetes(l1.weighted(np.where(np.arange(10) < 2, 0, weights)), count=20)
    assert bool(free.converged.all())
    top = free.params[0]
    others = np.linalg.lstsq(X[:, :2], Y)[0]
    np.testing.assert_allclose(top, np.append(others, np.zeros(8)), atol=1e-8)
    gradient = np.abs(X.T @ (X @ top - Y) / len(Y))[2:] / weights[2:]
    np.testing.assert_allclose(free.strengths[0], gradient.max(), rtol=1e-10)
    np.testing.assert_allclose(free.degrees_of_freedom, np.sum(free.params != 0, axis=1))


def test_sorted_sizes_enter_from_the_dual_norm_and_those_of_equal_size_count_once():
    falling = np.linspace(2, 0.5, 10)
    gradient = np.sort(np.abs(X.T @ Y / len(Y)))[::-1]
    top = np.max(np.cumsum(gradient) / np.cumsum(falling))
    found = of_diabetes(slope(falling), strengths=top * np.array([1.0001, 0.9999, 0.3, 0.05]))
    assert bool(found.converged.all())
    assert [bool(np.any(w)) for w in found.params] == [False, True, True, True]
    for w, free in zip(np.asarray(found.params), found.degrees_of_freedom, strict=True):
        sizes = np.unique(np.abs(w[w != 0]).round(9))
        assert float(free) == pytest.approx(len(sizes), abs=1e-6)


def test_every_row_is_the_solution_and_tells_of_it():
    found = of_diabetes(l1, strengths=[0.3, 0.01, 0.1])
    for i, strength in enumerate((0.3, 0.01, 0.1)):
        alone, row = solve(squares, strength * l1, ZEROS, X, Y), found[i]
        np.testing.assert_allclose(row.params, alone.params, rtol=0, atol=1e-8)
        assert float(row.value) == pytest.approx(float(alone.value), rel=1e-12)
        assert float(row.parts.data) == pytest.approx(float(squares(row.params, X, Y)))
        assert found.zeros[""][i] == np.sum(row.params == 0)
        assert np.array_equal(found.supports[""][i], row.params != 0)
    assert len(found) == 3


def test_what_enters_when():
    found = of_diabetes(l1, count=20)
    on = np.asarray(found.params) != 0
    for i, entered in enumerate(np.asarray(found.entered[""])):
        first = np.flatnonzero(on[:, i])
        assert entered == (found.strengths[first[0]] if first.size else 0)
    assert not on[0].any()
    assert on[1].any()
    table = str(found).splitlines()
    assert table[0].split()[:3] == ["strength", "not", "zero"]
    assert "[2] [8]" in table[2]
    assert table[-1] == "20 strengths, 10 numbers; all converged"
    assert "every third of them shown" in str(of_diabetes(l1))


def test_an_intercept_is_not_penalised_and_at_its_optimum_from_the_top():
    start = {"w": ZEROS, "b": np.zeros(())}
    found = path(with_intercept, l1.on("w"), start, X + 2, 3 * Y + 5, count=20)
    plain = of_diabetes(l1, count=20)
    np.testing.assert_allclose(found.strengths, 3 * plain.strengths, rtol=1e-9)
    np.testing.assert_allclose(found.params["w"], 3 * plain.params, rtol=0, atol=1e-7)
    assert float(found.params["b"][0]) == pytest.approx(5, abs=1e-9)
    np.testing.assert_allclose(
        found.degrees_of_freedom[1:], 1 + plain.degrees_of_freedom[1:], rtol=1e-6
    )


def test_groups_enter_as_a_whole_and_constraints_hold():
    def by_pairs(w: Any, x: Any, y: Any) -> Any:
        return squares(w.ravel(), x, y)

    groups = path(by_pairs, group_lasso(1), np.zeros((5, 2)), X, Y, count=20)
    sizes = np.count_nonzero(groups.params, axis=2)
    assert set(sizes.ravel()) == {0, 2}
    assert not sizes[0].any()
    assert sizes[-1].all()
    signed = of_diabetes(l1 + non_negative, count=20)
    assert np.all(np.asarray(signed.params) >= 0)
    assert float(signed.strengths[0]) == pytest.approx(np.max(X.T @ Y) / len(Y))


# Degrees of freedom


def test_of_ridge_they_are_the_trace_of_the_hat_matrix():
    strengths = [1.0, 0.1, 0.0]
    found = of_diabetes(l2, strengths=strengths)
    exact = [float(diagnostics.degrees_of_freedom(X, s, half=True)) for s in strengths]
    np.testing.assert_allclose(found.degrees_of_freedom, exact, rtol=1e-9)


def test_of_the_lasso_they_are_the_rank_of_what_is_not_zero():
    doubled = np.concatenate([X, X[:, :3]], axis=1)
    for count in (True, None):
        found = path(squares, l1, np.zeros(13), doubled, Y, count=15, degrees_of_freedom=count)
        ranks = [
            np.linalg.matrix_rank(doubled[:, on]) if on.any() else 0
            for on in np.asarray(found.params) != 0
        ]
        np.testing.assert_allclose(found.degrees_of_freedom[1:], ranks[1:], atol=1e-6)
    plain = of_diabetes(l1, count=15, degrees_of_freedom=False)
    assert np.all(np.isnan(plain.degrees_of_freedom))
    assert "  -  " in str(plain)


def test_they_are_the_divergence_of_the_fit():
    """Σ ∂ŷᵢ/∂yᵢ, Stein's definition, here for groups beside squares and beside entries."""
    x, y = X[:40], Y[:40]

    def by_pairs(w: Any, y: Any) -> Any:
        return squares(w.ravel(), x, y)

    def fit(y: Any, groups: Any, entries: Any, square: Any) -> Any:
        penalty, start = groups * group_lasso(1) + entries * l1 + square * l2, np.zeros((5, 2))
        found = path(by_pairs, penalty, start, y, strengths=[0.25], degrees_of_freedom=True)
        return x @ found.params[0].ravel(), found

    program = jax.jit(jax.jacrev(fit, has_aux=True))
    for ratios in ((1.0, 0.0, 0.1), (0.5, 0.5, 0.0)):
        slope, found = program(y, *ratios)
        assert np.any(found.params == 0)
        assert float(np.trace(slope)) == pytest.approx(float(found.degrees_of_freedom[0]), abs=1e-7)


def test_beyond_a_few_hundred_numbers_they_are_counted_where_counting_is_the_same():
    random = np.random.default_rng(0)
    x = random.standard_normal((30, 300))
    y = x[:, 0] - x[:, 1] + random.standard_normal(30)
    found = path(squares, l1, np.zeros(300), x, y, count=5, ratio=0.3)
    np.testing.assert_array_equal(found.degrees_of_freedom, np.count_nonzero(found.params, axis=1))
    both = path(squares, l1 + l2, np.zeros(300), x, y, strengths=[0.1])
    assert np.isnan(both.degrees_of_freedom[0])


def test_not_convex_penalties_and_those_without_zeros_take_strengths_of_their_own():
    found = of_diabetes(mcp(1.0), strengths=[1.0, 0.1, 0.01])
    assert bool(found.converged.all())
    assert np.count_nonzero(found.params, axis=1)[0] == 0
    for penalty in (mcp(1.0), l1.around(ZEROS)):
        with pytest.raises(TypeError, match=r"without strengths: .*; give strengths=\[…\]"):
            of_diabetes(penalty)
    with pytest.raises(ValueError, match="expected a penalty that makes parameters zero"):
        of_diabetes(l2, count=3)


def test_a_path_that_is_not_done_says_so():
    found = of_diabetes(l1, count=15, max_steps=1, degrees_of_freedom=False)
    assert str(found).endswith("of them NOT converged")
    assert "NOT converged" in repr(found[4])


def test_a_path_is_traced_jitted_and_differentiated():
    def last(scale: Any) -> Any:
        found = path(squares, l1, ZEROS, scale * X, Y, strengths=[0.2, 0.1])
        assert repr(found) == "Path(traced)"
        return found.params[1], found.params[1]

    program = jax.jit(jax.jacfwd(last, has_aux=True))
    slope, (_, up), (_, down) = program(1.0)[0], program(1 + 1e-5), program(1 - 1e-5)
    np.testing.assert_allclose(slope, (up - down) / 2e-5, rtol=0, atol=1e-6)

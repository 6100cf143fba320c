"""Ridge in closed form and the evidence: against brute force, scikit-learn and direct maxima."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize
from sklearn.linear_model import BayesianRidge, Ridge, RidgeCV

from jaxreg import convert, diagnostics, tune


def problem(examples, features, targets=0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, features)) * rng.uniform(0.3, 2, features) + 1
    w = rng.normal(size=(features, max(targets, 1))) / np.sqrt(features)
    y = x @ w + rng.normal(size=(examples, max(targets, 1))) + 2
    return x, y if targets else y[:, 0]


def fitted(x, y, alpha, intercept):
    """(w, b) of ‖y − Xw − b‖² + alpha‖w‖², of least norm at alpha = 0."""
    x_mean, y_mean = (a.mean(axis=0) * intercept for a in (x, y))
    stacked = np.vstack([x - x_mean, np.sqrt(alpha) * np.eye(x.shape[1])])
    w = np.linalg.pinv(stacked)[:, : len(x)] @ (y - y_mean)
    return w, y_mean - x_mean @ w


def left_out(x, y, alpha, intercept):
    """The mean over examples of the squared error by the fit to all others."""
    squares = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        w, b = fitted(x[others], y[others], alpha, intercept)
        squares.append((y[i] - x[i] @ w - b) ** 2)
    return np.mean(squares, axis=0)


SHAPES = [  # examples, features, targets, half, intercept
    (30, 8, 0, False, True),
    (30, 8, 3, True, False),
    (12, 30, 0, True, True),
    (12, 30, 2, False, False),
    (20, 20, 0, False, True),
]
STRENGTHS = np.array([0.1, 1e-6, 3.0, 0.0, 1e-3])


@pytest.mark.parametrize(("examples", "features", "targets", "half", "intercept"), SHAPES)
def test_a_ridge_path_is_what_refitting_gives(examples, features, targets, half, intercept):
    x, y = problem(examples, features, targets)
    scale = 0.5 if half else 1.0
    with jax.enable_x64(True):
        path = tune.ridge_path(x, y, STRENGTHS, half=half, intercept=intercept)
        for i, strength in enumerate(STRENGTHS):
            alpha = convert.to_ridge_alpha(strength, examples, half=half)
            w, b = fitted(x, y, alpha, intercept)
            np.testing.assert_allclose(path.coefficients[i], w, rtol=1e-7, atol=1e-8)
            np.testing.assert_allclose(path.intercept[i], b, rtol=1e-7, atol=1e-8)
            exact = scale * left_out(x, y, alpha, intercept)
            np.testing.assert_allclose(path.leave_one_out[i], exact, rtol=1e-10)
            check_criteria(path, i, x, y, alpha, scale, intercept)


def check_criteria(path, i, x, y, alpha, scale, intercept):
    """Degrees of freedom, GCV and the evidence, by their definitions in NumPy."""
    n = len(x)
    centred = x - x.mean(axis=0) * intercept
    d = np.linalg.eigvalsh(centred.T @ centred)
    d = d[d > 1e-9]
    freedom = np.sum(d / (d + alpha)) + intercept
    np.testing.assert_allclose(path.degrees_of_freedom[i], freedom, rtol=1e-9)
    if alpha == 0:  # 0/0 with as many features as examples; and no prior, hence no evidence
        assert np.all(path.evidence[i] == -np.inf)
        return
    w, b = fitted(x, y, alpha, intercept)
    gcv = scale * np.mean((y - x @ w - b) ** 2, axis=0) / (1 - freedom / n) ** 2
    np.testing.assert_allclose(path.gcv[i], gcv, rtol=1e-6)
    np.testing.assert_allclose(path.evidence[i], profile(x, y, alpha, intercept), rtol=1e-8)


def rotated(x, y, intercept):
    """The differences that a free constant leaves, in an orthonormal basis."""
    if not intercept:
        return x, y
    basis = np.linalg.svd(np.ones((len(x), 1)))[0][:, 1:]
    return basis.T @ x, basis.T @ y


def profile(x, y, alpha, intercept):
    """log N(y; 0, σ²(I + XXᵀ/alpha)), σ² at its best, for each target."""
    x, y = rotated(x, y, intercept)
    n, shape = len(x), np.eye(len(x)) + x @ x.T / alpha
    noise = np.sum(y * np.linalg.solve(shape, y), axis=0) / n
    return -0.5 * (n * (np.log(2 * np.pi * noise) + 1) + np.linalg.slogdet(shape)[1])


def test_leave_one_out_of_the_mean_over_the_others_is_the_entry_of_a_smaller_strength():
    """Beside a mean of n − 1 losses λ weighs as λ(n − 1)/n beside one of n."""
    x, y = problem(15, 4)
    with jax.enable_x64(True):
        found = tune.ridge_path(x, y, [0.2 * 14 / 15]).leave_one_out[0]
    np.testing.assert_allclose(found, left_out(x, y, 0.2 * 14, True), rtol=1e-10)


@pytest.mark.parametrize("shape", [(80, 10), (25, 60), (40, 40)])
def test_ridge_cv_and_ridge_of_scikit_learn_agree_in_single_precision(shape):
    x, y = (a.astype(np.float32) for a in problem(*shape, seed=1))
    strengths = tune.strengths(1e-3, 10, 25)
    path = tune.ridge_path(x, y, strengths[::-1])
    theirs = RidgeCV(strengths * len(x), store_cv_results=True).fit(x.astype(float), y)
    np.testing.assert_allclose(path.choice().strength, theirs.alpha_ / len(x), rtol=1e-5)
    np.testing.assert_allclose(path.strength, path.choice().strength)
    losses = theirs.cv_results_.reshape(len(x), -1).mean(axis=0)
    np.testing.assert_allclose(path.leave_one_out[::-1], losses, rtol=1e-3)
    ours, other = path.coefficients[4], Ridge(float(strengths[20]) * len(x)).fit(x.astype(float), y)
    np.testing.assert_allclose(ours, other.coef_, rtol=1e-3, atol=1e-4)
    for by in ("gcv", "evidence"):
        best = path.choice(by)
        assert best.scores[best.chosen] == best.scores.min()


def test_degrees_of_freedom_are_those_of_the_diagnostics_and_features_may_be_dependent():
    x, y = (a.astype(np.float32) for a in problem(40, 6))
    x = np.concatenate([x, x[:, :3], np.ones((40, 1), np.float32)], axis=1)
    path = tune.ridge_path(x, y, [0.0, 0.1])
    expected = [diagnostics.degrees_of_freedom(x, s, intercept=True) for s in (0.0, 0.1)]
    np.testing.assert_allclose(path.degrees_of_freedom, expected, rtol=1e-3)
    assert np.isfinite(path.leave_one_out).all()


def test_a_ridge_path_can_be_traced_and_mapped():
    x, y = (jnp.asarray(a, jnp.float32) for a in problem(20, 5, 2))

    def loss(strengths):
        return tune.ridge_path(x, y[:, 0], strengths).leave_one_out

    strengths = jnp.array([0.1, 1.0])
    eager = tune.ridge_path(x, y, strengths)
    mapped = jax.jit(jax.vmap(lambda y: tune.ridge_path(x, y, strengths), in_axes=1))(y)
    np.testing.assert_allclose(mapped.leave_one_out.T, eager.leave_one_out, rtol=1e-4)
    assert repr(mapped) == "RidgePath(…)"
    slope = jax.jit(jax.jacobian(loss))(strengths)
    step = (loss(strengths * 1.01) - loss(strengths * 0.99)) / (0.02 * strengths)
    np.testing.assert_allclose(jnp.diagonal(slope), step, rtol=0.05)


def test_the_table_of_a_ridge_path_marks_what_each_criterion_chooses():
    x, y = problem(30, 4, 2)
    path = tune.ridge_path(x, y, tune.strengths(1e-4, 10, 50))
    lines = repr(path).splitlines()
    assert lines[0].split()[2:5] == ["leave-one-out", "±", "error"]
    assert sum("leave-one-out" in line for line in lines[1:]) == 1
    assert lines[-1] == "50 strengths, 4 features, 2 targets summed; mean squared error"
    simplest = path.choice(rule="one_standard_error")
    assert simplest.strength == simplest.interval[1] >= path.choice().strength


# --- evidence ---


def minus_profile(log_alpha, x, y):
    return -profile(x, y, np.exp(log_alpha), False)


def test_the_evidence_is_that_of_bayesian_ridge_and_its_direct_maximum():
    with jax.enable_x64(True):
        for shape in ((50, 8), (30, 60)):
            x, y = problem(*shape)
            found = tune.evidence(x, y, intercept=False, tolerance=1e-13)
            none = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
            theirs = BayesianRidge(fit_intercept=False, tol=1e-13, max_iter=3000, **none).fit(x, y)
            ratio = theirs.lambda_ / theirs.alpha_
            np.testing.assert_allclose(found.strength, ratio / len(x), rtol=1e-9)
            np.testing.assert_allclose(found.noise, 1 / theirs.alpha_, rtol=1e-9)
            np.testing.assert_allclose(found.coefficients, theirs.coef_, rtol=1e-7, atol=1e-10)
            best = optimize.minimize_scalar(minus_profile, args=(x, y))
            np.testing.assert_allclose(found.evidence, -best.fun, rtol=1e-10)
            np.testing.assert_allclose(found.strength, np.exp(best.x) / len(x), rtol=1e-3)


def minus_evidence(logs, x, y, groups):
    """Of log v of each group and log σ², with a free constant."""
    z, r = rotated(x, y, True)[::-1]
    c = (r * np.exp(logs[:-1])[groups]) @ r.T + np.exp(logs[-1]) * np.eye(len(r))
    fit = z @ np.linalg.solve(c, z)
    return 0.5 * (fit + np.linalg.slogdet(c)[1] + len(r) * np.log(2 * np.pi))


def test_the_evidence_of_groups_is_its_direct_maximum_and_silences_what_says_nothing():
    x, _ = problem(60, 9)
    rng = np.random.default_rng(3)
    groups = np.arange(9) % 3
    y = x @ (np.array([1.0, 0.3, 0.0])[groups] * rng.normal(size=9)) + rng.normal(size=60)
    with jax.enable_x64(True):
        found = tune.evidence(x, y, groups=groups, tolerance=1e-10)
        alone = tune.evidence(x, y)
        again = tune.evidence(x, y, groups=np.zeros(9, int))
    best = optimize.minimize(minus_evidence, np.zeros(4), (x, y, groups), tol=1e-9)
    found, alone, again = jax.device_get((found, alone, again))
    assert found.converged
    np.testing.assert_allclose(found.evidence, -best.fun, rtol=1e-6)
    strengths = np.exp(best.x[3] - best.x[:3]) / 60
    np.testing.assert_allclose(found.strength[:2], strengths[:2], rtol=1e-2)
    assert found.strength[2] > 100 * found.strength[1] > 100 * found.strength[0]
    np.testing.assert_allclose(found.effective.sum() + 1, freedom(x, found, groups), rtol=1e-6)
    np.testing.assert_allclose(again.strength[0], alone.strength, rtol=1e-6)
    np.testing.assert_allclose(again.evidence, alone.evidence, rtol=1e-9)


def freedom(x, found, groups):
    """The trace of the hat matrix of ridge regression with a strength for each group."""
    centred = x - x.mean(axis=0)
    scaled = centred / np.sqrt(len(x) * np.asarray(found.strength)[groups])
    d = np.linalg.eigvalsh(scaled.T @ scaled)
    return 1 + np.sum(d / (d + 1))


def test_the_coefficients_of_the_evidence_are_those_of_ridge_at_its_strength():
    x, y = (a.astype(np.float32) for a in problem(70, 5, 3))
    for half in (False, True):
        found = tune.evidence(x, y, half=half)
        path = tune.ridge_path(x, y, found.strength[None], half=half)
        np.testing.assert_allclose(found.coefficients, path.coefficients[0], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found.intercept, path.intercept[0], rtol=1e-3, atol=1e-5)
        chosen = found.choice()
        assert chosen.strength == float(found.strength)
        assert chosen.score == pytest.approx(chosen.scores.min(), abs=1e-3)
        assert "effective parameters" in repr(found)


HOPELESS = {  # targets, whether the strength has no bound
    "targets that are constant": (np.ones(20), True),
    "no signal": (np.random.default_rng(5).normal(size=20) * 1e-15, True),
    "no noise": (np.arange(20.0), False),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_the_evidence_ends_where_there_is_nothing_to_find(name):
    targets, unbounded = HOPELESS[name]
    x = np.stack([np.arange(20.0), np.cos(np.arange(20.0))], axis=1).astype(np.float32)
    found = tune.evidence(x, targets.astype(np.float32))
    assert not np.isnan(found.strength)
    assert (found.strength > 10) == unbounded


X, Y = np.ones((4, 2)), np.ones(4)
REFUSED = [
    (lambda: tune.ridge_path(X[0], Y, [1.0]), ValueError, r"features: expected shape \(examples"),
    (lambda: tune.ridge_path(X, Y[:3], [1.0]), ValueError, r"targets: expected shape \(4,\)"),
    (lambda: tune.ridge_path(X, Y, 1.0), TypeError, "strengths that are a series of numbers"),
    (lambda: tune.ridge_path(X, Y, []), ValueError, "at least one, got none"),
    (lambda: tune.ridge_path(X, Y, [-1.0]), ValueError, "strength: expected a finite number ≥ 0"),
    (lambda: tune.ridge_path(X, Y, [np.nan]), ValueError, "strength: expected a finite number ≥ 0"),
    (lambda: tune.ridge_path(X, Y, ["a"]), TypeError, "strengths that are a series of numbers"),
    (lambda: tune.ridge_path("x", Y, [1.0]), TypeError, "features: expected an array"),
    (lambda: tune.ridge_path(X + 1j, Y, [1.0]), TypeError, "expected real features"),
    (lambda: tune.evidence(X, Y, groups=[0, 2]), ValueError, "but 1 has no feature"),
    (lambda: tune.evidence(X, Y, groups=[0]), ValueError, "the group of each of 2 features"),
    (lambda: tune.evidence(X, Y, groups=[0, -1]), ValueError, "but -1 is none"),
    (lambda: tune.evidence(X, Y, max_steps=0), ValueError, "max_steps: expected an integer"),
    (lambda: tune.evidence(X, Y, tolerance=-1.0), ValueError, "tolerance: expected a finite"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_linear_problems_that_cannot_be_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_choice_by_a_criterion_that_is_none_is_refused():
    path = tune.ridge_path(*problem(10, 2), [0.0, 0.1])
    with pytest.raises(ValueError, match="by: expected"):
        path.choice("aic")
    with pytest.raises(ValueError, match="rule: expected"):
        path.choice(rule="1se")
    with pytest.raises(ValueError, match='by="leave_one_out" for this rule'):
        path.choice("gcv", "one_standard_error")
    nothing = tune.ridge_path(np.full((4, 1), np.nan), Y, [0.1, 0.2])
    with pytest.raises(ValueError, match="a finite leave_one_out at some strength"):
        nothing.choice()

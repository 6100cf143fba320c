"""Diagnostics against closed forms, NumPy and their definitions."""

from __future__ import annotations

import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, Lasso, Ridge

import jaxreg
from jaxreg import (
    _trees,
    diagnostics,
    group_lasso,
    l1,
    l2,
    mcp,
    non_negative,
    nuclear,
    slope,
    weights,
)

RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((4, 3)).astype(np.float32)
PARAMS = {"fc1": {"bias": jnp.zeros(3), "kernel": jnp.asarray(KERNEL)}, "step": jnp.arange(2)}


def standardised(array: Any) -> np.ndarray:
    return (array - array.mean(0)) / array.std(0)


X, Y = map(standardised, load_diabetes(return_X_y=True))


def close(actual: Any, expected: Any, rtol: float = 1e-6):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=rtol, atol=rtol)


# Compiled, since each runs for many small arrays; the doctests show that they run without.
norms = jax.jit(diagnostics.norms, static_argnames="where")
sparsity = jax.jit(diagnostics.sparsity, static_argnames=("where", "axis"))
stable_rank = jax.jit(diagnostics.stable_rank)
effective_learning_rate = jax.jit(
    diagnostics.effective_learning_rate, static_argnames=("optimizer", "where", "axis")
)
angular_update = jax.jit(diagnostics.angular_update, static_argnames="axis")
degrees_of_freedom = jax.jit(diagnostics.degrees_of_freedom, static_argnames=("half", "intercept"))
optimality = jax.jit(diagnostics.optimality)
strength_max = jax.jit(diagnostics.strength_max)


def test_norms():
    found = norms(PARAMS)
    assert list(found) == ["fc1/bias", "fc1/kernel"]
    close(found["fc1/kernel"], np.linalg.norm(KERNEL))
    assert float(found["fc1/bias"]) == 0
    assert list(norms(PARAMS, where=weights)) == ["fc1/kernel"]


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_norms_of_extreme_sizes_and_low_precision(size: float):
    close(norms(jnp.array([3.0, 4.0]) * size)[""] / size, 5.0)
    tired = norms(jnp.full(5120, 1.0, jnp.bfloat16))[""]  # in bfloat16 it sticks at 16
    close(tired, np.sqrt(5120))
    assert tired.dtype == jnp.float32
    close(norms(jnp.array([3.0 + 4.0j]))[""], 5.0)


def test_sparsity_of_entries():
    w = jnp.array([[0.0, -10.0, 0.009], [0.011, 0.0, 2.0]])
    exact, near = sparsity(w)[""]
    close(exact, 2 / 6)
    close(near, 3 / 6)


def test_sparsity_of_groups():
    kernel = jnp.array([[0.0, 3.0, 1e-4], [0.0, 4.0, 0.0]])
    for axis in (0, -2, (0,)):
        exact, near = sparsity(kernel, axis=axis)[""]
        close(exact, 1 / 3)
        close(near, 2 / 3)
    filters = jnp.zeros((3, 3, 2, 4)).at[..., 1].set(1.0)
    close(sparsity(filters, axis=(0, 1, 2))[""].exact, 3 / 4)
    close(sparsity(filters, axis=(0, 1, 3))[""].exact, 0)


def test_a_leaf_of_zeros_is_sparse_and_an_empty_one_is_not():
    assert sparsity(jnp.zeros(3))[""] == (1, 1)
    assert sparsity(jnp.zeros(0))[""] == (0, 0)


@pytest.mark.parametrize("shape", [(4, 3), (3, 5), (2, 3, 4, 4)])
def test_stable_rank_against_numpy(shape: tuple[int, ...]):
    w = RNG.standard_normal(shape).astype(np.float32)
    s = np.linalg.svd(w, compute_uv=False)
    close(stable_rank(jnp.asarray(w))[""], (s**2).sum(-1) / s[..., 0] ** 2, 1e-5)


def test_stable_rank_of_known_matrices():
    params = {
        "bias": jnp.ones(3),
        "one": 1e25 * jnp.outer(jnp.arange(1.0, 4), jnp.ones(2)),
        "orthogonal": jnp.eye(4) * 1e-25,
        "zero": jnp.zeros((2, 2)),
    }
    found = {name: float(rank) for name, rank in stable_rank(params).items()}
    assert found == pytest.approx({"one": 1, "orthogonal": 4, "zero": 0}, rel=1e-6)


def test_diverged_parameters_are_told_as_such():
    w = jnp.array([[1.0, jnp.inf], [0.0, jnp.nan]])
    row = diagnostics.report(w).rows[0]
    assert np.isnan(row.norm)
    assert row.stable_rank is not None
    assert np.isnan(row.stable_rank)
    assert row.zeros == 0.25
    assert np.isnan(strength_max(l1, w))
    assert np.isnan(optimality(0.1 * l1, w, w)[""])
    assert np.isnan(degrees_of_freedom(w, 0.1))


@pytest.mark.parametrize(("optimizer", "power"), [("sgd", 2), ("adam", 1), ("lion", 1)])
def test_effective_learning_rate(optimizer: Any, power: int):
    found = effective_learning_rate(0.1, PARAMS, optimizer, where=weights)
    close(found["fc1/kernel"], 0.1 / np.linalg.norm(KERNEL) ** power)
    units = effective_learning_rate(0.1, PARAMS, optimizer, where=weights, axis=0)
    close(units["fc1/kernel"], 0.1 / np.linalg.norm(KERNEL, axis=0) ** power)
    assert np.isinf(effective_learning_rate(0.1, PARAMS, optimizer)["fc1/bias"])


def test_steps_of_one_effective_learning_rate_turn_a_scale_invariant_weight_alike():
    def loss(w: jax.Array) -> jax.Array:
        return w[0] / jnp.linalg.norm(w)

    with jax.enable_x64(True):
        w, rate = jnp.array([0.3, 1.0, -0.5]), 1e-5
        angles = []
        for size in (1.0, 7.0):
            eta = rate * size**2
            after = size * w - eta * jax.grad(loss)(size * w)
            effective = effective_learning_rate(eta, size * w)[""]
            angles.append(angular_update(after, size * w)[""])
            close(effective, rate / np.linalg.norm(w) ** 2, 1e-12)
        close(angles[0], angles[1], 1e-9)
        slope = np.linalg.norm(jax.grad(loss)(w / jnp.linalg.norm(w)))
        close(angles[0] / effective / slope, 1.0, 1e-6)


@pytest.mark.parametrize("angle", [1e-6, 0.3, np.pi / 2, 3.0, np.pi])
def test_angles_are_right_when_small_and_when_opposite(angle: float):
    with jax.enable_x64(True):
        now = 5 * jnp.array([jnp.cos(angle), jnp.sin(angle)])
        close(angular_update(now, jnp.array([0.1, 0.0]))[""], angle, 1e-14)


def test_angles_of_units():
    before = jnp.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    now = jnp.array([[0.0, 2.0, 0.0], [3.0, 2.0, 0.0]])
    angles = angular_update(now, before, axis=0)[""]
    close(angles, [np.pi / 2, 0, 0])
    cosine = np.sum(before * now) / np.linalg.norm(before) / np.linalg.norm(now)
    close(angular_update(now, before)[""], np.arccos(cosine))
    close(angular_update(jnp.zeros(2), jnp.ones(2))[""], np.pi / 2)
    close(angular_update({"w": now}, {"w": now, "b": now})["w"], 0)


def test_degrees_of_freedom_are_the_trace_of_the_hat_matrix():
    with jax.enable_x64(True):
        x, strength = RNG.standard_normal((7, 4)), 0.3
        hat = x @ np.linalg.inv(x.T @ x + 7 * strength * np.eye(4)) @ x.T
        close(degrees_of_freedom(x, strength), np.trace(hat), 1e-12)
        close(degrees_of_freedom(x, strength / 2, half=True), np.trace(hat), 1e-12)
        close(degrees_of_freedom(x, 0.0), 4, 1e-12)
        close(degrees_of_freedom(x.T, 0.0), 4, 1e-12)
        close(degrees_of_freedom(np.c_[x, x], 0.0), 4, 1e-12)
        assert float(degrees_of_freedom(x, 1e12)) < 1e-9


def test_degrees_of_freedom_are_those_of_scikit_learns_ridge():
    x, strength = X[:30], 0.2
    alpha = jaxreg.convert.to_ridge_alpha(strength, examples=30)
    fits = [
        Ridge(alpha=alpha).fit(x, e).predict(x) for e in np.eye(30)
    ]  # columns of the hat matrix
    with jax.enable_x64(True):
        found = degrees_of_freedom(x, strength, intercept=True)
    close(found, np.trace(fits), 1e-10)


GRADIENT = -X.T @ Y / len(Y)  # of ½·mean (y − Xw)² at 0


def test_strength_max_is_where_scikit_learns_lasso_begins():
    with jax.enable_x64(True):
        top = float(strength_max(l1, jnp.asarray(GRADIENT)))
    assert top == np.abs(GRADIENT).max()
    lasso = Lasso(alpha=top, fit_intercept=False, tol=1e-12)
    assert not lasso.fit(X, Y).coef_.any()
    assert np.count_nonzero(lasso.set_params(alpha=0.99 * top).fit(X, Y).coef_) == 1


def test_strength_max_of_elastic_net_keeps_the_ratio():
    ratio = 0.4
    with jax.enable_x64(True):
        penalty = ratio * l1 + 0.5 * (1 - ratio) * l2
        top = float(strength_max(penalty, jnp.asarray(GRADIENT)))
    assert top == pytest.approx(np.abs(GRADIENT).max() / ratio, rel=1e-14)
    net = ElasticNet(alpha=1.000001 * top, l1_ratio=ratio, fit_intercept=False, tol=1e-12)
    assert not net.fit(X, Y).coef_.any()
    assert net.set_params(alpha=0.99 * top).fit(X, Y).coef_.any()


DIAGONAL = max(9 / 20, np.abs(np.diag(KERNEL)).max())
GRADS = {"fc1": {"bias": jnp.array([9.0, 9.0, 9.0]), "kernel": jnp.asarray(KERNEL)}}


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (l1.on(weights), np.abs(KERNEL).max()),
        (2.0 * l1, 4.5),
        (group_lasso(0).on(weights), np.linalg.norm(KERNEL, axis=0).max()),
        (nuclear.on(weights), np.linalg.norm(KERNEL, 2)),
        (l1.on("bias") + group_lasso(0).on(weights), 9.0),
        (l1.on(weights) + 3.0 * l2.on(weights), np.abs(KERNEL).max()),
        (l1.on(weights) + non_negative, -KERNEL.min()),
        (l1.weighted({"fc1": {"bias": 0.0, "kernel": 0.5}}), 2 * np.abs(KERNEL).max()),
        (l1.weighted({"fc1": {"bias": 20.0, "kernel": np.eye(*KERNEL.shape)}}), DIAGONAL),
        (l1.weighted(0.0) + l2, np.inf),
        (l1.weighted(0.0) + l2.weighted(0.0), 0.0),
        (
            group_lasso(0).weighted({"fc1": {"kernel": np.array([2.0, 0.0, 1.0])}}).on(weights),
            max(np.linalg.norm(KERNEL, axis=0)[[0, 2]] / [2, 1]),
        ),
        (
            slope(np.linspace(2, 0, 12)).on(weights),
            max(np.sort(abs(KERNEL).ravel())[::-1].cumsum() / np.linspace(2, 0, 12).cumsum()),
        ),
        (l2, np.inf),
        (non_negative, 0.0),
    ],
)
def test_strength_max_is_the_dual_norm(penalty: Any, expected: float):
    close(strength_max(penalty, GRADS), np.float32(expected))


def test_strength_max_of_the_sparse_group_lasso_solves_its_equation():
    penalty = 0.3 * l1 + 0.7 * group_lasso(0)
    with jax.enable_x64(True):
        g = jnp.asarray(KERNEL, jnp.float64)
        top = strength_max(penalty, g)
        soft = jnp.maximum(jnp.abs(g) - 0.3 * top, 0)
        close(jnp.linalg.norm(soft, axis=0).max(), 0.7 * top, 1e-12)


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e30])
def test_strength_max_is_exact_at_every_size(size: float):
    g = jnp.array([0.3, -0.7]) * size
    assert float(strength_max(l1, g)) == float(jnp.abs(g).max())
    assert float(strength_max(l1, jnp.zeros(2))) == 0


def test_optimality_is_zero_at_a_solution_and_the_gradient_without_a_penalty():
    ridge, w = 0.25 * l2, jnp.array([1.0, -2.0])
    grads = {"w": -0.5 * w, "b": jnp.array([3.0, 4.0])}  # −2λw
    found = optimality(ridge.on("w"), {"w": w, "b": w}, grads, 0.1)
    close(found["w"], 0)
    close(found["b"], 5.0)


def test_optimality_is_the_norm_of_the_smallest_subgradient_to_first_order():
    w, g = jnp.array([1.0, -1.0, 0.0, 0.0]), jnp.array([0.4, 0.4, 0.4, -0.7])
    smallest = [0.4 + 0.5, 0.4 - 0.5, 0.0, -0.7 + 0.5]
    for step in (0.01, 0.1, 1e-3):
        close(optimality(0.5 * l1, w, g, step)[""], np.linalg.norm(smallest), 1e-4)


def test_optimality_of_low_precision_leaves_is_computed_in_float32():
    w = jnp.ones(4, jnp.bfloat16)
    found = optimality(0.0 * l2, w, 1e-3 * jnp.ones(4, jnp.bfloat16), 1e-2)[""]
    close(found, 2e-3, 1e-2)  # the step is far below the spacing of bfloat16


class Module(nnx.Module):
    def __init__(self):
        self.w = nnx.Param(jnp.ones((2, 2)))
        self.average = nnx.BatchStat(jnp.ones(2))


@pytest.mark.parametrize(
    "tree",
    [
        Module(),
        nnx.state(Module()),
        eqx.filter(eqx.nn.Linear(2, 2, key=jax.random.key(0)), eqx.is_array),
        jnp.ones((2, 2)),
    ],
    ids=["nnx", "state", "equinox", "array"],
)
def test_every_container(tree: Any):
    names = [leaf.name for leaf in _trees.leaves(tree) if leaf.is_parameter]
    report = diagnostics.report(tree, grads=tree, previous=tree)
    assert [row.name for row in report.rows] == names
    assert set(norms(tree)) == set(names)
    assert set(optimality(0.1 * l1, tree, tree)) == set(names)


def test_all_numbers_can_be_jitted():
    @jax.jit
    def measured(params: Any, previous: Any, rate: Any) -> Any:
        return (
            diagnostics.norms(params),
            diagnostics.sparsity(params),
            diagnostics.stable_rank(params),
            diagnostics.effective_learning_rate(rate, params, "adam"),
            diagnostics.angular_update(params, previous),
            diagnostics.optimality(rate * l1, params, previous, rate),
            diagnostics.strength_max(l1, params),
            diagnostics.degrees_of_freedom(params, rate),
        )

    w = jnp.asarray(KERNEL)
    norm, _, _, rate, angle, _, top, freedom = measured(w, 2 * w, jnp.float32(0.5))
    close(norm[""] * rate[""], 0.5)
    close(angle[""], 0)
    close(top, np.abs(KERNEL).max())
    close(freedom, diagnostics.degrees_of_freedom(w, 0.5))


def test_report_prints_a_table():
    w = jnp.array([[3.0, 0.0], [0.0, 3.0]])
    params = {"bias": jnp.zeros(2), "kernel": w}
    assert str(
        diagnostics.report(params, grads=params, previous={"bias": w[0], "kernel": 2 * w})
    ) == (
        "leaf    shape   norm   zeros   near zeros  stable rank  gradient  update  angle\n"
        "bias    (2,)    0      100.0%  100.0%      -            0         1       1.57\n"
        "kernel  (2, 2)  4.243  50.0%   50.0%       2.00         4.243     0.5     0\n"
        "2 leaves, 6 numbers, 4 of them zero; norm 4.243"
    )
    assert "gradient" not in str(diagnostics.report(params, where=weights))
    nothing = diagnostics.report(params, where=lambda name, leaf: False)
    assert str(nothing) == "no leaves"


def test_the_rows_of_a_report_are_the_numbers_of_the_functions():
    before = {"fc1": {"bias": jnp.ones(3), "kernel": jnp.asarray(KERNEL[::-1])}}
    row = diagnostics.report(PARAMS, grads=GRADS, previous=before, where=weights).rows[0]
    assert row.shape == (4, 3)
    close(row.norm, norms(PARAMS)["fc1/kernel"])
    close(row.grad_norm, norms(GRADS)["fc1/kernel"])
    close(row.stable_rank, stable_rank(PARAMS)["fc1/kernel"])
    close(row.update, np.linalg.norm(KERNEL - KERNEL[::-1]) / np.linalg.norm(KERNEL))
    close(row.angle, angular_update(GRADS, before)["fc1/kernel"])


ERRORS = [
    (
        lambda: diagnostics.effective_learning_rate(0.1, PARAMS, "rmsprop"),  # pyright: ignore
        "effective_learning_rate: expected optimizer 'sgd', 'adam' or 'lion', got 'rmsprop'; 'sgd' "
        "if its step grows with the gradient, 'adam' if it does not",
    ),
    (
        lambda: diagnostics.effective_learning_rate(-0.1, PARAMS),
        "learning_rate: expected a finite number ≥ 0, got -0.1",
    ),
    (
        lambda: diagnostics.sparsity(PARAMS, axis=1),
        "sparsity: expected an array with axis 1, got shape (3,) at fc1/bias; select the leaves "
        "that are meant: where=jaxreg.weights",
    ),
    (
        lambda: diagnostics.angular_update(PARAMS, PARAMS, axis=(-2, -1)),
        "angular_update: expected an array with axis (-2, -1), got shape (3,) at fc1/bias",
    ),
    (
        lambda: diagnostics.angular_update(PARAMS, {"fc1": {"bias": jnp.zeros(3)}}),
        "previous: expected a tree like the parameters, with shape (4, 3) at fc1/kernel, got "
        "nothing",
    ),
    (
        lambda: diagnostics.optimality(l1, jnp.zeros(3), jnp.zeros(4)),
        "grads: expected a tree like the parameters, with shape (3,) at the array, got (4,)",
    ),
    (
        lambda: diagnostics.optimality(l1, jnp.zeros(3), jnp.zeros(3), 0),
        "step: expected a positive number, got 0; take the learning rate",
    ),
    (
        lambda: diagnostics.degrees_of_freedom(jnp.ones((2, 3, 3)), 0.1),
        "degrees_of_freedom: expected features of shape (examples, features), got (2, 3, 3); "
        "flatten each example: x.reshape(len(x), -1)",
    ),
    (
        lambda: diagnostics.degrees_of_freedom(jnp.ones((2, 3)), -1),
        "strength: expected a finite number ≥ 0, got -1",
    ),
]


NOTHING = [{}, None, {"layer": [None]}, {"step": jnp.arange(3)}, [1.0, 2.0]]
MEASURES = {
    "norms": diagnostics.norms,
    "sparsity": diagnostics.sparsity,
    "stable_rank": diagnostics.stable_rank,
    "report": diagnostics.report,
    "angular_update": lambda w: diagnostics.angular_update(w, w),
    "effective_learning_rate": lambda w: diagnostics.effective_learning_rate(0.1, w),
    "optimality": lambda w: diagnostics.optimality(l1, w, w),
    "strength_max": lambda w: diagnostics.strength_max(l1, w),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_tree_without_a_parameter_is_refused(measure: Any):
    for tree in NOTHING:
        with pytest.raises(ValueError, match="expected at least one floating-point array"):
            measure(tree)


@pytest.mark.parametrize(("call", "text"), ERRORS)
def test_errors(call: Any, text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


@pytest.mark.parametrize("name", ["optimality", "strength_max"])
def test_what_is_no_penalty_is_refused(name: str):
    arguments = [PARAMS, l1, GRADS][: 3 if name == "optimality" else 2]  # exchanged
    names = "penalty, params, grads" if name == "optimality" else "penalty, grads"
    text = (
        f"{name}: expected a penalty such as 1e-4 * l1 first, got a dict of 3 leaves; "
        f"write {name}({names})"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        getattr(diagnostics, name)(*arguments)


@pytest.mark.parametrize("penalty", [mcp(3.0), 2.0 * l1.around(jnp.ones(2)), jaxreg.huber(1.0)])
def test_strength_max_of_what_has_none(penalty: Any):
    text = (
        f"strength_max: expected norms such as l1 and group_lasso, with or without l2, got "
        f"{penalty!r}; without a kink at zero no strength gives zeros"
    )
    with pytest.raises(TypeError, match=re.escape(text)):
        diagnostics.strength_max(penalty, jnp.ones(2))

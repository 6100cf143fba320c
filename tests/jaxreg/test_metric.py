"""The prox in the metric of Adam: brute force, known solutions, and whose metric it is."""

from __future__ import annotations

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
from sklearn.linear_model import Lasso, MultiTaskLasso

import jaxreg
from jaxreg import _trees, group_lasso, l1, l2, max_norm, non_negative, proximal_step
from jaxreg._numbers import _in_numpy
from jaxreg._penalty.prox_sum import metric_prox_of_sum
from jaxreg._penalty.term import by_leaf
from jaxreg._transforms import adam_trial

RNG = np.random.default_rng(0)
POINT = 1.5 * RNG.standard_normal((4, 3))
STEPS = 10 ** RNG.uniform(-1.5, 0.7, POINT.shape)  # two orders of magnitude


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def metric_prox(penalty, w=POINT, steps=STEPS) -> Any:
    """argmin_v penalty(v) + ½Σ|v − w|²/steps of one array."""
    return np.asarray(compiled(penalty, w, steps))


def of_leaf(penalty, w, steps):
    (leaf,) = _trees.leaves(w)
    (terms,) = by_leaf(penalty.terms, [leaf])
    return metric_prox_of_sum(leaf, terms, steps)


compiled = jax.jit(of_leaf)


def train(optimizer, params, loss, steps) -> Any:
    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    run = jax.jit(lambda p: jax.lax.scan(step, (p, optimizer.init(p)), length=steps)[0])
    return run(params)[0]


def adam(penalty, learning_rate: Any = 0.1, **settings) -> Any:
    inner = optax.adam(learning_rate, **settings)
    return proximal_step(penalty, optimizer=inner, metric="adam")


# --- entrywise, against a dense grid ---

GRID = np.linspace(-6, 6, 24001)


def forbidden(excess):
    return np.where(excess > 1e-12, np.inf, 0.0)


ENTRYWISE = {
    "l1": (0.7 * l1, lambda v: 0.7 * abs(v)),
    "l2": (0.7 * l2, lambda v: 0.7 * v**2),
    "elastic_net": (jaxreg.elastic_net(l1=0.5, l2=0.3), lambda v: 0.5 * abs(v) + 0.3 * v**2),
    "l0": (0.4 * jaxreg.l0, lambda v: 0.4 * (v != 0)),
    "huber": (
        0.7 * jaxreg.huber(0.8),
        lambda v: 0.7 * np.where(abs(v) <= 0.8, v**2 / 2, 0.8 * abs(v) - 0.32),
    ),
    "log_sum": (0.7 * jaxreg.log_sum(0.5), lambda v: 0.7 * np.log1p(abs(v) / 0.5)),
    "mcp": (
        0.7 * jaxreg.mcp(1.5),
        lambda v: 0.7 * np.where(abs(v) <= 1.5, abs(v) - v**2 / 3, 0.75),
    ),
    "scad": (
        0.7 * jaxreg.scad(2.5),
        lambda v: (
            0.7
            * np.select([abs(v) <= 1, abs(v) <= 2.5], [abs(v), (5 * abs(v) - v**2 - 1) / 3], 1.75)
        ),
    ),
    "box": (jaxreg.box(-0.5, 1.0), lambda v: forbidden(-0.5 - v) + forbidden(v - 1)),
    "non_negative": (non_negative, lambda v: forbidden(-v)),
    "l1 + box": (
        0.7 * l1 + jaxreg.box(-0.5, 1.0),
        lambda v: 0.7 * abs(v) + forbidden(-0.5 - v) + forbidden(v - 1),
    ),
    "mcp + l2": (
        0.3 * jaxreg.mcp(2.0) + 0.5 * l2,
        lambda v: 0.3 * np.where(abs(v) <= 2, abs(v) - v**2 / 4, 1.0) + 0.5 * v**2,
    ),
    "around": (
        (0.7 * l1 + 0.2 * l2).around(jnp.full(POINT.shape, 0.25)),
        lambda v: 0.7 * abs(v - 0.25) + 0.2 * (v - 0.25) ** 2,
    ),
}


@pytest.mark.parametrize("name", ENTRYWISE)
def test_every_entry_has_its_own_step(name):
    penalty, formula = ENTRYWISE[name]
    found = metric_prox(penalty)

    def objective(v, w, step):
        return formula(v) + (v - w) ** 2 / (2 * step)

    on_grid = objective(GRID, POINT[..., None], STEPS[..., None])
    least = on_grid.min(-1)
    ours = objective(found, POINT, STEPS)
    assert (ours <= least + 1e-9).all()
    assert (ours >= least - 1e-5).all()  # the grid is that fine
    assert np.abs(found - GRID[on_grid.argmin(-1)]).max() < 1e-3


# --- groups, against a general minimiser ---


def columns(v):
    return np.sqrt((v**2).sum(0)).sum()


GROUPS = {
    "group_lasso": (0.8 * group_lasso(0), lambda v: 0.8 * columns(v)),
    "all axes": (0.8 * group_lasso((0, 1)), lambda v: 0.8 * np.sqrt((v**2).sum())),
    "sparse_group_lasso": (
        0.9 * jaxreg.sparse_group_lasso(0, 0.4),
        lambda v: 0.36 * abs(v).sum() + 0.54 * columns(v),
    ),
    "l2 + group_lasso": (
        0.5 * l2 + 0.8 * group_lasso(0),
        lambda v: 0.5 * (v**2).sum() + 0.8 * columns(v),
    ),
    "around": (
        (0.8 * group_lasso(0)).around(jnp.full(POINT.shape, 0.5)),
        lambda v: 0.8 * columns(v - 0.5),
    ),
}


def least_by_scipy(formula, w, steps, constraints=()):
    def objective(v):
        v = v.reshape(w.shape)
        return formula(v) + ((v - w) ** 2 / (2 * steps)).sum()

    starts = [w, 0.1 * w, *(w * RNG.random(w.shape) for _ in range(2))]
    runs = [
        scipy.optimize.minimize(
            objective,
            x.ravel(),
            method="SLSQP",
            constraints=constraints,
            options={"maxiter": 200, "ftol": 1e-14},
        )
        for x in starts
    ]
    return min((run.fun, run.x.reshape(w.shape).tolist()) for run in runs), objective


@pytest.mark.parametrize("name", GROUPS)
def test_groups_in_an_uneven_metric_are_the_least(name):
    penalty, formula = GROUPS[name]
    found = metric_prox(penalty)
    (least, at), objective = least_by_scipy(formula, POINT, STEPS)
    assert objective(found) <= least + 1e-9
    np.testing.assert_allclose(found, at, atol=2e-3)


def test_a_group_is_zero_exactly_where_its_optimality_condition_says():
    w, steps = POINT[:, 0], STEPS[:, 0]
    least = np.sqrt(((w / steps) ** 2).sum())
    for strength, zero in ((0.999 * least, False), (1.001 * least, True)):
        found = metric_prox(strength * group_lasso(0), w, steps)
        assert (found == 0).all() == zero
    nu = np.linalg.norm(found := metric_prox(0.5 * least * group_lasso(0), w, steps))
    np.testing.assert_allclose(0.5 * least * found / nu, (w - found) / steps, rtol=1e-11)


def test_a_mean_step_for_the_whole_group_misses():
    w, steps = np.array([1.0, -0.8, 0.5]), np.array([2.0, 0.3, 0.05])
    exact = metric_prox(0.5 * group_lasso(0), w, steps)
    mean = 1 / np.mean(1 / steps)
    naive = w * max(0, 1 - 0.5 * mean / np.linalg.norm(w))
    assert 0.3 < np.abs(exact - naive).max() < 0.6


MAX_NORMS = {
    "max_norm": (max_norm(1.2, 0), None),
    "l1 + max_norm": (0.4 * l1 + max_norm(1.2, 0), 0.4),
    "non_negative + max_norm": (non_negative + max_norm(1.2, 0), 0.0),
}


@pytest.mark.parametrize("name", MAX_NORMS)
def test_max_norm_is_the_projection_in_the_metric(name):
    penalty, strength = MAX_NORMS[name]
    w, steps = POINT[:, :1], STEPS[:, :1]
    found = metric_prox(penalty, w, steps)
    bounds = [{"type": "ineq", "fun": lambda x: 1.44 - (x**2).sum()}]
    if strength == 0:
        bounds.append({"type": "ineq", "fun": lambda x: x})
        assert found.min() == 0
    formula = functools.partial(lambda factor, v: factor * abs(v).sum(), strength or 0)
    (least, at), objective = least_by_scipy(formula, w, steps, bounds)
    assert np.linalg.norm(w) > 1.3
    np.testing.assert_allclose(np.linalg.norm(found), 1.2, rtol=1e-15)
    assert objective(found) <= least + 1e-7
    np.testing.assert_allclose(found, at, atol=2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_roots_are_found_over_twenty_orders_of_magnitude(dtype):
    rng = np.random.default_rng(1)
    w = (rng.standard_normal((8, 400)) * 10 ** rng.uniform(-4, 4, (8, 400))).astype(dtype)
    steps = (10 ** rng.uniform(-10, 10, (8, 400))).astype(dtype)
    steps /= np.sqrt(((steps / np.abs(w).max(0)) ** 2).sum(0)) * rng.uniform(0, 1, 400).astype(
        dtype
    )
    found = metric_prox(group_lasso(0), w, steps).astype(float)
    nu = np.sqrt((found**2).sum(0))
    kept = nu > 0
    wide = w.astype(float)[:, kept]
    wanted = wide * nu[kept] / (nu[kept] + steps.astype(float)[:, kept])
    assert kept.sum() > 50
    np.testing.assert_allclose(found[:, kept], wanted, rtol=1e-4 if dtype == "float32" else 1e-11)
    bounded = metric_prox(max_norm(0.5, 0), w, steps).astype(float)
    norms, before = np.sqrt((bounded**2).sum(0)), np.sqrt((w.astype(float) ** 2).sum(0))
    np.testing.assert_allclose(norms, np.minimum(0.5, before), rtol=1e-5)


def test_steps_of_zero_move_nothing_but_into_constraints():
    zero = np.zeros_like(STEPS)
    shrinking = [l1, l2, group_lasso(0), jaxreg.l0, jaxreg.mcp(1.0), jaxreg.log_sum(1.0)]
    shrinking += [jaxreg.scad(3.0)]
    for moved in jax.jit(lambda w, steps: [of_leaf(p, w, steps) for p in shrinking])(POINT, zero):
        np.testing.assert_array_equal(moved, POINT)
    plain = jax.jit(max_norm(1.2, 0).prox)(POINT, 1.0)
    np.testing.assert_allclose(metric_prox(max_norm(1.2, 0), POINT, zero), plain, rtol=1e-14)
    assert metric_prox(non_negative, POINT, zero).min() == 0
    mixed = np.where(np.arange(4)[:, None] == 0, 0, STEPS)
    kept = metric_prox(0.5 * group_lasso(0), POINT, mixed)
    np.testing.assert_allclose(kept[0], POINT[0], rtol=1e-13)


def test_even_steps_give_the_plain_prox():
    for penalty in (0.8 * group_lasso(0), max_norm(1.2, 0), 0.3 * l1 + 0.4 * group_lasso(0)):
        plain = jax.jit(penalty.prox)(POINT, 0.6)
        even = metric_prox(penalty, POINT, np.full_like(STEPS, 0.6))
        np.testing.assert_allclose(even, plain, rtol=1e-13, atol=1e-15)


def test_complex_groups_keep_their_phases():
    phases = np.exp(1j * np.arange(12).reshape(4, 3))
    found = metric_prox(0.8 * group_lasso(0), np.abs(POINT) * phases)
    np.testing.assert_allclose(
        found, metric_prox(0.8 * group_lasso(0), np.abs(POINT)) * phases, rtol=1e-13
    )


# --- fixed points ---

N = 40
X = RNG.standard_normal((N, 6)) @ (np.eye(6) + 0.4 * RNG.standard_normal((6, 6)))
Y = X @ np.array([1.5, 0, -2.0, 0, 0, 0.7]) + 0.5 * RNG.standard_normal(N)
TASKS = X @ np.outer([1.5, 0, -2.0, 0, 0, 0.7], [1.0, -0.5]) + 0.5 * RNG.standard_normal((N, 2))


def mean_square(targets):
    return lambda w: jnp.sum((X @ w - targets) ** 2) / (2 * N)


def test_its_fixed_points_are_lasso_solutions_and_those_of_the_plain_prox_after_adam_are_not():
    strength = 0.3
    lasso = Lasso(alpha=strength, fit_intercept=False, tol=1e-15, max_iter=100_000).fit(X, Y).coef_
    assert 0 < np.count_nonzero(lasso) < 6
    found = np.asarray(train(adam(strength * l1, 0.02), jnp.ones(6), mean_square(Y), 4000))
    np.testing.assert_allclose(found, lasso, atol=1e-8)
    np.testing.assert_array_equal(found == 0, lasso == 0)
    plain = optax.chain(optax.adam(0.02), proximal_step(strength * l1, 0.02))
    elsewhere = np.asarray(train(plain, jnp.ones(6), mean_square(Y), 4000))
    assert 0.5 < np.abs(elsewhere - lasso).max() < 0.65


def test_its_fixed_points_are_group_lasso_solutions():
    strength = 0.4
    wanted = (
        MultiTaskLasso(alpha=strength, fit_intercept=False, tol=1e-15, max_iter=100_000)
        .fit(X, TASKS)
        .coef_.T
    )
    assert 0 < np.count_nonzero(wanted[:, 0]) < 6
    penalty = strength * group_lasso(1)
    found = np.asarray(train(adam(penalty, 0.02), jnp.ones((6, 2)), mean_square(TASKS), 4000))
    np.testing.assert_allclose(found, wanted, atol=1e-8)
    np.testing.assert_array_equal(found == 0, wanted == 0)


def test_its_fixed_points_within_a_max_norm_are_those_of_projected_gradients():
    loss, constraint = mean_square(Y), max_norm(0.4, 0)
    plain = optax.chain(optax.sgd(0.1), jaxreg.project(constraint))
    wanted = train(plain, jnp.ones(6), loss, 3000)
    found = train(adam(constraint, 0.02), jnp.ones(6), loss, 4000)
    np.testing.assert_allclose(found, wanted, atol=1e-8)
    after_adam = optax.chain(optax.adam(0.02), jaxreg.project(constraint))
    assert np.abs(train(after_adam, jnp.ones(6), loss, 4000) - wanted).max() > 0.02


# --- whose metric ---

PARAMS = {"bias": np.array([0.3, -0.2]), "kernel": np.array([[1.0, -2.0], [0.5, 3.0]])}
GRADS = jax.tree.map(lambda w: np.sin(3 * w) + 0.2, PARAMS)
RATE = optax.linear_schedule(0.0, 0.1, 3)
LABELS = {"bias": "still", "kernel": "moving"}


def clipped():
    return optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.05))


OPTIMIZERS = {
    "adam": lambda: optax.adam(0.05),
    "adamw": lambda: optax.adamw(0.05, weight_decay=0.1),
    "clipped": clipped,
    "injected": lambda: optax.inject_hyperparams(optax.adam)(learning_rate=RATE),
    "partition": lambda: optax.partition(
        {"moving": optax.adam(0.05), "still": optax.set_to_zero()}, LABELS
    ),
    "plateau": lambda: optax.chain(optax.adam(0.05), optax.contrib.reduce_on_plateau()),
    "reference": lambda: optax.chain(
        optax.adam(0.05), jaxreg.decoupled_decay(0.1, 0.05, reference=GRADS)
    ),
}


def metric_by_formula(name, gradients):
    """lr/(√ν̂ + ε) after these gradients, by the textbook."""
    nu = 0.0
    for g in gradients:
        nu = 0.999 * nu + 0.001 * g**2
    nu = nu / (1 - 0.999 ** len(gradients))
    rate = RATE(len(gradients) - 1) if name == "injected" else 0.05
    return rate / (np.sqrt(nu) + 1e-8)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_the_textbook_and_one_program_does_for_all_updates(name):
    inner = OPTIMIZERS[name]()
    ours: Any = proximal_step(l1, optimizer=inner, metric="adam")
    theirs = optax.with_extra_args_support(inner)
    traces = []

    @jax.jit
    def update(grads, state, other):
        traces.append(state)
        return [
            *ours.update(grads, state, PARAMS, value=1.0),
            *theirs.update(grads, other, PARAMS, value=1.0),
        ]

    state, other, gradients = ours.init(PARAMS), theirs.init(PARAMS), []
    for t in range(3):
        grads = jax.tree.map(lambda g, t=t: g * (1 + t), GRADS)
        updates, state, plain, other = update(grads, state, other)
        norm = np.sqrt(sum(np.sum(g**2) for g in grads.values()))
        seen = grads["kernel"] * (0.5 / max(norm, 0.5) if name == "clipped" else 1)
        gradients.append(seen)
        arrived = PARAMS["kernel"] + np.asarray(plain["kernel"])
        steps = metric_by_formula(name, gradients)
        wanted = np.sign(arrived) * np.maximum(abs(arrived) - steps, 0) - PARAMS["kernel"]
        np.testing.assert_allclose(updates["kernel"], wanted, atol=1e-8)
    assert len(traces) == 1
    if name == "partition":
        np.testing.assert_array_equal(updates["bias"], np.zeros(2))


def test_where_the_learning_rate_is_zero_nothing_moves():
    optimizer = adam(l1, RATE)
    state = optimizer.init(PARAMS)
    updates, state = optimizer.update(GRADS, state, PARAMS)
    jax.tree.map(lambda u: np.testing.assert_array_equal(u, 0), updates)
    updates, _ = optimizer.update(GRADS, state, PARAMS)
    assert all(np.abs(u).min() > 0 for u in jax.tree.leaves(updates))


def test_vmap_over_strengths_and_learning_rates_is_the_loop():
    @jax.jit
    def trained(strength, learning_rate):
        return train(adam(strength * l1, learning_rate), jnp.ones(6), mean_square(Y), 20)

    strengths, rates = jnp.array([0.0, 0.1, 0.5]), jnp.array([0.02, 0.01, 0.05])
    loop = [trained(*pair) for pair in zip(strengths, rates, strict=True)]
    np.testing.assert_allclose(jax.vmap(trained)(strengths, rates), loop, rtol=1e-9, atol=1e-12)


def test_masks_selections_and_schedules_of_penalties_are_respected():
    mask = {"bias": False, "kernel": True}
    whole = adam(l1.on("kernel") + l2.on("kernel"), 0.05)
    updates, _ = whole.update(GRADS, whole.init(PARAMS), PARAMS)
    plain, _ = optax.adam(0.05).update(GRADS, optax.adam(0.05).init(PARAMS), PARAMS)
    np.testing.assert_array_equal(updates["bias"], plain["bias"])
    assert np.abs(updates["kernel"] - plain["kernel"]).max() > 0.01
    masked = optax.masked(adam(l1 + l2, 0.05), mask)
    inside, _ = masked.update(GRADS, masked.init(PARAMS), PARAMS)
    np.testing.assert_array_equal(inside["kernel"], updates["kernel"])
    np.testing.assert_array_equal(inside["bias"], GRADS["bias"])
    later = adam(lambda step: jnp.where(step == 0, 0.0, 1.0) * l1, 0.05)
    first, state = later.update(GRADS, later.init(PARAMS), PARAMS)
    np.testing.assert_allclose(first["kernel"], plain["kernel"], atol=1e-7)
    second, _ = later.update(GRADS, state, PARAMS)
    assert np.abs(second["kernel"] - plain["kernel"]).max() > 0.01


def test_a_first_moment_in_bfloat16_gives_the_metric_to_a_few_per_cent():
    params, grads = jax.tree.map(np.float32, (PARAMS, GRADS))

    @jax.jit
    def first(grads):
        optimizers = adam(l1, 0.05, mu_dtype=jnp.bfloat16), adam(l1, 0.05), optax.adam(0.05)
        return [each.update(grads, each.init(params), params)[0] for each in optimizers]

    with jax.numpy_dtype_promotion("standard"):  # optax multiplies bfloat16 by float32
        ours, theirs, plain = first(grads)
    steps = [updates["kernel"] - plain["kernel"] for updates in (ours, theirs)]
    np.testing.assert_allclose(*steps, rtol=0.02)
    assert ours["kernel"].dtype == jnp.float32


def test_numbers_may_be_injected():
    def make(strength, learning_rate):
        return adam(strength * l1, learning_rate)

    injected: Any = optax.inject_hyperparams(make)(strength=0.5, learning_rate=RATE)
    state, other = injected.init(PARAMS), adam(0.5 * l1, RATE).init(PARAMS)
    for _ in range(2):
        updates, state = injected.update(GRADS, state, PARAMS)
        wanted, other = adam(0.5 * l1, RATE).update(GRADS, other, PARAMS)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-7), updates, wanted)


def test_the_prox_is_differentiable_with_respect_to_the_strength():
    @jax.jit
    def total(strength):
        return jnp.sum(of_leaf(strength * group_lasso(0) + 0.1 * l2, POINT, STEPS) ** 3)

    slope = (total(0.3 + 1e-6) - total(0.3 - 1e-6)) / 2e-6
    np.testing.assert_allclose(jax.grad(total)(0.3), slope, rtol=1e-6)


REFUSED = {
    "sgd": (lambda: optax.sgd(0.1), "one with none in its state"),
    "lion": (lambda: optax.lion(0.1), "one with none in its state"),
    "adafactor": (lambda: optax.adafactor(0.1), "one with none in its state"),
    "amsgrad": (lambda: optax.amsgrad(0.1), "one with none in its state"),
    "adabelief": (lambda: optax.adabelief(0.1), "one with none in its state"),
    "two": (lambda: optax.chain(optax.adam(0.1), optax.adam(0.1)), "one with 2 in its state"),
    "nadam": (lambda: optax.nadam(0.1), "one that moves bias otherwise"),
    "lamb": (lambda: optax.lamb(0.1), "one that moves bias otherwise"),
    "trace": (lambda: optax.chain(optax.adam(0.1), optax.trace(0.9)), "one that moves bias other"),
    "b1 = 0": (lambda: optax.adam(0.1, b1=0.0), "one that moves bias otherwise"),
    "clip": (
        lambda: optax.chain(optax.scale_by_adam(), optax.clip_by_global_norm(0.1)),
        "one that moves bias otherwise",
    ),
    "masked": (
        lambda: optax.masked(optax.adam(0.1), {"bias": True, "kernel": False}),
        "one that moves kernel otherwise",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_optimizer_without_the_metric_is_refused_before_the_first_step(name):
    make, got = REFUSED[name]
    optimizer = proximal_step(l1, optimizer=make(), metric="adam")
    expected = (
        "^proximal_step: expected for metric='adam' an optimizer whose updates are −P·m̂ with the "
        "first moment of one optax.ScaleByAdamState, such as optax.adam or optax.adamw, got "
    )
    with pytest.raises(ValueError, match=expected + re.escape(got) + ".*; use optax.chain"):
        optimizer.init(PARAMS)


def test_trying_an_optimizer_compiles_nothing(monkeypatch):
    def compiled(eqn):
        raise AssertionError(f"asked of JAX: {eqn.primitive}")

    monkeypatch.setattr(_in_numpy, "_as_jax_does", compiled)
    for make in OPTIMIZERS.values():
        adam_trial.require(make(), PARAMS, l1)


def test_it_is_refused_while_tracing_too():
    def first(learning_rate):
        return proximal_step(l1, optimizer=optax.nadam(learning_rate), metric="adam").init(PARAMS)

    with pytest.raises(ValueError, match="one that moves bias otherwise"):
        jax.jit(jax.vmap(first))(jnp.array([0.1, 0.2]))


def test_leaves_that_are_no_parameters_stay_out_of_it():
    others = {"count": jnp.arange(3), "none": None, "rate": 0.5}
    params, grads = PARAMS | others, GRADS | others
    optimizer = optax.masked(adam(l1, 0.05), {name: name in PARAMS for name in params})
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    assert all(updates[name] is others[name] for name in others)
    alone, _ = adam(l1, 0.05).update(GRADS, adam(l1, 0.05).init(PARAMS), PARAMS)
    np.testing.assert_array_equal(updates["kernel"], alone["kernel"])
    unmasked = adam(l1, 0.05)
    zeros = np.zeros(3, np.int32)
    updates, _ = unmasked.update(
        GRADS | {"count": zeros},
        unmasked.init(PARAMS | {"count": zeros}),
        PARAMS | {"count": zeros},
    )
    np.testing.assert_allclose(updates["kernel"], alone["kernel"], rtol=1e-6)


def test_leaves_that_the_penalty_does_not_select_may_move_by_anything():
    parts = {"moving": optax.adam(0.05), "still": optax.sgd(0.1, momentum=0.9)}
    inner = optax.partition(parts, LABELS)
    optimizer = proximal_step(l1.on("kernel"), optimizer=inner, metric="adam")
    updates, _ = optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["bias"], -0.1 * GRADS["bias"], rtol=1e-6)


MATRIX = jnp.eye(3)


@pytest.mark.parametrize("name", ["nuclear", "spectral"])
def test_penalties_on_singular_values_are_refused_with_the_reason(name):
    message = (
        f"{name}: expected a penalty whose prox is known with a step for every entry "
        f"(metric='adam', or beside l2 with weights of entries), got one for which it is known "
        f"with a single step; "
        f"end the chain with proximal_step(penalty, learning_rate), or put it into the loss"
    )
    with pytest.raises(NotImplementedError, match="^" + re.escape(message)):
        adam(getattr(jaxreg, name)).init(MATRIX)


@pytest.mark.parametrize(
    "penalty",
    [
        group_lasso(0) + group_lasso((0, 1)),
        group_lasso(0) + max_norm(1.0, 0),
        group_lasso(0) + group_lasso(1),
    ],
    ids=repr,
)
def test_groups_within_groups_are_refused_in_an_uneven_metric(penalty):
    with pytest.raises(TypeError, match="expected terms whose prox is known in closed form togeth"):
        adam(penalty).init(MATRIX)


MISUSED = {
    "both": (
        lambda: proximal_step(l1, 0.1, optimizer=optax.adam(0.1), metric="adam"),
        TypeError,
        "expected learning_rate or optimizer, got both; leave out learning_rate: that of the "
        "optimizer is read from it",
    ),
    "neither": (
        lambda: proximal_step(l1),
        TypeError,
        "expected learning_rate or optimizer, got neither; write optax.chain(optimizer, "
        "proximal_step(penalty, learning_rate)) or proximal_step(penalty, "
        'optimizer=optax.adam(lr), metric="adam")',
    ),
    "metric alone": (
        lambda: proximal_step(l1, 0.1, metric="adam"),
        TypeError,
        "expected an optimizer for metric='adam', got none; write proximal_step(penalty, "
        'optimizer=optax.adam(lr), metric="adam")',
    ),
    "unknown metric": (
        lambda: proximal_step(l1, optimizer=optax.adam(0.1), metric="shampoo"),
        ValueError,
        "expected metric='adam' with an optimizer, got 'shampoo'; for the plain metric write "
        "optax.chain(optimizer, proximal_step(penalty, learning_rate))",
    ),
}


@pytest.mark.parametrize("name", MISUSED)
def test_misuse_says_what_to_write(name):
    make, kind, message = MISUSED[name]
    with pytest.raises(kind, match="^" + re.escape(f"proximal_step: {message}") + "$"):
        make()


def test_missing_params_name_the_call():
    optimizer = adam(l1)
    with pytest.raises(
        ValueError, match=r"^proximal_step: expected the parameters, got None; call"
    ):
        optimizer.update(GRADS, optimizer.init(PARAMS))

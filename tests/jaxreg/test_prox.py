"""Operators of one array, against a dense grid; in every regime of the step."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.isotonic import isotonic_regression

from jaxreg import prox
from jaxreg.prox._isotonic import decreasing

GRID = np.linspace(0, 8, 80_001)
SIZES = np.array([0.0, 0.05, 0.3, 0.7, 0.99, 1.0, 1.3, 1.9, 2.4, 3.1, 4.2, 6.0, 7.5])


def huber(v, delta):
    return np.where(v <= delta, v**2 / 2, delta * (v - delta / 2))


def mcp(v, gamma):
    return np.where(v <= gamma, v - v**2 / (2 * gamma), gamma / 2)


def scad(v, a):
    bent = (2 * a * v - v**2 - 1) / (2 * (a - 1))
    return np.where(v <= 1, v, np.where(v <= a, bent, (a + 1) / 2))


def log_sum(v, eps):
    return np.log(1 + v / eps)


ENTRYWISE = {
    "l1": (prox.l1, lambda v: v, ()),
    "l2": (prox.l2, lambda v: v**2, ()),
    "l0": (prox.l0, lambda v: v != 0, ()),
    "huber": (prox.huber, huber, (0.7,)),
    "mcp": (prox.mcp, mcp, (1.5,)),
    "scad": (prox.scad, scad, (2.5,)),
    "scad, steep": (prox.scad, scad, (1.2,)),
    "log_sum": (prox.log_sum, log_sum, (0.5,)),
    "log_sum, wide": (prox.log_sum, log_sum, (2.0,)),
}


@pytest.mark.parametrize(("operator", "value", "settings"), ENTRYWISE.values(), ids=ENTRYWISE)
@pytest.mark.parametrize("step", [0.1, 0.9, 1.4, 1.5, 3.0, 5.0])
def test_entrywise_operators_find_the_global_minimum(operator, value, settings, step):
    goal = step * value(GRID, *settings) + (GRID - SIZES[:, None]) ** 2 / 2
    with jax.enable_x64(True):
        found = np.asarray(jax.jit(operator)(jnp.asarray(-SIZES), step, *settings))
    assert (found <= 0).all()  # the sign is kept
    reached = step * value(-found, *settings) + (-found - SIZES) ** 2 / 2
    assert (reached <= goal.min(axis=1) + 1e-12).all()


@pytest.mark.parametrize(("operator", "_", "settings"), ENTRYWISE.values(), ids=ENTRYWISE)
def test_complex_entries_shrink_as_their_modulus_and_keep_their_phase(operator, _, settings):
    phase = np.exp(2j).astype(np.complex64)
    sizes = jnp.asarray(SIZES, jnp.float32)
    moved = jax.jit(operator)(sizes * phase, 0.9, *settings)
    shrunk = jax.jit(operator)(sizes, 0.9, *settings)
    np.testing.assert_allclose(moved, shrunk * phase, atol=2e-6)


@pytest.mark.parametrize(("operator", "_", "settings"), ENTRYWISE.values(), ids=ENTRYWISE)
def test_a_step_of_zero_moves_nothing_and_a_missing_number_stays_one(operator, _, settings):
    w = jnp.array([1e-30, -0.3, 1.7, 1e30, jnp.nan], jnp.float32)
    moved = jax.jit(operator)
    np.testing.assert_array_equal(moved(w, 0.0, *settings), w)
    assert np.isnan(moved(w, 1.0, *settings)[-1])


@pytest.mark.parametrize("operator", [prox.nuclear, prox.spectral])
def test_a_step_of_zero_leaves_a_matrix_bitwise(operator):
    w = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)), jnp.float32)
    np.testing.assert_array_equal(operator(w, 0.0), w)


def test_singular_values_are_thresholded_by_nuclear_and_levelled_by_spectral():
    u, s, vh = np.linalg.svd(np.random.default_rng(0).normal(size=(5, 4)), full_matrices=False)
    s = np.array([4.0, 3.0, 1.0, 0.5])
    w = jnp.asarray((u * s) @ vh, jnp.float32)

    def values(v):
        return np.linalg.svd(v, compute_uv=False)

    np.testing.assert_allclose(values(prox.nuclear(w, 0.8)), [3.2, 2.2, 0.2, 0], atol=4e-6)
    np.testing.assert_allclose(values(prox.spectral(w, 3.0)), [2, 2, 1, 0.5], atol=4e-6)
    assert not np.any(prox.nuclear(w, 4.1))
    assert not np.any(prox.spectral(w, 8.6))


def test_broadcast_steps_act_entry_by_entry_and_group_by_group():
    w = jnp.array([[3.0, 0.3], [4.0, 0.4]])
    np.testing.assert_allclose(prox.l1(w, jnp.array([1.0, 0.1])), [[2, 0.2], [3, 0.3]], rtol=1e-6)
    steps = jnp.array([[2.5, 0.25]])
    np.testing.assert_allclose(prox.group_lasso(w, steps, axis=0), w / 2, rtol=1e-6)
    np.testing.assert_allclose(prox.max_norm(w, steps, axis=0), w / 2, rtol=1e-6)


def test_matrices_of_a_batch_have_steps_of_their_own():
    w = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)), jnp.float32)
    for operator in (prox.nuclear, prox.spectral):
        each = jnp.stack([operator(w[0], 0.5), operator(w[1], 2.0)])
        np.testing.assert_allclose(operator(w, jnp.array([[[0.5]], [[2.0]]])), each, atol=1e-6)


@pytest.mark.parametrize(
    ("group", "entrywise", "setting"),
    [(prox.group_mcp, prox.mcp, 1.5), (prox.group_scad, prox.scad, 2.5)],
)
def test_norms_of_groups_move_as_entries_do_and_directions_stay(group, entrywise, setting):
    """At every size and step, of the smallest and of the largest numbers too."""
    sizes = jnp.asarray([*SIZES, 1e-25, 1e25], jnp.float32)
    direction = jnp.array([0.6, 0.0, -0.8])[:, None]
    steps = jnp.array([0.1, 0.9, 1.4, 1.5, 3.0, 5.0])

    @jax.jit
    @jax.vmap
    def both(step):
        moved = group(direction * sizes, step, setting, axis=0)
        return moved, direction * entrywise(sizes, step, setting)

    np.testing.assert_allclose(*both(steps), rtol=2e-6)


def test_isotonic_regression_is_that_of_scikit_learn_on_any_numbers():
    rng = np.random.default_rng(0)
    sorted_ = np.sort(abs(rng.normal(size=64)))[::-1]
    rows = np.stack(
        [
            rng.normal(size=64),
            rng.normal(size=64).cumsum(),
            sorted_ - np.linspace(2, 0, 64),
            np.append(-np.arange(63.0), 9999.0),  # merges one by one, from the end
            np.arange(64.0),
            np.zeros(64),
        ]
    )
    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(decreasing))(rows)
        single = [jax.jit(decreasing)(rows[0, :n]) for n in (1, 2)]
    wanted = [isotonic_regression(row, increasing=False) for row in rows]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    for n, fit in enumerate(single, start=1):
        np.testing.assert_allclose(fit, isotonic_regression(rows[0, :n], increasing=False))


def test_the_derivative_of_slope_is_that_of_differences_and_symmetric():
    """By the array, by the step and by the weights: forward, reverse, and under vmap."""
    rng = np.random.default_rng(1)
    w, weights = 2 * rng.normal(size=(3, 4)), np.linspace(1.5, 0.1, 12)

    @jax.jit
    def moved(inputs):
        return prox.slope(*inputs)

    inputs = (w, np.float64(0.7), weights)
    with jax.enable_x64(True):
        forward = jax.jit(jax.jacfwd(moved))(inputs)
        reverse = jax.jit(jax.jacrev(moved))(inputs)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), forward, reverse)
        ways = [tuple(1e-6 * rng.normal(size=np.shape(x)) for x in inputs) for _ in range(5)]
        for way in ways:
            ends = [
                moved(tuple(x + s * d for x, d in zip(inputs, way, strict=True))) for s in (1, -1)
            ]
            slope = sum(np.tensordot(j, d, np.ndim(d)) for j, d in zip(forward, way, strict=True))
            np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2, atol=1e-11)
    by_w = np.reshape(forward[0], (12, 12))
    np.testing.assert_allclose(by_w, by_w.T, atol=1e-12)
    assert 0 < np.linalg.matrix_rank(by_w) < np.count_nonzero(moved(inputs))  # some are pooled


def test_a_missing_number_stays_one_among_sorted_sizes():
    sizes = jnp.array([3.0, jnp.nan, -2.0])
    moved = jax.jit(prox.slope)(sizes, 1.0, jnp.array([1.0, 0.5, 0.25]))
    np.testing.assert_array_equal(jnp.isnan(moved), [False, True, False])

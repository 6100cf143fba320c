"""What the laws do not say of the catalogue: settings, axes, extremes, refusals, textbook forms."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import (
    box,
    group_lasso,
    huber,
    l0,
    l1,
    l2,
    log_sum,
    max_norm,
    mcp,
    non_negative,
    nuclear,
    orthogonal,
    scad,
    sparse_group_lasso,
    spectral,
)

W = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
PARAMS: Any = {"fc": {"bias": jnp.ones(4), "kernel": jnp.asarray(W)}}
ARRAY: Any = W
TYPO: Any = "cols"
NORMS = [l1, group_lasso(0), group_lasso((-1, -2)), sparse_group_lasso(1, 0.5), nuclear, spectral]
GRADIENTLESS = [l0, non_negative, box(-1.0, 1.0), max_norm(1.0, axis=0)]


# --- settings ---


def test_traced_settings_are_shown_as_such():
    seen = []
    jax.jit(lambda s: seen.append(repr(0.5 * huber(s) + box(0.0, s))))(1.0)
    assert seen == ["0.5 * huber(delta=λ) + box(lower=0.0, upper=λ)"]


@pytest.mark.parametrize("make", [huber, log_sum, mcp, lambda x: scad(1 + x), lambda x: box(-x, x)])
def test_settings_may_be_mapped_over_traced_and_differentiated(make):
    def moved(setting):
        return make(setting).prox(W, 0.4)

    settings = jnp.array([0.3, 1.5])
    batched = jax.jit(jax.vmap(moved))(settings)
    single = [jax.jit(moved)(setting) for setting in settings.tolist()]
    np.testing.assert_allclose(batched, single, atol=1e-6)
    assert np.isfinite(jax.jit(jax.grad(lambda setting: moved(setting).sum()))(0.7))


MISUSE = {
    "group_lasso(params)": (
        lambda: group_lasso(PARAMS),
        TypeError,
        "group_lasso: expected axis, an integer or a tuple of integers, got a dict; "
        "write group_lasso(axis=…)(params)",
    ),
    "group_lasso(array)": (
        lambda: group_lasso(ARRAY),
        TypeError,
        "group_lasso: expected axis, an integer or a tuple of integers, got a ndarray; "
        "write group_lasso(axis=…)(params)",
    ),
    "max_norm(bound, no axis)": (
        lambda: max_norm(1.0, axis=True),
        TypeError,
        "max_norm: expected axis, an integer or a tuple of integers, got a bool; "
        "write max_norm(axis=…)(params)",
    ),
    "huber(params)": (
        lambda: huber(PARAMS),
        TypeError,
        "huber: expected delta, a finite number > 0, got a dict; write huber(delta=…)(params)",
    ),
    "huber(array)(params)": (
        lambda: huber(jnp.ones(3))(PARAMS),
        ValueError,
        "delta: expected a scalar, got an array of shape (3,); "
        "map over it: jax.vmap(lambda delta: …)(values)",
    ),
    "scad(1)": (
        lambda: scad(1),
        ValueError,
        "scad: expected a, a finite number > 1, got 1; write scad(a=…)(params)",
    ),
    "max_norm(-1)": (
        lambda: max_norm(-1.0, axis=0),
        ValueError,
        "max_norm: expected bound, a finite number ≥ 0, got -1.0; write max_norm(bound=…)(params)",
    ),
    "box(2, 1)": (
        lambda: box(2, 1),
        ValueError,
        "box: expected lower ≤ upper, got 2.0 and 1.0; exchange them",
    ),
    "box(nan)": (
        lambda: box(float("nan"), 1),
        ValueError,
        "box: expected lower, a finite number, got nan; write box(lower=…)(params)",
    ),
    "sparse_group_lasso(2)": (
        lambda: sparse_group_lasso(0, 2.0),
        ValueError,
        "sparse_group_lasso: expected l1_ratio between 0 and 1, got 2.0; for free strengths write "
        "a * l1 + b * group_lasso(axis=0)",
    ),
    "orthogonal(params)": (
        lambda: orthogonal(PARAMS),
        TypeError,
        "orthogonal: expected mode, 'rows' or 'columns', got a dict; "
        "write orthogonal(mode='columns')(params)",
    ),
    "orthogonal(cols)": (
        lambda: orthogonal(TYPO),
        ValueError,
        "orthogonal: expected mode, 'rows' or 'columns', got 'cols'; "
        "write orthogonal(mode='columns')(params)",
    ),
    "orthogonal.prox": (
        lambda: orthogonal("rows").prox(W, 0.1),
        NotImplementedError,
        "orthogonal(mode='rows'): expected a penalty whose prox has a closed form, which this has "
        "not; put it into the loss: regularized(loss, strength * orthogonal(mode='rows'))",
    ),
    "strength * constraint": (
        lambda: 1e-4 * (l2 + non_negative),
        TypeError,
        "non_negative: expected no strength, got 0.0001: a constraint is 0 or ∞, and 0·∞ is "
        "undefined; add it as it is: 1e-4 * l2 + non_negative",
    ),
    "an axis that a bias lacks": (
        lambda: group_lasso(1)(PARAMS),
        ValueError,
        "group_lasso(axis=1): expected an array with axis 1, got shape (4,) of float32 at fc/bias; "
        "select the leaves that it is meant for, as in group_lasso(axis=1).on(weights)",
    ),
    "an axis twice": (
        lambda: max_norm(1.0, (0, -2)).prox(W, 1.0),
        ValueError,
        "max_norm(bound=1.0, axis=(0, -2)): expected an array with the axes (0, -2), each once, "
        "got shape (3, 4) of float32 at the array; select the leaves that it is meant for, as in "
        "max_norm(bound=1.0, axis=(0, -2)).on(weights)",
    ),
    "a bias as a matrix": (
        lambda: nuclear.grad(PARAMS),
        ValueError,
        "nuclear: expected a matrix, or a batch of them in the last two axes, got shape (4,) of "
        "float32 at fc/bias; select the leaves that it is meant for, as in nuclear.on(weights)",
    ),
    "complex numbers in order": (
        lambda: non_negative(jnp.ones(2, jnp.complex64)),
        ValueError,
        "non_negative: expected real numbers, got shape (2,) of complex64 at the array; select the "
        "leaves that it is meant for, as in non_negative.on(weights)",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), MISUSE.values(), ids=MISUSE)
def test_misuse_says_what_was_expected_and_what_to_do(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


# --- constraints and l0 ---


@pytest.mark.parametrize("penalty", GRADIENTLESS, ids=repr)
@pytest.mark.parametrize("differentiate", ["loss", "jit", "grad", "jvp"])
def test_what_has_no_useful_gradient_says_so_when_differentiated(penalty, differentiate):
    def objective(w):
        return (w**2).sum() + penalty(w)

    calls = {
        "loss": lambda: jax.value_and_grad(objective)(W),
        "jit": lambda: jax.jit(jax.grad(objective))(W),
        "grad": lambda: (0.1 * l1 + penalty).grad(W),
        "jvp": lambda: jax.jvp(objective, (W,), (W,)),
    }
    message = (
        f"{penalty!r}: expected to be used through its prox, got differentiated; its gradient is "
        f"zero wherever there is one and would do nothing in a loss: take it out of the loss and "
        f"end the optimizer with jaxreg.proximal_step, or jaxreg.project for a constraint, or "
        f"call {penalty!r}.prox(params, step)"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        calls[differentiate]()


@pytest.mark.parametrize("penalty", GRADIENTLESS, ids=repr)
def test_their_value_can_be_computed_under_jit_and_vmap(penalty):
    values = jax.jit(jax.vmap(lambda w: penalty(w)))(jnp.stack([0 * W, 9 * W]))
    assert values[0] == 0
    assert values[1] > 1


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize("reference", [None, 100 * W])
@pytest.mark.parametrize("constraint", [box(-0.1, 0.3), max_norm(0.7, 0)], ids=repr)
def test_a_projected_array_fulfils_its_constraint_in_every_dtype(constraint, reference, dtype):
    w = jnp.asarray(W, dtype)
    if reference is not None:
        constraint, w = constraint.around(jnp.asarray(reference, dtype)), w * 100
    projected = constraint.prox(w, 1.0)
    assert projected.dtype == dtype
    assert constraint(projected) == 0
    assert constraint(projected + 0.1 * projected) == np.inf


def test_constraints_leave_the_gradient_of_a_penalty_with_respect_to_itself_alone():
    penalty = 0.5 * l2 + box(-1.0, 2.0)
    (strength, *others) = jax.tree.leaves(jax.grad(lambda p: p(jnp.ones(3)))(penalty))
    assert strength == 3
    assert not any(others)


# --- at zero, at extreme sizes, with what is not a number ---


@jax.jit
def outcomes(penalty, w, step):
    """The value, the prox and the two gradients."""
    return penalty(w), penalty.prox(w, step), penalty.grad(w), jax.grad(lambda w: penalty(w))(w)


SMOOTHED = [huber(1.0), mcp(1.0), scad(3.0), log_sum(1.0)]


@pytest.mark.parametrize("penalty", [*NORMS, *SMOOTHED], ids=repr)
def test_at_zero_the_value_gradient_and_prox_are_zero(penalty):
    for found in outcomes(penalty, jnp.zeros((3, 4)), 0.5):
        assert not np.any(found)


@pytest.mark.parametrize("penalty", NORMS, ids=repr)
@pytest.mark.parametrize("size", [1e25, 1e-25])
def test_norms_are_homogeneous_at_extreme_sizes(penalty, size):
    value, moved, *gradients = outcomes(penalty, jnp.asarray(W * np.float32(size)), 0.5 * size)
    wanted, shrunk, *directions = outcomes(penalty, jnp.asarray(W), 0.5)
    np.testing.assert_allclose(value / np.float32(size), wanted, rtol=1e-5)
    np.testing.assert_allclose(moved / np.float32(size), shrunk, atol=1e-5)
    np.testing.assert_allclose(gradients, directions, atol=1e-5)


@pytest.mark.parametrize("penalty", [*NORMS, *SMOOTHED], ids=repr)
def test_what_is_not_a_number_shows(penalty):
    value, moved, *gradients = outcomes(penalty, jnp.asarray(W).at[0, 0].set(jnp.nan), 0.5)
    assert all(np.isnan(found) for found in (value, moved[0, 0], *(g[0, 0] for g in gradients)))


@pytest.mark.parametrize("penalty", GRADIENTLESS, ids=repr)
def test_what_is_not_a_number_is_in_no_set(penalty):
    w = jnp.asarray(W).at[0, 0].set(jnp.nan)
    assert np.isnan(penalty(w))
    assert np.isnan(penalty.prox(w, 0.5)[0, 0])


def test_an_infinity_does_not_hang_the_decomposition():
    w = jnp.asarray(W).at[0, 0].set(jnp.inf)
    for found in outcomes(nuclear, w, 0.5):
        assert np.isnan(found).all()


def test_second_derivatives_of_a_group_exist_also_beside_a_group_of_zeros():
    def value(w):
        return group_lasso(0)(w)

    w = jnp.array([[3.0, 0.0], [4.0, 0.0]])
    hessian = jax.jit(jax.hessian(value))(w)
    assert np.isfinite(hessian).all()
    n = np.array([0.6, 0.8])
    np.testing.assert_allclose(hessian[:, 0, :, 0], (np.eye(2) - np.outer(n, n)) / 5, atol=1e-6)


def test_arrays_without_entries_count_nowhere():
    params = {"empty": jnp.zeros((0, 3)), "kernel": jnp.asarray(W)}
    for penalty in (nuclear, spectral, group_lasso(0), orthogonal("columns")):
        value, gradient = jax.jit(lambda w, p=penalty: (p(w), p.grad(w)))(params)
        np.testing.assert_allclose(value, jax.jit(penalty)(W), rtol=1e-6)
        assert gradient["empty"].shape == (0, 3)


# --- axes and matrices ---


def test_groups_of_a_convolution_kernel_and_of_a_stack_of_layers():
    kernel = np.random.default_rng(1).normal(size=(3, 3, 2, 5)).astype(np.float32)
    filters = np.linalg.norm(kernel.reshape(-1, 5), axis=0)
    np.testing.assert_allclose(group_lasso((0, 1, 2))(kernel), filters.sum(), rtol=1e-6)
    stack = np.stack([kernel, 2 * kernel])
    np.testing.assert_allclose(group_lasso((-4, -3, -2))(stack), 3 * filters.sum(), rtol=1e-6)
    moved = group_lasso((0, 1, 2)).prox(kernel, np.sort(filters)[1] + 1e-3)
    assert (np.abs(moved).sum((0, 1, 2)) > 0).sum() == 3


@pytest.mark.parametrize("penalty", [nuclear, spectral, orthogonal("rows")], ids=repr)
def test_a_stack_of_matrices_is_penalised_matrix_by_matrix(penalty):
    stack = np.stack([W, 2 * W, W[::-1]])
    both = jax.jit(lambda w: (penalty(w), penalty.grad(w)))
    value, gradient = both(stack)
    values, gradients = zip(*(both(w) for w in stack), strict=True)
    np.testing.assert_allclose(value, sum(values), rtol=1e-6)
    np.testing.assert_allclose(gradient, np.stack(gradients), atol=1e-5)


def test_orthonormal_rows_are_the_minimum_and_flipping_signs_changes_nothing():
    rows = np.linalg.qr(W.T)[0].T
    assert orthogonal("rows")(rows) < 1e-10
    assert orthogonal("columns")(rows) > 0.9
    parallel = np.stack([rows[0], -rows[0], rows[1]])
    np.testing.assert_allclose(orthogonal("rows")(parallel), 2.0, rtol=1e-5)


@pytest.mark.parametrize("second", [1.0, 1 - 1e-7, 0.999])
def test_the_spectral_norm_converges_however_close_the_next_singular_value_is(second):
    u, _, vh = np.linalg.svd(np.random.default_rng(2).normal(size=(40, 30)), full_matrices=False)
    w = (u * np.linspace(second, 0.5, 30) ** (np.arange(30) > 0)) @ vh
    with jax.enable_x64(True):
        value, gradient = jax.value_and_grad(spectral)(jnp.asarray(w))
    np.testing.assert_allclose(value, 1.0, rtol=1e-13)
    np.testing.assert_allclose((np.asarray(gradient) * w).sum(), 1.0, rtol=1e-13)


# --- the textbook's parametrisations ---


def test_mcp_of_strength_lambda_and_knot_gamma_lambda_is_the_textbooks():
    strength, gamma = 0.4, 3.0
    size = np.abs(W)
    below = strength * size - size**2 / (2 * gamma)
    curve = np.where(size <= gamma * strength, below, gamma * strength**2 / 2)
    ours = strength * mcp(gamma * strength)
    np.testing.assert_allclose(ours(W), curve.sum(), rtol=1e-5)


def test_scad_is_the_textbooks_in_units_of_lambda():
    strength, a = 0.4, 3.7
    size = np.abs(W)
    bent = (2 * a * strength * size - size**2 - strength**2) / (2 * (a - 1))
    flat = strength**2 * (a + 1) / 2
    curve = np.select([size <= strength, size <= a * strength], [strength * size, bent], flat)
    np.testing.assert_allclose(strength**2 * scad(a)(W / strength), curve.sum(), rtol=1e-5)

"""How the auditor runs an optimizer: in NumPy, in which precision, and what of odd ones."""

from __future__ import annotations

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from jaxreg import audit, decoupled_decay, l1, proximal_step
from jaxreg._audit import black_box, shapes
from jaxreg._numbers import in_numpy
from tests.jaxreg.audits import KERNEL, LR, PARAMS, RATE, add_decayed, on_kernel


def many_operations(x, n, flags):
    """What the interpreter does by itself, and something that it leaves to JAX."""
    squares, (last, rows) = x**2, lax.scan(lambda c, r: (c + r, c * r), x[0], x)
    halved = lax.while_loop(lambda y: jnp.max(y) > 0.1, lambda y: y / 2, squares)
    chosen = lax.cond(n[0] > 2, lambda y: y + 1, lambda y: y - 1, x)
    switched = lax.switch(n[1], [jnp.sin, jnp.cos, jnp.tanh], x)
    entries = jnp.log1p(squares), jnp.expm1(x), jnp.cbrt(x), lax.rsqrt(squares), jnp.exp2(x)
    wholes = (
        n // 3,
        n % 3,
        lax.div(n, jnp.full_like(n, 3)),
        lax.rem(n, jnp.full_like(n, 3)),
        n.sum(),
    )
    sums = x.sum(0), x.max(1), x.min(), x.prod(1), flags.any(), flags.all(0), (flags & ~flags).sum()
    batched = jnp.einsum("bij,bjk->bik", x[None], x.T[None]), x @ x.T, jnp.vdot(x, x)
    shapes = (
        jnp.concatenate([x, x]).T,
        jnp.stack([x, x], 1),
        x[1:, ::2],
        jnp.squeeze(x[:, :1]),
        x.astype(jnp.float32),
    )
    others = jnp.sort(x), jnp.clip(x, -0.5, 0.5), jnp.sign(x), jnp.where(flags, x, n[0]), x**-3
    held, shared = lax.stop_gradient(x), lax.optimization_barrier((x, n))
    counted = lax.broadcasted_iota(jnp.int32, x.shape, 1), jnp.arange(3.0)
    keys = jax.random.key_data(jnp.broadcast_to(jax.random.split(jax.random.key(0))[1], 2))
    complexes = jnp.abs(x + 1j), jnp.conj(x + 1j) * 1j, jnp.real(x * 1j)
    return (
        last,
        rows,
        halved,
        chosen,
        switched,
        entries,
        wholes,
        sums,
        batched,
        shapes,
        others,
        held,
        shared,
        counted,
        keys,
        complexes,
    )


def test_numpy_gives_what_jax_does():
    rng = np.random.default_rng(0)
    x, n = rng.standard_normal((3, 4)), np.array([-7, 1, 5], np.int32)
    with black_box.precisely():
        found = in_numpy(many_operations)(x, n, x > 0)
        expected = jax.jit(many_operations)(x, n, x > 0)
    chex.assert_trees_all_close(found, jax.tree.map(np.asarray, expected), rtol=1e-12)
    chex.assert_trees_all_equal_dtypes(found, expected)


def test_shapes_alone_are_enough_and_large_ones_are_cut():
    shapes = {"kernel": jax.ShapeDtypeStruct((30_000, 20_000), jnp.float32)}
    assert audit(optax.adamw(LR), shapes).forms == {"kernel": "decoupled"}
    reference = {"kernel": jnp.ones((200, 2))}  # whose shape cannot be cut
    optimizer = optax.chain(optax.adam(LR), decoupled_decay(RATE, LR, reference=reference))
    assert audit(optimizer, reference).forms == {"kernel": "toward a reference"}


MANY = {  # leaves by their shape: how many numbers are asked for, and of which lengths
    "few": ([(2000, 300)] * 40, {(160, 160)}),
    "many alike": ([(2500, 1000)] * 200 + [(1000,)] * 200, {(160, 160), (64, 64), (160,), (64,)}),
    "many shapes": ([(300 + i, 400) for i in range(60)], {(160, 160), (96, 96)}),
    "hundreds of kernels": ([(3, 3, 512, 512)] * 300, {(3, 3, 160, 160), (3, 3, 16, 16)}),
    "thousands": ([(768, 768)] * 20_000, {(160, 160), (8, 8)}),
}


@pytest.mark.parametrize(("given", "lengths"), MANY.values(), ids=MANY)
def test_shapes_are_cut_until_the_answers_have_room(given, lengths):
    found = shapes.cut(given)
    assert set(found) == lengths
    assert shapes.numbers(found) <= shapes.ROOM or len(given) > 10_000
    assert found[0] == tuple(min(n, 160) for n in given[0])  # the first of a shape stays long


def test_arrays_that_are_too_large_to_be_asked_whole_are_said(monkeypatch):
    monkeypatch.setattr(shapes, "MOST", 300)
    reference = {"kernel": jnp.ones((200, 2))}
    optimizer = optax.chain(optax.adam(LR), decoupled_decay(RATE, LR, reference=reference))
    (leaf,) = audit(optimizer, reference).leaves
    assert leaf.form == "undetermined"
    assert "cut to fewer numbers, and whole they are more than" in leaf.evidence
    assert "audit it on a model of the same leaves with smaller dimensions" in leaf.evidence


def test_many_leaves_are_asked_as_often_as_one(monkeypatch):
    """Each question goes to all of them at once, and once; some leaves give rise to a few more."""
    calls = []
    run = black_box.Optimizer.run
    monkeypatch.setattr(black_box.Optimizer, "run", lambda *a: calls.append(1) or run(*a))
    non_negative = optax.chain(optax.adam(LR), optax.keep_params_nonnegative())
    for optimizer in (optax.adamw(LR, weight_decay=RATE), add_decayed(RATE), non_negative):
        counted = []
        for leaves in (1, 30):
            params = {f"w{i}": jnp.ones((3, 2)) for i in range(leaves)}
            report = audit(optimizer, params, frozen=".")
            assert len(set(report.forms.values())) == 1  # also where one has only positive numbers
            counted.append(len(calls) - sum(counted))
        assert counted[1] <= 1.5 * counted[0]


def computing_in(dtype, optimizer):
    def cast(tree):
        return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)

    return optax.GradientTransformation(
        lambda params: optimizer.init(cast(params)),
        lambda updates, state, params: optimizer.update(cast(updates), state, cast(params)),
    )


def keeping_in(dtype, optimizer):
    """Keeps parameters in ``dtype``, as variables of Keras do: updates are differences of them."""

    def update(updates, state, params):
        updates, state = optimizer.update(updates, state, params)
        ends = jax.tree.map(lambda w, u: (w + u).astype(dtype), params, updates)
        return jax.tree.map(lambda end, w: end.astype(w.dtype) - w, ends, params), state

    return optax.GradientTransformation(optimizer.init, update)


@pytest.mark.parametrize(
    ("optimizer", "forms", "coefficient"),
    [
        (optax.adamw(LR, weight_decay=RATE, mask=KERNEL), ("none", "decoupled"), RATE * LR),
        (
            optax.chain(optax.masked(add_decayed(RATE), KERNEL), optax.sgd(LR)),
            ("none", "coupled = decoupled"),
            RATE,
        ),
        (optax.adam(LR), ("none", "none"), None),
        (optax.chain(optax.adam(LR), optax.keep_params_nonnegative()), ("proximal",) * 2, None),
    ],
)
def test_the_rounding_of_parameters_is_no_decay(optimizer, forms, coefficient):
    report = audit(keeping_in(jnp.float32, optimizer), PARAMS)
    assert tuple(report.forms.values()) == forms, report
    if coefficient is not None:
        np.testing.assert_allclose(on_kernel(report).coefficient, coefficient, rtol=1e-3)


@pytest.mark.parametrize(
    ("optimizer", "form", "coefficient"),
    [
        (optax.adamw(1e-3, weight_decay=1e-4), "decoupled", 1e-7),
        (optax.lion(1e-3, weight_decay=1e-3), "decoupled", 1e-6),
        (optax.chain(add_decayed(1e-4), optax.adam(1e-3)), "coupled", 1e-4),
        (optax.chain(add_decayed(1e-4), optax.sgd(LR)), "coupled = decoupled", 1e-4),
        (optax.chain(add_decayed(1e-4), optax.sgd(LR, momentum=0.9)), "through momentum", 1e-4),
        (optax.chain(optax.adam(LR), proximal_step(RATE * l1, LR)), "proximal", 1e-3),
        (optax.adam(LR), "none", None),
    ],
)
def test_optimizers_that_compute_in_less_precision(optimizer, form, coefficient):
    found = on_kernel(audit(computing_in(jnp.float32, optimizer), PARAMS))
    assert found.form == form, found
    if coefficient is not None:
        np.testing.assert_allclose(found.coefficient, coefficient, rtol=1e-3)


def test_complex_numbers_of_less_precision_are_not_taken_for_bfloat16():
    adamw = computing_in(jnp.complex64, optax.adamw(LR, weight_decay=RATE))
    assert audit(adamw, {"c": jnp.ones((4, 5)) + 1j}).forms == {"c": "decoupled"}


@pytest.mark.parametrize("optimizer", [optax.adamw(LR), optax.lion(LR)], ids=["adamw", "lion"])
def test_bfloat16_inside_is_too_coarse_to_tell(optimizer):
    found = on_kernel(audit(computing_in(jnp.bfloat16, optimizer), PARAMS))
    assert (found.form, found.evidence) == (
        "undetermined",
        "it computes in bfloat16, too coarsely to tell",
    )


def test_accumulation_longer_than_the_steps_asked_for():
    optimizer = optax.MultiSteps(optax.adamw(LR, weight_decay=RATE), 6)
    found = on_kernel(audit(optimizer, PARAMS))
    assert found.form == "undetermined"
    assert "steps=16" in found.evidence
    assert on_kernel(audit(optimizer, PARAMS, steps=16)).form == "decoupled"


def test_optimizers_that_look_at_numbers_and_states_that_grow_are_asked_all_the_same():
    def make(learning_rate):
        if learning_rate <= 0:
            raise ValueError("no")
        return optax.adamw(learning_rate, weight_decay=RATE)

    assert on_kernel(audit(make, PARAMS)).scales_with == "learning rate"

    def update(updates, state, params):  # the state changes its structure: no scan can hold it
        return jax.tree.map(lambda g, w: -LR * (g + RATE * w), updates, params), (*state, 0)

    growing = optax.GradientTransformation(lambda params: (), update)
    assert on_kernel(audit(growing, PARAMS)).form == "coupled = decoupled"

    def eager(updates, state, params):  # looks at the values
        assert float(params["kernel"].sum()) != math.inf
        return jax.tree.map(lambda g, w: -LR * (g + RATE * w), updates, params), state

    looking = optax.GradientTransformation(lambda params: (), eager)
    assert on_kernel(audit(looking, PARAMS)).form == "coupled = decoupled"

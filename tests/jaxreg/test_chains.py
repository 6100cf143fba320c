"""The transformations in chains with any optimizer: what stays as it is, what comes back, and when.

What they compute is in test_transforms, test_decay and test_metric.
"""

from __future__ import annotations

import re
from typing import Any

import chex
import flax.core
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from optax import contrib

import jaxreg
from jaxreg import (
    add_penalty_gradient,
    box,
    decoupled_decay,
    group_lasso,
    l1,
    l2,
    max_norm,
    non_negative,
    project,
    proximal_step,
)
from tests.jaxreg.transforms import TRANSFORMS
from tests.xla import AS_USERS

RNG = np.random.default_rng(0)
PARAMS = {
    "dense": {
        "bias": jnp.asarray(RNG.standard_normal(8), jnp.float32),
        "kernel": jnp.asarray(RNG.standard_normal((16, 8)), jnp.float32),
    }
}
GRADS = jax.tree.map(lambda w: jnp.cos(5 * w), PARAMS)
RATE = optax.linear_schedule(0.1, 0.4, 3)


def run(optimizer, steps=2, params: Any = PARAMS, grads: Any = GRADS, **extra) -> list[Any]:
    """The updates of the first steps, at unchanged parameters and gradients."""
    optimizer = optax.with_extra_args_support(optimizer)
    update = jax.jit(lambda state: optimizer.update(grads, state, params, **extra))
    state, found = jax.jit(optimizer.init)(params), []
    for _ in range(steps):
        updates, state = update(state)
        found.append(updates)
    return found


OPTIMIZERS = {
    "sgd": lambda: optax.sgd(0.1),
    "momentum": lambda: optax.sgd(0.1, momentum=0.9),
    "nesterov": lambda: optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: optax.adam(0.1),
    "adamw": lambda: optax.adamw(0.1, weight_decay=0.1),
    "lamb": lambda: optax.lamb(0.1),
    "lion": lambda: optax.lion(0.1),
    "adafactor": lambda: optax.adafactor(0.1, min_dim_size_to_factor=4),
    "muon": lambda: contrib.muon(0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_after_any_optimizer_the_last_transformation_sees_its_update(name):
    make = OPTIMIZERS[name]
    last = optax.chain(
        make(),
        decoupled_decay(RATE, 0.5, where="kernel"),
        proximal_step(0.3 * l1.on("kernel"), RATE),
        project(box(-1.0, 0.5).on("kernel")),
    )
    w = np.asarray(PARAMS["dense"]["kernel"])
    for t, (plain, updates) in enumerate(zip(run(make()), run(last), strict=True)):
        np.testing.assert_array_equal(updates["dense"]["bias"], plain["dense"]["bias"])
        rate = float(RATE(t))
        decayed = w + plain["dense"]["kernel"] - 0.5 * rate * w
        shrunk = np.sign(decayed) * np.maximum(np.abs(decayed) - 0.3 * rate, 0)
        wanted = np.clip(shrunk, -1.0, 0.5) - w
        np.testing.assert_allclose(updates["dense"]["kernel"], wanted, atol=2e-6)


# --- project ---

CONSTRAINTS = {
    "box": (box(-0.5, 0.25), lambda w: np.clip(w, -0.5, 0.25)),
    "non_negative": (non_negative, lambda w: np.maximum(w, 0)),
    "max_norm": (
        max_norm(1.0, 0),
        lambda w: w * np.minimum(1, 1 / np.sqrt((w**2).sum(0, keepdims=True))),
    ),
    "sum": (
        non_negative + max_norm(1.0, 0),
        lambda w: (
            np.maximum(w, 0)
            * np.minimum(1, 1 / np.sqrt((np.maximum(w, 0) ** 2).sum(0, keepdims=True)))
        ),
    ),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_project_ends_in_the_set_and_leaves_other_leaves_alone(name):
    constraint, projection = CONSTRAINTS[name]
    (updates,) = run(project(constraint.on("kernel")), 1)
    np.testing.assert_array_equal(updates["dense"]["bias"], GRADS["dense"]["bias"])
    moved = optax.apply_updates(PARAMS, updates)["dense"]["kernel"]
    arrived = np.asarray(PARAMS["dense"]["kernel"] + GRADS["dense"]["kernel"])
    np.testing.assert_allclose(moved, projection(arrived), atol=1e-6)
    assert float(constraint(moved)) == 0
    assert float(constraint(arrived)) == np.inf


def test_project_takes_schedules_and_traced_bounds():
    listed = jnp.array([2.0, 0.5])
    kernel = np.asarray(PARAMS["dense"]["kernel"])
    found = run(project(lambda step: box(-listed[step], listed[step]).on("kernel")))
    for updates, bound in zip(found, listed, strict=True):
        moved = kernel + updates["dense"]["kernel"]
        np.testing.assert_allclose(np.abs(moved).max(), bound, rtol=1e-6)

    def first(bound):
        transform = project(max_norm(bound, 0).on("kernel"))
        return transform.update(GRADS, transform.init(PARAMS), PARAMS)[0]["dense"]["kernel"]

    bounds = np.array([0.5, 1.0], np.float32)
    loop = list(map(jax.jit(first), bounds))
    np.testing.assert_allclose(jax.jit(jax.vmap(first))(bounds), loop, rtol=1e-6)


NOT_CONSTRAINTS = {
    "a penalty": (
        lambda: project(0.1 * l1),
        "expected a constraint, which has no strength, got the penalty 0.1 * l1; "
        "write proximal_step(0.1 * l1, learning_rate)",
    ),
    "a sum with a penalty": (
        lambda: project(non_negative + 0.1 * l2),
        "expected a constraint, which has no strength, got the penalty 0.1 * l2; "
        "write proximal_step(non_negative + 0.1 * l2, learning_rate)",
    ),
    "a number": (
        lambda: project(2.0),  # pyright: ignore[reportArgumentType]
        "expected a constraint such as max_norm(bound=2.0, axis=0), got 2.0; "
        "the others are box(lower, upper) and non_negative",
    ),
    "a schedule of penalties": (
        lambda: project(lambda step: 0.5 * l1).init(PARAMS),
        "expected a constraint, which has no strength, got the penalty 0.5 * l1; "
        "write proximal_step(0.5 * l1, learning_rate)",
    ),
}


@pytest.mark.parametrize("name", NOT_CONSTRAINTS)
def test_project_refuses_what_is_no_constraint(name):
    make, message = NOT_CONSTRAINTS[name]
    with pytest.raises(TypeError, match="^" + re.escape(f"project: {message}")):
        make()


# --- what fails, fails before the first step ---

EARLY = {
    "no such leaf": (decoupled_decay(0.1, 0.1, where="kernal"), ValueError, "nearest names"),
    "no such reference": (
        decoupled_decay(0.1, 0.1, reference={"dense": {"bias": jnp.ones(8)}}),
        ValueError,
        "reference: expected a leaf 'dense/kernel'",
    ),
    "no such axis": (proximal_step(group_lasso(1), 0.1), ValueError, "dense/bias"),
    "no joint prox": (proximal_step(l1 + jaxreg.huber(1.0), 0.1), TypeError, "closed form togeth"),
    "no joint projection": (
        project((max_norm(1.0, 0) + box(0.0, 1.0)).on("kernel")),
        TypeError,
        "closed form togeth",
    ),
    "no prox": (
        proximal_step(jaxreg.orthogonal("rows").on("kernel"), 0.1),
        NotImplementedError,
        "orthogonal",
    ),
    "no gradient": (add_penalty_gradient(jaxreg.l0), TypeError, "got differentiated"),
}


@pytest.mark.parametrize("name", EARLY)
def test_what_cannot_work_raises_in_init(name):
    transform, kind, message = EARLY[name]
    with pytest.raises(kind, match=message):
        transform.init(PARAMS)


@pytest.mark.parametrize("row", TRANSFORMS.values(), ids=TRANSFORMS)
def test_updates_that_are_another_tree_name_what_differs(row):
    transform = row.of(0.1)
    state = transform.init(PARAMS)
    kernel, bias = PARAMS["dense"]["kernel"], PARAMS["dense"]["bias"]
    for other, got in (
        ({"dense": {"kernel": kernel}}, "no 'dense/bias'"),
        ({"dense": {"kernel": kernel, "scale": bias}}, "no 'dense/bias' and 'dense/scale'"),
        ({"dense": (bias, kernel)}, "no 'dense/bias', 'dense/kernel' and 'dense/0', 'dense/1'"),
        (flax.core.freeze(PARAMS), "other containers"),
    ):
        message = (
            f"{row.name}: expected updates that are a tree like the parameters, got {got}; call "
            f"optimizer.update(grads, state, params) with the parameters that the gradients "
            f"belong to"
        )
        with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
            transform.update(other, state, PARAMS)


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if "adam" not in name])
def test_none_updates_integers_and_masked_leaves_pass_through(name):
    frozen = {"none": None, "count": jnp.arange(3), "masked": optax.MaskedNode()}
    params = frozen | {"kernel": jnp.array([1.0, -2.0]), "v": jnp.array([1.0])}
    no_gradient = np.zeros(3, jax.dtypes.float0)
    grads = frozen | {"kernel": jnp.array([0.5, 0.5]), "v": None, "count": no_gradient}
    transform = TRANSFORMS[name].of(0.1)
    updates, _ = transform.update(grads, transform.init(params), params)
    assert updates["none"] is None
    assert updates["v"] is None
    assert updates["count"] is no_gradient
    assert updates["masked"] == optax.MaskedNode()
    only, its_grad = {"kernel": params["kernel"]}, {"kernel": grads["kernel"]}
    alone, _ = transform.update(its_grad, transform.init(only), only)
    np.testing.assert_array_equal(updates["kernel"], alone["kernel"])
    assert np.abs(np.asarray(updates["kernel"]) - grads["kernel"]).max() > 0


def test_optax_may_map_over_the_state():
    for row in TRANSFORMS.values():
        transform = row.of(0.1)
        mapped = optax.tree.map_params(transform, lambda w: w + 1, transform.init(PARAMS))
        chex.assert_trees_all_equal_structs(mapped, transform.init(PARAMS))


@pytest.mark.parametrize("dtype", ["bfloat16", "float64", "complex64"])
@pytest.mark.parametrize("name", ["add_penalty_gradient", "decoupled_decay", "proximal_step"])
def test_nothing_is_promoted_by_accident(name, dtype):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        params, grads = (jax.tree.map(lambda w: w.astype(dtype), t) for t in (PARAMS, GRADS))
        for number in (0.1, jnp.float32(0.1), jnp.float64(0.1), RATE):
            transform = {
                "add_penalty_gradient": lambda n=number: add_penalty_gradient(
                    (lambda t: n(t) * l2) if callable(n) else n * l2
                ),
                "decoupled_decay": lambda n=number: decoupled_decay(n, 0.5, reference=PARAMS),
                "proximal_step": lambda n=number: proximal_step(0.1 * l1.around(PARAMS), n),
            }[name]()
            updates, _ = transform.update(grads, transform.init(params), params)
            assert {u.dtype for u in jax.tree.leaves(updates)} == {jnp.dtype(dtype)}


# --- states that travel ---


def test_a_checkpoint_with_numbers_is_restored_into_schedules():
    def chain(number):
        penalty = (lambda step: number(step) * l2) if callable(number) else number * l2
        return optax.chain(
            add_penalty_gradient(penalty),
            optax.trace(0.9),
            decoupled_decay(number, number),
            proximal_step(l1, number),
            project(non_negative.on("kernel")),
        )

    fixed, scheduled = chain(0.1), chain(RATE)
    state = fixed.init(PARAMS)
    for _ in range(2):
        _, state = fixed.update(GRADS, state, PARAMS)
    saved = flax.serialization.to_bytes(state)
    restored = flax.serialization.from_bytes(scheduled.init(PARAMS), saved)
    chex.assert_trees_all_equal(restored, state)
    updates, _ = scheduled.update(GRADS, restored, PARAMS)
    wanted, _ = chain(float(RATE(2))).update(GRADS, state, PARAMS)
    chex.assert_trees_all_close(updates, wanted, rtol=1e-6)


# --- shards ---

MESH = Mesh(np.array(jax.devices()), ("data",))
SHARDS = {
    "dense": {
        "bias": NamedSharding(MESH, PartitionSpec()),
        "kernel": NamedSharding(MESH, PartitionSpec("data")),
    }
}
COLLECTIVE = re.compile(r"\s(all-reduce|all-gather|all-to-all|collective-permute)(-start)?\(")


def test_sharded_updates_after_what_mixes_entries_are_the_unsharded_ones():
    optimizer = optax.chain(contrib.muon(0.1), decoupled_decay(0.1, 0.1))
    sharded, grads = jax.device_put(PARAMS, SHARDS), jax.device_put(GRADS, SHARDS)

    def step(grads, params):
        return optimizer.update(grads, optimizer.init(params), params)[0]

    updates = jax.jit(step, out_shardings=SHARDS)(grads, sharded)
    chex.assert_trees_all_close(updates, step(GRADS, PARAMS), rtol=1e-4, atol=1e-6)
    for u, w in zip(jax.tree.leaves(updates), jax.tree.leaves(sharded), strict=True):
        assert u.sharding.is_equivalent_to(w.sharding, w.ndim)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_no_device_talks_to_another(name):
    optimizer = TRANSFORMS[name].of(0.1)
    sharded = jax.device_put(PARAMS, SHARDS)
    state = optimizer.init(sharded)
    compiled = jax.jit(optimizer.update).lower(sharded, state, sharded).compile(AS_USERS)
    assert not COLLECTIVE.search(compiled.as_text())
    total = jax.jit(lambda p: jnp.sum(p["dense"]["kernel"])).lower(sharded).compile(AS_USERS)
    assert COLLECTIVE.search(total.as_text())  # so it would be seen


# --- where "last in the chain" needs care ---


def bowl(w):
    return jnp.sum(jnp.array([1.0, 0.3, 3.0]) * (w - jnp.array([1.0, -2.0, 0.5])) ** 2)


def schedule_free_ends(inside):
    decay, base = decoupled_decay(0.1, 0.02), optax.sgd(0.02)
    wrap = lambda optimizer: contrib.schedule_free(optimizer, 0.02, b1=0.9)  # noqa: E731
    optimizer = wrap(optax.chain(base, decay)) if inside else optax.chain(wrap(base), decay)

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(bowl)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    start = jnp.array([2.0, 1.0, -1.0])
    (params, state), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=200)
    return contrib.schedule_free_eval_params(state if inside else state[0], params)


def test_in_schedule_free_the_decay_belongs_inside():
    gap = np.abs(schedule_free_ends(True) - schedule_free_ends(False)).max()
    np.testing.assert_allclose(gap, 0.133, atol=0.002)  # the figure in decoupled_decay's docstring


def test_reduce_on_plateau_reduces_only_what_comes_before_it():
    def plateau():
        return contrib.reduce_on_plateau(factor=0.5, patience=1)

    zeros = jax.tree.map(jnp.zeros_like, GRADS)
    decay = decoupled_decay(0.1, 1.0)
    for chain, reduced in (
        (optax.chain(decay, plateau()), True),
        (optax.chain(plateau(), decay), False),
    ):
        last = run(chain, 5, grads=zeros, value=1.0)[-1]  # a loss that no longer falls
        factors = last["dense"]["bias"] / PARAMS["dense"]["bias"]
        np.testing.assert_allclose(factors, -0.1 / 16 if reduced else -0.1, rtol=1e-5)


def test_multi_steps_around_the_chain_decays_once_per_real_step():
    zeros = jax.tree.map(jnp.zeros_like, GRADS)
    decay = decoupled_decay(0.1, 1.0)
    around = optax.MultiSteps(optax.chain(optax.sgd(0.1), decay), 4).gradient_transformation()
    within = optax.chain(
        optax.MultiSteps(optax.sgd(0.1), 4).gradient_transformation(), decoupled_decay(0.1, 1.0)
    )
    w = PARAMS["dense"]["bias"]
    totals = [
        sum(updates["dense"]["bias"] for updates in run(optimizer, 4, grads=zeros))
        for optimizer in (around, within)
    ]
    np.testing.assert_allclose(totals[0], -0.1 * w, rtol=1e-6)
    np.testing.assert_allclose(totals[1], -0.4 * w, rtol=1e-6)


@pytest.mark.parametrize("name", ["decay", "proximal", "non_negative"])
def test_leaves_that_are_set_to_zero_inside_move_unless_a_mask_is_outside(name):
    labels = {"dense": {"bias": "frozen", "kernel": "trained"}}

    def frozen(trained):
        parts = {"frozen": optax.set_to_zero(), "trained": trained}
        return optax.partition(parts, labels)

    inside = optax.chain(frozen(optax.adam(0.1)), TRANSFORMS[name].of(0.1))
    outside = frozen(optax.chain(optax.adam(0.1), TRANSFORMS[name].of(0.1)))
    assert np.abs(run(inside, 1)[0]["dense"]["bias"]).max() > 0.01
    for updates in run(outside):
        np.testing.assert_array_equal(updates["dense"]["bias"], np.zeros(8))
        assert np.abs(updates["dense"]["kernel"]).max() > 0.01


def test_references_are_found_inside_masks():
    reference = jax.tree.map(lambda w: w + 1, PARAMS)
    mask = {"dense": {"bias": False, "kernel": True}}
    forms = {
        -0.5: decoupled_decay(1.0, 0.5, reference=reference),
        -1.0: add_penalty_gradient(0.5 * l2.around(reference)),
        -0.25: proximal_step(l2.around(reference), 1 / 6),
    }
    zeros = jax.tree.map(jnp.zeros_like, GRADS)
    for amount, form in forms.items():
        (updates,) = run(optax.masked(form, mask), 1, grads=zeros)
        wanted = {-0.5: 0.5, -1.0: -1.0, -0.25: 0.25}[amount]
        np.testing.assert_allclose(updates["dense"]["kernel"], wanted, rtol=1e-5)
        np.testing.assert_array_equal(updates["dense"]["bias"], np.zeros(8))

"""Regularization as optax transformations: against optax, closed forms and its wrappers."""

from __future__ import annotations

import re
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxreg
from jaxreg import (
    add_penalty_gradient,
    decoupled_decay,
    l1,
    l2,
    project,
    proximal_step,
    regularized,
    weights,
)
from tests.jaxreg.transforms import SCHEDULED, TRANSFORMS

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((12, 4)), RNG.standard_normal(12)
START = {"dense": {"bias": np.array([0.3, -0.2]), "kernel": RNG.standard_normal((4, 2))}}


def params_in(dtype):
    return jax.tree.map(lambda w: jnp.asarray(w).astype(dtype), START)


def data_loss(params):
    kernel = params["dense"]["kernel"]
    prediction = (X.astype(kernel.dtype) @ kernel + params["dense"]["bias"]).sum(1)
    return jnp.mean((prediction - Y.astype(kernel.dtype)) ** 2) / 2


def train(optimizer, params, steps, loss=data_loss):
    """Parameters and state after ``steps`` updates, compiled once."""

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    run = jax.jit(lambda p: jax.lax.scan(step, (p, optimizer.init(p)), length=steps)[0])
    return run(params)


def assert_close(ours, theirs, rtol):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol), ours, theirs)


def zero_gradient_updates(optimizer, params, steps) -> list[Any]:
    """The updates of successive steps with zero gradients, at the same parameters."""
    state, zeros, found = optimizer.init(params), jax.tree.map(jnp.zeros_like, params), []
    for _ in range(steps):
        updates, state = optimizer.update(zeros, state, params)
        found.append(updates)
    return found


# --- against optax ---


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1.5e-7), ("float64", 1e-15)])
def test_decay_after_adam_is_adamw(dtype, rtol):
    with jax.enable_x64(dtype == "float64"):
        ours = optax.chain(optax.adam(1e-2), decoupled_decay(0.1, 1e-2))
        theirs = optax.adamw(1e-2, weight_decay=0.1)
        params = params_in(dtype)
        # a few steps: each adds the rounding of one addition
        assert_close(train(ours, params, 4)[0], train(theirs, params, 4)[0], 4 * rtol)


def test_decay_with_a_schedule_is_adamw_in_float64_too():
    with jax.enable_x64(True):
        schedule = optax.linear_schedule(0.5, 0.25, 4)  # exact in float32, which it is computed in
        ours = optax.chain(optax.adam(schedule), decoupled_decay(0.1, schedule))
        theirs = optax.adamw(schedule, weight_decay=0.1)
        params = params_in("float64")
        assert_close(train(ours, params, 6)[0], train(theirs, params, 6)[0], 1e-14)


@pytest.mark.parametrize("mask", [None, weights])
def test_the_gradient_of_l2_is_add_decayed_weights_to_the_bit(mask):
    tree_mask = None if mask is None else {"dense": {"bias": False, "kernel": True}}
    ours = optax.chain(add_penalty_gradient(0.0123 * l2.on(mask)), optax.sgd(0.1, momentum=0.9))
    theirs = optax.chain(
        optax.add_decayed_weights(0.0246, mask=tree_mask), optax.sgd(0.1, momentum=0.9)
    )
    params = params_in("float32")
    chex.assert_trees_all_equal(train(ours, params, 5)[0], train(theirs, params, 5)[0])


OPTIMIZERS = {
    "sgd": lambda: optax.sgd(0.1),
    "nesterov": lambda: optax.sgd(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: optax.adam(0.05),
    "rmsprop": lambda: optax.rmsprop(0.01),
    "lion": lambda: optax.lion(0.01, weight_decay=0.0),
    "clipped": lambda: optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_coupled_is_in_the_loss_for_every_optimizer(name):
    penalty = 0.05 * l2.on(weights) + 0.02 * l1
    with jax.enable_x64(True):
        params = params_in("float64")
        coupled = optax.chain(add_penalty_gradient(penalty), OPTIMIZERS[name]())

        def whole(p):
            return regularized(data_loss, penalty)(p)[0]

        inside = train(OPTIMIZERS[name](), params, 8, loss=whole)[0]
        assert_close(train(coupled, params, 8)[0], inside, 1e-13)


def test_coupled_is_decoupled_for_plain_sgd_and_not_for_adam():
    strength, lr = 0.05, 0.1
    with jax.enable_x64(True):
        params = params_in("float64")

        def both(optimizer):
            coupled = optax.chain(add_penalty_gradient(strength * l2), optimizer)
            decoupled = optax.chain(optimizer, decoupled_decay(2 * strength, lr))
            return [train(o, params, 8)[0] for o in (coupled, decoupled)]

        coupled, decoupled = both(optax.sgd(lr))
        assert_close(coupled, decoupled, 1e-14)
        coupled, decoupled = both(optax.adam(lr))
        gap = np.abs(coupled["dense"]["kernel"] - decoupled["dense"]["kernel"]).max()
        assert gap > 1e-2


def test_complex_parameters_are_pulled_towards_zero():
    w = jnp.array([3 + 4j])
    np.testing.assert_allclose(zero_gradient_updates(add_penalty_gradient(0.5 * l2), w, 1)[0], w)


# --- schedules ---

TABLE = jnp.array([0.1, 0.2, 0.4])


def listed(step):
    return TABLE[step]


@pytest.mark.parametrize("name", SCHEDULED)
def test_the_state_has_one_structure_for_numbers_and_schedules(name):
    params, row = params_in("float32"), SCHEDULED[name]
    states = [row.of(number).init(params) for number in (0.1, listed, jnp.array(0.1))]
    chex.assert_trees_all_equal_structs(*states)
    chex.assert_trees_all_equal_shapes_and_dtypes(*states)


# --- inside the wrappers of optax ---


@pytest.mark.parametrize("name", SCHEDULED)
def test_multi_transform_acts_on_its_leaves_alone(name):
    params, transform = params_in("float32"), SCHEDULED[name].of(0.1)
    labels = {"dense": {"bias": "still", "kernel": "moving"}}
    multi = optax.multi_transform({"still": optax.identity(), "moving": transform}, labels)
    updates = zero_gradient_updates(multi, params, 1)[0]["dense"]
    alone = zero_gradient_updates(transform, params, 1)[0]["dense"]
    np.testing.assert_array_equal(updates["bias"], np.zeros(2))
    np.testing.assert_array_equal(updates["kernel"], alone["kernel"])
    if name != "cautious decay":  # of which zero gradients ask nothing
        assert np.abs(updates["kernel"]).max() > 0


def test_inject_hyperparams_takes_the_numbers():
    def make(strength, learning_rate):
        return optax.chain(add_penalty_gradient(strength * l2), optax.sgd(learning_rate))

    params = {"w": jnp.array([1.0, -2.0])}
    optimizer: Any = optax.inject_hyperparams(make)(strength=0.25, learning_rate=0.1)
    state = optimizer.init(params)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, state = optimizer.update(zeros, state, params)
    np.testing.assert_allclose(updates["w"], [-0.05, 0.1], rtol=1e-6)
    state.hyperparams["strength"] = jnp.array(0.5)
    updates, _ = optimizer.update(zeros, state, params)
    np.testing.assert_allclose(updates["w"], [-0.1, 0.2], rtol=1e-6)


def test_inject_hyperparams_takes_where_as_no_schedule():
    make = optax.inject_hyperparams(decoupled_decay, static_args="where")
    params = params_in("float32")
    optimizer = make(rate=listed, learning_rate=0.5, where=weights)
    updates = zero_gradient_updates(optimizer, params, 2)
    for update, rate in zip(updates, TABLE, strict=False):
        np.testing.assert_array_equal(update["dense"]["bias"], np.zeros(2))
        wanted = -0.5 * rate * params["dense"]["kernel"]
        np.testing.assert_allclose(update["dense"]["kernel"], wanted, rtol=1e-6)


# --- which leaves, and towards what ---


def test_pure_decay_multiplies_by_one_minus_each_rate():
    optimizer = optax.chain(optax.set_to_zero(), decoupled_decay(listed, 0.5))
    with jax.enable_x64(True):
        moved, _ = train(optimizer, params_in("float64"), 3)
        factor = np.prod(1 - 0.5 * np.asarray(TABLE, np.float64))
        assert_close(moved, jax.tree.map(lambda w: factor * w, START), 1e-14)


def test_decay_to_a_reference_contracts_the_distance_to_it():
    params = params_in("float32")
    reference = jax.tree.map(lambda w: w + 1, params)
    optimizer = optax.chain(
        optax.set_to_zero(), decoupled_decay(0.5, 0.5, reference=reference, where=weights)
    )
    moved, _ = train(optimizer, params, 2)
    kernel, target = params["dense"]["kernel"], reference["dense"]["kernel"]
    wanted = target + 0.75**2 * (kernel - target)
    np.testing.assert_allclose(moved["dense"]["kernel"], wanted, atol=1e-6)
    np.testing.assert_array_equal(moved["dense"]["bias"], params["dense"]["bias"])


def test_cautious_decay_keeps_the_minimiser_and_plain_decay_does_not():
    minimiser, curvature = np.array([1.0, -2.0, 0.5]), np.array([1.0, 0.5, 2.0])

    def bowl(w):
        return 0.5 * jnp.sum(curvature * (w - minimiser) ** 2)

    def distance(cautious):
        decay = decoupled_decay(0.5, 0.2, cautious=cautious)
        found, _ = train(optax.chain(optax.sgd(0.2), decay), jnp.full(3, 3.0), 400, loss=bowl)
        return np.abs(found - minimiser).max()

    with jax.enable_x64(True):
        assert distance(cautious=True) < 1e-12
        assert distance(cautious=False) > 0.1


def test_cautious_decays_where_the_update_points_to_the_reference_already():
    decay: Any = decoupled_decay(1.0, 0.5, cautious=True)
    w, u = jnp.array([2.0, 2.0, -2.0, 0.0, 2.0]), jnp.array([-1.0, 1.0, 1.0, 1.0, 0.0])
    updates, _ = decay.update(u, decay.init(w), w)
    np.testing.assert_allclose(updates, [-2.0, 1.0, 2.0, 1.0, -1.0])


# --- fixed points are known solutions ---

N = 8
Q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((N, 3)))
DESIGN = np.sqrt(N) * Q  # orthogonal columns: DESIGNᵀ DESIGN = N·I
TARGET = np.random.default_rng(2).standard_normal(N) + DESIGN @ np.array([1.5, 0.2, -0.8])
LEAST_SQUARES = DESIGN.T @ TARGET / N


def mean_square(w):
    return jnp.mean((DESIGN @ w - TARGET) ** 2) / 2


def test_coupled_sgd_ends_at_the_closed_form_of_ridge():
    skewed = DESIGN * np.array([1.0, 2.0, 0.5]) + 0.1

    def loss(w):
        return jnp.mean((skewed @ w - TARGET) ** 2) / 2

    closed = np.linalg.solve(skewed.T @ skewed / N + 2 * 0.1 * np.eye(3), skewed.T @ TARGET / N)
    with jax.enable_x64(True):
        for optimizer in (
            optax.chain(add_penalty_gradient(0.1 * l2), optax.sgd(0.2)),
            optax.chain(optax.sgd(0.2), proximal_step(0.1 * l2, 0.2)),
        ):
            found, _ = train(optimizer, jnp.zeros(3), 600, loss=loss)
            np.testing.assert_allclose(found, closed, atol=1e-12)


def test_proximal_steps_end_at_the_lasso_with_exact_zeros():
    strength = 0.5 * np.abs(LEAST_SQUARES).max()
    closed = np.sign(LEAST_SQUARES) * np.maximum(np.abs(LEAST_SQUARES) - strength, 0)
    assert 0 < np.count_nonzero(closed) < 3
    with jax.enable_x64(True):
        optimizer = optax.chain(optax.sgd(0.5), proximal_step(strength * l1, 0.5))
        found, _ = train(optimizer, jnp.ones(3), 200, loss=mean_square)
        np.testing.assert_allclose(found, closed, atol=1e-14)
        np.testing.assert_array_equal(found == 0, closed == 0)


def test_after_momentum_the_step_is_the_learning_rate_over_one_minus_momentum():
    strength = 0.5 * np.abs(LEAST_SQUARES).max()
    closed = np.sign(LEAST_SQUARES) * np.maximum(np.abs(LEAST_SQUARES) - strength, 0)

    def distance(step):
        optimizer = optax.chain(optax.sgd(0.05, momentum=0.5), proximal_step(strength * l1, step))
        found, _ = train(optimizer, jnp.ones(3), 800, loss=mean_square)
        return np.abs(found - closed).max()

    with jax.enable_x64(True):
        assert distance(0.05 / (1 - 0.5)) < 1e-12
        assert distance(0.05) > 0.1


NUMPY = {"kernel": np.full((2, 3), 2.0), "bias": np.ones(3), "count": np.arange(2)}


@pytest.mark.parametrize(
    "transform",
    [
        add_penalty_gradient(0.1 * l2 + l1.around(NUMPY)),
        decoupled_decay(0.1, lambda t: np.float64(0.1), reference=NUMPY, cautious=True),
        proximal_step(0.1 * l1, np.float64(0.1)),
        project(jaxreg.box(-1, 1)),
        proximal_step(l1, optimizer=optax.adam(0.1), metric="adam"),
    ],
)
def test_numpy_in_float64_is_updated_in_float32_without_a_warning(transform):
    narrow = jax.tree.map(jnp.asarray, NUMPY)
    grads = jax.tree.map(np.zeros_like, NUMPY)
    state = transform.init(NUMPY)
    found, _ = transform.update(grads, state, NUMPY)
    wanted, _ = transform.update(jax.tree.map(jnp.zeros_like, narrow), state, narrow)
    for name in ("kernel", "bias"):
        assert found[name].dtype == jnp.float32
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6)


# --- misuse ---


def text(message):
    return "^" + re.escape(message) + "$"


@pytest.mark.parametrize("row", TRANSFORMS.values(), ids=TRANSFORMS)
def test_missing_params_name_the_call_to_make(row):
    optimizer, params = row.of(0.1), params_in("float32")
    call = "optimizer.update(grads, state, params)"
    message = f"{row.name}: expected the parameters, got None; call {call}"
    with pytest.raises(ValueError, match=text(message)):
        optimizer.update(params, optimizer.init(params))


RECIPE = (
    "give the function 1e-4 * l2, not its value 1e-4 * l2(params); inside "
    "optax.inject_hyperparams inject the numbers: "
    "lambda strength, learning_rate: optax.chain(...strength * l2...)"
)
NO_PENALTY = {
    "a number": (1e-4, "0.0001; write {name}(0.0001 * l2)"),
    "None": (None, f"None; {RECIPE}"),
    "its value": (l2(jnp.ones(2)), f"a float32 array of shape (); {RECIPE}"),
    "parameters": (
        {"w": jnp.ones(2)},
        "a dict of 1 float32 array; write {name}(1e-4 * l2), and give the parameters to init and "
        "update",
    ),
    "an optimizer": (
        optax.adam(1e-3),
        "an optimizer; join them: optax.chain({name}(…), optimizer)",
    ),
    "a factory": (
        jaxreg.group_lasso,
        "the function group_lasso; call it: {name}(1e-4 * group_lasso(axis))",
    ),
    "its class": (type(l2), "the class L2; call it: {name}(1e-4 * L2())"),
    "its gradient": (
        (0.5 * l2).grad,
        "the function grad; give the penalty itself: {name}(0.5 * l2)",
    ),
}


@pytest.mark.parametrize(("wrong", "message"), NO_PENALTY.values(), ids=NO_PENALTY)
def test_what_is_no_penalty_raises_with_what_to_write(wrong, message):
    makers = {
        "add_penalty_gradient": add_penalty_gradient,
        "proximal_step": lambda penalty: proximal_step(penalty, 0.1),
    }
    for name, make in makers.items():
        expected = f"{name}: expected a penalty such as 1e-4 * l2, got {message}"
        with pytest.raises(TypeError, match=text(expected.replace("{name}", name))):
            make(wrong)


STEP = (
    "; write optax.chain(optimizer, proximal_step(penalty, learning_rate)), with the learning rate "
    'of the optimizer, or proximal_step(penalty, optimizer=optax.adam(lr), metric="adam")'
)
RATE = (
    "; write optax.chain(optimizer, decoupled_decay(rate, learning_rate)), with the learning rate "
    "of the optimizer, or 1.0 for decay that does not depend on it"
)
NUMBER = "expected {} to be a number or a schedule, got"
DECAY = "decoupled_decay: expected the arguments (rate, learning_rate, *, where=None, "
WRONG_CALLS = {
    "no learning rate": (
        lambda: decoupled_decay(0.1),
        DECAY + "reference=None, cautious=False), got none for learning_rate; "
        "write decoupled_decay(rate, learning_rate)",
    ),
    "mask=": (
        lambda: decoupled_decay(0.1, 0.1, mask=jaxreg.weights),
        DECAY + "reference=None, cautious=False), got mask=; write where=…",
    ),
    "a third argument": (
        lambda: decoupled_decay(0.1, 0.1, jaxreg.weights),
        DECAY + "reference=None, cautious=False), got 3 without a name; "
        "write decoupled_decay(rate, learning_rate, where=…)",
    ),
    "weight_decay=, lr=": (
        lambda: decoupled_decay(weight_decay=0.1, lr=0.1),
        DECAY + "reference=None, cautious=False), got weight_decay=, lr=; "
        "write rate=…, learning_rate=…",
    ),
    "None": (
        lambda: decoupled_decay(0.1, None),
        f"decoupled_decay: {NUMBER.format('learning_rate')} None{RATE}",
    ),
    "an optimizer": (
        lambda: decoupled_decay(optax.constant_schedule(0.1), optax.adam(1e-3)),
        f"decoupled_decay: {NUMBER.format('learning_rate')} an optimizer{RATE}",
    ),
    "text": (
        lambda: decoupled_decay("0.1", 0.1),
        f"decoupled_decay: {NUMBER.format('rate')} the string '0.1'{RATE}",
    ),
    "an optimizer's factory": (
        lambda: decoupled_decay(0.1, optax.adam).init(jnp.ones(2)),
        "decoupled_decay, learning_rate: expected a number from the schedule, got an optimizer",
    ),
    "the optimizer in the learning rate's place": (
        lambda: proximal_step(l1, optax.adam(1e-3)),
        f"proximal_step: {NUMBER.format('learning_rate')} an optimizer{STEP}",
    ),
    "exchanged": (
        lambda: proximal_step(0.1, 2 * l1),
        "proximal_step: expected a penalty and a learning rate, got them exchanged; "
        "write proximal_step(2.0 * l1, learning_rate)",
    ),
    "no optimizer": (
        lambda: proximal_step(l1, optimizer=0.1, metric="adam"),
        "proximal_step: expected an optimizer for metric='adam', got 0.1; write "
        'proximal_step(penalty, optimizer=optax.adam(lr), metric="adam")',
    ),
    "a constraint not yet made": (
        lambda: project(jaxreg.box),
        "project: expected a constraint, got the function box; call it: project(box(lower, upper))",
    ),
    "a bound": (
        lambda: project(0.1),
        "project: expected a constraint such as max_norm(bound=2.0, axis=0), got 0.1; the others "
        "are box(lower, upper) and non_negative",
    ),
    "a schedule of numbers": (
        lambda: add_penalty_gradient(optax.constant_schedule(0.1)).init(jnp.ones(2)),
        "add_penalty_gradient: expected a schedule step -> penalty, got one that returns 0.1; "
        "write add_penalty_gradient(lambda step: schedule(step) * l2)",
    ),
    "a strength beside": (
        lambda: add_penalty_gradient(l2, 1e-4),
        "add_penalty_gradient: expected the arguments (penalty), got 2 without a name; "
        "write add_penalty_gradient(penalty)",
    ),
}


@pytest.mark.parametrize(("call", "message"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_wrong_call_says_what_to_write(call, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}(\n|$)"):
        call()


@pytest.mark.parametrize("row", TRANSFORMS.values(), ids=TRANSFORMS)
def test_python_numbers_for_parameters_are_refused_and_trees_without_any_are_not(row):
    transform = row.of(0.1)
    message = f"^{row.name}: expected at least one floating-point arr"
    for numbers in ([1.0, 2.0], {"k": 0.5, "n": 2}, 1.0):
        with pytest.raises(ValueError, match=message):
            transform.init(numbers)
    for silent in ({"layer": optax.MaskedNode()}, {"n": jnp.arange(3)}):
        updates, _ = transform.update(silent, transform.init(silent), silent)
        assert jax.tree.structure(updates) == jax.tree.structure(silent)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: decoupled_decay(0.1 * l2, 0.1), "decoupled_decay: expected rate"),
        (lambda: decoupled_decay(0.1, 0.1 * l2), "decoupled_decay: expected learning_rate"),
        (lambda: proximal_step(l1, 0.1 * l2), "proximal_step: expected learning_rate"),
    ],
)
def test_a_penalty_for_a_number_raises(make, argument):
    message = (
        f"{argument} to be a number or a schedule, got the penalty 0.1 * l2; "
        f"for a penalty use add_penalty_gradient or proximal_step"
    )
    with pytest.raises(TypeError, match=text(message)):
        make()

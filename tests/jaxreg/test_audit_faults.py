"""The auditor: what is probably not meant, and what is not called that."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from jaxreg import add_penalty_gradient, audit, decoupled_decay, l1, l2, regularized, weights
from tests.jaxreg.audits import (
    KERNEL,
    LR,
    PARAMS,
    RATE,
    SLOWLY,
    WARM_UP,
    add_decayed,
    warm_up_cosine,
)


class Count(NamedTuple):
    count: Any


def stuck(rate):
    """A scheduled decay that forgets to count."""

    def update(updates, state, params):
        amount = LR * rate(state.count)
        return jax.tree.map(lambda u, w: u - amount * w, updates, params), state

    return optax.GradientTransformation(lambda params: Count(jnp.zeros((), jnp.int32)), update)


HALF = {"bias": jnp.zeros(5, jnp.bfloat16), "kernel": jnp.zeros((4, 5), jnp.bfloat16)}
FAULTS = {
    "decay after the learning rate": (
        optax.chain(optax.adam(LR), add_decayed(RATE)),
        {"grows"},
    ),
    "decay after sgd's learning rate": (
        optax.chain(optax.sgd(LR), add_decayed(RATE)),
        {"grows"},
    ),
    "subtracted in the gradient": (
        optax.chain(add_decayed(-RATE), optax.adam(LR)),
        {"grows", "before the preconditioner"},
    ),
    "negative weight decay": (optax.adamw(LR, weight_decay=-RATE), {"grows"}),
    "right sign, but not scaled": (
        optax.chain(optax.adam(LR), add_decayed(-RATE)),
        {"too large"},
    ),
    "adafactor's rate taken for adamw's": (
        optax.adafactor(LR, weight_decay_rate=RATE),
        {"too large"},
    ),
    "scaled by nothing": (
        lambda lr: optax.chain(optax.adam(lr), add_decayed(-1e-4)),
        {"after the learning rate"},
    ),
    "l2 under adam": (
        optax.chain(add_decayed(RATE), optax.adam(LR)),
        {"before the preconditioner"},
    ),
    "l2 under rmsprop": (
        optax.chain(add_penalty_gradient(RATE * l2), optax.rmsprop(LR)),
        {"before the preconditioner"},
    ),
    "l2 under lion": (
        optax.chain(add_decayed(RATE), optax.lion(LR, weight_decay=0.0)),
        {"before the preconditioner"},
    ),
    "l2 and adamw": (
        optax.chain(add_decayed(RATE), optax.adamw(LR, weight_decay=RATE)),
        {"twice"},
    ),
    "l2 and a little adamw": (
        optax.chain(add_penalty_gradient(1e-4 * l2), optax.adamw(LR, weight_decay=1e-4)),
        {"twice"},
    ),
    "l2 through momentum and decay": (
        optax.chain(add_decayed(RATE), optax.sgd(LR, momentum=0.9), decoupled_decay(RATE, LR)),
        {"twice"},
    ),
    "l2 and decay of rmsprop": (
        optax.chain(add_decayed(RATE), optax.rmsprop(LR), decoupled_decay(RATE, LR)),
        {"twice"},
    ),
    "biases decay": (optax.lion(LR), {"biases and norms"}),
    "frozen inside, decay outside": (
        optax.chain(
            optax.adam(LR),
            optax.masked(optax.set_to_zero(), KERNEL),
            decoupled_decay(RATE, LR),
        ),
        {"frozen", "biases and norms"},
    ),
    "a count that stays 0": (optax.chain(optax.adam(LR), stuck(SLOWLY)), {"stuck schedule"}),
    "warm-up that stays 0": (optax.chain(optax.adam(LR), stuck(WARM_UP)), {"stuck schedule"}),
    "decay during warm-up": (
        optax.chain(optax.adam(WARM_UP), decoupled_decay(RATE, LR)),
        {"off schedule"},
    ),
    "decay at rest": (
        optax.chain(optax.sgd(WARM_UP), decoupled_decay(1e-3, 1.0)),
        {"off schedule"},
    ),
    "a penalty's gradient last": (
        optax.chain(optax.adam(LR), add_penalty_gradient(1e-3 * l2)),
        {"grows"},
    ),
    "l1's gradient last": (
        optax.chain(optax.adam(LR), add_penalty_gradient(1e-3 * l1)),
        {"grows"},
    ),
    "masked without its other half": (optax.masked(optax.adam(LR), {"kernel": False}), {"ascends"}),
    "a lost sign": (optax.chain(optax.scale_by_adam(), optax.scale(LR)), {"ascends"}),
    "decay after a cosine's end": (
        optax.chain(optax.adam(optax.cosine_decay_schedule(LR, 10_000)), decoupled_decay(RATE, LR)),
        {"off schedule"},
    ),
    "too large at the peak": (optax.adamw(warm_up_cosine(0.5), weight_decay=RATE), {"too large"}),
    "forgotten within a step": (
        optax.chain(optax.adam(LR), decoupled_decay(0.5, 1.0)),
        {"too large"},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(name):
    optimizer, expected = FAULTS[name]
    params = PARAMS if "biases and norms" in expected else {"kernel": PARAMS["kernel"]}
    warnings = audit(optimizer, params).warnings
    assert {fault.name for fault in warnings} == expected, warnings
    assert all(str(fault).startswith(f"warning: {fault.name}: ") for fault in warnings)


def test_decay_of_leaves_without_names_is_said():
    report = audit(optax.adamw(LR, weight_decay=RATE), [jnp.ones((4, 5)), jnp.ones(5)])
    (fault,) = report.warnings
    assert (fault.name, fault.leaves) == ("nameless", ("0", "1"))
    assert not audit(optax.adam(LR), [jnp.ones((4, 5)), jnp.ones(5)]).warnings


def test_decay_that_rounds_to_nothing():
    report = audit(optax.adamw(LR, weight_decay=RATE, mask=weights.mask), HALF)
    (fault,) = report.warnings
    assert (fault.name, fault.leaves) == ("rounds away", ("kernel",))
    w = jnp.full(5, 1.5, jnp.bfloat16)
    assert (w - jnp.bfloat16(LR * RATE) * w == w).all()  # and so it does
    assert not audit(optax.adamw(LR, weight_decay=1.0, mask=weights.mask), HALF).warnings


SOUND = {
    "long warm-up": optax.adamw(warm_up_cosine(3e-4)),
    "one step of many": optax.MultiSteps(optax.adamw(LR, weight_decay=RATE), 1),
    "projections now and then": contrib.galore(LR, weight_decay=RATE, update_proj_gap=300),
    "averaged updates": optax.chain(optax.adamw(LR, weight_decay=RATE), optax.ema(0.9)),
}


@pytest.mark.parametrize("name", SOUND)
def test_no_fault_is_seen_where_there_is_none(name):
    assert audit(SOUND[name], {"kernel": PARAMS["kernel"]}).warnings == ()


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (optax.adamw(LR, weight_decay=RATE), "a: is to be frozen, but decays"),
        (optax.masked(optax.adam(LR), {"a": False, "c": True}), "a: .*its raw gradient is added"),
        (optax.adam(LR), "a: is to be frozen, but moves"),
        (
            optax.chain(optax.adam(LR), optax.masked(optax.set_to_zero(), {"a": True, "c": False})),
            "",
        ),
    ],
)
def test_leaves_that_must_not_move(optimizer, message):
    faults = audit(optimizer, {"a": jnp.ones(3), "c": jnp.ones(3)}, frozen="a").warnings
    assert [fault.name for fault in faults] == ["frozen"] * bool(message)
    assert all(fault.leaves == ("a",) and re.match(message, fault.message) for fault in faults)


@pytest.mark.parametrize(("optimizer", "decays"), [(optax.adamw(LR), True), (optax.sgd(LR), False)])
@pytest.mark.parametrize("penalised", [True, False])
def test_a_penalty_in_the_loss_and_decay_in_the_chain(optimizer, decays, penalised):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 4)), rng.integers(0, 5, 16)

    def data_loss(params):
        logits = x @ params["kernel"] + params["bias"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    loss = regularized(data_loss, 3e-3 * l2.on(weights)) if penalised else data_loss
    twice = [f for f in audit(optimizer, PARAMS, loss=loss).warnings if f.name == "twice"]
    assert [fault.leaves for fault in twice] == [("kernel",)] * (penalised and decays)
    assert all("λ = 0.003" in fault.message for fault in twice)

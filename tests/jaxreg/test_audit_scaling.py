"""The auditor: what scales the decay."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import audit, decoupled_decay, l1, l2, proximal_step
from tests.jaxreg.audits import (
    KERNEL,
    LR,
    PARAMS,
    RATE,
    SLOWLY,
    add_decayed,
    on_kernel,
    warm_up_cosine,
)

# What is audited, its form, the coefficient that is read, and what that scales with.
SCALES = {
    "after the learning rate": (
        lambda lr: optax.chain(optax.sgd(lr), add_decayed(-0.001)),
        "decoupled",
        1e-3,
        "nothing",
    ),
    "squared": (
        lambda lr: optax.chain(optax.adam(lr), decoupled_decay(lambda t: lr, lr)),
        "decoupled",
        1.0,
        "learning rate²",
    ),
    "root": (
        lambda lr: optax.chain(optax.adam(lr), decoupled_decay(RATE, lr**0.5)),
        "decoupled",
        RATE,
        "learning rate^0.5",
    ),
    "implicit": (
        lambda lr: optax.chain(optax.adam(lr), proximal_step(l2, lr)),
        "proximal",
        2.0,
        "learning rate",
    ),
    "threshold": (
        lambda lr: optax.chain(optax.adam(lr), proximal_step(RATE * l1, lr)),
        "proximal",
        RATE,
        "learning rate",
    ),
    "scheduled": (
        lambda lr: optax.adamw(optax.linear_schedule(0, lr, 2), weight_decay=3.0),
        "decoupled",
        3.0,
        "learning rate, schedule",
    ),
    "own schedule": (
        lambda lr: optax.chain(optax.adam(lr), decoupled_decay(SLOWLY, lr)),
        "decoupled",
        0.13,
        "learning rate",
    ),
    "warm-up and cosine": (
        lambda lr: optax.adamw(warm_up_cosine(lr), weight_decay=RATE),
        "decoupled",
        RATE,
        "learning rate, schedule",
    ),
    "from a rate of its own": (
        lambda lr: optax.nadamw(
            optax.warmup_cosine_decay_schedule(1e-7, lr, 500, 5000, 1e-5), weight_decay=RATE
        ),
        "decoupled",
        RATE,
        "learning rate, schedule",
    ),
    "warm-up over four steps": (
        lambda lr: optax.adamw(optax.linear_schedule(0, lr, 4), weight_decay=0.01),
        "decoupled",
        0.01,
        "learning rate, schedule",
    ),
    "inverse root": (
        lambda lr: optax.lion(
            lambda t: lr * jnp.minimum((t + 1) / 4000, jnp.sqrt(4000 / (t + 1))), weight_decay=RATE
        ),
        "decoupled",
        RATE,
        "learning rate, schedule",
    ),
    "restarts": (
        lambda lr: optax.adamw(
            optax.sgdr_schedule(
                [
                    {
                        "peak_value": lr * peak,
                        "init_value": 0.0,
                        "decay_steps": n,
                        "warmup_steps": 99,
                    }
                    for peak, n in ((1.0, 1000), (0.5, 2000))
                ]
            ),
            weight_decay=RATE,
        ),
        "decoupled",
        RATE,
        "learning rate, schedule",
    ),
    "falling later": (
        lambda lr: optax.adamw(
            optax.piecewise_constant_schedule(lr, {30_000: 0.1}), weight_decay=RATE
        ),
        "decoupled",
        RATE,
        "learning rate, schedule",
    ),
    "injected": (
        lambda lr: optax.inject_hyperparams(optax.adamw)(warm_up_cosine(lr), weight_decay=RATE),
        "decoupled",
        RATE,
        "learning rate, schedule",
    ),
    "accumulated": (
        lambda lr: optax.MultiSteps(optax.adamw(warm_up_cosine(lr), weight_decay=RATE), 2),
        "decoupled",
        RATE,
        "learning rate, schedule",
    ),
    "threshold, scheduled": (
        lambda lr: optax.chain(
            optax.adam(warm_up_cosine(lr)), proximal_step(RATE * l1, warm_up_cosine(lr))
        ),
        "proximal",
        RATE,
        "learning rate, schedule",
    ),
    "moments in bfloat16, the schedule last": (
        lambda lr: optax.chain(
            optax.scale_by_adam(mu_dtype=jnp.bfloat16),
            optax.scale(lr),
            add_decayed(1e-4, KERNEL),
            optax.scale_by_schedule(warm_up_cosine(-1.0)),
        ),
        "decoupled",
        1e-4,
        "nothing, schedule",
    ),
    "momentum, then a schedule": (
        lambda lr: optax.chain(
            optax.trace(0.9), add_decayed(1e-4), optax.scale_by_schedule(warm_up_cosine(-lr))
        ),
        "decoupled",
        1e-4,
        "learning rate, schedule",
    ),
    "rates injected": (
        lambda lr: optax.inject_hyperparams(optax.adamw)(
            optax.constant_schedule(lr), weight_decay=optax.linear_schedule(RATE, 1.0, 5000)
        ),
        "decoupled",
        RATE * 1.0054,
        "learning rate",
    ),
    "the schedule alone": (
        lambda lr: optax.chain(
            optax.adam(warm_up_cosine(lr)), decoupled_decay(1e-3, warm_up_cosine(1.0))
        ),
        "decoupled",
        1e-3,
        "nothing, schedule",
    ),
    "the schedule alone, beside sgd": (
        lambda lr: optax.chain(
            optax.sgd(warm_up_cosine(lr)), decoupled_decay(1e-3, warm_up_cosine(1.0))
        ),
        "decoupled",
        1e-3,
        "nothing, schedule",
    ),
    "moments in bfloat16": (
        lambda lr: optax.adamw(
            optax.linear_schedule(0, lr, 4), weight_decay=RATE, mu_dtype=jnp.bfloat16
        ),
        "decoupled",
        RATE,
        "learning rate, schedule",
    ),
    "one optimizer, moments in bfloat16": (
        optax.adamw(optax.linear_schedule(0, LR, 4), weight_decay=RATE, mu_dtype=jnp.bfloat16),
        "decoupled",
        RATE * LR,
        "schedule",
    ),
    "one optimizer, falling later": (
        optax.adamw(optax.cosine_decay_schedule(LR, 100_000), weight_decay=RATE),
        "decoupled",
        RATE * LR,
        "schedule",
    ),
    "one optimizer, decay that falls later": (
        optax.chain(
            optax.adam(LR), decoupled_decay(optax.cosine_decay_schedule(RATE, 100_000), LR)
        ),
        "decoupled",
        RATE * LR,
        "its own schedule",
    ),
}


@pytest.mark.parametrize("name", SCALES)
def test_what_scales_the_decay(name):
    make, form, coefficient, scales_with = SCALES[name]
    found = on_kernel(audit(make, PARAMS))
    assert (found.form, found.scales_with) == (form, scales_with), found
    np.testing.assert_allclose(found.coefficient, coefficient, rtol=1e-5)

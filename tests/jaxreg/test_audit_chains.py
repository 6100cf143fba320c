"""The auditor: the form of decay of chains, of which nothing is left to recognise them by."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from jaxreg import (
    add_penalty_gradient,
    audit,
    box,
    decoupled_decay,
    group_lasso,
    l0,
    l1,
    l2,
    max_norm,
    project,
    proximal_step,
)
from tests.jaxreg.audits import (
    KERNEL,
    LR,
    PARAMS,
    RATE,
    WARM_UP,
    add_decayed,
    beside,
    decay_to_init,
    divided_by_gradients,
    in_first_moment_alone,
    on_kernel,
    warm_up_cosine,
    wrapped,
)


def random_like(params, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda w: jnp.asarray(rng.standard_normal(w.shape)), params)


REFERENCE = random_like(PARAMS)


def late(t):
    """Nothing for 1,000 steps, then LR."""
    return jnp.where(t < 1000, 0.0, LR)


CHAINS = {
    "sgd": (optax.sgd(LR), "none", None, ""),
    "adam": (optax.adam(LR), "none", None, ""),
    "lamb without decay": (optax.lamb(LR), "none", None, ""),
    "adaptive clipping": (
        optax.chain(optax.adaptive_grad_clip(0.1), optax.sgd(LR)),
        "none",
        None,
        "",
    ),
    "fromage": (optax.fromage(LR), "decoupled", 1 - (1 + LR**2) ** -0.5, ""),
    "sgd, coupled": (
        optax.chain(add_decayed(RATE), optax.sgd(LR)),
        "coupled = decoupled",
        RATE,
        "one program",
    ),
    "sgd, decoupled": (
        optax.chain(optax.sgd(LR), decoupled_decay(RATE, LR)),
        "coupled = decoupled",
        RATE,
        "one program",
    ),
    "momentum, coupled": (
        optax.chain(add_decayed(RATE), optax.sgd(LR, momentum=0.9)),
        "through momentum",
        RATE,
        "1, 1.9, 2.71, 3.44",
    ),
    "momentum, decoupled": (
        optax.chain(optax.sgd(LR, momentum=0.9), decoupled_decay(RATE, LR)),
        "decoupled",
        RATE * LR,
        "no memory",
    ),
    "in the first moment alone": (
        in_first_moment_alone(RATE),
        "through momentum",
        None,
        "in a buffer, but not as a gradient is",
    ),
    "averaged gradients, decoupled": (
        optax.chain(optax.ema(0.9), optax.sgd(LR), decoupled_decay(RATE, LR)),
        "decoupled",
        RATE * LR,
        "no memory",
    ),
    "clipped, then coupled, then adam": (
        optax.chain(optax.clip_by_global_norm(1.0), add_decayed(RATE), optax.adam(LR)),
        "coupled",
        RATE,
        "degree 0",
    ),
    "l1 in the gradient of adam": (
        optax.chain(add_penalty_gradient(RATE * l1), optax.adam(LR)),
        "coupled",
        None,
        "another penalty",
    ),
    "weak coupling under lion": (
        optax.chain(add_decayed(1e-7), optax.lion(LR, weight_decay=0.0)),
        "coupled",
        1e-7,
        "degree 0",
    ),
    "muon, coupled": (
        optax.chain(add_decayed(RATE), contrib.muon(LR)),
        "coupled",
        RATE,
        "degree 0",
    ),
    "l1 beside the step": (
        optax.chain(optax.adam(LR), beside(lambda w: 1e-3 * jnp.sign(w))),
        "decoupled",
        None,
        "of degree 0",
    ),
    "by entries": (
        optax.chain(optax.adam(LR), beside(lambda w: 1e-3 * w * jnp.arange(1, w.shape[-1] + 1))),
        "decoupled",
        None,
        "c from 0.001 to 0.005 by entries",
    ),
    "by the gradients' size": (
        optax.GradientTransformation(lambda params: (), divided_by_gradients),
        "gradient-relative",
        None,
        "|gradient|^-1",
    ),
    "every other step": (
        optax.chain(optax.adam(LR), decoupled_decay(lambda t: RATE * (t % 2), LR)),
        "decoupled",
        RATE * LR,
        "0, 0.001, 0, 0.001",
    ),
    "on a sphere": (
        optax.chain(optax.adam(LR), beside(lambda w: w - w / jnp.linalg.norm(w))),
        "proximal",
        None,
        "projection",
    ),
    "cautious": (
        optax.chain(optax.adam(LR), decoupled_decay(RATE, LR, cautious=True)),
        "decoupled",
        RATE * LR,
        "cautious",
    ),
    "l1 after adam": (
        optax.chain(optax.adam(LR), proximal_step(RATE * l1, LR)),
        "proximal",
        RATE * LR,
        "become exactly 0",
    ),
    "l0 after adam": (
        optax.chain(optax.adam(LR), proximal_step(1e-4 * l0, LR)),
        "proximal",
        None,
        "hard threshold",
    ),
    "groups after adam": (
        optax.chain(optax.adam(LR), proximal_step(RATE * group_lasso(axis=0).on("kernel"), LR)),
        "proximal",
        None,
        "become exactly 0",
    ),
    "box": (optax.chain(optax.adam(LR), project(box(-0.5, 2.0))), "proximal", None, "projection"),
    "far box": (optax.chain(optax.adam(LR), project(box(-9, 9))), "proximal", None, "projection"),
    "columns bounded": (
        optax.chain(optax.sgd(LR), project(max_norm(1.0, axis=0).on("kernel"))),
        "proximal",
        None,
        "projection",
    ),
    "to a reference": (
        optax.chain(optax.adam(LR), decoupled_decay(RATE, LR, reference=REFERENCE)),
        "toward a reference",
        RATE * LR,
        "decoupled",
    ),
    "to a reference, coupled": (
        optax.chain(add_penalty_gradient(RATE / 2 * l2.around(REFERENCE)), optax.adam(LR)),
        "toward a reference",
        RATE,
        "coupled",
    ),
    "to the start": (
        optax.chain(optax.adam(LR), decay_to_init(1e-3)),
        "toward a reference",
        1e-3,
        "the initial parameters",
    ),
    "gradient-relative": (
        optax.GradientTransformation(
            lambda params: (),
            lambda updates, state, params: (
                jax.tree.map(lambda g, w: -LR * g - LR * jnp.linalg.norm(g) * w, updates, params),
                state,
            ),
        ),
        "gradient-relative",
        None,
        "|gradient|^1",
    ),
    "warm-up": (
        optax.adamw(WARM_UP, weight_decay=RATE),
        "decoupled",
        RATE * LR,
        "0, 0.0005, 0.001, 0.001",
    ),
    "accumulated": (
        optax.MultiSteps(optax.adamw(LR, weight_decay=RATE), 2),
        "decoupled",
        RATE * LR,
        "0, 0.001, 0, 0.001",
    ),
    "injected": (
        optax.inject_hyperparams(optax.adamw)(learning_rate=LR, weight_decay=RATE),
        "decoupled",
        RATE * LR,
        "no memory",
    ),
    "biases spared, clipped, momentum": (
        optax.chain(
            add_decayed(1e-4, KERNEL), optax.clip_by_global_norm(1.0), optax.sgd(0.1, momentum=0.9)
        ),
        "through momentum",
        1e-4,
        "1, 1.9, 2.71, 3.44",
    ),
    "clipped by its own decay": (
        optax.chain(
            add_decayed(0.3, KERNEL), optax.clip_by_global_norm(0.1), optax.sgd(LR, momentum=0.9)
        ),
        "through momentum",
        0.3,
        "1, 1.9, 2.71, 3.44",
    ),
    "biases spared, clipped, adam": (
        optax.chain(add_decayed(1e-4, KERNEL), optax.clip_by_global_norm(1.0), optax.adam(LR)),
        "coupled",
        1e-4,
        "degree 0",
    ),
    "biases spared, if finite": (
        optax.apply_if_finite(optax.adamw(1e-3, weight_decay=RATE, mask=KERNEL), 5),
        "decoupled",
        1e-3 * RATE,
        "no memory",
    ),
    "other leaves otherwise": (
        optax.partition(
            {
                "a": optax.adamw(LR, weight_decay=RATE),
                "b": optax.chain(add_decayed(0.2), optax.sgd(LR, momentum=0.9)),
            },
            {"bias": "b", "kernel": "a"},
        ),
        "decoupled",
        RATE * LR,
        "no memory",
    ),
    "other leaves to the start": (
        optax.chain(
            optax.masked(decay_to_init(1e-3), {"bias": True, "kernel": False}),
            add_decayed(RATE, KERNEL),
            optax.clip_by_global_norm(1.0),
            optax.sgd(LR, momentum=0.9),
        ),
        "through momentum",
        RATE,
        "1, 1.9, 2.71, 3.44",
    ),
    "long warm-up": (
        optax.adamw(warm_up_cosine(3e-4), weight_decay=RATE),
        "decoupled",
        3e-5,
        "up to 3e-05 later",
    ),
    "nothing at first": (
        optax.adamw(late, weight_decay=RATE),
        "decoupled",
        RATE * LR,
        "from step 1000",
    ),
    "no decay at first": (
        optax.chain(optax.adam(LR), decoupled_decay(lambda t: RATE * (t >= 1000), LR)),
        "decoupled",
        RATE * LR,
        "from step 1000",
    ),
    "threshold after a long warm-up": (
        optax.chain(optax.adam(LR), proximal_step(RATE * l1, warm_up_cosine(LR))),
        "proximal",
        None,
        "become exactly 0",
    ),
    "averaged updates": (
        optax.chain(optax.adamw(LR, weight_decay=RATE), optax.ema(0.9)),
        "through momentum",
        RATE * LR,
        "not as a gradient is; without gradients its updates grow as 1, 1, 1, 1",
    ),
    "every fourth": (
        optax.chain(optax.adamw(LR, weight_decay=RATE), optax.apply_every(4)),
        "decoupled",
        4 * RATE * LR,
        "0, 0, 0, 0.004, 0, 0, 0, 0.004",
    ),
    "accumulated momentum": (
        optax.MultiSteps(optax.chain(add_decayed(RATE), optax.sgd(LR, momentum=0.9)), 4),
        "through momentum",
        RATE,
        "0, 0, 0, 1, 0, 0, 0, 1.9",
    ),
    "accumulated, then warmed up": (
        optax.MultiSteps(
            optax.chain(
                optax.clip_by_global_norm(1.0),
                optax.adamw(warm_up_cosine(LR), weight_decay=RATE, mask=KERNEL),
            ),
            4,
        ),
        "decoupled",
        RATE * LR,
        "up to 0.001 later",
    ),
    "after a step aside": (
        contrib.sam(optax.adamw(LR, weight_decay=RATE), optax.sgd(0.05), sync_period=2),
        "undetermined",
        None,
        "keeps parameters of its own",
    ),
    "lookahead": (
        optax.lookahead(optax.adamw(LR, weight_decay=RATE), 3, 0.5),
        "decoupled",
        RATE * LR,
        "0.001, 0.001, 0.0005, 0.001",
    ),
    "noise": (
        optax.chain(optax.adamw(LR), optax.add_noise(0.1, 0.5, 0)),
        "undetermined",
        None,
        "noise",
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_form_of_chains_that_nothing_is_left_to_recognise_by(name):
    optimizer, form, coefficient, evidence = CHAINS[name]
    found = on_kernel(audit(wrapped(optimizer), PARAMS))
    assert found.form == form, found
    assert evidence in found.evidence, found
    if coefficient is not None:
        np.testing.assert_allclose(found.coefficient, coefficient, rtol=1e-6)

"""The auditor: every optimizer of optax that decays weights, wrapped or not, and faulty chains."""

import functools
import inspect
import math
import pathlib
import re
import types
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState
from jax import lax
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
    regularized,
    weights,
)
from jaxreg._audit import black_box, in_numpy
from jaxreg._messages.brief import brief

PARAMS = {"bias": jnp.zeros(5), "kernel": jnp.zeros((4, 5))}
RATE = 0.1
LR = 0.01
# What prodigy and dadapt multiply the learning rate by in the first step: their d of 1e-6 with
# Adam's bias correction.
D_AT_FIRST = 1e-6 * math.sqrt(1 - 0.999) / (1 - 0.9)
add_decayed = optax.add_decayed_weights


def wrapped(optimizer):
    """The same, but for the functions and the class: nothing is left to recognise it by."""
    return optax.GradientTransformation(
        lambda params: optimizer.init(params),
        lambda updates, state, params=None, **more: optimizer.update(
            updates, state, params, **more
        ),
    )


def on_kernel(report):
    return next(leaf for leaf in report.leaves if leaf.name == "kernel")


# Every optimizer of optax that takes a weight decay: what it does to a matrix, the coefficient
# that is read, and what that scales with. The rows of the table in the README.
OPTAX = {
    "adadelta": ("coupled", RATE, "gradient"),
    "adafactor": ("decoupled", RATE, "nothing"),
    "adamaxw": ("decoupled", RATE, "learning rate"),
    "adamw": ("decoupled", RATE, "learning rate"),
    "adan": ("decoupled", RATE, "learning rate"),
    "lamb": ("trust ratio", None, "learning rate"),
    "lars": ("trust ratio", None, "learning rate"),
    "lion": ("decoupled", RATE, "learning rate"),
    "nadamw": ("decoupled", RATE, "learning rate"),
    "novograd": ("through momentum", RATE, "learning rate"),
    "contrib.acprop": ("decoupled", RATE, "learning rate"),
    "contrib.ademamix": ("decoupled", RATE, "learning rate"),
    "contrib.cocob": ("coupled", RATE, "gradient"),
    "contrib.dadapt_adamw": ("decoupled", D_AT_FIRST * RATE, "learning rate"),
    "contrib.dog": ("coupled", RATE, "gradient"),
    "contrib.dowg": ("coupled", RATE, "gradient"),
    "contrib.galore": ("decoupled", RATE, "learning rate"),
    "contrib.madgrad": ("coupled", RATE, "gradient"),
    "contrib.mechanize": ("undetermined", None, ""),
    "contrib.momo": ("proximal", RATE, "learning rate"),
    "contrib.momo_adam": ("proximal", RATE, "learning rate"),
    "contrib.muon": ("decoupled", RATE, "learning rate"),
    "contrib.prodigy": ("decoupled", D_AT_FIRST * RATE, "learning rate"),
    "contrib.schedule_free_adamw": ("undetermined", None, ""),
    "contrib.schedule_free_sgd": ("undetermined", None, ""),
    "contrib.simplified_ademamix": ("decoupled", RATE, "learning rate"),
    "contrib.sophia": ("decoupled", RATE, "learning rate"),
}


def optimizer_of(name, learning_rate):
    module, _, last = name.rpartition(".")
    make = getattr(contrib if module else optax, last)
    if last == "adafactor":
        return make(learning_rate, weight_decay_rate=RATE)
    if last == "cocob":
        return make(weight_decay=RATE)  # it has no learning rate
    if last == "mechanize":
        return make(optax.adam(learning_rate), weight_decay=RATE)
    return make(learning_rate, weight_decay=RATE)


def arguments_of(name):
    objective = lambda params: sum(jnp.sum(w**2) for w in jax.tree.leaves(params))  # noqa: E731
    known = {"contrib.sophia": {"obj_fn": objective}}
    return known.get(name, {"value": 1.0} if "momo" in name else None)


def takes_weight_decay(function):
    if not isinstance(function, types.FunctionType | functools.partial):
        return False
    names = inspect.signature(function).parameters
    return bool({"weight_decay", "weight_decay_rate"} & set(names))


def test_the_table_holds_every_optimizer_that_takes_a_weight_decay():
    found = set()
    for prefix, module in (("", optax), ("contrib.", contrib)):
        functions = inspect.getmembers(module, takes_weight_decay)
        found |= {prefix + name for name, _ in functions if not name.startswith("scale_by_")}
    assert found - {"add_decayed_weights"} == set(OPTAX)


def test_the_table_in_the_readme_is_this_one():
    readme = pathlib.Path(__file__).parents[2] / "README.md"
    rows = [line.split("|")[1:3] for line in readme.read_text("utf-8").splitlines()]
    forms = {form for form, _, _ in OPTAX.values()}
    told = {
        name: row[1].strip()
        for row in rows
        if len(row) == 2 and row[1].strip() in forms
        for name in re.findall(r"`([\w.]+)`", row[0])
    }
    del told["weight_decay_rate"]
    assert told == {name: form for name, (form, _, _) in OPTAX.items()}


@pytest.mark.parametrize("name", OPTAX)
def test_what_the_optimizers_of_optax_do(name):
    form, coefficient, scales_with = OPTAX[name]
    make = functools.partial(optimizer_of, name)
    report = audit(make, PARAMS, update_args=arguments_of(name))
    found = on_kernel(report)
    assert (found.form, found.scales_with) == (form, scales_with), found
    if coefficient is not None:
        np.testing.assert_allclose(found.coefficient, coefficient, rtol=1e-6)
    in_disguise = audit(lambda lr: wrapped(make(lr)), PARAMS, update_args=arguments_of(name))
    assert str(in_disguise) == str(report)


def random_like(params, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda w: jnp.asarray(rng.standard_normal(w.shape)), params)


REFERENCE = random_like(PARAMS)
KERNEL = {"bias": False, "kernel": True}
WARM_UP = optax.linear_schedule(0.0, LR, 2)


def warm_up_cosine(peak):
    return optax.warmup_cosine_decay_schedule(0.0, peak, 10_000, 100_000)


def late(t):
    """Nothing for 1,000 steps, then LR."""
    return jnp.where(t < 1000, 0.0, LR)


SLOWLY = optax.linear_schedule(0.1, 0.2, 10)


class Start(NamedTuple):
    params: Any


def decay_to_init(amount):
    def update(updates, state, params):
        moved = jax.tree.map(lambda u, w, r: u - amount * (w - r), updates, params, state.params)
        return moved, state

    return optax.GradientTransformation(lambda params: Start(params), update)


def beside(amount):
    """w ← w − amount(w), beside the step."""

    def update(updates, state, params):
        return jax.tree.map(lambda u, w: u - amount(w), updates, params), state

    return optax.GradientTransformation(lambda params: (), update)


def divided_by_gradients(updates, state, params):
    """Stable weight decay: more of it where gradients are small."""

    def step(g, w):
        return -LR * jnp.sign(g) - 1e-3 * w / (jnp.sqrt(jnp.mean(g**2)) + 1e-8)

    return jax.tree.map(step, updates, params), state


def in_first_moment_alone(decay):
    """Adam whose decay enters the average of gradients but not that of their squares."""

    def init(params):
        return jax.tree.map(jnp.zeros_like, (params, params))

    def update(updates, state, params):
        m = jax.tree.map(lambda m, g, w: 0.9 * m + 0.1 * (g + decay * w), state[0], updates, params)
        v = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g**2, state[1], updates)
        return jax.tree.map(lambda m, v: -LR * m / (jnp.sqrt(v) + 1e-8), m, v), (m, v)

    return optax.GradientTransformation(init, update)


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


SCALES = {
    "after the learning rate": (lambda lr: optax.chain(optax.sgd(lr), add_decayed(-0.001)), 1e-3),
    "squared": (lambda lr: optax.chain(optax.adam(lr), decoupled_decay(lambda t: lr, lr)), 1.0),
    "root": (lambda lr: optax.chain(optax.adam(lr), decoupled_decay(RATE, lr**0.5)), RATE),
    "implicit": (lambda lr: optax.chain(optax.adam(lr), proximal_step(l2, lr)), 2.0),
    "threshold": (lambda lr: optax.chain(optax.adam(lr), proximal_step(RATE * l1, lr)), RATE),
    "scheduled": (lambda lr: optax.adamw(optax.linear_schedule(0, lr, 2), weight_decay=3.0), 3.0),
    "own schedule": (lambda lr: optax.chain(optax.adam(lr), decoupled_decay(SLOWLY, lr)), 0.13),
    "warm-up and cosine": (lambda lr: optax.adamw(warm_up_cosine(lr), weight_decay=RATE), RATE),
    "from a rate of its own": (
        lambda lr: optax.nadamw(
            optax.warmup_cosine_decay_schedule(1e-7, lr, 500, 5000, 1e-5), weight_decay=RATE
        ),
        RATE,
    ),
    "warm-up over four steps": (
        lambda lr: optax.adamw(optax.linear_schedule(0, lr, 4), weight_decay=0.01),
        0.01,
    ),
    "inverse root": (
        lambda lr: optax.lion(
            lambda t: lr * jnp.minimum((t + 1) / 4000, jnp.sqrt(4000 / (t + 1))), weight_decay=RATE
        ),
        RATE,
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
        RATE,
    ),
    "falling later": (
        lambda lr: optax.adamw(
            optax.piecewise_constant_schedule(lr, {30_000: 0.1}), weight_decay=RATE
        ),
        RATE,
    ),
    "injected": (
        lambda lr: optax.inject_hyperparams(optax.adamw)(warm_up_cosine(lr), weight_decay=RATE),
        RATE,
    ),
    "accumulated": (
        lambda lr: optax.MultiSteps(optax.adamw(warm_up_cosine(lr), weight_decay=RATE), 2),
        RATE,
    ),
    "threshold, scheduled": (
        lambda lr: optax.chain(
            optax.adam(warm_up_cosine(lr)), proximal_step(RATE * l1, warm_up_cosine(lr))
        ),
        RATE,
    ),
    "moments in bfloat16, the schedule last": (
        lambda lr: optax.chain(
            optax.scale_by_adam(mu_dtype=jnp.bfloat16),
            optax.scale(lr),
            add_decayed(1e-4, KERNEL),
            optax.scale_by_schedule(warm_up_cosine(-1.0)),
        ),
        1e-4,
    ),
    "momentum, then a schedule": (
        lambda lr: optax.chain(
            optax.trace(0.9), add_decayed(1e-4), optax.scale_by_schedule(warm_up_cosine(-lr))
        ),
        1e-4,
    ),
    "rates injected": (
        lambda lr: optax.inject_hyperparams(optax.adamw)(
            optax.constant_schedule(lr), weight_decay=optax.linear_schedule(RATE, 1.0, 5000)
        ),
        RATE * 1.0054,
    ),
    "the schedule alone": (
        lambda lr: optax.chain(
            optax.adam(warm_up_cosine(lr)), decoupled_decay(1e-3, warm_up_cosine(1.0))
        ),
        1e-3,
    ),
    "moments in bfloat16": (
        lambda lr: optax.adamw(
            optax.linear_schedule(0, lr, 4), weight_decay=RATE, mu_dtype=jnp.bfloat16
        ),
        RATE,
    ),
    "one optimizer, moments in bfloat16": (
        optax.adamw(optax.linear_schedule(0, LR, 4), weight_decay=RATE, mu_dtype=jnp.bfloat16),
        RATE * LR,
    ),
    "one optimizer, falling later": (
        optax.adamw(optax.cosine_decay_schedule(LR, 100_000), weight_decay=RATE),
        RATE * LR,
    ),
    "one optimizer, decay that falls later": (
        optax.chain(
            optax.adam(LR), decoupled_decay(optax.cosine_decay_schedule(RATE, 100_000), LR)
        ),
        RATE * LR,
    ),
}
EXPECTED_SCALES = {
    "after the learning rate": ("decoupled", "nothing"),
    "squared": ("decoupled", "learning rate²"),
    "root": ("decoupled", "learning rate^0.5"),
    "implicit": ("proximal", "learning rate"),
    "threshold": ("proximal", "learning rate"),
    "scheduled": ("decoupled", "learning rate, schedule"),
    "own schedule": ("decoupled", "learning rate"),
    "warm-up and cosine": ("decoupled", "learning rate, schedule"),
    "from a rate of its own": ("decoupled", "learning rate, schedule"),
    "warm-up over four steps": ("decoupled", "learning rate, schedule"),
    "inverse root": ("decoupled", "learning rate, schedule"),
    "restarts": ("decoupled", "learning rate, schedule"),
    "falling later": ("decoupled", "learning rate, schedule"),
    "injected": ("decoupled", "learning rate, schedule"),
    "accumulated": ("decoupled", "learning rate, schedule"),
    "threshold, scheduled": ("proximal", "learning rate, schedule"),
    "the schedule alone": ("decoupled", "nothing, schedule"),
    "moments in bfloat16, the schedule last": ("decoupled", "nothing, schedule"),
    "momentum, then a schedule": ("decoupled", "learning rate, schedule"),
    "rates injected": ("decoupled", "learning rate"),
    "moments in bfloat16": ("decoupled", "learning rate, schedule"),
    "one optimizer, moments in bfloat16": ("decoupled", "schedule"),
    "one optimizer, falling later": ("decoupled", "schedule"),
    "one optimizer, decay that falls later": ("decoupled", "its own schedule"),
}


@pytest.mark.parametrize("name", SCALES)
def test_what_scales_the_decay(name):
    make, coefficient = SCALES[name]
    found = on_kernel(audit(make, PARAMS))
    assert (found.form, found.scales_with) == EXPECTED_SCALES[name], found
    np.testing.assert_allclose(found.coefficient, coefficient, rtol=1e-5)


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


def test_masks_frameworks_and_odd_leaves():
    def forms(optimizer, params):
        return audit(optimizer, params).forms

    adamw = optax.adamw(LR, weight_decay=RATE)
    assert forms(optax.masked(adamw, KERNEL), PARAMS) == {"bias": "none", "kernel": "decoupled"}
    labels = {"bias": "b", "kernel": "a"}
    by_label = optax.multi_transform({"a": adamw, "b": optax.set_to_zero()}, labels)
    frozen = audit(by_label, PARAMS).leaves[0]
    assert (frozen.form, frozen.evidence) == ("none", "frozen: no gradient moves it")
    state = nnx.state(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
    assert forms(adamw, state) == dict.fromkeys(["bias", "kernel"], "decoupled")
    odd = {"a": jnp.ones((2, 3)), "c": jnp.ones(3) + 1j, "i": jnp.arange(3), "n": None}
    expected = {"a": "decoupled", "c": "decoupled", "s": "decoupled"}
    assert forms(adamw, odd | {"s": jnp.ones(())}) == expected
    assert forms(optax.chain(add_decayed(RATE), optax.adam(LR)), odd)["c"] == "coupled"


def test_lookahead_parameters_are_audited_as_their_fast_copy():
    optimizer = optax.lookahead(optax.adamw(LR, weight_decay=RATE, mask=KERNEL), 5, 0.5)
    report = audit(optimizer, optax.LookaheadParams.init_synced(PARAMS))
    assert report.forms == {"bias": "none", "kernel": "decoupled"}


@pytest.mark.parametrize("name", ["adamw", "adafactor", "lamb", "contrib.muon", "contrib.prodigy"])
def test_nothing_is_compiled(name, monkeypatch):
    def compiled(*_):
        raise AssertionError("asked of JAX")

    monkeypatch.setattr(in_numpy, "_as_jax_does", compiled)
    monkeypatch.setattr(black_box, "_eagerly", compiled)
    make = functools.partial(optimizer_of, name)
    assert on_kernel(audit(make, PARAMS)).form == OPTAX[name][0]


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
    shapes = jnp.concatenate([x, x]).T, x[1:, ::2], jnp.squeeze(x[:, :1]), x.astype(jnp.float32)
    others = jnp.sort(x), jnp.clip(x, -0.5, 0.5), jnp.sign(x), jnp.where(flags, x, n[0]), x**-3
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
        complexes,
    )


def test_numpy_gives_what_jax_does():
    rng = np.random.default_rng(0)
    x, n = rng.standard_normal((3, 4)), np.array([-7, 1, 5], np.int32)
    with black_box.precisely():
        found = in_numpy.in_numpy(many_operations)(x, n, x > 0)
        expected = jax.jit(many_operations)(x, n, x > 0)
    chex.assert_trees_all_close(found, jax.tree.map(np.asarray, expected), rtol=1e-12)
    chex.assert_trees_all_equal_dtypes(found, expected)


def test_shapes_alone_are_enough_and_large_ones_are_cut():
    shapes = {"kernel": jax.ShapeDtypeStruct((30_000, 20_000), jnp.float32)}
    assert audit(optax.adamw(LR), shapes).forms == {"kernel": "decoupled"}
    reference = {"kernel": jnp.ones((200, 2))}  # whose shape cannot be cut
    optimizer = optax.chain(optax.adam(LR), decoupled_decay(RATE, LR, reference=reference))
    assert audit(optimizer, reference).forms == {"kernel": "toward a reference"}


def computing_in(dtype, optimizer):
    def cast(tree):
        return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)

    return optax.GradientTransformation(
        lambda params: optimizer.init(cast(params)),
        lambda updates, state, params: optimizer.update(cast(updates), state, cast(params)),
    )


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


def test_what_cannot_be_asked_is_undetermined_with_the_reason():
    report = audit(contrib.momo(LR), PARAMS)
    assert set(report.forms.values()) == {"undetermined"}
    assert re.search("'value'.*update_args", report.leaves[0].evidence)
    assert (report.decayed, report.warnings) == ((), ())


def test_the_report_prints_as_a_table():
    report = audit(lambda lr: optax.adamw(lr, weight_decay=RATE, mask=weights.mask), PARAMS)
    lines = str(report).splitlines()
    assert lines[0].split() == ["leaf", "form", "coefficient", "scales", "with", "evidence"]
    assert lines[2].startswith("kernel  decoupled  0.1          learning rate  −c·w")
    assert lines[3] == "1 of 2 leaves decay" == lines[-1]
    assert repr(report) == str(report)


def test_what_holds_an_optimizer_is_judged_by_it():
    class Model(nnx.Module):
        def __init__(self):
            self.kernel = nnx.Param(jnp.ones((2, 3)))

    tx = optax.adamw(LR, weight_decay=RATE)
    of_nnx = nnx.Optimizer(Model(), tx, wrt=nnx.Param)
    of_linen = TrainState.create(apply_fn=None, params=PARAMS, tx=tx)
    for holder in (of_nnx, of_linen):
        assert set(audit(holder, PARAMS).forms.values()) == {"decoupled"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: audit(0.1, PARAMS),
            TypeError,
            "audit: expected an optax optimizer, or a function learning_rate -> optimizer, got "
            "0.1; write audit(optax.adamw(1e-3), params)",
        ),
        (
            lambda: audit(PARAMS, optax.sgd(LR)),
            TypeError,
            "audit: expected an optimizer and the parameters, got them exchanged; "
            "write audit(optimizer, params)",
        ),
        (
            lambda: audit(PARAMS, PARAMS),
            TypeError,
            "audit: expected an optax optimizer, or a function learning_rate -> optimizer, got "
            f"{brief(PARAMS)}; write audit(optax.adamw(1e-3), params)",
        ),
        (
            lambda: audit(optax.sgd(LR)),
            TypeError,
            "audit: expected the arguments (optimizer, params, *, learning_rates=None, steps=4, "
            "update_args=None, loss=None, frozen=None), got none for params; "
            "write audit(optimizer, params)",
        ),
        (
            lambda: audit(optax.sgd(LR), PARAMS, learning_rates=(0.1, 0.2)),
            TypeError,
            "audit: expected a function learning_rate -> optimizer beside learning_rates, got an "
            "optimizer; write audit(lambda learning_rate: …, params, learning_rates=…)",
        ),
        (
            lambda: audit(optax.sgd, PARAMS, learning_rates=(0.1,)),
            ValueError,
            "audit: expected two or more different learning_rates > 0, got (0.1,); leave them "
            "out for (0.001, 0.002)",
        ),
        (
            lambda: audit(optax.sgd(LR), PARAMS, steps=1),
            ValueError,
            "audit: expected steps ≥ 2, to see what is kept of step 0, got 1",
        ),
        (
            lambda: audit(optax.sgd(LR), {"n": jnp.arange(3)}),
            ValueError,
            "audit: expected at least one floating-point array among the parameters, got none; "
            "give the parameters that the optimizer updates",
        ),
        (
            lambda: audit(lambda lr: "x", PARAMS),
            TypeError,
            "audit: expected a function learning_rate -> optimizer, got one that returns 'x'; let "
            "it return optax.adamw(learning_rate)",
        ),
        (
            lambda: audit(lambda lr: types.SimpleNamespace(tx=optax.adam(lr)), PARAMS),
            TypeError,
            "audit: expected a function learning_rate -> optimizer, got one that returns "
            "namespace(tx=GradientTransformationExtraArgs(init=<function ; let it return its .tx",
        ),
        (
            lambda: audit(lambda lr: optax.adamw(lr, weight_decay=1 / 0), PARAMS),
            TypeError,
            "audit: expected a function learning_rate -> optimizer, got one that raises "
            "“division by zero” for 0.001; write "
            "audit(lambda learning_rate: optax.adamw(learning_rate), params)",
        ),
    ],
)
def test_errors_say_what_to_do(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()

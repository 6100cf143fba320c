"""Decay in its published variants, against plain recurrences; and where low precision loses it."""

from __future__ import annotations

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import add_penalty_gradient, convert, decoupled_decay, l2
from jaxreg._numbers import rounds_away

STEPS, PEAK, RATE = 12, 0.05, 0.3
MINIMISER, CURVATURE = np.array([1.0, -2.0, 0.5, 3.0]), np.array([1.0, 0.5, 2.0, 0.1])
START = np.array([0.2, 1.5, -0.4, 2.0])


def multiplier(step):
    """s_t: a cosine, in the dtype of the numbers around it."""
    return 0.5 + 0.5 * jnp.cos(jnp.pi * jnp.asarray(step, jnp.float64) / STEPS)


def schedule(step):
    return PEAK * multiplier(step)


def gradient(w):
    return CURVATURE * (w - MINIMISER)


def trained(optimizer, names=("pretrained", "head")):
    """A float64 trajectory's end; the four numbers are two leaves of two."""

    def step(carry, _):
        params, state = carry
        grads = dict(
            zip(
                names,
                jnp.split(gradient(jnp.concatenate([params[n] for n in names])), 2),
                strict=True,
            )
        )
        updates, state = optimizer.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    with jax.enable_x64(True):
        params = dict(zip(names, map(jnp.asarray, np.split(START, 2)), strict=True))
        run = jax.jit(lambda p: jax.lax.scan(step, (p, optimizer.init(p)), length=STEPS)[0][0])
        found = run(params)
        return np.concatenate([found[n] for n in names])


def recurrence(decay, direction=lambda g, memory: g):
    """w ← w − η_t·u − decay(t, w, u), with s_t and η_t = s_t·PEAK, in NumPy."""
    w, memory = START.copy(), {}
    for t in range(STEPS):
        s = 0.5 + 0.5 * np.cos(np.pi * t / STEPS)
        u = direction(gradient(w), memory)
        w = w - PEAK * s * u - decay(s, w, u)
    return w


def adam(g, memory):
    memory["t"] = memory.get("t", 0) + 1
    memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    m, v = memory["m"] / (1 - 0.9 ** memory["t"]), memory["v"] / (1 - 0.999 ** memory["t"])
    return m / (np.sqrt(v) + 1e-8)


NORMALIZED = {"batch_size": 100, "examples": 1000, "epochs": 10}
HEAD = np.array([0, 0, 1, 1])


def l2_sp():
    start = {"pretrained": START[:2], "head": START[2:]}
    return optax.chain(
        decoupled_decay(RATE, schedule, where="pretrained", reference=start),
        decoupled_decay(0.1, schedule, where="head"),
    )


VARIANTS = {
    "as in PyTorch": (
        lambda: decoupled_decay(RATE, schedule),
        lambda s, w, u: PEAK * s * RATE * w,
    ),
    "independent": (
        lambda: decoupled_decay(0.01, multiplier),
        lambda s, w, u: s * 0.01 * w,
    ),
    "normalised": (
        lambda: decoupled_decay(convert.from_normalized_decay(RATE, **NORMALIZED), multiplier),
        lambda s, w, u: s * RATE * np.sqrt(100 / (1000 * 10)) * w,
    ),
    "scheduled rate": (
        lambda: decoupled_decay(lambda step: RATE * (1 - multiplier(step)), schedule),
        lambda s, w, u: PEAK * s * RATE * (1 - s) * w,
    ),
    "corrected": (
        lambda: optax.chain(
            decoupled_decay(RATE, lambda t: schedule(t) ** 2 / PEAK, where="pretrained"),
            decoupled_decay(RATE, schedule, where="head"),
        ),
        lambda s, w, u: np.where(HEAD, PEAK * s, PEAK * s**2) * RATE * w,
    ),
    "to the start": (
        lambda: decoupled_decay(
            RATE, schedule, reference={"pretrained": START[:2], "head": START[2:]}
        ),
        lambda s, w, u: PEAK * s * RATE * (w - START),
    ),
    "L2-SP": (
        l2_sp,
        lambda s, w, u: PEAK * s * np.where(HEAD, 0.1 * w, RATE * (w - START)),
    ),
    "cautious": (
        lambda: decoupled_decay(RATE, schedule, cautious=True),
        lambda s, w, u: PEAK * s * RATE * (u * w >= 0) * w,
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_published_variants_are_their_recurrences(name):
    make, decay = VARIANTS[name]
    with jax.enable_x64(True):
        optimizer = optax.chain(optax.adam(schedule), make())
    np.testing.assert_allclose(trained(optimizer), recurrence(decay, adam), rtol=1e-12)


def test_sgd_of_pytorch_adds_twice_the_strength_times_the_weight_before_momentum():
    """buf ← μ·buf + g + d·w; w ← w − η·buf, with d = 2λ."""

    def momentum(g, memory):
        memory["buffer"] = 0.9 * memory.get("buffer", 0) + g
        return memory["buffer"]

    w, memory = START.copy(), {}
    for _ in range(STEPS):
        w = w - PEAK * momentum(gradient(w) + 2 * 0.1 * w, memory)
    optimizer = optax.chain(add_penalty_gradient(0.1 * l2), optax.sgd(PEAK, momentum=0.9))
    np.testing.assert_allclose(trained(optimizer), w, rtol=1e-12)


MASK = {"pretrained": True, "head": False}


@pytest.mark.parametrize("learning_rate", [PEAK, schedule], ids=["number", "schedule"])
@pytest.mark.parametrize("masked", [False, True])
def test_trajectories_are_those_of_optax(learning_rate, masked):
    where, mask = ("pretrained", MASK) if masked else (None, None)
    decay = decoupled_decay(RATE, learning_rate, where=where)
    pairs = [
        (
            optax.chain(optax.adam(learning_rate), decay),
            optax.adamw(learning_rate, weight_decay=RATE, mask=mask),
        ),
        (
            optax.chain(optax.scale_by_lion(), optax.scale_by_learning_rate(learning_rate), decay),
            optax.lion(learning_rate, weight_decay=RATE, mask=mask),
        ),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(trained(ours), trained(theirs), rtol=1e-13)


# --- rounding ---

NARROW = {jnp.bfloat16: 2.0**-9, jnp.float16: 2.0**-12, jnp.float32: 2.0**-25}


@pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: dtype.__name__)
def test_what_rounds_away_is_what_does(dtype):
    least = NARROW[dtype]
    mantissas = jnp.asarray(np.linspace(1, 2, 4096, endpoint=False)).astype(dtype)
    for factor in (0.5, 1.0, 1.04, 1.3, 1.6, 1.9, 2.0, 3.0):
        for binade in (2.0**-5, 1.0, 4.0):
            w = mantissas * jnp.asarray(binade, dtype)
            decay: optax.GradientTransformation = decoupled_decay(jnp.array(factor * least), 1.0)
            updates, _ = decay.update(jnp.zeros_like(w), decay.init(w), w)
            share = float(jnp.mean(optax.apply_updates(w, updates) == w))
            np.testing.assert_allclose(share, rounds_away(factor * least, dtype), atol=0.025)
    assert rounds_away(least, dtype) == 1.0
    assert rounds_away(2 * least, dtype) == 0.0
    assert rounds_away(0.0, dtype) == 0.0


LAYERS = {
    "a": {"bias": jnp.ones(2), "kernel": jnp.ones((2, 2), jnp.bfloat16)},
    "b": {"kernel": jnp.ones(2, jnp.bfloat16), "other": jnp.ones(2, jnp.bfloat16)},
    "c": {"kernel": jnp.ones(2, jnp.bfloat16), "steps": jnp.arange(3)},
}


def warning(amount, share, names):
    return (
        f"decoupled_decay: expected a decay that survives rounding, got learning_rate·rate = "
        f"{amount}, by which {share} of the values of {names} round back to themselves; keep the "
        f"parameters in float32, as a master copy of the low-precision ones"
    )


ROUNDED = {
    "all of it": (0.1, None, warning("0.001", "100%", "a/kernel, b/kernel, b/other and 1 more")),
    "a part": (0.3, "b/", warning("0.003", "30%", "b/kernel, b/other")),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_a_decay_that_rounds_away_warns_and_names_the_leaves(name):
    rate, where, text = ROUNDED[name]
    decay = decoupled_decay(rate, 0.01, where=where)
    with pytest.warns(UserWarning, match="^" + re.escape(text) + "$"):
        decay.init(LAYERS)
    with pytest.warns(UserWarning, match="^" + re.escape(text) + "$"):
        jax.jit(decay.init)(LAYERS)


def test_only_decays_that_round_away_warn():
    low = jnp.ones(2, jnp.bfloat16)
    silent = [
        (decoupled_decay(0.0, 0.1), low),
        (decoupled_decay(0.4, 0.01), low),
        (decoupled_decay(0.1, 0.01), jnp.ones(2)),
        (decoupled_decay(0.1, 0.01, where="bias"), LAYERS),
        (decoupled_decay(jnp.array(0.1), 0.01), low),
        (decoupled_decay(lambda step: 0.1, 0.01), low),
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        states = [decay.init(params) for decay, params in silent]
    assert len(states) == len(silent)
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf")], ids=repr)
def test_python_numbers_are_validated(wrong):
    for argument, make in (
        ("rate", lambda: decoupled_decay(wrong, 0.1)),
        ("learning_rate", lambda: decoupled_decay(0.1, wrong)),
    ):
        message = f"decoupled_decay, {argument}: expected a finite number ≥ 0, got {wrong!r}"
        with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
            make()

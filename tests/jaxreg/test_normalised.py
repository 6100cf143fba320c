"""Decay of weights under normalisation, whose loss depends on w/‖w‖ alone: it sets their speed.

=========================================  ==========  ==========================================
theorem                                    source      expected
=========================================  ==========  ==========================================
(w, η, λ) → (cw, c²η, λ/c²) under SGD      1706.05350  directions to 1e-13; with cη, λ/c > 1e-2
(w, η, ω) → (cw, cη, ω/c) under AdamW      derived     directions to 1e-13; with c²η, ω/c² > 1e-2
decay is a learning rate growing by ρ⁻²    1910.07454  directions to 1e-13; growing by ρ⁻¹ > 1e-2
norms and angles at equilibrium            2305.17212  4 %, four optimizers
norms without decay grow as t^¼ and t^½    derived     slopes to 0.03
decay × η_t²/η_max keeps gradients level   2506.02285  late/early 1.00; × η_t 2.0; constant 20
=========================================  ==========  ==========================================
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import decoupled_decay, diagnostics
from tests.jaxreg.trajectories import (
    CURVATURE,
    MOST,
    NOISE,
    SIZE,
    Run,
    cosine,
    coupled,
    decayed,
    gap,
    train,
)

RNG = np.random.default_rng(1)
SPHERE_START = RNG.standard_normal(SIZE)


def on_sphere(w, t):
    def loss(w):
        u = w / jnp.sqrt(jnp.sum(w * w))
        return u @ jnp.asarray(CURVATURE) @ u / 2 + jnp.asarray(NOISE)[t] @ u

    return jax.grad(loss)(w)


def direction(path):
    return path / np.linalg.norm(path, axis=1, keepdims=True)


@pytest.mark.parametrize(("power", "name"), [(2, "sgd"), (1, "adamw")])
def test_larger_weights_are_a_smaller_learning_rate_and_a_larger_decay(power: int, name: str):
    """And the other's power of c is wrong."""
    c, lr, rate = 3.0, 0.1, 0.05

    def make(lr, rate):
        if name == "sgd":
            return coupled(optax.sgd(lr), rate / 2)
        return decayed(optax.adam(lr, eps=0.0), rate, lr)

    small, large, wrong = train(
        300,
        Run(make(lr, rate), on_sphere, SPHERE_START),
        *(
            Run(make(lr * c**p, rate / c**p), on_sphere, c * SPHERE_START)
            for p in (power, 3 - power)
        ),
    )
    assert gap(direction(small), direction(large)) < 1e-13
    np.testing.assert_allclose(large, c * small, rtol=1e-10)
    assert gap(direction(small), direction(wrong)) > 1e-2


def test_decay_is_an_exponentially_growing_learning_rate():
    lr, strength = 0.1, 0.05
    rho = 1 - 2 * lr * strength
    decay, growing, slower = train(
        MOST,
        Run(coupled(optax.sgd(lr), strength), on_sphere, SPHERE_START),
        Run(optax.sgd(lambda t: lr * rho ** -(2.0 * t + 1)), on_sphere, SPHERE_START),
        Run(optax.sgd(lambda t: lr * rho ** -(1.0 * t + 1)), on_sphere, SPHERE_START),
    )
    assert gap(direction(decay), direction(growing)) < 1e-13
    assert gap(direction(decay), direction(slower)) > 1e-2
    norms = np.linalg.norm(growing, axis=1) * rho ** np.arange(MOST + 1)
    np.testing.assert_allclose(norms, np.linalg.norm(decay, axis=1), rtol=1e-12)


WIDE, LONG = 200, 4000
G = np.sqrt(WIDE - 1)
WIDE_NOISE = RNG.standard_normal((LONG, WIDE))
WIDE_START = direction(RNG.standard_normal((1, WIDE)))[0]


def pure_noise(w, t):
    """Orthogonal to w and of size G/‖w‖: what batches leave of a normalised layer's gradient."""
    noise, square = jnp.asarray(WIDE_NOISE)[t], jnp.sum(w * w)
    return (noise - w * (w @ noise) / square) / jnp.sqrt(square)


B1, B2 = 0.9, 0.99
LR, DECAY = 0.1, 0.05  # per unit of the learning rate: 2λ
SLOWER = np.sqrt((1 - B1) / (1 + B1))
ADAM = optax.adam(LR, B1, B2, eps=0.0)
EQUILIBRIA: dict[str, tuple[Any, float, float]] = {  # an optimizer, its norm and its angle a step
    "sgd": (
        coupled(optax.sgd(LR), DECAY / 2),
        (LR * G**2 / (2 * DECAY)) ** (1 / 4),
        np.sqrt(2 * LR * DECAY),
    ),
    "momentum": (
        coupled(optax.sgd(LR / 5, 0.8), DECAY / 2),
        (LR / 5 * G**2 / (2 * DECAY * 0.2)) ** (1 / 4),
        np.sqrt(2 * LR / 5 * DECAY / 1.8),
    ),
    "adamw": (
        decayed(ADAM, DECAY, LR),
        np.sqrt(LR * WIDE / (2 * DECAY)),
        np.sqrt(2 * LR * DECAY) * SLOWER,
    ),
    "adam with l2": (
        coupled(ADAM, DECAY / 8),
        (LR * np.sqrt(WIDE) * G / (2 * DECAY / 4)) ** (1 / 3),
        SLOWER * (2 * LR**2 * DECAY / 4 * WIDE / G) ** (1 / 3),
    ),
}


angles = jax.jit(lambda *paths: diagnostics.angular_update(*paths, axis=1)[""])


def test_norms_and_angles_at_equilibrium():
    runs = [Run(o, pure_noise, 0.8 * norm * WIDE_START) for o, norm, _ in EQUILIBRIA.values()]
    for (name, (_, norm, angle)), path in zip(EQUILIBRIA.items(), train(LONG, *runs), strict=True):
        late = path[1000:]
        turns = np.asarray(angles(late[1:], late[:-1]), np.float64)
        np.testing.assert_allclose(
            [np.linalg.norm(late, axis=1).mean(), np.sqrt(np.mean(turns**2))],
            [norm, angle],
            rtol=0.04,
            err_msg=name,
        )


def test_norms_grow_as_roots_of_time_without_decay():
    t = np.arange(1000, LONG)
    optimizers = optax.sgd(LR), optax.adam(LR, B1, 0.95, eps=0.0)  # its average lags 20 steps
    sgd, adam = train(LONG, *(Run(optimizer, pure_noise, WIDE_START) for optimizer in optimizers))
    for path, root, coefficient in ((sgd, 4, 2 * LR**2 * G**2), (adam, 2, LR**2 * WIDE)):
        norms = np.linalg.norm(path[t], axis=1)
        slope = np.polyfit(np.log(t), np.log(norms), 1)[0]
        assert abs(slope - 1 / root) < 0.03
        assert np.mean(norms**root / t) == pytest.approx(coefficient, rel=0.1)


def test_decay_under_a_schedule_keeps_gradients_level_only_if_it_is_corrected():
    """Defazio 2025 (arXiv:2506.02285): late over early gradient norm, ‖g‖ = G/‖w‖."""
    lr, rate = 0.1, 0.2
    schedule, multiplier = cosine(LONG, lr), cosine(LONG)
    forms = {
        "times η_t": decoupled_decay(rate, schedule),
        "times η_t²/η_max": decoupled_decay(lambda t: rate * multiplier(t), schedule),
        "constant": decoupled_decay(lr * rate, 1.0),
    }
    start = WIDE_START * (lr * G**2 / (2 * rate)) ** (1 / 4)
    runs = [Run(optax.chain(optax.sgd(schedule), f), pure_noise, start) for f in forms.values()]
    ratios = {}
    for name, path in zip(forms, train(LONG, *runs), strict=True):
        gradients = G / np.linalg.norm(path, axis=1)
        late, early = gradients[LONG * 95 // 100 : LONG * 99 // 100], gradients[LONG // 5 : 1200]
        ratios[name] = late.mean() / early.mean()
    assert ratios["times η_t²/η_max"] == pytest.approx(1.0, abs=0.05)
    assert 1.3 < ratios["times η_t"] < 3
    assert ratios["constant"] > 5

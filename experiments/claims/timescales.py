"""How long decay takes, and when in a training it matters: 1/(ηλ) steps, and early."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.claims.claim import Claim, Measured, Paper, Part, Settings
from experiments.claims.normalisation import share_of_gain
from experiments.claims.trainings import Course, Point, setup_of, validated
from experiments.optimizers import half_cosine
from experiments.paired.setup import Setup
from jaxreg import add_penalty_gradient, decoupled_decay, l2, weights

# --- AdamW's time scale ---

SIZES, EPOCHS, BATCH = (1000, 2000, 4000, 8000), 10, 50
PEAK = 4e-3
DECAYS = [0.2 * 2.0**k for k in range(9)]
NEAR_BEST = 0.15
"""How far above the least log loss the parabola reaches."""


def best_decay(losses: np.ndarray) -> float:
    """log of the best decay: the vertex of a parabola through the log losses near the least.

    NaN if it opens downwards, or lies outside the decays that were tried.
    """
    near = losses <= losses.min() + NEAR_BEST
    if near.sum() < 3:
        return np.nan
    bend, slope, _ = np.polyfit(np.log(DECAYS)[near], losses[near], 2)
    vertex = -slope / (2 * bend) if bend > 0 else np.nan
    return vertex if np.log(DECAYS[0]) <= vertex <= np.log(DECAYS[-1]) else np.nan


def slope_of_best(losses: np.ndarray) -> float | None:
    """d log(best decay) / d log n, of log validation losses [seeds, n, decays]."""
    best = np.array([best_decay(row) for row in losses.mean(0)])
    return float(np.polyfit(np.log(SIZES), best, 1)[0]) if np.isfinite(best).all() else None


def _adamw(steps: int) -> Any:
    schedule = half_cosine(steps, PEAK)
    return lambda point: optax.chain(
        optax.adam(schedule), decoupled_decay(point["decay"], schedule)
    )


def _by_decay(settings: Settings, examples: int, steps: int) -> np.ndarray:
    """Log validation losses [seeds, decays]."""
    setup = setup_of("invariant", steps, examples, batch_size=BATCH)
    found = Course(setup, _adamw(steps)).run(settings, {"decay": DECAYS})
    return np.log(found["validation_loss"][..., -1])


def _time_scale(settings: Settings) -> Measured:
    rows = [_by_decay(settings, size, EPOCHS * size // BATCH) for size in SIZES]
    return {"slope": np.stack(rows, axis=1)}


TIME_SCALE = Claim(
    "adamw-time-scale",
    "AdamW averages its updates over 1/(ηλ) steps, and the best such time is a fixed number of "
    "epochs: at fixed η the best λ falls as 1/n with the size n of the data set.",
    (Paper("Wang & Aitchison", 2025, "2405.13698"),),
    "d log(best decay) / d log n at a fixed number of epochs; the best is the vertex of a parabola "
    "through the log validation losses within 0.15 of the least.",
    "Scale-invariant BatchNorm MLP 196-64-64-10, 1,000 to 8,000 digits, 10 epochs of batches of "
    "50, AdamW, cosine from 0.004.",
    (Part("slope", -1.4, -0.6, slope_of_best),),
    _time_scale,
    axes={"digits": SIZES, "decay": DECAYS},
    examples=SIZES[-1],
    seconds=12,
)

# --- steps to the best test accuracy ---

TIMED_STEPS, LOOKS, SCALE, NEAR, RATE = 20_000, 400, 4.0, 0.005, 0.1
TIMED = setup_of("mlp", TIMED_STEPS, examples=512)
STRENGTHS = [1e-3 * 2.0**k for k in range(5)]


def _scaled(params: Any, point: Point) -> Any:
    del point
    return jax.tree.map(lambda w: SCALE * w, params)


def _sgd_l2(point: Point) -> optax.GradientTransformation:
    return optax.chain(add_penalty_gradient(point["λ"] * l2), optax.sgd(RATE))


def log_times(errors: np.ndarray) -> np.ndarray:
    """log of the looks until the error is within `NEAR` of its least, of [seeds, cases, looks]."""
    near = errors <= errors.min(-1, keepdims=True) + NEAR
    return np.log(np.argmax(near, -1) + 1)


def slope_of_times(errors: np.ndarray) -> float:
    """d log(steps to the best) / d log λ, by least squares, of errors [seeds, λ, looks]."""
    return float(np.polyfit(np.log(STRENGTHS), log_times(errors).mean(0), 1)[0])


def _steps_to_best(settings: Settings) -> Measured:
    course = Course(TIMED, _sgd_l2, validated, stretches=LOOKS, start=_scaled, widths=(64, 64))
    return {"slope": course.run(settings, {"λ": STRENGTHS})["error"]}


STEPS_TO_BEST = Claim(
    "steps-to-best",
    "An over-parameterised network with L2 needs a number of steps ∝ 1/λ to its best test "
    "accuracy.",
    (Paper("Lewkowycz & Gur-Ari", 2020, "2006.08643"),),
    "d log(steps) / d log λ, steps until the validation accuracy is within half a point of its "
    "best.",
    "MLP 196-64-64-10 without normalisation, initial weights × 4, so that it begins as the very "
    "wide networks do whose theory the paper gives; 512 digits, SGD at 0.1, 20,000 steps; λ 0.001 "
    "to 0.016 (D from 4 to 64).",
    (Part("slope", -1.15, -0.85, slope_of_times),),
    _steps_to_best,
    axes={"λ": STRENGTHS, "looks": f"{LOOKS}, equally spaced over {TIMED_STEPS} steps"},
    seconds=32,
)

# --- when decay matters ---

STEPS = 2000
LATE_PEAK, LATE_DECAY = 0.2, 0.1
CONVEX_RATE, CONVEX_DECAY = 0.5, 0.016
CASES = {"from": [0, 0, 0, 0.5], "to": [0, 1, 0.5, 1]}  # none, always, early, late


def _falling(step: Any) -> Any:
    """The learning rate falls exponentially, by a factor of 100, as in the paper."""
    return LATE_PEAK * jnp.exp(-np.log(100.0) * step / STEPS)


def _timed_decay(learning_rate: Any, decay: float, point: Point) -> optax.GradientTransformation:
    def rate(step: Any) -> Any:
        share = step / STEPS
        return jnp.where((share >= point["from"]) & (share < point["to"]), decay, 0.0)

    return optax.chain(
        optax.sgd(learning_rate), decoupled_decay(rate, learning_rate, where=weights)
    )


def _errors(settings: Settings, setup: Setup, learning_rate: Any, decay: float) -> np.ndarray:
    optimizer = functools.partial(_timed_decay, learning_rate, decay)
    return Course(setup, optimizer).run(settings, CASES)["test_error"][..., -1]


def _early(settings: Settings) -> Measured:
    network = _errors(settings, setup_of("batchnorm", STEPS), _falling, LATE_DECAY)
    convex = setup_of("softmax", STEPS, 300, label_noise=0.4, batch_size=300)
    flat = _errors(settings, convex, lambda step: CONVEX_RATE, CONVEX_DECAY)
    return {
        "early alone": network[:, [0, 1, 2]],
        "late alone": network[:, [0, 1, 3]],
        "late alone, convex": flat[:, [0, 1, 3]],
    }


EARLY = Claim(
    "decay-matters-early",
    "Decay matters in the first part of a training: stopped then, it keeps its gain; begun then, "
    "it has none. A convex problem forgets: there it may come late.",
    (Paper("Golatkar, Achille & Soatto", 2019, "1905.13277"),),
    "Share of decay's gain in test error that is kept by decay in the first half alone, or in the "
    "second.",
    "BatchNorm MLP 196-64-64-10, 2,000 digits, SGD, learning rate from 0.2 falling exponentially "
    "to 0.002, 2,000 steps, decay 0.1 times it; softmax regression, 300 digits of which 40 % are "
    "mislabelled, full batch, constant rate.",
    (
        Part("early alone", low=0.8, statistic=share_of_gain),
        Part("late alone", high=0.2, statistic=share_of_gain),
        Part("late alone, convex", low=0.95, statistic=share_of_gain),
    ),
    _early,
    axes={"error": ["without decay", "always", "this"]},
    seconds=6,
    quick=True,
)

CLAIMS = (TIME_SCALE, STEPS_TO_BEST, EARLY)

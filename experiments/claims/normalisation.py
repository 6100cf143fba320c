"""Weights under normalisation: decay sets their norm, and with it how fast they turn."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from experiments import optimizers, training
from experiments.claims.claim import Claim, Measured, Paper, Part, Settings
from experiments.claims.trainings import Course, Point, nothing, setup_of
from jaxreg import decoupled_decay, grid

HIDDEN, OUTPUT = "^fc./kernel$", "^output/kernel$"
NORMALISED = ("fc1", "fc2")


def share_of_gain(errors: np.ndarray) -> float:
    """(e₀ − e₂)/(e₀ − e₁) of mean errors [seeds, 3]: without, with the whole, with a part."""
    without, whole, part = errors.mean(0)
    return float((without - part) / (without - whole))


# --- L2 is an effective learning rate ---

STEPS, PEAK, RATE = 2000, 0.1, 0.1
SETUP = setup_of("batchnorm", STEPS)
SCHEDULE = optimizers.half_cosine(STEPS, PEAK)


def _decayed(point: Point) -> optax.GradientTransformation:
    decays = (
        decoupled_decay(point[name], SCHEDULE, where=where)
        for name, where in (("hidden", HIDDEN), ("output", OUTPUT))
    )
    return optax.chain(optax.sgd(SCHEDULE), *decays)


def _squares(params: Any) -> Any:
    """‖w‖² of each normalised unit [layers, units]."""
    return jnp.stack([jnp.sum(params[name]["kernel"] ** 2, 0) for name in NORMALISED])


def _squares_after(before: training.State, after: training.State) -> dict[str, Any]:
    del before
    return {"squares": _squares(after.params)}


def _matched(point: Point) -> optax.GradientTransformation:
    """SGD without decay whose units turn as if they had the norms of a decayed training.

    η_t ← η_t·‖w‖²/‖w'_t‖² for each unit, w' that of the other training. Afterwards each unit is
    set back to its first norm, which the network does not see: else the norms would overflow.
    """

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        factors = _squares(params) / point["squares"][state]
        moved = {
            name: {"kernel": _turned(params[name]["kernel"], factor * updates[name]["kernel"])}
            for name, factor in zip(NORMALISED, factors, strict=True)
        }
        return {**updates, **moved}, state + 1

    own = optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)
    return optax.chain(optax.sgd(SCHEDULE), own)


def _turned(w: Any, update: Any) -> Any:
    """The update that turns each unit as ``update`` does, and leaves its norm."""
    moved = w + update
    return moved * (jnp.linalg.norm(w, axis=0) / jnp.linalg.norm(moved, axis=0)) - w


def _effective_learning_rate(settings: Settings) -> Measured:
    cases = {"hidden": [0, RATE, RATE, 0], "output": [0, RATE, 0, RATE]}
    whole = {name: values[1:2] for name, values in cases.items()}
    watching = Course(SETUP, _decayed, nothing, _squares_after, stretches=STEPS)
    norms = {"squares": watching.run(settings, whole)["squares"]}
    ends = Course(SETUP, _decayed).run(settings, cases)
    without = Course(SETUP, _matched).run(settings, whole, norms)
    errors = np.concatenate([found["test_error"][..., -1] for found in (ends, without)], axis=1)
    names = ("normalised layers alone", "output layer alone", "learning rate instead")
    return {name: errors[:, [0, 1, column]] for column, name in enumerate(names, 2)}


EFFECTIVE_LEARNING_RATE = Claim(
    "effective-learning-rate",
    "Where BatchNorm follows, L2 does not regularize: it shrinks weights, which makes the learning "
    "rate effectively larger, and that alone brings its gain.",
    (
        Paper("van Laarhoven", 2017, "1706.05350"),
        Paper("Zhang, Wang, Xu & Grosse", 2019, "1810.12281"),
        Paper("Hoffer, Banner, Golan & Soudry", 2018, "1803.01814"),
    ),
    "Share of decay's gain in test error that is kept when only the normalised layers decay; only "
    "the output layer; or none, with the learning rate of each unit times ‖w‖²/‖w'‖², w' that of "
    "the training with decay.",
    "BatchNorm MLP 196-64-64-10, 2,000 clean digits, SGD, cosine from 0.1, 2,000 steps, decay 0.1 "
    "times the learning rate (D = 10).",
    (
        Part("normalised layers alone", low=0.8, statistic=share_of_gain),
        Part("output layer alone", high=0.3, statistic=share_of_gain),
        Part("learning rate instead", low=0.8, statistic=share_of_gain),
    ),
    _effective_learning_rate,
    axes={"error": ["without decay", "decay everywhere", "this"]},
    seconds=8,
)

# --- the intrinsic learning rate ---

INTRINSIC_SETUP = setup_of("invariant", STEPS)
LEARNING_RATES, RATES = (0.4, 1.6, 6.4), (2e-3, 8e-3, 32e-3)


def spread_within(errors: np.ndarray) -> float:
    """Standard deviation within rows of equal ω over that between their means, [seeds, ω, η]."""
    within = errors.std(2, ddof=1).mean(1)
    return float(np.mean(within / errors.mean(2).std(1, ddof=1)))


def _intrinsic(settings: Settings) -> Measured:
    course = Course(
        INTRINSIC_SETUP,
        lambda point: optax.chain(optax.sgd(point["η"]), decoupled_decay(point["ω"], 1.0)),
    )
    errors = course.run(settings, grid(ω=RATES, η=LEARNING_RATES))["test_error"][..., -1]
    return {"spread at equal ω": errors.reshape(-1, len(RATES), len(LEARNING_RATES))}


INTRINSIC = Claim(
    "intrinsic-learning-rate",
    "At equilibrium a normalised network depends on learning rate × decay alone.",
    (Paper("Li, Lyu & Arora", 2020, "2010.02916"),),
    "Standard deviation of the test error over learning rates at equal ω = 2ηλ, over that between "
    "different ω.",
    "Scale-invariant BatchNorm MLP 196-64-64-10, 2,000 digits, SGD, constant rate, 2,000 steps; "
    "η 0.4, 1.6, 6.4; ω 0.002, 0.008, 0.032 (D from 4 to 64).",
    (Part("spread at equal ω", 0, 0.5, statistic=spread_within),),
    _intrinsic,
    axes={"ω": RATES, "η": LEARNING_RATES},
    seconds=6,
    quick=True,
)

CLAIMS = (EFFECTIVE_LEARNING_RATE, INTRINSIC)

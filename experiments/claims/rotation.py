"""How far a normalised unit turns in a step, once the pull of decay and the push of steps match."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from experiments import training
from experiments.claims.claim import Claim, Measured, Paper, Part, Settings
from experiments.claims.trainings import Course, Point, nothing, setup_of
from jaxreg import decoupled_decay
from jaxreg.diagnostics import angular_update

PAPER = Paper("Kosson, Messmer & Jaggi", 2024, "2305.17212")
STEPS, MOMENTUM, B1 = 4000, 0.9, 0.9
SETUP = setup_of("invariant", STEPS, examples=20_000, label_noise=0.4)
ON = (
    "Scale-invariant BatchNorm MLP 196-64-64-10, 20,000 digits of which 40 % are mislabelled, so "
    "that gradients do not vanish, constant rate, 4,000 steps, the last half of them seen"
)
SGD_RATE, SGD_DECAY = 0.1, 0.01  # decay: 2λ, what is added to the gradient or times the rate
ADAM_RATE, ADAMW_DECAY, ADAM_L2_DECAY = 4e-3, 2.5, 0.02


def _momentum(point: Point) -> optax.GradientTransformation:
    return optax.chain(
        optax.add_decayed_weights(point["decay"]), optax.sgd(point["η"], momentum=MOMENTUM)
    )


def _adamw(point: Point) -> optax.GradientTransformation:
    return optax.chain(optax.adam(point["η"]), decoupled_decay(point["decay"], point["η"]))


def _adam_l2(point: Point) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(point["decay"]), optax.adam(point["η"]))


def _turns(before: training.State, after: training.State) -> dict[str, Any]:
    """Squares of the angles between units before and after a step."""
    angles = angular_update(after.params, before.params, where="kernel$", axis=0)
    return {"square": jnp.concatenate([*angles.values()]) ** 2}


def _angles(
    settings: Settings,
    optimizer: Callable[[Point], optax.GradientTransformation],
    learning_rate: float,
    decay: float,
) -> np.ndarray:
    """RMS angle a step of every unit over the last half [seeds, units]."""
    course = Course(SETUP, optimizer, nothing, _turns, stretches=2)
    found = course.run(settings, {"η": [learning_rate], "decay": [decay]})
    return np.sqrt(found["square"][:, 0, -1])


def median_ratio(ratios: np.ndarray) -> float:
    """The median over units, a mean over seeds [seeds, units]."""
    return float(np.median(ratios, 1).mean())


def _equilibrium(settings: Settings) -> Measured:
    predicted = (
        np.sqrt(2 * SGD_RATE * SGD_DECAY / (1 + MOMENTUM)),
        np.sqrt(2 * ADAM_RATE * ADAMW_DECAY * (1 - B1) / (1 + B1)),
    )
    momentum = _angles(settings, _momentum, SGD_RATE, SGD_DECAY) / predicted[0]
    adamw = _angles(settings, _adamw, ADAM_RATE, ADAMW_DECAY) / predicted[1]
    return {"SGD with momentum": momentum, "AdamW": adamw}


EQUILIBRIUM = Claim(
    "rotational-equilibrium",
    "At equilibrium every normalised unit turns by √(2ηλ'/(1 + μ)) a step under SGD with momentum, "
    "and by √(2ηλ'(1 − β₁)/(1 + β₁)) under AdamW, whatever its gradients.",
    (PAPER,),
    "RMS angle a step over that prediction, the median over the 138 units.",
    f"{ON}; SGD η 0.1, λ' 0.01; AdamW η 0.004, λ' 2.5 (D = 40 each).",
    (
        Part("SGD with momentum", 0.9, 1.1, statistic=median_ratio),
        Part("AdamW", 0.9, 1.1, statistic=median_ratio),
    ),
    _equilibrium,
    axes={"units": "138: 64 + 64 hidden, 10 of the output"},
    examples=SETUP.examples,
    seconds=6,
    quick=True,
)


def log_ratio_of_variation(angles: np.ndarray) -> float:
    """log(CV₁/CV₀) of angles [seeds, 2, units], CV the standard deviation over the mean."""
    variation = angles.std(2) / angles.mean(2)
    return float(np.mean(np.log(variation[:, 1] / variation[:, 0])))


def _balance(settings: Settings) -> Measured:
    angles = functools.partial(_angles, settings)
    adamw = angles(_adamw, ADAM_RATE, ADAMW_DECAY)
    adam_l2 = angles(_adam_l2, ADAM_RATE, ADAM_L2_DECAY)
    return {"log CV, Adam with L2 − AdamW": np.stack([adamw, adam_l2], axis=1)}


BALANCE = Claim(
    "balanced-rotation",
    "AdamW turns all units alike; Adam with L2 does not.",
    (PAPER,),
    "Coefficient of variation of the angles over units: the log of that of Adam with L2 over that "
    "of AdamW, at equal mean angles.",
    f"{ON}; η 0.004; AdamW λ' 2.5, Adam with L2 λ' 0.02 (mean angle about 0.031 each).",
    (Part("log CV, Adam with L2 − AdamW", low=0.0, statistic=log_ratio_of_variation),),
    _balance,
    axes={"optimizer": ["AdamW", "Adam with L2"], "units": "138"},
    examples=SETUP.examples,
    seconds=6,
)

CLAIMS = (EQUILIBRIUM, BALANCE)

"""Newer forms of decay: corrected for the schedule, and cautious."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from experiments import optimizers, training
from experiments.claims.claim import Claim, Measured, Paper, Part, Settings
from experiments.claims.trainings import Course, Point, nothing, setup_of
from experiments.models import functions
from experiments.paired.sample import Sample
from experiments.paired.setup import Setup
from jaxreg import decoupled_decay

# --- corrected decay ---

BATCH, STEPS, LOOKS = 32, 1700, 100
PEAK, TOTAL = 4e-3, 10.0  # Σ of the decay per step
ONE_PASS = setup_of("batchnorm", STEPS, examples=STEPS * BATCH, batch_size=BATCH)
NORMALISED = ("fc1", "fc2")


def _watching() -> optax.GradientTransformation:
    """Changes nothing: its state is ‖g‖ of the layers that a normalisation follows."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del state, params
        return updates, optax.tree.norm([updates[name] for name in NORMALISED])

    return optax.GradientTransformation(lambda params: jnp.zeros(()), update)


def _gradient_norm(before: training.State, after: training.State) -> dict[str, Any]:
    del before
    return {"norm": after.opt_state[0]}


def _maybe_corrected(point: Point) -> optax.GradientTransformation:
    """AdamW with decay × η_t, or × η_t²/η_max on the normalised layers."""
    multiplier, schedule = optimizers.half_cosine(STEPS), optimizers.half_cosine(STEPS, PEAK)
    rate = 2 * TOTAL / PEAK / STEPS
    corrected = decoupled_decay(
        lambda step: rate * multiplier(step) ** point["corrected"], schedule, where="^fc./kernel$"
    )
    output = decoupled_decay(rate, schedule, where="^output/kernel$")
    return optax.chain(_watching(), optax.adam(schedule), corrected, output)


def late_over_early(norms: np.ndarray) -> float:
    """Mean norm over 95–99 % of the training over that over 20–30 %, [seeds, looks]."""
    late, early = (norms[:, part].mean(1) for part in (slice(95, 99), slice(20, 30)))
    return float(np.mean(late / early))


def _corrected(settings: Settings) -> Measured:
    course = Course(ONE_PASS, _maybe_corrected, nothing, _gradient_norm, LOOKS)
    norms = course.run(settings, {"corrected": [0, 1]})["norm"]
    return {"decay × η_t": norms[:, 0], "decay × η_t²/η_max": norms[:, 1]}


CORRECTED = Claim(
    "corrected-decay",
    "As the learning rate falls, decay × η_t lets the gradients of normalised layers grow; decay × "
    "η_t²/η_max on these layers keeps them level.",
    (Paper("Defazio", 2025, "2506.02285"),),
    "Gradient norm of the normalised layers, the mean over 95–99 % of the training over that over "
    "20–30 %.",
    "BatchNorm MLP 196-64-64-10, one pass over 54,400 digits, as language models have, batch 32, "
    "AdamW, cosine from 0.004, D = 10 if decay is × η_t.",
    (
        Part("decay × η_t", low=1.3, statistic=late_over_early),
        Part("decay × η_t²/η_max", 0.8, 1.2, statistic=late_over_early),
    ),
    _corrected,
    axes={"norm": f"of {LOOKS} equal parts of the training"},
    examples=ONE_PASS.examples,
    seconds=3,
    quick=True,
)

# --- cautious decay ---

CASES = {"decay": [0, 1, 1], "cautious": [0, 0, 1]}  # none, plain, cautious
CONVEX = setup_of("softmax", 2000, 1000, label_noise=0.4, batch_size=1000)
CONVEX_PEAK, CONVEX_DECAY = 0.02, 0.5
NETWORK = setup_of("batchnorm", 2000, 5000, label_noise=0.2)
NETWORK_PEAK, NETWORK_DECAY = 1e-3, 20.0


def _maybe_cautious(setup: Setup, peak: float, decay: float) -> Any:
    schedule = optimizers.half_cosine(setup.steps, peak)

    def optimizer(point: Point) -> optax.GradientTransformation:
        plain = decay * point["decay"] * (1 - point["cautious"])
        cautious = decay * point["decay"] * point["cautious"]
        return optax.chain(
            optax.adam(schedule),
            decoupled_decay(cautious, schedule, cautious=True),
            decoupled_decay(plain, schedule),
        )

    return optimizer


def _training_loss(network: Any, params: Any, own: Sample) -> dict[str, Any]:
    measure = training.make_evaluate(functions.training_apply(network), jnp.float32)
    return {"final": measure(params, own.train)[0]}


def share_of_excess(losses: np.ndarray) -> float:
    """(L₂ − L₀)/(L₁ − L₀) of training losses [seeds, 3]: without decay, plain, cautious."""
    without, plain, cautious = losses.T
    return float(np.mean((cautious - without) / (plain - without)))


def _log_ratio(losses: np.ndarray) -> float:
    """The mean log of cautious over plain."""
    return float(np.mean(np.log(losses[:, 2] / losses[:, 1])))


def _cautious(settings: Settings) -> Measured:
    def final(setup: Setup, peak: float, decay: float) -> np.ndarray:
        course = Course(setup, _maybe_cautious(setup, peak, decay), _training_loss)
        return course.run(settings, CASES)["final"][..., -1]

    return {
        "convex: share of the excess": final(CONVEX, CONVEX_PEAK, CONVEX_DECAY),
        "network: log ratio": final(NETWORK, NETWORK_PEAK, NETWORK_DECAY),
    }


CAUTIOUS = Claim(
    "cautious-decay",
    "Decay of those entries alone that the update shrinks too keeps the minimiser of the loss.",
    (Paper("Chen et al.", 2025, "2510.12402"),),
    "Training loss at the end. Convex: its excess over that without decay, as a share of plain "
    "decay's excess. Network: log of cautious over plain, at the same decay.",
    "AdamW, cosine, 2,000 steps: softmax regression on 1,000 digits of which 40 % are mislabelled, "
    "full batch, decay 0.5; BatchNorm MLP 196-64-64-10, 5,000 digits of which 20 % are, decay 20.",
    (
        Part("convex: share of the excess", -0.05, 0.05, share_of_excess),
        Part("network: log ratio", high=0.0, statistic=_log_ratio),
    ),
    _cautious,
    axes={"loss": ["without decay", "plain", "cautious"]},
    examples=NETWORK.examples,
    seconds=8,
)

CLAIMS = (CORRECTED, CAUTIOUS)

"""Identities: two trainings of a real network on real digits that are one, in float64.

Each comes with its control, a pair that looks alike and is not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from experiments import optimizers, training
from experiments.claims.claim import Claim, Measured, Paper, Part, Settings
from experiments.claims.trainings import drawn_for, finished, network_of, own, setup_of
from experiments.models import functions
from experiments.paired.sample import Sample
from experiments.paired.setup import Setup
from jaxreg import add_penalty_gradient, decoupled_decay, l2

STEPS = 200
PLAIN, PLAIN_WIDTHS = setup_of("mlp", STEPS), (64, 64)
INVARIANT = setup_of("invariant", STEPS)


class Run(NamedTuple):
    """One of two trainings: its optimizer, and the penalty in its loss, if any."""

    optimizer: optax.GradientTransformation
    in_loss: jaxreg.Penalty | None = None


Pairs = Mapping[str, tuple[Run, Run]]
Distance = Callable[[Any, Any], jax.Array]


def largest_difference(first: Any, second: Any) -> jax.Array:
    """max |w − w'| over all weights."""
    gaps = jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)), first, second)
    return jnp.max(jnp.stack(jax.tree.leaves(gaps)))


def largest_turn(first: Any, second: Any) -> jax.Array:
    """max |w/‖w‖ − w'/‖w'‖| over the units: all that a scale-invariant network sees."""

    def units(params: Any) -> Any:
        return jax.tree.map(lambda w: w / jnp.linalg.norm(w, axis=0), params)

    return largest_difference(units(first), units(second))


def gaps(
    settings: Settings,
    setup: Setup,
    widths: tuple[int, ...],
    pairs: Pairs,
    distance: Distance = largest_difference,
) -> Measured:
    """For each pair the largest distance on the way, for each seed [seeds]."""
    with jax.enable_x64(True):
        drawn = drawn_for(setup, settings, widths)
        drawn = drawn._replace(params=jax.tree.map(np.float64, drawn.params))
        network = network_of(setup, settings.source.classes, widths, jnp.float64)
        train = functools.partial(_farthest, network, pairs, distance)
        points = {"seed": np.arange(len(settings.seeds), dtype=np.int32)}
        return finished(jaxreg.sweep(train, points, drawn, per_device=1)).results


def _farthest(
    network: Any, pairs: Pairs, distance: Distance, point: Any, sample: Sample
) -> dict[str, jax.Array]:
    drawn = own(sample, point["seed"])
    return {name: jnp.max(_apart(network, pair, distance, drawn)) for name, pair in pairs.items()}


def _apart(network: Any, pair: tuple[Run, Run], distance: Distance, drawn: Sample) -> jax.Array:
    """The distance of two trainings after each step, on the same batches from the same start."""
    loss = training.data_loss(functions.forward(network, full=True), jnp.float64)
    steps = [training.make_step(loss, run.optimizer, run.in_loss) for run in pair]

    def both(states: Any, *batch: Any) -> tuple[Any, jax.Array]:
        moved = [step(state, *batch)[0] for step, state in zip(steps, states, strict=True)]
        return moved, distance(*(state.params for state in moved))

    states: Any = [
        training.initial_state(drawn.params, run.optimizer, drawn.key, statistics={})
        for run in pair
    ]
    weights = jnp.full(drawn.batches.shape, 1 / drawn.batches.shape[1])
    order = training.Order(drawn.batches, weights)
    return training.scan_batches(both)(states, order, drawn.train)[1]


# --- L2 is decay, for plain SGD ---

STRENGTH, RATE, ADAM_RATE = 1e-3, 0.1, 1e-3
DECAY = 2 * STRENGTH


def _sgd(settings: Settings) -> Measured:
    penalty = STRENGTH * l2
    sgd, adam = optax.sgd(RATE), optax.adam(ADAM_RATE)
    pairs = {
        "SGD": (Run(sgd, penalty), Run(optax.chain(sgd, decoupled_decay(DECAY, RATE)))),
        "Adam (control)": (
            Run(adam, penalty),
            Run(optax.chain(adam, decoupled_decay(DECAY, ADAM_RATE))),
        ),
    }
    return gaps(settings, PLAIN, PLAIN_WIDTHS, pairs)


SGD = Claim(
    "sgd-equivalence",
    "For plain SGD, λ‖w‖² in the loss and decay of 2λ times the learning rate are one; for Adam "
    "they are not.",
    (Paper("Loshchilov & Hutter", 2019, "1711.05101"),),
    "Largest |Δw| between the two over the training.",
    "MLP 196-64-64-10, 2,000 digits, batch 64, 200 steps, float64, λ = 0.001; SGD 0.1, Adam 0.001.",
    (Part("SGD", high=1e-12), Part("Adam (control)", low=1e-3)),
    _sgd,
    kind="exact",
    seconds=2,
    quick=True,
)

# --- AdamW does not see the scale of gradients ---

SCALES = {"fc1": 1e-3, "fc2": 1.0, "output": 1e3}
ADAMW_DECAY, L2_STRENGTH = 1.0, 1e-2
TINY = 1e-30  # in place of Adam's 1e-8, which has a scale; pixels that are always 0 need some


def _rescaled(updates: Any, params: Any = None) -> Any:
    """Gradients as of a loss in which every layer has another unit."""
    del params
    return {name: optax.tree.scale(SCALES[name], layer) for name, layer in updates.items()}


def _scale_free(settings: Settings) -> Measured:
    scaled = optax.stateless(_rescaled)
    adam = optimizers.adam(ADAM_RATE, eps=TINY)
    adamw = optax.chain(adam, decoupled_decay(ADAMW_DECAY, ADAM_RATE))
    adam_l2 = optax.chain(add_penalty_gradient(L2_STRENGTH * l2), adam)
    pairs = {
        name: (Run(optimizer), Run(optax.chain(scaled, optimizer)))
        for name, optimizer in (("AdamW", adamw), ("Adam with L2 (control)", adam_l2))
    }
    return gaps(settings, PLAIN, PLAIN_WIDTHS, pairs)


SCALE_FREE = Claim(
    "scale-freeness",
    "AdamW does not see the scale of each layer's gradients; Adam with L2 does.",
    (Paper("Zhuang, Liu, Cutkosky & Orabona", 2022, "2202.00089"),),
    "Largest |Δw| over the training when the gradients of the layers are multiplied by 0.001, 1 "
    "and 1000.",
    "MLP 196-64-64-10, 2,000 digits, batch 64, 200 steps of 0.001, ε = 10⁻³⁰, float64; AdamW with "
    "decay 1, Adam with λ = 0.01.",
    (Part("AdamW", high=1e-9), Part("Adam with L2 (control)", low=1e-3)),
    _scale_free,
    kind="exact",
    seconds=2,
    quick=True,
)

# --- decay is a learning rate that grows ---

GROWING_RATE, GROWING_STRENGTH = 0.4, 1e-2
RHO = 1 - 2 * GROWING_RATE * GROWING_STRENGTH


def _grown(power: float) -> Run:
    """SGD without decay at η·ρ^−(power·t + 1)."""
    return Run(optax.sgd(lambda step: GROWING_RATE * RHO ** -(power * step + 1.0)))


def _growing(settings: Settings) -> Measured:
    decayed = Run(optax.chain(add_penalty_gradient(GROWING_STRENGTH * l2), optax.sgd(GROWING_RATE)))
    pairs = {
        "growing by ρ⁻²": (decayed, _grown(2.0)),
        "growing by ρ⁻¹ (control)": (decayed, _grown(1.0)),
    }
    return gaps(settings, INVARIANT, (), pairs, largest_turn)


GROWING = Claim(
    "growing-learning-rate",
    "Under normalisation, SGD with L2 is SGD without, at a learning rate that grows by ρ⁻² a step, "
    "ρ = 1 − 2ηλ.",
    (Paper("Li & Arora", 2020, "1910.07454"),),
    "Largest difference between the directions of the weights of any unit over the training.",
    "Scale-invariant BatchNorm MLP 196-64-64-10, 2,000 digits, batch 64, 200 steps, float64, η = "
    "0.4, λ = 0.01: the learning rate grows to 25 times.",
    (Part("growing by ρ⁻²", high=1e-6), Part("growing by ρ⁻¹ (control)", low=1e-2)),
    _growing,
    kind="exact",
    seconds=2,
    quick=True,
)

CLAIMS = (SGD, SCALE_FREE, GROWING)

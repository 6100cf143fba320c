"""Which decay goes with which learning rate: where the good region of the grid has its edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import optax

from experiments.claims.claim import Claim, Measured, Paper, Part, Settings, Statistic
from experiments.claims.trainings import Course, Point, setup_of
from experiments.optimizers import half_cosine
from experiments.paired.setup import Setup
from experiments.statistics.surface import edge_slope
from jaxreg import decoupled_decay, grid

PAPER = Paper("Loshchilov & Hutter", 2019, "1711.05101")
Optimizer = Callable[[Point], optax.GradientTransformation]
Grid = tuple[Sequence[float], Sequence[float]]


def _ladder(start: float, ratio: float, count: int) -> list[float]:
    return [start * ratio**k for k in range(count)]


def slope_of_edge(axes: Grid, shear: float = 0.0) -> Statistic:
    """The slope of the upper edge, of log validation losses [seeds, learning rates, decays].

    ``shear`` is added: −1 gives the slope by λ = ω/2η of a grid of ω.
    """
    rates, decays = (np.log(values) for values in axes)

    def statistic(losses: np.ndarray) -> float | None:
        diverged = np.where(np.isnan(losses), np.inf, losses)
        slope = edge_slope(diverged.mean(0), rates, decays)
        return None if slope is None else slope + shear

    return statistic


def _losses(settings: Settings, setup: Setup, optimizer: Optimizer, axes: Grid) -> np.ndarray:
    rates, decays = axes
    found = Course(setup, optimizer).run(settings, grid(η=rates, decay=decays))
    losses = np.log(found["validation_loss"][..., -1])
    return losses.reshape(-1, len(rates), len(decays))


# --- everything scale-invariant, at equilibrium ---

INVARIANT = setup_of("invariant", 2000)
INVARIANT_GRIDS: dict[str, Grid] = {
    "SGD, ω": (_ladder(0.4, 4, 5), _ladder(1e-3, 2, 6)),
    "AdamW, ω": (_ladder(1e-3, 4, 5), _ladder(2e-3, 2, 6)),
    "Adam with L2, λ": (_ladder(4e-3, 2, 4), _ladder(1.6e-5, 4, 7)),
}


def _sgd_independent(point: Point) -> optax.GradientTransformation:
    return optax.chain(optax.sgd(point["η"]), decoupled_decay(point["decay"], 1.0))


def _adamw_independent(point: Point) -> optax.GradientTransformation:
    return optax.chain(optax.adam(point["η"]), decoupled_decay(point["decay"], 1.0))


def _adam_l2(point: Point) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(2 * point["decay"]), optax.adam(point["η"]))


SHEARED = "SGD with L2, λ"
INVARIANT_OPTIMIZERS = dict(
    zip(INVARIANT_GRIDS, (_sgd_independent, _adamw_independent, _adam_l2), strict=True)
)


def _invariant(settings: Settings) -> Measured:
    losses = {
        name: _losses(settings, INVARIANT, optimizer, INVARIANT_GRIDS[name])
        for name, optimizer in INVARIANT_OPTIMIZERS.items()
    }
    return {**losses, SHEARED: losses["SGD, ω"]}


def _edge(name: str, grids: dict[str, Grid], expected: float, reach: float) -> Part:
    statistic = slope_of_edge(grids[name])
    return Part(name, expected - reach, expected + reach, statistic)


NORMALISED = Claim(
    "separable-when-normalised",
    "Decay that is independent of the learning rate needs no new value when the learning rate "
    "changes; L2 does: λ ∝ 1/η under SGD, λ ∝ 1/η² under Adam.",
    (PAPER,),
    "d log(upper edge) / d log η: the edge is the decay at which the validation loss is 1.28 times "
    "the row's least. SGD with L2 is the same runs by λ = ω/2η: its slope is that of ω less 1.",
    "Regime A: scale-invariant BatchNorm MLP 196-64-64-10, 2,000 digits, batch 64, constant rate, "
    "2,000 steps.",
    (
        _edge("SGD, ω", INVARIANT_GRIDS, 0, 0.25),
        Part(SHEARED, -1.25, -0.75, slope_of_edge(INVARIANT_GRIDS["SGD, ω"], shear=-1)),
        _edge("AdamW, ω", INVARIANT_GRIDS, 0, 0.25),
        _edge("Adam with L2, λ", INVARIANT_GRIDS, -2, 0.5),
    ),
    _invariant,
    axes={
        **{name: {"η": axes[0], "decay": axes[1]} for name, axes in INVARIANT_GRIDS.items()},
        SHEARED: "as of SGD, ω",
    },
    seconds=50,
)

# --- a converged convex problem ---

CONVEX_STEPS = 2000
CONVEX = setup_of("softmax", CONVEX_STEPS, 300, label_noise=0.4, batch_size=300)
CONVEX_GRIDS: dict[str, Grid] = {
    "SGD with L2, λ": (_ladder(0.25, 2, 4), _ladder(2e-3, 2, 6)),
    "Adam with L2, λ": (_ladder(4e-3, 2, 4), _ladder(2e-3, 2, 6)),
    "AdamW, times η": (_ladder(4e-3, 2, 4), _ladder(0.64, 2, 6)),
}


def _sgd_l2(point: Point) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(2 * point["decay"]), optax.sgd(point["η"]))


def _adam_l2_cosine(point: Point) -> optax.GradientTransformation:
    schedule = half_cosine(CONVEX_STEPS, point["η"])
    return optax.chain(optax.add_decayed_weights(2 * point["decay"]), optax.adam(schedule))


def _adamw_cosine(point: Point) -> optax.GradientTransformation:
    schedule = half_cosine(CONVEX_STEPS, point["η"])
    return optax.chain(optax.adam(schedule), decoupled_decay(point["decay"], schedule))


CONVEX_OPTIMIZERS = dict(zip(CONVEX_GRIDS, (_sgd_l2, _adam_l2_cosine, _adamw_cosine), strict=True))


def _convex(settings: Settings) -> Measured:
    return {
        name: _losses(settings, CONVEX, optimizer, CONVEX_GRIDS[name])
        for name, optimizer in CONVEX_OPTIMIZERS.items()
    }


CONVERGED = Claim(
    "coupled-when-converged",
    "At a minimum the penalty decides and not the path: there the λ of L2, and of decay times the "
    "learning rate, needs no new value, and it is the independent decay ω ∝ η that does.",
    (PAPER, Paper("Xie & Li", 2024, "2404.04454")),
    "d log(upper edge) / d log η, as for normalised networks; by ω each slope is larger by 1.",
    "Regime B: softmax regression from zero, 300 digits of which 40 % are mislabelled, full batch, "
    "2,000 steps, SGD at constant rate, Adam by a cosine.",
    tuple(_edge(name, CONVEX_GRIDS, 0, 0.25) for name in CONVEX_GRIDS),
    _convex,
    axes={name: {"η": axes[0], "decay": axes[1]} for name, axes in CONVEX_GRIDS.items()},
    seconds=40,
)

CLAIMS = (NORMALISED, CONVERGED)

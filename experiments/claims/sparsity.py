"""Zeros and ranks: what penalties leave of a matrix of weights."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from scipy.stats import spearmanr

from experiments.claims.claim import Claim, Measured, Paper, Part, Settings
from experiments.claims.trainings import Course, Point, settled, setup_of
from experiments.optimizers import half_cosine
from experiments.paired.sample import Sample
from jaxreg import add_penalty_gradient, grid, l1, l2, proximal_step, weights

# --- exact zeros ---

ZERO_STEPS, STRENGTH = 2000, 1e-3
SCHEDULE = half_cosine(ZERO_STEPS, 0.2)
ZERO_SETUP = setup_of("mlp", ZERO_STEPS)


def _zeros(network: Any, params: Any, own: Sample) -> dict[str, Any]:
    kernels = jnp.concatenate([layer["kernel"].ravel() for layer in params.values()])
    return {**settled(network, params, own), "zeros": jnp.mean(kernels == 0)}


def _exact_zeros(settings: Settings) -> Measured:
    penalty = STRENGTH * l1.on(weights)
    optimizers = {
        "by its gradient": optax.chain(add_penalty_gradient(penalty), optax.sgd(SCHEDULE)),
        "by its prox": optax.chain(optax.sgd(SCHEDULE), proximal_step(penalty, SCHEDULE)),
    }
    return {
        name: Course(ZERO_SETUP, lambda point, tx=tx: tx, _zeros).run(settings, {"case": [0]})[
            "zeros"
        ][:, 0, -1]
        for name, tx in optimizers.items()
    }


EXACT_ZEROS = Claim(
    "exact-zeros",
    "L1 by its proximal operator sets weights to exactly zero; by its subgradient, none.",
    (Paper("Yun, Lozano & Yang", 2021, "2007.07484"),),
    "Share of the weights that are exactly zero, at equal λ.",
    "MLP 196-64-10, 2,000 digits, SGD, cosine from 0.2, 2,000 steps, λ = 0.001.",
    (Part("by its gradient", 0, 0), Part("by its prox", low=0.1)),
    _exact_zeros,
    seconds=3,
    quick=True,
)

# --- low rank ---

RANK_STEPS, WIDTH, RELATIVE = 12_000, 64, 1e-3
RANK_SETUP = setup_of("mlp", RANK_STEPS)
BATCHES, RATES, STRENGTHS = (4, 16, 64), (0.2, 0.4), (2e-3, 4e-3, 8e-3)
LAYERS = ("fc1", "fc2")


def _rank(network: Any, params: Any, own: Sample) -> dict[str, Any]:
    """The mean over hidden layers of how many singular values exceed 10⁻³ of the largest."""
    del network, own
    spectra = [jnp.linalg.svd(params[name]["kernel"], compute_uv=False) for name in LAYERS]
    ranks = [jnp.sum(spectrum > RELATIVE * spectrum[0]) for spectrum in spectra]
    return {"rank": jnp.mean(jnp.stack(ranks).astype(jnp.float32))}


def _first_of_batch(point: Point, size: int) -> Any:
    """A mean over the first b images of a batch: a batch of b."""
    return jnp.where(jnp.arange(size) < point["b"], 1 / point["b"], 0.0)


def _sgd_l2(point: Point) -> optax.GradientTransformation:
    return optax.chain(add_penalty_gradient(point["λ"] * l2), optax.sgd(point["η"]))


CASES = grid(b=BATCHES, η=RATES, λ=STRENGTHS)
BOUND = CASES["b"] / (CASES["η"] * CASES["λ"])


def _correlation(ranks: np.ndarray) -> float:
    found: Any = spearmanr(BOUND, ranks)
    return float(found.statistic)


def rank_correlation(ranks: np.ndarray) -> float:
    """Spearman's correlation of ranks [seeds, cases] with b/(ηλ), a mean over seeds."""
    return float(np.mean([_correlation(row) for row in ranks]))


def _low_rank(settings: Settings) -> Measured:
    course = Course(RANK_SETUP, _sgd_l2, _rank, weights=_first_of_batch, widths=(WIDTH, WIDTH))
    without = {"b": [BATCHES[0]], "η": [RATES[-1]], "λ": [0.0]}
    cases = {name: np.append(values, without[name]) for name, values in CASES.items()}
    ranks = course.run(settings, cases)["rank"][..., -1]
    return {"correlation with b/(ηλ)": ranks[:, :-1], "share without decay": ranks[:, -1] / WIDTH}


LOW_RANK = Claim(
    "low-rank",
    "SGD with decay makes weight matrices of low rank, the lower the smaller b/(ηλ): smaller "
    "batches, larger learning rates, more decay. Without decay it does not.",
    (Paper("Galanti et al.", 2025, "2206.05794"),),
    "Spearman's correlation of the rank (singular values above 10⁻³ of the largest, a mean over "
    "the hidden layers) with b/(ηλ) over 18 settings; rank over full rank without decay.",
    "MLP 196-64-64-10 without normalisation, 2,000 digits, SGD, constant rate, 12,000 steps; b 4, "
    "16, 64; η 0.2, 0.4; λ 0.002, 0.004, 0.008 (D at least 10).",
    (
        Part("correlation with b/(ηλ)", low=0.8, statistic=rank_correlation),
        Part("share without decay", low=0.95),
    ),
    _low_rank,
    axes={name: values.tolist() for name, values in CASES.items()},
    seconds=50,
)

CLAIMS = (EXACT_ZEROS, LOW_RANK)

"""MacKay's fixed point of prior variance v and noise σ², in the directions of the features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxreg.tune._linear import Directions

STARTS = 64
"""Ratios v/σ² that are tried first: the evidence may have several maxima."""
HALVINGS = 40


class Problem(NamedTuple):
    """A linear problem: its directions, ‖y‖² beyond them, and how many numbers a target is."""

    found: Directions
    rest: jax.Array
    dimension: int

    @property
    def targets(self) -> int:
        return self.found.z.shape[1]


class State(NamedTuple):
    """What a step needs to know at some v and σ².

    Attributes:
      growth: ‖w‖²/(vγ), by which v is multiplied: finite as v goes to 0.
      effective: γ of a target.
      left: ‖y − Xw‖².
      evidence: log p(y).
    """

    growth: jax.Array
    effective: jax.Array
    left: jax.Array
    evidence: jax.Array


Look = Callable[[jax.Array, jax.Array], State]


def unit_of(y: jax.Array) -> jax.Array:
    """A size of y, or 1: in its units nothing overflows."""
    largest = jnp.max(jnp.abs(y))
    return jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)


def alone(problem: Problem, prior: jax.Array, noise: jax.Array) -> State:
    """One prior variance: all from the eigenvalues d, since z has the variance C = σ² + v·d."""
    d, z = problem.found.d, problem.found.z
    variance = noise + prior * d
    over = z / variance[:, None]
    pulled, trace = jnp.sum(d[:, None] * over**2), jnp.sum(d / variance)
    volume = jnp.sum(jnp.log(variance))
    return _state(problem, over, pulled, trace, volume, prior, noise)


def grouped(problem: Problem, members: jax.Array, prior: jax.Array, noise: jax.Array) -> State:
    """One for each group: C = σ² + Σ_g v_g R_g R_gᵀ with R = √d Vᵀ; members: (features, groups)."""
    r, factor = _factored(problem, members @ prior, noise)
    over = jax.scipy.linalg.cho_solve((factor, True), problem.found.z)
    whitened = jax.scipy.linalg.solve_triangular(factor, r, lower=True)
    pulled, trace = jnp.sum((r.T @ over) ** 2, axis=1), jnp.sum(whitened**2, axis=0)
    volume = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
    return _state(problem, over, pulled @ members, trace @ members, volume, prior, noise)


def _factored(problem: Problem, priors: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
    """R, and the Cholesky factor of C for a prior variance of each feature."""
    r = jnp.sqrt(problem.found.d)[:, None] * problem.found.v.T
    c = jnp.matmul(r * priors, r.T, precision="highest")
    return r, jnp.linalg.cholesky(c + noise * jnp.eye(len(r), dtype=r.dtype))


def _state(
    problem: Problem,
    over: jax.Array,
    pulled: jax.Array,
    trace: jax.Array,
    volume: jax.Array,
    prior: jax.Array,
    noise: jax.Array,
) -> State:
    """From C⁻¹z, ‖RᵀC⁻¹z‖² and tr RᵀC⁻¹R (of each group), and log |C|."""
    q, z = problem.targets, problem.found.z
    logs = q * (volume - len(z) * jnp.log(noise))
    logs += q * problem.dimension * jnp.log(2 * jnp.pi * noise)
    return State(
        growth=pulled / (q * jnp.where(trace == 0, 1, trace)),
        effective=prior * trace,
        left=noise**2 * jnp.sum(over**2) + problem.rest,
        evidence=-0.5 * (logs + jnp.sum(z * over) + problem.rest / noise),
    )


class Start(NamedTuple):
    """Where the fixed point of one prior variance is, and what was tried to find it."""

    prior: jax.Array
    noise: jax.Array
    ratios: jax.Array
    values: jax.Array


def start(look: Look, problem: Problem) -> Start:
    """The best of some ratios v/σ², each with the noise that is best for it; then by bisection.

    What is compared is the gain over v = 0: beside all of the evidence rounding would hide it. It
    rises with v where v would grow. The fixed point itself is slow where there is little signal.
    """
    d, z = problem.found.d, problem.found.z
    highest = 1 / (10 * jnp.finfo(d.dtype).eps)
    ratios = jnp.geomspace(1e-3, highest, STARTS, dtype=d.dtype)
    ratios = ratios / jnp.where(jnp.max(d) > 0, jnp.max(d), 1)
    total = jnp.sum(z**2) + problem.rest
    total = jnp.where(total == 0, 1, total) * (1 + jnp.finfo(d.dtype).eps)

    def noise_at(ratio: jax.Array) -> jax.Array:
        quadratic = jnp.sum(z**2 / (1 + ratio * d)[:, None]) + problem.rest
        return _floored(quadratic / (problem.targets * problem.dimension))

    def at(ratio: jax.Array) -> State:
        noise = noise_at(ratio)
        return look(ratio * noise, noise)

    def halved(_: Any, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        middle = jnp.sqrt(ends[0] * ends[1])
        grows = at(middle).growth > 1
        return jnp.where(grows, middle, ends[0]), jnp.where(grows, ends[1], middle)

    def gain(ratio: jax.Array) -> jax.Array:
        taken = jnp.sum(z**2 * (ratio * d / (1 + ratio * d))[:, None])
        fit = problem.targets * problem.dimension * jnp.log1p(-taken / total)
        return -0.5 * (fit + problem.targets * jnp.sum(jnp.log1p(ratio * d)))

    gains = jax.vmap(gain)(ratios)
    best = jnp.nanargmax(gains)
    ends = ratios[jnp.maximum(best - 1, 0)], ratios[jnp.minimum(best + 1, STARTS - 1)]
    ratio = lax.fori_loop(0, HALVINGS, halved, ends)[0]
    noise = noise_at(ratio)
    return Start(ratio * noise, noise, ratios, at(0 * ratio).evidence + gains)


def _floored(noise: jax.Array) -> jax.Array:
    """Not below what rounding makes of targets of size 1."""
    return jnp.maximum(noise, jnp.finfo(noise.dtype).eps ** 2)


def iterated(
    look: Look,
    problem: Problem,
    prior: jax.Array,
    noise: jax.Array,
    tolerance: jax.Array,
    max_steps: int,
) -> tuple[Any, State]:
    """((v, σ², steps, the last change, the trace), what is known there)."""
    numbers = problem.targets * problem.dimension

    def step(carry: Any) -> Any:
        prior, noise, i, _, (ratios, values) = carry
        at = look(prior, noise)
        trace = ratios.at[i].set(noise / prior), values.at[i].set(at.evidence)
        free = numbers - problem.targets * jnp.sum(at.effective)
        better = _floored(at.left / jnp.maximum(free, 1e-6 * numbers))
        weight = jnp.minimum(at.effective, 1)  # v may take its time to vanish once γ has
        moved = jnp.where(weight > 0, weight * jnp.abs(jnp.log(at.growth)), 0)
        change = jnp.maximum(jnp.max(moved), jnp.abs(jnp.log(better / noise)))
        return prior * at.growth, better, i + 1, change, trace

    def more(carry: Any) -> jax.Array:
        return (carry[2] < max_steps) & ~(carry[3] <= tolerance)

    ratios = jnp.full((max_steps, *prior.shape), jnp.nan, prior.dtype)
    values = jnp.full(max_steps, jnp.nan, prior.dtype)
    begin = (prior, noise, jnp.int32(0), jnp.array(jnp.inf, prior.dtype), (ratios, values))
    end = lax.while_loop(more, step, begin)
    return end, look(end[0], end[1])


def weights(problem: Problem, prior: jax.Array, noise: jax.Array) -> jax.Array:
    """The posterior mean, (features, targets), for one variance or one of each feature."""
    d, v, z = problem.found.d, problem.found.v, problem.found.z
    if not prior.ndim:
        return prior * v @ (jnp.sqrt(d)[:, None] * z / (noise + prior * d)[:, None])
    r, factor = _factored(problem, prior, noise)
    return prior[:, None] * (r.T @ jax.scipy.linalg.cho_solve((factor, True), z))

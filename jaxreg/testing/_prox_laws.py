"""The laws of the prox: what it is the minimum of, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxreg.testing._case import STEPS, TOLERANCE, Case, equal, require


def prox_of_step_zero(case: Case) -> None:
    w = case.points()
    equal(case.proxes(w, 0.0), w, "the array itself")


def prox_is_projection(case: Case) -> None:
    """Of constraints: into the set, where nothing moves any more, whatever the step."""
    w = case.points()
    inside = case.proxes(w, STEPS[0])
    require(case.values(inside) == 0, "a point of the set (value 0)", case.values(inside).max())
    for step in (0.0, *STEPS):
        equal(case.proxes(inside, step), inside, "the projection unmoved")
        equal(case.proxes(w, step), inside, f"for step {step} the same projection")


def prox_non_expansive(case: Case) -> None:
    w = case.points()
    others = [case.points(1), *(w + size * case.points(2) for size in (0.001, 0.01, 0.1))]
    for step in STEPS:
        for other in others:
            moved = case.proxes(w, step) - case.proxes(other, step)
            ratio = np.sqrt(case.inner(moved, moved) / case.inner(w - other, w - other))
            require(
                ratio <= 1 + TOLERANCE, "‖prox(a) − prox(b)‖ ≤ ‖a − b‖", f"{ratio.max():.4f}‖·‖"
            )


def prox_is_stationary(case: Case) -> None:
    """No way down from the prox, in any direction, to first order."""
    w = case.points()
    for step in STEPS:
        v = case.proxes(w, step)
        random = [case.points(seed) for seed in (3, 4)]
        towards = [w - v, v, -v, *random, *(-d for d in random)]
        sizes = [1e-4 * (1 + np.abs(v)) / (np.abs(d).max() + 1e-30) for d in towards]
        near = [v + size * d for size, d in zip(sizes, towards, strict=True)]
        _require_least(case, w, v, step, near)


def prox_beats_candidates(case: Case) -> None:
    w = case.points()
    for step in STEPS:
        v = case.proxes(w, step)
        _require_least(case, w, v, step, list(_candidates(case, w, v)))


def _candidates(case: Case, w: np.ndarray, v: np.ndarray) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(7)
    yield from (case.minimisers(), np.zeros_like(w))
    yield from (v + t * (w - v) for t in (-1.0, -0.1, 0.1, 0.5, 0.9, 1.0))
    yield from (v + t * case.points(6) for t in (0.01, 0.1))
    for sparsity in (0.1, 0.5):
        kept = rng.random(w.shape) > sparsity
        yield from (np.where(kept, w, 0), np.where(kept, v, 0), np.where(kept, v, w))


def _require_least(case: Case, w: Any, v: Any, step: float, candidates: list[Any]) -> None:
    """Of step·penalty(x) + ½‖x − w‖²; what is not a number is not least."""
    x = np.stack([v, *candidates])
    objective = step * case.values(x) + case.inner(x - w, x - w) / 2
    least, others = objective[0], objective[1:]
    better = ~(least <= others + 1e-9 * (1 + np.abs(others)))
    worst = np.unravel_index(np.argmax(better), better.shape)
    what = f"step·penalty(v) + ½‖v − w‖² ≤ {others[worst]:.9g} for step {step}"
    require(~better, what, f"{least[worst[1]]:.9g}")


def moreau_decomposition(case: Case) -> None:
    """w = v + step·y, v = prox(w), with y a subgradient at v: f(u) ≥ f(v) + ⟨y, u − v⟩."""
    w = case.points()
    for step in STEPS:
        v = case.proxes(w, step)
        y = (w - v) / step
        u = np.stack([v, w, case.points(1), v + 0.1 * case.points(2), 2 * v, case.minimisers()])
        values = case.values(u)
        bound = values[0] + case.inner(y, u - v)
        above = values >= bound - TOLERANCE * (1 + np.abs(bound))
        require(above, f"(w − prox(w))/{step} to be a subgradient at prox(w)", "none")

"""Descent on working sets: the loss is evaluated on the features that matter.

Most of a sparse solution is zero, and zeros contribute nothing to the products in the loss. So the
descent runs on the features whose parameters are not zero or about to be, all others held, until it
ends; then the gradient on all features shows whether it is the solution, and if not, which ones
enter. Sets have one of a few sizes, so that one program serves all of them.

References: Massias, Gramfort & Salmon 2018, *Celer: a fast solver for the Lasso with dual
extrapolation* (arXiv:1802.07481); Bertrand et al. 2022, *Beyond L1: faster and better sparse models
with skglm* (arXiv:2204.07826).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint

from jaxreg._solve import vectors
from jaxreg._solve.contracted import Contraction
from jaxreg._solve.descent import Found, Limits, descend, threshold
from jaxreg._solve.problem import Data, Point, Problem, Subset
from jaxreg._solve.vectors import Vector

PARTS = 20, 6, 3, 2  # of the features are in a set, by size
ROOM = 1.1  # features of a set for each that must be in it
SMALLEST = 2**20  # numbers of an operand: below, compiling costs more than products


class Search(NamedTuple):
    """Where the search is: the descent before, and whether all features agree with it."""

    found: Found
    done: jax.Array


def search(problem: Problem, start: Vector, data: Data, limits: Limits) -> Found:
    """Minimises loss + penalty, on working sets where that is possible and pays.

    It is where the loss uses an axis of the parameters in products alone, the penalty does not
    couple entries along it, and the loss and gradient at the start are known.
    """
    axes = problem.loss.contraction
    known = limits.known
    if known is None or axes is None or not _pays(axes, start, data):
        return descend(problem, start, data, limits)

    def body(before: Search) -> Search:
        level, order = _ranked(problem, axes, data, before.found)

        def descended(size: int | None) -> Found:
            subset = None if size is None else _set_of(size, axes, data, order)
            found = _descended(problem, before.found, data._replace(subset=subset), limits)
            return vectors.varying(found, before.found)

        sizes = [*_sizes(axes), None]
        found = jax.lax.switch(level, [lambda size=size: descended(size) for size in sizes])
        after = jax.lax.cond(
            level == len(PARTS),
            lambda: Search(found, jnp.array(True)),
            lambda: _judged(problem, found, data, limits),
        )
        return vectors.varying(after, before)

    first = _first(known, limits)
    first = vectors.varying(first, (start, problem.data_loss(start, data), data.penalty))
    end = jax.lax.while_loop(lambda s: ~s.done, body, first)
    return end.found


def _pays(axes: Contraction, w: Vector, data: Data) -> bool:
    largest = max(data.operands[j].size for j, _ in axes.operands)
    separable = all(
        axis not in term.unit.coupled_axes(w[leaf].ndim)
        for term in data.penalty.terms
        for leaf, axis in axes.leaves
    )
    return largest >= SMALLEST and separable


def _first(start: Point, limits: Limits) -> Search:
    """The gradient at the start shows the first set."""
    dtype = vectors.dtype_of(start.x)
    step, scale = jnp.asarray(limits.step, dtype), jnp.asarray(limits.scale, dtype)
    none, no = jnp.zeros((), jnp.int32), jnp.array(False)
    zero = jnp.zeros_like(step)
    found = Found(*start, step, scale, zero, no, none, ~no)
    return Search(found, no)


def _descended(problem: Problem, before: Found, data: Data, limits: Limits) -> Found:
    """Where the descent on a set ends, from where the one before did."""
    there = limits._replace(steps=limits.steps - before.steps, step=before.step, scale=before.scale)
    found = descend(problem, before.w, data, there)
    return found._replace(steps=before.steps + found.steps)


def _judged(problem: Problem, found: Found, data: Data, limits: Limits) -> Search:
    """Whether what solves the problem on some features does on all of them."""
    here = problem.point(found.w, data)
    down = vectors.subtract(here.x, vectors.times(found.step, here.gradient))
    moved = vectors.subtract(here.x, problem.prox(down, found.step, data))
    residual = vectors.norm(moved) / found.step
    scale = jnp.maximum(found.scale, vectors.norm(here.gradient))
    bound = threshold(here, found.step, scale, limits.tolerance)
    after = found._replace(
        loss=here.loss,
        gradient=here.gradient,
        scale=scale,
        threshold=bound,
        settled=found.settled & (residual <= bound),
        started=found.started & jnp.isfinite(scale),
    )
    stuck = ~found.settled | ~after.started | (found.steps >= limits.steps)
    return Search(after, after.settled | stuck)


# Sets


def _sizes(axes: Contraction) -> list[int]:
    return [-(-axes.size // part) for part in PARTS]


def _columns(operand: jax.Array, indices: jax.Array, axis: int) -> jax.Array:
    """In the order of memory that products want, or they would copy it every time."""
    columns = jnp.take(operand, indices, axis=axis, mode="clip")
    return with_layout_constraint(columns, Layout(tuple(range(columns.ndim))))


def _ranked(
    problem: Problem, axes: Contraction, data: Data, found: Found
) -> tuple[jax.Array, jax.Array]:
    """Which size a set must have, beyond the last all features, and a number for each feature.

    The features with the largest are those that are not zero, or would not be after a step, and
    then the nearest to them.
    """
    down = vectors.subtract(found.w, vectors.times(found.step, found.gradient))
    landed = problem.prox(down, found.step, data)
    needed = (_largest(axes, found.w) > 0) | (_largest(axes, landed) > 0)
    order = jnp.where(needed, jnp.inf, _largest(axes, down))
    count = ROOM * jnp.sum(needed)
    return jnp.sum(count > jnp.array(_sizes(axes))), order


def _set_of(size: int, axes: Contraction, data: Data, order: jax.Array) -> Subset:
    """The features with the largest numbers, and their columns."""
    indices = jnp.sort(jax.lax.top_k(order, size)[1]).astype(jnp.int32)
    columns = tuple(_columns(data.operands[j], indices, axis) for j, axis in axes.operands)
    return Subset(indices, columns, jnp.zeros(axes.size, bool).at[indices].set(True))


def _largest(axes: Contraction, w: Vector) -> jax.Array:
    """The largest parameter of each feature."""
    rows = [jnp.moveaxis(w[leaf], axis, 0).reshape(axes.size, -1) for leaf, axis in axes.leaves]
    dtype = vectors.dtype_of(w)
    largest = [jnp.max(jnp.abs(row), axis=1, initial=0).astype(dtype) for row in rows]
    return jnp.max(jnp.stack(largest), axis=0)

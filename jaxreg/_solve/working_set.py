"""Descent on working sets: the loss is evaluated on the features that matter.

Most of a sparse solution is zero, and zeros contribute nothing to the products in the loss. So the
descent runs on the features whose parameters are not zero or about to be, all others held, until it
ends; then one step on all features shows whether it is the solution, and if not, which features
enter. Sets have one of a few sizes, so that one program serves all of them.

References: Massias, Gramfort & Salmon 2018, *Celer: a fast solver for the Lasso with dual
extrapolation* (arXiv:1802.07481); Bertrand et al. 2022, *Beyond L1: faster and better sparse models
with skglm* (arXiv:2204.07826).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg._solve import iteration, vectors
from jaxreg._solve.contracted import Contraction
from jaxreg._solve.descent import Found, Limits, descend
from jaxreg._solve.problem import Data, Problem, Subset
from jaxreg._solve.vectors import Vector

PARTS = 32, 12, 6, 3  # of the features are in a set, by size
ROOM = 1.25  # features of a set for each that must be in it
SMALLEST = 2**20  # numbers of an operand: below, compiling costs more than products


class Search(NamedTuple):
    """Where the search is."""

    found: Found  # by the descent before
    steps: jax.Array  # of all descents
    subset: Subset  # of the next one
    most: jax.Array  # its steps
    step: jax.Array  # with which it starts
    longest: jax.Array  # step on all features
    done: jax.Array


def search(problem: Problem, start: Vector, data: Data, limits: Limits) -> Found:
    """Minimises loss + penalty, on working sets where that is possible and pays.

    It is where the loss uses an axis of the parameters in products alone, the penalty does not
    couple entries along it, and the gradient at the start is known.
    """
    axes = problem.loss.contraction
    if limits.gradient is None or axes is None or not _pays(axes, start, data):
        return descend(problem, start, data, limits)

    def body(before: Search) -> Search:
        there = limits._replace(
            steps=jnp.minimum(before.most, limits.steps - before.steps),
            step=before.step,
            scale=before.found.scale,
        )
        found = descend(problem, before.found.w, data._replace(subset=before.subset), there)
        after = jax.lax.cond(
            _is_full(before.subset),
            lambda: _after_all(problem, axes, data, before, found, limits),
            lambda: _after_some(before, found),
        )
        return vectors.varying(after, before)

    first = _first(problem, axes, start, data, limits)
    first = vectors.varying(first, (start, problem.data_loss(start, data), data.penalty))
    end = jax.lax.while_loop(lambda s: ~s.done & (s.steps < limits.steps), body, first)
    return end.found._replace(steps=end.steps, settled=end.found.settled & end.done)


def _pays(axes: Contraction, w: Vector, data: Data) -> bool:
    largest = max(data.operands[j].size for j, _ in axes.operands)
    separable = all(
        axis not in term.unit.coupled_axes(w[leaf].ndim)
        for term in data.penalty.terms
        for leaf, axis in axes.leaves
    )
    return largest >= SMALLEST and separable


def _first(
    problem: Problem, axes: Contraction, start: Vector, data: Data, limits: Limits
) -> Search:
    """The gradient at the start shows the first set."""
    dtype = vectors.dtype_of(start)
    step, growth, scale = (
        jnp.asarray(x, dtype) for x in (limits.step, limits.growth, limits.scale)
    )
    none, no = jnp.zeros((), jnp.int32), jnp.array(False)
    found = Found(start, limits.gradient, step, scale, jnp.zeros_like(step), no, none, ~no)
    subset = _chosen(problem, axes, data, found, _empty(axes, data))
    longest = jnp.where(growth < iteration.FIRST_GROWTH, iteration.GROWTH * step, jnp.inf)
    return Search(found, none, subset, limits.steps, step, longest, no)


def _after_some(before: Search, found: Found) -> Search:
    """One step on all features comes next."""
    subset = before.subset._replace(
        level=jnp.full_like(before.subset.level, len(PARTS)),
        inside=jnp.ones_like(before.subset.inside),
    )
    return before._replace(
        found=found,
        steps=before.steps + found.steps,
        subset=subset,
        most=jnp.ones_like(before.most),
        step=jnp.minimum(found.step, before.longest),
    )


def _after_all(
    problem: Problem,
    axes: Contraction,
    data: Data,
    before: Search,
    found: Found,
    limits: Limits,
) -> Search:
    """It is the solution, or shows the next set."""
    done = found.settled | (before.most > 1) | ~found.started
    unchanged = before.subset
    return Search(
        found=found,
        steps=before.steps + found.steps,
        subset=jax.lax.cond(
            done, lambda: unchanged, lambda: _chosen(problem, axes, data, found, unchanged)
        ),
        most=jnp.full_like(before.most, limits.steps),
        step=found.step,
        longest=iteration.GROWTH * found.step,
        done=done,
    )


# Sets


def _sizes(axes: Contraction) -> list[int]:
    return [-(-axes.size // part) for part in PARTS]


def _is_full(subset: Subset) -> jax.Array:
    return subset.level == len(PARTS)


def _empty(axes: Contraction, data: Data) -> Subset:
    """All features, and room for the sets to come."""
    columns = [
        tuple(
            _columns(data.operands[j], jnp.zeros(size, jnp.int32), axis)
            for j, axis in axes.operands
        )
        for size in _sizes(axes)
    ]
    columns = jax.tree.map(jnp.zeros_like, columns)
    return Subset(
        level=jnp.full((), len(PARTS), jnp.int32),
        indices=tuple(jnp.zeros(size, jnp.int32) for size in _sizes(axes)),
        columns=tuple(columns),
        inside=jnp.ones(axes.size, bool),
    )


def _columns(operand: jax.Array, indices: jax.Array, axis: int) -> jax.Array:
    return jnp.take(operand, indices, axis=axis, mode="clip")


def _chosen(
    problem: Problem, axes: Contraction, data: Data, found: Found, before: Subset
) -> Subset:
    """The features that are not zero, or would not be after a step, and the nearest to them."""
    down = vectors.subtract(found.w, vectors.times(found.step, found.gradient))
    landed = problem.prox(down, found.step, data)
    needed = (_largest(axes, found.w) > 0) | (_largest(axes, landed) > 0)
    order = jnp.where(needed, jnp.inf, _largest(axes, down))
    count = ROOM * jnp.sum(needed)
    level = jnp.sum(jnp.stack([count > size for size in _sizes(axes)]).astype(jnp.int32))

    def of_size(i: int) -> Subset:
        indices = jnp.sort(jax.lax.top_k(order, _sizes(axes)[i])[1]).astype(jnp.int32)
        columns = tuple(_columns(data.operands[j], indices, axis) for j, axis in axes.operands)
        return Subset(
            level=level,
            indices=(*before.indices[:i], indices, *before.indices[i + 1 :]),
            columns=(*before.columns[:i], columns, *before.columns[i + 1 :]),
            inside=jnp.zeros(axes.size, bool).at[indices].set(True),
        )

    everything = before._replace(level=level, inside=jnp.ones(axes.size, bool))
    some = [lambda i=i: of_size(i) for i in range(len(PARTS))]
    return jax.lax.switch(level, [*some, lambda: everything])


def _largest(axes: Contraction, w: Vector) -> jax.Array:
    """The largest parameter of each feature."""
    rows = [jnp.moveaxis(w[leaf], axis, 0).reshape(axes.size, -1) for leaf, axis in axes.leaves]
    dtype = vectors.dtype_of(w)
    largest = [jnp.max(jnp.abs(row), axis=1, initial=0).astype(dtype) for row in rows]
    return jnp.max(jnp.stack(largest), axis=0)

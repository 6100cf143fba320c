"""The solution as a function of the data, with its derivatives.

They are those of the equation w = prox(w − step·∇f(w); step) that a solution fulfils, however it
was found: memory does not grow with the number of steps, and the start has no part in them.

References: Bertrand et al. 2022, *Implicit differentiation for fast hyperparameter selection in
non-smooth convex learning* (arXiv:2105.01637); Blondel et al. 2022, *Efficient and modular implicit
differentiation* (arXiv:2105.15183).
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from jaxreg._solve import conjugate, vectors
from jaxreg._solve.descent import Found, Limits
from jaxreg._solve.fixed_point import slopes
from jaxreg._solve.problem import Data, Problem
from jaxreg._solve.vectors import Vector
from jaxreg._solve.working_set import search

MOST_PRODUCTS = 10_000


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def minimum(problem: Problem, start: Vector, data: Data, limits: Limits) -> Found:
    """Where loss + penalty is least, found by descending from ``start``."""
    return search(problem, start, data, limits)


@minimum.defjvp
def _minimum_jvp(problem: Problem, primals: Any, tangents: Any) -> tuple[Found, Found]:
    data, moved = primals[1], tangents[1]
    found = minimum(problem, *primals)
    still = jax.tree.map(_no_tangent, found)
    step = jax.lax.stop_gradient(found.step)
    w = _moved(problem, found.w, step, data, moved)
    still = still._replace(w=w, loss=_loss_moved(problem, found, data, w, moved))
    return found, still


def _moved(problem: Problem, w: Vector, step: jax.Array, data: Data, moved: Data) -> Vector:
    """The derivative of the solution in the direction in which the data move."""
    gradient = problem.gradient(w, data)
    landed = vectors.subtract(w, vectors.times(step, gradient))
    _, pulled = jax.jvp(lambda data: problem.gradient(w, data), (data,), (moved,))
    _, threshold = jax.jvp(lambda data: problem.prox(landed, step, data), (data,), (moved,))
    slope = slopes(problem, w, gradient, step, data)
    right = slope.right(threshold, vectors.times(-step, pulled))

    def matrix(v: Vector) -> Vector:
        return vectors.varying(slope.matrix(vectors.agreed(v, right)), (v, data))

    everywhere = vectors.varying(right, data)  # as what it returns is, whatever its argument
    inner = jax.lax.custom_linear_solve(matrix, everywhere, _solve, symmetric=True)
    return vectors.add(threshold, slope.prox(vectors.agreed(inner, right)))


def _loss_moved(problem: Problem, found: Found, data: Data, w: Vector, moved: Data) -> jax.Array:
    """The derivative of the loss at the solution, where that and the data move."""
    _, loss = jax.jvp(problem.data_loss, (found.w, data), (w, moved))
    return loss.astype(found.loss.dtype)


def _solve(matrix: conjugate.Map, right: Vector) -> Vector:
    tolerance = float(np.finfo(vectors.dtype_of(right)).eps) ** 0.75
    size = sum(x.size for x in right)
    return conjugate.solve(matrix, right, tolerance, min(10 * size, MOST_PRODUCTS))


def _no_tangent(x: jax.Array) -> Any:
    return np.zeros(x.shape, jax.dtypes.float0) if not _is_float(x) else jax.numpy.zeros_like(x)


def _is_float(x: jax.Array) -> bool:
    return jax.numpy.issubdtype(x.dtype, np.floating)

"""Conjugate gradients: the solution of a symmetric linear system, known only by its products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg._solve import vectors
from jaxreg._solve.vectors import Vector

Map = Callable[[Vector], Vector]


class State(NamedTuple):
    x: Vector
    left: Vector  # right − matrix·x
    way: Vector
    square: jax.Array  # ‖left‖²
    made: jax.Array  # products


def solve(matrix: Map, right: Vector, tolerance: Any, count: Any) -> Vector:
    """x with ‖matrix·x − right‖ ≤ tolerance·‖right‖, or what so many products give.

    The matrix is symmetric and positive semidefinite, ``right`` in its range: then x is the
    shortest of the solutions. It stops where the matrix turns out not to be.
    """
    size = vectors.norm(right)
    unit = vectors.times(1 / jnp.where(size > 0, size, 1), right)
    bound = jnp.square(jnp.asarray(tolerance, size.dtype))

    def going(state: State) -> jax.Array:
        return (state.square > bound) & (state.made < count)

    def body(state: State) -> State:
        image = matrix(state.way)
        bend = vectors.dot(state.way, image)
        fine = bend > 0
        length = jnp.where(fine, state.square / jnp.where(fine, bend, 1), 0)
        left = vectors.subtract(state.left, vectors.times(length, image))
        square = vectors.dot(left, left)
        way = vectors.add(left, vectors.times(square / state.square, state.way))
        x = vectors.add(state.x, vectors.times(length, state.way))
        return State(x, left, way, jnp.where(fine, square, 0), state.made + 1)

    zero = [jnp.zeros_like(x) for x in right]
    start = State(zero, unit, unit, vectors.dot(unit, unit), jnp.zeros((), jnp.int32))
    start = vectors.varying(start, (right, count))
    return vectors.times(size, jax.lax.while_loop(going, body, start).x)

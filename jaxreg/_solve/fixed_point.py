"""The equation of a solution, w = prox(w − step·∇f(w); step), and its linear systems.

With J the derivative of the prox at w − step·∇f(w), and H that of ∇f at w, both symmetric, what
solves (I − J·(I − step·H))·x = b for b = c + J·d is x = c + J·y with

    (J − J·(I − step·H)·J)·y = J·(d + c − step·H·c),

a symmetric system, and positive semidefinite where the objective is convex. For ``l1`` J keeps
the support, so that it is the system of step·H on the support.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxreg._solve import vectors
from jaxreg._solve.conjugate import Map
from jaxreg._solve.problem import Data, Problem
from jaxreg._solve.vectors import Vector


class Slopes(NamedTuple):
    """The derivatives of both maps at a point."""

    prox: Map  # J
    gradient: Map  # H
    step: jax.Array

    def descended(self, v: Vector) -> Vector:
        """(I − step·H)·v."""
        return vectors.subtract(v, vectors.times(self.step, self.gradient(v)))

    def matrix(self, v: Vector) -> Vector:
        """(J − J·(I − step·H)·J)·v."""
        inner = self.prox(v)
        return self.prox(vectors.subtract(v, self.descended(inner)))

    def right(self, c: Vector, d: Vector) -> Vector:
        """J·(d + c − step·H·c)."""
        return self.prox(vectors.add(d, self.descended(c)))


def slopes(problem: Problem, w: Vector, gradient: Vector, step: jax.Array, data: Data) -> Slopes:
    landed = vectors.subtract(w, vectors.times(step, gradient))
    _, prox = jax.linearize(lambda u: problem.prox(u, step, data), landed)
    return Slopes(prox, problem.curvature(w, data), step)

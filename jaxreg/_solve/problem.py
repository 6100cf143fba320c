"""One problem, loss + penalty, as functions of a vector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg import _numbers, _trees
from jaxreg._penalty.constraint import Gradientless
from jaxreg._penalty.penalty import Penalty, Sum
from jaxreg._solve import vectors
from jaxreg._solve.layout import Layout
from jaxreg._solve.traced import Traced
from jaxreg._solve.vectors import Vector


class Subset(NamedTuple):
    """The features that the loss is evaluated on."""

    indices: jax.Array
    columns: tuple[jax.Array, ...]  # of the operands
    inside: jax.Array  # for each feature, whether it is in the set


class Data(NamedTuple):
    """The arrays that a problem depends on."""

    penalty: Penalty
    operands: Sequence[Any]  # of the loss
    others: Sequence[Any]  # of the tree of parameters
    subset: Subset | None = None


class Point(NamedTuple):
    """Where the loss is known."""

    x: Vector
    loss: jax.Array
    gradient: Vector


@dataclasses.dataclass(frozen=True)
class Problem:
    """What of a problem is known before the program runs; hashable."""

    layout: Layout
    loss: Traced

    def data_loss(self, w: Vector, data: Data) -> jax.Array:
        if data.subset is None:
            return self.loss(w, data.operands)[0]
        return self._loss_on(data.subset, w, data.operands)

    def gradient(self, w: Vector, data: Data) -> Vector:
        return jax.grad(self.data_loss)(w, data)

    def point(self, x: Vector, data: Data) -> Point:
        loss, gradient = jax.value_and_grad(self.data_loss)(x, data)
        return Point(x, loss.astype(vectors.dtype_of(x)), gradient)

    def curvature(self, w: Vector, data: Data) -> Callable[[Vector], Vector]:
        """Products with the second derivative of the loss."""
        return jax.linearize(lambda w: self.gradient(w, data), w)[1]

    def _loss_on(self, subset: Subset, w: Vector, operands: Sequence[Any]) -> jax.Array:
        axes = self.loss.contraction
        assert axes is not None
        w, operands = [*w], [*operands]
        for leaf, axis in axes.leaves:
            w[leaf] = jnp.take(w[leaf], subset.indices, axis=axis, unique_indices=True, mode="clip")
        for (operand, _), column in zip(axes.operands, subset.columns, strict=True):
            operands[operand] = column
        return self.loss.resized(w, operands)[0]

    def tree(self, w: Vector, data: Data) -> Any:
        return self.layout.join(w, data.others)

    def prox(self, w: Vector, step: jax.Array, data: Data) -> Vector:
        """Of the penalty; parameters outside the subset stay as they are."""
        landed = self.layout.split(data.penalty.prox(self.tree(w, data), step))
        return self.on_subset(landed, w, data)

    def on_subset(self, some: Vector, others: Vector, data: Data) -> Vector:
        """Parameters of the features of the subset from one vector, the rest from another."""
        axes = self.loss.contraction
        if data.subset is None or axes is None:
            return some
        joined = [*some]
        for leaf, axis in axes.leaves:
            outer = [i for i in range(some[leaf].ndim) if i != axis]
            inside = jnp.expand_dims(data.subset.inside, outer)
            joined[leaf] = jnp.where(inside, some[leaf], others[leaf])
        return joined

    def penalty(self, w: Vector, data: Data) -> jax.Array:
        """Its value; what is constant where it has a derivative is not differentiated by w."""
        leaves = _trees.leaves(self.tree(w, data))
        held = _trees.leaves(self.tree(jax.lax.stop_gradient(w), data))
        values = [
            term.value(held if isinstance(term.unit, Gradientless) else leaves)
            for term in data.penalty.terms
        ]
        return _numbers.total(values).astype(vectors.dtype_of(w))


def scaled(penalty: Penalty, strength: jax.Array) -> Penalty:
    """strength · penalty, and constraints, which have no strength, as they are."""
    terms = penalty.terms
    return Sum(tuple(term if term.unit.constraint else term.times(strength) for term in terms))

"""One problem, loss + penalty, as functions of a vector."""

from __future__ import annotations

import dataclasses
import functools
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

Loss = Callable[[Vector], jax.Array]


class Subset(NamedTuple):
    """The features that the loss is evaluated on: a set of one of a few sizes, or all."""

    level: jax.Array  # which of the sizes; beyond the last of them, all features
    indices: tuple[jax.Array, ...]  # for each size
    columns: tuple[tuple[jax.Array, ...], ...]  # for each size, of the operands
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
        return self.loss(w, data.operands)[0]

    def gradient(self, w: Vector, data: Data) -> Vector:
        return self._on_features(lambda loss: jax.grad(loss)(w), data)

    def point(self, x: Vector, data: Data) -> Point:
        loss, gradient = self._on_features(lambda loss: jax.value_and_grad(loss)(x), data)
        return Point(x, loss.astype(vectors.dtype_of(x)), gradient)

    def curvature(self, w: Vector, data: Data) -> Callable[[Vector], Vector]:
        """Products with the second derivative of the loss."""
        if data.subset is None:
            return jax.linearize(lambda w: self.gradient(w, data), w)[1]
        return lambda v: self._on_features(
            lambda loss: jax.jvp(jax.grad(loss), (w,), (v,))[1], data
        )

    def _on_features(self, derivative: Callable[[Loss], Any], data: Data) -> Any:
        """A derivative of the loss on the features of the subset."""
        everywhere = functools.partial(derivative, lambda w: self.data_loss(w, data))
        subset = data.subset
        if subset is None:
            return everywhere()
        pairs = zip(subset.indices, subset.columns, strict=True)
        losses = [functools.partial(self._loss_on, i, c, data.operands) for i, c in pairs]
        some = [functools.partial(derivative, loss) for loss in losses]
        return jax.lax.switch(subset.level, [*some, everywhere])

    def _loss_on(
        self, indices: jax.Array, columns: Sequence[jax.Array], operands: Sequence[Any], w: Vector
    ) -> jax.Array:
        axes = self.loss.contraction
        assert axes is not None
        w, operands = [*w], [*operands]
        for leaf, axis in axes.leaves:
            w[leaf] = jnp.take(w[leaf], indices, axis=axis, unique_indices=True, mode="clip")
        for (operand, _), column in zip(axes.operands, columns, strict=True):
            operands[operand] = column
        return self.loss.resized(w, operands)[0]

    def tree(self, w: Vector, data: Data) -> Any:
        return self.layout.join(w, data.others)

    def prox(self, w: Vector, step: jax.Array, data: Data) -> Vector:
        """Of the penalty; parameters outside the subset stay as they are."""
        landed = self.layout.split(data.penalty.prox(self.tree(w, data), step))
        axes = self.loss.contraction
        if data.subset is None or axes is None:
            return landed
        for leaf, axis in axes.leaves:
            inside = jnp.expand_dims(
                data.subset.inside, [i for i in range(w[leaf].ndim) if i != axis]
            )
            landed[leaf] = jnp.where(inside, landed[leaf], w[leaf])
        return landed

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

"""The mathematics of a penalty: what its author writes, of strength 1, for one array."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers


class Unit:
    """A penalty of strength 1 on one array, and the facts about it that others build on.

    It knows nothing of trees, strengths, selections and references: `term` gives it those, and
    `prox_sum` reads the facts.
    """

    __name__: str
    constraint: ClassVar[bool] = False  # 0 or ∞, hence without strength
    widens: ClassVar[bool] = False  # takes low precision too, and widens it without a copy

    # Facts, each independent of the others, from which follows what its prox composes with.
    convex: ClassVar[bool] = False
    entrywise: ClassVar[bool] = False  # Σ f(wᵢ), so that array_prox takes a step for every entry
    quadratic: ClassVar[bool] = False  # the squared distance
    interval: ClassVar[bool] = False  # the constraint that entries lie in an interval
    homogeneous: ClassVar[bool] = False  # value(c·w) = c·value(w) for c > 0
    radial: ClassVar[bool] = False  # increasing in the norms of groups, or constant

    def array_value(self, w: jax.Array) -> jax.Array:
        """The unit penalty of one array, a real scalar."""
        raise NotImplementedError(f"{type(self).__name__} does not define array_value")

    def array_parts(self, w: jax.Array) -> jax.Array:
        """The summands of ``array_value``, each of which may have a weight of its own.

        One for every index of the axes that are not coupled; those that are have length 1. It is
        ``array_value`` of each part, so that no penalty need define it.
        """
        coupled = sorted(self.coupled_axes(w.ndim))
        free = [axis for axis in range(w.ndim) if axis not in coupled]

        def value(part: jax.Array) -> jax.Array:
            return self.array_value(jnp.expand_dims(part, free))

        for axis in free:
            value = jax.vmap(value, in_axes=axis, out_axes=-1)
        return jnp.expand_dims(value(w), coupled)

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        """argmin_v step·value(v) + ½‖v − w‖² for one array.

        Of a penalty with weights ``step`` is an array with one step for each of `array_parts`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define array_prox")

    def array_metric_prox(self, w: jax.Array, steps: jax.Array) -> jax.Array:
        """argmin_v value(v) + ½Σ|v − w|²/steps for one array: a step for every entry of ``w``.

        An entrywise penalty needs no other formula than ``array_prox``.
        """
        if self.entrywise:
            return self.array_prox(w, steps)
        raise NotImplementedError(
            f"{self!r}: expected a penalty whose prox is known with a step for every entry "
            f"(metric='adam', or beside l2 with weights of entries), got one for which it is known "
            f"with a single step; "
            f"end the chain with proximal_step(penalty, learning_rate), or put it into the loss"
        )

    def array_grad(self, w: jax.Array) -> jax.Array:
        """The gradient of ``array_value``: the direction of steepest ascent, also if complex."""
        return jnp.conj(jax.grad(self.array_value)(w))

    def misfit(self, w: jax.Array) -> str | None:
        """What an array is expected to be, in words, where ``w`` is something else."""
        del w

    def coupled_axes(self, ndim: int) -> frozenset[int]:
        """The axes along which entries act together: all, unless known to be fewer."""
        return frozenset() if self.entrywise else frozenset(range(ndim))

    def indicator(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        """The value of a constraint: 0 where entries within ``rounding`` of ``w`` fulfil it."""
        raise NotImplementedError(f"{type(self).__name__} is no constraint")

    def __repr__(self) -> str:
        name = getattr(self, "__name__", type(self).__name__)
        settings = [
            f"{field.name}={_numbers.show(getattr(self, field.name))}"
            for field in dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        ]
        return f"{name}({', '.join(settings)})" if settings else name

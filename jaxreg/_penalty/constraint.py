"""Penalties that have a prox and no gradient to speak of: conditions, and counts of entries."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxreg._penalty.penalty import Penalty


class Gradientless(Penalty):
    """A penalty that is constant wherever it is differentiable: for its prox, not for a loss."""

    def array_grad(self, w: jax.Array) -> jax.Array:
        raise TypeError(_no_gradient(repr(self)))

    def held(self, w: jax.Array) -> jax.Array:
        """``w``, such that differentiating with respect to it raises."""
        return _held(repr(self), w)


class Constraint(Gradientless):
    """The condition that parameters lie in a convex set: value 0 in it, ∞ outside, no strength.

    ``box``, ``non_negative`` and ``max_norm`` are constraints. To write one, subclass with
    ``@jaxreg.pytree`` and define ``contains(w, rounding)`` and ``array_prox(w, step)``, the
    projection onto the set, whatever the step. A step for every entry (``metric="adam"``) it
    takes where the class says ``entrywise = True`` or defines ``array_metric_prox``. As for every
    constraint, a strength and a derivative raise a TypeError.

    >>> import jax.numpy as jnp
    >>> from jaxreg import Constraint, pytree
    >>> @pytree
    ... class SumsToOne(Constraint):
    ...     def contains(self, w, rounding):
    ...         return jnp.abs(jnp.sum(w) - 1) <= jnp.sum(rounding)
    ...
    ...     def array_prox(self, w, step):
    ...         return w + (1 - jnp.sum(w)) / w.size
    >>> SumsToOne().prox({"mixture": jnp.array([3.0, 1.0])}, step=1.0)
    {'mixture': Array([ 1.5, -0.5], dtype=float32)}
    >>> float(SumsToOne()({"mixture": jnp.array([3.0, 1.0])}))
    inf
    """

    constraint: ClassVar[bool] = True
    convex: ClassVar[bool] = True

    def contains(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        """Whether an array within ``rounding`` of ``w``, entry by entry, lies in the set."""
        raise NotImplementedError(f"{type(self).__name__} does not define contains")

    def indicator(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        w = self.held(w)
        fulfilled = self.contains(w, jnp.where(jnp.isfinite(rounding), rounding, 0))
        value = jnp.where(fulfilled, 0.0, jnp.inf)
        return jnp.where(jnp.any(jnp.isnan(w)), jnp.nan, value).astype(rounding.dtype)

    def array_value(self, w: jax.Array) -> jax.Array:
        return self.indicator(w, 4 * jnp.finfo(w.dtype).eps * jnp.abs(w))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _held(penalty: str, w: jax.Array) -> jax.Array:
    del penalty
    return w


@_held.defjvp
def _held_jvp(penalty: str, primals: Any, tangents: Any) -> Any:
    raise TypeError(_no_gradient(penalty))


def _no_gradient(penalty: str) -> str:
    return (
        f"{penalty}: expected to be used through its prox, got differentiated; its gradient is "
        f"zero wherever there is one and would do nothing in a loss: take it out of the loss and "
        f"end the optimizer with jaxreg.proximal_step, or jaxreg.project for a constraint, or "
        f"call {penalty}.prox(params, step)"
    )

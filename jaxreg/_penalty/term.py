"""One term of a penalty: strength · Σ weights · unit(leaf − reference), over selected leaves."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import _numbers, _trees
from jaxreg._penalty.arithmetic import weighted
from jaxreg._penalty.unit import Unit
from jaxreg._penalty.weights import Weights, shown, weight_of
from jaxreg._select.rules import Where, everything
from jaxreg._trees import Leaf, pytree, static


@pytree
class Term:
    """strength · Σ weights · unit(leaf − reference), over the leaves that a rule selects."""

    strength: Any
    unit: Unit
    reference: dict[str, jax.Array] | None  # by name, and shared by all terms of one `around`
    where: Where = static()
    weights: tuple[Weights, ...] = ()  # which multiply each other

    def times(self, strength: Any) -> Term:
        if self.unit.constraint:
            raise TypeError(
                f"{self.unit!r}: expected no strength, got {_numbers.show(strength)}: a constraint "
                f"is 0 or ∞, and 0·∞ is undefined; add it as it is: 1e-4 * l2 + {self.unit!r}"
            )
        return dataclasses.replace(self, strength=strength * self.strength)

    def weighted(self, weights: Weights) -> Term:
        if self.unit.constraint:
            raise TypeError(
                f"{self.unit!r}: expected no weights: a constraint is 0 or ∞, and 0·∞ is "
                f"undefined; add it as it is: l1.weighted(weights) + {self.unit!r}"
            )
        return dataclasses.replace(self, weights=(*self.weights, weights))

    def on(self, rule: Where) -> Term:
        both = rule if self.where == everything else self.where & rule
        return dataclasses.replace(self, where=both)

    def around(self, reference: dict[str, jax.Array]) -> Term:
        if self.reference is not None:
            raise ValueError("around: expected a penalty without a reference, but it has one")
        return dataclasses.replace(self, reference=reference)

    def acts_on(self, leaves: Sequence[Leaf]) -> list[bool]:
        """For every leaf, whether the term counts there; leaves that do not fit it raise.

        Arrays without entries count nowhere: a factorisation or a maximum of them may not exist.
        """
        self._require_scalar()
        mask = self.where.selected(leaves)
        acts = [on and leaf.value.size > 0 for on, leaf in zip(mask, leaves, strict=True)]
        for leaf in itertools.compress(leaves, acts):
            self._check(leaf)
        return acts

    def _require_scalar(self) -> None:
        if jnp.ndim(self.strength):
            raise ValueError(
                f"strength: expected a scalar, got an array of shape {jnp.shape(self.strength)}; "
                f"for a number for each leaf, entry or group write {weighted(self.unit)}; for many "
                f"strengths map over them: jax.vmap(lambda strength: …)(values)"
            )

    def _check(self, leaf: Leaf) -> None:
        expected = self.unit.misfit(leaf.value)
        if expected:
            raise ValueError(
                f"{self.unit!r}: expected {expected}, got shape {leaf.value.shape} of "
                f"{leaf.value.dtype} at {leaf.name or 'the array'}; select the leaves that it is "
                f"meant for, as in {self.unit!r}.on(weights)"
            )

    def value(self, leaves: Sequence[Leaf]) -> jax.Array:
        chosen = itertools.compress(leaves, self.acts_on(leaves))
        value = _numbers.total([self._leaf_value(leaf) for leaf in chosen])
        return value if self.unit.constraint else self.strength_in(value.dtype) * value

    def _leaf_value(self, leaf: Leaf) -> jax.Array:
        if self.unit.constraint:
            return self.unit.indicator(self.offset(leaf), self._rounding(leaf))
        w = jnp.asarray(leaf.value) if self.takes_as_is() else self.offset(leaf)
        if not self.weights:
            return self.unit.array_value(w)
        parts = self.unit.array_parts(w)
        return jnp.sum(self.weight(leaf, parts.dtype) * parts)

    def takes_as_is(self) -> bool:
        """Whether the unit takes the leaf in its own dtype, unmoved."""
        return self.unit.widens and self.reference is None

    def _rounding(self, leaf: Leaf) -> jax.Array:
        """How far storage in its own dtype may have moved each entry of a projected leaf."""
        size = jnp.abs(_numbers.widen(leaf.value))
        if self.reference is not None:
            size = size + jnp.abs(self.centre(leaf))
        stored = jnp.finfo(jax.dtypes.canonicalize_dtype(leaf.value.dtype))
        return 4 * stored.eps.astype(size.dtype) * size

    def grad(self, leaf: Leaf) -> jax.Array:
        w = self.offset(leaf)
        return self.amount(leaf).astype(w.dtype) * self.unit.array_grad(w)

    def offset(self, leaf: Leaf) -> jax.Array:
        """The leaf in at least float32, minus its reference."""
        w = _numbers.widen(leaf.value)
        return w if self.reference is None else w - self.centre(leaf)

    def centre(self, leaf: Leaf) -> jax.Array:
        assert self.reference is not None
        return _trees.named(self.reference, leaf).astype(_numbers.widen(leaf.value).dtype)

    def strength_in(self, dtype: Any) -> jax.Array:
        """The strength, as a scalar that takes part in arithmetic of ``dtype`` unpromoted."""
        return _numbers.cast(self.strength, dtype)

    def weight(self, leaf: Leaf, dtype: Any) -> jax.Array:
        """The product of its weights: a number, or one for each part of the leaf."""
        own = (weight_of(weights, leaf, self.unit) for weights in self.weights)
        first = jnp.ones((), dtype)
        return functools.reduce(jnp.multiply, (_numbers.cast(w, dtype) for w in own), first)

    def amount(self, leaf: Leaf) -> jax.Array:
        """The strength, times the weights if there are any, in the precision of computing."""
        dtype = _numbers.real_dtype(np.promote_types(leaf.value.dtype, np.float32))
        strength = self.strength_in(dtype)
        return strength * self.weight(leaf, dtype) if self.weights else strength

    def __repr__(self) -> str:
        factor = "" if _numbers.is_one(self.strength) else f"{_numbers.show(self.strength)} * "
        rule = getattr(self.where, "pattern", self.where)
        chosen = "" if self.where == everything else f".on({rule!r})"
        around = ".around(…)" if self.reference else ""
        weighted = "".join(f".weighted({shown(weights)})" for weights in self.weights)
        return f"{factor}{self.unit!r}{weighted}{around}{chosen}"


def by_leaf(terms: Sequence[Term], leaves: Sequence[Leaf]) -> list[list[Term]]:
    """For every leaf, the terms that act on it."""
    masks = [term.acts_on(leaves) for term in terms]
    return [list(itertools.compress(terms, row)) for row in zip(*masks, strict=True)]


def grad_of_sum(leaf: Leaf, terms: Sequence[Term]) -> Any:
    if not terms:
        return jnp.zeros_like(leaf.value) if _numbers.is_numeric(leaf.value) else leaf.value
    grads = [term.grad(leaf) for term in terms]
    return _numbers.cast(functools.reduce(jnp.add, grads), leaf.value.dtype)

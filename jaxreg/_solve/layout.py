"""A tree of parameters as a list of real arrays, and back.

Complex arrays are two real ones, so that products of vectors and their derivatives are those of
real numbers. Whatever else a tree holds, integers, keys and functions, stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxreg._messages.brief import is_array
from jaxreg._solve.vectors import Vector
from jaxreg._trees import Leaf, replace_leaves

REAL, COMPLEX, ARRAY = "real", "complex", "array"


class Static:
    """A leaf that is no array; equal to another if that holds the same object."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class Layout(NamedTuple):
    """What of a tree is known before the program runs; hashable."""

    structure: Any
    kinds: tuple[str | Static, ...]

    def join(self, vector: Sequence[jax.Array], others: Sequence[Any]) -> Any:
        """The tree with its parameters from a vector and its other arrays."""
        rest, beside = iter(vector), iter(others)
        return jax.tree.unflatten(self.structure, [_leaf(k, rest, beside) for k in self.kinds])

    def split(self, tree: Any) -> Vector:
        """The parameters of such a tree as a vector."""
        leaves = jax.tree.leaves(tree)
        return [part for k, x in zip(self.kinds, leaves, strict=True) for part in _parts(k, x)]


def _leaf(kind: str | Static, rest: Iterator[jax.Array], beside: Iterator[Any]) -> Any:
    if isinstance(kind, Static):
        return kind.value
    if kind == ARRAY:
        return next(beside)
    return lax.complex(next(rest), next(rest)) if kind == COMPLEX else next(rest)


def _parts(kind: str | Static, array: Any) -> Vector:
    if kind == COMPLEX:
        return [jnp.real(array), jnp.imag(array)]
    return [jnp.asarray(array)] if kind == REAL else []


def laid_out(params: Any, leaves: Sequence[Leaf]) -> tuple[Layout, Vector, list[Any]]:
    """The layout of a tree with these leaves, its parameters, and its other arrays."""
    values = [jnp.asarray(leaf.value) if leaf.is_parameter else leaf.value for leaf in leaves]
    layout = Layout(jax.tree.structure(params), tuple(map(_kind, leaves)))
    others = [x for kind, x in zip(layout.kinds, values, strict=True) if kind == ARRAY]
    return layout, layout.split(replace_leaves(params, values)), others


def _kind(leaf: Leaf) -> str | Static:
    if not leaf.is_parameter:
        return ARRAY if is_array(leaf.value) else Static(leaf.value)
    return COMPLEX if jnp.issubdtype(leaf.value.dtype, jnp.complexfloating) else REAL

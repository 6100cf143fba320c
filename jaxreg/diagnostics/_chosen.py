"""The parameters that a measure is taken of, and the norms of their groups.

Every measure takes a tree and returns a number or an array for each parameter, by name, so that
it can be jitted, logged and compared between frameworks. A single array has the name ``""``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxreg import _numbers, _trees
from jaxreg._messages.brief import brief
from jaxreg._select.select import where as rule
from jaxreg._trees import Leaf, leaves_of

Axis = int | tuple[int, ...] | None


def chosen(params: Any, where: Any) -> list[Leaf]:
    """The leaves that a rule selects, of a tree that holds parameters."""
    leaves = leaves_of("diagnostics", params)
    return list(itertools.compress(leaves, rule(where).selected(leaves)))


def matching(argument: str, tree: Any, leaves: Sequence[Leaf]) -> list[Any]:
    """The arrays of another tree at the same names."""
    values = {leaf.name: leaf.value for leaf in _trees.leaves(tree)}
    for leaf in leaves:
        found = jnp.shape(values[leaf.name]) if leaf.name in values else "nothing"
        if found != jnp.shape(leaf.value):
            raise ValueError(
                f"{argument}: expected a tree like the parameters, with shape "
                f"{jnp.shape(leaf.value)} at {leaf.name or 'the array'}, got {found}"
            )
    return [values[leaf.name] for leaf in leaves]


def size(w: jax.Array, axis: Axis = None) -> jax.Array:
    return jnp.squeeze(_numbers.norm(w, axis), axis)


def group_sizes(function: str, leaf: Leaf, axis: Axis) -> jax.Array:
    require_axis(function, leaf, axis)
    return size(_numbers.widen(leaf.value), axis)


def require_axis(function: str, leaf: Leaf, axis: Axis) -> None:
    if axis is None:
        return
    axes, shape = _numbers.as_axis(axis), jnp.shape(leaf.value)
    if axes is None:
        raise TypeError(
            f"{function}: axis: expected an integer or a tuple of integers, got {brief(axis)}"
        )
    if not _numbers.are_axes(axes, len(shape)):
        raise ValueError(
            f"{function}: expected an array with axis {axis}, got shape {shape} at "
            f"{leaf.name or 'the array'}; select the leaves that are meant: where=jaxreg.weights"
        )

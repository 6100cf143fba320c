"""The leaves of a tree of parameters, each by its name, and the tree made of other leaves again."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg._messages.brief import is_array
from jaxreg._trees import _paths
from jaxreg._trees._paths import Path


class Stem(NamedTuple):
    """Where in a tree an array stands, and the class of the module that holds it there."""

    path: Path
    owner: type | None


class Leaf(NamedTuple):
    """One leaf of a tree of parameters."""

    name: str  # no other leaf of the tree has it
    value: Any
    owner: type | None  # the class of the module that holds it, where the tree still knows
    is_parameter: bool
    path: Path
    outer: Stem | None = None  # of the node that may stand for one array, of which this is a part
    has_twin: bool = False  # whether another leaf's path gives the same name

    @property
    def stems(self) -> list[Stem]:
        """Its own path and owner, after those of the array that it may be a part of."""
        own = Stem(self.path, self.owner)
        return [self.outer, own] if self.outer else [own]

    @property
    def key(self) -> str:
        """What the leaf is found by in another tree, or in a part of one."""
        return _paths.escaped(self.path)


def leaves(tree: Any) -> list[Leaf]:
    """Every leaf of ``tree``, in the order of ``jax.tree.leaves``, with its name and owner.

    A leaf is a parameter if it is a real or complex floating-point array. Integers, PRNG keys,
    Python numbers, NNX variables other than ``nnx.Param``, Equinox's state and Linen's
    ``batch_stats`` are not.
    """
    found: list[Leaf] = []
    _walk(tree, Place((), None, True), found)
    paths = _paths.told_apart([leaf.path for leaf in found])  # variables may share their own
    often = Counter("/".join(path) for path in paths)
    return [_named(leaf, path, often) for leaf, path in zip(found, paths, strict=True)]


def _named(leaf: Leaf, path: Path, often: Counter[str]) -> Leaf:
    name = "/".join(path)
    twin = often[name] > 1
    return leaf._replace(name=_paths.escaped(path) if twin else name, path=path, has_twin=twin)


class Place(NamedTuple):
    """What is known of a node from those above it."""

    path: Path
    owner: type | None
    is_trained: bool
    outer: Stem | None = None


def _walk(node: Any, place: Place, found: list[Leaf]) -> None:
    below = _paths.children(node)
    if below is None:
        found.append(_leaf(node, place))
        return
    here = place._replace(is_trained=place.is_trained and _paths.is_trained(node))
    if _paths.wraps_one(node, below):
        _walk(below[0][1], here, found)
        return
    if here.path and _paths.may_stand_for_array(node, below):
        here = here._replace(outer=here.outer or Stem(here.path, here.owner))
    here = here._replace(owner=_paths.module_class(node))
    for segments, child in below:
        _walk(child, here._replace(path=here.path + segments), found)


def _leaf(value: Any, place: Place) -> Leaf:
    value, path = _paths.variable(value, place.path)
    is_float = is_array(value) and jnp.issubdtype(value.dtype, jnp.inexact)
    name = "/".join(path)
    trained = place.is_trained and "batch_stats" not in name.split("/")
    return Leaf(name, value, place.owner, trained and is_float, path, place.outer)


def replace_leaves(tree: Any, values: Iterable[Any]) -> Any:
    """``tree`` with other values at its leaves, in the order of ``leaves``."""
    return jax.tree.unflatten(jax.tree.structure(tree), values)


def named_copy(params: Any) -> dict[str, jax.Array]:
    """The parameters by key, copied: the originals may be donated to a jitted step."""
    return {leaf.key: jnp.array(leaf.value) for leaf in leaves(params) if leaf.is_parameter}


def named(reference: dict[str, jax.Array], leaf: Leaf) -> jax.Array:
    """The reference of a leaf, found by name: positions differ inside ``optax.masked``."""
    if leaf.key in reference:
        return reference[leaf.key]
    names = [key for key in reference if _paths.unescaped(key) == leaf.name]
    if len(names) == 1 and not leaf.has_twin:  # in other containers, such as a flattened dictionary
        return reference[names[0]]
    near = difflib.get_close_matches(leaf.name, list(reference), n=1, cutoff=0.0)
    raise ValueError(
        f"reference: expected a leaf {leaf.name!r}, but there is none; the nearest is {near}; "
        f"leave the leaf out of the selection"
    )

"""Trees of parameters: their leaves by name, sums over many leaves, dataclasses that are pytrees.

Everything above this file writes mathematics for one array and comes here to apply it to a tree.
A leaf has one name in every framework, ``fc1/kernel``, so that one regular expression means the
same for a Linen dictionary, an ``nnx.State``, an Equinox module and a Haiku mapping.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.tree_util import GetAttrKey, register_pytree_with_keys

from jaxreg import _path
from jaxreg._path import Path

T = TypeVar("T")
BLOCK = 8  # scalars added up by one kernel


def static(**kwargs: Any) -> Any:
    """A field of a ``pytree`` that is part of its structure, hence hashable, not a leaf.

    >>> @pytree
    ... class Groups:
    ...     strength: float
    ...     axis: int = static()
    >>> jax.tree.leaves(Groups(strength=0.5, axis=0))
    [0.5]
    """
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def pytree(cls: type[T]) -> type[T]:
    """Makes a frozen dataclass whose fields are leaves, except those marked ``static()``.

    Equality and hash are those of identity: a generated ``__eq__`` would compare traced arrays.

    >>> @pytree
    ... class Point:
    ...     x: float
    ...     y: float
    >>> jax.tree.map(lambda number: 2 * number, Point(x=1.0, y=3.0)).y
    6.0
    """
    cls = dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
    fields = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
    meta = [f.name for f in fields if f.metadata.get("static")]
    data = [f.name for f in fields if f.name not in meta]
    _register(cls, data, meta)
    return cls


def _register(cls: type[Any], data: list[str], meta: list[str]) -> None:
    """What ``jax.tree_util.register_dataclass`` does, but different classes are not equal.

    Its structures are equal for any two classes with the same fields (jaxlib 0.10.2), so that
    ``jit``, given one penalty, may now and then run what it has compiled for another.
    """

    def flatten(node: Any) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(node, n) for n in data], tuple(getattr(node, n) for n in meta)

    def flatten_with_keys(node: Any) -> tuple[Any, tuple[Any, ...]]:
        children, settings = flatten(node)
        return list(zip(map(GetAttrKey, data), children, strict=True)), settings

    def unflatten(settings: tuple[Any, ...], children: Iterable[Any]) -> Any:
        return cls(
            **dict(zip(data, children, strict=True)), **dict(zip(meta, settings, strict=True))
        )

    register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)


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
        return _path.escaped(self.path)


def leaves(tree: Any) -> list[Leaf]:
    """Every leaf of ``tree``, in the order of ``jax.tree.leaves``, with its name and owner.

    A leaf is a parameter if it is a real or complex floating-point array. Integers, PRNG keys,
    Python numbers, NNX variables other than ``nnx.Param``, Equinox's state and Linen's
    ``batch_stats`` are not.
    """
    found: list[Leaf] = []
    _walk(tree, Place((), None, True), found)
    paths = _path.told_apart([leaf.path for leaf in found])  # variables may share their own
    often = Counter("/".join(path) for path in paths)
    return [_named(leaf, path, often) for leaf, path in zip(found, paths, strict=True)]


def _named(leaf: Leaf, path: Path, often: Counter[str]) -> Leaf:
    name = "/".join(path)
    twin = often[name] > 1
    return leaf._replace(name=_path.escaped(path) if twin else name, path=path, has_twin=twin)


class Place(NamedTuple):
    """What is known of a node from those above it."""

    path: Path
    owner: type | None
    is_trained: bool
    outer: Stem | None = None


def _walk(node: Any, place: Place, found: list[Leaf]) -> None:
    below = _path.children(node)
    if below is None:
        found.append(_leaf(node, place))
        return
    here = place._replace(is_trained=place.is_trained and _path.is_trained(node))
    if _path.wraps_one(node, below):
        _walk(below[0][1], here, found)
        return
    if here.path and _path.may_stand_for_array(node, below):
        here = here._replace(outer=here.outer or Stem(here.path, here.owner))
    here = here._replace(owner=_path.module_class(node))
    for segments, child in below:
        _walk(child, here._replace(path=here.path + segments), found)


def _leaf(value: Any, place: Place) -> Leaf:
    value, path = _path.variable(value, place.path)
    dtype = getattr(value, "dtype", None)
    is_float = dtype is not None and jnp.issubdtype(dtype, jnp.inexact)
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
    names = [key for key in reference if _path.unescaped(key) == leaf.name]
    if len(names) == 1 and not leaf.has_twin:  # in other containers, such as a flattened dictionary
        return reference[names[0]]
    near = difflib.get_close_matches(leaf.name, list(reference), n=1, cutoff=0.0)
    raise ValueError(
        f"reference: expected a leaf {leaf.name!r}, but there is none; the nearest is {near}; "
        f"leave the leaf out of the selection"
    )


def real_dtype(dtype: Any) -> Any:
    """The dtype of the modulus: float32 for complex64."""
    return jnp.finfo(dtype).dtype


def widen(w: Any) -> jax.Array:
    """``w`` in at least float32, so that bfloat16 and float16 accumulate in float32."""
    w = jnp.asarray(w)
    return w.astype(np.promote_types(w.dtype, np.float32))  # jax refuses in its strict mode


def total(values: Sequence[jax.Array]) -> jax.Array:
    """Sum of scalars, in the widest of their dtypes; 0 for none. Compiles in linear time.

    A chain of additions over thousands of leaves makes XLA fuse them all into one kernel, in
    quadratic time, as does one array of them all; blocks behind barriers stay small kernels.
    """
    if not values:
        return jnp.zeros((), jnp.float32)
    dtype = functools.reduce(np.promote_types, [v.dtype for v in values])
    return _total([v.astype(dtype) for v in values])


@jax.custom_jvp
def _total(values: list[jax.Array]) -> jax.Array:
    while len(values) > 1:
        blocks = [values[i : i + BLOCK] for i in range(0, len(values), BLOCK)]
        values = [jnp.sum(lax.optimization_barrier(jnp.stack(block))) for block in blocks]
    return values[0]


@_total.defjvp
def _total_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    return _total(*primals), jnp.sum(jnp.stack(tangents[0]))

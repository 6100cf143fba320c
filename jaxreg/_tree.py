"""Trees of parameters: their leaves by name, sums over many leaves, dataclasses that are pytrees.

Everything above this file writes mathematics for one array and comes here to apply it to a tree.
A leaf has one name in every framework, ``fc1/kernel``, so that one regular expression means the
same for a Linen dictionary, an ``nnx.State``, an Equinox module and a Haiku mapping.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import operator
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.tree_util import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    default_registry,
    keystr,
    register_pytree_with_keys,
)

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


class Leaf(NamedTuple):
    """One leaf of a tree of parameters."""

    name: str
    value: Any
    owner: type | None  # the class of the module that holds it, where the tree still knows
    is_parameter: bool


def leaves(tree: Any) -> list[Leaf]:
    """Every leaf of ``tree``, in the order of ``jax.tree.leaves``, with its name and owner.

    A leaf is a parameter if it is a real or complex floating-point array. Integers, PRNG keys,
    Python numbers, NNX variables other than ``nnx.Param``, Equinox's state and Linen's
    ``batch_stats`` are not.
    """
    found: list[Leaf] = []
    _walk(tree, (), None, True, found)
    return found


def _walk(node: Any, path: tuple[str, ...], owner: type | None, trained: bool, found: list[Leaf]):
    children = _children(node)
    if children is None:
        found.append(_leaf(node, path, owner, trained))
        return
    box, trained = _box(node, trained)
    owner = owner if box else _owner(node)
    for segment, child in children:
        _walk(child, path if box else (*path, segment), owner, trained, found)


def _children(node: Any) -> list[tuple[str, Any]] | None:
    """The children of a node by name, or None if it is a leaf."""
    flat = default_registry.flatten_one_level_with_keys(node)
    if flat is None:
        return None
    if not flat[0] or not isinstance(flat[0][0][0], FlattenedIndexKey):
        return [(_segment(key), child) for key, child in flat[0]]
    keys, children = zip(*flat[0], strict=True)
    nnx = sys.modules.get("flax.nnx")
    if isinstance(node, Mapping) and _same_leaves(children, dict(node)):  # such as Haiku's FlatMap
        return _children(dict(node))
    if nnx and isinstance(node, nnx.statelib.FlatState):
        keys = map(DictKey, node.paths)  # pyright: ignore[reportAttributeAccessIssue]
    return list(zip(map(_segment, keys), children, strict=True))


def _same_leaves(a: Any, b: Any) -> bool:
    ours, theirs = jax.tree.leaves(a), jax.tree.leaves(b)
    return len(ours) == len(theirs) and all(map(operator.is_, ours, theirs))


def _segment(key: Any) -> str:
    """What a key adds to the name: several segments where the tree has been flattened."""
    if isinstance(key, DictKey) and isinstance(key.key, tuple):
        return "/".join(map(str, key.key))
    return keystr((key,), simple=True)


def _leaf(value: Any, path: tuple[str, ...], owner: type | None, trained: bool) -> Leaf:
    dtype = getattr(value, "dtype", None)
    is_float = dtype is not None and jnp.issubdtype(dtype, jnp.inexact)
    name = "/".join(path)
    trained = trained and "batch_stats" not in name.split("/")
    return Leaf(name, value, owner, trained and is_float)


def _box(node: Any, trained: bool) -> tuple[bool, bool]:
    """Whether ``node`` is a framework's wrapper of one array, and whether what it holds is trained.

    flax and equinox are looked up, not imported: without them no tree can hold their classes.
    """
    nnx, meta, eqx = map(sys.modules.get, ("flax.nnx", "flax.core.meta", "equinox.nn"))
    if nnx and isinstance(node, nnx.Variable):
        return True, trained and isinstance(node, nnx.Param)
    if eqx and isinstance(node, eqx.State | eqx.StateIndex):
        return False, False
    return bool(meta and isinstance(node, meta.AxisMetadata)), trained


def _owner(node: Any) -> type | None:
    """The class of ``node`` if it is a module and not a mere container.

    Equinox's modules and flax's structs are dataclasses.
    """
    nnx = sys.modules.get("flax.nnx")
    is_module = dataclasses.is_dataclass(node) or bool(nnx and isinstance(node, nnx.Module))
    return type(node) if is_module and not isinstance(node, Sequence | Mapping) else None


def replace_leaves(tree: Any, values: Iterable[Any]) -> Any:
    """``tree`` with other values at its leaves, in the order of ``leaves``."""
    return jax.tree.unflatten(jax.tree.structure(tree), values)


def named_copy(params: Any) -> dict[str, jax.Array]:
    """The parameters by name, copied: the originals may be donated to a jitted step."""
    return {leaf.name: jnp.array(leaf.value) for leaf in leaves(params) if leaf.is_parameter}


def named(reference: dict[str, jax.Array], leaf: Leaf) -> jax.Array:
    """The reference of a leaf, found by name: positions differ inside ``optax.masked``."""
    if leaf.name not in reference:
        near = difflib.get_close_matches(leaf.name, list(reference), n=1, cutoff=0.0)
        raise ValueError(
            f"reference: expected a leaf {leaf.name!r}, but there is none; the nearest is {near}; "
            f"leave the leaf out of the selection"
        )
    return reference[leaf.name]


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

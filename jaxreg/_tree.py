"""Trees of parameters: their leaves by name, sums over many leaves, dataclasses that are pytrees.

Everything above this file writes mathematics for one array and comes here to apply it to a tree.
A leaf has one name in every framework, ``fc1/kernel``, so that one regular expression means the
same for a Linen dictionary, an ``nnx.State``, an Equinox module and a Haiku mapping.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import default_registry, keystr, register_dataclass

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """A dataclass field that is part of the tree's structure, hence hashable, not a leaf."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def pytree(cls: type[T]) -> type[T]:
    """Makes a frozen dataclass whose fields are leaves, except those marked ``static()``.

    Equality and hash are those of identity: a generated ``__eq__`` would compare traced arrays.
    """
    cls = dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
    fields = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
    meta = [f.name for f in fields if f.metadata.get("static")]
    data = [f.name for f in fields if f.name not in meta]
    return register_dataclass(cls, data_fields=data, meta_fields=meta)


class Leaf(NamedTuple):
    """One leaf of a tree of parameters."""

    name: str
    value: Any
    owner: type | None  # the class of the module that holds it, where the tree still knows
    is_parameter: bool


def leaves(tree: Any) -> list[Leaf]:
    """Every leaf of ``tree``, in the order of ``jax.tree.leaves``, with its name and owner.

    A leaf is a parameter if it is a real or complex floating-point array. Integers, PRNG keys,
    Python numbers, NNX variables other than ``nnx.Param`` and Linen's ``batch_stats`` are not.
    """
    found: list[Leaf] = []
    _walk(tree, (), None, True, found)
    return found


def _walk(node: Any, path: tuple[str, ...], owner: type | None, trained: bool, found: list[Leaf]):
    children = default_registry.flatten_one_level_with_keys(node)
    if children is None:
        found.append(_leaf(node, path, owner, trained))
        return
    box, trained = _box(node, trained)
    owner = owner if box else _owner(node)
    for key, child in children[0]:
        step = () if box else (keystr((key,), simple=True),)
        _walk(child, path + step, owner, trained, found)


def _leaf(value: Any, path: tuple[str, ...], owner: type | None, trained: bool) -> Leaf:
    dtype = getattr(value, "dtype", None)
    is_float = dtype is not None and jnp.issubdtype(dtype, jnp.inexact)
    trained = trained and path[:1] != ("batch_stats",)
    return Leaf("/".join(path), value, owner, trained and is_float)


def _box(node: Any, trained: bool) -> tuple[bool, bool]:
    """Whether ``node`` is flax's wrapper of one array, and whether what it holds is trained.

    flax is looked up, not imported: without it in the process no tree can hold its classes.
    """
    nnx, meta = sys.modules.get("flax.nnx"), sys.modules.get("flax.core.meta")
    if nnx and isinstance(node, nnx.Variable):
        return True, trained and isinstance(node, nnx.Param)
    return bool(meta and isinstance(node, meta.AxisMetadata)), trained


def _owner(node: Any) -> type | None:
    """The class of ``node`` if it is a module of a framework and not a mere container."""
    modules = (("flax.nnx", "Module"), ("equinox", "Module"))
    found = (getattr(sys.modules.get(name), kind, ()) for name, kind in modules)
    return type(node) if isinstance(node, tuple(c for c in found if c)) else None


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
    return w.astype(jnp.promote_types(w.dtype, jnp.float32))


def total(values: Sequence[jax.Array]) -> jax.Array:
    """Sum of scalars, in the widest of their dtypes; 0 for none. Compiles in linear time.

    A chain of additions over thousands of leaves makes XLA fuse them all into one kernel, in
    quadratic time; the barrier keeps each leaf's reduction to itself.
    """
    if not values:
        return jnp.zeros((), jnp.float32)
    dtype = functools.reduce(jnp.promote_types, [v.dtype for v in values])
    return _total([v.astype(dtype) for v in values])


@jax.custom_jvp
def _total(values: list[jax.Array]) -> jax.Array:
    return jnp.sum(lax.optimization_barrier(jnp.stack(values)))


@_total.defjvp
def _total_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    return _total(*primals), jnp.sum(jnp.stack(tangents[0]))

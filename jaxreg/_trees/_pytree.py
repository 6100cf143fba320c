"""Dataclasses that are pytrees: what penalties are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar, dataclass_transform

from jax.tree_util import GetAttrKey, register_pytree_with_keys

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """A field of a ``pytree`` that is part of its structure, hence hashable, not a leaf.

    >>> import jax
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

    >>> import jax
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

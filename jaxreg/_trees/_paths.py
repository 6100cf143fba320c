"""One level of a tree of parameters: the children of a node by name, and what a node is.

A name is made of the keys that JAX reports, with corrections: named tuples and mappings that hide
their keys are asked for them, a wrapper of one array adds nothing, and flattened keys are split.
"""

from __future__ import annotations

import dataclasses
import operator
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax.tree_util import DictKey, FlattenedIndexKey, GetAttrKey, default_registry, keystr

Path = tuple[str, ...]  # segments of a name

# What a wrapper may call the one array that it holds, and what its class may offer to unwrap it.
HELD = frozenset(
    ("array", "data", "data_array", "inner", "raw_value", "tensor", "tree", "unwrapped", "value")
)
ARRAY_LIKE = ("__jax_array__", "dtype", "dequantize", "materialise", "materialize", "unwrap")
OF_LAYERS = ("kernel", "w", "weight", "weights")  # what layers call the array that they hold


def children(node: Any) -> list[tuple[Path, Any]] | None:
    """The children of a node and what each adds to the name; None for a leaf."""
    flat = default_registry.flatten_one_level_with_keys(node)
    if flat is None:
        return None
    keys, values = [key for key, _ in flat[0]], [child for _, child in flat[0]]
    if isinstance(node, tuple) and hasattr(node, "_fields"):  # jaxlib 0.10.2 has one key for all
        keys = [GetAttrKey(f) for f in node._fields]  # pyright: ignore[reportAttributeAccessIssue]
    if keys and isinstance(keys[0], FlattenedIndexKey):
        if isinstance(node, Mapping) and _same_leaves(values, dict(node)):  # such as FlatMap
            return children(dict(node))
        nnx = sys.modules.get("flax.nnx")
        if nnx and isinstance(node, nnx.statelib.FlatState):
            keys = list(map(DictKey, node.paths))  # pyright: ignore[reportAttributeAccessIssue]
    return list(zip(told_apart([_segments(key) for key in keys]), values, strict=True))


def _same_leaves(a: Any, b: Any) -> bool:
    ours, theirs = jax.tree.leaves(a), jax.tree.leaves(b)
    return len(ours) == len(theirs) and all(map(operator.is_, ours, theirs))


def _segments(key: Any) -> Path:
    """What a key adds to the name: several segments where the tree has been flattened."""
    if isinstance(key, DictKey):
        return tuple(map(str, key.key)) if isinstance(key.key, tuple) else (str(key.key),)
    return (keystr((key,), simple=True),)


def told_apart(paths: Sequence[Path]) -> list[Path]:
    """The paths, those that occur several times with their positions."""
    often = Counter(paths)
    if len(often) == len(paths):
        return list(paths)
    return [
        path if often[path] == 1 else (*path[:-1], f"{path[-1]}[{i}]")
        for i, path in enumerate(paths)
    ]


def escaped(path: Path) -> str:
    """The name with slashes inside of segments escaped: no two paths share one.

    >>> print(escaped(("a", "b")), escaped(("a/b",)))
    a/b a\\/b
    """
    return "/".join(segment.replace("/", "\\/") for segment in path)


def unescaped(key: str) -> str:
    return key.replace("\\/", "/")


def wraps_one(node: Any, below: Sequence[tuple[Path, Any]]) -> bool:
    """Whether ``node`` stands for the one array that it holds, whatever library made it.

    It has one child, an array or another wrapper, and either no key for it or one that says
    nothing, or it offers what arrays do. Modules that happen to hold one parameter name it.
    """
    if len(below) != 1 or _is_container(node):
        return False
    if _is_variable(node):
        return True
    ((path, child),) = below
    under = children(child)
    if callable(node) or not (under is None or wraps_one(child, under)):
        return False
    return path[-1].isdigit() or path[-1].strip("_") in HELD or _is_array_like(node)


def _is_variable(node: Any) -> bool:
    """Whether ``node`` is a variable of flax or the metadata of one, whatever it holds.

    flax and equinox are looked up, not imported: without them no tree can hold their classes.
    """
    nnx, meta = map(sys.modules.get, ("flax.nnx", "flax.core.meta"))
    is_nnx = bool(nnx and isinstance(node, nnx.Variable))
    return is_nnx or bool(meta and isinstance(node, meta.AxisMetadata))


def _is_array_like(node: Any) -> bool:
    """Whether the class of ``node`` offers what arrays do, or wrappers of several of them."""
    if callable(node):
        return False
    settings = {f.name for f in dataclasses.fields(node)} if dataclasses.is_dataclass(node) else ()
    offered = (name for name in ARRAY_LIKE if name not in settings)
    return any(hasattr(type(node), name) for name in offered)


def may_stand_for_array(node: Any, below: Sequence[tuple[Path, Any]]) -> bool:
    """Whether ``node`` is like an array, or holds one alone under a name that no layer gives it."""
    if _is_container(node) or callable(node):
        return False
    alone = len(below) == 1 and children(below[0][1]) is None
    return _is_array_like(node) or (alone and below[0][0][-1].lower() not in OF_LAYERS)


def _is_container(node: Any) -> bool:
    return isinstance(node, Sequence | Mapping)


def is_trained(node: Any) -> bool:
    """Whether what ``node`` holds may be parameters: not NNX's other variables, nor any state."""
    nnx, eqx = map(sys.modules.get, ("flax.nnx", "equinox.nn"))
    if nnx and isinstance(node, nnx.Variable):
        return isinstance(node, nnx.Param)
    return not (eqx and isinstance(node, eqx.State | eqx.StateIndex))


def module_class(node: Any) -> type | None:
    """The class of ``node`` if it is a module and not a mere container.

    Equinox's modules and flax's structs are dataclasses.
    """
    nnx = sys.modules.get("flax.nnx")
    is_module = dataclasses.is_dataclass(node) or bool(nnx and isinstance(node, nnx.Module))
    return type(node) if is_module and not _is_container(node) else None


def variable(leaf: Any, path: Path) -> tuple[Any, Path]:
    """The array of a leaf and its path: a variable of Keras, which is no node, knows its own."""
    own, array = getattr(leaf, "path", None), getattr(leaf, "value", None)
    if not (isinstance(own, str) and hasattr(array, "dtype")):
        return leaf, path
    return array, tuple(own.split("/")) if all(map(str.isdigit, path)) else path

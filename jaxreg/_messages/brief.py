"""What an argument is, in a few words: error messages never print a tree or an array whole."""

from __future__ import annotations

import numbers
import reprlib
from types import GeneratorType, ModuleType
from typing import Any

import jax
import numpy as np


def brief(thing: Any) -> str:
    """The kind of a thing, with its shape or size; whole, only if it is short.

    >>> brief({"bias": np.zeros(2), "kernel": np.zeros((2, 2))})
    'a dict of 2 float64 arrays'
    """
    if thing is None or isinstance(thing, numbers.Number | np.generic):
        return reprlib.repr(thing) if isinstance(thing, int) else repr(thing)
    if isinstance(thing, str):
        return f"the string {reprlib.repr(thing)}"
    if is_optimizer(thing):
        return "an optimizer"
    if is_array(thing):
        return f"{_with_article(str(thing.dtype))} array of shape {tuple(thing.shape)}"
    if hasattr(thing, "array_value") and not isinstance(thing, type):
        return f"the penalty {thing!r}"
    if isinstance(thing, ModuleType):
        return f"the module {thing.__name__}"
    if hasattr(thing, "__qualname__") and not isinstance(thing, GeneratorType):
        return f"the {'class' if isinstance(thing, type) else 'function'} {thing.__name__}"
    return _container(thing)


def quoted(thing: Any) -> str:
    """A text in its quotes, where one of some texts was expected; other things in a few words."""
    return repr(thing) if isinstance(thing, str) else brief(thing)


def is_array(thing: Any) -> bool:
    is_class = isinstance(thing, type | ModuleType)  # such as np.float32, or numpy itself
    return not is_class and hasattr(thing, "shape") and hasattr(thing, "dtype")


def is_optimizer(thing: Any) -> bool:
    """Whether it has the ``init`` and ``update`` of an optax transformation."""
    return callable(getattr(thing, "init", None)) and callable(getattr(thing, "update", None))


def is_tree(thing: Any) -> bool:
    """Whether it holds other things, as trees of parameters do."""
    return thing is not None and not jax.tree_util.all_leaves([thing])


def _container(thing: Any) -> str:
    """As ``a dict of 2 float32 arrays``, ``an empty list`` or ``a Path``."""
    name = type(thing).__name__
    try:
        leaves = jax.tree.leaves(thing)
    except (TypeError, ValueError):  # keys that cannot be sorted
        return _with_article(name)
    if not leaves:
        return _with_article(f"empty {name}")
    if not is_tree(thing):
        return _with_article(name)
    kinds = {_kind(leaf) for leaf in leaves}
    kind = kinds.pop() + "s" * (len(leaves) > 1) if len(kinds) == 1 else "leaves"
    return f"{_with_article(name)} of {len(leaves)} {kind}"


def _kind(leaf: Any) -> str:
    if is_array(leaf):
        return f"{leaf.dtype} array"
    if isinstance(leaf, numbers.Number):
        return "Python number"
    return "string" if isinstance(leaf, str) else type(leaf).__name__


def _with_article(words: str) -> str:
    return f"an {words}" if words[0].lower() in "aeiou" else f"a {words}"

"""Weights: the numbers by which the parts of a penalty count, entries, groups or whole leaves.

A tree of them is kept by path, and found by leaf name, as a reference is. What a part of a leaf is,
the unit says: where it couples axes, there is one part, and one weight, along them.
"""

from __future__ import annotations

import difflib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxreg import _numbers, _trees
from jaxreg._messages.brief import brief, is_array
from jaxreg._penalty.unit import Unit
from jaxreg._select.rules import Where
from jaxreg._trees import Leaf, Path

Weights = dict[Path, Any]


def given_weights(penalty: Any, tree: Any) -> Weights:
    """The numbers of a tree by path, copied, once they are known to be weights.

    Functions and keys, which trees of parameters hold beside their arrays, are passed over.
    """
    if isinstance(tree, str | Where):
        rule = repr(tree)
        raise TypeError(
            f"weights: expected a tree of numbers, got the rule {rule}; "
            f"to select leaves write {_before_dot(penalty)}.on({rule})"
        )
    leaves = [leaf for leaf in _trees.leaves(tree) if not _is_no_number(leaf.value)]
    if not leaves:
        raise TypeError(
            f"weights: expected numbers ≥ 0, in a tree like the parameters or a prefix of it, got "
            f"{brief(tree)}; write {_before_dot(penalty)}.weighted({{'fc1': 2.0, 'fc2': 0.5}})"
        )
    return {leaf.path: _checked(leaf) for leaf in leaves}


def _before_dot(penalty: Any) -> str:
    shown = repr(penalty)
    return f"({shown})" if " " in shown else shown


def _is_no_number(value: Any) -> bool:
    is_key = is_array(value) and jnp.issubdtype(value.dtype, jax.dtypes.extended)
    return is_key or (callable(value) and not is_array(value))


def _checked(leaf: Leaf) -> Any:
    """The weights of one leaf as floats; those that are known are finite and ≥ 0."""
    number = leaf.value
    if isinstance(number, bool):
        return float(number)
    if _numbers.is_python(number):
        _require_weights(leaf, np.asarray(number))
        return float(number)
    if not is_array(number):
        raise TypeError(f"weights: expected numbers ≥ 0{_at(leaf)}, got {brief(number)}")
    known = number if isinstance(number, np.ndarray) else None
    if isinstance(number, jax.Array) and not isinstance(number, Tracer):
        known = np.asarray(number) if number.is_fully_addressable else None
    if known is not None or jnp.iscomplexobj(number):
        _require_weights(leaf, known)
    floats = jnp.issubdtype(number.dtype, jnp.floating)
    dtype = number.dtype if floats else jax.dtypes.canonicalize_dtype(float)
    return np.array(number, dtype) if isinstance(number, np.ndarray) else jnp.array(number, dtype)


def _require_weights(leaf: Leaf, known: np.ndarray | None) -> None:
    if known is None or not np.isrealobj(known):
        raise TypeError(f"weights: expected real numbers{_at(leaf)}, got {brief(leaf.value)}")
    wrong = known[~(np.isfinite(known.astype(float)) & (known >= 0))]
    if not wrong.size:
        return
    advice = "0 leaves an entry free"
    if np.isnan(wrong[0]):
        advice = "0/0 and ∞·0 give it"
    elif wrong[0] > 0:
        advice = "a large weight such as 1e6 holds an entry at 0, so that 1/(|w| + 1e-6) will do"
    raise ValueError(
        f"weights: expected finite numbers ≥ 0{_at(leaf)}, got {wrong[0].item()!r}; {advice}"
    )


def _at(leaf: Leaf) -> str:
    return f" at {leaf.name}" if leaf.name else ""


def weight_of(weights: Weights, leaf: Leaf, unit: Unit) -> Any:
    """A number, or an array that has one for each part of the leaf, with the axes of the leaf.

    Axes along which the unit couples entries have length 1.
    """
    entry = _trees.entry_of(leaf, weights)
    if entry is None:
        raise ValueError(_missing(leaf, weights, unit))
    weight = weights[entry]
    if not jnp.ndim(weight):
        return weight
    if len(entry) < len(leaf.path) and "/".join(entry) != "/".join(leaf.path):
        raise ValueError(
            f"weights: expected one number for all of {'/'.join(entry) or 'the tree'}, got "
            f"{brief(weight)}; give {leaf.name} its own"
        )
    return _fitted(weight, leaf, unit)


def _missing(leaf: Leaf, weights: Weights, unit: Unit) -> str:
    name = "/".join(leaf.path)
    names = ["/".join(path) for path in weights]
    below = [other for other in names if not name or other.startswith(f"{name}/")]
    if below:
        return (
            f"weights: expected a number or an array for {leaf.name or 'the one array'}, got the "
            f"entries {', '.join(below[:3])}{', …' * (len(below) > 3)} in its place; make them one "
            f"array: jnp.array([…])"
        )
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    return (
        f"weights: expected a weight for {leaf.name!r}, but there is none; the nearest is {near}; "
        f"give it one, 0 to leave it free, or leave it out of the selection: "
        f"{unit!r}.weighted(…).on(…)"
    )


def _fitted(weight: Any, leaf: Leaf, unit: Unit) -> Any:
    shape, ndim = jnp.shape(leaf.value), jnp.ndim(leaf.value)
    coupled = unit.coupled_axes(ndim)
    kept = tuple(1 if axis in coupled else n for axis, n in enumerate(shape))
    parts = tuple(n for axis, n in enumerate(shape) if axis not in coupled)
    has_all_axes = jnp.ndim(weight) == ndim
    if not _broadcasts(jnp.shape(weight), kept if has_all_axes else parts):
        raise ValueError(_misfit(weight, leaf, unit, parts, kept))
    if not parts:
        return jnp.reshape(weight, ())
    if has_all_axes:
        return weight
    missing = range(len(parts) - jnp.ndim(weight))
    return jnp.expand_dims(jnp.expand_dims(weight, tuple(missing)), tuple(sorted(coupled)))


def _broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        return False


def _misfit(weight: Any, leaf: Leaf, unit: Unit, parts: Any, kept: Any) -> str:
    if not parts:
        wanted = f"one number, since {unit!r} is of the array as a whole"
    elif parts == kept:
        wanted = f"numbers that broadcast to {parts}, one for each entry"
    else:
        wanted = f"numbers that broadcast to {parts} or {kept}, one for each part of {unit!r}"
    return (
        f"weights: expected {wanted}, got {brief(weight)} at {leaf.name or 'the array'} of shape "
        f"{jnp.shape(leaf.value)}; reshape it"
    )


def shown(weights: Weights) -> str:
    """As it is written, few numbers in full."""
    return str(_trees.nested((path, _Text(weight)) for path, weight in weights.items()))


class _Text:
    """A weight within the repr of dictionaries."""

    def __init__(self, weight: Any) -> None:
        self.weight = weight

    def __repr__(self) -> str:
        return "…" if isinstance(self.weight, Tracer) else _numbers.show(self.weight)

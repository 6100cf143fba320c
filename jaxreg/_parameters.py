"""Trees without a parameter, which a penalty of them would pass over: refused, with the reason."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxreg import _tree
from jaxreg._brief import brief, is_array
from jaxreg._tree import Leaf


def leaves_of(owner: Any, params: Any) -> list[Leaf]:
    """The leaves of a tree, once it is known that there is a parameter among them.

    Raises:
      ValueError: if there is none.
    """
    leaves = _tree.leaves(params)
    if not any(leaf.is_parameter for leaf in leaves):
        raise ValueError(_none(owner, params, leaves))
    return leaves


def refuse_numbers(owner: str, params: Any, leaves: Sequence[Leaf]) -> None:
    """Raises if there are Python numbers where the parameters should be.

    optax shows transformations trees without a leaf, and what masks leave of a tree.
    """
    if not any(leaf.is_parameter or is_array(leaf.value) for leaf in leaves) and any(
        isinstance(leaf.value, float | complex) for leaf in leaves
    ):
        raise ValueError(_none(owner, params, leaves))


def _none(owner: Any, params: Any, leaves: Sequence[Leaf]) -> str:
    return (
        f"{owner}: expected at least one floating-point array among the parameters, got "
        f"{brief(params)}; {_advice(params, [leaf.value for leaf in leaves])}"
    )


def _advice(params: Any, values: Sequence[Any]) -> str:
    if isinstance(params, numbers.Number):  # as a reference
        return f"write jax.tree.map(lambda w: jnp.full_like(w, {params!r}), params)"
    arrays = [value for value in values if is_array(value)]
    if any(jnp.issubdtype(value.dtype, jnp.inexact) for value in arrays):
        return "statistics and variables other than nnx.Param are no parameters"
    if any(np.shape(value) == () for value in arrays):
        return (
            "inside optax.inject_hyperparams, which takes a penalty for a schedule, inject the "
            "numbers: lambda strength, learning_rate: optax.chain(...strength * l2...)"
        )
    if arrays:
        return "integers are not trained: convert weights with .astype(float)"
    if any(isinstance(value, numbers.Number) for value in values):
        return "make them arrays: jax.tree.map(lambda w: jnp.asarray(w, float), params)"
    return "pass the parameters that the loss is differentiated by"

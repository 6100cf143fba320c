"""Trees without a parameter, which a penalty of them would pass over: refused, with the reason."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxreg._messages.brief import brief, is_array
from jaxreg._trees import _leaves
from jaxreg._trees._leaves import Leaf


def leaves_of(owner: Any, params: Any) -> list[Leaf]:
    """The leaves of a tree, once it is known that there is a parameter among them.

    Raises:
      ValueError: if there is none.
    """
    leaves = _leaves.leaves(params)
    if not any(leaf.is_parameter for leaf in leaves):
        raise ValueError(_none(owner, params, leaves))
    return leaves


def refuse_numbers(owner: str, params: Any, leaves: Sequence[Leaf]) -> None:
    """Raises if Python numbers, or variables that hide theirs, stand for all parameters.

    optax shows transformations trees without a leaf, and what masks leave of a tree.
    """
    values = [leaf.value for leaf in leaves]
    stand_in = any(isinstance(value, float | complex) or _hides(value) for value in values)
    if stand_in and not any(map(is_array, values)):
        raise ValueError(_none(owner, params, leaves))


def _hides(value: Any) -> bool:
    """Whether it is a variable of a library, which JAX takes for a leaf, around an array."""
    return hasattr(value, "value") and not is_array(value)


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
    hidden = next(filter(_hides, values), None)
    if hidden is not None:
        return (
            f"give the arrays that each {type(hidden).__name__} holds, as its library's function "
            f"for freezing or unwrapping parameters does"
        )
    if any(hasattr(value, "trainable_variables") for value in values):  # a model of Keras
        return "pass its trainable_variables"
    return "pass the parameters that the loss is differentiated by"

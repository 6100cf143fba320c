"""The reader's training function: what it is given, and whether it returns what it should."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import dtypes
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._sweep.run import is_hashable

EXPECTED = "train(point, weights, *shared) that returns the losses of all examples"


@explained
def weighted_mean(losses: ArrayLike, weights: ArrayLike) -> jax.Array:
    """Σ wᵢℓᵢ / Σ wᵢ over the examples that count; 0 if none does.

    The data loss of a training with weights. A batch of which every example is held out gives 0,
    with gradient 0, and a loss that is not finite at an example of weight 0 changes nothing.

    >>> weighted_mean(jnp.array([1.0, 5.0, jnp.nan]), jnp.array([1.0, 1.0, 0.0]))
    Array(3., dtype=float32)

    Args:
      losses: of shape (examples,).
      weights: likewise, ≥ 0.

    Returns:
      A scalar.

    Raises:
      ValueError: if the shapes differ.
    """
    losses = _numbers.array("weighted_mean: losses", losses)
    weights = _numbers.array("weighted_mean: weights", weights)
    if losses.shape != weights.shape:
        raise ValueError(
            f"weighted_mean: expected losses and weights of one shape, got {losses.shape} and "
            f"{weights.shape}; in a mini-batch take the weights of its rows too"
        )
    dtype = jnp.result_type(losses, jnp.float32) if losses.dtype.kind in "bi" else losses.dtype
    losses, weights = losses.astype(dtype), weights.astype(dtype)
    kept = jnp.where(weights > 0, losses, 0)
    total = jnp.sum(weights)
    return jnp.sum(weights * kept) / jnp.where(total > 0, total, 1)


def examples_of(owner: str, examples: Any, shared: tuple[Any, ...]) -> int:
    """How many examples there are: as told, or the length that all shared arguments agree on."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(shared)):
        raise TypeError(
            f"{owner}: expected arrays, got traced ones; call it outside of jit, vmap and grad: it "
            f"compiles a program of its own"
        )
    if examples is None:
        lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(shared)}
        if len(lengths) != 1 or () in lengths:
            listed = any(isinstance(x, list) for x in shared)
            raise ValueError(
                f"{owner}: expected shared arrays with an entry for each example, got "
                f"{', '.join(map(brief, shared)) or 'none'}; say how many there are: examples=…"
                + ", and make lists arrays: np.asarray(…)"
                * listed
            )
        return int(lengths.pop()[0])
    return _numbers.count(f"{owner}: examples", examples, 2)


def check_train(owner: str, train: Any, point: Any, examples: int, shared: tuple[Any, ...]) -> None:
    """Raises unless train, traced once for shapes alone, keeps the contract.

    Args:
      owner: the function that is called, for messages.
      train: the reader's.
      point: one point, or the shapes of one.
      examples: how many.
      shared: arrays, or their shapes.
    """
    if not callable(train):
        raise TypeError(f"{owner}: expected {EXPECTED}, got {brief(train)}")
    if not is_hashable(train):
        raise TypeError(
            f"{owner}: expected a train that can be hashed, got {brief(train)}; wrap it: "
            f"def train(point, weights, *shared): …, its arrays among the shared ones"
        )
    weights = jax.ShapeDtypeStruct((examples,), dtypes.canonicalize_dtype(np.float64))
    _check_arguments(owner, train, (point, weights, *shared))
    try:
        losses = jax.eval_shape(train, point, weights, *shared)
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
        raise TypeError(
            f"{owner}: expected a train made of jax operations, but it looked at the value of a "
            f"traced array ({type(error).__name__}); held-out examples have weight 0: multiply by "
            f"the weights, instead of taking a subset; write jnp for np and math, jnp.where or "
            f"jax.lax.cond for if"
        ) from error
    except Exception as error:
        error.add_note(f"{owner}: train was given weights of shape ({examples},)")
        raise
    _check_losses(owner, losses, examples)


def _check_arguments(owner: str, train: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        signature = inspect.signature(train)
    except (TypeError, ValueError):  # it has none: calling it will tell
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        shared = len(arguments) - 2
        raise TypeError(
            f"{owner}: expected {EXPECTED}, with {shared} shared arrays as given, got "
            f"train{signature}"
        ) from None


def _check_losses(owner: str, losses: Any, examples: int) -> None:
    shape, dtype = getattr(losses, "shape", None), getattr(losses, "dtype", None)
    start = f"{owner}: expected train to return the losses of all {examples} examples, of shape "
    start += f"({examples},), got "
    if shape is None or dtype is None:
        raise TypeError(f"{start}{brief(losses)}; return that array alone")
    if shape == ():
        raise ValueError(f"{start}a scalar; return the losses before their mean is taken")
    if len(shape) > 1 and shape[0] == examples:
        raise ValueError(f"{start}{shape}; sum or average each example's over the other axes")
    if shape != (examples,):
        raise ValueError(
            f"{start}{shape}; those of weight 0 belong to it, in the order of the data, and "
            f"examples=… says how many there are if not {examples}"
        )
    if not (jnp.issubdtype(dtype, jnp.floating) or dtype.kind in "bi"):
        raise TypeError(f"{start}{dtype}; losses are real numbers")

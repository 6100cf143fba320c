"""What a step does to weights that a normalisation follows: it turns them."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.brief import quoted
from jaxreg._messages.calls import explained
from jaxreg._trees import Leaf
from jaxreg.diagnostics._chosen import Axis, chosen, group_sizes, matching, require_axis, size

Optimizer = Literal["sgd", "adam", "lion"]
DEGREES: dict[str, int] = {"sgd": 2, "adam": 1, "lion": 1}


@explained
def effective_learning_rate(
    learning_rate: ArrayLike,
    params: Any,
    optimizer: Optimizer = "sgd",
    *,
    where: Any = None,
    axis: Axis = None,
) -> dict[str, jax.Array]:
    """The learning rate that a scale-invariant parameter feels: η/‖w‖² (SGD), η/‖w‖ (Adam, Lion).

    Where a normalisation layer follows, the loss depends on the direction w/‖w‖ alone, and a
    gradient step of SGD turns it as one of η/‖w‖² would turn a unit vector. Weight decay acts on
    such weights only through this number. It says nothing of weights that are not normalised:
    select those that are.

    >>> effective_learning_rate(0.1, {"kernel": jnp.array([3.0, -4.0])}, "sgd")
    {'kernel': Array(0.004, dtype=float32)}
    >>> effective_learning_rate(0.1, {"kernel": jnp.array([3.0, -4.0])}, "adam")
    {'kernel': Array(0.02, dtype=float32)}

    Args:
      learning_rate: η, of the schedule at this step; for momentum μ give η/(1 − μ).
      params: a tree of arrays.
      optimizer: ``"sgd"``, whose step is proportional to the gradient, or ``"adam"`` or
        ``"lion"``, whose step does not depend on its size (AdamW and others of the kind too).
      where: which leaves, as for `jaxreg.where`; None for all.
      axis: what the norm runs over, where each unit is normalised by itself: 0 for a Dense kernel
        (in, out) under batch normalisation. None for the whole array.

    Returns:
      {name: effective learning rate}, an array over the groups with ``axis``; ∞ for zero weights.

    Raises:
      ValueError: if ``optimizer`` is another word, or if a leaf lacks one of the axes.

    References: van Laarhoven 2017, *L2 regularization versus batch and weight normalization*
    (arXiv:1706.05350); Hoffer et al. 2018, *Norm matters* (arXiv:1803.01814).
    """
    if not (isinstance(optimizer, str) and optimizer in DEGREES):
        raise ValueError(
            f"effective_learning_rate: expected optimizer 'sgd', 'adam' or 'lion', got "
            f"{quoted(optimizer)}; 'sgd' if its step grows with the gradient, 'adam' if it does not"
        )
    rate = _numbers.checked("learning_rate", learning_rate)
    return {
        leaf.name: _rate(rate, group_sizes("effective_learning_rate", leaf, axis), optimizer)
        for leaf in chosen(params, where)
    }


def _rate(rate: Any, size: jax.Array, optimizer: Optimizer) -> jax.Array:
    rate = _numbers.scalar("learning_rate", rate, size.dtype)
    return rate / size if DEGREES[optimizer] == 1 else rate / size / size


@explained
def angular_update(
    params: Any, previous: Any, *, where: Any = None, axis: Axis = None
) -> dict[str, jax.Array]:
    """The angle between every parameter and what it was, in radians: ∠(w, w₀) between 0 and π.

    Of weights under normalisation it is all that a step does. At equilibrium with weight decay it
    is the same for all units, √(2ηλ') a step for SGD and √(2ηλ'(1 − β₁)/(1 + β₁)) for AdamW, with
    λ' the decay added to the gradient or decoupled with η. Exact for small angles, where the
    arccosine loses all digits.

    >>> angular_update(jnp.array([0.0, 1.0]), jnp.array([2.0, 0.0]))
    {'': Array(1.5707964, dtype=float32)}

    Args:
      params: a tree of arrays.
      previous: a tree like it, some steps ago.
      where: which leaves, as for `jaxreg.where`; None for all.
      axis: what a vector runs over, as for `jaxreg.group_lasso`: 0 gives an angle for each unit
        of a Dense kernel (in, out). None for the whole array as one vector.

    Returns:
      {name: angle}, an array over the groups with ``axis``. Between zero and a vector it is π/2,
      between zero and zero 0.

    Raises:
      ValueError: if ``previous`` lacks a leaf or has it in another shape, or if a leaf lacks one
        of the axes.

    References: Kosson, Messmer & Jaggi 2024, *Rotational equilibrium* (arXiv:2305.17212).
    """
    leaves = chosen(params, where)
    rows = zip(leaves, matching("previous", previous, leaves), strict=True)
    return {leaf.name: _angle(leaf, old, axis) for leaf, old in rows}


def _angle(leaf: Leaf, previous: Any, axis: Axis) -> jax.Array:
    """2·atan2(‖a − b‖, ‖a + b‖) for the two unit vectors."""
    require_axis("angular_update", leaf, axis)
    w = _numbers.widen(leaf.value)
    a, b = _unit(w, axis), _unit(_numbers.widen(previous).astype(w.dtype), axis)
    return 2 * jnp.arctan2(size(a - b, axis), size(a + b, axis))


def _unit(w: jax.Array, axis: Axis) -> jax.Array:
    size = _numbers.norm(w, axis)
    small = _numbers.scaled(w, axis)[0]  # denormal norms have no digits to divide by
    length = jnp.where(size > 0, _numbers.norm(small, axis), 1)
    return small / length.astype(w.dtype)

"""The diagonal metric of Adam, read from the optimizer from outside.

Adam's update is u = −P·m̂ with m̂ = m/(1 − b1ᵗ), the mean of the gradients, and a step P for every
entry, lr/(√ν̂ + ε). Moving the first moment m by ones, through the optimizer's own update, moves u
by −P·b1/(1 − b1ᵗ) and the new m by b1: that is P, with no hyperparameter repeated, and schedules,
clipping and wrappers included. P is kept and not 1/P, since the learning rate may be 0.

The update is affine in m, so that one forward derivative of ``optimizer.update`` (`pushed`) tells
it all, at about the cost of another update. Whether an optimizer is of this form is not looked up
but tried: `adam_trial`. What is done with P: `proximal_in_metric`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxreg import _numbers, _trees

Optimizer = optax.GradientTransformationExtraArgs
Steps = dict[str, jax.Array]  # P of every leaf that has a first moment, by the leaf's key


def read(
    optimizer: Optimizer, grads: Any, state: Any, params: Any, extra: dict[str, Any]
) -> tuple[Any, Steps, Any]:
    """The updates of the optimizer, the steps P of its metric, and its new state."""
    updates, du, dmu, new = pushed(optimizer, grads, state, params, extra, jnp.ones_like)
    (adam,) = adams(new)
    decays = {leaf.key: leaf.value for leaf in _trees.leaves(dmu)}
    slopes = by_key(du, params)
    steps = {k: _step(slopes[k], decays[k], adam.count) for k in slopes if k in decays}
    return updates, steps, new


def pushed(
    optimizer: Optimizer, grads: Any, state: Any, params: Any, extra: Any, direction: Any
) -> tuple[Any, Any, Any, Any]:
    """The updates, how they and the new first moment change along a direction, the new state."""
    nodes, structure = jax.tree.flatten(state, is_leaf=_is_adam)
    (place,) = (i for i, node in enumerate(nodes) if _is_adam(node))
    moment = nodes[place].mu

    def updated(mu: Any) -> tuple[Any, Any]:
        moved = [*nodes[:place], nodes[place]._replace(mu=mu), *nodes[place + 1 :]]
        updates, new = optimizer.update(
            grads, jax.tree.unflatten(structure, moved), params, **extra
        )
        (adam,) = adams(new)
        return (updates, adam.mu), new

    def tangent(mu: Any) -> Any:
        return direction(mu) if is_float(mu) else np.zeros(mu.shape, jax.dtypes.float0)

    (updates, _), (du, dmu), new = jax.jvp(
        updated, (moment,), (jax.tree.map(tangent, moment),), has_aux=True
    )
    return updates, du, dmu, new


def by_key(updates: Any, params: Any) -> dict[str, Any]:
    """The updates of the parameters by key, but for those that are None."""
    flat = jax.tree.structure(params).flatten_up_to(updates)
    rows = zip(_trees.leaves(params), flat, strict=True)
    return {leaf.key: u for leaf, u in rows if leaf.is_parameter and u is not None}


def _step(du: jax.Array, dmu: jax.Array, count: jax.Array) -> jax.Array:
    du, b1 = _numbers.widen(du).real, _numbers.widen(dmu).real
    b1 = b1.astype(du.dtype)
    return -du * (1 - b1 ** count.astype(du.dtype)) / b1


def _is_adam(node: Any) -> bool:
    return isinstance(node, optax.ScaleByAdamState)


def adams(state: Any) -> list[Any]:
    """Adam's moments, anywhere in the state."""
    return list(filter(_is_adam, jax.tree.leaves(state, is_leaf=_is_adam)))


def is_float(w: Any) -> bool:
    return hasattr(w, "dtype") and jnp.issubdtype(w.dtype, jnp.inexact)

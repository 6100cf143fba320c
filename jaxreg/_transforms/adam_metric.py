"""The diagonal metric of Adam, read from the optimizer from outside.

Adam's update is u = −P·m̂ with m̂ = m/(1 − b1ᵗ), the mean of the gradients, and a step P for every
entry, lr/(√ν̂ + ε). Moving the first moment m by ones, through the optimizer's own update, moves u
by −P·b1/(1 − b1ᵗ) and the new m by b1: that is P, with no hyperparameter repeated, and schedules,
clipping and wrappers included. P is kept and not 1/P, since the learning rate may be 0.

Whether an optimizer is of this form is found out by trying it on a few numbers.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaxreg import _numbers, _trees
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.term import by_leaf

Optimizer = optax.GradientTransformationExtraArgs
Steps = dict[str, jax.Array]  # P of every leaf that has a first moment, by the leaf's key

TRIALS = 2  # updates: momentum after Adam shows at the second
TOLERANCE = 0.05  # a first moment in bfloat16 is that far off at first; other optimizers far more
EXTRA = {"value": 0.5}  # the loss, for those that ask for it
NO_MESH = jax.sharding.AbstractMesh((), ())
SMALL, USUAL = 1e-6, 1e-3  # gradients: below any clipping; and such that ε hardly counts


def read(
    optimizer: Optimizer, grads: Any, state: Any, params: Any, extra: dict[str, Any]
) -> tuple[Any, Steps, Any]:
    """The updates of the optimizer, the steps P of its metric, and its new state."""
    updates, du, dmu, new = _pushed(optimizer, grads, state, params, extra, jnp.ones_like)
    (adam,) = adams(new)
    decays = {leaf.key: leaf.value for leaf in _trees.leaves(dmu)}
    slopes = _by_key(du, params)
    steps = {k: _step(slopes[k], decays[k], adam.count) for k in slopes if k in decays}
    return updates, steps, new


def _pushed(
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
        return direction(mu) if _is_float(mu) else np.zeros(mu.shape, jax.dtypes.float0)

    (updates, _), (du, dmu), new = jax.jvp(
        updated, (moment,), (jax.tree.map(tangent, moment),), has_aux=True
    )
    return updates, du, dmu, new


def _by_key(updates: Any, params: Any) -> dict[str, Any]:
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


# --- whether an optimizer has the metric ---


def require(optimizer: Optimizer, params: Any, penalty: Penalty) -> None:
    """Raises unless the optimizer moves what the penalty acts on by −P·m̂, or not at all."""
    found = len(adams(jax.eval_shape(optimizer.init, params)))
    if found != 1:
        _refuse(f"one with {found or 'none'} in its state")
    leaves = _trees.leaves(params)
    acts = by_leaf(penalty.terms, leaves)
    names = {leaf.key: leaf.name for leaf, terms in zip(leaves, acts, strict=True) if terms}
    for key, off in _trial(optimizer, params).items():
        if key in names and not off <= TOLERANCE:
            _refuse(
                f"one that moves {names[key] or 'the array'} otherwise (Nesterov momentum, a trust "
                f"ratio, momentum or clipping after Adam, b1 = 0, or no Adam on this leaf)"
            )


def _refuse(got: str) -> None:
    raise ValueError(
        f"proximal_step: expected for metric='adam' an optimizer whose updates are −P·m̂ with the "
        f"first moment of one optax.ScaleByAdamState, such as optax.adam or optax.adamw, got "
        f"{got}; use optax.chain(optimizer, proximal_step(penalty, learning_rate)), which ignores "
        f"the metric, or another optimizer"
    )


def _trial(optimizer: Optimizer, params: Any) -> dict[str, float]:
    """By how much the updates of every leaf miss the form, relative to their size."""
    try:
        small = jax.tree.map(functools.partial(_filled, 2), params)
        return _concrete(lambda: _misfits(optimizer, small))
    except (TypeError, ValueError):  # it holds arrays of the parameters' own shapes
        whole = jax.tree.map(functools.partial(_filled, sys.maxsize), params)
        return _concrete(lambda: _misfits(optimizer, whole))


def _filled(most: int, w: Any) -> Any:
    """Numbers between ½ and 1½ of either sign, so many along an axis; integers are 0."""
    if not hasattr(w, "dtype") or not jnp.issubdtype(w.dtype, jnp.number):
        return w
    rng, shape = np.random.default_rng(0), tuple(min(n, most) for n in w.shape)
    numbers = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
    wide = jax.dtypes.canonicalize_dtype(np.promote_types(w.dtype, np.float32))
    return numbers.astype(wide) if _is_float(w) else np.zeros(shape, w.dtype)


def _is_float(w: Any) -> bool:
    return hasattr(w, "dtype") and jnp.issubdtype(w.dtype, jnp.inexact)


def _concrete(function: Callable[[], Any]) -> Any:
    """The value of a function of nothing, also while tracing; traced numbers in it count as ½.

    Outside any mesh: what runs on one device by itself is no part of a `shard_map`.
    """
    with jax.sharding.use_abstract_mesh(NO_MESH), jax.ensure_compile_time_eval():
        closed, shapes = jax.make_jaxpr(function, return_shape=True)()
        constants = [_half(c) if isinstance(c, Tracer) else c for c in closed.consts]
        found = jaxpr_as_fun(ClosedJaxpr(closed.jaxpr, constants))()  # not compiled as a whole
    return jax.tree.unflatten(jax.tree.structure(shapes), map(float, found))


def _half(traced: Tracer) -> Any:
    return np.full(
        traced.shape, 0.5 if jnp.issubdtype(traced.dtype, jnp.inexact) else 1, traced.dtype
    )


def _misfits(optimizer: Optimizer, numbers: Any) -> dict[str, Any]:
    found, states = _constant_gradients(optimizer, numbers)
    found.append(_uneven_moment(optimizer, numbers, jax.tree.map(lambda x: x[0], states)))
    return {name: jnp.max(jnp.stack([each[name] for each in found])) for name in found[0]}


def _constant_gradients(optimizer: Optimizer, numbers: Any) -> tuple[list[dict[str, Any]], Any]:
    """With a constant gradient g, m̂ is g: what is odd in g of the updates is −P·g, every time."""
    zeros, grads = _times(0, numbers), _times(SMALL, numbers)

    def run(sign: jax.Array) -> Any:
        state, found = optimizer.init(zeros), []
        for _ in range(TRIALS):
            updates, steps, state = read(optimizer, _times(sign, grads), state, zeros, EXTRA)
            found.append((_by_key(updates, zeros), steps))
        return found, state

    found, states = jax.vmap(run)(jnp.array([1.0, -1.0]))
    odd = [{name: u[0] - u[1] for name, u in updates.items()} for updates, _ in found]
    by_key = _by_key(grads, zeros)
    wanted = [
        {k: -jnp.sum(steps[k], 0) * g if k in steps else 0 * g for k, g in by_key.items()}
        for _, steps in found
    ]
    return list(map(_compared, odd, wanted)), states


def _uneven_moment(optimizer: Optimizer, numbers: Any, state: Any) -> dict[str, Any]:
    """The slope along any direction is that along ones, entry by entry."""
    grads = _times(USUAL, numbers)

    def slope(uneven: jax.Array) -> dict[str, Any]:
        direction = functools.partial(_direction, uneven)
        _, du, _, _ = _pushed(optimizer, grads, state, numbers, EXTRA, direction)
        return _by_key(du, numbers)

    slopes = jax.vmap(slope)(jnp.array([False, True]))
    (adam,) = adams(state)
    directions = {leaf.key: _direction(True, leaf.value) for leaf in _trees.leaves(adam.mu)}
    wanted = {
        name: du[0] * directions[name].astype(du.dtype) if name in directions else du[0]
        for name, du in slopes.items()
    }
    return _compared({name: du[1] for name, du in slopes.items()}, wanted)


def _times(factor: Any, numbers: Any) -> Any:
    return jax.tree.map(
        lambda w: jnp.asarray(factor).astype(w.dtype) * w if _is_float(w) else w, numbers
    )


def _direction(uneven: Any, mu: jax.Array) -> jax.Array:
    """Ones, or 1, 2, 3 in turn."""
    turns = jnp.reshape(1 + jnp.arange(mu.size) % 3, mu.shape)
    return jnp.where(uneven, turns, 1).astype(mu.dtype)


def _compared(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The largest relative difference within each array."""
    return {name: _difference(found[name], wanted[name]) for name in wanted}


def _difference(found: Any, wanted: Any) -> jax.Array:
    off = jnp.abs(found - wanted.astype(found.dtype))
    return jnp.max(jnp.where(off == 0, 0, off / jnp.abs(wanted)), initial=0).astype(jnp.float32)

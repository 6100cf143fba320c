"""Whether an optimizer has Adam's metric, found out by trying it on a few numbers.

Two questions are asked of its updates u, at every leaf that the penalty acts on:

1. with a constant gradient g, for which m̂ is g: is what is odd in g of u equal to −P·g, at the
   first update and at the second? Momentum, clipping or a trust ratio after Adam are not.
2. does u answer to a first moment moved in any direction as it does to one moved by ones, entry by
   entry? What mixes entries does not.

The numbers are tiny arrays in the shape of the parameters' tree, where the optimizer allows it, and
computed at once, also while ``init`` is traced.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr

from jaxreg import _numbers, _trees
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.term import by_leaf
from jaxreg._transforms.adam_metric import Optimizer, adams, by_key, is_float, pushed, read

TRIALS = 2  # updates: momentum after Adam shows at the second
TOLERANCE = 0.05  # a first moment in bfloat16 is that far off at first; other optimizers far more
EXTRA = {"value": 0.5}  # the loss, for those that ask for it
NO_MESH = jax.sharding.AbstractMesh((), ())
SMALL, USUAL = 1e-6, 1e-3  # gradients: below any clipping; and such that ε hardly counts


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
    return numbers.astype(wide) if is_float(w) else np.zeros(shape, w.dtype)


def _concrete(function: Callable[[], Any]) -> Any:
    """The value of a function of nothing, also while tracing; traced numbers in it count as ½.

    Outside any mesh: what runs on one device by itself is no part of a `shard_map`.
    """
    with jax.sharding.use_abstract_mesh(NO_MESH):
        closed, shapes = jax.make_jaxpr(function, return_shape=True)()
        constants = [_half(c) if isinstance(c, Tracer) else c for c in closed.consts]
        with jax.ensure_compile_time_eval():
            found = _numbers.evaluated(ClosedJaxpr(closed.jaxpr, constants))
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
            found.append((by_key(updates, zeros), steps))
        return found, state

    found, states = jax.vmap(run)(jnp.array([1.0, -1.0]))
    odd = [{name: u[0] - u[1] for name, u in updates.items()} for updates, _ in found]
    gradients = by_key(grads, zeros)
    wanted = [
        {k: -jnp.sum(steps[k], 0) * g if k in steps else 0 * g for k, g in gradients.items()}
        for _, steps in found
    ]
    return list(map(_compared, odd, wanted)), states


def _uneven_moment(optimizer: Optimizer, numbers: Any, state: Any) -> dict[str, Any]:
    """The slope along any direction is that along ones, entry by entry."""
    grads = _times(USUAL, numbers)

    def slope(uneven: jax.Array) -> dict[str, Any]:
        direction = functools.partial(_direction, uneven)
        _, du, _, _ = pushed(optimizer, grads, state, numbers, EXTRA, direction)
        return by_key(du, numbers)

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
        lambda w: jnp.asarray(factor).astype(w.dtype) * w if is_float(w) else w, numbers
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

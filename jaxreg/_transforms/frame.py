"""The frame of a transformation: counted updates, parameters required, mistakes found in ``init``.

A transformation is a `Move`: a function of the updates, the leaves of the parameters and the count,
that gives the new updates. Everything else about it is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxreg import _numbers, _trees
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.term import Term, by_leaf
from jaxreg._trees import Leaf, refuse_numbers

Move = Callable[[Sequence[Any], Sequence[Leaf], Any], Sequence[Any]]  # of updates, leaves, count


class StepState(NamedTuple):
    """How many updates have been made: what schedules are asked for."""

    count: Any  # int32 scalar  # pyright: ignore[reportIncompatibleMethodOverride]


def transformation(
    name: str, move: Move, notice: Callable[[Sequence[Leaf]], None] = lambda leaves: None
) -> optax.GradientTransformation:
    """A transformation that counts its updates and needs the parameters.

    Its ``init`` gives ``notice``, and then tries the move on abstract values, so that what cannot
    work fails before the first step.
    """

    def init(params: Any) -> StepState:
        leaves = _trees.leaves(params)
        refuse_numbers(name, params, leaves)
        notice(leaves)
        rehearse(move, leaves)
        return StepState(jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        flat = beside(name, updates, params)
        moved = move(flat, _trees.leaves(params), state.count)
        return _trees.replace_leaves(params, moved), after(state)

    return optax.GradientTransformation(init, update)


def rehearse(move: Move, leaves: Sequence[Leaf]) -> None:
    """Raises what the first move would, without computing it.

    optax also calls ``init`` on placeholders; they are no parameters.
    """

    def first() -> None:
        move([leaf.value for leaf in leaves], leaves, jnp.zeros((), jnp.int32))

    if any(leaf.is_parameter for leaf in leaves):
        jax.eval_shape(first)


def after(state: StepState) -> StepState:
    return StepState(optax.safe_increment(state.count))


def beside(name: str, updates: Any, params: Any) -> list[Any]:
    """For every leaf of the parameters, its update, or None."""
    if params is None:
        raise ValueError(
            f"{name}: expected the parameters, got None; call "
            f"optimizer.update(grads, state, params)"
        )
    try:
        return jax.tree.structure(params).flatten_up_to(updates)
    except ValueError:
        raise ValueError(_difference(name, updates, params)) from None


def _difference(name: str, updates: Any, params: Any) -> str:
    ours, theirs = ([leaf.name for leaf in _trees.leaves(tree)] for tree in (params, updates))
    missing = [leaf for leaf in ours if leaf not in theirs]
    surplus = [leaf for leaf in theirs if leaf not in ours]
    lists = [("no ", missing), ("", surplus)]
    got = " and ".join(f"{no}{', '.join(map(repr, some[:3]))}" for no, some in lists if some)
    return (
        f"{name}: expected updates that are a tree like the parameters, got "
        f"{got or 'other containers'}; call optimizer.update(grads, state, params) with the "
        f"parameters that the gradients belong to"
    )


def acting(
    penalty: Penalty, updates: Sequence[Any], leaves: Sequence[Leaf]
) -> list[tuple[Any, Leaf, list[Term]]]:
    """For every leaf its update, itself, and the terms that act on it: none where None updates."""
    terms = by_leaf(penalty.terms, leaves)
    rows = zip(updates, leaves, terms, strict=True)
    return [(u, leaf, some if u is not None else []) for u, leaf, some in rows]


def arrived(update: Any, leaf: Leaf) -> Leaf:
    """The leaf after the update, in its own dtype."""
    return leaf._replace(value=leaf.value + _numbers.cast(update, leaf.value.dtype))

"""Regularization as optax transformations: what they share, and the one that comes first.

First in the chain, `add_penalty_gradient` is the penalty in the loss. Last in the chain are
`decoupled_decay`, weight decay as AdamW means it (`decay`), and `proximal_step` and `project`,
which give exact zeros and keep bounds (`proximal`). Every rate, learning rate and penalty may be a
number, a traced value or a schedule of the step (0 for the first update), and the state has the
same structure for all of them.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxreg import _numbers, _trees
from jaxreg._messages.brief import brief, is_optimizer, is_tree
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.term import Term, by_leaf, grad_of_sum
from jaxreg._trees import Leaf, refuse_numbers

ScalarOrSchedule = ArrayLike | Callable[[Any], ArrayLike]
PenaltyOrSchedule = Penalty | Callable[[Any], Penalty]
Move = Callable[[Sequence[Any], Sequence[Leaf], Any], Sequence[Any]]  # of updates, leaves, count


class StepState(NamedTuple):
    """How many updates have been made: what schedules are asked for."""

    count: Any  # int32 scalar  # pyright: ignore[reportIncompatibleMethodOverride]


@explained
def add_penalty_gradient(penalty: PenaltyOrSchedule) -> optax.GradientTransformation:
    """Adds the gradient of the penalty to the gradient of the data loss: coupled regularization.

    u ← g + ∇penalty(w). First in the chain, it equals ``regularized(loss, penalty)`` for every
    optimizer. ``add_penalty_gradient(λ * l2)`` is ``optax.add_decayed_weights(2λ)``, which is what
    ``weight_decay=2λ`` means in PyTorch's SGD and Adam.

    Leaves that the penalty does not select, and updates that are None, are left as they are.
    ``optax.MultiSteps`` goes around the whole chain.

    Args:
      penalty: a penalty, or a schedule ``step -> penalty``. (Inside ``optax.inject_hyperparams``
        inject the numbers: ``lambda strength, learning_rate: optax.chain(
        add_penalty_gradient(strength * l2), optax.sgd(learning_rate))``.)

    Returns:
      A transformation whose ``update`` needs ``params``.

    Raises:
      TypeError: if ``penalty`` is neither; in ``init``, if it has no gradient (l0, constraints), or
        if what a schedule returns is no penalty.
      ValueError: in ``init``, if a rule of the penalty matches no leaf, or a leaf does not fit; in
        ``update``, without parameters, or if updates and parameters are different trees.

    >>> from jaxreg import l2
    >>> optimizer = optax.chain(add_penalty_gradient(0.5 * l2), optax.sgd(0.1))
    >>> params = jnp.array([1.0, -2.0])
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    >>> updates
    Array([-0.1,  0.2], dtype=float32)

    References: Loshchilov & Hutter 2019, *Decoupled weight decay regularization*, algorithms 1
    and 2, in contrast (arXiv:1711.05101).
    """
    require_penalty("add_penalty_gradient", penalty)

    def move(updates: Sequence[Any], leaves: Sequence[Leaf], count: Any) -> list[Any]:
        rows = acting(penalty_at("add_penalty_gradient", penalty, count), updates, leaves)
        return [_with_gradient(*row) if row[2] else row[0] for row in rows]

    return transformation("add_penalty_gradient", move)


def _with_gradient(u: Any, leaf: Leaf, terms: Sequence[Term]) -> Any:
    return u + _numbers.cast(grad_of_sum(leaf, terms), u.dtype)


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


def at(value: Any, count: Any) -> Any:
    """What a schedule says of a step; anything else is itself."""
    is_schedule = callable(value) and not isinstance(value, Penalty)
    return value(count) if is_schedule else value


def penalty_at(name: str, penalty: Any, count: Any) -> Penalty:
    found = at(penalty, count)
    if not isinstance(found, Penalty):
        raise TypeError(
            f"{name}: expected a schedule step -> penalty, got one that returns {brief(found)}; "
            f"write {name}(lambda step: schedule(step) * l2)"
        )
    return found


def number_at(name: str, argument: str, value: Any, count: Any) -> Any:
    expected = "a number from the schedule"
    return _numbers.required(f"{name}, {argument}", at(value, count), expected)


def require_penalty(name: str, penalty: Any) -> None:
    if isinstance(penalty, Penalty) or (callable(penalty) and not uncalled(penalty)):
        return
    raise TypeError(
        f"{name}: expected a penalty such as 1e-4 * l2, got {brief(penalty)}; "
        f"{_advice(name, penalty)}"
    )


def uncalled(function: Any) -> bool:
    """Whether it makes penalties, or is a method of one: no schedule at any rate."""
    is_penalty = isinstance(function, type) and issubclass(function, Penalty)
    module = str(getattr(function, "__module__", ""))
    return is_penalty or (module.startswith("jaxreg.") and hasattr(function, "__qualname__"))


def _advice(name: str, penalty: Any) -> str:
    bound = getattr(penalty, "__self__", None)
    if isinstance(bound, Penalty):
        return f"give the penalty itself: {name}({bound!r})"
    if callable(penalty):
        return f"call it: {name}(1e-4 * {call_of(penalty)})"
    if is_optimizer(penalty):
        return f"join them: optax.chain({name}(…), optimizer)"
    if isinstance(penalty, numbers.Number):
        return f"write {name}({penalty!r} * l2)"
    if is_tree(penalty):
        return f"write {name}(1e-4 * l2), and give the parameters to init and update"
    return (
        "give the function 1e-4 * l2, not its value 1e-4 * l2(params); inside "
        "optax.inject_hyperparams inject the numbers: "
        "lambda strength, learning_rate: optax.chain(...strength * l2...)"
    )


def call_of(function: Any) -> str:
    settings = inspect.signature(function).parameters
    return f"{function.__name__}({', '.join(settings)})"


def number_or_schedule(name: str, argument: str, value: Any, advice: str = "") -> Any:
    """A Python number as a valid float; schedules and arrays as they are."""
    if isinstance(value, Penalty):
        raise TypeError(
            f"{name}: expected {argument} to be a number or a schedule, got the penalty "
            f"{value!r}; for a penalty use add_penalty_gradient or proximal_step"
        )
    if callable(value):
        return value
    if _numbers.is_python(value):
        return _numbers.checked(f"{name}, {argument}", value)
    try:
        return _numbers.required(name, value, f"{argument} to be a number or a schedule")
    except TypeError as error:
        raise TypeError(f"{error}; {advice}") from None

"""Regularization as optax transformations: before the optimizer (coupled) or after it.

First in the chain, `add_penalty_gradient` is the penalty in the loss. Last in the chain,
`decoupled_decay` is weight decay as AdamW means it and `proximal_step` gives exact zeros. Every
rate, learning rate and penalty may be a number, a traced value or a schedule of the step (0 for
the first update), and the state has the same structure for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxreg import _tree
from jaxreg._penalty import Penalty
from jaxreg._select import where as rule
from jaxreg._tree import Leaf

ScalarOrSchedule = ArrayLike | Callable[[Any], ArrayLike]


class StepState(NamedTuple):
    """How many updates have been made: what schedules are asked for."""

    count: Any  # int32 scalar  # pyright: ignore[reportIncompatibleMethodOverride]


def add_penalty_gradient(
    penalty: Penalty | Callable[[Any], Penalty],
) -> optax.GradientTransformation:
    """Adds the gradient of the penalty to the gradient of the data loss: coupled regularization.

    u ← g + ∇penalty(w). First in the chain, it equals ``regularized(loss, penalty)`` for every
    optimizer. ``add_penalty_gradient(λ * l2)`` is ``optax.add_decayed_weights(2λ)``, which is what
    ``weight_decay=2λ`` means in PyTorch's SGD and Adam.

    Args:
      penalty: a penalty, or a schedule ``step -> penalty``. (Inside ``optax.inject_hyperparams``
        inject the numbers: ``lambda strength, learning_rate: optax.chain(
        add_penalty_gradient(strength * l2), optax.sgd(learning_rate))``.)

    Returns:
      A transformation whose ``update`` needs ``params``.

    Raises:
      TypeError: if ``penalty`` is neither.

    >>> from jaxreg import l2
    >>> optimizer = optax.chain(add_penalty_gradient(0.5 * l2), optax.sgd(0.1))
    >>> params = jnp.array([1.0, -2.0])
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    >>> updates
    Array([-0.1,  0.2], dtype=float32)
    """
    _require_penalty("add_penalty_gradient", penalty)

    def move(updates: Any, params: Any, count: jax.Array) -> Any:
        added = _at(penalty, count).grad(params)
        return jax.tree.map(lambda u, g: u + g.astype(u.dtype), updates, added)

    return _transformation("add_penalty_gradient", move)


def decoupled_decay(
    rate: ScalarOrSchedule,
    learning_rate: ScalarOrSchedule,
    *,
    where: Any = None,
    reference: Any = None,
    cautious: bool = False,
) -> optax.GradientTransformation:
    """Weight decay beside the gradient step, last in the chain: never seen by the optimizer.

    u ← u − learning_rate_t · rate_t · (w − reference).

    With the optimizer's own learning rate it is AdamW of PyTorch and optax:
    ``optax.chain(optax.adam(lr), decoupled_decay(ω, lr))`` equals ``optax.adamw(lr,
    weight_decay=ω)``. With the schedule's multiplier s_t alone in its place it is AdamW and SGDW
    as published, where the decay does not depend on the base learning rate. Only for plain SGD
    does ω = 2λ equal the penalty λ‖w‖² in the loss; for Adam no λ does.

    Args:
      rate: ω, decay per unit of ``learning_rate``; a number, traced value or schedule.
      learning_rate: what multiplies the rate; likewise. No default, since this is the choice.
      where: which leaves decay, as for `jaxreg.where`; None for all.
      reference: a tree like the parameters that they decay to, instead of 0.
      cautious: decays only entries whose update points towards the reference already, so that
        the minimiser of the data loss stays one.

    Returns:
      A transformation whose ``update`` needs ``params``.

    Raises:
      TypeError: if a rate is a penalty.

    >>> optimizer = optax.chain(optax.sgd(0.1), decoupled_decay(0.5, 0.1))
    >>> params = jnp.array([1.0, -2.0])
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    >>> updates
    Array([-0.05,  0.1 ], dtype=float32)

    References: Loshchilov & Hutter 2019, *Decoupled weight decay regularization*
    (arXiv:1711.05101); Chen et al. 2025, *Cautious weight decay* (arXiv:2510.12402).
    """
    _require_number("decoupled_decay", rate=rate, learning_rate=learning_rate)
    chosen = rule(where)
    named = None if reference is None else _tree.named_copy(reference)

    def move(updates: Any, params: Any, count: jax.Array) -> Any:
        factors = jnp.asarray(_at(learning_rate, count)), jnp.asarray(_at(rate, count))
        leaves = _tree.leaves(params)
        rows = zip(jax.tree.leaves(updates), leaves, chosen.selected(leaves), strict=True)
        moved = [_decayed(u, leaf, factors, named, cautious) if on else u for u, leaf, on in rows]
        return _tree.replace_leaves(updates, moved)

    return _transformation("decoupled_decay", move)


def _decayed(u: Any, leaf: Leaf, factors: Any, named: Any, cautious: bool) -> Any:
    w = leaf.value
    real = _tree.real_dtype(_tree.widen(w).dtype)  # schedules are float32 whatever the parameters
    learning_rate, rate = (factor.astype(real) for factor in factors)
    amount = learning_rate * rate
    distance = w if named is None else w - _tree.named(named, leaf).astype(w.dtype)
    decay = amount.astype(w.dtype) * distance
    if cautious:
        towards = jnp.real(jnp.conj(u) * distance) <= 0
        decay = jnp.where(towards, decay, 0)
    return u - decay.astype(u.dtype)


def proximal_step(
    penalty: Penalty | Callable[[Any], Penalty], learning_rate: ScalarOrSchedule
) -> optax.GradientTransformation:
    """The proximal operator after the step, last in the chain: exact zeros for ``l1``.

    w ← prox(w + u; learning_rate) = argmin_v penalty(v) + ‖v − (w + u)‖² / (2·learning_rate).

    After plain gradient steps of the same learning rate it is proximal gradient descent, whose
    fixed points minimise data loss + penalty. After momentum μ the matching step is
    ``learning_rate / (1 − μ)``. After Adam it is a decoupled shrinkage, whose fixed points are
    not those minimisers, because Adam scales every entry's step differently.

    Args:
      penalty: a penalty, or a schedule ``step -> penalty``.
      learning_rate: the length of the step that it follows; a number, traced value or schedule.

    Returns:
      A transformation whose ``update`` needs ``params``.

    Raises:
      TypeError: if ``penalty`` is no penalty, or ``learning_rate`` is one.

    >>> from jaxreg import l1
    >>> optimizer = optax.chain(optax.sgd(0.1), proximal_step(5.0 * l1, 0.1))
    >>> params = jnp.array([0.2, -2.0])
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    >>> optax.apply_updates(params, updates)
    Array([ 0. , -1.5], dtype=float32)

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §4.2.
    """
    _require_penalty("proximal_step", penalty)
    _require_number("proximal_step", learning_rate=learning_rate)

    def move(updates: Any, params: Any, count: jax.Array) -> Any:
        arrived = jax.tree.map(lambda w, u: w + u.astype(w.dtype), params, updates)
        landed = _at(penalty, count).prox(arrived, _at(learning_rate, count))
        return jax.tree.map(lambda v, w, u: (v - w).astype(u.dtype), landed, params, updates)

    return _transformation("proximal_step", move)


def _transformation(
    name: str, move: Callable[[Any, Any, jax.Array], Any]
) -> optax.GradientTransformation:
    """A transformation that counts its updates and needs the parameters."""

    def init(params: Any) -> StepState:
        del params
        return StepState(jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if params is None:
            raise ValueError(
                f"{name}: expected the parameters, got None; call "
                f"optimizer.update(grads, state, params)"
            )
        return move(updates, params, state.count), StepState(optax.safe_increment(state.count))

    return optax.GradientTransformation(init, update)


def _at(value: Any, count: jax.Array) -> Any:
    is_schedule = callable(value) and not isinstance(value, Penalty)
    return value(count) if is_schedule else value


def _require_penalty(name: str, penalty: Any) -> None:
    if not (isinstance(penalty, Penalty) or callable(penalty)):
        raise TypeError(
            f"{name}: expected a penalty such as 1e-4 * l2, got {penalty!r}; inside "
            f"optax.inject_hyperparams inject the numbers: "
            f"lambda strength, learning_rate: optax.chain(...strength * l2...)"
        )


def _require_number(name: str, **values: Any) -> None:
    for argument, value in values.items():
        if isinstance(value, Penalty):
            raise TypeError(
                f"{name}: expected {argument} to be a number or a schedule, got the penalty "
                f"{value!r}; for a penalty use add_penalty_gradient or proximal_step"
            )

"""The penalty in the loss, as the first transformation of a chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optax

from jaxreg import _numbers
from jaxreg._messages.calls import explained
from jaxreg._penalty.term import Term, grad_of_sum
from jaxreg._transforms.frame import acting, transformation
from jaxreg._transforms.schedules import PenaltyOrSchedule, penalty_at, require_penalty
from jaxreg._trees import Leaf


@explained
def add_penalty_gradient(penalty: PenaltyOrSchedule) -> optax.GradientTransformation:
    """Adds the gradient of the penalty to the gradient of the data loss: coupled regularization.

    u ← g + ∇penalty(w). First in the chain, it equals ``regularized(loss, penalty)`` for every
    optimizer. ``add_penalty_gradient(λ * l2)`` is ``optax.add_decayed_weights(2λ)``, which is what
    ``weight_decay=2λ`` means in PyTorch's SGD and Adam.

    Leaves that the penalty does not select, and updates that are None, are left as they are.
    ``optax.MultiSteps`` goes around the whole chain.

    >>> import jax.numpy as jnp
    >>> from jaxreg import l2
    >>> optimizer = optax.chain(add_penalty_gradient(0.5 * l2), optax.sgd(0.1))
    >>> params = jnp.array([1.0, -2.0])
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    >>> updates
    Array([-0.1,  0.2], dtype=float32)

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

"""The prox in the metric of the optimizer's own steps, after them.

Proximal gradient descent ends where data loss + penalty is least because one step length s stands
in both halves: w ← prox_s(w − s·g). Adam has no such s; each entry moves by its own step P, so that
a prox of any single length pulls entries against each other and ends elsewhere. In the metric of P,

    w ← argmin_v penalty(v) + ½Σ|v − (w + u)|²/P,

every entry has the same step in both halves again, and a fixed point fulfils 0 ∈ g + ∂penalty(w):
P drops out, since it is positive.

An update takes four steps: the optimizer's own updates and P (`adam_metric.read`), the penalty of
this step, the prox of its terms at every leaf (`jaxreg._penalty.prox_sum.metric_prox_of_sum`, by
way of the units' ``array_metric_prox``), and what is left of the way there as the update. ``init``
finds out beforehand whether there is such a prox, by abstract values, and whether the optimizer has
such a metric, by trying it (`adam_trial.require`).

Leaves that the optimizer holds still, or for which it has no first moment, have no P, and the prox
leaves them alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from jaxreg import _numbers, _trees
from jaxreg._messages.brief import brief, is_optimizer
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.prox_sum import metric_prox_of_sum
from jaxreg._penalty.term import Term
from jaxreg._transforms import adam_metric, adam_trial
from jaxreg._transforms.frame import acting, arrived, beside, rehearse
from jaxreg._transforms.schedules import PenaltyOrSchedule, penalty_at
from jaxreg._trees import Leaf, refuse_numbers


class MetricState(NamedTuple):
    """How many updates have been made, and the state of the optimizer that makes them."""

    count: Any  # int32 scalar  # pyright: ignore[reportIncompatibleMethodOverride]
    inner: Any


def _checked(learning_rate: Any, optimizer: Any, metric: str | None) -> Any:
    if not is_optimizer(optimizer):
        got = "none" if optimizer is None else brief(optimizer)
        raise TypeError(
            f"proximal_step: expected an optimizer for metric={metric!r}, got {got}; write "
            f'proximal_step(penalty, optimizer=optax.adam(lr), metric="adam")'
        )
    if learning_rate is not None:
        raise TypeError(
            "proximal_step: expected learning_rate or optimizer, got both; leave out "
            "learning_rate: that of the optimizer is read from it"
        )
    if metric != "adam":
        raise ValueError(
            f"proximal_step: expected metric='adam' with an optimizer, got {metric!r}; for the "
            f"plain metric write optax.chain(optimizer, proximal_step(penalty, learning_rate))"
        )
    return optimizer


def in_metric(
    penalty: PenaltyOrSchedule, learning_rate: Any, optimizer: Any, metric: str | None
) -> optax.GradientTransformationExtraArgs:
    """The optimizer, followed by the prox in its metric."""
    inner = optax.with_extra_args_support(_checked(learning_rate, optimizer, metric))

    def init(params: Any) -> MetricState:
        leaves, first = _trees.leaves(params), jnp.zeros((), jnp.int32)
        refuse_numbers("proximal_step", params, leaves)
        if any(leaf.is_parameter for leaf in leaves):  # not placeholders
            rehearse(functools.partial(_abstract_move, penalty), leaves)
            adam_trial.require(inner, params, penalty_at("proximal_step", penalty, first))
        return MetricState(first, inner.init(params))

    def update(
        updates: Any, state: Any, params: Any = None, **extra: Any
    ) -> tuple[Any, MetricState]:
        beside("proximal_step", updates, params)
        moved, steps, new = adam_metric.read(inner, updates, state.inner, params, extra)
        flat = beside("proximal_step", moved, params)
        landed = _landed(
            penalty_at("proximal_step", penalty, state.count), flat, _trees.leaves(params), steps
        )
        count = optax.safe_increment(state.count)
        return _trees.replace_leaves(params, landed), MetricState(count, new)

    return optax.GradientTransformationExtraArgs(init, update)


def _abstract_move(
    penalty: PenaltyOrSchedule, updates: Sequence[Any], leaves: Sequence[Leaf], count: Any
) -> list[Any]:
    sizes = {leaf.key: jnp.abs(_numbers.widen(leaf.value)) for leaf in leaves if leaf.is_parameter}
    return _landed(penalty_at("proximal_step", penalty, count), updates, leaves, sizes)


def _landed(
    penalty: Penalty, updates: Sequence[Any], leaves: Sequence[Leaf], steps: adam_metric.Steps
) -> list[Any]:
    def landed(u: Any, leaf: Leaf, terms: Sequence[Term]) -> Any:
        if not terms or leaf.key not in steps:
            return u
        v = metric_prox_of_sum(arrived(u, leaf), terms, steps[leaf.key])
        return _numbers.cast(v - leaf.value, u.dtype)

    return [landed(*row) for row in acting(penalty, updates, leaves)]

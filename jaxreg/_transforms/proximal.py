"""Proximal operators and projections after the step: exact zeros, and bounds that are kept."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import optax

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.prox_sum import prox_of_sum
from jaxreg._penalty.term import Term
from jaxreg._transforms.frame import acting, arrived, transformation
from jaxreg._transforms.proximal_in_metric import in_metric
from jaxreg._transforms.schedules import (
    PenaltyOrSchedule,
    ScalarOrSchedule,
    call_of,
    number_at,
    number_or_schedule,
    penalty_at,
    require_penalty,
    uncalled,
)
from jaxreg._trees import Leaf

ADVICE = (
    "write optax.chain(optimizer, proximal_step(penalty, learning_rate)), with the learning rate "
    'of the optimizer, or proximal_step(penalty, optimizer=optax.adam(lr), metric="adam")'
)


@explained
def proximal_step(
    penalty: PenaltyOrSchedule,
    learning_rate: ScalarOrSchedule | None = None,
    *,
    optimizer: optax.GradientTransformation | None = None,
    metric: str | None = None,
) -> optax.GradientTransformation:
    """The proximal operator after the step: exact zeros for ``l1``, whole groups for groups.

    With a learning rate it is the last in a chain, in the plain (Euclidean) metric:

        w ← prox(w + u; learning_rate) = argmin_v penalty(v) + ‖v − (w + u)‖² / (2·learning_rate).

    After plain gradient steps of the same learning rate that is proximal gradient descent, whose
    fixed points minimise data loss + penalty. After momentum μ the matching step is
    ``learning_rate / (1 − μ)``. After Adam it is a decoupled shrinkage, as AdamW's decay is: its
    fixed points are *not* those minimisers, because Adam scales every entry's step differently.

    >>> import jax.numpy as jnp
    >>> from jaxreg import l1
    >>> params = jnp.array([0.2, -2.0])
    >>> optimizer = optax.chain(optax.sgd(0.1), proximal_step(5.0 * l1, 0.1))
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    >>> optax.apply_updates(params, updates)
    Array([ 0. , -1.5], dtype=float32)
    >>> optimizer = proximal_step(5.0 * l1, optimizer=optax.adam(0.1), metric="adam")
    >>> updates, _ = optimizer.update(jnp.ones(2), optimizer.init(params), params)
    >>> optax.apply_updates(params, updates).round(3)
    Array([ 0. , -1.6], dtype=float32)

    With an optimizer, and ``metric="adam"``, it is that whole optimizer, and the prox is taken in
    the metric of its steps P = lr_t/(√ν̂ + ε), one for every entry:

        w ← argmin_v penalty(v) + ½Σ |v − (w + u)|² / P.

    Its fixed points do minimise data loss + penalty, with its zeros exactly. P is read from the
    optimizer itself, so that no hyperparameter is repeated: schedules, clipping of gradients, masks
    and ``optax.inject_hyperparams`` around Adam are included; where the learning rate is 0, nothing
    moves. Weight decay inside, as in ``optax.adamw``, stays what it is there, decoupled. Adam,
    AdamW, AdaMax, RAdam and Yogi have such a metric; with a first moment in bfloat16 it is off by
    about 2 % in the first steps.

    In that metric entrywise penalties, box and non_negative have closed forms; group_lasso,
    sparse_group_lasso and max_norm solve for one number per group, by Newton's method; nuclear,
    spectral and orthogonal are refused, and so are groups within groups. Leaves that the
    optimizer holds still, or has no first moment for, are not moved by the prox either.

    Leaves that the penalty does not select are left as they are. ``optax.MultiSteps`` and masks go
    around the whole chain. Whatever comes after the prox, such as
    ``optax.contrib.reduce_on_plateau``, undoes the exact zeros (it may be part of ``optimizer``);
    what ``optax.set_to_zero`` holds still before it, the plain prox moves all the same.

    Args:
      penalty: a penalty or constraint, or a schedule ``step -> penalty``.
      learning_rate: the length of the step that it follows; a number, traced value or schedule.
      optimizer: instead of a learning rate, what makes the step.
      metric: ``"adam"``, together with ``optimizer``.

    Returns:
      A transformation whose ``update`` needs ``params``.

    Raises:
      TypeError: if ``penalty`` is no penalty, or ``learning_rate`` is one, or if both or neither
        of ``learning_rate`` and ``optimizer`` are given; in ``init``, if two terms have no joint
        prox.
      ValueError: if ``metric`` is not ``"adam"``, or ``learning_rate`` negative or not finite; in
        ``init``, if the updates of ``optimizer`` are not −P·m̂ (sgd, nadam, lamb, lion, adafactor,
        amsgrad, adabelief, muon, two Adams …); in ``update``, without parameters, or if updates
        and parameters are different trees.
      NotImplementedError: in ``init``, if the penalty has no prox (in that metric).

    References: Parikh & Boyd 2014, *Proximal Algorithms*, §4.2; Yun, Lozano & Yang 2021, *Adaptive
    proximal gradient methods for structured neural networks*; Melchior, Joseph & Moolekamp 2019,
    *Proximal Adam* (arXiv:1910.10094).
    """
    if isinstance(learning_rate, Penalty) and not isinstance(penalty, Penalty):
        raise TypeError(
            f"proximal_step: expected a penalty and a learning rate, got them exchanged; "
            f"write proximal_step({learning_rate!r}, learning_rate)"
        )
    require_penalty("proximal_step", penalty)
    if optimizer is not None or metric is not None:
        return in_metric(penalty, learning_rate, optimizer, metric)
    if learning_rate is None:
        raise TypeError(
            "proximal_step: expected learning_rate or optimizer, got neither; write "
            "optax.chain(optimizer, proximal_step(penalty, learning_rate)) or "
            'proximal_step(penalty, optimizer=optax.adam(lr), metric="adam")'
        )
    return _prox_last("proximal_step", penalty, learning_rate)


@explained
def project(constraint: PenaltyOrSchedule) -> optax.GradientTransformation:
    """The projection onto a constraint after the step, last in the chain.

    w ← projection(w + u) = argmin_v ½‖v − (w + u)‖² with v in the set, whatever the learning rate.

    After plain gradient steps it is projected gradient descent; after any other optimizer, too,
    the parameters lie in the set after every step (up to rounding, bounds other than 0). For
    ``non_negative``, ``box`` (Wasserstein critics, physical bounds) and ``max_norm`` (beside
    dropout), and sums of them that have a joint projection. After Adam,
    ``proximal_step(constraint, optimizer=optax.adam(lr), metric="adam")`` projects in the metric
    of its steps instead, which matters for ``max_norm``: only then do fixed points minimise the
    loss within the set.

    What goes before and around it, as for `proximal_step`.

    >>> import jax.numpy as jnp
    >>> from jaxreg import non_negative
    >>> optimizer = optax.chain(optax.sgd(0.1), project(non_negative))
    >>> params = jnp.array([0.2, 2.0])
    >>> updates, _ = optimizer.update(jnp.full(2, 5.0), optimizer.init(params), params)
    >>> optax.apply_updates(params, updates)
    Array([0. , 1.5], dtype=float32)

    Args:
      constraint: ``box(…)``, ``non_negative``, ``max_norm(…)``, ``.on(where)`` or sums of these,
        or a schedule ``step -> constraint``.

    Returns:
      A transformation whose ``update`` needs ``params``.

    Raises:
      TypeError: if it is no constraint; in ``init``, if two constraints have no joint projection.
      ValueError: in ``init``, if a rule matches no leaf, or a leaf does not fit; in ``update``,
        without parameters, or if updates and parameters are different trees.

    References: Goldstein 1964, *Convex programming in Hilbert space*; Srebro, Rennie & Jaakkola
    2004, *Maximum-margin matrix factorization*.
    """
    if isinstance(constraint, Penalty):
        _require_constraint(constraint)
        return _prox_last("project", constraint, 1.0)
    if uncalled(constraint):
        raise TypeError(
            f"project: expected a constraint, got {brief(constraint)}; "
            f"call it: project({call_of(constraint)})"
        )
    if not callable(constraint):
        raise TypeError(
            f"project: expected a constraint such as max_norm(bound=2.0, axis=0), got "
            f"{brief(constraint)}; the others are box(lower, upper) and non_negative"
        )
    at_step = functools.partial(penalty_at, "project", constraint)
    return _prox_last("project", lambda step: _require_constraint(at_step(step)), 1.0)


def _require_constraint(constraint: Penalty) -> Penalty:
    loose = [term for term in constraint.terms if not term.unit.constraint]
    if loose:
        raise TypeError(
            f"project: expected a constraint, which has no strength, got the penalty {loose[0]!r}; "
            f"write proximal_step({constraint!r}, learning_rate)"
        )
    return constraint


def _prox_last(
    name: str, penalty: PenaltyOrSchedule, step: ScalarOrSchedule
) -> optax.GradientTransformation:
    step = number_or_schedule(name, "learning_rate", step, ADVICE)

    def move(updates: Sequence[Any], leaves: Sequence[Leaf], count: Any) -> list[Any]:
        length = number_at(name, "learning_rate", step, count)

        def landed(u: Any, leaf: Leaf, terms: Sequence[Term]) -> Any:
            moved = prox_of_sum(arrived(u, leaf), terms, length) - leaf.value
            return _numbers.cast(moved, u.dtype)

        rows = acting(penalty_at(name, penalty, count), updates, leaves)
        return [landed(*row) if row[2] else row[0] for row in rows]

    return transformation(name, move)

"""What a ready-made optimizer does to weights, found by asking it: `audit`."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optax

from jaxreg import _numbers, _trees
from jaxreg._audit import black_box, faults, in_loss, shapes
from jaxreg._audit.judge import answers_of, judged
from jaxreg._audit.record import Audit, LeafAudit
from jaxreg._audit.scaling import scaled
from jaxreg._messages.brief import brief, is_optimizer, is_tree
from jaxreg._messages.calls import explained

LEARNING_RATES = (1e-3, 2e-3)


@explained
def audit(
    optimizer: Any,
    params: Any,
    *,
    learning_rates: Sequence[float] | None = None,
    steps: int = 4,
    update_args: Mapping[str, Any] | None = None,
    loss: Callable[[Any], Any] | None = None,
    frozen: Any = None,
) -> Audit:
    """Asks an optimizer what it does to weights: which form of decay, how strong, on which leaves.

    The optimizer is a black box: it is given gradients and parameters of the auditor's choice, of
    the shapes of ``params`` and in float64, and judged by its updates alone. Dimensions above 160
    are cut to that, and to less where leaves are many, if the optimizer lets them be: so an audit
    takes some gigabyte at most, however many parameters there are. No list of names is consulted,
    no class of a state: wrapped and home-made optimizers are judged alike.

    What updates do not show is not claimed. For plain SGD coupled and decoupled decay are one
    program. Whether decay scales with the learning rate takes two optimizers: give
    ``learning_rate -> optimizer``. A schedule is followed by setting forward the integers of the
    state that count steps; one that keeps no such count looks constant if it does not move within
    ``steps``. A lookahead optimizer is asked with its slow parameters where the fast ones are.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> params = {"bias": jnp.zeros(3), "kernel": jnp.zeros((2, 3))}
    >>> report = audit(lambda lr: optax.adamw(lr, weight_decay=0.1), params)
    >>> report.forms
    {'bias': 'decoupled', 'kernel': 'decoupled'}
    >>> print(f"{report.leaves[1].coefficient:.3g} × {report.leaves[1].scales_with}")
    0.1 × learning rate
    >>> print(report.warnings[0].name, report.warnings[0].leaves)
    biases and norms ('bias',)

    Args:
      optimizer: an ``optax.GradientTransformation`` or anything with its ``init`` and ``update``,
        or that holds one as ``tx`` (``nnx.Optimizer``, flax's ``TrainState``); or a function
        ``learning_rate -> optimizer``.
      params: a tree of arrays, or of anything with a shape and a dtype. The values do not matter.
      learning_rates: those to make the optimizer with, two at least.
      steps: how many updates to ask for, two at least; more where gradients are accumulated, and
        twice as many are taken where the last one alone moves anything.
      update_args: further arguments of ``update``, such as ``{"value": 1.0}``.
      loss: ``params -> loss`` or ``params -> (loss, …)``, to warn of a penalty λ‖w‖² in it that
        the optimizer repeats. It is seen where the data loss grows more slowly than w², as
        cross-entropy does.
      frozen: a rule, as for `jaxreg.where`, of leaves that must not move, by decay or gradient.

    Returns:
      An `Audit` with ``leaves``, ``forms``, ``decayed`` and ``warnings``; prints as a table.

    Raises:
      TypeError: if ``optimizer`` is neither an optimizer nor a function that makes one, or the
        two are exchanged, or the function raises.
      ValueError: if ``steps`` or ``learning_rates`` are too few, or there are no parameters.
    """
    _require_order(optimizer, params)
    make, rates = _family(optimizer, learning_rates)
    _require(steps, params)
    _require_optimizer(make, rates[0])
    repeated = {} if loss is None else in_loss.penalties(loss, params)
    try:
        leaves = _audited(make, params, steps, update_args, rates)
    except black_box.CallError as error:
        return _refused(params, str(error))
    leaves = [(_with_loss(found, repeated), answers) for found, answers in leaves]
    return Audit(tuple(found for found, _ in leaves), faults.find(leaves, frozen))


def _with_loss(found: LeafAudit, penalties: Mapping[str, float]) -> LeafAudit:
    return dataclasses.replace(found, in_loss=penalties.get(found.name, 0.0))


def _family(optimizer: Any, learning_rates: Any) -> tuple[Callable[[Any], Any], tuple[Any, ...]]:
    if is_optimizer(getattr(optimizer, "tx", None)):  # nnx.Optimizer, flax's TrainState
        optimizer = optimizer.tx
    if is_optimizer(optimizer):
        if learning_rates is not None:
            raise TypeError(
                "audit: expected a function learning_rate -> optimizer beside learning_rates, got "
                "an optimizer; write audit(lambda learning_rate: …, params, learning_rates=…)"
            )
        return lambda _: optimizer, (None,)
    if callable(optimizer) and not is_tree(optimizer):
        return optimizer, LEARNING_RATES if learning_rates is None else _rates(learning_rates)
    raise TypeError(
        f"audit: expected an optax optimizer, or a function learning_rate -> optimizer, got "
        f"{brief(optimizer)}; write audit(optax.adamw(1e-3), params)"
    )


def _rates(learning_rates: Any) -> tuple[float, ...]:
    several = isinstance(learning_rates, Sequence | np.ndarray) and np.ndim(learning_rates) == 1
    rates = tuple(learning_rates) if several else ()
    known = [_numbers.as_float(rate) for rate in rates]
    if len(set(known)) < 2 or not all(0 < rate < math.inf for rate in known):
        got = rates if rates and all(map(_numbers.is_real, rates)) else brief(learning_rates)
        raise ValueError(
            f"audit: expected two or more different learning_rates > 0, got {got}; leave them "
            f"out for {LEARNING_RATES}"
        )
    return rates


def _require_order(optimizer: Any, params: Any) -> None:
    if is_optimizer(params) and not is_optimizer(optimizer):
        raise TypeError(
            "audit: expected an optimizer and the parameters, got them exchanged; "
            "write audit(optimizer, params)"
        )


def _require(steps: Any, params: Any) -> None:
    if not isinstance(steps, int | np.integer) or steps < 2:
        raise ValueError(
            f"audit: expected steps ≥ 2, to see what is kept of step 0, got {brief(steps)}"
        )
    if not any(leaf.is_parameter for leaf in _trees.leaves(params)):
        raise ValueError(
            "audit: expected at least one floating-point array among the parameters, got none; "
            "give the parameters that the optimizer updates"
        )


def _require_optimizer(make: Callable[[Any], Any], rate: Any) -> None:
    try:
        made = make(rate)
    except Exception as error:
        raise TypeError(
            f"audit: expected a function learning_rate -> optimizer, got one that raises “{error}” "
            f"for {rate}; write audit(lambda learning_rate: optax.adamw(learning_rate), params)"
        ) from error
    if isinstance(made, type) or not (hasattr(made, "init") and hasattr(made, "update")):
        remedy = "its .tx" if hasattr(made, "tx") else "optax.adamw(learning_rate)"
        raise TypeError(
            f"audit: expected a function learning_rate -> optimizer, got one that returns "
            f"{made!r:.60}; let it return {remedy}"
        )


def _refused(params: Any, reason: str) -> Audit:
    hint = f"raises “{reason}”; further arguments of its update go into update_args="
    names = [leaf.name for leaf in _trees.leaves(params) if leaf.is_parameter]
    rows = [LeafAudit(name, "undetermined", None, "", None, (), hint) for name in names]
    return Audit(tuple(rows), ())


def _audited(make: Any, params: Any, *more: Any) -> faults.Leaves:
    """As it is; of the parameters alone; as a lookahead optimizer's, which are two copies of ours.

    A module may hold functions and keys of random numbers too, which no optimizer takes.
    """
    try:
        return _cut_or_whole(make, params, *more)
    except black_box.CallError as error:
        last = error
    alone = _parameters_alone(params)
    if len(_trees.leaves(alone)) < len(_trees.leaves(params)):
        try:
            return _cut_or_whole(make, alone, *more)
        except black_box.CallError as error:
            last = error
    fast = params.fast if isinstance(params, optax.LookaheadParams) else params
    with contextlib.suppress(black_box.CallError):
        return _cut_or_whole(lambda rate: black_box.synchronised(make(rate)), fast, *more)
    raise last


def _parameters_alone(params: Any) -> Any:
    """The tree with None in place of all else, as ``equinox.filter`` leaves it."""
    kept = (leaf.value if leaf.is_parameter else None for leaf in _trees.leaves(params))
    return _trees.replace_leaves(params, kept)


def _cut_or_whole(make: Any, params: Any, steps: int, arguments: Any, rates: Any) -> faults.Leaves:
    """With large dimensions cut first, then, where it holds arrays of their shapes, as they are."""
    whole = black_box.Optimizer(make, params, steps, arguments)
    cut = black_box.Optimizer(make, params, steps, arguments, shapes.cut)
    try:
        return _leaf_by_leaf(cut, rates)
    except black_box.CallError as error:
        if cut.shapes == whole.shapes:
            raise
        if shapes.numbers(whole.shapes) > shapes.MOST:
            raise black_box.CallError(f"{error} (of parameters {shapes.TOLD})") from error
        return _leaf_by_leaf(whole, rates)


def _leaf_by_leaf(asked: black_box.Optimizer, rates: tuple[Any, ...]) -> faults.Leaves:
    return [(scaled(judged(a), a), a) for a in answers_of(asked, rates)]

"""Losses with a penalty, reported in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty


class Parts(NamedTuple):
    """A regularized loss taken apart: ``data`` + ``penalty`` = the total.

    Attributes:
      data: the data loss, a scalar: what models are compared by.
      penalty: the value of the penalty, a scalar.
      aux: what the loss returned beside its value; None without ``has_aux``.
    """

    data: jax.Array
    penalty: jax.Array
    aux: Any = None


@explained
def regularized(
    loss: Callable[..., Any], penalty: Penalty, *, has_aux: bool = False
) -> Callable[..., tuple[jax.Array, Parts]]:
    """The loss plus the penalty of its first argument: loss(params, …) + penalty(params).

    The convention: the loss is a mean over the batch, the penalty a sum over parameters, added
    once. Choose models by ``parts.data``; the total depends on the strength.

    >>> from jaxreg import l2
    >>> objective = regularized(lambda w, x: jnp.mean((x @ w) ** 2), 0.1 * l2)
    >>> (total, parts), grads = jax.value_and_grad(objective, has_aux=True)(
    ...     jnp.array([1.0, 2.0]), jnp.eye(2)
    ... )
    >>> float(total), float(parts.data), float(parts.penalty)
    (3.0, 2.5, 0.5)

    On several devices the data loss must be the mean over the *global* batch, and the penalty must
    count once. Under ``jit`` with sharded arrays both hold as they stand. Under ``pmap`` and
    ``shard_map`` it depends on where ``jax.lax.pmean`` is (n devices):

    - of the gradient alone: right under ``pmap`` and ``shard_map(check_vma=False)``, in one
      exchange; under ``shard_map`` as it is by default, **n times the gradient**, since that by
      parameters which all devices share is a sum over them already;
    - of the data loss alone, inside ``loss``: right under ``shard_map`` by default; under the
      other two **each device keeps its own batch's gradient**, and parameters drift apart;
    - of both: right under all three, in two exchanges or more.

    Args:
      loss: ``loss(params, *args, **kwargs)``, a scalar, or ``(scalar, aux)`` with ``has_aux``.
      penalty: a penalty, as ``1e-4 * l2``.
      has_aux: whether ``loss`` returns auxiliary data.

    Returns:
      ``fn(params, *args, **kwargs) -> (total, Parts(data, penalty, aux))``, made for
      ``jax.value_and_grad(fn, has_aux=True)``.

    Raises:
      TypeError: if ``loss`` is no function or ``penalty`` no penalty; when called, if what the loss
        returns is not as ``has_aux`` says.
    """
    require_loss_and_penalty("regularized", loss, penalty)

    def objective(params: Any, *args: Any, **kwargs: Any) -> tuple[jax.Array, Parts]:
        data, aux = data_and_aux("regularized", loss(params, *args, **kwargs), has_aux)
        value = penalty(params)
        widest = np.promote_types(jnp.result_type(data), value.dtype)
        total = jnp.asarray(data).astype(widest) + value.astype(widest)
        return total, Parts(data, value, aux)

    return objective


def require_loss_and_penalty(owner: str, loss: Any, penalty: Any, rest: str = "") -> None:
    """Raises unless ``owner`` was given a function and a penalty; ``rest`` is what follows them."""
    if isinstance(loss, Penalty):
        raise TypeError(
            f"{owner}: expected a loss and a penalty, got "
            + (
                f"two penalties; add them: {owner}(loss, p + q{rest})"
                if isinstance(penalty, Penalty)
                else f"them exchanged; write {owner}(loss, {loss!r}{rest})"
            )
        )
    if not callable(loss):
        raise TypeError(
            f"{owner}: expected the function loss(params, …), got {brief(loss)}; give the "
            f"function, not its value: {owner}(loss, 1e-4 * l2{rest})"
        )
    if not isinstance(penalty, Penalty):
        raise TypeError(
            f"{owner}: expected a penalty such as 1e-4 * l2, got {brief(penalty)}; "
            f"for a strength s write {owner}(loss, s * l2{rest})"
        )


def data_and_aux(owner: str, result: Any, has_aux: bool, rest: str = "") -> tuple[Any, Any]:
    """The data loss and what came with it."""
    if not has_aux and not isinstance(result, tuple):
        return result, None
    if has_aux and isinstance(result, tuple) and len(result) == 2:
        return result
    expected = "(scalar, aux)" if has_aux else "a scalar"
    raise TypeError(
        f"{owner}: expected a loss that returns {expected} with has_aux={has_aux}, got "
        f"{brief(result)}; write {owner}(loss, penalty{rest}, has_aux={not has_aux}) if that is "
        f"meant"
    )

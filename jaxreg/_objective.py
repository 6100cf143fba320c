"""Losses with a penalty, reported in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg._penalty import Penalty


class Parts(NamedTuple):
    """A regularized loss taken apart: ``data`` + ``penalty`` = the total; ``aux`` of the loss."""

    data: jax.Array
    penalty: jax.Array
    aux: Any = None


def regularized(
    loss: Callable[..., Any], penalty: Penalty, *, has_aux: bool = False
) -> Callable[..., tuple[jax.Array, Parts]]:
    """The loss plus the penalty of its first argument: loss(params, …) + penalty(params).

    The convention: the loss is a mean over the batch, the penalty a sum over parameters, added
    once. Choose models by ``parts.data``; the total depends on the strength.

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
      TypeError: if ``penalty`` is not a penalty.

    >>> from jaxreg import l2
    >>> objective = regularized(lambda w, x: jnp.mean((x @ w) ** 2), 0.1 * l2)
    >>> (total, parts), grads = jax.value_and_grad(objective, has_aux=True)(
    ...     jnp.array([1.0, 2.0]), jnp.eye(2)
    ... )
    >>> float(total), float(parts.data), float(parts.penalty)
    (3.0, 2.5, 0.5)
    """
    if not isinstance(penalty, Penalty):
        raise TypeError(
            f"regularized: expected a penalty such as 1e-4 * l2, got {penalty!r}; "
            f"for a strength s write regularized(loss, s * l2)"
        )

    def objective(params: Any, *args: Any, **kwargs: Any) -> tuple[jax.Array, Parts]:
        result = loss(params, *args, **kwargs)
        data, aux = result if has_aux else (result, None)
        value = penalty(params)
        widest = np.promote_types(jnp.result_type(data), value.dtype)
        total = jnp.asarray(data).astype(widest) + value.astype(widest)
        return total, Parts(data, value, aux)

    return objective

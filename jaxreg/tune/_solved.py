"""Trainings for hypergradients: solved ones, and unrolled ones that need little memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxreg import _numbers
from jaxreg._messages.brief import brief, is_array
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty
from jaxreg._solve.solve import solve
from jaxreg._trees import leaves_of
from jaxreg.tune._contract import weighted_mean


@dataclasses.dataclass(frozen=True, eq=False)
class Solved:
    """A training that is the minimum itself; see `solved`."""

    losses: Callable[..., Any]
    penalty: Callable[[Any], Penalty]
    params: Any
    loss: Callable[..., Any]  # one function, so that it is compiled once
    options: dict[str, Any]

    def __call__(self, point: Any, weights: jax.Array, *shared: Any) -> jax.Array:
        penalty = self.penalty(point)
        found = solve(self.loss, penalty, self.params, weights, *shared, **self.options)
        return self.losses(found.params, *shared)


@explained
def solved(
    losses: Callable[..., Any],
    penalty: Penalty | Callable[[Any], Penalty],
    params: Any,
    *,
    tolerance: float | None = None,
    max_steps: int = 10_000,
) -> Solved:
    """The training that minimises losses + penalty by `jaxreg.solve`: no steps, no learning rate.

    For convex problems: linear models, and the last layer of any network on its features. All ways
    of `jaxreg.tune` take it. Its derivatives are those of the minimum (implicit), by one linear
    system whatever the number of steps, so that hypergradients need no memory for the way there::

        dV/dλ = −(∂V/∂w)ᵀ H⁻¹ ∂²penalty/∂w∂λ        H: second derivatives of loss + penalty

    >>> from jaxreg import l2, tune
    >>> train = tune.solved(lambda w, x, y: (x @ w - y) ** 2, l2, jnp.zeros(2))
    >>> x, y = jnp.eye(4)[:, :2], jnp.array([4.0, -2.0, 0.5, 0.0])
    >>> train({"strength": 0.25}, jnp.ones(4), x, y).round(3).tolist()  # w = (2, -1)
    [4.0, 1.0, 0.25, 0.0]

    Args:
      losses: ``losses(params, *shared) → (examples,)``.
      penalty: of strength 1, to be scaled by ``point["strength"]``; or a function of the point,
        such as ``lambda point: point["strength"] * l1 + point["l2"] * l2``.
      params: where the search starts.
      tolerance: of `jaxreg.solve`.
      max_steps: likewise.

    Returns:
      A ``train(point, weights, *shared)``.

    Raises:
      TypeError: if ``losses`` is no function, or ``penalty`` neither a penalty nor a function.

    References: Bengio 2000, *Gradient-based optimization of hyperparameters*; Lorraine, Vicol &
    Duvenaud 2020 (arXiv:1911.02590).
    """
    if not callable(losses) or isinstance(losses, Penalty):
        raise TypeError(
            f"solved: losses: expected a function losses(params, *shared) of all examples, got "
            f"{brief(losses)}"
        )
    if not callable(penalty) or isinstance(penalty, type):
        raise TypeError(
            f"solved: penalty: expected a penalty such as l2, or a function of the point, got "
            f"{brief(penalty)}"
        )

    leaves_of("solved: params", params)

    def loss(params: Any, weights: jax.Array, *shared: Any) -> jax.Array:
        return weighted_mean(losses(params, *shared), weights)

    if tolerance is not None:
        _numbers.positive("solved: tolerance", tolerance)
    options = {"tolerance": tolerance, "max_steps": _numbers.count("solved: max_steps", max_steps)}
    return Solved(losses, _of_point(penalty), params, loss, options)


def _of_point(penalty: Any) -> Callable[[Any], Penalty]:
    if not isinstance(penalty, Penalty):
        return penalty
    return lambda point: point["strength"] * penalty


@explained
def checkpointed_scan(
    step: Callable[[Any, Any], tuple[Any, Any]], start: Any, xs: Any, *, segment: int | None = None
) -> tuple[Any, Any]:
    """`jax.lax.scan` with the same results, whose derivative needs memory for 2√T states, not T.

    A derivative in reverse through T steps of training keeps what each step computed. Here a
    segment of steps keeps its start alone, and is run again when the derivative comes by: one more
    pass forward, a third of the time, for the square root of the memory.

    >>> def step(w, rate):
    ...     return w - rate * w, w
    >>> checkpointed_scan(step, jnp.array(1.0), jnp.full(10, 0.5))[0].item()
    0.0009765625

    Args:
      step: ``step(carry, x) → (carry, y)``.
      start: the first carry.
      xs: arrays with a leading axis of length T.
      segment: steps in a segment; ⌈√T⌉ by default.

    Returns:
      (the last carry, the ys).

    Raises:
      ValueError: if ``xs`` holds no array, or ``segment`` is below 1.

    References: Griewank 1992; Chen et al. 2016 (arXiv:1604.06174); `jax.checkpoint`.
    """
    if not callable(step):
        raise TypeError(
            f"checkpointed_scan: step: expected a function step(carry, x), got {brief(step)}"
        )
    leaves = jax.tree.leaves(xs)
    lengths = {leaf.shape[0] if is_array(leaf) and leaf.shape else -1 for leaf in leaves}
    if len(lengths) != 1 or -1 in lengths:
        raise ValueError(f"checkpointed_scan: xs: expected arrays of one length, got {brief(xs)}")
    length = lengths.pop()
    segment = math.isqrt(max(length - 1, 0)) + 1 if segment is None else segment
    _numbers.count("checkpointed_scan: segment", segment)
    whole = length - length % segment
    inner = jax.checkpoint(lambda carry, part: lax.scan(step, carry, part))
    parts = jax.tree.map(lambda x: x[:whole].reshape(-1, segment, *x.shape[1:]), xs)
    carry, ys = lax.scan(inner, start, parts)
    carry, rest = inner(carry, jax.tree.map(lambda x: x[whole:], xs))

    def joined(many: jax.Array, few: jax.Array) -> jax.Array:
        return jnp.concatenate([many.reshape(-1, *many.shape[2:]), few])

    return carry, jax.tree.map(joined, ys, rest)

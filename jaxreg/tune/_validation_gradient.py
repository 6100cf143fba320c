"""The derivative of a validation loss by the logarithms of strengths, through a training."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg.tune._contract import check_train, weighted_mean
from jaxreg.tune._runs import measured
from jaxreg.tune._solved import Solved

Mode = Literal["reverse", "forward", "implicit"]
MODES = ("reverse", "forward", "implicit")
STRENGTH = "strength"


@explained
def validation_gradient(
    train: Callable[..., Any],
    point: Mapping[str, Any],
    weights: Any,
    *shared: Any,
    mode: Mode = "reverse",
    wrt: str = STRENGTH,
) -> tuple[jax.Array, Any]:
    """The mean loss of the held-out examples, and its derivative by the logarithm of strengths.

    λ ∂V/∂λ, where V is the mean over the examples of weight 0 of what ``train`` returns for them:
    how much V changes if λ grows by a factor e. λ may be one number, or a tree of arrays: a
    strength for each layer, group or entry. The derivative is exact, through everything that the
    training does:

    - ``"reverse"``: through the unrolled training. All strengths together for the time of about
      three trainings, and memory for every step; `checkpointed_scan` needs it for 2√T of T.
    - ``"forward"``: one derivative along each strength, in step with the training. The memory of a
      training, and the time of about two for each strength: the way for one or few. It goes through
      ``while`` loops too.
    - ``"implicit"``: of the minimum, not of the way to it, for a training made by `solved`. A
      training that is not finished differs from it: by O((1 − ηh)ᵀ) after T gradient steps with
      learning rate η, where h is the smallest curvature of loss + penalty.

    It is a pure function, under `jax.jit` and `jax.vmap` too; `hypergradient` descends along it.

    >>> def train(point, weights, y):  # a mean, drawn towards 0: w = 2 / (1 + λ)
    ...     return (weights @ y / (weights.sum() + point["strength"]) - y) ** 2
    >>> y, weights = jnp.array([2.0, 1.0]), jnp.array([1.0, 0.0])
    >>> value, slope = validation_gradient(train, {"strength": 0.5}, weights, y)
    >>> round(float(value), 4), round(float(slope), 4)  # (w − 1)² and −4λ(w − 1) / (1 + λ)²
    (0.1111, -0.2963)

    Args:
      train: ``train(point, weights, *shared) → losses (examples,)``: see `jaxreg.tune`.
      point: with the strength, and whatever else the training takes.
      weights: of shape (examples,): 0 for those held out. See `holdout`.
      *shared: arrays that the training uses.
      mode: the way.
      wrt: the entry of the point by whose logarithm: ``"strength"``, or another positive number,
        such as ``"learning_rate"``.

    Returns:
      (V, λ ∂V/∂λ), the latter in the form of the strength.

    Raises:
      TypeError: if ``train`` is none, or returns integers, which have no derivative.
      ValueError: if a strength is negative, there is none, the mode is unknown, or the training
        does not allow it.

    References: Maclaurin, Duvenaud & Adams 2015 (arXiv:1502.03492) in reverse; Franceschi et al.
    2017 (arXiv:1703.01785) forward; Bengio 2000, Pedregosa 2016 (arXiv:1602.02355) implicit.
    """
    owner = "validation_gradient"
    check_mode(owner, train, mode)
    check_point(owner, point, wrt)
    weights = _numbers.array(f"{owner}: weights", weights)
    if weights.ndim != 1 or not weights.size:
        raise ValueError(
            f"{owner}: weights: expected one split, of shape (examples,), got "
            f"{brief(weights)}; of tune.holdout(…) take [0], over several use jax.vmap"
        )
    shapes = jax.eval_shape(lambda *args: args, dict(point), *shared)
    check_differentiable(owner, train, shapes[0], len(weights), shapes[1:])
    score, gradient, _ = along(owner, train, dict(point), weights, shared, mode, wrt)
    return score, gradient


def along(
    owner: str, train: Callable[..., Any], point: dict[str, Any], weights: jax.Array,
    shared: tuple[Any, ...], mode: Mode, wrt: str,
) -> tuple[jax.Array, Any, jax.Array]:  # fmt: skip
    """(held-out score, its derivative by logarithms, losses of all examples)."""
    strengths = jax.tree.map(_as_float, point[wrt])

    def score(strengths: Any) -> tuple[jax.Array, jax.Array]:
        losses = train({**point, wrt: strengths}, weights, *shared)
        losses = losses.astype(jnp.promote_types(losses.dtype, jnp.float32))
        return weighted_mean(losses, (weights == 0).astype(losses.dtype)), losses

    way = _forward if mode == "forward" else _reverse
    value, gradient, losses = way(owner, score, strengths)
    return value, jax.tree.map(lambda s, g: s * g.astype(s.dtype), strengths, gradient), losses


def _as_float(number: Any) -> jax.Array:
    array = jnp.asarray(number)
    inexact = jnp.issubdtype(array.dtype, jnp.inexact)
    return array if inexact else array.astype(jnp.result_type(float))


def _reverse(owner: str, score: Any, strengths: Any) -> tuple[Any, Any, Any]:
    try:
        (value, losses), gradient = jax.value_and_grad(score, has_aux=True)(strengths)
    except ValueError as error:
        if "Reverse-mode differentiation does not work" not in str(error):
            raise
        raise ValueError(
            f"{owner}: expected a train that can be differentiated in reverse, but it has a loop "
            f'of unknown length; write jax.lax.scan for while_loop, or mode="forward"'
        ) from error
    return value, gradient, losses


def _forward(owner: str, score: Any, strengths: Any) -> tuple[Any, Any, Any]:
    """One tangent for each strength; all of them share one training."""
    leaves, structure = jax.tree.flatten(strengths)
    if len(leaves) == 1 and not leaves[0].ndim:
        value, slope, losses = jax.jvp(score, (strengths,), (_ones(strengths),), has_aux=True)
        return value, jax.tree.unflatten(structure, [slope]), losses
    flat, unravel = ravel_pytree(strengths)
    push = functools.partial(jax.jvp, lambda flat: score(unravel(flat)), has_aux=True)
    value, slopes, losses = jax.vmap(
        lambda direction: push((flat,), (direction,)), out_axes=(None, 0, None)
    )(jnp.eye(len(flat), dtype=flat.dtype))
    return value, unravel(slopes.astype(flat.dtype)), losses


def _ones(tree: Any) -> Any:
    return jax.tree.map(jnp.ones_like, tree)


def check_mode(owner: str, train: Any, mode: Any) -> None:
    if not (isinstance(mode, str) and mode in MODES):
        raise ValueError(
            f'{owner}: mode: expected "reverse", "forward" or "implicit", got {brief(mode)}'
        )
    if mode == "implicit" and not isinstance(train, Solved):
        raise ValueError(
            f"{owner}: mode: expected a train made by tune.solved(losses, penalty, params) for "
            f'"implicit", got {brief(train)}; the derivative of a minimum needs its equation, '
            f'which the steps of a training do not show: write mode="reverse" or "forward"'
        )


def check_point(owner: str, point: Any, wrt: str) -> None:
    if not isinstance(wrt, str):
        raise TypeError(f"{owner}: wrt: expected the name of a number, got {brief(wrt)}")
    if not isinstance(point, Mapping) or wrt not in point:
        raise TypeError(
            f"{owner}: point: expected a dictionary with {wrt!r}, where the derivative is taken, "
            f'got {brief(point)}; write {{"{wrt}": 1e-3}}'
        )
    leaves = jax.tree.leaves(point[wrt])
    if not leaves or any(_numbers.is_numeric(leaf) is False for leaf in leaves):
        raise TypeError(
            f"{owner}: {wrt}: expected a number, or arrays of them, got {brief(point[wrt])}"
        )
    for leaf in leaves:
        if isinstance(leaf, Tracer):
            continue
        array = np.asarray(leaf, float)
        if not np.all(np.isfinite(array) & (array >= 0)):
            raise ValueError(f"{owner}: {wrt}: expected finite numbers ≥ 0, got {leaf!r}")


def check_differentiable(
    owner: str, train: Any, point: Any, examples: int, shared: tuple[Any, ...]
) -> None:
    """Raises unless train keeps the contract and returns what has a derivative."""
    check_train(owner, train, point, examples, shared)
    weights = jax.ShapeDtypeStruct((examples,), jnp.result_type(float))
    dtype = jax.eval_shape(train, point, weights, *shared).dtype
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(
            f"{owner}: expected losses that have a derivative, got {dtype}: counts of errors are "
            f"the same for all strengths nearby; return a smooth loss, such as the cross-entropy"
        )


@functools.lru_cache(maxsize=16)
def gradients_of(
    owner: str, train: Callable[..., Any], mode: Mode
) -> Callable[..., dict[str, jax.Array]]:
    """The run of a sweep: score, its error and derivative, on one split."""

    def run(both: Any, weights: jax.Array, *shared: Any) -> dict[str, jax.Array]:
        kept = weights[both["split"]]
        _, gradient, losses = along(owner, train, both["point"], kept, shared, mode, STRENGTH)
        found = measured(losses, (kept == 0).astype(losses.dtype))
        return {**found, "gradient": gradient}

    return run

"""`hypergradient`: strengths by descent along the derivative of the held-out loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax
from jax import dtypes
from jax.sharding import Mesh

from jaxreg import _numbers
from jaxreg._messages.brief import brief, is_optimizer
from jaxreg._messages.calls import explained
from jaxreg._sweep.progress import Progress, reporter
from jaxreg._sweep.side_by_side import AXIS
from jaxreg.tune import _picking, _warnings
from jaxreg.tune._candidates import require_held
from jaxreg.tune._choice import Choice
from jaxreg.tune._contract import examples_of
from jaxreg.tune._descent import SETTLED, Optax, Rprop, Step, Trainings, descended
from jaxreg.tune._journal import Journal
from jaxreg.tune._search import splits_of
from jaxreg.tune._validation_gradient import STRENGTH, Mode, check_mode, check_point


@explained
def hypergradient(
    train: Callable[..., Any],
    point: Mapping[str, Any],
    *shared: Any,
    folds: Any = None,
    seed: int = 0,
    classes: Any = None,
    groups: Any = None,
    examples: int | None = None,
    mode: Mode = "reverse",
    steps: int = 30,
    optimizer: optax.GradientTransformation | None = None,
    bounds: tuple[float, float] = (1e-8, 1e4),
    journal: Any = None,
    mesh: Mesh | None = None,
    progress: bool | Callable[[Progress], None] | None = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> Choice:
    """Chooses strengths by descent along the derivative of the held-out loss through the training.

    Where a search needs many times more trainings for each further strength, the derivative tells
    for all of them at once which way to go: a strength for each layer costs what a single one does.
    Each step trains once on each split, as one program, compiled once, and moves log λ. For one
    strength some fifteen steps suffice; a curve of as many points shows more.

    By default each log λ moves by the sign of its derivative (Rprop): first half a decade, farther
    while the sign stays, less where it turns. Far from the minimum the derivative vanishes (it is
    proportional to λ for small λ), so that steps proportional to it hardly move.

    A step whose score is more than a standard error worse goes halfway back.

    >>> import jax.numpy as jnp
    >>> from jaxreg import tune
    >>> def train(point, weights, y):  # a mean, drawn towards 0
    ...     return (weights @ y / weights.sum() / (1 + point["strength"]) - y) ** 2
    >>> y = 0.8 + jax.random.normal(jax.random.key(0), (30,))
    >>> choice = tune.hypergradient(train, {"strength": 1e-2}, y, folds=5)
    >>> tried = tune.cross_validate(train, {"strength": tune.strengths(1e-2, 10, 50)}, y)
    >>> 0.8 < choice.strength / tried.strength < 1.25, choice.trainings <= 100
    (True, True)

    **Many strengths overfit.** They are parameters that are fitted to the held-out examples: the
    more there are, the further the loss of others lies above the score. There is a warning from one
    strength for ten held-out examples on. Share strengths, or hold out more; and judge the result
    on examples that were never held out.

    Args:
      train: ``train(point, weights, *shared) → losses (examples,)``: see `jaxreg.tune`. It is
        differentiated: made by `solved`, or by steps in `jax.lax.scan` or `checkpointed_scan`.
      point: where to start: ``strength``, a number > 0 or an array of them, which the training may
        spread over layers, and whatever else it takes, such as ``seed``, which stays.
      *shared: arrays that all trainings use: the data.
      folds: None holds out a fifth of the examples; a number is that of folds; or weights of your
        own, of shape (splits, examples), 0 for those held out. The score is the mean over them.
      seed: of the splits.
      classes, groups: as for `folds` and `holdout`.
      examples: how many there are; by default the length that all shared arrays agree on.
      mode: of `validation_gradient`.
      steps: at most; it ends where steps in log λ are below three per cent.
      optimizer: of optax, for log λ, such as ``optax.adam(0.3)``; then all steps are made.
      bounds: the smallest and the largest strength.
      journal: a file in which each step is kept as it ends. The same call goes on where an earlier
        one was stopped, and one with more steps where it ended.
      mesh: of `jaxreg.sweep`: splits are spread over devices.
      progress: True shows a line on stderr after each step; a function is called with it.
      compiler_options: of `jaxreg.sweep`.

    Returns:
      A `Choice`, of which the candidates are the steps, the least score chosen. Its warnings say if
      the strengths overfit, have not settled, have no effect, or ran into the bounds.

    Raises:
      TypeError: if ``train`` does not take or return what it should; if losses are integers.
      ValueError: if a strength is not above 0; if the derivative is 0 from the start, as that of
        0/1 errors is; if the training diverges at the start; if the journal is none, or one of
        other data.
      KeyboardInterrupt: on Ctrl-C in the first step; later what is done is chosen from.

    References: Bengio 2000; Lorraine, Vicol & Duvenaud 2020 (arXiv:1911.02590), who show the
    overfitting; Riedmiller & Braun 1993 for Rprop.
    """
    owner, began = "hypergradient", time.perf_counter()
    check_mode(owner, train, mode)
    check_point(owner, point, STRENGTH)
    start = _start(owner, point[STRENGTH])
    limits = _limits(owner, bounds, start)
    _check_steps(owner, steps, optimizer)
    count = examples_of(owner, examples, shared)
    weights = splits_of(owner, folds, count, seed, classes, groups)
    options = {
        "per_device": 1,
        "mesh": mesh or Mesh(np.array(jax.devices()[: len(weights)]), (AXIS,)),
        "compiler_options": compiler_options,
    }
    data = weights, shared, np.frombuffer(mode.encode(), np.uint8)
    kept = Journal(owner, journal, data if journal is not None else None)
    trainings = Trainings(owner, train, mode, dict(point), weights, shared, options, kept)
    trainings.check(start)
    way = Rprop(limits) if optimizer is None else Optax(limits, optimizer)
    trace, stopped = descended(trainings, way, start, steps, began, reporter(progress))
    return _choice(trace, trainings, way, stopped, began)


def _start(owner: str, strength: Any) -> np.ndarray:
    if isinstance(strength, Mapping | list | tuple):
        raise TypeError(
            f"{owner}: strength: expected a number or an array, got {brief(strength)}; let the "
            f"training take the entries of an array apart: point['strength'][0]"
        )
    array = np.asarray(strength, float)
    if not array.size or not np.all(array > 0):
        raise ValueError(
            f"{owner}: strength: expected numbers > 0 to start from, which have logarithms, got "
            f"{strength!r}"
        )
    require_held(f"{owner}: strength", array)
    return np.log(array)


def _limits(owner: str, bounds: Any, start: np.ndarray) -> tuple[float, float]:
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(f"{owner}: bounds: expected (low, high), got {brief(bounds)}")
    low, high = (float(_numbers.positive(f"{owner}: bounds", bound)) for bound in bounds)
    require_held(f"{owner}: bounds", [low, high])
    if not low < high:
        raise ValueError(f"{owner}: bounds: expected low < high, got {low:g} and {high:g}")
    if np.any(start < np.log(low) - 1e-9) or np.any(start > np.log(high) + 1e-9):
        raise ValueError(
            f"{owner}: bounds: expected the start between them, got strengths from "
            f"{np.exp(start.min()):.3g} to {np.exp(start.max()):.3g}, bounds {low:g} and {high:g}"
        )
    return float(np.log(low)), float(np.log(high))


def _check_steps(owner: str, steps: Any, optimizer: Any) -> None:
    _numbers.count(f"{owner}: steps", steps, 2)
    if optimizer is not None and not is_optimizer(optimizer):
        raise TypeError(
            f"{owner}: optimizer: expected one of optax, such as optax.adam(0.3), got "
            f"{brief(optimizer)}"
        )


def _choice(
    trace: list[Step], trainings: Trainings, way: Any, stopped: bool, began: float
) -> Choice:
    finite = np.array([step.is_finite for step in trace])
    splits, scores, errors = (
        np.array([getattr(step, name) for step in trace]) for name in ("splits", "score", "error")
    )
    for values in (splits, scores, errors):
        values[~finite] = np.nan
    strengths = np.exp(np.stack([step.logs for step in trace]))
    eps = float(np.finfo(dtypes.canonicalize_dtype(np.float64)).eps)
    totals = strengths.reshape(len(trace), -1).sum(axis=1)
    with np.errstate(invalid="ignore"):
        chosen, interval = _picking.picked("minimum", totals, scores, errors, None, eps)
    is_scalar = strengths.ndim == 1
    return Choice(
        strength=float(strengths[chosen]) if is_scalar else strengths[chosen],
        candidates={STRENGTH: strengths},
        scores=scores,
        errors=errors,
        trainings=splits.size,
        seconds=time.perf_counter() - began,
        chosen=chosen,
        method=f"hypergradient ({trainings.mode}), {_of_splits(trainings.weights)}",
        interval=interval if is_scalar else None,
        warnings=tuple(_warned(trace, trainings, way, stopped, chosen)),
        is_trace=True,
        splits=splits,
    )


def _of_splits(weights: np.ndarray) -> str:
    return f"{len(weights)} folds" if len(weights) > 1 else "one split"


def _warned(
    trace: list[Step], trainings: Trainings, way: Any, stopped: bool, chosen: int
) -> list[str]:
    found = []
    count = trace[0].logs.size
    held = _warnings.held_out(trainings.weights)
    if count > 1 and _warnings.FEW * count > held:
        found.append(
            f"{count} strengths were fitted to {held} held-out examples, which overfits them: the "
            f"score is too good, and a single strength may be better; share strengths, hold out "
            f"more, and judge on examples that were never held out"
        )
    if idle := int(np.sum(trace[0].gradient == 0)):
        found.append(f"{idle} of {count} strengths have no effect where they started")
    if diverged := sum(not step.is_finite for step in trace):
        found.append(f"{diverged} of {len(trace)} steps diverged and are left out")
    ends = np.isclose(trace[chosen].logs[..., None], way.limits, atol=1e-6, rtol=0).any()
    if ends:
        found.append("the least score is at the bounds of the strengths: the best may lie beyond")
    moved = np.exp(np.abs(trace[-1].logs - trace[-2].logs).max()) if len(trace) > 1 else 1.0
    if stopped:
        found.append(
            f"stopped by Ctrl-C after {len(trace)} steps; the same call with a journal goes on "
            f"from there"
        )
    elif moved > np.exp(4 * SETTLED) and not ends:
        found.append(
            f"not settled after {len(trace)} steps: the last one changed a strength by a factor of "
            f"{moved:.2g}; make more, or start from the strength that was chosen"
        )
    return [*found, *_warnings.few(held)]

"""Descent on the logarithms of strengths: the trainings of a step, and the way to the next."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax import dtypes

from jaxreg._sweep.grid import is_key
from jaxreg._sweep.progress import Progress
from jaxreg._sweep.run import sweep
from jaxreg.tune._cross_validation import standard_errors
from jaxreg.tune._journal import Journal, Key, point_key
from jaxreg.tune._runs import first_of, taken
from jaxreg.tune._validation_gradient import STRENGTH, Mode, check_differentiable, gradients_of

FIRST, MOST, GROWTH, SHRINKAGE = 1.15, 2.3, 1.3, 0.4
"""Steps in log λ: the first half a decade, at most a whole one."""
MEASURED = ("scores", "errors", "gradient")
SETTLED = 0.03  # a step in log λ: three per cent of λ, far less than a score can tell


@dataclasses.dataclass(frozen=True)
class Step:
    """One evaluation.

    Attributes:
      logs: logarithms of the strengths.
      splits: of shape (splits,): the scores.
      score: their mean.
      error: its standard error.
      gradient: its derivative by ``logs``.
    """

    logs: np.ndarray
    splits: np.ndarray
    score: float
    error: float
    gradient: np.ndarray

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.splits).all() and np.isfinite(self.gradient).all())

    def is_beside(self, last: Step) -> bool:
        """Whether its score is no more than a standard error above that of the last one."""
        return self.is_finite and self.score <= last.score + np.nan_to_num(last.error)


@dataclasses.dataclass(frozen=True)
class Trainings:
    owner: str
    train: Callable[..., Any]
    mode: Mode
    point: dict[str, Any]
    weights: np.ndarray
    shared: tuple[Any, ...]
    options: dict[str, Any]
    journal: Journal

    @property
    def held(self) -> np.ndarray:
        return np.sum(self.weights == 0, axis=1)

    def check(self, logs: np.ndarray) -> None:
        point = first_of(self._points(logs))
        examples = self.weights.shape[1]
        check_differentiable(self.owner, self.train, point, examples, self.shared)

    def _points(self, logs: np.ndarray) -> dict[str, Any]:
        """The point, once for each split."""
        dtype = dtypes.canonicalize_dtype(np.float64)
        point = {**self.point, STRENGTH: np.exp(logs).astype(dtype)}
        one = {n: (x if is_key(x) else np.asarray(x))[None] for n, x in point.items()}
        return taken(one, np.zeros(len(self.weights), int))

    def step(self, logs: np.ndarray) -> Step:
        """Trains once on every split, unless the journal says what came out."""
        points = self._points(logs)
        keys = [(point_key(points, split), split) for split in range(len(self.weights))]
        if not all(key in self.journal.entries for key in keys):
            self._train(points, keys)
        found = [self.journal.entries[key] for key in keys]
        splits, errors, gradients = (
            np.array([entry[name] for entry in found], float) for name in MEASURED
        )
        if len(splits) > 1:
            errors = standard_errors(splits[None], self.held, 1)
        score, gradient = (np.average(x, axis=0, weights=self.held) for x in (splits, gradients))
        return Step(logs, splits, float(score), float(errors[0]), gradient)

    def _train(self, points: dict[str, Any], keys: list[Key]) -> None:
        both = {"point": points, "split": np.arange(len(keys), dtype=np.int32)}
        run = gradients_of(self.owner, self.train, self.mode)
        found = sweep(run, both, self.weights, *self.shared, **self.options)
        if not found.complete:
            raise KeyboardInterrupt
        columns = zip(*(found.results[name].tolist() for name in MEASURED), strict=True)
        self.journal.add(keys, [dict(zip(MEASURED, column, strict=True)) for column in columns])


class Rprop:
    """Moves each log strength by the sign of its derivative."""

    settles = True

    def __init__(self, limits: tuple[float, float]) -> None:
        self.limits = limits
        self.before: np.ndarray | None = None
        self.sizes: np.ndarray | None = None

    def next(self, step: Step) -> np.ndarray:
        sign = np.sign(step.gradient)
        if self.before is None or self.sizes is None:
            self.before, self.sizes = np.zeros_like(sign), np.full_like(sign, FIRST)
        factor = np.where(
            sign * self.before > 0, GROWTH, np.where(sign * self.before < 0, SHRINKAGE, 1)
        )
        self.sizes = np.minimum(self.sizes * factor, MOST)
        self.before = sign
        return np.clip(step.logs - sign * self.sizes, *self.limits)

    def back(self, step: Step, last: Step) -> np.ndarray:
        """Where to go from a step that made things worse: halfway back."""
        assert self.sizes is not None  # there was a step before it
        self.sizes = self.sizes * SHRINKAGE
        return (step.logs + last.logs) / 2


class Optax:
    """Moves log strengths by an optimizer."""

    settles = False

    def __init__(
        self, limits: tuple[float, float], optimizer: optax.GradientTransformation
    ) -> None:
        self.limits = limits
        self.optimizer, self.state = optimizer, None
        self.update = jax.jit(optimizer.update)

    def next(self, step: Step) -> np.ndarray:
        dtype = dtypes.canonicalize_dtype(np.float64)
        logs, gradient = (np.asarray(x, dtype) for x in (step.logs, step.gradient))
        if self.state is None:
            self.state = self.optimizer.init(jax.numpy.asarray(logs))
        updates, self.state = self.update(gradient, self.state, logs)
        return np.clip(logs + np.asarray(updates, float), *self.limits)

    def back(self, step: Step, last: Step) -> np.ndarray:
        """An optimizer goes its own way, but from what diverged there is none."""
        return self.next(step) if step.is_finite else (step.logs + last.logs) / 2


def descended(
    trainings: Trainings, way: Any, start: np.ndarray, steps: int, began: float, report: Any
) -> tuple[list[Step], bool]:
    """The steps, and whether Ctrl-C stopped them, after at least one."""
    trace: list[Step] = []
    logs, last = start, None
    try:
        while len(trace) < steps:
            trace.append(trainings.step(logs))
            _require_start(trainings.owner, trace[0])
            seconds = time.perf_counter() - began
            left = seconds / len(trace) * (steps - len(trace))
            report(Progress(len(trace), steps, seconds, left))
            if last is None or trace[-1].is_beside(last):
                last = trace[-1]
                logs = way.next(last)
            else:
                logs = way.back(trace[-1], last)
            if way.settles and np.abs(logs - trace[-1].logs).max() < SETTLED:
                break
    except KeyboardInterrupt:
        if not trace:
            raise
        return trace, True
    return trace, False


def _require_start(owner: str, first: Step) -> None:
    if not first.is_finite:
        raise ValueError(
            f"{owner}: expected a training that ends with finite losses and derivatives at the "
            f"start, strength {np.exp(first.logs)}, got {first.splits}; lower the learning "
            f"rate, or start from another strength"
        )
    if not first.gradient.any():
        raise ValueError(
            f"{owner}: expected losses that change with the strength, but their derivative is 0: "
            f"0/1 errors have none, return a smooth loss such as the cross-entropy; or train does "
            f"not use point['strength'], or takes it out of the derivative (round, stop_gradient)"
        )

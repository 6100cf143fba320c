"""A training on a device: its epoch compiled once and fed, one part handed out after another."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from experiments import devices, machine, training
from experiments.config import Config
from experiments.data import Dataset
from experiments.models.table import MODELS
from experiments.problem import Problem


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One finished epoch: its metrics on the host, the state after it, how long it took."""

    number: int
    metrics: dict[str, float]
    state: training.State
    seconds: float


@dataclasses.dataclass(frozen=True)
class Part:
    """Some updates of one epoch, made without a pause.

    Attributes:
      progress: of the training, after them.
      first: the updates of the training that were made before them.
      last: those that are made after them.
      losses: of their batches, on the host.
      epoch: that they belong to, counted from 1.
      metrics: of the epoch, on the host, if they end it; of the parameters in any case.
      seconds: how long they took.
    """

    progress: training.Progress
    first: int
    last: int
    losses: Any
    epoch: int
    metrics: dict[str, float]
    seconds: float

    @property
    def ends_epoch(self) -> bool:
        """Whether no batch of the epoch is left."""
        return self.last == self.epoch * len(self.progress.losses)

    @property
    def not_finite(self) -> int | None:
        """The first update whose loss, or whose parameters, are not finite."""
        wrong = np.flatnonzero(~np.isfinite(self.losses))
        if len(wrong):
            return self.first + int(wrong[0]) + 1
        return None if math.isfinite(self.metrics["norm"]) else self.last


@dataclasses.dataclass(frozen=True)
class Run:
    """A training ready to start: the compiled epoch and what it is fed."""

    problem: Problem
    epoch: Any
    size: Any
    train: training.Images
    test: training.Images
    compile_seconds: float
    placement: devices.OneDevice
    block: int = 1

    def epochs(self, seed: int | None = None) -> Iterator[Epoch]:
        """Trains, an epoch at a time.

        Args:
          seed: of the initial weights and the batches, instead of the configuration's.

        Yields:
          Each epoch when it is finished.
        """
        start = self.problem.begin(self.problem.config.seed if seed is None else seed)
        for part in self.parts(start, lambda _: self.problem.steps):
            yield Epoch(part.epoch, part.metrics, part.progress.state, part.seconds)

    def parts(self, start: training.Progress, until: Callable[[int], int]) -> Iterator[Part]:
        """Trains to the end, a part at a time; the order of the next epoch is drawn meanwhile.

        Args:
          start: where to go on, in host arrays; it may be in the middle of an epoch.
          until: of the updates that are made, how many are to be made when the next part ends, a
            multiple of ``block``; an epoch ends it too.

        Yields:
          Each part when it is finished.
        """
        key, done = start.state.key, int(start.state.step)
        steps, total = self.problem.steps_per_epoch, self.problem.steps
        order = self._order(key, done // steps) if done < total else None
        progress = self.placement.start(start)
        while done < total:
            first, number = done, done // steps
            done = min(until(done), (number + 1) * steps)
            started = time.perf_counter()
            batches = np.int32(done - number * steps)
            progress, metrics = self.epoch(progress, batches, order, self.train, self.test)
            if done % steps == 0 and done < total:
                order = self._order(key, number + 1)
            local = self.placement.local((progress.state.params, progress.losses))
            losses, *found = jax.device_get((local[1], metrics, self.size(local[0])))
            values = {name: float(v) for part in found for name, v in part._asdict().items()}
            made = losses[first - number * steps : done - number * steps]
            seconds = time.perf_counter() - started
            yield Part(progress, first, done, made, number + 1, values, seconds)

    def _order(self, key: Any, epoch: int) -> training.Order:
        return self.placement.order(self.problem.order(key, epoch))


def build(config: Config, dataset: Dataset, start: int = 0, every: int | None = None) -> Run:
    """Compiles the epoch and puts the data on the devices, for a resolved configuration.

    Args:
      config: what is trained.
      dataset: on what.
      start: updates that are made already.
      every: updates after which a part may have to end.
    """
    problem, placement = Problem(config, dataset), devices.placement(config)
    train, test = map(placement.data, problem.images())
    progress = problem.begin(config.seed)
    block = block_of(problem.steps_per_epoch, start, every or 0)
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:  # XLA compiles on both cores if asked twice
        size = functools.partial(training.size, problem.penalty)
        # as XLA would: `machine.CPU_OPTIONS` take ten seconds for sums over forty leaves
        sizing = pool.submit(jax.jit(size).lower(progress.state.params).compile)
        lowered = lower_epoch(problem, placement, progress, train, test, block)
        without = MODELS[config.model].without
        epoch = machine.compiled(lowered, placement.options, without)
    seconds = time.perf_counter() - started
    return Run(problem, epoch, sizing.result(), train, test, seconds, placement, block)


def block_of(steps: int, *places: int) -> int:
    """Batches between two looks at whether a part ends, so that it may end at these places.

    CPUs and TPUs look by themselves, after every batch. On a GPU the host has to, while the GPU
    waits: there at least sixteen looks are left in an epoch of ``steps``.
    """
    if jax.default_backend() != "gpu":
        return 1
    common = math.gcd(steps, *places)
    return max(n for n in range(1, common + 1) if common % n == 0 and (n == 1 or 16 * n <= steps))


def lower_epoch(
    problem: Problem,
    placement: devices.OneDevice,
    progress: training.Progress,
    train: training.Images,
    test: training.Images,
    block: int = 1,
) -> Any:
    """The epoch of a training as it is laid out on devices, lowered and not compiled.

    Args:
      problem: what is trained.
      placement: the devices; they need not be here if it describes what lies on them.
      progress: as `Problem.begin` returns it.
      train: the training images, as the placement has them.
      test: likewise.
      block: as of `training.make_epoch`.
    """
    order = placement.order(problem.order(progress.state.key, 0))
    epoch = placement.jit(problem.epoch(placement.axis, block))
    return epoch.lower(placement.like(progress), np.int32(0), order, train, test)

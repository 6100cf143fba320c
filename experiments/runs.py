"""A training on a device: its epoch compiled once and fed, one epoch handed out after another."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax

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
class Run:
    """A training ready to start: the compiled epoch and what it is fed."""

    problem: Problem
    epoch: Any
    size: Any
    train: training.Images
    test: training.Images
    compile_seconds: float
    placement: devices.OneDevice

    def epochs(self, seed: int | None = None) -> Iterator[Epoch]:
        """Trains, an epoch at a time; the order of the next is drawn meanwhile.

        Args:
          seed: of the initial weights and the batches, instead of the configuration's.

        Yields:
          Each epoch when it is finished. Its state is donated to the next one.
        """
        config, placement = self.problem.config, self.placement
        start = self.problem.start(config.seed if seed is None else seed)
        state, upcoming = placement.start(start), self._order(start.key, 0)
        for number in range(1, config.epochs + 1):
            started = time.perf_counter()
            state, metrics = self.epoch(state, upcoming, self.train, self.test)
            upcoming = self._order(start.key, number) if number < config.epochs else upcoming
            found = jax.device_get((metrics, self.size(placement.local(state.params))))
            values = {name: float(v) for part in found for name, v in part._asdict().items()}
            yield Epoch(number, values, state, time.perf_counter() - started)

    def _order(self, key: Any, epoch: int) -> training.Order:
        return self.placement.order(self.problem.order(key, epoch))


def build(config: Config, dataset: Dataset) -> Run:
    """Compiles the epoch and puts the data on the devices, for a resolved configuration."""
    problem, placement = Problem(config, dataset), devices.placement(config)
    train, test = map(placement.data, problem.images())
    state = problem.start(config.seed)
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:  # XLA compiles on both cores if asked twice
        size = functools.partial(training.size, problem.penalty)
        # as XLA would: `machine.CPU_OPTIONS` take ten seconds for sums over forty leaves
        sizing = pool.submit(jax.jit(size).lower(state.params).compile)
        lowered = lower_epoch(problem, placement, state, train, test)
        without = MODELS[config.model].without
        epoch = machine.compiled(lowered, placement.options, without)
    seconds = time.perf_counter() - started
    return Run(problem, epoch, sizing.result(), train, test, seconds, placement)


def lower_epoch(
    problem: Problem,
    placement: devices.OneDevice,
    state: training.State,
    train: training.Images,
    test: training.Images,
) -> Any:
    """The epoch of a training as it is laid out on devices, lowered and not compiled.

    Args:
      problem: what is trained.
      placement: the devices; they need not be here if it describes what lies on them.
      state: as `Problem.start` returns it.
      train: the training images, as the placement has them.
      test: likewise.
    """
    order = placement.order(problem.order(state.key, 0))
    epoch = placement.jit(problem.epoch(placement.axis))
    return epoch.lower(placement.like(state), order, train, test)

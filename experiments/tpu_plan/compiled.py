"""The programs of the commands, compiled for TPU slices that are not here, and counted.

`libtpu`, which ``pip install ".[tpu]"`` brings, holds the compiler that a Cloud TPU machine uses.
It runs on any Linux machine with an x86 processor, beside JAX on CPU, and takes shapes instead of
arrays.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import os
import time
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding

from experiments import runs, training
from experiments.config import ConfigError, TrainingConfig
from experiments.data import Dataset
from experiments.devices import AXIS, Sharded, padded
from experiments.problem import Problem
from experiments.sweeping import Trainings
from experiments.tpu_plan import counting
from experiments.tpu_plan.chips import Topology

ENVIRONMENT = {
    # or libtpu looks for the machine's description on the network, and complains on stderr
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    # or a second process that compiles at the same time ends at a lock file meant for real chips
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a program costs one chip, as its compiler made it: counted, not timed.

    Attributes:
      peak_bytes: the most memory in use at once.
      argument_bytes: of what the program is handed.
      flops: of all matrix products.
      memory_bytes: between the chip and its memory.
      in_step: the exchanges between chips in a step.
      beside: the exchanges outside of steps.
      compile_seconds: here, on this machine.
    """

    peak_bytes: int
    argument_bytes: int
    flops: int
    memory_bytes: int
    in_step: list[counting.Collective]
    beside: list[counting.Collective]
    compile_seconds: float


@dataclasses.dataclass(frozen=True)
class Described(Sharded):
    """A mesh of devices that are not here: every array is its shape."""

    def data(self, images: training.Images) -> training.Images:
        return described(images, self.whole)

    def start(self, progress: training.Progress) -> training.Progress:
        return described(progress, self.whole)

    def order(self, order: training.Order) -> training.Order:
        return described(padded(order, self.mesh.size), self.split)


def described(tree: Any, sharding: NamedSharding) -> Any:
    """Shapes and dtypes, and where the arrays would lie."""

    def describe(leaf: Any) -> jax.ShapeDtypeStruct:
        dtype = jax.dtypes.canonicalize_dtype(leaf.dtype)
        return jax.ShapeDtypeStruct(leaf.shape, dtype, sharding=sharding)

    return jax.tree.map(describe, tree)


def require_compiler() -> None:
    """Makes libtpu ready to compile, and to do no more: call it before anything looks for a TPU.

    Raises:
      ConfigError: if it is not installed.
    """
    if not os.environ.get("TPU_LIBRARY_PATH") and importlib.util.find_spec("libtpu") is None:
        raise ConfigError(
            "tpu_plan: expected the TPU compiler, but libtpu is not installed; "
            'pip install ".[tpu]", on Linux with an x86 processor'
        )
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def devices(topology: Topology) -> list[Any]:
    """The devices of a slice, one for each chip, as a program on it would find them."""
    options: dict[str, Any] = {}
    if topology.chips == 1:
        options["chips_per_host_bounds"] = [1, 1, 1]  # the default is a host of four
    if topology.chip.name == "v4":
        options["chip_config_name"] = "megacore"  # its two cores as one device, as on Cloud TPU
    found = topologies.get_topology_desc(topology.name, "tpu", **options).devices
    if len(found) != topology.chips:
        raise RuntimeError(
            f"{topology.name}: expected one device a chip, {topology.chips}, got {len(found)}"
        )
    return list(found)


def version() -> str | None:
    """Of libtpu, if it was installed as a package."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("libtpu")
    return None


def epoch_cost(config: TrainingConfig, dataset: Dataset, devices: list[Any]) -> Cost:
    """Of one epoch of the main job, its batches split over the devices."""
    steps = Problem(config, dataset).steps_per_epoch
    return _cost(lower_epoch(config, dataset, devices), depth=1, rounds=steps)


def sweep_cost(
    config: TrainingConfig, dataset: Dataset, devices: list[Any], runs: int, per_device: int
) -> Cost:
    """Of a whole sweep, its runs split over the devices, ``per_device`` side by side on each."""
    width = min(per_device, -(-runs // len(devices)))
    rounds = -(-runs // (width * len(devices)))
    lowered = lower_sweep(config, dataset, devices, runs, per_device)
    return _cost(lowered, depth=3, rounds=rounds)


def _cost(lowered: Any, depth: int, rounds: int | None = None) -> Cost:
    """``depth``: in how many loops a step lies, if there are several steps."""
    started = time.perf_counter()
    compiled = lowered.compile()
    seconds = time.perf_counter() - started
    memory = compiled.memory_analysis()
    kernels = counting.kernels(compiled.as_text(), rounds)
    step = [kernel for kernel in kernels if len(kernel.loops) >= depth]
    beside = [kernel for kernel in kernels if len(kernel.loops) < depth]
    if not step:  # a single step, whose loop the compiler takes away
        step, beside = kernels, step
    return Cost(
        peak_bytes=memory.peak_memory_in_bytes,
        argument_bytes=memory.argument_size_in_bytes,
        flops=counting.flops(kernels),
        memory_bytes=counting.memory_bytes(kernels),
        in_step=counting.collectives(step),
        beside=counting.collectives(beside),
        compile_seconds=seconds,
    )


def lower_epoch(config: TrainingConfig, dataset: Dataset, devices: list[Any]) -> Any:
    """The epoch of `experiments.runs`, for a mesh of these devices."""
    problem, placement = Problem(config, dataset), Described(Mesh(np.array(devices), (AXIS,)))
    train, test = map(placement.data, problem.images())
    return runs.lower_epoch(problem, placement, problem.begin(config.seed), train, test)


def lower_sweep(
    config: TrainingConfig, dataset: Dataset, devices: list[Any], runs: int, per_device: int
) -> Any:
    """The program of `experiments.sweeping`, for a mesh of these devices.

    What differs between the runs costs nothing, so it is the learning rate here, which every
    configuration has.
    """
    trainings = Trainings(config, dataset)
    rates = np.full(runs, config.learning_rate, Problem(config, dataset).weight_dtype)
    mesh = Mesh(np.array(devices[:runs]), ("run",))
    return trainings.lower({"learning_rate": rates}, mesh=mesh, per_device=per_device)

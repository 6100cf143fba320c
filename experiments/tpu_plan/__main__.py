"""`python -m experiments.tpu_plan`: what a training costs on TPU slices, compiled here for them.

The TPU compiler makes the programs of the main job and of a sweep; everything shown is counted in
what it made. No TPU is needed, and nothing is timed.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from experiments.command import run_command
from experiments.config import (
    MOST,
    ConfigError,
    MachineConfig,
    TrainingConfig,
    describe_network,
    describe_problem,
    resolved_training,
)
from experiments.data import Dataset, load
from experiments.formatting import percent, quantity
from experiments.records import append, open_folder, write_config
from experiments.tpu_plan.chips import Topology, topology

if TYPE_CHECKING:
    from experiments.tpu_plan.compiled import Cost

NOTE = (
    "Compiled and counted, not timed. FLOP are those of matrix products, bytes those that a chip "
    "reads from and writes to its HBM, in every round of every loop. The published peaks allow "
    'nothing faster than "at least"; starting kernels, waiting and exchanging come on top.'
)


@dataclasses.dataclass(frozen=True)
class PlanConfig(TrainingConfig):
    """Compiles the main job and a sweep for TPU slices, here, and shows what they cost each chip.

    It needs the TPU compiler, and no TPU: pip install ".[tpu]".
    """

    output: Path | None = None
    """Folder of the results; runs/tpu_plan/TIME if not given."""

    topology: tuple[str, ...] = ("v5e:1x1", "v5e:4x4", "v5e:16x16")
    """Slices, CHIP:SHAPE, of 1 to 256 chips: v5e and v6e as 1x1, 2x2, 2x4, 4x4 … 16x16, v4 and v5p
    as 1x1x1, 2x2x1, 2x2x2 … 4x8x8."""

    batch_per_chip: int | None = None
    """Images of a step of the main job on each chip, instead of --batch-size on all of them."""

    runs: int = 1000
    """Trainings of the sweep, with --batch-size and --epochs each; 0 leaves the sweep out."""

    per_device: int = 16
    """Trainings of the sweep side by side on a chip."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """One job on one slice: its cost, or why the compiler refused it."""

    job: Literal["epoch", "sweep"]
    topology: Topology
    batch: int  # images in a step of a training, on all chips together
    cost: Cost | None
    refused: str = ""

    def record(self) -> dict[str, Any]:
        """Everything counted, and the published figures that it is held against."""
        slice_ = {"topology": self.topology.name, "accelerator": self.topology.accelerator}
        chip = dataclasses.asdict(self.topology.chip)
        del chip["shapes"]
        found: dict[str, Any] = {"refused": self.refused}
        if self.cost is not None:
            exchanges = {
                name: [one._asdict() for one in getattr(self.cost, name)]
                for name in ("in_step", "beside")
            }
            least = {"seconds_at_peak": seconds_at_peak(self.cost, self.topology)}
            found = {**dataclasses.asdict(self.cost), **exchanges, **least}
        chips = {"chips": self.topology.chips, "batch": self.batch}
        return {"job": self.job, **slice_, **chips, **found, "chip": chip}


def main(config: PlanConfig) -> None:
    """Compiles one program after another, prints a table for each job, writes the records."""
    config = checked(config)
    slices = [topology(name) for name in config.topology]
    from experiments import machine, problem
    from experiments.tpu_plan import compiled

    compiled.require_compiler()
    # no cache: JAX cannot read programs for devices elsewhere back
    machine.choose_device(MachineConfig(platform="cpu", compilation_cache=False))
    dataset = load(config.data)
    problem.check(config, dataset)
    folder = open_folder("tpu_plan", config.output)
    write_config(folder, "tpu_plan", config, {"libtpu": compiled.version(), "data": dataset.name})
    console = Console()
    found = []
    for plan in _progress(plans(config, dataset, slices), len(slices) * (2 if config.runs else 1)):
        append(folder, plan.record())
        found.append(plan)
    console.print(_header(config, dataset), highlight=False)
    console.print(epoch_table([plan for plan in found if plan.job == "epoch"]))
    if config.runs:
        console.print(sweep_table(config, [plan for plan in found if plan.job == "sweep"]))
    console.print(NOTE, highlight=False)
    console.print(f"Saved {folder}/ (config.json, records.jsonl)", highlight=False)


def _progress(plans: Iterator[Plan], total: int) -> Iterable[Plan]:
    """The plans, with a bar on a terminal while they are compiled."""
    if not sys.stdout.isatty():
        return plans
    return track(plans, "Compiling", total, transient=True)


def checked(config: PlanConfig) -> PlanConfig:
    """The settings with every number in its place, once they are known to make sense.

    Raises:
      ConfigError: if they do not.
    """
    for name, least in (("batch_per_chip", 1), ("runs", 0), ("per_device", 1)):
        value = getattr(config, name)
        if value is not None and value < least:
            option = name.replace("_", "-")
            raise ConfigError(f"--{option}: expected at least {least}, got {value}")
        if value is not None and value > MOST:
            raise ConfigError(f"--{name.replace('_', '-')}: expected at most {MOST:,}, got {value}")
    if not config.topology:
        raise ConfigError("--topology: expected at least one slice, got none; write v5e:4x4")
    if config.dtype == "float64":
        raise ConfigError(
            "--dtype: expected float32 or bfloat16, got float64; TPU has no float64, and makes "
            "it up of float32 in many steps that are not counted here"
        )
    return resolved_training(config)


def plans(config: PlanConfig, dataset: Dataset, slices: Sequence[Topology]) -> Iterator[Plan]:
    """Compiles every job for every slice, one at a time."""
    from experiments.tpu_plan import compiled

    for found in slices:
        devices = compiled.devices(found)
        each = config.batch_per_chip
        batch = config.batch_size if each is None else each * found.chips
        job = dataclasses.replace(config, batch_size=batch)
        yield _plan("epoch", found, batch, compiled.epoch_cost, job, dataset, devices)
        if config.runs:
            sweep = config, dataset, devices, config.runs, config.per_device
            yield _plan("sweep", found, config.batch_size, compiled.sweep_cost, *sweep)


def _plan(
    job: Literal["epoch", "sweep"],
    found: Topology,
    batch: int,
    function: Callable[..., Cost],
    *args: Any,
) -> Plan:
    """The cost of a job; a program that does not fit into the memory is an answer too."""
    import jax

    try:
        return Plan(job, found, batch, function(*args))
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return Plan(job, found, batch, None, str(error).partition(": ")[2].splitlines()[0])


def seconds_at_peak(cost: Cost, topology: Topology) -> float:
    """The least that a chip's published figures allow: to compute, or to read and write."""
    chip = topology.chip
    computing = cost.flops / chip.flops_per_second
    return max(computing, cost.memory_bytes / chip.bytes_per_second)


def epoch_table(plans: Sequence[Plan]) -> Table:
    """What an epoch of the main job costs each chip."""
    return _table("An epoch of the main job, its batches split over the chips: each chip", plans)


def sweep_table(config: PlanConfig, plans: Sequence[Plan]) -> Table:
    """What a sweep costs each chip."""
    beside = f"up to {config.per_device} side by side"
    return _table(f"A sweep of {config.runs:,} trainings, {beside}: each chip", plans)


_NARROW: Any = {"padding": (0, 1, 0, 0), "pad_edge": False}


def _table(title: str, plans: Sequence[Plan]) -> Table:
    opcodes = dict.fromkeys(one.opcode for plan in plans if plan.cost for one in plan.cost.in_step)
    names = ("slice", "chips", "batch", "peak\nmemory", "of its\nHBM")
    counted = ("FLOP", "HBM\nbytes", "at\nleast", *(f"{opcode}\nin a step" for opcode in opcodes))
    table = Table(title=title, title_justify="left", box=box.SIMPLE, **_NARROW)
    for name in (*names, *counted):
        table.add_column(name, justify="left" if name == "slice" else "right")
    for plan in plans:
        table.add_row(*_cells(plan, opcodes))
    return table


def _cells(plan: Plan, opcodes: Iterable[str]) -> list[str]:
    topology, cost = plan.topology, plan.cost
    start = [topology.name, f"{topology.chips}", f"{plan.batch:,}"]
    if cost is None:
        return [*start, "too much"]
    share = percent(cost.peak_bytes / topology.chip.memory_bytes, 1)
    counted = [quantity(value) for value in (cost.flops, cost.memory_bytes)]
    least = f"{quantity(seconds_at_peak(cost, topology))}s"
    exchanged = [_exchange(cost, opcode) for opcode in opcodes]
    return [*start, f"{quantity(cost.peak_bytes)}B", share, *counted, least, *exchanged]


def _exchange(cost: Cost, opcode: str) -> str:
    sizes = [one.bytes for one in cost.in_step if one.opcode == opcode]
    return f"{len(sizes)}, {quantity(sum(sizes))}B" if sizes else "0"


def _header(config: PlanConfig, dataset: Dataset) -> str:
    examples, shape = len(dataset.train.labels), dataset.train.images.shape[1:]
    network = describe_network(config, shape, dataset.classes)
    problem = describe_problem(config)
    return f"{dataset.name} {examples:,} train · {network} · {config.optimizer}\n{problem}"


if __name__ == "__main__":
    run_command("tpu_plan", main, PlanConfig)

"""What a command line becomes before anything is trained: device, data, folder, checkpoint."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

from experiments import interrupts
from experiments.config import Config, ConfigError, describe_network, describe_problem
from experiments.data import Dataset, imports_packages, load
from experiments.mnist import resume
from experiments.provenance import command_line, hardware
from experiments.records import open_folder, reopen_folder, replace, write_config

OPTIMIZERS = {"sgd": "SGD", "momentum": "SGD with momentum", "adam": "Adam"}


@dataclasses.dataclass(frozen=True)
class Job:
    """What a command line has become.

    Attributes:
      config: the settings.
      dataset: what to train on.
      facts: where and on what.
      device: one of those that train.
      folder: of the run; None if this process is not the first and does not see it.
      first: whether this process prints and writes: of several, the first one does.
      saves: whether checkpoints can be made: every process sees the folder.
      seconds: by what they were spent on.
      start: the checkpoint to go on from, if there is one.
      epochs: records of those that are trained.
    """

    config: Config
    dataset: Dataset
    facts: dict[str, Any]
    device: Any
    folder: Path | None
    first: bool
    saves: bool
    seconds: dict[str, float]
    start: Any = None
    epochs: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def prepare(config: Config, pool: ThreadPoolExecutor, started: float) -> Job:
    """Everything that can go wrong before training, of a command that ``started`` then."""
    alone = imports_packages(config.data)
    loading = None if alone else pool.submit(_timed, load, config.data)
    from experiments import machine, problem, runs  # noqa: F401

    seconds = {"import": perf_counter() - started}
    device = machine.choose_device(config, float64=config.dtype == "float64")
    dataset, seconds["data"] = loading.result() if loading else _timed(load, config.data)
    problem.check(config, dataset)
    facts, first = _facts(device, machine.total(config), dataset), device.process_index == 0
    if config.connected:
        from experiments.mnist import hosts

        hosts.check_agreement(config, dataset)
    folder = _open(config, facts) if first else None
    goes_on = config.resume is not None and not config.contrast
    start = _latest(config, folder) if folder is not None and goes_on else None
    saves = True
    if config.connected:
        folder, start, saves = _shared(config, folder, start)
    job = Job(config, dataset, facts, device, folder, first, saves, seconds, start)
    if first and folder:
        _begin(job, folder)
    return job


def _open(config: Config, facts: dict[str, Any]) -> Path:
    """The folder of the run, and what is printed where it ends early."""
    if config.resume is None:
        folder = open_folder("mnist", config.output)
        write_config(folder, "mnist", config, facts)
    else:
        folder = config.resume
        reopen_folder(folder, "mnist")
    interrupts.goes_on(f"Go on: {command_line('mnist', {'resume': folder, **_connection(config)})}")
    return folder


def _connection(config: Config) -> dict[str, Any]:
    """The options by which several processes meet, of any of them."""
    if config.coordinator is None:
        return {"distributed": config.distributed} if config.connected else {}
    meeting = {"coordinator": config.coordinator, "processes": config.processes}
    return {**meeting, "process": "I"}


def _latest(config: Config, folder: Path) -> Any:
    """The checkpoint to go on from, once it is said which one that is."""
    found = resume.latest(config, folder, lambda line: print(line, file=sys.stderr))
    if found is None:
        print(f"Starts anew: no checkpoint in {folder}/")
    else:
        print(f"Goes on after update {found.step:,}, from {found.folder}/")
    return found


def _shared(config: Config, folder: Path | None, start: Any) -> tuple[Path | None, Any, bool]:
    """The folder and the checkpoint of process 0, and whether every process sees them.

    Raises:
      ConfigError: if checkpoints are asked for that not every process can make or read.
    """
    from experiments import checkpoints
    from experiments.mnist import hosts

    name, step = hosts.told([str(folder and folder.resolve()), start and start.step])
    if not hosts.see(Path(name)):
        if config.checkpoint_every is not None or config.resume is not None:
            raise ConfigError(
                f"--output: expected a folder that every process sees, for checkpoints, but not "
                f"all find {name}; name one on a file system that they share"
            )
        return folder, None, False
    place = Path(name)
    if start is None and step is not None:
        start = checkpoints.read(place / resume.FOLDER, step)
    return folder or place, start, True


def _begin(job: Job, folder: Path) -> None:
    """Leaves the records as they were at the checkpoint, or with the first line alone."""
    if job.config.contrast and job.config.resume is not None:
        return
    begun = {"event": "start", "config": vars(job.config), **job.facts}
    records = job.start.about["records"] if job.start else [begun]
    replace(folder, records)
    job.epochs.extend(record for record in records if record["event"] == "epoch")


def _facts(device: Any, count: int, dataset: Dataset) -> dict[str, Any]:
    """Where and on what the run is made, for its records."""
    import jax

    return {
        **hardware(device, count),
        "processes": jax.process_count(),
        "data": dataset.name,
        "train_examples": len(dataset.train.labels),
        "test_examples": len(dataset.test.labels),
    }


def _timed(function: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    started = perf_counter()
    return function(*args), perf_counter() - started


def header(job: Job) -> str:
    config, dataset = job.config, job.dataset
    train, test = dataset.train, dataset.test
    name = "MNIST" if dataset.name == "mnist" else dataset.name
    return (
        f"{name} {len(train.labels):,} train / {len(test.labels):,} test · "
        f"{describe_network(config, train.images.shape[1:], dataset.classes)} · "
        f"{OPTIMIZERS[config.optimizer]} {config.learning_rate:g} · "
        f"batch {config.batch_size} · {_machine(job)}\n{describe_problem(config)}"
    )


def _machine(job: Job) -> str:
    """As ``cpu``, or ``4 × tpu in 2 processes``."""
    count, processes = job.facts["devices"], job.facts["processes"]
    name = job.device.platform if count == 1 else f"{count} × {job.device.platform}"
    return name if processes == 1 else f"{name} in {processes} processes"

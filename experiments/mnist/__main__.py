"""`python -m experiments.mnist`: the main job, MNIST with λ‖w‖² in the loss.

Heavy imports wait until the options are known to be good, and overlap: the data is unpacked while
jax is imported, unless that imports packages too; matplotlib is imported while the device trains.
"""

from __future__ import annotations

from time import perf_counter

STARTED = perf_counter()

import dataclasses  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from experiments import interrupts  # noqa: E402
from experiments.command import run_command  # noqa: E402
from experiments.config import Config, describe_network, describe_problem, resolved  # noqa: E402
from experiments.data import Dataset, imports_packages, load  # noqa: E402
from experiments.formatting import in_seconds, percent  # noqa: E402
from experiments.provenance import hardware  # noqa: E402
from experiments.records import append, open_folder, read, write_config  # noqa: E402

OPTIMIZERS = {"sgd": "SGD", "momentum": "SGD with momentum", "adam": "Adam"}


@dataclasses.dataclass(frozen=True)
class Job:
    """What a command line has become: settings, data, device, folder, and the time it took."""

    config: Config
    dataset: Dataset
    facts: dict[str, Any]
    device: Any
    folder: Path
    seconds: dict[str, float]


def main(config: Config) -> None:
    """Trains, prints two lines per epoch and a closing table, and writes the records."""
    config = resolved(config)
    if config.connected:
        from experiments.mnist import hosts

        hosts.run(config, lambda: _work(config))
    _work(config)


def _work(config: Config) -> None:
    """The part of this process: of several, process 0 alone prints and writes."""
    with ThreadPoolExecutor(1) as pool:
        job = _prepare(config, pool)
        if job is None:
            return
        print(_header(job), flush=True)
        finished = _contrast(job) if config.contrast else _train(job, pool)
    if not finished:
        sys.exit(interrupts.status())


def _prepare(config: Config, pool: ThreadPoolExecutor) -> Job | None:
    """Everything that can go wrong before training: device, data, folder.

    A process that is not the first has no more to do: it trains here, and has no job.
    """
    alone = imports_packages(config.data)
    loading = None if alone else pool.submit(_timed, load, config.data)
    from experiments import machine, problem, runs

    seconds = {"import": perf_counter() - STARTED}
    device = machine.choose_device(config, float64=config.dtype == "float64")
    dataset, seconds["data"] = loading.result() if loading else _timed(load, config.data)
    problem.check(config, dataset)
    if config.connected:
        from experiments.mnist import hosts

        hosts.check_agreement(config, dataset)
    if device.process_index != 0:
        for _ in runs.build(config, dataset).epochs():
            pass
        return None
    folder = open_folder("mnist", config.output)
    facts = _facts(device, machine.total(config), dataset)
    write_config(folder, "mnist", config, facts)
    append(folder, {"event": "start", "config": vars(config), **facts})
    return Job(config, dataset, facts, device, folder, seconds)


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


def _header(job: Job) -> str:
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


def _contrast(job: Job) -> bool:
    """Prints the table of couplings, a line as soon as it is known; False if interrupted."""
    from experiments.mnist import contrast

    print("Each coupling for one epoch in float64, from the same start, on the same batches:")
    try:
        for comparison in contrast.contrast(job.config, job.dataset):
            record = {"event": "contrast", **vars(comparison), "same": comparison.same}
            append(job.folder, record)
            print(contrast.describe(comparison, job.config), flush=True)
    except KeyboardInterrupt:
        print(f"Stopped. Saved {job.folder}/ (config.json, records.jsonl)")
        return False
    print(f"Saved {job.folder}/ (config.json, records.jsonl)")
    return True


def _train(job: Job, pool: ThreadPoolExecutor) -> bool:
    """Prints and records epoch after epoch, then closes; False if interrupted."""
    from experiments import runs

    pictures = pool.submit(_import_curves)
    try:
        run = runs.build(job.config, job.dataset)
        job.seconds["compile"] = run.compile_seconds
        with _progress(job.config.epochs) as (say, advance):
            for epoch in run.epochs():
                times = {"epoch": epoch.number, "epoch_seconds": epoch.seconds}
                append(job.folder, {"event": "epoch", **times, **epoch.metrics})
                say(f"Epoch {epoch.number}, Average Loss: {epoch.metrics['loss']:.4f}")
                say(f"Test Accuracy: {percent(epoch.metrics['accuracy'])}")
                advance()
    except KeyboardInterrupt:
        pass
    return _close(job, pictures.result())


def _import_curves() -> Any:
    from experiments import curves

    return curves


@contextmanager
def _progress(epochs: int) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """A bar below the lines, on a terminal only; yields how to print above it and advance it."""
    if not sys.stdout.isatty():
        yield lambda line: print(line, flush=True), lambda: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("training", total=epochs)
        yield lambda line: bar.console.print(line, highlight=False), lambda: bar.advance(task)


def _close(job: Job, curves: Any) -> bool:
    """Table, picture and summary record of the epochs that there are; False if some are missing."""
    epochs = [record for record in read(job.folder) if record["event"] == "epoch"]
    if not epochs:
        print(f"Stopped before the end of the first epoch. Saved {job.folder}/ (config.json)")
        return False
    job.seconds["train"] = sum(record["epoch_seconds"] for record in epochs)
    job.seconds["epoch"] = statistics.median(record["epoch_seconds"] for record in epochs)
    seconds = {f"{name}_seconds": value for name, value in job.seconds.items()}
    append(job.folder, {**epochs[-1], "event": "summary", **seconds})
    curves.curves(epochs, describe_problem(job.config), job.folder / "curves.png")
    _print_table(epochs[-1], job)
    if len(epochs) < job.config.epochs:
        print(f"Stopped after {len(epochs)} of {job.config.epochs} epochs")
    print(f"Saved {job.folder}/ (config.json, records.jsonl, curves.png)")
    print(_advice(epochs[-1], job.config))
    return len(epochs) == job.config.epochs


def _print_table(last: dict[str, Any], job: Job) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    cells = {
        "accuracy": percent(float(last["accuracy"])),
        "data loss": f"{float(last['loss']):.4f}",
        "penalty": f"{float(last['penalty']):.3g}",
        "‖w‖": f"{float(last['norm']):.3f}",
        "zeros": percent(float(last["sparsity"]), 1),
        "compile": in_seconds(job.seconds["compile"], 2),
        "epoch": in_seconds(job.seconds["epoch"], 3),
        "device": str(job.device.device_kind),
    }
    table = Table(*cells, box=box.SIMPLE)
    table.add_row(*cells.values())
    Console().print(table)


def _advice(last: dict[str, Any], config: Config) -> str:
    """What to try next."""
    if last["loss"] in ("nan", "inf"):
        return f"The loss is not finite: try --learning-rate {config.learning_rate / 10:g}"
    return 'Next: make mnist ARGS="--contrast"'


if __name__ == "__main__":
    run_command("mnist", main, Config)

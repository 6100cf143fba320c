"""`python -m experiments.mnist`: the main job, MNIST with λ‖w‖² in the loss.

Heavy imports wait until the options are known to be good, and overlap: the data is unpacked while
jax is imported, unless that imports packages too; matplotlib is imported while the device trains.
"""

from __future__ import annotations

from time import perf_counter

STARTED = perf_counter()

import contextlib  # noqa: E402
import dataclasses  # noqa: E402
import functools  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from experiments import interrupts  # noqa: E402
from experiments.command import NOT_FINITE, run_command  # noqa: E402
from experiments.config import (  # noqa: E402
    Config,
    ConfigError,
    describe_network,
    describe_problem,
    resolved,
)
from experiments.data import Dataset, imports_packages, load  # noqa: E402
from experiments.formatting import in_seconds, percent  # noqa: E402
from experiments.mnist import resume  # noqa: E402
from experiments.provenance import command_line, hardware  # noqa: E402
from experiments.records import (  # noqa: E402
    WriteError,
    append,
    open_folder,
    read,
    reopen_folder,
    replace,
    save,
    write_config,
)

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
    seconds: dict[str, float]
    start: Any = None
    epochs: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def main(config: Config) -> None:
    """Trains, prints two lines per epoch and a closing table, and writes the records."""
    config = resolved(config)
    if config.resume is not None:
        resume.check(config, config.resume)
        if resume.is_finished(config.resume, config.epochs):
            print(f"All {config.epochs} epochs are trained: nothing is left in {config.resume}/")
            return
    if config.connected:
        from experiments.mnist import hosts

        hosts.run(config, lambda: _work(config))
    _work(config)


def _work(config: Config) -> None:
    """The part of this process: of several, process 0 alone prints and writes."""
    with ThreadPoolExecutor(1) as pool:
        job = _prepare(config, pool)
        if job.first:
            print(_header(job), flush=True)
        status = _contrast(job) if config.contrast else _train(job, pool)
    if status:
        sys.exit(status)


def _prepare(config: Config, pool: ThreadPoolExecutor) -> Job:
    """Everything that can go wrong before training: device, data, folder."""
    alone = imports_packages(config.data)
    loading = None if alone else pool.submit(_timed, load, config.data)
    from experiments import machine, problem, runs  # noqa: F401

    seconds = {"import": perf_counter() - STARTED}
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
    if config.connected:
        folder, start = _shared(config, folder, start)
    job = Job(config, dataset, facts, device, folder, first, seconds, start)
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


def _shared(config: Config, folder: Path | None, start: Any) -> tuple[Path | None, Any]:
    """The folder and the checkpoint of process 0, if every process sees them.

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
        return folder, None
    place = Path(name)
    if start is None and step is not None:
        start = checkpoints.read(place / resume.FOLDER, step)
    return folder or place, start


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


def _contrast(job: Job) -> int:
    """Prints the table of couplings, a line as soon as it is known; the exit status."""
    from experiments.mnist import contrast

    assert job.folder is not None
    print("Each coupling for one epoch in float64, from the same start, on the same batches:")
    try:
        known = contrast.recorded(read(job.folder))
        for comparison in contrast.contrast(job.config, job.dataset, known):
            if comparison not in known:
                record = {"event": "contrast", **vars(comparison), "same": comparison.same}
                append(job.folder, record)
            print(contrast.describe(comparison, job.config), flush=True)
    except KeyboardInterrupt:
        print(f"Stopped. Saved {job.folder}/ (config.json, records.jsonl)")
        print(interrupts.advice())
        return interrupts.status()
    print(f"Saved {job.folder}/ (config.json, records.jsonl)")
    return 0


def _train(job: Job, pool: ThreadPoolExecutor) -> int:
    """Prints and records epoch after epoch, then closes; the exit status."""
    from experiments import runs
    from experiments.mnist.conduct import Course, conduct

    config, failure = job.config, None
    pictures = pool.submit(_import_curves) if job.first else None
    course = Course(None, job.start.step if job.start else 0)
    with contextlib.ExitStack() as stack:
        try:
            keeper = _keeper(job, stack)
            run = runs.build(config, job.dataset, course.done, config.checkpoint_every)
            job.seconds["compile"] = run.compile_seconds
            start = run.problem.begin(config.seed)
            course.progress = job.start.restore(start) if job.start else start
            report, about = stack.enter_context(_reporting(job)), functools.partial(_about, job)
            conduct(run, course, config.checkpoint_every, keeper, about, report)
        except KeyboardInterrupt:
            pass
        except WriteError as error:
            failure = error
    if pictures is not None:
        _close(job, course, pictures.result(), failure)
    if failure is not None:
        raise failure
    return _status(job, course)


def _keeper(job: Job, stack: contextlib.ExitStack) -> Any:
    """Of the checkpoints, where every process sees the folder."""
    from experiments.checkpoints import Keeper

    if job.folder is None:
        return None
    keeper = stack.enter_context(Keeper(job.folder / resume.FOLDER, job.config.keep))
    if job.config.checkpoint_every is not None:
        keeper.prepare()
    return keeper


def _about(job: Job) -> dict[str, Any]:
    """What a checkpoint holds beside the state."""
    records = read(job.folder) if job.first and job.folder else []
    return {"config": resume.trained(job.config), "records": records}


@contextlib.contextmanager
def _reporting(job: Job) -> Iterator[Callable[[Any, float], None]]:
    """Yields what prints and records an epoch."""
    if not job.first or job.folder is None:
        yield lambda part, seconds: None
        return
    folder = job.folder
    with _progress(job.config.epochs, len(job.epochs)) as (say, advance):

        def report(part: Any, seconds: float) -> None:
            times = {"epoch": part.epoch, "epoch_seconds": seconds}
            job.epochs.append({"event": "epoch", **times, **part.metrics})
            say(f"Epoch {part.epoch}, Average Loss: {part.metrics['loss']:.4f}")
            say(f"Test Accuracy: {percent(part.metrics['accuracy'])}")
            advance()
            append(folder, job.epochs[-1])

        yield report


def _import_curves() -> Any:
    from experiments import curves

    return curves


@contextlib.contextmanager
def _progress(epochs: int, done: int) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """A bar below the lines, on a terminal only; yields how to print above it and advance it."""
    if not sys.stdout.isatty():
        yield lambda line: print(line, flush=True), lambda: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("training", total=epochs, completed=done)
        yield lambda line: bar.console.print(line, highlight=False), lambda: bar.advance(task)


def _close(job: Job, course: Any, curves: Any, failure: Exception | None) -> None:
    """Table, picture and summary record of the epochs that there are, and what is next."""
    assert job.folder is not None
    if job.epochs:
        _summarize(job, job.folder, curves, failure)
    if course.wrong is not None:
        print(_not_finite(job, course))
    elif len(job.epochs) < job.config.epochs:
        print(f"Stopped after {len(job.epochs)} of {job.config.epochs} epochs{_at(course)}")
    patterns = ("config.json", "records.jsonl", "curves.png", resume.FOLDER)
    left = [name for name in patterns if (job.folder / name).exists()]
    print(f"Saved {job.folder}/ ({', '.join(left)})")
    if course.wrong is None and failure is None:
        finished = len(job.epochs) == job.config.epochs
        print('Next: make mnist ARGS="--contrast"' if finished else interrupts.advice())


def _summarize(job: Job, folder: Path, curves: Any, failure: Exception | None) -> None:
    times = [epoch["epoch_seconds"] for epoch in job.epochs]
    job.seconds["train"], job.seconds["epoch"] = sum(times), statistics.median(times)
    _print_table(job.epochs[-1], job)
    if failure is None:
        seconds = {f"{name}_seconds": value for name, value in job.seconds.items()}
        append(folder, {**job.epochs[-1], "event": "summary", **seconds})
        title = describe_problem(job.config)
        save(folder / "curves.png", lambda path: curves.curves(job.epochs, title, path))


def _at(course: Any) -> str:
    return f", at update {course.done:,}" if course.done else ""


def _not_finite(job: Job, course: Any) -> str:
    """Which update it was, what is left, and what to try."""
    kept = f"; {job.folder}/{resume.FOLDER}/{course.done} holds update {course.done:,}, the last"
    rate = job.config.learning_rate / 10
    return (
        f"The loss is not finite at update {course.wrong:,}: try --learning-rate {rate:g}"
        f"{kept * course.saved}"
    )


def _status(job: Job, course: Any) -> int:
    """0 if all is trained."""
    if course.wrong is not None:
        return NOT_FINITE
    if course.progress is not None and course.done == course.total:
        return 0
    return 128 + course.signal if course.signal else interrupts.status()


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


if __name__ == "__main__":
    run_command("mnist", main, Config, resume.settings)

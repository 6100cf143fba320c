"""`python -m experiments.mnist`: the main job, MNIST with λ‖w‖² in the loss.

Heavy imports wait until the options are known to be good, and overlap: the data is unpacked while
jax is imported, unless that imports packages too; matplotlib is imported while the device trains.
"""

from __future__ import annotations

from time import perf_counter

STARTED = perf_counter()

import contextlib  # noqa: E402
import functools  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from typing import Any  # noqa: E402

from experiments import interrupts  # noqa: E402
from experiments.command import NOT_FINITE, run_command  # noqa: E402
from experiments.config import Config, resolved  # noqa: E402
from experiments.formatting import percent  # noqa: E402
from experiments.mnist import resume  # noqa: E402
from experiments.mnist.close import close  # noqa: E402
from experiments.mnist.prepare import Job, header, prepare  # noqa: E402
from experiments.records import WriteError, append, read  # noqa: E402


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
        job = prepare(config, pool, STARTED)
        if job.first:
            print(header(job), flush=True)
        status = _contrast(job) if config.contrast else _train(job, pool)
    if status:
        sys.exit(status)


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
            course.progress = resume.restored(job.start, start) if job.start else start
            report, about = stack.enter_context(_reporting(job)), functools.partial(_about, job)
            conduct(run, course, config.checkpoint_every, keeper, about, report)
        except KeyboardInterrupt:
            pass
        except WriteError as error:
            failure = error
    if pictures is not None:
        close(job, course, pictures.result(), failure)
    if failure is not None:
        raise failure
    return _status(course)


def _keeper(job: Job, stack: contextlib.ExitStack) -> Any:
    """Of the checkpoints, where every process sees the folder."""
    from experiments.checkpoints import Keeper

    if job.folder is None or not job.saves:
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


def _status(course: Any) -> int:
    """0 if all is trained."""
    if course.wrong is not None:
        return NOT_FINITE
    if course.progress is not None and course.done == course.total:
        return 0
    return 128 + course.signal if course.signal else interrupts.status()


if __name__ == "__main__":
    run_command("mnist", main, Config, resume.settings)

"""What the main job says and leaves at its end, whatever ended it."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from experiments import interrupts
from experiments.config import describe_problem
from experiments.formatting import in_seconds, percent
from experiments.mnist import resume
from experiments.mnist.prepare import Job
from experiments.records import append, save


def close(job: Job, course: Any, curves: Any, failure: Exception | None) -> None:
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
    place, rate = f"{job.folder}/{resume.FOLDER}/{course.done}", job.config.learning_rate / 10
    kept = f"; {place} holds update {course.done:,}, the last good one" * course.saved
    return f"The loss is not finite at update {course.wrong:,}: try --learning-rate {rate:g}{kept}"


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

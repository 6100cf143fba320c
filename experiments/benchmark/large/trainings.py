"""Long trainings: ten thousand runs of a sweep, a thousand epochs of the main job."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments import records
from experiments.benchmark.large import Rows
from experiments.benchmark.large.memory import Course, resident
from experiments.benchmark.suites import ROOT


def sweep(quick: bool) -> Rows:
    """Trainings on the small digits, by λ and learning rate; results are written, not kept."""
    from experiments.config import Config, resolved
    from experiments.data import load
    from experiments.sweeping import Trainings
    from jaxreg import grid

    runs = 400 if quick else 10_000
    config = resolved(Config(data="digits", epochs=1, hidden=16))
    axes = np.geomspace(1e-6, 1e-1, runs // 100), np.geomspace(1e-3, 1, 100)
    points = grid(**dict(zip(("strength", "learning_rate"), axes, strict=True)))
    trainings, course, calls = Trainings(config, load("digits")), Course(), []
    with tempfile.TemporaryDirectory() as place:
        folder = records.open_folder("benchmark", Path(place) / "runs")

        def write(rows: slice, results: Mapping[str, Any]) -> None:
            calls.append(rows.stop)
            records.append(folder, *_lines(rows, results))
            course.add(rows.stop / runs)

        found = trainings.run(points, per_device=1, keep=False, on_chunk=write, chunk=runs // 50)
        written = len(records.read(folder))
    yield {
        "what": "runs of a sweep",
        "size": f"{written:,}",
        "seconds": found.seconds,
        "chunks": len(calls),
        **course.row(),
    }


def _lines(rows: slice, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [*results]
    values = zip(*(results[name].tolist() for name in names), strict=True)
    return [
        {"event": "run", "run": rows.start + i, **dict(zip(names, row, strict=True))}
        for i, row in enumerate(values)
    ]


def epochs(quick: bool) -> Rows:
    """The main job as a process, as it is started by hand."""
    count = 60 if quick else 1000
    course = Course()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        options = ("--data", "digits", "--epochs", str(count), "--output", str(folder))
        command = [sys.executable, "-m", "experiments.mnist", *options]
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            done = 0
            for line in process.stdout:
                if line.startswith("Epoch "):
                    done += 1
                    course.add(done / count, resident(process.pid))
        seconds = time.perf_counter() - started
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)}: ended with status {process.returncode}")
        found = [r for r in records.read(folder) if r["event"] == "epoch"]
    fifth = count // 5
    first, last = (
        float(np.median([r["epoch_seconds"] for r in part]))
        for part in (found[fifth : 2 * fifth], found[-fifth:])
    )
    yield {
        "what": "epochs of the main job, `--data digits`",
        "size": f"{len(found):,}",
        "seconds": seconds,
        "epoch_early": first,
        "epoch_late": last,
        **course.row(),
    }

"""The main job against the same training in PyTorch and scikit-learn, as whole processes.

Each contender is one command, started anew for each sample. What is compared is what a user
waits for, from start to exit, and the steady epoch: the median over the epochs after the first,
evaluation included. Cold has no compilation cache; warm finds the programs of an earlier run.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.benchmark.suites import PEERS, ROOT, Recorder
from experiments.benchmark.tables import Column, Target, as_json, table, target_table
from experiments.benchmark.timing import Process, Sample, Timings, interleave, run_process
from experiments.formatting import in_seconds

PACKAGES = ("torch", "sklearn", "PIL")
COLD, WARM = "jaxreg, cold", "jaxreg, warm"
TUTORIAL, TUNED = "PyTorch tutorial", "PyTorch tuned"
FUSED, SKLEARN = "PyTorch tuned, fused, pre-gathered", "scikit-learn"
PEER_COMMANDS = {
    TUTORIAL: ("torch_mission.py",),
    TUNED: ("torch_tuned.py",),
    FUSED: ("torch_tuned.py", "--fused", "--pregathered"),
    SKLEARN: ("sklearn_mlp.py",),
}
PROCESS_COLUMNS = (
    Column("whole process", "process"),
    Column("to cold", "process", COLD),
    Column("to warm", "process", WARM),
)
EPOCH_COLUMNS = (
    Column("steady epoch", "epoch"),
    Column("to jaxreg", "epoch", WARM),
    Column("last loss", "loss", unit="", decimals=4),
    Column("accuracy", "accuracy", unit=" %", decimals=2),
)
TARGETS = (
    Target("epoch", TUTORIAL, WARM, 10),
    Target("epoch", TUNED, WARM, 2),
    Target("process", TUTORIAL, COLD, 4.5),
    Target("process", TUTORIAL, WARM, 5.5),
)
PHASES = {
    "import": "import",
    "data": "data (beside import)",
    "compile": "compile",
    "train": "train and evaluate",
}


def run(repeats: int, quick: bool, console: Console, record: Recorder) -> dict[str, object]:
    """Measures, prints the tables, and returns what is to be saved.

    Args:
      repeats: rounds, in each of which every contender runs once.
      quick: two epochs and no search for the best settings: shows that it works, measures little.
      console: where to print.
      record: called with each sample as soon as it is there.
    """
    epochs = 2 if quick else 5

    def on_sample(name: str, sample: Sample) -> None:
        record({"event": "sample", "contender": name, **sample})
        console.print(
            f"{name}: {in_seconds(sample['process'], 2)}, epoch {in_seconds(sample['epoch'], 3)}"
        )

    with tempfile.TemporaryDirectory() as cache:
        ours = _ours(epochs, cache)
        with console.status("filling the compilation cache"):
            ours[WARM]()
        trials = {name: _try(name, quick, console) for name in PEER_COMMANDS}
        best = {name: min(seconds, key=seconds.__getitem__) for name, seconds in trials.items()}
        timings = interleave({**ours, **_peers(epochs, best)}, repeats, on_sample=on_sample)
    evaluation = _evaluation()
    _print(timings, best, evaluation, epochs, console)
    columns = (*PROCESS_COLUMNS, *EPOCH_COLUMNS)
    measured = as_json(timings, columns, TARGETS)
    found = {"epochs": epochs, "evaluation_seconds": evaluation, "trials": trials}
    return {**found, "settings": best, **measured}


def _evaluation() -> float:
    """Seconds of one evaluation of the main job, which its epochs contain, by itself."""
    import jax

    from experiments import machine
    from experiments.config import Config, resolved
    from experiments.data import load
    from experiments.problem import Problem

    problem = Problem(resolved(Config()), load("mnist"))
    given = jax.device_put((problem.start(0), problem.images()[1]))
    evaluate = machine.compiled(jax.jit(problem.evaluate).lower(*given))

    def seconds() -> float:
        started = time.perf_counter()
        jax.block_until_ready(evaluate(*given))
        return time.perf_counter() - started

    return statistics.median(seconds() for _ in range(5))


def _ours(epochs: int, cache: str) -> dict[str, Callable[[], Sample]]:
    warm = {"JAXREG_CACHE_DIR": cache}
    return {
        COLD: functools.partial(sample_jaxreg, epochs, ("--no-compilation-cache",), {}),
        WARM: functools.partial(sample_jaxreg, epochs, (), warm),
    }


def _peers(epochs: int, settings: Mapping[str, str]) -> dict[str, Callable[[], Sample]]:
    return {
        name: functools.partial(_sample_peer, name, setting, epochs)
        for name, setting in settings.items()
    }


def _peer_settings(name: str) -> list[str]:
    """The options to try for a peer."""
    threads = sorted({1, 2, os.cpu_count() or 1})
    workers = (" --workers 0", " --workers 2") if name == TUTORIAL else ("",)
    return [f"--threads {thread}{worker}" for thread, worker in itertools.product(threads, workers)]


def _try(name: str, quick: bool, console: Console) -> dict[str, float]:
    """Seconds of two epochs with each setting of a peer; a quick run tries the first alone."""
    settings = _peer_settings(name)
    found = {}
    for setting in settings[:1] if quick else settings:
        with console.status(f"{name}: trying {setting}"):
            found[setting] = _sample_peer(name, setting, epochs=2)["process"]
        console.print(f"{name}: {setting}: {in_seconds(found[setting], 2)} for two epochs")
    return found


def _sample_peer(name: str, setting: str, epochs: int) -> Sample:
    return sample_peer((*PEER_COMMANDS[name], *setting.split()), epochs)


def sample_peer(
    command: Sequence[str],
    epochs: int,
    *,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Sample:
    """One whole process of a peer, by the interpreter that has its packages."""
    script, *options = command
    arguments = [python, str(PEERS / script), *options, "--epochs", str(epochs)]
    process = run_process(arguments, cwd=ROOT, environment=environment)
    result = json.loads(process.output.splitlines()[-1])
    phases = {key: result[key] for key in ("import_seconds", "data_seconds")}
    return _sample(process, result["epoch_seconds"], phases)


def sample_jaxreg(epochs: int, options: Sequence[str], environment: Mapping[str, str]) -> Sample:
    """One whole process of the main job."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "experiments.mnist", "--output", output, *options]
        process = run_process(
            [*command, "--epochs", str(epochs)], cwd=ROOT, environment=environment
        )
        seconds, phases = read_records(Path(output))
    return _sample(process, seconds, phases)


def read_records(output: Path) -> tuple[list[float], dict[str, float]]:
    """The seconds of each epoch and of each phase, from what the main job wrote.

    Args:
      output: the directory given as `--output`; `records.jsonl` lies there or below.

    Returns:
      The epochs' seconds in order, and the fields of the summary that end in `_seconds`.

    Raises:
      FileNotFoundError: if no `records.jsonl` is there.
    """
    paths = list(output.glob("**/records.jsonl"))
    if not paths:
        raise FileNotFoundError(
            f"{output}: expected a records.jsonl in it, found none; "
            "run python -m experiments.mnist by itself and see what it writes"
        )
    records = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    summary = next((r for r in records if r.get("event") == "summary"), {})
    epochs = [r["epoch_seconds"] for r in records if r is not summary and "epoch_seconds" in r]
    phases = {key: summary[key] for key in summary if key.endswith("_seconds")}
    return epochs, {key: value for key, value in phases.items() if isinstance(value, float)}


def _sample(process: Process, epoch_seconds: Sequence[float], phases: Sample) -> Sample:
    """What every contender measures; loss and accuracy as it printed them last."""
    losses = re.findall(r"Average Loss: ([\d.]+)", process.output)
    accuracies = re.findall(r"Test Accuracy: ([\d.]+)%", process.output)
    return {
        "process": process.seconds,
        "epoch": statistics.median(epoch_seconds[1:]),
        "loss": float(losses[-1]),
        "accuracy": float(accuracies[-1]),
        **phases,
    }


def _print(
    timings: Timings, best: Mapping[str, str], evaluation: float, epochs: int, console: Console
) -> None:
    console.print(table("Whole process, from start to exit", timings, PROCESS_COLUMNS))
    console.print(table("Steady epoch, evaluation included", timings, EPOCH_COLUMNS))
    for name, setting in best.items():
        console.print(f"{name}: {setting}", style="dim")
    console.print(_phase_table(timings, evaluation * epochs))
    console.print(target_table(timings, TARGETS))


def _phase_table(timings: Timings, evaluation: float) -> Table:
    """Seconds of each phase of jaxreg's process, and of what lies outside all of them.

    The data is unpacked while jax is imported, so that its time is not added to the others.
    """
    result = Table("", COLD, WARM, title="Where the time goes (s)", title_justify="left")
    seconds = {
        name: {phase: timings.spread(f"{phase}_seconds", name).median for phase in PHASES}
        for name in (COLD, WARM)
    }
    for phase, label in PHASES.items():
        result.add_row(label, *(f"{phases[phase]:.2f}" for phases in seconds.values()))
    result.add_row("  of it evaluate", *[f"{evaluation:.2f}"] * 2)
    outside = [
        timings.spread("process", name).median - sum(phases.values()) + phases["data"]
        for name, phases in seconds.items()
    ]
    result.add_row("everything else", *(f"{value:.2f}" for value in outside))
    return result

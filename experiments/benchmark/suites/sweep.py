"""Many trainings at once: the sweep against PyTorch, cost for each model and epoch of 60,000.

All contenders train the main job's network and classify the test images once, after the last
epoch. The sweep is measured in this process, its program compiled before; each peer is a process
that takes its own time from when its data is there. XLA's own large matrix product, timed in every
round, is the bound that the arithmetic sets.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.benchmark.limits import Limit, limit_json, limit_table
from experiments.benchmark.suites import PEERS, ROOT, Recorder
from experiments.benchmark.tables import Column, Target, as_json, table, target_table
from experiments.benchmark.timing import Sample, Spread, Timings, interleave, run_process
from experiments.formatting import in_seconds

PACKAGES = ("torch", "PIL")
CORES = os.cpu_count() or 1
SWEEP, ADAM = "jaxreg sweep, SGD", "jaxreg sweep, Adam"
PRODUCT = "XLA, the arithmetic alone"
TUTORIAL, VMAP = "PyTorch tutorial, one model", "PyTorch, torch.func.vmap"
TUNED, FUSED = f"PyTorch, {CORES} processes", f"PyTorch, {CORES} processes, fused"
FUSED_ADAM = f"{FUSED}, Adam"
PROCESSES = f"torch_processes.py --processes {CORES} --models {2 * CORES}"
QUICK_PATH = "--fused --pregathered"
PEER_SETTINGS = {
    TUTORIAL: [f"torch_mission.py --threads 1 --workers {workers}" for workers in (0, 2)],
    VMAP: [
        f"torch_vmap.py --threads {threads} --models {models}"
        for threads in sorted({1, CORES})
        for models in (8, 32)
    ],
    TUNED: [PROCESSES],
    FUSED: [f"{PROCESSES} {QUICK_PATH}"],
    FUSED_ADAM: [f"{PROCESSES} {QUICK_PATH} --optimizer adam --learning-rate 0.001"],
}
"""The settings to try for each peer; the fastest is compared with."""
TARGETS = (
    Target("epoch", TUTORIAL, SWEEP, 18),
    Target("epoch", TUNED, SWEEP, 2.5),
    Target("epoch", FUSED, SWEEP, 1.9),
    Target("epoch", VMAP, SWEEP, 4),
    Target("epoch", FUSED_ADAM, ADAM, 1.8),
    Target("epoch", PRODUCT, SWEEP, 0.6),
)
COLUMNS = (
    Column("one model, one epoch", "epoch"),
    Column("to the sweep", "epoch", SWEEP),
    Column("accuracy", "accuracy", unit=" %", decimals=2),
)
SIDE = 2048


def run(repeats: int, quick: bool, console: Console, record: Recorder) -> dict[str, object]:
    """Measures, prints the tables, and returns what is to be saved.

    Args:
      repeats: rounds, in each of which every contender runs once.
      quick: few points, one epoch, no search for the best settings: shows that it works.
      console: where to print.
      record: called with each sample as soon as it is there.
    """
    from experiments import machine

    machine.use_every_core()
    epochs = 1 if quick else 2

    def on_sample(name: str, sample: Sample) -> None:
        record({"event": "sample", "contender": name, **sample})
        console.print(f"{name}: {in_seconds(sample['epoch'], 3)} for each model and epoch")

    with console.status("compiling"):
        ours = _ours(epochs, 4 if quick else 64)
    trials = {name: _try(name, quick, console) for name in PEER_SETTINGS}
    best = {name: min(seconds, key=seconds.__getitem__) for name, seconds in trials.items()}
    peers = {
        name: functools.partial(_sample_peer, command, epochs) for name, command in best.items()
    }
    timings = interleave({**ours, **peers}, repeats, on_sample=on_sample)
    thousand = _thousand(quick, console, record)
    growth = _growth(quick, console)
    _print(timings, best, thousand, growth, console)
    found = {"epochs": epochs, "trials": trials, "settings": best, "growth": growth}
    return {**found, "thousand": limit_json(thousand), **as_json(timings, COLUMNS, TARGETS)}


def _print(
    timings: Timings,
    best: Mapping[str, str],
    thousand: list[Limit],
    growth: Mapping[str, Mapping[str, float]],
    console: Console,
) -> None:
    console.print(table("Each model and epoch of 60,000 images", timings, COLUMNS))
    for name, command in best.items():
        console.print(f"{name}: {command}", style="dim")
    console.print(target_table(timings, TARGETS))
    console.print(limit_table(thousand))
    for title, seconds in growth.items():
        result = Table(title, "s a model and epoch", title_justify="left")
        for value, cost in seconds.items():
            result.add_row(value, f"{cost:.3f}")
        console.print(result)


# --- this project ---


def _trainings(examples: int = 60_000, evaluation: Any = "end", **settings: Any) -> Any:
    from experiments.config import Config, resolved
    from experiments.data import Split, load
    from experiments.sweeping import Trainings

    dataset = load("mnist")
    train = Split(dataset.train.images[:examples], dataset.train.labels[:examples])
    subset = type(dataset)(dataset.name, train, dataset.test, dataset.classes)
    return Trainings(resolved(Config(**settings)), subset, evaluation)


def _ours(epochs: int, points: int) -> dict[str, Callable[[], Sample]]:
    """The sweeps, compiled and warm, and the product that they are measured by."""
    sgd = _trainings(epochs=epochs)
    adam = _trainings(epochs=epochs, optimizer="adam", learning_rate=1e-3)
    return {
        PRODUCT: functools.partial(_sample_product, _product(), epochs),
        SWEEP: functools.partial(_sample_sweep, _warm(sgd), points, []),
        ADAM: functools.partial(_sample_sweep, _warm(adam), max(points // 4, CORES), []),
    }


def _warm(trainings: Any) -> Any:
    trainings.run(_strengths(CORES), per_device=1)
    return trainings


def _strengths(points: int) -> dict[str, Any]:
    import numpy as np

    return {"strength": np.geomspace(1e-6, 1e-2, points, dtype=np.float32)}


def _sample_sweep(trainings: Any, points: int, losses: list[Any]) -> Sample:
    """Everything but the compilation, divided by models and epochs; best accuracy of all.

    Raises:
      RuntimeError: if the test losses differ from those of an earlier round.
    """
    found = trainings.run(_strengths(points), per_device=1)
    losses.append(found.results["test_loss"])
    apart = abs(losses[-1] - losses[0]).max()
    if apart > 1e-5:
        raise RuntimeError(
            f"sweep: expected the same test losses in every round, but they differ by {apart:.1e}; "
            f"do not use these times"
        )
    seconds = (found.seconds - found.compile_seconds) / points / trainings.config.epochs
    return {"epoch": seconds, "accuracy": 100 * float(found.results["accuracy"].max())}


def _product() -> Callable[[], float]:
    """Seconds of a large matrix product on everything that this machine has."""
    import jax
    import jax.numpy as jnp

    product = jax.jit(jnp.matmul)
    factor = jax.block_until_ready(jnp.ones((SIDE, SIDE)))

    def seconds() -> float:
        started = time.perf_counter()
        jax.block_until_ready(product(factor, factor))
        return time.perf_counter() - started

    seconds()
    return seconds


def _sample_product(seconds: Callable[[], float], epochs: int) -> Sample:
    """What the matrix products of one model and epoch take at the pace of a large one."""
    forward = 784 * 128 + 128 * 10
    train = 60_000 * (2 * forward + 128 * 10)  # no gradient by the images
    work = 2 * (train + 10_000 * forward / epochs)
    pace = 2 * SIDE**3 / Spread.of(seconds() for _ in range(9)).median
    return {"epoch": work / pace, "accuracy": float("nan")}


def _thousand(quick: bool, console: Console, record: Recorder) -> list[Limit]:
    """1,000 trainings of 10 epochs on 5,000 digits, end to end, from a program never compiled."""
    from jaxreg import grid

    side = 2 if quick else 10
    axes = {"strength": [10.0**-k for k in range(side)], "learning_rate": range(1, side + 1)}
    points = grid(**axes, seed=range(side))
    points["learning_rate"] = points["learning_rate"].astype("float32") / 100
    limits = []
    for evaluation, at_most in (("end", 150.0), ("epoch", 240.0)):
        settings = {"epochs": 2 if quick else 10, "evaluation": evaluation}
        with console.status(f"{side**3:,} trainings, evaluation: {evaluation}"):
            found = _trainings(1000 if quick else 5000, **settings).run(points, per_device=1)
        times = {"seconds": found.seconds, "compile_seconds": found.compile_seconds}
        diverged = int(found.diverged.sum())
        record({"event": "thousand", "evaluation": evaluation, **times, "diverged": diverged})
        when = {"end": "at the end", "epoch": "after each epoch"}[evaluation]
        what = f"{side**3:,} trainings, evaluated {when}"
        limits.append(Limit(what, at_most, Spread.of([found.seconds]), " s"))
    return limits


# --- how the cost grows ---


def _growth(quick: bool, console: Console) -> dict[str, dict[str, float]]:
    """Seconds for each model and epoch of 60,000, by points, by hidden units and by devices."""
    most, settings = (8, {"epochs": 1}) if quick else (128, {"epochs": 10})
    points = [2**k for k in range(10) if 2**k <= most]
    devices = [2**k for k in range(10) if 2**k <= CORES]
    trainings = _trainings(5000, **settings)
    with console.status("how the cost grows"):
        widths = {h: _trainings(5000, hidden=h, **settings) for h in (32, 128, 512)}
        return {
            "points": {str(n): _cost(trainings, n) for n in points},
            "hidden units": {str(h): _cost(each, most // 4) for h, each in widths.items()},
            "devices": {str(d): _cost(trainings, most // 4, devices=d) for d in devices},
        }


def _cost(trainings: Any, points: int, devices: int | None = None) -> float:
    import jax
    import numpy as np

    mesh = jax.sharding.Mesh(np.array(jax.devices()[: devices or points]), ("run",))
    examples = len(trainings.dataset.train.labels)
    options: Any = {"per_device": 1, "mesh": mesh}
    trainings.run(_strengths(min(points, CORES)), **options)  # compiles, and warms up
    found = trainings.run(_strengths(points), **options)
    seconds = found.seconds - found.compile_seconds
    return seconds / points / trainings.config.epochs * 60_000 / examples


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """A picture of how the cost grows, ``growth.png``."""
    from experiments.curves import BLUE, Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    for axes, (title, seconds) in zip(
        figure.subplots(1, 3), results["growth"].items(), strict=True
    ):
        axes.plot([int(value) for value in seconds], [*seconds.values()], "o-", color=BLUE)
        axes.set_xscale("log", base=2)
        axes.set(xlabel=title, ylabel="s for each model and epoch", ylim=(0, None))
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle("784-hidden-10 on MNIST, cost of one of many trainings", fontsize=10)
    figure.savefig(folder / "growth.png", dpi=120)


# --- the peers ---


def _try(name: str, quick: bool, console: Console) -> dict[str, float]:
    """The cost with each setting of a peer over one epoch; a quick run tries the first alone."""
    settings = PEER_SETTINGS[name]
    if quick or len(settings) == 1:
        return {settings[0]: float("nan")}
    found = {}
    for command in settings:
        with console.status(f"{name}: trying {command}"):
            short = " --examples 12000" if name == VMAP else ""
            found[command] = _sample_peer(command + short, epochs=1)["epoch"]
        console.print(
            f"{name}: {command}: {in_seconds(found[command], 2)} for each model and epoch"
        )
    return found


def _sample_peer(command: str, epochs: int) -> Sample:
    script, *options = command.split()
    arguments = [sys.executable, str(PEERS / script), *options, "--epochs", str(epochs)]
    result = json.loads(run_process(arguments, cwd=ROOT).output.splitlines()[-1])
    accuracy = max(result["accuracies"])
    if script != "torch_mission.py":
        return {"epoch": result["epoch"], "accuracy": accuracy}
    # it evaluates after each epoch; what counts here is one evaluation, after the last
    trained = result["train_seconds"]
    evaluation = result["epoch_seconds"][-1] - trained[-1]
    return {"epoch": (sum(trained) + evaluation) / epochs, "accuracy": accuracy}

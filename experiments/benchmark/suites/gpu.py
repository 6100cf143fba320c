"""One NVIDIA GPU: the main job, a sweep and a step of AdamW, beside PyTorch on the same card.

The main job is a whole process, started anew for each sample; the sweep and the step are measured
in this process, compiled before, and each peer's in a process of its own. A step of AdamW reads
four arrays as large as the parameters and writes three, so the time of copies, which read one and
write one, is its bound.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console

from experiments.benchmark.suites import PEERS, ROOT, Recorder
from experiments.benchmark.suites.main import COLD, TUTORIAL, WARM, sample_jaxreg, sample_peer
from experiments.benchmark.tables import Column, as_json, table
from experiments.benchmark.timing import Sample, Timings, interleave, run_process

PACKAGES = ("torch", "PIL")
EAGER, GRAPH = "PyTorch tuned, fused", "PyTorch tuned, fused, CUDA graph"
JOBS = {
    TUTORIAL: ("torch_mission.py", "--device", "cuda", "--workers", "4"),
    EAGER: ("torch_tuned.py", "--device", "cuda", "--fused", "--pregathered"),
    GRAPH: ("torch_tuned.py", "--device", "cuda", "--fused", "--pregathered", "--graph"),
}
SWEEP, VMAP = "jaxreg sweep", "PyTorch, torch.func.vmap"
TORCH_ADAMW, COPIES = "PyTorch, fused AdamW", "seven passes, at the pace of copies"
JOB_COLUMNS = (
    Column("whole process", "process"),
    Column("steady epoch", "epoch"),
    Column("to jaxreg", "epoch", WARM),
    Column("last loss", "loss", unit="", decimals=4),
    Column("accuracy", "accuracy", unit=" %", decimals=2),
)
SWEEP_COLUMNS = (
    Column("one model, one epoch", "epoch"),
    Column("to the sweep", "epoch", SWEEP),
    Column("accuracy", "accuracy", unit=" %", decimals=2),
)


def run(repeats: int, quick: bool, console: Console, record: Recorder) -> dict[str, object]:
    """Measures, prints the tables, and returns what is to be saved.

    Args:
      repeats: rounds, in each of which every contender runs once.
      quick: few epochs, few models, few parameters: shows that it works.
      console: where to print.
      record: called with each sample as soon as it is there.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the peers need memory, too
    results: dict[str, Any] = {"device": _device()}
    console.print(results["device"], highlight=False)

    def measured(part: str, contenders: Mapping[str, Callable[[], Sample]]) -> Timings:
        def on_sample(name: str, sample: Sample) -> None:
            record({"event": "sample", "part": part, "contender": name, **sample})

        return interleave(contenders, repeats, on_sample=on_sample)

    epochs, models = (2, 4) if quick else (5, 64)
    with tempfile.TemporaryDirectory() as cache:
        timings = measured("main job", _jobs(epochs, cache))
    _shown("The main job", timings, JOB_COLUMNS, console, results)
    timings = measured("sweep", _sweeps(1 if quick else 2, models))
    _shown(f"{models} models at once", timings, SWEEP_COLUMNS, console, results)
    timings, columns = measured("step", _steps(4 if quick else 200)), _step_columns()
    _shown("A step on 100 million parameters", timings, columns, console, results)
    return results


def _device() -> str:
    """The card's name, asked of JAX; an error if there is none."""

    from experiments import machine
    from experiments.config import Config

    return machine.choose_device(Config(platform="gpu", compilation_cache=False)).device_kind


def _shown(
    title: str,
    timings: Timings,
    columns: tuple[Column, ...],
    console: Console,
    results: dict[str, Any],
) -> None:
    console.print(table(title, timings, columns))
    results[title] = as_json(timings, columns, ())


def _jobs(epochs: int, cache: str) -> dict[str, Callable[[], Sample]]:
    gpu, warm = ("--platform", "gpu"), {"JAXREG_CACHE_DIR": cache}
    sample_jaxreg(2, gpu, warm)  # fills the cache
    ours = {
        COLD: functools.partial(sample_jaxreg, epochs, (*gpu, "--no-compilation-cache"), {}),
        WARM: functools.partial(sample_jaxreg, epochs, gpu, warm),
    }
    peers = {name: functools.partial(sample_peer, job, epochs) for name, job in JOBS.items()}
    return {**ours, **peers}


def _sweeps(epochs: int, models: int) -> dict[str, Callable[[], Sample]]:
    import numpy as np

    from experiments.config import Config, resolved
    from experiments.data import load
    from experiments.sweeping import Trainings

    trainings = Trainings(resolved(Config(epochs=epochs)), load("mnist"), "end")
    points = {"strength": np.geomspace(1e-6, 1e-2, models, dtype=np.float32)}

    def ours() -> Sample:
        found = trainings.run(points, per_device=models)
        seconds = (found.seconds - found.compile_seconds) / models / epochs
        return {"epoch": seconds, "accuracy": 100 * float(found.results["accuracy"].max())}

    def theirs() -> Sample:
        options = ("--device", "cuda", "--models", str(models), "--epochs", str(epochs))
        result = _result("torch_vmap.py", *options)
        return {"epoch": result["epoch"], "accuracy": max(result["accuracies"])}

    ours()  # compiles
    return {SWEEP: ours, VMAP: theirs}


def _steps(leaves: int) -> dict[str, Callable[[], Sample]]:
    import jax

    from experiments.benchmark.suites import decay
    from experiments.benchmark.suites.penalties import make_params

    params = make_params((1000, 500), leaves)
    grads = jax.tree.map(lambda w: w[::-1] + 1e-3, params)
    programs = {name: decay.compiled(o, params) for name, o in decay.OPTIMIZERS.items()}
    ours = {name: decay.steps(name, programs[name], params, grads) for name in programs}
    theirs = functools.partial(_result, "torch_adamw.py", "--device", "cuda", "--leaves", leaves)
    return {**ours, TORCH_ADAMW: theirs, COPIES: functools.partial(_copies, params)}


def _step_columns() -> tuple[Column, ...]:
    from experiments.benchmark.suites.decay import ADAMW

    return (
        Column("a step", "ms", unit=" ms"),
        Column("to optax.adamw", "ms", ADAMW),
        Column("to the bound", "ms", COPIES),
    )


def _copies(params: list[Any]) -> Sample:
    """Milliseconds of 3.5 copies, from the fastest of some."""
    import jax
    import jax.numpy as jnp

    copied = jax.jit(lambda trees: jax.tree.map(jnp.negative, trees))
    times = []
    for _ in range(10):
        started = time.perf_counter()
        jax.block_until_ready(copied(params))
        times.append(time.perf_counter() - started)
    return {"ms": 3.5e3 * min(times)}


def _result(script: str, *options: object) -> Any:
    command = [sys.executable, str(PEERS / script), *map(str, options)]
    return json.loads(run_process(command, cwd=ROOT).output.splitlines()[-1])

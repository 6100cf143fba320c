"""The networks of the main job against the same in PyTorch, as whole processes.

Both train the same network: `peers/torch_models.py` draws the same weights and the same batches, so
that the losses beside the times show that the work is the same. Each sample is one process, from
start to exit, with evaluation after every epoch; the steady epoch is the median of those after the
first. PyTorch runs without and with `torch.compile`, both with as many threads as the former is
fastest with; all programs are compiled anew for each sample, as for one who starts such a training.
"""

from __future__ import annotations

import functools
import gzip
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.benchmark.suites import ROOT, Recorder
from experiments.benchmark.suites.main import sample_jaxreg, sample_peer
from experiments.benchmark.tables import Column, Target, as_json, table, target_table
from experiments.benchmark.timing import Sample, Spread, Timings, interleave, run_process
from experiments.config import ConfigError
from experiments.formatting import fixed, in_seconds, significant

PACKAGES = ()
RATES = {"mlp": 0.001, "cnn": 0.001, "rnn": 0.002, "transformer": 0.002}
"""The networks, each with its learning rate of Adam, followed by a half cosine."""
PEER = "torch_models.py"
OURS, SPLIT = "jaxreg", "jaxreg, two devices"
EAGER, COMPILED = "PyTorch", "PyTorch, torch.compile"
EPOCHS, FEWER = 3, 10
COLUMNS = (
    Column("steady epoch", "epoch"),
    Column("to jaxreg", "epoch", OURS),
    Column("whole process", "process"),
    Column("to jaxreg", "process", OURS),
    Column("last loss", "loss", unit="", decimals=4),
    Column("accuracy", "accuracy", unit=" %", decimals=2),
)
OTHERS = {"two devices": SPLIT, "PyTorch": EAGER, "`torch.compile`": COMPILED}
Contenders = Mapping[str, Callable[[], Sample]]


def run(
    repeats: int, quick: bool, console: Console, record: Recorder, *, peers: Path | None = None
) -> dict[str, object]:
    """Measures, prints the tables, and returns what is to be saved.

    Args:
      repeats: rounds, in each of which every contender runs once.
      quick: a tenth of the training and of the test images, and no `torch.compile`, which takes a
        minute to compile.
      console: where to print.
      record: called with each sample as soon as it is there.
      peers: the interpreter that has PyTorch; this one if None.

    Raises:
      ConfigError: if PyTorch is not installed there.
    """
    python = str(peers or sys.executable)
    version = torch_of(python)
    results: dict[str, object] = {"epochs": EPOCHS, "torch": version}
    with tempfile.TemporaryDirectory() as place:
        folder = fewer(ROOT / "experiments" / "assets" / "mnist", Path(place), FEWER * quick or 1)
        for model in RATES:
            threads = _fastest(model, python, folder, console)
            theirs = _peers(model, python, folder, threads)
            if quick:
                del theirs[COMPILED]
            contenders = {**_ours(model, folder), **theirs}
            results[model] = {
                "threads": threads,
                **_measured(model, contenders, repeats, console, record),
            }
    return results


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """Writes the table in Markdown."""
    (folder / "models.md").write_text(markdown(results), encoding="utf-8")


def markdown(results: Mapping[str, Any]) -> str:
    """A row for each network: seconds here, and how many times as long the others take."""
    timings = {name: Timings(results[name]["samples"]) for name in RATES}
    others = {title: name for title, name in OTHERS.items() if name in timings["mlp"].samples}
    head = ("", "epoch", *others, "process", *others, "last loss", "PyTorch's")
    rows = [_row(model, found, others.values()) for model, found in timings.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def _row(model: str, timings: Timings, others: Collection[str]) -> list[str]:
    def measured(measure: str) -> list[str]:
        ratios = [_spread(timings.ratio(measure, other, OURS), "×") for other in others]
        return [_spread(timings.spread(measure, OURS), " s"), *ratios]

    losses = [fixed(timings.spread("loss", name).median, 4) for name in (OURS, EAGER)]
    return [f"`{model}`", *measured("epoch"), *measured("process"), *losses]


def _spread(found: Spread, unit: str) -> str:
    """Of one round the value alone."""
    alone = found.low == found.high
    return f"{significant(found.median)}{unit}" if alone else found.show(unit)


def torch_of(python: str, suite: str = "models") -> str:
    """The version of PyTorch of an interpreter, for a suite.

    Raises:
      ConfigError: if it has none.
    """
    program = "import importlib.metadata as m; print(m.version('torch'))"
    try:
        return run_process([python, "-c", program]).output.strip()
    except (RuntimeError, OSError):
        raise ConfigError(
            f"--suite {suite}: expected torch to be installed for {python}, but it is missing; "
            f"make an environment, pip install torch, and name its Python by --peers"
        ) from None


def fewer(source: Path, folder: Path, by: int) -> Path:
    """The first of the images of a folder of idx files: one for every ``by``."""
    for file in source.glob("*-ubyte.gz"):
        data = gzip.decompress(file.read_bytes())
        head, count = 4 + 4 * data[3], int.from_bytes(data[4:8]) // by
        size = count * ((len(data) - head) // int.from_bytes(data[4:8]))
        cut = data[:4] + count.to_bytes(4) + data[8 : head + size]
        (folder / file.name).write_bytes(gzip.compress(cut, 1))
    return folder


def _measured(
    model: str, contenders: Contenders, rounds: int, console: Console, record: Recorder
) -> dict[str, object]:
    """Samples in turns, and the tables of them."""

    def on_sample(name: str, sample: Sample) -> None:
        record({"event": "sample", "model": model, "contender": name, **sample})
        times = f"epoch {in_seconds(sample['epoch'], 2)}, process {in_seconds(sample['process'])}"
        console.print(f"{model}: {name}: {times}", style="dim", highlight=False)

    timings = interleave(contenders, rounds, on_sample=on_sample)
    peers = [name for name in (EAGER, COMPILED) if name in contenders]
    targets = [Target(each, peer, OURS, 1.0) for each in ("epoch", "process") for peer in peers]
    console.print(table(model, timings, COLUMNS), target_table(timings, targets))
    return as_json(timings, COLUMNS, targets)


def _ours(model: str, folder: Path) -> Contenders:
    settings = f"--optimizer adam --schedule cosine --learning-rate {RATES[model]}"
    options = ("--model", model, *settings.split(), "--data", f"idx:{folder}", "--platform", "cpu")
    cold = (*options, "--no-compilation-cache")
    return {
        name: functools.partial(sample_jaxreg, EPOCHS, (*cold, *more), {})
        for name, more in ((OURS, ()), (SPLIT, ("--devices", "2")))
    }


def _peer(model: str, python: str, folder: Path, epochs: int, *options: str) -> Sample:
    """One process of PyTorch; with a folder of its own for what it compiles."""
    settings = f"--model {model} --learning-rate {RATES[model]}"
    with tempfile.TemporaryDirectory() as cache:
        command = (PEER, *settings.split(), "--images", str(folder), *options)
        fresh = {"TORCHINDUCTOR_CACHE_DIR": cache}
        return sample_peer(command, epochs, python=python, environment=fresh)


def _peers(model: str, python: str, folder: Path, threads: int) -> dict[str, Callable[[], Sample]]:
    common = model, python, folder, EPOCHS, "--threads", str(threads)
    return {
        EAGER: functools.partial(_peer, *common),
        COMPILED: functools.partial(_peer, *common, "--compile"),
    }


def _fastest(model: str, python: str, folder: Path, console: Console) -> int:
    """Threads with which PyTorch's second epoch is shorter."""
    seconds = {
        threads: _peer(model, python, folder, 2, "--threads", str(threads))["epoch"]
        for threads in (1, 2)
    }
    texts = (f"{threads}: {in_seconds(s, 2)}" for threads, s in seconds.items())
    console.print(f"{model}: {EAGER}: an epoch by threads, {', '.join(texts)}", style="dim")
    return min(seconds, key=seconds.__getitem__)

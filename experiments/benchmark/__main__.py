"""`python -m experiments.benchmark`: speed against the peers, as ratios measured in one run.

It needs the packages that it compares with: pip install ".[benchmark]".
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console

from experiments.command import run_command
from experiments.config import ConfigError
from experiments.provenance import PACKAGES, conditions
from experiments.records import append, open_folder, write_config

# Each is a module of the folder suites with PACKAGES and run, and draw if it has a picture.
Suite = Literal["main", "models", "penalties", "decay", "sweep", "solve", "tune", "gpu", "large"]
WITH_PEERS = ("models", "solve", "tune")
"""Those whose peers may be installed in another environment."""


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """Measures jaxreg and other frameworks in turns, and shows times as ratios with their spread.

    It needs the packages that it compares with: pip install ".[benchmark]".
    """

    suite: Suite = "main"
    """What to measure. main: the whole main job against PyTorch and scikit-learn; models: its
    networks against the same in PyTorch, 20 minutes a round; penalties: what a penalty
    adds, in memory passes, time and compilation; decay: what decay adds to a step;
    sweep: many trainings at once against PyTorch; solve: Lasso paths against scikit-learn, celer,
    skglm and jaxopt; tune: λ chosen by 300 trainings, in closed form and along Lasso paths, against
    scikit-learn and PyTorch; gpu: main job, sweep and AdamW on an NVIDIA GPU, against PyTorch
    there; large: 10,000 trainings, 1,000 epochs, 2,000 leaves and 500 million parameters, on one
    device and on eight, beside nobody: what memory they take."""

    repeats: int = 5
    """Rounds; in each, every contender runs once."""

    quick: bool = False
    """One short round without a search for the peers' best settings: shows that everything runs."""

    peers: Path | None = None
    """The Python interpreter in whose environment the peers of --suite models, solve or tune (of
    tune PyTorch alone) are installed; this one if not given."""

    output: Path | None = None
    """Folder of the results; runs/benchmark/TIME if not given."""


def main(config: BenchmarkConfig) -> None:
    """Runs one suite, prints its tables and writes config.json, records.jsonl and results.json."""
    suite = importlib.import_module(f"experiments.benchmark.suites.{config.suite}")
    check(config, suite.PACKAGES)
    folder = open_folder("benchmark", config.output)
    facts = {"machine": conditions((*PACKAGES, "torch", "scikit-learn"))}
    write_config(folder, "benchmark", config, facts)
    console = Console()
    rounds = 1 if config.quick else config.repeats
    run = suite.run if config.peers is None else functools.partial(suite.run, peers=config.peers)
    results = run(rounds, config.quick, console, functools.partial(append, folder))
    content = {"suite": config.suite, "quick": config.quick, **facts, **results}
    (folder / "results.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if hasattr(suite, "draw"):
        suite.draw(results, folder)
    console.print(f"Saved {folder}/ (config.json, records.jsonl, results.json)")


def check(config: BenchmarkConfig, packages: Sequence[str]) -> None:
    """Stops before anything runs if the settings cannot be measured.

    Args:
      config: the settings.
      packages: what the suite needs, by the names that are imported.

    Raises:
      ConfigError: if there is no round to run or a package is missing.
    """
    if config.repeats < 1:
        raise ConfigError(
            f"--repeats: expected at least 1 round, got {config.repeats}; 5 show the spread"
        )
    if config.peers is not None and config.suite not in WITH_PEERS:
        raise ConfigError(
            f"--peers: expected beside --suite {', '.join(WITH_PEERS[:-1])} or {WITH_PEERS[-1]}, "
            f"got --suite {config.suite}; leave it out"
        )
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--suite {config.suite}: expected {', '.join(packages)} to be installed, "
            f'but {", ".join(missing)} is missing; pip install ".[benchmark]"'
        )


if __name__ == "__main__":
    run_command("benchmark", main, BenchmarkConfig)

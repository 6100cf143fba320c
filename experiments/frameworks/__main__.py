"""`python -m experiments.frameworks`: the same regularized training from five frameworks.

Each is a file to copy from; frameworks are imported when their turn comes.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.command import run_command
from experiments.config import ConfigError
from experiments.formatting import fixed, general, scientific
from experiments.records import append, open_folder, write_config

COMMAND = "frameworks"
Name = Literal["dict", "nnx", "equinox", "haiku", "keras"]


class Framework(NamedTuple):
    """What it is imported as, and installed as; its example is the file ``with_NAME``."""

    package: str
    distribution: str


FRAMEWORKS: dict[Name, Framework] = {
    "dict": Framework("jax", "jax"),
    "nnx": Framework("flax", "flax"),
    "equinox": Framework("equinox", "equinox"),
    "haiku": Framework("haiku", "dm-haiku"),
    "keras": Framework("keras", "keras"),
}


@dataclasses.dataclass(frozen=True)
class FrameworksConfig:
    """Trains one regression from each framework, in three ways, and audits its optimizer.

    L2 in the loss, decay beside the step that spares the bias, L1 by its prox: experiments/
    frameworks/with_NAME.py is what to copy from.
    """

    frameworks: tuple[Name, ...] = ()
    """Those to train with; all that are installed if none is given."""

    output: Path | None = None
    """Folder of this run; runs/frameworks/TIME if not given."""


def main(config: FrameworksConfig) -> None:
    """Trains, prints where each ended and what the auditor says, and writes the records."""
    names, console = chosen(config.frameworks), Console()
    folder = open_folder(COMMAND, config.output)
    write_config(folder, COMMAND, config, {})
    found = []
    for name in names:
        records = [{"event": "framework", "framework": name, **record} for record in results(name)]
        for record in records:
            append(folder, record)
        found += [record for record in records if "run" in record]
        console.print(_table(name, records), records[-1]["audit"], highlight=False, soft_wrap=True)
    console.print(f"\nThe same weights from all, up to {scientific(apart(found), 1)}.")
    console.print(f"Saved {folder}/ (config.json, records.jsonl)", highlight=False, soft_wrap=True)


def chosen(names: tuple[Name, ...]) -> tuple[Name, ...]:
    """Those named, or all that are installed.

    Raises:
      ConfigError: if one that was named is not installed.
    """
    there = {name: importlib.util.find_spec(f.package) for name, f in FRAMEWORKS.items()}
    missing = [FRAMEWORKS[name].distribution for name in names if there[name] is None]
    if missing:
        raise ConfigError(
            f"--frameworks: expected frameworks that are installed, got {', '.join(names)}; "
            f"pip install {' '.join(missing)}"
        )
    return tuple(dict.fromkeys(names)) or tuple(name for name in FRAMEWORKS if there[name])


def results(name: Name) -> list[dict[str, Any]]:
    """What the example of a framework gives: its runs, then what the auditor says."""
    example = example_of(name)
    rows = [{"run": run, **ended(*result)} for run, result in example.runs().items()]
    audit = example.audited()
    forms = [
        {"name": leaf.name, "form": leaf.form, "coefficient": leaf.coefficient}
        for leaf in audit.leaves
    ]
    return [*rows, {"leaves": forms, "audit": str(audit)}]


def example_of(name: Name) -> ModuleType:
    """The file of a framework.

    Raises:
      ConfigError: if Keras computes with something else than JAX.
    """
    example = importlib.import_module(f"experiments.frameworks.with_{name}")
    if name == "keras" and (backend := sys.modules["keras"].config.backend()) != "jax":
        raise ConfigError(
            f"--frameworks: expected Keras to compute with JAX, got {backend}; "
            f"set KERAS_BACKEND=jax"
        )
    return example


def ended(params: Any, loss: float) -> dict[str, Any]:
    """Weights and biases that a run ended at, whatever tree they are in."""
    import jax
    import numpy as np

    from jaxreg import biases, weights

    arrays = [np.ravel(leaf) for leaf in jax.tree.leaves(params) if np.ndim(leaf)]
    parts = {"weights": weights, "bias": biases}
    masks = {part: jax.tree.leaves(rule.mask(params)) for part, rule in parts.items()}
    kept = {
        part: np.concatenate([a for a, flag in zip(arrays, mask, strict=True) if flag]).tolist()
        for part, mask in masks.items()
    }
    return {**kept, "loss": loss}


def apart(records: list[Mapping[str, Any]]) -> float:
    """The largest difference of a weight or bias from that of the first framework."""
    first: dict[str, list[float]] = {}
    largest = 0.0
    for record in records:
        numbers = [*record["weights"], *record["bias"]]
        others = first.setdefault(record["run"], numbers)
        largest = max(largest, *(abs(a - b) for a, b in zip(numbers, others, strict=True)))
    return largest


def _table(name: Name, records: list[dict[str, Any]]) -> Table:
    table = Table(
        box=box.SIMPLE, title=f"experiments/frameworks/with_{name}.py", title_justify="left"
    )
    for heading in ("run", "weights", "bias", "loss"):
        table.add_column(heading)
    for record in records:
        if "run" in record:
            columns = (_numbers(record["weights"]), _numbers(record["bias"]))
            table.add_row(record["run"], *columns, fixed(record["loss"], 4))
    return table


def _numbers(values: list[float]) -> str:
    return "  ".join(general(value, 3) for value in values)


if __name__ == "__main__":
    run_command(COMMAND, main, FrameworksConfig)

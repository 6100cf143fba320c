"""How far it goes: thousands of trainings, epochs and leaves, hundreds of millions of parameters.

Every part runs in a process of its own (`experiments.benchmark.large`), one after the other. What
is long should hold as much memory at its end as at its beginning; what is large should hold what
its results need, and over eight devices each should hold its share. The largest part holds some
six gigabytes; Linux is needed, where a process can read what it holds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.benchmark.large import PARTS
from experiments.benchmark.suites import ROOT, Recorder
from experiments.benchmark.timing import run_process
from experiments.formatting import in_seconds

PACKAGES = ("sklearn",)
TITLES = ("what", "how much", "time", "memory", "over time, or over devices")
PROGRAM = "from experiments.benchmark.large import print_part; print_part({!r}, {!r}, {!r})"


def run(repeats: int, quick: bool, console: Console, record: Recorder) -> dict[str, object]:
    """Measures, prints the table, and returns what is to be saved.

    Args:
      repeats: not used: memory is the same each time.
      quick: hundreds instead of thousands, millions instead of hundreds of millions.
      console: where to print.
      record: called with each row as soon as it is there.
    """
    del repeats
    rows: list[Mapping[str, Any]] = []
    for module, parts in PARTS.items():
        for part in parts:
            with console.status(f"{module}, {part}"):
                found = _rows(module, part, quick)
            for row in found:
                record({"event": "row", "part": part, **row})
            rows += found
    console.print(_table(rows))
    return {"rows": rows}


def _rows(module: str, part: str, quick: bool) -> list[Mapping[str, Any]]:
    command = [sys.executable, "-c", PROGRAM.format(module, part, quick)]
    output = run_process(command, cwd=ROOT, environment={"JAX_PLATFORMS": "cpu"}).output
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """Writes the table as Markdown."""
    (folder / "large.md").write_text(markdown(results), encoding="utf-8")


def markdown(results: Mapping[str, Any]) -> str:
    """The table, as the README of the experiments has it."""
    lines = [TITLES, ["---"] * len(TITLES), *map(cells, results["rows"])]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    result = Table(*TITLES)
    for row in rows:
        result.add_row(*cells(row))
    return result


def cells(row: Mapping[str, Any]) -> list[str]:
    """One line of the table."""
    return [row["what"], row["size"], in_seconds(row["seconds"]), _memory(row), _course(row)]


def _memory(row: Mapping[str, Any]) -> str:
    if "peak" in row:
        return f"{row['peak']:.0f} MB at most"
    if "arguments" in row:
        return f"{row['temporary']:.2f} of a share beside it"
    if "times" in row:
        return f"{row['times']:.2f} × the parameters beside them"
    return f"{row['held']:.0f} MB"


def _course(row: Mapping[str, Any]) -> str:
    if "share" in row or "arguments" in row:
        gathered = row["all-gather"] + row["all-to-all"] + row["collective-permute"]
        part = f"{row['arguments']:.2f} of a share in"
        part += f", {row['share']:.2f} out" if "share" in row else ""
        return f"{part}; {gathered} gathers, {row['all-reduce']} sums"
    return _grown(row) if "early" in row else ""


def _grown(row: Mapping[str, Any]) -> str:
    return f"{row['early']:.0f} → {row['late']:.0f} MB"

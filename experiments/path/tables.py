"""Tables for the terminal: what will be trained, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from experiments.formatting import in_seconds, percent, scientific
from experiments.path.config import Curve
from experiments.path.content import PathContent
from experiments.path.penalties import PENALTIES

HEADINGS = {"mlp": "the network", "regression": "regression"}
TIGHT = (0, 1, 0, 0)


def plan(
    curves: Sequence[Curve], seeds: int, seconds: Sequence[float], known: Mapping[str, int]
) -> Table:
    """One row for each program that will be compiled, below the network that it trains."""
    table = Table(box=box.SIMPLE, title="What will be trained", title_justify="left", padding=TIGHT)
    table.add_column("penalty")
    table.add_column("formula")
    for name in ("λ from", "to", "λ × seeds", "steps", "about"):
        table.add_column(name, justify="right")
    heading = ""
    for curve, estimate in zip(curves, seconds, strict=True):
        if heading != (heading := HEADINGS[curve.network]):
            table.add_row(heading, style="bold")
        row, strengths = PENALTIES[curve.penalty], curve.strengths
        steps = f"{curve.setup.steps:,}" if curve.network == "mlp" else "to the end"
        ends = (scientific(strengths[0]), scientific(strengths[-1]))
        size = f"{len(strengths)} × {seeds}{f' − {known[curve.id]:,}' if known[curve.id] else ''}"
        table.add_row(f"  {row.title}", row.formula, *ends, size, steps, in_seconds(estimate))
    return table


def example(records: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each program that solved scikit-learn's example."""
    title = "Multinomial L1 on 5,000 digits: scikit-learn's C = 0.01, jaxreg's λ = 0.02"
    table = Table(box=box.SIMPLE, title=title, title_justify="left", padding=TIGHT)
    table.add_column("program")
    for name in ("rounds", "zeros", "accuracy", "largest difference", "same zeros"):
        table.add_column(name, justify="right")
    for record in records:
        share = [percent(record[name], 2, " %") for name in ("zeros", "accuracy", "same_zeros")]
        difference = scientific(record["difference"], 2) or "0"
        table.add_row(record["program"], f"{record['rounds']:,}", *share[:2], difference, share[2])
    return table


def choices(content: PathContent) -> Table:
    """A row for each path: at the λ that validation chooses, and at the highest nearly as good."""
    title = (
        "Test accuracy and gain in % ± 95 % at the λ that validation chooses;\n"
        "what is left at the highest λ that costs validation at most half a point"
    )
    table = Table(box=box.SIMPLE, title=title, title_justify="left", padding=TIGHT)
    table.add_column("penalty")
    for name in ("λ", "accuracy", "gain", "up to λ", "zeros", "live", "rank"):
        table.add_column(name, justify="right")
    heading = ""
    for choice in content["choices"]:
        if heading != (heading := HEADINGS[choice["network"]]):
            table.add_row(heading, style="bold")
        names = ("chosen", "accuracy", "gain", "sparse", "zeros", "live", "rank")
        table.add_row(f"  {choice['penalty']}", *(choice[name] for name in names))
    return table

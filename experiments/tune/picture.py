"""The study as a PNG: the curve, what each way chooses, and what that reaches. Imports no jax."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.axes import logarithmic
from experiments.tune.content import Content, CurveContent, RowContent

COLOURS: dict[str, str] = {
    "cv": "#0072B2",
    "bayesian": "#D55E00",
    "random": "#E69F00",
    "sobol": "#009E73",
    "hypergradient": "#CC79A7",
    "ridge": "#56B4E9",
    "evidence": "#6b7280",
}
"""Distinct without colour vision."""
MARKS = ("o", "s", "^", "D")
QUIET = "#6b7280"
COLUMN, HEIGHT = 5.0, 3.6
"""Inches."""


def draw(content: Content, path: Path) -> None:
    """The losses over λ with what searches tried; every seed's λ, one line for each way and its
    interval; test losses with 95 % intervals. Panels of which nothing is known are left out.

    Args:
      content: as `describe` gives it.
      path: the file to write.
    """
    network = [row for row in content["rows"] if row["subject"] == "the network"]
    closed = [row for row in content["rows"] if row["subject"] != "the network"]
    panels = []
    if content["validation"] or content["traces"]:
        panels.append(lambda axes: _losses(axes, content))
    panels += [lambda axes, rows=rows: _choices(axes, rows) for rows in (network, closed) if rows]
    if any(row["reached"] for row in network):
        panels.append(lambda axes: _reached(axes, network, content["bare"]))
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(COLUMN * columns, HEIGHT * rows), layout="constrained")
    figure.set_facecolor("white")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid, panels, strict=False):
        panel(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    figure.savefig(path, dpi=150)


def _losses(axes: Axes, content: Content) -> None:
    axes.set_title("the network, losses", fontsize=10, loc="left", pad=30)
    curve = content["validation"]
    if curve is not None:
        style = {"color": COLOURS["cv"], "marker": ".", "linewidth": 1.4, "capsize": 2}
        label = "validation, first seed"
        axes.errorbar(curve["strengths"], curve["values"], curve["errors"], label=label, **style)
        _interval(axes, content)
    methods = {row["title"]: row["method"] for row in content["rows"]}
    for trace, mark in zip(content["traces"], MARKS, strict=False):
        known = [
            (x, y)
            for x, y in zip(trace["strengths"], trace["scores"], strict=True)
            if y is not None
        ]
        points = list(zip(*known, strict=True))
        colour = COLOURS[methods[trace["title"]]]
        axes.plot(*points, mark, color=colour, markersize=3.5, alpha=0.8, label=trace["title"])
    test = content["test"]
    if test is not None:
        _line(axes, test)
    axes.set_xscale("log")
    axes.set_xlabel("λ", fontsize=9)
    axes.set_ylabel("mean cross-entropy", fontsize=9)
    above = {"loc": "lower left", "bbox_to_anchor": (0, 0.98), "ncols": 3}
    axes.legend(frameon=False, fontsize=7, **above)


def _line(axes: Axes, test: CurveContent) -> None:
    label = "test, mean of seeds"
    axes.plot(test["strengths"], test["values"], "--", color=QUIET, linewidth=1.2, label=label)


def _interval(axes: Axes, content: Content) -> None:
    (own,) = [row for row in content["rows"] if row["method"] == "cv"]
    if own["interval"] is not None:
        axes.axvspan(*own["interval"], color=COLOURS["cv"], alpha=0.1, linewidth=0)


def _choices(axes: Axes, rows: list[RowContent]) -> None:
    """A dot for each seed; the line is the interval of one standard error."""
    of_network = rows[0]["subject"] == "the network"
    title = "λ for the network" if of_network else "λ for least squares"
    axes.set_title(title, fontsize=10, loc="left")
    for place, row in enumerate(rows):
        colour = COLOURS[row["method"]]
        if row["interval"] is not None:
            axes.plot(row["interval"], [place, place], color=colour, linewidth=5, alpha=0.25)
        axes.plot(row["chosen"], [place] * len(row["chosen"]), "o", color=colour, markersize=4)
    names = [
        row["title"] if of_network else f"{row['title']},\n{row['subject'].rpartition(' ')[2]}"
        for row in rows
    ]
    _names(axes, names)
    logarithmic(axes)
    axes.set_xlabel("λ, a dot for each seed", fontsize=9)


def _reached(axes: Axes, rows: list[RowContent], bare: float | None) -> None:
    axes.set_title("test loss reached", fontsize=10, loc="left")
    known = [(row, row["reached"]) for row in rows if row["reached"] is not None]
    for place, (row, (value, low, high)) in enumerate(known):
        colour = COLOURS[row["method"]]
        axes.plot([low, high], [place, place], color=colour, linewidth=1.4)
        axes.plot(value, place, "o", color=colour, markersize=5)
    _names(axes, [row["title"] for row, _ in known])
    if bare is not None:
        label = "without a penalty"
        axes.axvline(bare, color=QUIET, linewidth=0.9, linestyle=":", label=label)
        axes.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 0.98))
        axes.set_title("test loss reached", fontsize=10, loc="left", pad=18)
    axes.set_xlabel("mean cross-entropy, 95 %", fontsize=9)


def _names(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)

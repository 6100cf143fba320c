"""The study as a PNG: losses against decay, and the time scales of the best. Imports no jax."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.axes import logarithmic
from experiments.formatting import general
from experiments.language.content import Content, NumberContent, ProgramContent, RowContent

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
"""Distinct without colour vision."""
COLUMN, HEIGHT = 3.7, 3.6
"""Inches."""


def draw(content: Content, path: Path) -> None:
    """Of each width the test loss against decay, a line for each learning rate; of the texts
    likewise, and the time scale of each best decay. Bars are 95 % intervals, large dots
    what validation chooses, dotted lines what there is without decay.

    Args:
      content: as `describe` gives it.
      path: the file to write.
    """
    programs = content["programs"]
    first = programs[0]
    widths = [p for p in programs if p["characters"] == first["characters"]]
    texts = [p for p in programs if p["width"] == first["width"]]
    several = len(texts) > 1
    count = len(widths) + 1 + several
    figure = Figure(figsize=(COLUMN * count, HEIGHT), layout="constrained")
    figure.set_facecolor("white")
    axes = figure.subplots(1, count, squeeze=False)[0]
    for own, program in zip(axes, widths, strict=False):
        own.set_title(program["title"], fontsize=10, loc="left")
        for row in program["rows"]:
            _line(own, row, f"η = {general(row['learning_rate'])}")
    if several:
        _texts(axes[len(widths)], texts)
    _times(axes[-1], programs)
    for own in axes:
        own.spines[["top", "right"]].set_visible(False)
        own.tick_params(labelsize=8)
        if own.get_legend_handles_labels()[0]:
            own.legend(frameon=False, fontsize=8)
    note = "Large dots: what validation chooses. Dotted: without decay."
    figure.supxlabel(note, fontsize=8, color="#6b7280")
    figure.savefig(path, dpi=150)


def _texts(axes: Axes, texts: list[ProgramContent]) -> None:
    """One learning rate for every text: that of which all have a row."""
    axes.set_title(f"width {texts[0]['width']}, by text", fontsize=10, loc="left")
    known = [{row["learning_rate"] for row in program["rows"]} for program in texts]
    shared = set.intersection(*known)
    for program in sorted(texts, key=lambda program: program["characters"]):
        for row in program["rows"]:
            if row["learning_rate"] in shared:
                _line(axes, row, f"{program['characters']:,}")


def _line(axes: Axes, row: RowContent, label: str) -> None:
    """Test losses at decays above 0, what validation chooses as a dot; a dotted line without."""
    colour = COLOURS[len(axes.get_legend_handles_labels()[0]) % len(COLOURS)]
    shown = [(r, n) for r, n in zip(row["rates"], row["test"], strict=True) if r > 0]
    x, numbers = [r for r, _ in shown], [n for _, n in shown]
    axes.plot(x, [_value(n) for n in numbers], color=colour, label=label, marker=".", linewidth=1.5)
    chosen = row["rates"][row["chosen"]]
    if chosen > 0:
        axes.plot(chosen, _value(row["test"][row["chosen"]]), "o", color=colour, markersize=7)
    if row["rates"][0] == 0:
        bare = _value(row["test"][0])
        axes.axhline(bare, color=colour, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlabel("decay per step ω", fontsize=9)
    axes.set_ylabel("test loss, bits per character", fontsize=9)


def _times(axes: Axes, programs: list[ProgramContent]) -> None:
    """τ of each best decay in epochs, program by program."""
    axes.set_title("best τ, in epochs", fontsize=10, loc="left")
    rows = [(program, row) for program in programs for row in program["rows"]]
    names = [f"{p['title']}\nη = {general(r['learning_rate'])}" for p, r in rows]
    for place, (_, row) in enumerate(rows):
        time = row["time"]
        if time["value"] is None:
            continue
        low, high = _ends(time)
        axes.plot([low, high], [place, place], color="#6b7280", linewidth=1.4)
        axes.plot(time["value"], place, "o", color=COLOURS[0], markersize=5)
    axes.axvline(1.0, color="#6b7280", linewidth=0.8, linestyle=":")
    logarithmic(axes)
    axes.set_xlabel("epochs (dotted: one), 95 %", fontsize=9)
    axes.set_yticks(range(len(rows)), names, fontsize=6.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)


def _value(number: NumberContent) -> float:
    return float("nan") if number["value"] is None else number["value"]


def _ends(number: NumberContent) -> tuple[float, float]:
    value = _value(number)
    low, high = number["low"], number["high"]
    return (value if low is None else low), (value if high is None else high)

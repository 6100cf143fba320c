"""The paths as a PNG: accuracy, exact zeros and live units against λ. Imports no jax."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.path.content import CurveContent, NumberContent, PathContent

COLOURS = {
    "l2": "#0072B2",
    "l1_subgradient": "#CC79A7",
    "l1": "#D55E00",
    "elastic_net": "#E69F00",
    "group_lasso": "#009E73",
    "nuclear": "#56B4E9",
}
"""Distinct without colour vision."""
ROWS = {
    "test_accuracy": "test accuracy, %",
    "zeros": "exact zeros, %",
    "live": "live units or pixels, %",
}
MARGIN, COLUMN = 0.8, 4.6
"""Of the figure, in inches: its left side, and a network."""
FALL = 25
"""Points of accuracy that are shown below the best: what lies lower is chance."""
NETWORKS = {"mlp": "the network", "regression": "multinomial regression"}


def draw(content: PathContent, path: Path) -> None:
    """A column for each network, a row for each of `ROWS`; bands are 95 % intervals.

    Args:
      content: as `describe` gives it.
      path: the file to write.
    """
    networks = list(dict.fromkeys(curve["network"] for curve in content["curves"]))
    width = MARGIN + len(networks) * COLUMN
    figure = Figure(figsize=(width, 6.6))
    sides = {"left": 0.85 * MARGIN / width, "right": 1 - 0.1 / width, "wspace": 0.12}
    figure.subplots_adjust(bottom=0.07, top=0.955, hspace=0.1, **sides)
    figure.set_facecolor("white")
    places = figure.subplots(len(ROWS), len(networks), squeeze=False, sharex="col")
    for column, network in enumerate(networks):
        curves = [curve for curve in content["curves"] if curve["network"] == network]
        places[0, column].set_title(NETWORKS[network], fontsize=11)
        _zoom(places[0, column], curves)
        for axes, name in zip(places[:, column], ROWS, strict=True):
            for curve in curves:
                _line(axes, curve, name)
            if name != "test_accuracy":
                axes.set_ylim(-4, 104)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_xscale("log")
            axes.tick_params(labelsize=8.5)
        places[-1, column].set_xlabel("strength λ", fontsize=9)
    for axes, label in zip(places[:, 0], ROWS.values(), strict=True):
        axes.set_ylabel(label, fontsize=9)
    places[0, 0].legend(frameon=False, fontsize=8, loc="lower left")
    figure.savefig(path, dpi=150)


def _line(axes: Axes, curve: CurveContent, name: str) -> None:
    """The mean with its interval; a dot where validation chooses."""
    factor = 100 / curve["units"] if name == "live" else 100
    shown = [s for s in curve["strengths"] if s["strength"] > 0]
    x = [each["strength"] for each in shown]
    measures = [each["measures"][name] for each in shown]
    colour, label = COLOURS[curve["penalty"]], curve["title"]
    y = [_scaled(m["value"], factor) for m in measures]
    axes.plot(x, y, color=colour, label=label, linewidth=1.6, marker=".", markersize=4)
    low, high = ([_end(m, end, factor) for m in measures] for end in ("low", "high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    if curve["chosen"] is not None:
        at = curve["strengths"][curve["chosen"]]
        if at["strength"] > 0:
            value = _scaled(at["measures"][name]["value"], factor)
            axes.plot(at["strength"], value, "o", color=colour, markersize=6)


def _zoom(axes: Axes, curves: list[CurveContent]) -> None:
    """Down to `FALL` below the best accuracy, with a line where there is no penalty."""
    shown = [s for curve in curves for s in curve["strengths"]]
    values = [(s["strength"], s["measures"]["test_accuracy"]["value"] or 0.0) for s in shown]
    highest = 100 * max(value for _, value in values)
    axes.set_ylim(max(highest - FALL, 0), highest + 2)
    bare = [100 * value for strength, value in values if strength == 0]
    if bare:
        axes.axhline(bare[0], color="#6b7280", linewidth=0.9, linestyle=":", label="λ = 0")


def _scaled(value: float | None, factor: float) -> float:
    return float("nan") if value is None else factor * value


def _end(measure: NumberContent, end: str, factor: float) -> float:
    value = measure["low"] if end == "low" else measure["high"]
    return _scaled(measure["value"] if value is None else value, factor)

"""The heat maps as a PNG: each regime a row, the same trainings by λ on the left, by ω right."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from experiments.coupling.content import PanelContent, RegimeContent, StudyContent
from experiments.coupling.names import SYMBOL
from experiments.coupling.page.scale import COLOUR_MAP, SPAN, colour_range, edges, finite, ratio
from experiments.decay_form import Axis

TITLES = {"strength": "λ: times the learning rate", "rate": "ω: decay per step"}
GREY = "#b9bfc6"
OUTLINE = [withStroke(linewidth=3.2, foreground="black")]  # seen on any colour of the scale
WIDTH, ROW = 9.0, 2.35  # inches, of which a README shows a hundred pixels each


def heat_maps(study: StudyContent, path: Path) -> None:
    """Draws up to two heat maps of each regime on both axes into a PNG.

    Args:
      study: as `describe` gives it.
      path: the file to write.
    """
    regimes = study["regimes"]
    figure = Figure(figsize=(WIDTH, ROW * len(regimes) + 0.75), layout="constrained")
    figure.set_facecolor("white")
    for part, regime in zip(_rows(figure, len(regimes)), regimes, strict=True):
        _regime(part, regime)
    figure.supxlabel(
        "bright: low validation loss · ring: best of the row · line, slope: upper edge, where the "
        "loss is 1.28 times the row’s best · ×: diverged",
        fontsize=9,
    )
    figure.savefig(path, dpi=200)


def shown(regime: RegimeContent) -> list[PanelContent]:
    """One heat map without and one with Adam, of those that have both views."""
    both = [panel for panel in regime["panels"] if all(panel["labels"].values())]
    adam = [panel for panel in both if panel["optimizer"] == "adam"]
    others = [panel for panel in both if panel["optimizer"] != "adam"]
    return [*others[:1], *adam[:1]]


def _rows(figure: Figure, count: int) -> list[Any]:
    return list(figure.subfigures(count, 1, squeeze=False)[:, 0])


def _regime(part: Any, regime: RegimeContent) -> None:
    low, high = colour_range(regime)
    norm = LogNorm(low, high)
    part.suptitle(f"{regime['name']}: {regime['title']}", fontsize=11, fontweight="bold")
    panels = shown(regime)
    if not panels:
        return
    halves = part.subfigures(1, 3, width_ratios=[1, 1, 0.17])
    for half, axis in zip(halves, SYMBOL, strict=False):
        half.suptitle(TITLES[axis], fontsize=10)
        places = half.subplots(1, len(panels), squeeze=False)[0]
        places[0].set_ylabel("η", rotation=0, fontsize=10)
        for axes, panel in zip(places, panels, strict=True):
            _map(axes, regime, panel, axis, norm)
    _colour_bar(halves[-1], norm, high >= low * SPAN * 0.999)


def _map(axes: Axes, regime: RegimeContent, panel: PanelContent, axis: Axis, norm: LogNorm) -> None:
    heights = edges(panel["learning_rates"])
    factors = [ratio(panel, row, axis) for row in range(len(panel["learning_rates"]))]
    for row, factor in enumerate(factors):
        if factor is not None:
            borders = [factor * border for border in edges(panel["decays"])]
            _row(axes, panel, row, borders, heights[row : row + 2], norm)
    _edge(axes, panel, factors, heights)
    _frame(axes, panel, axis)
    title = f"{panel['title']}{_slope(regime, panel, axis)}"
    axes.set_title(textwrap.fill(title, 32), fontsize=9)


def _row(
    axes: Axes,
    panel: PanelContent,
    row: int,
    borders: list[float],
    height: list[float],
    norm: LogNorm,
) -> None:
    cells = panel["cells"][row]
    losses = [cell["loss"] if cell and finite(cell["loss"]) else math.nan for cell in cells]
    axes.pcolormesh(borders, height, np.array([losses]), cmap=COLOUR_MAP, norm=norm)
    for column, cell in enumerate(cells):
        x, y = (math.sqrt(a * b) for a, b in (borders[column : column + 2], height))
        if cell and cell["diverged"]:
            axes.fill_between(borders[column : column + 2], height[0], height[1], color=GREY)
            axes.plot(x, y, "kx", markersize=4, markeredgewidth=0.9)
        elif column == panel["row_best"][row]:
            _ring(axes, x, y)


def _ring(axes: Axes, x: float, y: float) -> None:
    look = {"markersize": 5.5, "markerfacecolor": "none", "markeredgecolor": "white"}
    axes.plot(x, y, "o", markeredgewidth=1.4, path_effects=OUTLINE, **look)


def _edge(
    axes: Axes, panel: PanelContent, factors: list[float | None], heights: list[float]
) -> None:
    """A staircase through the upper edges, broken where a row has none."""
    x: list[float] = []
    y: list[float] = []
    for row, (decay, factor) in enumerate(zip(panel["edge"], factors, strict=True)):
        x += [decay * factor if decay and factor else math.nan] * 2
        y += heights[row : row + 2]
    axes.plot(x, y, color="white", linewidth=1.6, path_effects=OUTLINE)


def _frame(axes: Axes, panel: PanelContent, axis: Axis) -> None:
    """As many decades on both axes, so that cells only move from one to the other."""
    low, high = _extent(panel, axis)
    span = max(b / a for a, b in (_extent(panel, name) for name in SYMBOL))
    middle, half = math.sqrt(low * high), math.sqrt(span) * 1.03
    rates = panel["learning_rates"]
    heights = edges(rates)
    axes.set(xscale="log", yscale="log", ylim=(heights[0], heights[-1]))
    axes.set_xlim(middle / half, middle * half)
    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_major_locator(FixedLocator(rates[:: -(-len(rates) // 5)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.minorticks_off()
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=8.5, length=2.5, pad=2)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel(SYMBOL[axis], fontsize=10, labelpad=0)


def _extent(panel: PanelContent, axis: Axis) -> tuple[float, float]:
    ends = edges(panel["decays"])
    rows = range(len(panel["learning_rates"]))
    factors = [factor for row in rows if (factor := ratio(panel, row, axis)) is not None]
    return ends[0] * min(factors), ends[-1] * max(factors)


def _slope(regime: RegimeContent, panel: PanelContent, axis: Axis) -> str:
    """The first statistic of the heat map and axis, in one piece."""
    for statistic in regime["statistics"]:
        if (statistic["panel"], statistic["axis"]) == (panel["id"], SYMBOL[axis]):
            return ", " + f"slope {statistic['measured']}".replace(" ", "\u00a0")
    return ""


def _colour_bar(part: Any, norm: LogNorm, more: bool) -> None:
    axes = part.add_axes((0.12, 0.22, 0.16, 0.5))
    bar = part.colorbar(ScalarMappable(norm, COLOUR_MAP), cax=axes)
    low, high = norm.vmin or 1.0, norm.vmax or 1.0
    bar.set_ticks([low, math.sqrt(low * high), high])
    end = f"≥ {high:.2g}" if more else f"{high:.2g}"
    bar.set_ticklabels([f"{low:.2g}", f"{math.sqrt(low * high):.2g}", end], fontsize=8.5)
    bar.ax.minorticks_off()
    bar.ax.invert_yaxis()
    axes.set_title("loss", fontsize=9)

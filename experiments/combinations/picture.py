"""The combinations as a PNG: test errors by place, and against the effective learning rate.

Imports no jax.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.axes import logarithmic
from experiments.combinations.config import TITLES
from experiments.combinations.content import CellContent, Content, ModelContent, NumberContent
from experiments.combinations.penalties import PENALTIES

COLOURS = {
    "none": "#6b7280",
    "l2": "#0072B2",
    "decay": "#56B4E9",
    "l1": "#D55E00",
    "elastic_net": "#E69F00",
    "max_norm": "#009E73",
}
"""Distinct without colour vision."""
MARKERS = {"batchnorm": ("o", "black"), "both": ("s", "white")}
"""Shape and face."""
BARS = (
    "Bars: 95 % of each mean over seeds. What helps is told by differences within seeds, whose "
    "intervals are narrower."
)
ROW, WIDTH = 3.6, 11.0
"""Inches."""


def draw(content: Content, path: Path) -> None:
    """A row for each network: test errors of every penalty by place, with 95 % intervals; those
    beside BatchNorm against the effective learning rate.

    Args:
      content: as `describe` gives it.
      path: the file to write.
    """
    models = content["models"]
    figure = Figure(figsize=(WIDTH, ROW * len(models) + 0.5), layout="constrained")
    figure.set_facecolor("white")
    places = figure.subplots(len(models), 2, squeeze=False, width_ratios=(3, 2))
    for row, model in zip(places, models, strict=True):
        _errors(row[0], model)
        _rates(row[1], model)
        for axes in row:
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8.5)
            axes.set_ylabel("test error, %", fontsize=9)
    places[0, 0].legend(frameon=False, fontsize=8, ncols=2)
    figure.supxlabel(BARS, fontsize=8.5, color="#555555")
    figure.savefig(path, dpi=150)


def _errors(axes: Axes, model: ModelContent) -> None:
    axes.set_title(f"{model['model']}: {model['title']}", fontsize=11, loc="left")
    names = list(dict.fromkeys(cell["penalty"] for cell in model["cells"]))
    for place, name in enumerate(names):
        own = [cell for cell in model["cells"] if cell["penalty"] == name]
        shift = 0.12 * (place - (len(names) - 1) / 2)
        x = [list(TITLES).index(cell["place"]) + shift for cell in own]
        _points(axes, x, own, name, "o", PENALTIES[name].title)
    axes.set_xticks(range(len(TITLES)), list(TITLES.values()))


def _rates(axes: Axes, model: ModelContent) -> None:
    axes.set_title("beside BatchNorm, of layers that it follows", fontsize=10, loc="left")
    axes.set_xlabel("effective learning rate η/‖w‖², mean over the training", fontsize=9)
    shown = [cell for cell in model["cells"] if cell["effective"] and cell["effective"]["value"]]
    for cell in shown:
        marker = MARKERS.get(cell["place"], ("o", ""))[0]
        x = (cell["effective"] or {}).get("value") or float("nan")
        _points(axes, [x], [cell], cell["penalty"], marker, None)
    if shown:
        logarithmic(axes)
        axes.legend(handles=_key({cell["place"] for cell in shown}), frameon=False, fontsize=8)


def _key(places: Collection[str]) -> list[Line2D]:
    """What the shapes mean; the colours are those of the penalties."""
    names = {"batchnorm": "without Dropout", "both": "with Dropout"}
    return [
        Line2D([], [], color="black", marker=shape, markerfacecolor=face, ls="", label=names[place])
        for place, (shape, face) in MARKERS.items()
        if place in places
    ]


def _points(
    axes: Axes, x: list[float], cells: list[CellContent], name: str, marker: str, label: str | None
) -> None:
    values = [_value(cell["error"]) for cell in cells]
    reach = [_reach(cell["error"]) for cell in cells]
    settings = {"color": COLOURS[name], "label": label, "markersize": 5, "capsize": 2}
    face = "white" if marker == "s" else COLOURS[name]
    axes.errorbar(x, values, reach, fmt=marker, markerfacecolor=face, linewidth=1.2, **settings)


def _value(number: NumberContent) -> float:
    return float("nan") if number["value"] is None else number["value"]


def _reach(number: NumberContent) -> float:
    if number["low"] is None or number["high"] is None:
        return 0.0
    return (number["high"] - number["low"]) / 2

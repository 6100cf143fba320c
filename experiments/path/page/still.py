"""The pictures of the page at a few strengths, as a PNG for where no page can be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from experiments.formatting import percent, scientific
from experiments.path.content import CurveContent, PathContent, StrengthContent
from experiments.path.page import words
from experiments.path.page.sheets import Drawn, drawn
from experiments.path.page.write import FOLDER, ordered

SHARES = (0.0, 0.55, 0.66, 0.78)
"""Of the way from the lowest strength to the highest."""
ROWS, COLUMNS = 4, 8
"""Of units in a picture: even steps through their order."""
GAP, LEVELS, FAINT = 2, 15, 0.7
COLOURS = 64


def draw(content: PathContent, weights: Mapping[str, np.ndarray], path: Path) -> Path | None:
    """A row for each penalty of the first network, a column for each of `SHARES`.

    Args:
      content: as `describe` gives it.
      weights: as for `write`.
      path: the file to write.

    Returns:
      The path; None, and nothing is written, if there is nothing to show.
    """
    known = [curve for curve in content["curves"] if curve["id"] in weights]
    own = [curve for curve in known if curve["network"] == known[0]["network"]]
    shown = ordered([c for c in own if c["penalty"] in words.ORDER] or own)
    if not shown:
        return None
    units = drawn({curve["id"]: weights[curve["id"]] for curve in shown})
    figure = Figure(figsize=(10.4, 0.1 + 1.5 * len(shown)), layout="constrained")
    figure.set_facecolor("white")
    panels = figure.subplots(len(shown), len(SHARES), squeeze=False)
    for row, curve in zip(panels, shown, strict=True):
        _row(row, curve, units[curve["id"]])
    figure.savefig(path, dpi=110)
    _with_palette(path)
    return path


def _row(panels: Sequence[Axes], curve: CurveContent, units: Drawn) -> None:
    last = len(curve["strengths"]) - 1
    for axes, share in zip(panels, SHARES, strict=True):
        place = round(share * last)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_title(_told(curve["strengths"][place]), fontsize=8)
        if not np.isnan(units.weights[place]).any():
            axes.imshow(picture(units, place), interpolation="antialiased")
    title = curve["title"][:1].upper() + curve["title"][1:]
    panels[0].set_ylabel(title, fontsize=11, fontweight="bold")


def _told(strength: StrengthContent) -> str:
    """Such as ``λ = 0.001: 92.3 % right, 40.1 % off``."""
    right, zero = (strength["measures"][name]["value"] for name in ("test_accuracy", "zeros"))
    known = [(x, word) for x, word in ((right, "right"), (zero, "off")) if x is not None]
    told = (f"{'none' if x == 0 else percent(x, 1, ' %')} {word}" for x, word in known)
    return f"λ = {scientific(strength['strength'])}: {', '.join(told)}"


def picture(units: Drawn, place: int) -> np.ndarray:
    """Some of the units at a strength, in colours [height, width, 3]."""
    count = min(ROWS * COLUMNS, units.weights.shape[1])
    chosen = np.linspace(0, units.weights.shape[1] - 1, count).round().astype(int)
    steps = units.steps(units.weights[place][chosen], LEVELS)
    coloured = palette()[steps + LEVELS]
    pad = -count % COLUMNS
    framed = np.pad(coloured, ((0, pad), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    rows, height, width = (count + pad) // COLUMNS, *framed.shape[1:3]
    grid = framed.reshape(rows, COLUMNS, height, width, 3).swapaxes(1, 2)
    return grid.reshape(rows * height, COLUMNS * width, 3)


def palette() -> np.ndarray:
    """Colours of the levels, from the most negative on: those of the page in light."""
    against, nearly, off, speaking = map(_colour, ("against", "nearly", "off", "for"))
    shares = (np.arange(LEVELS) / (LEVELS - 1))[:, None] ** FAINT
    up, down = (nearly + shares * (end - nearly) for end in (speaking, against))
    return np.concatenate([down[::-1], off[None], up]).round().astype(np.uint8)


def _colour(name: str) -> np.ndarray:
    """As the style sheet has it first."""
    text = (FOLDER / "page.css").read_text(encoding="utf-8")
    found = re.search(rf"--{name}: #(\w{{6}})", text)
    assert found
    return np.array([int(found[1][at : at + 2], 16) for at in (0, 2, 4)], float)


def _with_palette(path: Path) -> None:
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)

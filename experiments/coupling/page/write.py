"""The page: one file that opens offline. The dictionary it takes is described in `page`."""

from __future__ import annotations

import json
import math
import string
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from plotly import offline

from experiments.coupling.page import sections
from experiments.coupling.page.scale import colour_range

FOLDER = Path(__file__).parent
STYLES = ("../../page/theme.css", "page.css", "maps.css", "tables.css")
SCRIPTS = ("places.js", "heatmap.js", "charts.js", "chosen.js", "page.js")
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""The browser itself refuses whatever would leave the page."""
DIGITS = 5


def write(study: dict[str, Any], path: Path) -> None:
    """Writes a study as a page of its own.

    Args:
      study: as `experiments.coupling.page` has it.
      path: the file to write.
    """
    template = string.Template(_beside("template.html"))
    study = {**study, "regimes": [told_apart(regime) for regime in study["regimes"]]}
    regimes = enumerate(study["regimes"])
    content = template.substitute(
        policy=POLICY,
        title=escape(study["title"]),
        style="\n".join(map(_beside, STYLES)),
        answer=sections.answer(study),
        note=sections.note(study),
        regimes="\n".join(sections.regime(r, place, study["seeds"]) for place, r in regimes),
        comparisons=sections.comparisons(study),
        made=sections.made(study),
        study=embedded({**study, "regimes": [_drawn(regime) for regime in study["regimes"]]}),
        plotly=offline.get_plotlyjs(),
        scripts="\n".join(f"<script>{_beside(name)}</script>" for name in SCRIPTS),
    )
    path.write_text(content, encoding="utf-8")


def told_apart(regime: dict[str, Any]) -> dict[str, Any]:
    """A regime in which every heat map has labels of its own: titles where labels are shared."""
    used = Counter(label for panel in regime["panels"] for label in panel["labels"].values())
    panels = []
    for panel in regime["panels"]:
        labels = {
            axis: panel["title"] if label and used[label] > 1 else label
            for axis, label in panel["labels"].items()
        }
        panels.append({**panel, "labels": labels})
    return {**regime, "panels": panels}


def embedded(content: Any) -> str:
    """JSON that stands inside a script element: no text in it can end that element.

    >>> embedded({"title": "</script>", "loss": float("nan")})
    '{"title":"\\\\u003c/script>","loss":null}'
    """
    text = json.dumps(plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def plain(value: Any) -> Any:
    """``value`` with numbers as a page needs them: few digits, and null for NaN and infinity.

    >>> plain([0.123456789, float("inf"), 7])
    [0.12346, None, 7]
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def _drawn(regime: dict[str, Any]) -> dict[str, Any]:
    return {**regime, "range": colour_range(regime), "colours": sections.colours(33)}


def _beside(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")

"""The page of a study: one file that opens offline."""

from __future__ import annotations

import string
from collections import Counter
from pathlib import Path
from typing import Any

from experiments.coupling.content import PanelContent, RegimeContent, StudyContent
from experiments.coupling.page import sections
from experiments.coupling.page.scale import colour_range
from experiments.decay_form import Axis
from experiments.page import document, parts

FOLDER = Path(__file__).parent
SHARED = document.FOLDER
STYLES = (
    *(SHARED / "theme.css", SHARED / "charts.css", FOLDER / "page.css", FOLDER / "maps.css"),
    SHARED / "tables.css",
)
SCRIPTS = (
    *(SHARED / "elements.js", SHARED / "numbers.js", FOLDER / "places.js", FOLDER / "heatmap.js"),
    *(document.CHARTS, FOLDER / "chosen.js", FOLDER / "page.js"),
)
WITHOUT_SCRIPT = (
    '<noscript><p class="note">The charts need JavaScript. The answer and all tables are here\n'
    "without it.</p></noscript>"
)


def write(study: StudyContent, path: Path) -> None:
    """Writes a study as a page of its own.

    Args:
      study: as `describe` gives it.
      path: the file to write.
    """
    regimes = [with_own_labels(regime) for regime in study["regimes"]]
    data = {**study, "regimes": [_drawn(regime) for regime in regimes]}
    top = parts.header(study["title"], study["answer"], study["note"], WITHOUT_SCRIPT)
    frame = string.Template((FOLDER / "body.html").read_text(encoding="utf-8"))
    main = frame.substitute(
        regimes="\n".join(
            sections.regime_section(regime, place, study["seeds"])
            for place, regime in enumerate(regimes)
        ),
        comparisons=sections.comparisons_table(study),
        made=sections.made_section(study),
    )
    document.write(path, study["title"], f"{top}\n{main}", STYLES, SCRIPTS, data)


def with_own_labels(regime: RegimeContent) -> RegimeContent:
    """A regime in which every heat map has labels of its own: titles where labels are shared."""
    used = Counter(label for panel in regime["panels"] for label in panel["labels"].values())

    def relabelled(panel: PanelContent) -> PanelContent:
        labels: dict[Axis, str | None] = {
            axis: panel["title"] if label and used[label] > 1 else label
            for axis, label in panel["labels"].items()
        }
        return {**panel, "labels": labels}

    return {**regime, "panels": [relabelled(panel) for panel in regime["panels"]]}


def _drawn(regime: RegimeContent) -> dict[str, Any]:
    return {**regime, "range": colour_range(regime), "colours": sections.colours(33)}

"""The page of a path: one file that opens offline."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.page import document, parts
from experiments.page.parts import Markup, html
from experiments.path.content import CurveContent, PathContent
from experiments.path.page import words
from experiments.path.page.sheets import sheets
from experiments.path.penalties import Network

FOLDER = Path(__file__).parent
SHARED = document.FOLDER
STYLES = (
    *(SHARED / "theme.css", SHARED / "charts.css", SHARED / "tables.css"),
    *(FOLDER / "page.css", FOLDER / "panels.css"),
)
SCRIPTS = (
    *(SHARED / "elements.js", SHARED / "numbers.js"),
    *(FOLDER / name for name in ("sheets.js", "graphs.js", "panels.js", "page.js")),
)
WITHOUT_SCRIPT = "The slider needs JavaScript. What came out is here without it."
STILL = "Some of the squares: a row for each penalty, the price rising from left to right."
COLUMNS = (
    *("penalty", "λ chosen", "accuracy, %", "gain", "highest λ", "its accuracy, %"),
    *("exact zeros", "live", "rank"),
)
CAPTION = (
    "The chosen λ is best for images kept apart "
    "to choose by; the highest one costs them at most half a point, and zeros, live units and rank "
    "(how many different patterns the squares are made of) are counted there. The gain is over no "
    "penalty, or over the lowest λ. ± and brackets: 95 % intervals over the seeds."
)


def write(
    content: PathContent,
    weights: Mapping[str, np.ndarray],
    path: Path,
    still: Path | None = None,
) -> None:
    """Writes a path as a page of its own.

    Args:
      content: as `describe` gives it.
      weights: of the first layer, by the id of the curve, as `pictures.unpacked` gives them;
        curves without any have no pictures.
      path: the file to write.
      still: a PNG of `still`, for browsers without scripts.
    """
    shown = ordered(content["curves"])
    networks: list[Network] = list(dict.fromkeys(curve["network"] for curve in shown))
    top = parts.header(words.TITLE, [words.LEAD], content["note"], _without_script(still))
    body = f"""{top}
<main>
{_slider(networks)}
<p class="quiet explained needs-script">{html(words.EXPLAINED)} <span id="square"></span>
{html(words.means(len(content["seeds"])))}</p>
<div id="panels" class="needs-script"></div>
{_outcome(content)}
{_made(content)}
</main>"""
    data = {
        "curves": [_drawn(curve, weights.get(curve["id"])) for curve in shown],
        "sheets": sheets(weights),
        "networks": {name: words.NETWORKS[name] for name in networks},
        "edges": content["edges"],
        "start": start(shown),
    }
    document.write(path, words.TITLE, body, STYLES, SCRIPTS, data)


def ordered(curves: Sequence[CurveContent]) -> list[CurveContent]:
    """As they stand side by side: the best known first, the networks one after the other."""

    def place(curve: CurveContent) -> int:
        known = curve["penalty"] in words.ORDER
        return words.ORDER.index(curve["penalty"]) if known else len(words.ORDER)

    return sorted(curves, key=place)


def start(curves: Sequence[CurveContent]) -> dict[str, float]:
    """Where the slider stands at first, from 0 to 1: where much is off and little is lost."""
    found: dict[str, list[float]] = {}
    for curve in curves:
        last = len(curve["strengths"]) - 1
        if curve["sparse"] is not None and last > 0:
            found.setdefault(curve["network"], []).append(curve["sparse"] / last)
    return {network: statistics.median_high(shares) for network, shares in found.items()}


def _drawn(curve: CurveContent, weights: np.ndarray | None) -> dict[str, Any]:
    """With its sentence and the numbers of its squares and its weights, if they are known."""
    sentence = words.sentence(curve["network"], curve["penalty"])
    squares, count = (0, None) if weights is None else (weights.shape[1], weights[0].size)
    return {**curve, "sentence": sentence, "squares": squares, "weights": count}


def _without_script(still: Path | None) -> Markup:
    picture = "" if still is None else _picture(still.read_bytes())
    return Markup(f'<noscript><p class="note">{WITHOUT_SCRIPT}</p>{picture}</noscript>')


def _picture(png: bytes) -> str:
    url = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    return f'<figure><figcaption>{STILL}</figcaption><img src="{url}" alt="{STILL}"></figure>'


def _slider(networks: Sequence[Network]) -> Markup:
    choices = "".join(
        f'<label><input type="radio" name="network" value="{html(name)}"'
        f"{' checked' if place == 0 else ''}><span>{html(words.NETWORKS[name]['name'])}</span>"
        "</label>"
        for place, name in enumerate(networks)
    )
    switch = f'<fieldset class="switch"><legend>Network</legend>{choices}</fieldset>'
    return Markup(f"""<div class="controls needs-script">
<div class="price">
<label for="slider">Price of the weights</label>
<output for="slider" id="position" aria-live="off"></output>
<div class="rail"><span aria-hidden="true">free</span>
<input id="slider" type="range" min="0" max="0" value="0" step="1" autocomplete="off">
<span aria-hidden="true">too high</span></div>
</div>
{switch if len(networks) > 1 else ""}
<ul class="key">
<li><i class="for"></i>looks for bright here</li>
<li><i class="against"></i>looks for dark here</li>
<li><i class="nearly"></i>hardly looks here</li>
<li><i class="off"></i>switched off: the weight is exactly zero</li>
</ul>
</div>""")


def _outcome(content: PathContent) -> Markup:
    sentences = "\n".join(f"<p>{html(sentence)}</p>" for sentence in content["answer"])
    tables = "\n".join(_table(content, name) for name in words.NETWORKS)
    return Markup(f"""<section class="outcome"><h2>What came out</h2>
{sentences}
{tables}
</section>""")


def _table(content: PathContent, network: Network) -> Markup:
    names: Any = (
        *("penalty", "chosen", "accuracy", "gain", "sparse", "sparse_accuracy"),
        *("zeros", "live", "rank"),
    )
    own = [row for row in content["choices"] if row["network"] == network]
    table = parts.table(COLUMNS, [[row[name] for name in names] for row in own], CAPTION)
    heading = f"<h3>{html(words.NETWORKS[network]['name'])}</h3>"
    return Markup(f'<section class="numbers-table">{heading}{table}</section>' if table else "")


def _made(content: PathContent) -> Markup:
    rows = parts.made(content["made"])
    return Markup(f'<section class="numbers-table"><h2>How it was made</h2>{rows}</section>')

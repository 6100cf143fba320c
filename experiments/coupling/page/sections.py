"""The page's words and tables as HTML: what stands there without JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from experiments.coupling.page.explanations import STATISTICS
from experiments.coupling.page.scale import AXES, COLOURS, SPAN, colour_range, finite

MEASURED = ("expected", "measured", "bootstrap")
COMPARED = ("regime", "first", "second", "difference", "bootstrap")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SIGNS = {"as expected": "✓", "not as expected": "✗", "undecided": "?"}


def answer(study: dict[str, Any]) -> str:
    """The sentences on top; intervals stay on one line."""
    sentences = (escape(text).replace(" ± ", "\u00a0±\u00a0") for text in study["answer"])
    return "\n".join(f'<p class="answer">{sentence}</p>' for sentence in sentences)


def note(study: dict[str, Any]) -> str:
    """What a reader must know about this run, if anything."""
    return f'<p class="note">{escape(study["note"])}</p>' if study["note"] else ""


def regime(regime: dict[str, Any], place: int, seeds: Sequence[int]) -> str:
    """The section of a regime: words, places for the charts, and its statistics."""
    name, title = f"regime-{place}", regime["title"][:1].upper() + regime["title"][1:]
    return f"""<section class="regime" aria-labelledby="{name}">
<h2 id="{name}"><span class="name">{escape(regime["name"])}</span> {escape(title)}</h2>
<p>{escape(regime["explanation"])}</p>
{pairs(regime["setup"], "facts")}
{colour_bar(regime, len(seeds))}
<div class="maps needs-script"></div>
<section class="chosen needs-script" aria-label="The selected training">
<h3>The selected training <small>curves of seed {seeds[0]}<span class="reference">; dotted: the best
of its map</span></small></h3>
<div class="choice"></div>
<p class="numbers" aria-live="polite"></p>
<div class="charts"></div>
</section>
<section class="accuracy needs-script">
<h3>Test accuracy at the best learning rate</h3>
<div class="charts"></div>
</section>
{bests(regime)}
{statistics(regime)}
</section>"""


def colour_bar(regime: dict[str, Any], seeds: int) -> str:
    """From the best to the worst loss; says which is which."""
    low, high = colour_range(regime)
    more = " or more" if high >= low * SPAN * 0.999 else ""
    stops = ", ".join(colours(9))
    mean = f", mean of {seeds} seeds" if seeds > 1 else ""
    return f"""<div class="colours needs-script">
<span>Validation loss{mean}; <b>bright is good</b>:</span>
<span class="ends">{low:.3g}
<span class="bar" style="background: linear-gradient(to right, {stops})"></span>
{high:.3g}{more}</span>
</div>"""


def colours(count: int) -> list[str]:
    """So many colours of the scale, evenly spaced, as ``#rrggbb``."""
    points = [place / (count - 1) for place in range(count)]
    return ["#" + "".join(f"{round(255 * x):02x}" for x in COLOURS(p)[:3]) for p in points]


def bests(regime: dict[str, Any]) -> str:
    """The table of the best cell of each heat map: chosen on validation, reported on test."""
    rows = [_best(panel) for panel in regime["panels"] if panel["best"]]
    columns = ("heat map", "η", "λ", "ω", "D", "validation loss", "test error", "on the rim")
    return table("Each map at its best", columns, rows, note="± spread of the seeds")


def _best(panel: dict[str, Any]) -> tuple[str, ...]:
    row, column = panel["best"]
    cell = panel["cells"][row][column]
    decays = (panel[axis][row][column] for axis in AXES)
    return (
        " / ".join(dict.fromkeys(filter(None, panel["labels"].values()))),
        *map(number, (panel["learning_rates"][row], *decays, cell["total_decay"])),
        number(cell["loss"], 4),
        percent(cell["test_error"], cell["test_spread"]),
        panel.get("on_edge", ""),
    )


def statistics(regime: dict[str, Any]) -> str:
    """The table of what was expected and what came out, with the words that explain it."""
    rows = [
        (
            s["name"],
            label(regime, s["panel"], s["axis"]),
            s["axis"],
            *(s[key] for key in MEASURED),
            s["detail"],
            verdict(s["verdict"]),
        )
        for s in regime["statistics"]
    ]
    names = dict.fromkeys(s["name"] for s in regime["statistics"])
    known = [(name, STATISTICS[name.lower()]) for name in names if name.lower() in STATISTICS]
    columns = ("statistic", "heat map", "axis", *MEASURED, "from", "verdict")
    caption = f"What the maps of {regime['name']} say in numbers"
    return table(caption, columns, rows, pairs(known, "meanings"))


def label(regime: dict[str, Any], panel: str, axis: str) -> str:
    """What the heat map of this ``id`` is called on an axis; any other text stays as it is."""
    found = next((p for p in regime["panels"] if p["id"] == panel), None)
    if found is None:
        return panel
    labels = {AXES[name]: text for name, text in found["labels"].items()}
    return labels.get(axis) or found["title"]


def comparisons(study: dict[str, Any]) -> str:
    """The table of paired differences of the best test errors."""
    rows = [(*(c[key] for key in COMPARED), verdict(c["verdict"])) for c in study["comparisons"]]
    columns = ("regime", "first", "second", "first − second", "bootstrap", "verdict")
    return table("Which one is better at its best: test errors, seed by seed", columns, rows)


def made(study: dict[str, Any]) -> str:
    """Settings, seeds, versions, device, time and command."""
    content = pairs(study["made"], "made")
    return f'<section class="numbers-table"><h2>How it was made</h2>{content}</section>'


def verdict(text: str) -> str:
    """With a sign, so that it is seen without reading and without colour."""
    return f"{SIGNS[text]} {text}" if text in SIGNS else text


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    before: str = "",
    note: str = "± and brackets: 95 % intervals over the seeds",
) -> str:
    """A table that folds into cards where it is too wide; nothing if it has no rows."""
    body = "\n".join(_row(columns, row) for row in rows)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    if not body:
        return ""
    return f"""<section class="numbers-table"><h3>{escape(caption)}</h3>{before}
<table><caption>{escape(note)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody></table></section>"""


def _row(columns: Sequence[str], row: Sequence[str]) -> str:
    cells = (
        f'<td data-label="{escape(name)}">{escape(text)}</td>'
        for name, text in zip(columns, row, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def pairs(items: Iterable[Sequence[str]], kind: str) -> str:
    """Labels with their texts."""
    content = "".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>" for a, b in items)
    return f'<dl class="{kind}">{content}</dl>' if content else ""


def number(value: float | None, digits: int = 3) -> str:
    """Few digits, or nothing where there is no number.

    >>> number(0.0125), number(9.77e-05), number(None)
    ('0.0125', '9.77·10⁻⁵', '')
    """
    if value is None or not finite(value):
        return ""
    leading, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{leading}·10{str(int(exponent)).translate(RAISED)}" if exponent else leading


def percent(share: float | None, spread: float | None) -> str:
    """A share as it is read.

    >>> percent(0.0512, 0.001), percent(0.0512, None), percent(None, None)
    ('5.12 ± 0.10 %', '5.12 %', '–')
    """
    if share is None or not finite(share):
        return "–"
    around = f" ± {100 * spread:.2f}" if spread is not None and finite(spread) else ""
    return f"{100 * share:.2f}{around} %"

"""The page's words and tables as HTML: what stands there without JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from experiments.coupling.content import PanelContent, RegimeContent, StudyContent
from experiments.coupling.findings import VERDICTS
from experiments.coupling.names import SYMBOL
from experiments.coupling.page.explanations import STATISTICS
from experiments.coupling.page.scale import COLOUR_MAP, SPAN, colour_range
from experiments.formatting import percent_with_spread, scientific
from experiments.page import parts
from experiments.page.parts import Markup, html, pairs

INTERVALS = "± and brackets: 95 % intervals over the seeds"


def regime_section(regime: RegimeContent, place: int, seeds: Sequence[int]) -> str:
    """The section of a regime: words, places for the charts, and its statistics."""
    name, title = f"regime-{place}", regime["title"][:1].upper() + regime["title"][1:]
    return f"""<section class="regime" aria-labelledby="{name}">
<h2 id="{name}"><span class="name">{html(regime["name"])}</span> {html(title)}</h2>
<p>{html(regime["explanation"])}</p>
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
{bests_table(regime)}
{statistics_table(regime)}
</section>"""


def colour_bar(regime: RegimeContent, seeds: int) -> str:
    """The colours from the best to the worst loss, with both."""
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
    return ["#" + "".join(f"{round(255 * x):02x}" for x in COLOUR_MAP(p)[:3]) for p in points]


def bests_table(regime: RegimeContent) -> str:
    """The table of the best cell of each heat map: chosen on validation, reported on test."""
    rows = [_best(panel, *panel["best"]) for panel in regime["panels"] if panel["best"]]
    columns = ("heat map", "η", "λ", "ω", "D", "validation loss", "test error", "on the rim")
    return titled_table("Each map at its best", columns, rows, caption="± spread of the seeds")


def _best(panel: PanelContent, row: int, column: int) -> tuple[str, ...]:
    cell = panel["cells"][row][column]
    if cell is None:
        return ()
    decays = panel["strength"][row][column], panel["rate"][row][column]
    return (
        " / ".join(dict.fromkeys(filter(None, panel["labels"].values()))),
        *map(scientific, (panel["learning_rates"][row], *decays, cell["total_decay"])),
        scientific(cell["loss"], 4),
        percent_with_spread(cell["test_error"], cell["test_spread"]),
        panel["on_edge"],
    )


def statistics_table(regime: RegimeContent) -> str:
    """The table of what was expected and what came out, with the words that explain it."""
    columns = ("statistic", "heat map", "axis", *("expected", "measured", "bootstrap"), "from")
    rows = [
        (
            *(s["name"], panel_label(regime, s["panel"], s["axis"]), s["axis"]),
            *(s["expected"], s["measured"], s["bootstrap"], s["detail"]),
            VERDICTS.marked(s["verdict"]),
        )
        for s in regime["statistics"]
    ]
    names = dict.fromkeys(s["name"] for s in regime["statistics"])
    known = [(name, STATISTICS[name.lower()]) for name in names if name.lower() in STATISTICS]
    caption = f"What the maps of {regime['name']} say in numbers"
    return titled_table(caption, (*columns, "verdict"), rows, pairs(known, "meanings"))


def panel_label(regime: RegimeContent, panel: str, axis: str) -> str:
    """What the heat map of this ``id`` is called on an axis; any other text stays as it is."""
    found = next((p for p in regime["panels"] if p["id"] == panel), None)
    if found is None:
        return panel
    labels = {SYMBOL[name]: text for name, text in found["labels"].items()}
    return labels.get(axis) or found["title"]


def comparisons_table(study: StudyContent) -> str:
    """The table of paired differences of the best test errors."""
    rows = [
        (
            *(c["regime"], c["first"], c["second"], c["difference"], c["bootstrap"]),
            VERDICTS.marked(c["verdict"]),
        )
        for c in study["comparisons"]
    ]
    columns = ("regime", "first", "second", "first − second", "bootstrap", "verdict")
    return titled_table("Which one is better at its best: test errors, seed by seed", columns, rows)


def made_section(study: StudyContent) -> Markup:
    """Settings, seeds, versions, device, time and command."""
    content = parts.made(study["made"])
    return Markup(f'<section class="numbers-table"><h2>How it was made</h2>{content}</section>')


def titled_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    before: str = "",
    caption: str = INTERVALS,
) -> str:
    """A section with a table; nothing if it has no rows."""
    content = parts.table(columns, rows, caption)
    if not content:
        return ""
    return f"""<section class="numbers-table"><h3>{html(title)}</h3>{before}
{content}</section>"""

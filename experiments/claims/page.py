"""Records of claims as one page that opens offline, without a script. Imports no jax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.claims import tables, wording
from experiments.claims.plot import plot
from experiments.claims.wording import VERDICTS, Record
from experiments.formatting import in_seconds
from experiments.page import document, parts
from experiments.page.parts import Markup, html

STYLES = (document.FOLDER / "theme.css", Path(__file__).with_name("page.css"))
TITLE = "What papers say about weight decay, measured here"
KEY = """<ul class="key">
<li><svg viewBox="0 0 34 14" aria-hidden="true"><rect class="range" width="34" height="14"/></svg>
where the claim says that it lies</li>
<li><svg viewBox="0 0 34 14" aria-hidden="true"><path class="interval" d="M3 7H31"/>
<circle class="value" cx="17" cy="7" r="5"/></svg>measured, with its 95 % interval over seeds</li>
<li><svg viewBox="0 0 34 14" aria-hidden="true"><path class="seed" d="M8 2v10M17 2v10M24 2v10"/>
</svg>single seeds</li>
</ul>"""


def write(
    records: Sequence[Record],
    facts: Mapping[str, str],
    note: str,
    path: Path,
    answer: Sequence[str] = (),
) -> None:
    """Writes the page.

    Args:
      records: those of the claims.
      facts: how they were made, by label.
      note: what the reader must know first, or "".
      path: the file to write.
      answer: sentences, where not all claims are measured.
    """
    answer = answer or [f"Of {len(records)} claims {wording.summary(records)}."]
    rule = f'<p class="quiet">{html(tables.RULE.replace("*", ""))}</p>'
    body = f"""{parts.header(TITLE, answer, note, rule)}
<main>
{_table(records)}
{KEY}
<div class="claims">
{"".join(map(_claim, records))}</div>
{parts.made(facts)}
</main>"""
    document.write(path, TITLE, body, STYLES)


def _table(records: Sequence[Record]) -> str:
    return parts.table(("claim", "verdict", "measured", "expected"), map(_row, records))


def _row(record: Record) -> tuple[str, ...]:
    measured = (
        f"<span>{html(part['name'])} <b>{html(wording.measured(part))}</b></span>"
        for part in record["parts"]
    )
    expected = (f"<span>{html(wording.expected(part))}</span>" for part in record["parts"])
    link = f'<a href="#{record["name"]}">{record["name"]}</a>'
    cells = link, parts.verdict(VERDICTS, record["verdict"]), "".join(measured), "".join(expected)
    return tuple(map(Markup, cells))


def _claim(record: Record) -> str:
    figures = "".join(map(_figure, record["parts"]))
    took = f"Measured in {in_seconds(record['seconds'])}."
    return f"""<article id="{record["name"]}">
<h2>{record["name"]} {parts.verdict(VERDICTS, record["verdict"])}</h2>
<p class="claim">{html(record["claim"])}</p>
{figures}
<p>{html(record["statistic"])}</p>
<p class="quiet">{html(record["setup"])}</p>
<p class="quiet">{html(wording.papers(record))}. {took}</p>
</article>
"""


def _figure(part: Record) -> str:
    caption = (
        f"<b>{html(part['name'])}</b> <span>{html(wording.measured(part))}</span> "
        f'<span class="quiet">expected {html(wording.expected(part))}</span>'
    )
    return f"<figure><figcaption>{caption}</figcaption>{plot(part)}</figure>"

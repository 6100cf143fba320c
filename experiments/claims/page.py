"""Records of claims as one page that opens offline, without a script. Imports no jax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from experiments.claims import tables, wording
from experiments.claims.plot import plot
from experiments.claims.wording import Record

OWN = Path(__file__).with_name("page.css")
STYLES = (OWN.parents[1] / "page" / "theme.css", OWN)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The browser itself refuses whatever would leave the page."""
CLASSES = {"holds": "holds", "does not hold here": "fails", "undecided": "undecided"}
TITLE = "What papers say about weight decay, measured here"
KEY = """<ul class="key">
<li><svg viewBox="0 0 34 14" aria-hidden="true"><rect class="range" width="34" height="14"/></svg>
where the claim says that it lies</li>
<li><svg viewBox="0 0 34 14" aria-hidden="true"><path class="interval" d="M3 7H31"/>
<circle class="value" cx="17" cy="7" r="5"/></svg>measured, with its 95 % interval over seeds</li>
<li><svg viewBox="0 0 34 14" aria-hidden="true"><path class="seed" d="M8 2v10M17 2v10M24 2v10"/>
</svg>single seeds</li>
</ul>"""


def write(records: Sequence[Record], facts: Mapping[str, str], note: str, path: Path) -> None:
    """Writes the page.

    Args:
      records: those of the claims.
      facts: how they were made, by label.
      note: what the reader must know first, or "".
      path: the file to write.
    """
    path.write_text(_page(records, facts, note), encoding="utf-8")


def _page(records: Sequence[Record], facts: Mapping[str, str], note: str) -> str:
    marked = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
<title>{TITLE}</title>
<style>
{"".join(path.read_text(encoding="utf-8") for path in STYLES)}</style>
</head>
<body>
<header>
<h1>{TITLE}</h1>
<p class="answer">Of {len(records)} claims {wording.summary(records)}.</p>
{marked}
<p class="quiet">{escape(tables.RULE.replace("*", ""))}</p>
</header>
<main>
{_table(records)}
{KEY}
<div class="claims">
{"".join(map(_claim, records))}</div>
{_made(facts)}
</main>
</body>
</html>
"""


def _table(records: Sequence[Record]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("claim", "verdict", "measured", "expected"))
    rows = "".join(map(_row, records))
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"


def _row(record: Record) -> str:
    parts = record["parts"]
    found = "".join(
        f"<span>{escape(part['name'])} <b>{escape(wording.measured(part))}</b></span>"
        for part in parts
    )
    expected = "".join(f"<span>{escape(wording.expected(part))}</span>" for part in parts)
    link = f'<a href="#{record["name"]}">{record["name"]}</a>'
    cells = "".join(f"<td>{cell}</td>" for cell in (link, _verdict(record), found, expected))
    return f"<tr>{cells}</tr>\n"


def _verdict(record: Record) -> str:
    verdict = record["verdict"]
    text = f"{wording.MARKS[verdict]} {escape(verdict)}"
    return f'<span class="verdict {CLASSES[verdict]}">{text}</span>'


def _claim(record: Record) -> str:
    figures = "".join(map(_figure, record["parts"]))
    return f"""<article id="{record["name"]}">
<h2>{record["name"]} {_verdict(record)}</h2>
<p class="claim">{escape(record["claim"])}</p>
{figures}
<p>{escape(record["statistic"])}</p>
<p class="quiet">{escape(record["setup"])}</p>
<p class="quiet">{escape(wording.papers(record))}. Measured in {record["seconds"]:.0f} s.</p>
</article>
"""


def _figure(part: Record) -> str:
    caption = (
        f"<b>{escape(part['name'])}</b> <span>{escape(wording.measured(part))}</span> "
        f'<span class="quiet">expected {escape(wording.expected(part))}</span>'
    )
    return f"<figure><figcaption>{caption}</figcaption>{plot(part)}</figure>"


def _made(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts.items()
    )
    return f"<dl>{rows}</dl>"

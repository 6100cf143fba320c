"""The study as one page that opens offline, without a script. Imports no jax."""

from __future__ import annotations

from pathlib import Path

from experiments.language import tables
from experiments.language.content import Content
from experiments.language.findings import KEEPING, VERDICTS
from experiments.page import document, parts
from experiments.page.parts import Markup, html

PICTURE = (
    "Test loss against the decay per step for every learning rate, width and text, and the time "
    "scales of the best decays"
)


def write(content: Content, picture: Path, path: Path) -> None:
    """Writes the page.

    Args:
      content: as `describe` gives it.
      picture: a PNG that stands on it.
      path: the file to write.
    """
    body = f"""{parts.header(content["title"], content["answer"], content["note"])}
<main>
{parts.figure(picture, PICTURE)}
<p class="quiet">{html(tables.RULE)}</p>
{"".join(_section(*section) for section in tables.sections(content))}
<section class="numbers-table"><h2>How it was made</h2>{parts.made(content["made"])}</section>
</main>"""
    document.write(path, content["title"], body, document.REPORT)


def _section(heading: str, rows: list[tuple[str, ...]], columns: tuple[str, ...]) -> Markup:
    table = parts.table(columns, [list(map(_cell, row)) for row in rows])
    return Markup(f'<section class="numbers-table"><h2>{html(heading)}</h2>{table}</section>\n')


def _cell(text: str) -> str:
    """A text; a verdict in colour."""
    found = next((verdicts for verdicts in (KEEPING, VERDICTS) if text in verdicts), None)
    return text if found is None else parts.verdict(found, text)

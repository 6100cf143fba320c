"""The combinations as one page that opens offline, without a script. Imports no jax."""

from __future__ import annotations

from pathlib import Path

from experiments.combinations import tables
from experiments.combinations.content import Content, ModelContent
from experiments.combinations.findings import VERDICTS
from experiments.page import document, parts
from experiments.page.parts import Markup, html

KINDS = {"helps": "holds", "hurts": "fails", "redundant": "undecided"}
PICTURE = "Test errors of every penalty by place, and against the effective learning rate"


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
{"".join(map(_model, content["models"]))}
<section class="numbers-table"><h2>How it was made</h2>{parts.made(content["made"])}</section>
</main>"""
    document.write(path, content["title"], body, document.REPORT)


def _model(model: ModelContent) -> str:
    found = ((heading, rows(model), columns) for heading, rows, columns in tables.SECTIONS)
    sections = "\n".join(
        f"<h3>{html(heading)}</h3>{parts.table(columns, [list(map(_cell, row)) for row in rows])}"
        for heading, rows, columns in found
        if rows
    )
    title = f"{model['model']}: {model['title']}"
    return f'<section class="numbers-table"><h2>{html(title)}</h2>{sections}</section>\n'


def _cell(text: str) -> str:
    """A text; a verdict and what something does in colour."""
    if text in KINDS:
        return Markup(f'<span class="verdict {KINDS[text]}">{html(text)}</span>')
    if text in VERDICTS:
        return parts.verdict(VERDICTS, text)
    return text

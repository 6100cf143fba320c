"""The study as one page that opens offline, without a script. Imports no jax."""

from __future__ import annotations

from pathlib import Path

from experiments.page import document, parts
from experiments.page.parts import Markup, html
from experiments.tune import tables
from experiments.tune.content import Content
from experiments.tune.findings import VERDICTS

PICTURE = (
    "Validation loss against λ with standard errors, what searches tried, the λ of each way for "
    "every seed, and the test loss that each way reaches"
)


def write(content: Content, picture: Path, path: Path) -> None:
    """Writes the page.

    Args:
      content: as `describe` gives it.
      picture: a PNG that stands on it.
      path: the file to write.
    """
    found = [[_cell(text) for text in row] for row in tables.rows(content)]
    body = f"""{parts.header(content["title"], content["answer"], content["note"])}
<main>
{parts.figure(picture, PICTURE)}
<section class="numbers-table"><h2>The ways</h2>{parts.table(tables.COLUMNS, found)}
<p class="quiet">{html(tables.RULE)}</p></section>
{_warnings(content["warnings"])}
<section class="numbers-table"><h2>How it was made</h2>{parts.made(content["made"])}</section>
</main>"""
    document.write(path, content["title"], body, document.REPORT)


def _cell(text: str) -> str:
    return parts.verdict(VERDICTS, text) if text in VERDICTS else text


def _warnings(texts: list[str]) -> Markup:
    """What the ways said of their choices."""
    lines = "".join(f"<li>{html(text)}</li>" for text in texts)
    return Markup(f"<section><h2>Warnings</h2><ul>{lines}</ul></section>" if lines else "")

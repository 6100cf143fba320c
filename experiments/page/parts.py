"""Parts of pages as HTML. A text is escaped here unless it is `Markup`, which is HTML already."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from experiments.verdicts import CLASSES, Verdicts


class Markup(str):
    """HTML, every text in it escaped."""

    __slots__ = ()


def html(text: str) -> Markup:
    """
    >>> html("a < b"), html(Markup("<b>a</b>"))
    ('a &lt; b', '<b>a</b>')
    """
    return text if isinstance(text, Markup) else Markup(escape(text))


def header(title: str, answer: Iterable[str], note: str = "", more: str = "") -> Markup:
    """The top of a page.

    Args:
      title: of the page.
      answer: the sentences that a reader came for; intervals stay on one line.
      note: what a reader must know about this run, if anything.
      more: HTML that stands below.
    """
    sentences = (html(text).replace(" ± ", "\u00a0±\u00a0") for text in answer)
    answers = "\n".join(f'<p class="answer">{sentence}</p>' for sentence in sentences)
    noted = f'<p class="note">{html(note)}</p>' if note else ""
    return Markup(f"<header>\n<h1>{html(title)}</h1>\n{answers}\n{noted}\n{more}\n</header>")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> Markup:
    """A table; nothing if it has no rows. Cells carry their column's name for narrow windows."""
    body = "\n".join(_row(columns, row) for row in rows)
    head = "".join(f'<th scope="col">{html(name)}</th>' for name in columns)
    if not body:
        return Markup()
    below = f"<caption>{html(caption)}</caption>\n" if caption else ""
    return Markup(
        f"<table>{below}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    )


def _row(columns: Sequence[str], row: Sequence[str]) -> str:
    cells = (
        f'<td data-label="{html(name)}">{html(text)}</td>'
        for name, text in zip(columns, row, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def pairs(items: Iterable[Sequence[str]], kind: str) -> Markup:
    """Labels with their texts, of a class of the style sheet; nothing if there are none."""
    content = "".join(f"<div><dt>{html(a)}</dt><dd>{html(b)}</dd></div>" for a, b in items)
    return Markup(f'<dl class="{kind}">{content}</dl>' if content else "")


def figure(picture: Path, description: str) -> Markup:
    """A PNG that stands inside the page, and what it shows."""
    data = base64.b64encode(picture.read_bytes()).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{html(description)}">'
    return Markup(f"<figure>{image}</figure>")


def made(facts: Mapping[str, str]) -> Markup:
    """How it was made: what `experiments.provenance` knows, and what a command adds."""
    return pairs(facts.items(), "made")


def verdict(words: Verdicts, word: str) -> Markup:
    """A verdict with its mark and its colour."""
    kind = CLASSES[words.answer(word)]
    return Markup(f'<span class="verdict {kind}">{html(words.marked(word))}</span>')

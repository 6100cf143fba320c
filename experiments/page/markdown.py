"""Documents and tables in Markdown: what a page says, for a terminal and a repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def document(content: Mapping[str, Any], rule: str, sections: Sequence[str]) -> str:
    """The title, the answer and how it was made of a study, then the rule by which its tables are
    read, and the sections."""
    answer = "\n".join(f"- {sentence}" for sentence in content["answer"])
    made = "\n".join(f"- {name}: {text}" for name, text in content["made"].items())
    note = f"{content['note']}\n\n" if content["note"] else ""
    head = f"# {content['title']}\n\n{note}{answer}\n\n{made}\n\n{rule}\n\n"
    return head + "\n".join(sections)


def section(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table below its heading, whose marks are in it."""
    return f"{heading}\n\n{table(columns, rows)}\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """
    >>> print(table(("a", "b"), [("1", "2")]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

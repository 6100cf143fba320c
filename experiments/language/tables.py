"""Tables: on the terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from experiments.formatting import general, in_seconds, scientific
from experiments.language.config import Part
from experiments.language.content import Content, ProgramContent
from experiments.language.findings import KEEPING, TOLERANCE, VERDICTS
from experiments.page.markdown import document, section
from experiments.verdicts import COLOURS, Verdicts

TIGHT = (0, 1, 0, 0)
RULE = (
    "Losses in bits per character, ± 95 % over seeds. ω: decay per step where the schedule is "
    "highest (AdamW as published); λ = ω/η (weight_decay of PyTorch and optax); τ = 1/(ω · updates "
    "in an epoch), in epochs (Wang & Aitchison 2025). Validation text chooses decay; other text, "
    f"which is reported, prices it. A number can be kept if that costs less than {TOLERANCE:g} "
    "bits per character above decay that is tuned anew, and has to be re-tuned if it costs more, "
    "each by its interval; 0 ± 0: it is the very decay of the grid that would be chosen anew."
)


def plan(parts: Sequence[Part], counts: Mapping[str, int], seconds: Mapping[str, float]) -> Table:
    """One row for each program that will be compiled."""
    table = _empty("What will be trained", "program", "characters", "steps", "trainings", "about")
    for part in parts:
        setup = part.setup
        sizes = f"{setup.examples:,}", f"{setup.steps:,}", f"{counts[part.id]:,}"
        table.add_row(part.id, *sizes, in_seconds(seconds[part.id]))
    return table


def terminal(content: Content) -> list[Table]:
    """Those that decide: what can be kept, and what is claimed."""
    kept = _empty("What it costs to keep a number of decay", *CARRIED)
    for row in carried(content):
        kept.add_row(*row[:-1], _coloured(KEEPING, row[-1]))
    claimed = _empty("What is claimed", *CLAIMS)
    for row in claims(content):
        claimed.add_row(*row[:-1], _coloured(VERDICTS, row[-1]))
    return [table for table in (kept, claimed) if table.row_count]


def _empty(title: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE, title=title, title_justify="left", padding=TIGHT)
    for name in columns:
        table.add_column(name)
    return table


def _coloured(verdicts: Verdicts, word: str) -> str:
    return f"[{COLOURS[verdicts.answer(word)]}]{verdicts.marked(word)}[/]"


# --- rows, for Markdown and for the page ---

CARRIED = ("change", "kept", "ω", "costs, bits per character", "verdict")
CLAIMS = ("claim", "statistic", "value", "expected", "verdict")
ROWS = ("η", "ω", "λ", "test loss", "decay takes off", "best τ, epochs", "1 ≤ τ ≤ all of them")


def carried(content: Content) -> list[tuple[str, ...]]:
    """What each number costs that is kept."""
    return [
        (c["change"], c["kept"], c["rate"], c["shown"], c["verdict"]) for c in content["carried"]
    ]


def claims(content: Content) -> list[tuple[str, ...]]:
    """What is claimed."""
    return [
        (c["name"], c["statistic"], c["shown"], c["expected"], c["verdict"])
        for c in content["claims"]
    ]


def rows(program: ProgramContent) -> list[tuple[str, ...]]:
    """Each learning rate of a program, with its tuned decay."""
    found = []
    for row in program["rows"]:
        rate = row["rates"][row["chosen"]]
        numbers = scientific(rate, 2), scientific(rate / row["learning_rate"], 2)
        decay = (*numbers, row["tuned"], row["gain"], row["shown"], row["between"])
        found.append((general(row["learning_rate"]), *decay))
    return found


def title(program: ProgramContent) -> str:
    """The heading of a program."""
    sizes = f"{program['parameters']:,} parameters, {program['steps']:,} steps"
    return f"{program['title']}: {sizes}"


SECTIONS: tuple[tuple[str, Callable[[Content], Any], tuple[str, ...]], ...] = (
    ("What it costs to keep a number of decay", carried, CARRIED),
    ("What is claimed", claims, CLAIMS),
)
"""Of the study: a heading, its rows and its columns."""


def sections(content: Content) -> list[tuple[str, list[tuple[str, ...]], tuple[str, ...]]]:
    """Every table with its heading and its columns: those of the study, then of each program."""
    own = [(heading, make(content), columns) for heading, make, columns in SECTIONS]
    found = [*own, *((title(each), rows(each), ROWS) for each in content["programs"])]
    return [section for section in found if section[1]]


def markdown(content: Content) -> str:
    """A document: the answer, how it was made, then the tables."""
    found = [section(f"## {name}", columns, of) for name, of, columns in sections(content)]
    return document(content, RULE, found)

"""Tables: on the terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from experiments.combinations.config import PLACES, TITLES, Part
from experiments.combinations.content import CellContent, Content, ModelContent
from experiments.combinations.findings import VERDICTS
from experiments.combinations.penalties import PENALTIES
from experiments.formatting import fixed, in_seconds
from experiments.page.markdown import document, section
from experiments.verdicts import COLOURS

TIGHT = (0, 1, 0, 0)
STYLES = {"helps": "green", "hurts": "red", "redundant": "cyan", "undecided": "", "": ""}
RULE = (
    "Strengths are chosen by validation images on seeds that measure nothing (* the strongest that "
    "was tried: a stronger one may be better). Test errors in %, ± 95 % over seeds. helps, hurts: "
    "the difference to the same without it, seed by seed, lies below, above 0. redundant: "
    "neither, though it helps the plain network, and gains less than half as much here. undecided: "
    "all else. Of many comparisons at 95 % one in twenty decides by chance."
)


def plan(parts: Sequence[Part], counts: Mapping[str, int], seconds: Sequence[float]) -> Table:
    """One row for each program that will be compiled."""
    table = Table(box=box.SIMPLE, title="What will be trained", title_justify="left", padding=TIGHT)
    table.add_column("program")
    table.add_column("places")
    for name in ("images", "steps", "trainings", "about"):
        table.add_column(name, justify="right")
    for part, estimate in zip(parts, seconds, strict=True):
        places = ", ".join(TITLES[place] for place in part.places)
        setup = part.setup
        sizes = f"{setup.examples:,}", f"{setup.steps:,}", f"{counts[part.id]:,}"
        table.add_row(part.id, places, *sizes, in_seconds(estimate))
    return table


def errors(model: ModelContent) -> Table:
    """A row for each penalty, a column for each place."""
    title = f"{model['model']}: test error in % ± 95 %, and what the penalty does there"
    table = Table(box=box.SIMPLE, title=title, title_justify="left", padding=TIGHT)
    table.add_column("penalty")
    known = {cell["place"] for cell in model["cells"]}
    places = [place for place in PLACES if place in known]
    for place in places:
        table.add_column(TITLES[place])
    for name, cells in by_penalty(model).items():
        texts = (_terminal(cells.get(place)) for place in places)
        table.add_row(PENALTIES[name].title, *texts)
    return table


def by_penalty(model: ModelContent) -> dict[str, dict[str, CellContent]]:
    """The cells by penalty and place."""
    found: dict[str, dict[str, CellContent]] = {}
    for cell in model["cells"]:
        found.setdefault(cell["penalty"], {})[cell["place"]] = cell
    return found


def _terminal(cell: CellContent | None) -> str:
    if cell is None:
        return ""
    style = STYLES[cell["word"]]
    word = f" [{style}]{cell['word']}[/]" if style else f" {cell['word']}"
    return f"{cell['shown']}{word}"


def ordering(models: Sequence[ModelContent]) -> Table:
    """A row for each step of the published ordering, below its verdict."""
    title = "Published: dropout + max-norm < dropout + L2 < max-norm < L2"
    table = Table(box=box.SIMPLE, title=title, title_justify="left", padding=TIGHT)
    for name in ("network", "difference in points", "verdict"):
        table.add_column(name)
    for model in models:
        found = model["ordering"]
        if found is None:
            continue
        text = f"Kendall's τ {found['tau']}"
        table.add_row(f"[bold]{model['model']}[/]", text, _coloured(found["verdict"]))
        for step in found["steps"]:
            table.add_row(f"  {step['name']}", step["shown"], _coloured(step["verdict"]))
        table.add_row("  both with Dropout < L2 in the loss", "", _coloured(found["weaker"]))
    return table


def _coloured(word: str) -> str:
    return f"[{COLOURS[VERDICTS.answer(word)]}]{VERDICTS.marked(word)}[/]"


# --- rows, for Markdown and for the page ---

CELLS = ("penalty", "place", "strength", "test error, %", "difference", "verdict", "zeros, %")
EFFECTS = ("added", "to", "difference", "verdict")
ORDERING = ("step", "difference", "verdict")
RATES = ("penalty", "place", "strength", "η/‖w‖²", "times that of no penalty", "test error, %")
TRIED = ("place", "λ of L2", "η/‖w‖²", "validation error, %")


def cells(model: ModelContent) -> list[tuple[str, ...]]:
    """Every penalty in every place."""
    return [
        (*_where(c), c["strength"], c["shown"], c["gain"], c["word"], _share(c["zeros"]))
        for c in model["cells"]
    ]


def _share(percent: float | None) -> str:
    return "" if percent is None else fixed(percent, 1)


def _where(cell: CellContent) -> tuple[str, str]:
    return PENALTIES[cell["penalty"]].title, TITLES[cell["place"]]


def effects(model: ModelContent) -> list[tuple[str, ...]]:
    """What Dropout and BatchNorm add."""
    return [(e["added"], e["to"], e["shown"], e["word"]) for e in model["effects"]]


def steps(model: ModelContent) -> list[tuple[str, ...]]:
    """The published ordering, step by step."""
    found = model["ordering"]
    if found is None:
        return []
    whole = f"all three; Kendall's τ {found['tau']}", "", found["verdict"]
    weaker = "both with Dropout < L2 in the loss", "", found["weaker"]
    return [*((s["name"], s["shown"], s["verdict"]) for s in found["steps"]), whole, weaker]


def rates(model: ModelContent) -> list[tuple[str, ...]]:
    """Effective learning rates beside test errors."""
    return [
        (*_where(c), c["strength"], _rate(c["effective"]), c["factor"], c["shown"])
        for c in model["cells"]
        if c["effective"] is not None
    ]


def _rate(number: Any) -> str:
    return "" if number["value"] is None else fixed(number["value"], 3)


def tried(model: ModelContent) -> list[tuple[str, ...]]:
    """L2 beside BatchNorm along its strengths."""
    return [
        (TITLES[t["place"]], t["strength"], t["effective"], t["validation"]) for t in model["tried"]
    ]


SECTIONS: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("Penalties", cells, CELLS),
    ("Dropout and BatchNorm", effects, EFFECTS),
    ("The published ordering", steps, ORDERING),
    ("The effective learning rate of layers that a norm follows", rates, RATES),
    ("L2 along its strengths, on the tuning seeds", tried, TRIED),
)
"""Of each network: a heading, its rows and its columns."""


def markdown(content: Content) -> str:
    """A document: the answer, how it was made, then the tables of each network."""
    return document(content, RULE, list(map(_document, content["models"])))


def _document(model: ModelContent) -> str:
    found = ((heading, rows(model), columns) for heading, rows, columns in SECTIONS)
    parts = [section(f"### {heading}", columns, rows) for heading, rows, columns in found if rows]
    return "\n".join((f"## {model['model']}: {model['title']}\n", *parts))

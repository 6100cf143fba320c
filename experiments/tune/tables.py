"""Tables: on the terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from experiments.formatting import in_seconds
from experiments.tune.config import RETRAINED, Part
from experiments.tune.content import Content, RowContent
from experiments.tune.findings import VERDICTS
from experiments.tune.names import TITLES
from experiments.verdicts import COLOURS

TIGHT = (0, 1, 0, 0)
RULE = (
    "λ: the geometric mean over seeds; over seeds: the smallest and the largest. Within one "
    "standard error: strengths whose score is that near to the least one, mean ends over seeds. "
    "The λ of the network stands beside its cross-entropy, that of least squares beside a squared "
    "error on other features: they are not one number and are not compared. Test loss and "
    "accuracy, ± 95 % over seeds, are those of a training on all images that chose; test images "
    "chose nothing. A way is worse if its difference from the least test loss, in pairs over "
    "seeds, has an interval above 0. Trainings and seconds are of one choice: the first one, which "
    "also compiles, then the median of the others."
)
COLUMNS = (
    "way",
    "chooses λ for",
    "λ",
    "over seeds",
    "within one standard error",
    "test loss",
    "beside the least",
    "it is",
    "accuracy, %",
    "trainings",
    "seconds",
)


def plan(parts: Sequence[Part], seeds: int, seconds: Mapping[str, float]) -> Table:
    """One row for each way, and one for the trainings with what it chose."""
    title = f"What will be done, for {seeds} seed{'s' * (seeds > 1)}"
    table = Table(box=box.SIMPLE, title=title, title_justify="left", padding=TIGHT)
    for name in ("way", "trainings, at most", "about"):
        table.add_column(name)
    for part in parts:
        name = "training with each choice" if part.id == RETRAINED else TITLES[part.id]
        table.add_row(name, f"{part.trainings:,}", in_seconds(seconds[part.id]))
    return table


def terminal(content: Content) -> list[Table]:
    """A table for each thing that λ is chosen for; below λ what is within one standard error."""
    subjects = dict.fromkeys(row["subject"] for row in content["rows"])
    return [_of_subject(name, content["rows"]) for name in subjects]


def _of_subject(subject: str, found: Sequence[RowContent]) -> Table:
    table = Table(box=box.SIMPLE, title=f"λ for {subject}", title_justify="left", padding=TIGHT)
    own = [row for row in found if row["subject"] == subject]
    trained = any(row["loss"] for row in own)
    for name in ("way", "λ", *("test loss",) * trained, "accuracy, %", "trainings", "seconds"):
        table.add_column(name)
    for row in own:
        loss = _lines(row["loss"], _coloured(row["word"]))
        strength = _lines(row["strength"], row["within"])
        cells = strength, *(loss,) * trained, row["accuracy"], row["trainings"], row["seconds"]
        table.add_row(row["title"], *cells)
    return table


def _lines(*texts: str) -> str:
    return "\n".join(text for text in texts if text)


def _coloured(text: str) -> str:
    if text not in VERDICTS:
        return ""
    return f"[{COLOURS[VERDICTS.answer(text)]}]{VERDICTS.marked(text)}[/]"


def rows(content: Content) -> list[tuple[str, ...]]:
    """For Markdown and for the page: the columns `COLUMNS`."""
    return [
        (
            *(row["title"], row["subject"], row["strength"], row["over_seeds"], row["within"]),
            *(row["loss"], row["beside_best"], row["word"]),
            *(row["accuracy"], row["trainings"], row["seconds"]),
        )
        for row in content["rows"]
    ]


def markdown(content: Content) -> str:
    """A document: the answer, the table, what was warned of, how it was made."""
    answer, warnings = (
        "\n".join(f"- {sentence}" for sentence in content[name]) for name in ("answer", "warnings")
    )
    made = "\n".join(f"- {name}: {text}" for name, text in content["made"].items())
    note = f"{content['note']}\n\n" if content["note"] else ""
    warned = f"## Warnings\n\n{warnings}\n\n" if warnings else ""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows(content)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# {content['title']}\n\n{note}{answer}\n\n{table}\n\n{RULE}\n\n{warned}{made}\n"

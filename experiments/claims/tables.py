"""Records of claims as tables: on the terminal, and in Markdown. Imports no jax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from experiments.claims import wording
from experiments.claims.wording import VERDICTS, Record
from experiments.verdicts import COLOURS


def terminal(records: Sequence[Record]) -> Table:
    """A row for each part of a claim, below its name and verdict."""
    table = Table(box=box.SIMPLE, title=wording.summary(records), title_justify="left")
    for name in ("claim", "expected", "measured, 95 %"):
        table.add_column(name)
    for record in records:
        verdict = record["verdict"]
        text = f"[{COLOURS[VERDICTS.answer(verdict)]}]{VERDICTS.marked(verdict)}[/]"
        table.add_row(f"[bold]{record['name']}[/]", "", text)
        for part in record["parts"]:
            table.add_row(f"  {part['name']}", wording.expected(part), wording.measured(part))
    return table


def markdown(records: Sequence[Record], facts: Mapping[str, str]) -> str:
    """A document: how it was made, then a row for each claim."""
    made = "\n".join(f"- {name}: {text}" for name, text in facts.items())
    head = "| claim | source | statistic | part: expected | measured | verdict |"
    rows = "\n".join(map(_row, records))
    return (
        f"# What papers say, measured here\n\n{wording.summary(records)}.\n\n{made}\n\n{RULE}\n\n"
        f"{head}\n|---|---|---|---|---|---|\n{rows}\n"
    )


RULE = (
    "A verdict is computed: a claim *holds* if the 95 % jackknife-t interval over seeds of each of "
    "its parts lies wholly in the expected range; it *does not hold here* if one lies wholly "
    "outside; otherwise it is *undecided*. Ranges are the paper's, or ours where it gives no "
    "number. Set-ups were chosen on other seeds than these, for some claims among several, to come "
    "near the paper's own: a verdict is of the set-up as much as of the claim. An exact identity "
    "holds if every number lies in its range, that of its control included, a pair that must "
    "differ."
)


def _row(record: Record) -> str:
    parts = record["parts"]
    expected = "<br>".join(f"{part['name']}: {wording.expected(part)}" for part in parts)
    found = "<br>".join(wording.measured(part) for part in parts)
    cells = (
        f"**{record['name']}** {record['claim']}",
        wording.papers(record),
        f"{record['statistic']} {record['setup']}",
        expected,
        found,
        record["verdict"],
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

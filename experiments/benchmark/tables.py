"""Timings as tables and as JSON: spreads, ratios, and whether a target is reached."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rich.table import Table

from experiments.benchmark.timing import Spread, Timings


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table: a measure, or its ratio to the same measure of a reference.

    Attributes:
      title: the heading.
      measure: the name of the measure in the samples.
      reference: the contender that the others are divided by; None shows the measure itself.
      unit: what follows the number.
      decimals: shows the median alone, with so many decimals; None shows the spread too.
    """

    title: str
    measure: str
    reference: str | None = None
    unit: str = " s"
    decimals: int | None = None

    def cell(self, timings: Timings, contender: str) -> str:
        """The text for one contender: a median with its spread, or a ratio."""
        if self.reference is not None:
            return f"{timings.ratio(self.measure, contender, self.reference).median:.2f}×"
        spread = timings.spread(self.measure, contender)
        if self.decimals is not None:
            return f"{spread.median:.{self.decimals}f}{self.unit}"
        return spread.show(self.unit)


def table(title: str, timings: Timings, columns: Sequence[Column]) -> Table:
    """One row for each contender."""
    result = Table("", title=title, title_justify="left")
    for column in columns:
        result.add_column(column.title, justify="right")
    for contender in timings.samples:
        result.add_row(contender, *(column.cell(timings, contender) for column in columns))
    return result


@dataclasses.dataclass(frozen=True)
class Target:
    """A ratio to reach: `slower`'s measure over `faster`'s is at least `at_least`."""

    measure: str
    slower: str
    faster: str
    at_least: float

    def ratio(self, timings: Timings) -> Spread:
        """What was measured, paired round by round."""
        return timings.ratio(self.measure, self.slower, self.faster)

    def reached(self, timings: Timings) -> bool:
        """Whether the median over the rounds reaches the target."""
        return self.ratio(timings).median >= self.at_least


def target_table(timings: Timings, targets: Sequence[Target]) -> Table:
    """Each target beside what was measured."""
    result = Table("measure", "times faster", title="Targets", title_justify="left")
    for title in ("at least", "measured", "reached"):
        result.add_column(title, justify="right")
    for target in targets:
        result.add_row(
            target.measure,
            f"{target.faster} than {target.slower}",
            f"{target.at_least:g}×",
            target.ratio(timings).show("×"),
            "yes" if target.reached(timings) else "no",
        )
    return result


def as_json(
    timings: Timings, columns: Sequence[Column], targets: Sequence[Target]
) -> dict[str, object]:
    """Everything measured and everything shown, for `json.dump`."""
    return {
        "samples": {name: list(samples) for name, samples in timings.samples.items()},
        "spreads": {
            name: {measure: _spread(timings.spread(measure, name)) for measure in samples[0]}
            for name, samples in timings.samples.items()
        },
        "ratios": [
            {
                "measure": column.measure,
                "contender": name,
                "reference": column.reference,
                **_spread(timings.ratio(column.measure, name, column.reference)),
            }
            for column in columns
            if column.reference is not None
            for name in timings.samples
        ],
        "targets": [
            {
                **dataclasses.asdict(target),
                "measured": _spread(target.ratio(timings)),
                "reached": target.reached(timings),
            }
            for target in targets
        ],
    }


def _spread(spread: Spread) -> dict[str, float]:
    return dataclasses.asdict(spread)

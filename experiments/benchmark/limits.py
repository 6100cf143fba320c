"""Bounds that measurements are to keep, as a table and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rich.table import Table

from experiments.benchmark.timing import Spread


@dataclasses.dataclass(frozen=True)
class Limit:
    """Something measured that is to stay below a bound."""

    what: str
    at_most: float
    measured: Spread
    unit: str = "×"

    @property
    def kept(self) -> bool:
        """Whether the median is within the bound."""
        return self.measured.median <= self.at_most


def limit_table(limits: Sequence[Limit]) -> Table:
    """Each limit beside what was measured."""
    result = Table("", "at most", "measured", "kept", title="Limits", title_justify="left")
    for limit in limits:
        shown = limit.measured.show(limit.unit)
        result.add_row(
            limit.what, f"{limit.at_most:g}{limit.unit}", shown, "yes" if limit.kept else "no"
        )
    return result


def limit_json(limits: Sequence[Limit]) -> list[dict[str, object]]:
    """Each limit, what was measured and whether it is kept, for `json.dump`."""
    return [{**dataclasses.asdict(limit), "kept": limit.kept} for limit in limits]

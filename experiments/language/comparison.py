"""The rows of a study held against that where decay is tuned: everything that has an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from experiments.language import findings
from experiments.language.findings import Carried, Row
from experiments.language.results import Results
from experiments.statistics.resample import Estimate


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a study compares, of the rows that are there.

    Attributes:
      base: where decay is tuned: the first width, text and learning rate.
      learning_rates: rows with another learning rate alone, ascending, the base not among them.
      texts: likewise, with another text.
      widths: likewise, with another width.
      carried: numbers of decay kept in each of those.
    """

    base: Row
    learning_rates: tuple[Row, ...]
    texts: tuple[Row, ...]
    widths: tuple[Row, ...]
    carried: tuple[Carried, ...]

    @property
    def by_rate(self) -> Estimate | None:
        """What keeping ω saves against λ, over learning rates."""
        return findings.cheaper(self.base, self.learning_rates, "rate", "strength")

    @property
    def by_time(self) -> Estimate | None:
        """What keeping τ saves against ω, over texts."""
        return findings.cheaper(self.base, self.texts, "time", "rate")

    @property
    def over_learning_rates(self) -> Estimate | None:
        """d log τ / d log η of the best τ."""
        own = (self.base, *self.learning_rates)
        return findings.slope(own, lambda row: row.learning_rate, findings.log_time)

    @property
    def over_text(self) -> Estimate | None:
        """d log τ / d log characters, τ in epochs: −1 if it is the same number of steps."""
        own = (self.base, *self.texts)
        return findings.slope(own, lambda row: row.results.setup.examples, findings.log_time)


def compared(found: Sequence[Results]) -> Comparison:
    """The rows of the programs, the first of which is that where decay is tuned."""
    base, *others = findings.rows(found)
    same = [row for row in others if row.learning_rate == base.learning_rate]
    setup = base.results.setup
    learning_rates = [row for row in others if row.results is base.results]
    texts = [row for row in same if row.results.setup.examples != setup.examples]
    widths = [row for row in same if row.results.setup.width != setup.width]
    learning_rates.sort(key=lambda row: row.learning_rate)
    texts.sort(key=lambda row: row.results.setup.examples)
    widths.sort(key=lambda row: row.results.setup.width)
    changed = (*learning_rates, *widths, *texts)
    carried = (each for row in changed for each in findings.carried(base, row))
    return Comparison(base, tuple(learning_rates), tuple(texts), tuple(widths), tuple(carried))

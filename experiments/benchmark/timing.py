"""Timing contenders against each other on one machine: interleaved, as ratios, with spread."""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from experiments.formatting import significant

Sample = Mapping[str, float]
"""What one run of one contender measured, by name: ``{"process": 3.1, "epoch": 0.2}``."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """A median with the least and the greatest value."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of at least one value.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(median=2.0, low=1.0, high=3.0)
        """
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))

    def show(self, unit: str = "") -> str:
        """As text, to three significant digits.

        >>> Spread(2.5, 2.41, 12.0).show(" s")
        '2.50 s [2.41–12.0]'
        """
        median, low, high = map(significant, (self.median, self.low, self.high))
        return f"{median}{unit} [{low}–{high}]"


@dataclasses.dataclass(frozen=True)
class Timings:
    """The samples of every contender, one for each round.

    >>> timings = Timings({"ours": [{"epoch": 1.0}], "theirs": [{"epoch": 4.0}]})
    >>> timings.ratio("epoch", "theirs", "ours").median
    4.0
    """

    samples: Mapping[str, Sequence[Sample]]

    def values(self, measure: str, contender: str) -> list[float]:
        """One value for each round."""
        return [sample[measure] for sample in self.samples[contender]]

    def spread(self, measure: str, contender: str) -> Spread:
        """The median over the rounds, with the least and the greatest."""
        return Spread.of(self.values(measure, contender))

    def ratio(self, measure: str, contender: str, reference: str) -> Spread:
        """How many times the reference's value the contender's is, paired round by round."""
        pairs = zip(self.values(measure, contender), self.values(measure, reference), strict=True)
        return Spread.of(value / base for value, base in pairs)


def interleave(
    contenders: Mapping[str, Callable[[], Sample]],
    rounds: int,
    *,
    on_sample: Callable[[str, Sample], None] = lambda contender, sample: None,
) -> Timings:
    """Runs every contender once in each round, always in the same order.

    Args:
      contenders: what to run, by name; each call returns the same measures.
      rounds: how many samples of each contender to take, at least 1.
      on_sample: called with each sample as soon as it is there.

    Returns:
      The samples, in the order of the rounds.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            sample = run()
            samples[name].append(sample)
            on_sample(name, sample)
    return Timings(samples)


@dataclasses.dataclass(frozen=True)
class Process:
    """A process that has ended: seconds from start to exit, and what it printed."""

    seconds: float
    output: str


def run_process(
    command: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> Process:
    """Runs a command to its end and measures its wall time.

    Args:
      command: the program and its arguments.
      cwd: the directory to run in; the current one if None.
      environment: variables to add to this process's own.

    Raises:
      RuntimeError: if the exit status is not 0, with the end of what it wrote to stderr.
    """
    started = time.perf_counter()
    ended = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environment or {})}, capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    if ended.returncode:
        raise RuntimeError(
            f"{' '.join(command)}: expected exit status 0, got {ended.returncode}; "
            f"it ended with:\n{ended.stderr[-2000:]}"
        )
    return Process(seconds, ended.stdout)

"""A claim of a paper, the range in which it puts a number, and the verdict, which is computed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from experiments.claims.wording import VERDICTS
from experiments.paired.sample import Source
from experiments.statistics.resample import Estimate, Statistic, estimate

Measured = Mapping[str, np.ndarray]
Kind = Literal["statistical", "exact"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What every claim is measured with.

    Attributes:
      source: images to train on, to choose by and to test on.
      seeds: each redraws images, noise, initial weights and the order of the batches.
    """

    source: Source
    seeds: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Paper:
    """Where a claim was made."""

    authors: str
    year: int
    arxiv: str


def average(values: np.ndarray) -> float:
    """The statistic of most parts: the mean over seeds of one number each."""
    return float(np.mean(values))


@dataclasses.dataclass(frozen=True)
class Part:
    """One number of a claim, and the range in which the claim puts it.

    Attributes:
      name: what is measured, in a few words.
      low: where the expected range begins; set from the paper, before anything was measured.
      high: where it ends.
      statistic: of what was measured for some seeds, an array with a leading axis of seeds.
    """

    name: str
    low: float = -math.inf
    high: float = math.inf
    statistic: Statistic = average


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of a paper, and how it is measured here.

    Attributes:
      name: short, for the command line.
      claim: the statement, in one sentence.
      papers: those that make it.
      statistic: what is measured, in words.
      setup: what it is measured on, in words.
      parts: the numbers; the claim holds if all of them lie in their ranges.
      measure: trains, and returns for each part, by its name, an array with a leading axis of
        seeds.
      kind: "statistical", judged by an interval over seeds; "exact", by every single number.
      axes: what the other axes of the arrays are, for those who compute a statistic anew.
      examples: how many training images a seed needs.
      seeds: those that measure it; a number of its own is written down beside its derivation, and
        then they are fresh ones, on which nothing was chosen.
      seconds: about how long it takes on two cores with five seeds.
      quick: whether it belongs to the quick set.
    """

    name: str
    claim: str
    papers: tuple[Paper, ...]
    statistic: str
    setup: str
    parts: tuple[Part, ...]
    measure: Callable[[Settings], Measured]
    kind: Kind = "statistical"
    axes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    examples: int = 2000
    seeds: range = range(5)
    seconds: float = 10.0
    quick: bool = False


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was found for one part.

    Attributes:
      measured: an array with a leading axis of seeds.
      estimate: the statistic with both intervals over seeds; of an exact identity the worst
        number, without intervals.
      holds: whether it lies in the expected range; None if the interval lies neither in it nor
        outside.
    """

    measured: np.ndarray
    estimate: Estimate
    holds: bool | None


def judge(kind: Kind, part: Part, measured: Any) -> Outcome:
    """Statistical: by where the jackknife-t interval lies. Exact: by where every number lies.

    >>> judge("statistical", Part("x", low=0.8), [0.7, 0.95, 1.2]).holds
    >>> judge("statistical", Part("x", low=0.8), [0.94, 0.95, 0.96]).holds
    True
    >>> judge("exact", Part("x", high=1e-12), [0.0, 1e-11, 0.0]).holds
    False
    """
    numbers = as_written(measured)
    if kind == "exact":
        worst = farthest(part, numbers)
        holds = part.low <= worst <= part.high
        return Outcome(numbers, Estimate(worst, None, None, len(numbers)), holds)
    found = estimate(lambda seeds: part.statistic(numbers[seeds]), len(numbers))
    return Outcome(numbers, found, found.within(part.low, part.high))


def as_written(measured: Any) -> np.ndarray:
    """The numbers as the records have them: of float32 the shortest decimals that mean the same.

    The verdict is of these, so that whoever reads the records finds the same.
    """
    array = np.asarray(measured)
    return array.astype(str).astype(float) if array.dtype == np.float32 else array.astype(float)


def farthest(part: Part, numbers: np.ndarray) -> float:
    """The number that lies deepest outside the expected range, or nearest to its end."""
    inside = np.minimum(numbers - part.low, part.high - numbers)
    return float(numbers.flat[np.argmin(inside)])


def verdict(holds: Sequence[bool | None]) -> str:
    """All parts in their ranges: it holds. Any outside: it does not. Otherwise undecided.

    >>> verdict([True, None]), verdict([None, False])
    ('undecided', 'does not hold here')
    """
    return VERDICTS.word(False if False in holds else None if None in holds else True)


def measure(claim: Claim, settings: Settings) -> dict[str, Any]:
    """Measures a claim: its record, with everything that it takes to compute the verdict anew."""
    arrays = claim.measure(settings)
    outcomes = [judge(claim.kind, part, arrays[part.name]) for part in claim.parts]
    words = {name: getattr(claim, name) for name in ("claim", "statistic", "setup", "kind")}
    return {
        "name": claim.name,
        **words,
        "papers": [dataclasses.asdict(paper) for paper in claim.papers],
        "seeds": settings.seeds,
        "axes": claim.axes,
        "parts": [_part_record(*pair) for pair in zip(claim.parts, outcomes, strict=True)],
        "verdict": verdict([outcome.holds for outcome in outcomes]),
    }


def _part_record(part: Part, outcome: Outcome) -> dict[str, Any]:
    found = outcome.estimate
    return {
        "name": part.name,
        "low": part.low,
        "high": part.high,
        "value": found.value,
        "jackknife": found.jackknife,
        "bootstrap": found.bootstrap,
        "holds": outcome.holds,
        "measured": outcome.measured.tolist(),
    }

"""What a study hands to its picture and its page: plain JSON, typed.

`describe` makes it; `picture` and `page` draw it and compute nothing more. Whatever is not known is
None; NaN and infinity are not JSON, and are None too. Accuracies and shares are between 0 and 1,
texts are not escaped yet. The weights themselves are no part of it: `pictures.unpacked` reads them.
"""

from __future__ import annotations

from typing import TypedDict

from experiments.path.penalties import Network
from experiments.statistics.number import NumberContent


class CutContent(TypedDict):
    """The first seed's network before and after its dead units were cut out."""

    units: tuple[int, int]
    parameters: tuple[int, int]
    time: float
    """Of a forward pass over the test images, after over before, measured in turns."""
    error: float
    """The largest difference of logits over all test images, over the largest logit."""


class StrengthContent(TypedDict):
    """The trainings at one strength."""

    strength: float
    measures: dict[str, NumberContent]
    """By the names of `measures.MEASURES`, at the end of the training."""
    learning: list[float | None]
    """Test accuracy at each of the ``epochs`` of the curve, means over seeds."""
    diverged: int
    """Seeds that did, or are missing."""
    unconverged: int
    """Solutions that are not within the tolerance."""
    histogram: list[int] | None
    """Of the first layer's weights that are not exactly zero, first seed, in ``edges``."""
    cut: CutContent | None
    """None where no unit is dead."""


class CurveContent(TypedDict):
    """One path, strengths ascending."""

    id: str
    """As ``mlp-group_lasso``; `pictures.unpacked` takes it."""
    network: Network
    penalty: str
    """The key of `penalties.PENALTIES`."""
    title: str
    formula: str
    applied: str
    """How: in the loss, by its proximal operator, or solved exactly."""
    unit: str
    """What ``live`` counts: hidden unit, or pixel."""
    units: int
    full_rank: int
    epochs: list[float]
    strengths: list[StrengthContent]
    chosen: int | None
    """The place of the strength that validation chooses."""
    sparse: int | None
    """That of the highest one whose validation accuracy is within half a point of that."""


class ChoiceContent(TypedDict):
    """A row of the table of a network: texts."""

    network: Network
    penalty: str
    chosen: str
    """λ that validation chooses, for each resample of the seeds anew."""
    accuracy: str
    """Test accuracy there, with its interval."""
    gain: str
    """Above that of no penalty, in pairs; above the lowest strength for regression."""
    sparse: str
    """The highest λ within half a point."""
    sparse_accuracy: str
    zeros: str
    """Share of the weights that are exactly zero there, like ``live`` and ``rank`` of all seeds."""
    live: str
    rank: str


class PathContent(TypedDict):
    title: str
    answer: list[str]
    """One sentence each."""
    note: str
    """Such as that the study was stopped; or nothing."""
    curves: list[CurveContent]
    choices: list[ChoiceContent]
    edges: list[float]
    """Of the histograms: one more than there are counts."""
    made: dict[str, str]
    """How it was made: texts by their labels."""
    seeds: list[int]
    """Pictures, histograms and cuts are those of the first."""

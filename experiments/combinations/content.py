"""What a study hands to its tables, picture and page: plain JSON, typed.

`describe` makes it; the others draw it and compute nothing more. Whatever is not known is None.
Errors are in percent, differences in percentage points.
"""

from __future__ import annotations

from typing import TypedDict

from experiments.statistics.number import NumberContent


class CellContent(TypedDict):
    """A penalty in a place."""

    penalty: str
    place: str
    strength: str
    """With its symbol and a mark where it is the strongest that was tried; empty for none."""
    error: NumberContent
    shown: str
    """The error with its interval; or what diverged, and then nothing else is known."""
    gain: str
    """Its difference to no penalty in the same place; empty for none."""
    word: str
    """One of `findings.WORDS`; empty for none."""
    zeros: float | None
    """Percent of the weights that are exactly zero."""
    effective: NumberContent | None
    """η/‖w‖² of the layers that a norm follows."""
    factor: str
    """By which it is that without a penalty."""


class StepContent(TypedDict):
    """One step of the published ordering."""

    name: str
    shown: str
    verdict: str


class OrderingContent(TypedDict):
    """The published ordering."""

    errors: list[str]
    """As ``dropout + max-norm 9.58 ± 0.30``, in the published order."""
    steps: list[StepContent]
    verdict: str
    weaker: str
    """Of the weaker claim: both with dropout below L2 alone."""
    tau: str


class EffectContent(TypedDict):
    """What Dropout or BatchNorm adds."""

    added: str
    to: str
    shown: str
    word: str


class TriedContent(TypedDict):
    """L2 beside BatchNorm along its strengths, on the tuning seeds."""

    place: str
    strength: str
    effective: str
    validation: str


class ModelContent(TypedDict):
    """One network."""

    model: str
    title: str
    cells: list[CellContent]
    effects: list[EffectContent]
    ordering: OrderingContent | None
    tried: list[TriedContent]


class Content(TypedDict):
    """A study."""

    title: str
    answer: list[str]
    note: str
    models: list[ModelContent]
    made: dict[str, str]
    seeds: list[int]

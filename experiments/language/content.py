"""What a study hands to its tables, picture and page: plain JSON, typed.

`describe` makes it; the others draw it and compute nothing more. Whatever is not known is None.
Losses and costs are in bits per character, times in epochs.
"""

from __future__ import annotations

from typing import TypedDict

from experiments.statistics.number import NumberContent


class RowContent(TypedDict):
    """One learning rate of a program."""

    learning_rate: float
    rates: list[float]
    test: list[NumberContent]
    """Of each decay."""
    chosen: int
    """The place of the decay that validation chooses."""
    tuned: str
    """The test loss there, with its interval."""
    gain: str
    """What it takes off the loss without decay; empty where there is none."""
    time: NumberContent
    """τ of the best decay."""
    shown: str
    """It with its interval."""
    between: str
    """Whether it lies between one epoch and all of them."""


class ProgramContent(TypedDict):
    """One shape of the model and of its text."""

    id: str
    title: str
    width: int
    characters: int
    parameters: int
    steps: int
    steps_per_epoch: float
    rows: list[RowContent]


class CarriedContent(TypedDict):
    """A number of the tuned decay, kept where something else has changed."""

    change: str
    kept: str
    rate: str
    cost: NumberContent
    shown: str
    verdict: str
    """One of `findings.KEEPING`."""


class ClaimContent(TypedDict):
    """A statement with its verdict."""

    name: str
    statistic: str
    shown: str
    expected: str
    verdict: str
    """One of `findings.VERDICTS`."""


class Content(TypedDict):
    """A study."""

    title: str
    answer: list[str]
    note: str
    programs: list[ProgramContent]
    carried: list[CarriedContent]
    claims: list[ClaimContent]
    made: dict[str, str]

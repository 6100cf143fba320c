"""What a study hands to its tables, picture and page: plain JSON, typed.

`describe` makes it; the others draw it and compute nothing more. Whatever is not known is None.
"""

from __future__ import annotations

from typing import TypedDict


class RowContent(TypedDict):
    """A way, and what it chooses for."""

    method: str
    title: str
    subject: str
    chosen: list[float]
    """Of each seed."""
    strength: str
    """Their geometric mean."""
    over_seeds: str
    """The least and the largest."""
    within: str
    """Within one standard error of the least score: geometric means of the ends."""
    interval: tuple[float, float] | None
    loss: str
    accuracy: str
    beside_best: str
    word: str
    """One of `findings.VERDICTS`; empty where nothing is compared."""
    trainings: str
    seconds: str
    """A choice with what is compiled first, and one after it."""
    reached: tuple[float, float, float] | None
    """Test loss, and the ends of its interval."""


class CurveContent(TypedDict):
    """Strengths, and what is known of each; lines of the picture."""

    strengths: list[float]
    values: list[float]
    errors: list[float] | None


class TraceContent(TypedDict):
    """What a search has tried with the first seed, in its order."""

    title: str
    strengths: list[float]
    scores: list[float | None]


class Content(TypedDict):
    """A study."""

    title: str
    answer: list[str]
    note: str
    rows: list[RowContent]
    validation: CurveContent | None
    """The curve of cross-validation with the first seed, with standard errors."""
    test: CurveContent | None
    """Test losses of trainings on all images of a seed; the mean over seeds."""
    bare: float | None
    """Likewise without a penalty."""
    traces: list[TraceContent]
    warnings: list[str]
    made: dict[str, str]

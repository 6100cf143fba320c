"""What a study hands to its page and its picture: plain JSON, typed.

`describe` makes it; `page` and `heat_maps` draw it and compute nothing more. Whatever is not known
is None; NaN and infinity are not JSON, and are None too. Errors are shares between 0 and 1, texts
are not escaped yet.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from experiments.decay_form import Axis

Row = list[float | None]
"""A number for each column of a grid."""


class CurvesContent(TypedDict):
    """Of one training, at the times of its panel."""

    loss: Row
    norm: Row
    sparsity: Row


class CellContent(TypedDict):
    """The trainings of one cell of a grid, one for each seed."""

    loss: float | None
    """Geometric mean over the seeds of the validation loss."""
    spread: float | None
    """Standard deviation over the seeds of its logarithm."""
    validation_error: float | None
    test_error: float | None
    test_spread: float | None
    diverged: int
    """Seeds that did."""
    total_decay: float | None
    """D = Σω_t."""
    curves: CurvesContent | None
    """Of the first seed."""
    histogram: list[int] | None
    """Of the weights of the first seed: 41 counts over [−largest, largest]."""
    largest: float | None


class PanelContent(TypedDict):
    """One heat map: rows are learning rates, columns are decays, both ascending."""

    id: str
    title: str
    optimizer: Literal["sgd", "momentum", "adam"]
    labels: dict[Axis, str | None]
    """What the form is called on each axis; None where it has no such view."""
    trained: Axis
    """The axis along which the grid is rectangular, that of ``decays``."""
    learning_rates: list[float]
    decays: list[float]
    strength: list[Row]
    """λ of every cell, also of one that is missing."""
    rate: list[Row]
    """ω of every cell."""
    times: list[int]
    """Steps made when the curves are recorded."""
    multiplier: list[float]
    """s_t of the learning rate at those times."""
    power: Literal[1, 2]
    """The effective learning rate is η·s_t/‖w‖^power."""
    cells: list[list[CellContent | None]]
    """None where a seed is missing."""
    row_best: list[int | None]
    best: tuple[int, int] | None
    edge: Row
    """The upper edge of every row, on the trained axis."""
    on_edge: str
    """In which directions the best cell lies on the rim of the grid, in words."""


class StatisticContent(TypedDict):
    """One line of a regime's table. The first of a panel and an axis stands under its heat map."""

    name: str
    """Those in `page.explanations.STATISTICS` are explained above the table."""
    panel: str
    """The ``id`` of a panel, shown by its label, or any other text."""
    axis: str
    """λ, ω, or nothing where it belongs to both."""
    expected: str
    measured: str
    bootstrap: str
    detail: str
    verdict: str
    """One of `findings.VERDICTS`, or nothing where nothing was expected."""


class RegimeContent(TypedDict):
    name: str
    title: str
    explanation: str
    setup: list[tuple[str, str]]
    panels: list[PanelContent]
    statistics: list[StatisticContent]


class ComparisonContent(TypedDict):
    """The best of one form against the best of another."""

    regime: str
    first: str
    second: str
    difference: str
    bootstrap: str
    verdict: str


class StudyContent(TypedDict):
    title: str
    answer: list[str]
    """One sentence each."""
    note: str
    """Such as that the study was stopped; or nothing."""
    regimes: list[RegimeContent]
    comparisons: list[ComparisonContent]
    made: dict[str, str]
    """How it was made: texts by their labels."""
    seeds: list[int]
    """The curves are those of the first."""

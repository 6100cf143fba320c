"""The one kind of answer: a strength, what it was chosen from, and what that cost."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxreg._messages.table import aligned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 30


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """A chosen strength; printing it shows a table, `draw` a picture.

    Attributes:
      strength: the chosen λ; an array if each group of parameters has its own.
      candidates: by name arrays with one entry for each candidate, ``strength`` among them.
      scores: of shape (candidates,): what was to be small, such as the mean loss of held-out
        examples; NaN for candidates that diverged or were given up.
      errors: of shape (candidates,): standard errors of the scores; NaN where there is none.
      trainings: how many were run, those that diverged too; 0 for closed forms.
      seconds: wall time, compilation included.
      chosen: which candidate; its entries are `point`, its score is `score`.
      method: how it was chosen, in words.
      interval: the smallest and the largest strength whose score is within one standard error of
        the least, all else as chosen; None where there is no error.
      warnings: what should be known before the strength is used.
      is_trace: whether the candidates are in the order in which they were tried, each depending on
        those before, rather than the points of a curve.
      splits: of shape (candidates, splits): the score of each split; None where there is none.
      study: Optuna's study, for its own pictures; None where there is none.
    """

    strength: Any
    candidates: dict[str, np.ndarray]
    scores: np.ndarray
    errors: np.ndarray
    trainings: int
    seconds: float
    chosen: int
    method: str
    interval: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    is_trace: bool = False
    splits: np.ndarray | None = dataclasses.field(default=None, repr=False)
    study: Any = dataclasses.field(default=None, repr=False)

    @property
    def point(self) -> dict[str, Any]:
        """The chosen candidate: {name: its entry}, as a training takes it."""
        return {name: values[self.chosen] for name, values in self.candidates.items()}

    @property
    def score(self) -> float:
        """That of the chosen candidate."""
        return float(self.scores[self.chosen])

    def draw(self, axes: Axes | None = None) -> Figure:
        """The scores over the strengths, with errors, the interval and the choice.

        Args:
          axes: of matplotlib, to draw into; a new figure if None.

        Returns:
          The figure: ``choice.draw().savefig("choice.png")``.

        Raises:
          ImportError: without matplotlib.
        """
        from jaxreg.tune._picture import drawn  # not before it is asked for

        return drawn(self, axes)

    def __repr__(self) -> str:
        lines = [aligned(_rows(self)), _summary(self)]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    __str__ = __repr__


def _rows(choice: Choice) -> list[list[str]]:
    rows = [[*choice.candidates, "score", "± error", ""]]
    for i in _shown(choice):
        entries = [_number(values[i]) for values in choice.candidates.values()]
        rows.append(
            [*entries, _number(choice.scores[i]), _number(choice.errors[i]), _mark(choice, i)]
        )
    return rows


def _shown(choice: Choice) -> list[int]:
    """Rows of the table: in order of the strength, or as tried; evenly thinned out if many."""
    names = [n for n in choice.candidates if n != "strength"]
    keys = [choice.candidates[n] for n in reversed([*names, "strength"]) if n in choice.candidates]
    sortable = all(np.ndim(key) == 1 and np.asarray(key).dtype.kind in "biuf" for key in keys)
    count = len(choice.scores)
    order = np.arange(count) if choice.is_trace or not sortable else np.lexsort(keys)
    every = -(-count // MOST_ROWS)
    return [int(i) for place, i in enumerate(order) if place % every == 0 or i == choice.chosen]


def _mark(choice: Choice, i: int) -> str:
    if i == choice.chosen:
        return "← chosen"
    if not np.isfinite(choice.scores[i]):
        return "left out"
    return "← least" if choice.scores[i] == np.nanmin(choice.scores) else ""


def _number(value: Any) -> str:
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "biuf":
        return (
            np.array2string(array, precision=4, separator=", ") if array.dtype.kind in "f" else "…"
        )
    return "-" if np.isnan(array) else f"{array.item():.4g}"


def _summary(choice: Choice) -> str:
    count, shown = len(choice.scores), len(_shown(choice))
    within = ""
    if choice.interval is not None:
        low, high = choice.interval
        within = f" (within one standard error of the least: {low:.3g} to {high:.3g})"
    cost = f"{choice.trainings:,} trainings, " if choice.trainings else ""
    some = (
        f"{shown} of {count:,} candidates shown"
        if shown < count
        else f"{count:,} candidates"[: None if count > 1 else -1]
    )
    return (
        f"strength {_number(choice.strength)}{within} by {choice.method}; "
        f"{some}, {cost}{choice.seconds:.2g} s"
    )

"""Which candidate of a curve: the least score, or glmnet's rule of one standard error."""

from __future__ import annotations

from typing import Literal

import numpy as np

Rule = Literal["minimum", "one_standard_error"]
RULES = ("minimum", "one_standard_error")
TIE = 4.0  # scores so many units of rounding apart are the same


def least(strengths: np.ndarray, scores: np.ndarray, eps: float = 0.0) -> int:
    """The candidate with the least score, of equal ones that with the largest strength.

    Scores that are NaN do not count; there has to be another. ``eps`` is the unit of rounding of
    the losses that they are means of.
    """
    best = np.nanmin(scores)
    tied = scores <= best + TIE * eps * abs(best)
    return int(np.argmax(np.where(tied, strengths, -np.inf)))


def within_one_error(scores: np.ndarray, errors: np.ndarray, best: int) -> np.ndarray:
    """Which candidates score at most one standard error above the best."""
    reach = np.nan_to_num(errors[best])
    return scores <= scores[best] + reach


def picked(
    rule: Rule,
    strengths: np.ndarray,
    scores: np.ndarray,
    errors: np.ndarray,
    alike: np.ndarray | None = None,
    eps: float = 0.0,
) -> tuple[int, tuple[float, float] | None]:
    """(the candidate that a rule chooses, the interval within one standard error).

    Args:
      rule: "minimum", or "one_standard_error": the largest strength in the interval.
      strengths, scores, errors: of the candidates.
      alike: (candidates, candidates), which differ in strength alone; None if all do.
      eps: the unit of rounding of the losses.
    """
    best = least(strengths, scores, eps)
    near = within_one_error(scores, errors, best)
    if alike is not None:
        near &= alike[best]
    ends = (float(strengths[near].min()), float(strengths[near].max()))
    interval = ends if np.isfinite(errors[best]) else None
    if rule == "one_standard_error":
        best = int(np.argmax(np.where(near, strengths, -np.inf)))
    return best, interval


def check_rule(owner: str, rule: object) -> None:
    if not (isinstance(rule, str) and rule in RULES):
        raise ValueError(
            f'{owner}: rule: expected "minimum" or "one_standard_error" (the largest strength '
            f"within one standard error of the minimum), got {rule!r}"
        )

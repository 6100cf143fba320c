"""Which candidate of a curve: the least score, or glmnet's rule of one standard error."""

from __future__ import annotations

from typing import Literal

import numpy as np

Rule = Literal["minimum", "one_standard_error"]
RULES = ("minimum", "one_standard_error")
TIE = 4.0  # scores so many units of rounding apart are the same


def least(strengths: np.ndarray, scores: np.ndarray) -> int:
    """The candidate with the least score, of equal ones that with the largest strength.

    Scores that are NaN do not count; there has to be another.
    """
    eps = np.finfo(scores.dtype).eps if scores.dtype.kind == "f" else 0.0
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
) -> tuple[int, tuple[float, float] | None]:
    """(the candidate that a rule chooses, the interval within one standard error).

    Args:
      rule: "minimum", or "one_standard_error": the largest strength in the interval.
      strengths, scores, errors: of the candidates.
      alike: (candidates, candidates), which differ in strength alone; None if all do.
    """
    best = least(strengths, scores)
    near = within_one_error(scores, errors, best)
    if alike is not None:
        near &= alike[best]
    ends = (float(strengths[near].min()), float(strengths[near].max()))
    interval = ends if np.isfinite(errors[best]) else None
    if rule == "one_standard_error":
        best = int(np.argmax(np.where(near, strengths, -np.inf)))
    return best, interval


def check_rule(owner: str, rule: object) -> None:
    if rule not in RULES:
        raise ValueError(
            f'{owner}: rule: expected "minimum" or "one_standard_error" (the largest strength '
            f"within one standard error of the minimum), got {rule!r}"
        )

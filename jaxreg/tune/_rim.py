"""A least score at the rim of the strengths that were tried: what lies beyond, nobody knows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxreg.tune import _picking
from jaxreg.tune._candidates import Candidates
from jaxreg.tune._runs import taken

MOST_GROWTHS = 4


@dataclasses.dataclass(frozen=True)
class Rim:
    """The end of the strengths at which the least score lies.

    Attributes:
      strength: the last one.
      ratio: of the last to the one before it: the step by which to go on; ∞ beside a 0.
    """

    strength: float
    ratio: float

    @property
    def can_grow(self) -> bool:
        """Not beyond 0, nor where there is no step to repeat."""
        return self.strength > 0 and bool(np.isfinite(self.ratio))

    @property
    def text(self) -> str:
        if self.strength == 0:
            return "the least score is that of strength 0: no other that was tried improves on it"
        end = "largest" if self.ratio > 1 else "smallest"
        return (
            f"the least score is that of the {end} strength, {self.strength:.3g}: the best may lie "
            f"beyond, with {'larger' if self.ratio > 1 else 'smaller'} ones"
        )


def found(candidates: Candidates, scores: np.ndarray, eps: float) -> Rim | None:
    """The rim, if the least score lies on it; not where the score has levelled out before."""
    strengths = candidates.strengths
    best = _picking.least(strengths, scores, eps)
    alike = candidates.alike()[best]
    series, first = np.unique(strengths[alike], return_index=True)
    values = scores[alike][first]
    if len(series) < 2 or strengths[best] not in (series[0], series[-1]):
        return None
    end, inner = (-1, -2) if strengths[best] == series[-1] else (0, 1)
    if abs(values[end] - values[inner]) <= _picking.TIE * eps * abs(values[end]):
        return None
    ratio = float(series[end] / series[inner]) if series[inner] > 0 else np.inf
    return Rim(float(series[end]), ratio)


def limited(rule: str, strength: float, strengths: np.ndarray) -> list[str]:
    """What to know if the rule of one standard error was stopped by the end of the strengths."""
    if rule != "one_standard_error" or strength < strengths.max():
        return []
    return [
        f"the largest strength that was tried, {strength:.3g}, is within one standard "
        f"error of the least score: larger ones may be too"
    ]


def grown(points: dict[str, Any], rim: Rim, steps: int) -> dict[str, Any]:
    """The points, and of each that lies on the rim so many more beyond it, as far as numbers go."""
    strengths = points["strength"]
    beyond = rim.strength * rim.ratio ** np.arange(1, steps + 1)
    limits = np.finfo(np.float32)
    beyond = beyond[(beyond > limits.tiny) & (beyond < limits.max)]
    rows = np.flatnonzero(np.asarray(strengths, float) == rim.strength)
    every = np.concatenate([np.arange(len(strengths)), np.repeat(rows, len(beyond))])
    more = {name: taken(values, every) for name, values in points.items()}
    new = np.tile(beyond, len(rows)).astype(np.result_type(strengths, np.float32))
    return more | {"strength": np.concatenate([strengths, new])}

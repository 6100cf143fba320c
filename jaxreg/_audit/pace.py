"""What scales a decay: the learning rate, its schedule, a schedule of its own, or nothing."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from jaxreg._audit.answers import Answers

CONSTANT = 1e-4  # relative differences below which a coefficient counts as constant
Pace = Literal["constant", "with the schedule", "its own schedule", "without the schedule"]


def degree(coefficients: Any, learning_rates: Any) -> float | None:
    """k in coefficient ∝ learning_rateᵏ; None if the coefficient is not of that form."""
    c, lr = np.asarray(coefficients, float), np.asarray(learning_rates, float)
    if np.any(c == 0) or np.any(np.sign(c) != np.sign(c[0])):
        return None
    slopes = np.log(c[1:] / c[0]) / np.log(lr[1:] / lr[0])
    return float(slopes.mean()) if np.ptp(slopes) < 0.02 else None


def pace(answers: Answers, per_step: tuple[float, ...]) -> Pace:
    """How a decay that is a share of w changes with the steps, beside the steps themselves."""
    if not per_step or answers.has_memory:
        return "constant"
    decay, responses = np.abs(per_step), _responses(answers)
    moving = (decay > 0) | (responses[0] > 0)  # accumulated gradients: neither moves
    decay, responses = decay[moving], [r[moving] for r in responses]
    if any(_in_proportion(decay, response) for response in responses):
        return "constant" if _is_constant(decay) else "with the schedule"
    if not _is_constant(decay):
        return "its own schedule"
    at_rest = (responses[0] == 0) & (decay > 0)
    return "without the schedule" if np.any(at_rest) else "constant"


def _responses(answers: Answers) -> list[np.ndarray]:
    """How long the steps are: under the same gradient at all steps, and under one only.

    The one or the other is constant, but for a schedule, for most optimizers: for Adam and for
    momentum. Where both vary it may be the optimizer's nature.
    """
    steps = range(answers.steps)
    constant = answers.at(1.0, 0.0, constant=True)
    single = np.stack([answers.at(1.0, 0.0, only=t)[t] for t in steps])
    return [np.linalg.norm(updates, axis=1) for updates in (constant, single)]


def _in_proportion(decay: np.ndarray, response: np.ndarray) -> bool:
    moves = response > 0
    return bool(np.any(moves) and not np.any(decay[~moves])) and _is_constant(
        decay[moves] / response[moves]
    )


def _is_constant(numbers: np.ndarray) -> bool:
    return numbers.size == 0 or bool(np.ptp(numbers) <= CONSTANT * np.max(numbers, initial=0.0))

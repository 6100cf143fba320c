"""The forms of decay that a leaf may show."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from jaxreg._audit.answers import TOLERANCE, Answers, text
from jaxreg._audit.black_box import Arrays

Form = Literal[
    "none",
    "decoupled",
    "coupled",
    "coupled = decoupled",
    "through momentum",
    "trust ratio",
    "gradient-relative",
    "proximal",
    "toward a reference",
    "undetermined",
]
VISIBLE = 1e-9  # of a step: above what the rounding of d leaves


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a rule has found for one leaf; see ``LeafAudit`` for the fields."""

    form: Form
    evidence: str
    coefficient: float | None = None
    per_step: tuple[float, ...] = ()
    coupled: bool = False  # the coefficient is the d of the gradient d·w
    preconditioned: bool = False  # the optimizer's answer to it is not in proportion to it
    also: float | None = None  # the decoupled decay beside a coupled one


def decoupled(rates: np.ndarray, evidence: str) -> Finding:
    """Decay −c·w beside the step, with c by steps."""
    largest = rates[np.argmax(np.abs(rates))]
    if not np.allclose(rates, largest, rtol=TOLERANCE, atol=0):
        evidence += f"; c by steps: {text(rates)}"
    return Finding("decoupled", evidence, float(largest), tuple(map(float, rates)))


def mean_pull(answers: Answers, pull: Arrays) -> float:
    return float(np.mean(np.real(pull[answers.index])))


def shown_degree(answers: Answers) -> str:
    return "?" if answers.degree is None else f"{round(answers.degree, 2) + 0.0:g}"

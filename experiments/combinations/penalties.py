"""The penalties that are combined: each is one row of `PENALTIES`.

All act on the weights, without biases and norms, and all of them stand in one program: a row says
which of its numbers are not those of no penalty. To add a penalty that is made of these numbers,
write its row; one that needs a number of its own has it in `NOTHING` and `trainings.optimizer`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Literal

PenaltyName = Literal["none", "l2", "decay", "l1", "elastic_net", "max_norm"]
Numbers = Mapping[str, float]

NOTHING: Numbers = {
    "loss": 0.0,  # λ of λ·Σw² in the loss
    "rate": 0.0,  # ω of w ← w − η_t·ω·w beside the step
    "l1": 0.0,  # λ of λ·Σ|w| by its prox after the step
    "l2": 0.0,  # of Σw² in the same prox
    "bound": math.inf,  # of the norm of the weights into a unit, projected after the step
}
"""The numbers of a training without a penalty."""
SQUARES = 10.0
"""Σw² beside Σ|w| in the elastic net: weights are small, and with 1 it would be L1."""


@dataclasses.dataclass(frozen=True)
class Combined:
    """A penalty, and with which strengths it is tried.

    Attributes:
      title: what it is called.
      formula: of its strength.
      symbol: of the strength.
      numbers: of a strength, those that differ from `NOTHING`.
      strengths: that are tried with 2,000 training images, the weakest first; one for no penalty.
      scaled: whether more images ask for weaker ones.
    """

    title: str
    formula: str
    symbol: str
    numbers: Callable[[float], Numbers]
    strengths: tuple[float, ...]
    scaled: bool = True

    def tried(self, images: float) -> tuple[float, ...]:
        """The strengths for so many times as many training images.

        A prior that stays as it is has λ ∝ 1/images beside a mean loss; the best λ falls more
        slowly, about as its root.
        """
        factor = images**-0.5 if self.scaled else 1.0
        return tuple(float(f"{strength * factor:.2g}") for strength in self.strengths)

    def at(self, strength: float) -> dict[str, float]:
        """All numbers of a training with that strength."""
        return {**NOTHING, **self.numbers(strength)}


NONE = "none"
PENALTIES: dict[str, Combined] = {
    NONE: Combined("none", "", "", lambda s: {}, (0.0,)),
    "l2": Combined(
        "L2 in the loss", "λ·Σw²", "λ", lambda s: {"loss": s}, (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    ),
    "decay": Combined(
        "decoupled decay",
        "w ← w − η_t·ω·w",
        "ω",
        lambda s: {"rate": s},
        (6e-3, 2e-2, 6e-2, 2e-1, 6e-1),
    ),
    "l1": Combined(
        "L1 by its prox", "λ·Σ|w|", "λ", lambda s: {"l1": s}, (5e-5, 1.5e-4, 5e-4, 1.5e-3, 5e-3)
    ),
    "elastic_net": Combined(
        "elastic net",
        f"λ·(Σ|w| + {SQUARES:g}·Σw²)",
        "λ",
        lambda s: {"l1": s, "l2": SQUARES * s},
        (3e-5, 1e-4, 3e-4, 1e-3, 3e-3),
    ),
    "max_norm": Combined(
        "max-norm",
        "‖w into a unit‖ ≤ c",
        "c",
        lambda s: {"bound": s},
        (2.8, 2.0, 1.4, 1.0, 0.7),
        False,
    ),
}

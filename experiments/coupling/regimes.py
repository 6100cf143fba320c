"""The set-ups that are studied on purpose, with the grids from which their search starts.

A: everything that decays is scale-invariant and the learning rate constant; theory fixes ω.
B: softmax regression, trained until the penalty decides where it ends; theory fixes λ.
C: what people run; theory predicts nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from experiments.config import Optimizer
from experiments.coupling.grid import Grid, on_axis
from experiments.decay_form import Axis
from experiments.forms import FORMS, in_study
from experiments.paired.setup import Setup

Regime = Literal["a", "b", "c", "custom"]

_NOISY: Any = {"schedule": "cosine", "examples": 2000, "label_noise": 0.2, "epochs": 64.0}
_SMALL: Any = {"batch_size": 64, "hidden": 64}
A = Setup("invariant", "sgd", "constant", "all", 2000, 0.0, 64, 64.0, 64)
B = Setup("softmax", "sgd", "constant", "all", 300, 0.4, 300, 3000.0, 1)
C = (
    Setup("batchnorm", "sgd", decayed="weights", **_NOISY, **_SMALL),
    Setup("batchnorm", "sgd", decayed="hidden", **_NOISY, **_SMALL),
    Setup("mlp", "sgd", decayed="weights", **_NOISY, **_SMALL),
)
CUSTOM = (C[0],)


@dataclasses.dataclass(frozen=True)
class Panel:
    """One heat map: a set-up, a form of decay, and the grid that is trained."""

    regime: Regime
    setup: Setup
    form: str
    grid: Grid

    @property
    def id(self) -> str:
        """As ``a-invariant-all-sgd-decoupled``: a name for records and pages."""
        setup = self.setup
        return f"{self.regime}-{setup.model}-{setup.decayed}-{setup.optimizer}-{self.form}"

    @property
    def reach(self) -> float:
        """What momentum makes of its decay."""
        return FORMS[self.form].reach(self.setup.optimizer)

    @property
    def views(self) -> tuple[Axis, ...]:
        """The axes on which its decay can be given."""
        return FORMS[self.form].views(self.setup.optimizer)


def panels(
    regimes: Sequence[Regime],
    optimizers: Sequence[Optimizer],
    forms: Sequence[str],
    changes: dict[str, Any],
) -> list[Panel]:
    """The heat maps to make: each program once, whatever it is called.

    Args:
      regimes: which set-ups.
      optimizers: each with every form.
      forms: those of `forms.in_study`; none is a column of each heat map.
      changes: settings that take the place of a set-up's own.
    """
    return [
        panel(regime, dataclasses.replace(setup, **changes), form)
        for regime in regimes
        for network in zip(*(setups(regime, optimizer) for optimizer in optimizers), strict=True)
        for setup in network
        for form in trained(setup.optimizer, forms)
    ]


def setups(regime: Regime, optimizer: Optimizer) -> list[Setup]:
    """The set-ups of a regime with an optimizer."""
    found = {"a": (A,), "b": (B,), "c": C, "custom": CUSTOM}[regime]
    if regime == "b" and optimizer == "adam":  # at a constant rate Adam circles its minimum
        found = (dataclasses.replace(B, schedule="cosine", epochs=2000.0),)
    return [dataclasses.replace(setup, optimizer=optimizer) for setup in found]


def trained(optimizer: Optimizer, forms: Sequence[str]) -> list[str]:
    """The forms whose heat maps show these, those first that are trained by their ω.

    lr-scaled and independent decay are two views of one program, and under plain SGD a penalty in
    the loss is a third.
    """
    shown = {FORMS[name].shown_by(optimizer) for name in forms}
    return sorted((n for n in in_study() if n in shown), key=lambda n: FORMS[n].rate is None)


def panel(regime: Regime, setup: Setup, form: str) -> Panel:
    """A heat map with the grid that its search starts from."""
    axis: Axis = "rate" if "rate" in FORMS[form].views(setup.optimizer) else "strength"
    return Panel(regime, setup, form, Grid(axis, *_start(axis, regime, setup.optimizer)))


def _start(axis: Axis, regime: Regime, optimizer: Optimizer) -> tuple[Any, ...]:
    """Where the search starts; by λ at the ω of the other table, if there is nothing better."""
    known = _START[axis].get(regime, _START[axis]["custom"])
    if optimizer in known:
        return known[optimizer]
    learning_rate, decay, *rest = _start("rate", regime, optimizer)
    return learning_rate, on_axis("strength", decay, "rate", learning_rate, 1.0), *rest


def _window(
    learning_rate: float, decay: float, row_ratio: float, ratio: float, rows: int, columns: int
) -> tuple[Any, ...]:
    return learning_rate, decay, row_ratio, ratio, (0, rows), (0, columns)


_START: dict[Axis, dict[str, dict[str, tuple[Any, ...]]]] = {
    "rate": {
        "a": {
            "sgd": _window(0.4, 5e-4, 4, 2, 5, 10),
            "momentum": _window(0.04, 5e-4, 4, 2, 5, 10),
            "adam": _window(1e-3, 5e-4, 4, 2, 5, 10),
        },
        "b": {
            "sgd": _window(0.125, 1.25e-4, 2, 2, 5, 12),
            "momentum": _window(0.0125, 1.25e-4, 2, 2, 5, 12),
            "adam": _window(2e-3, 1e-4, 2, 2, 5, 11),
        },
        "custom": {
            "sgd": _window(0.05, 1e-5, 2, 2, 5, 10),
            "momentum": _window(0.005, 1e-5, 2, 2, 5, 10),
            "adam": _window(5e-4, 1e-5, 2, 2, 5, 10),
        },
    },
    "strength": {
        "a": {"adam": _window(4e-3, 1e-6, 2, 4, 5, 10)},
        "b": {"adam": _window(2e-3, 5e-4, 2, 2, 5, 11)},
        "custom": {"adam": _window(5e-4, 1e-6, 2, 4, 5, 8)},
    },
}
"""(learning rate, decay, ratio of learning rates, ratio of decays, rows, columns)."""

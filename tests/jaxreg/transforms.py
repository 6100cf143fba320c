"""One row per transformation: how it is made of its numbers, and what the laws are told of it.

A new transformation is one function and one row here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import optax

from jaxreg import (
    add_penalty_gradient,
    box,
    decoupled_decay,
    l1,
    l2,
    non_negative,
    project,
    proximal_step,
)


class Row(NamedTuple):
    """A factory, its numbers, those of them that may be schedules, and the leaves it leaves alone.

    ``name`` is what its errors begin with.
    """

    make: Callable[..., optax.GradientTransformation]
    name: str
    numbers: dict[str, float]
    schedules: tuple[str, ...] = ()
    still: str | None = None

    @property
    def told(self) -> dict[str, Any]:
        """The arguments of `check_transform`."""
        return {"numbers": self.numbers, "schedules": self.schedules, "still": self.still}

    def of(self, number: Any) -> optax.GradientTransformation:
        """The transformation with one number, or schedule, in place of each of its numbers."""
        return self.make(**dict.fromkeys(self.numbers, number))


def _strength(penalty: Any, strength: Any) -> Any:
    """The penalty with a strength, or its schedule."""
    return (lambda step: strength(step) * penalty) if callable(strength) else strength * penalty


def _coupled(strength: Any) -> Any:
    return add_penalty_gradient(_strength(l2, strength))


def _cautious(rate: Any, learning_rate: Any) -> Any:
    return decoupled_decay(rate, learning_rate, where="kernel", cautious=True)


def _proximal(learning_rate: Any) -> Any:
    return proximal_step(l1, learning_rate)


def _proximal_on_kernels(strength: Any) -> Any:
    return proximal_step(_strength(l1.on("kernel"), strength), 0.5)


def _within(upper: Any) -> Any:
    return project(box(-0.5, upper).on("kernel"))


def _adam_in_its_metric() -> Any:
    penalty = 0.1 * l1.on("kernel")
    return proximal_step(penalty, optimizer=optax.adam(0.1), metric="adam")


BOTH = ("rate", "learning_rate")

TRANSFORMS = {
    "coupled": Row(_coupled, "add_penalty_gradient", {"strength": 0.1}, ("strength",)),
    "decay": Row(decoupled_decay, "decoupled_decay", {"rate": 0.1, "learning_rate": 0.5}, BOTH),
    "cautious decay": Row(
        _cautious, "decoupled_decay", {"rate": 0.1, "learning_rate": 0.5}, BOTH, "bias"
    ),
    "proximal": Row(_proximal, "proximal_step", {"learning_rate": 0.5}, ("learning_rate",)),
    "proximal on kernels": Row(
        _proximal_on_kernels, "proximal_step", {"strength": 0.5}, ("strength",), "bias"
    ),
    "projected": Row(_within, "project", {"upper": 0.5}, still="bias"),
    "non_negative": Row(lambda: project(non_negative), "project", {}),
    "adam in its metric": Row(_adam_in_its_metric, "proximal_step", {}),
}
SCHEDULED = {name: row for name, row in TRANSFORMS.items() if row.schedules}

"""The records of an audit: of one leaf, of a fault, of the whole; and their table."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from jaxreg._messages.table import aligned

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
Pace = Literal["constant", "with the schedule", "its own schedule", "without the schedule"]


@dataclasses.dataclass(frozen=True)
class LeafAudit:
    """What the optimizer does to one leaf besides following its gradient.

    Attributes:
      name: the leaf's, such as ``fc1/kernel``.
      form: none, decoupled, coupled, coupled = decoupled (for this optimizer one program), through
        momentum, trust ratio, gradient-relative, proximal, toward a reference, or undetermined,
        for which ``evidence`` gives the reason.
      coefficient: of decoupled decay the share of w that a step takes away, divided by the
        learning rate if it scales with that, at the schedule's peak if it goes with one; of coupled
        decay the d of the gradient d·w, which is 2λ; of a threshold the |w| up to which it acts;
        None where the form has no such number.
      scales_with: "learning rate", "learning rate²", "schedule", "nothing", "gradient" where the
        decay is coupled, or "unknown" where one optimizer was given and its steps are all alike.
      degree: how updates without gradients grow with w: 1 in proportion, 0 not at all.
      per_step: the share of w that each of the steps took away.
      evidence: what was seen.
      preconditioned: whether the optimizer's answer to a coupled decay is not in proportion to it.
      also: the share of w taken away beside the step as well, where the decay is coupled.
      pace: whether the decay changes with the steps, and with what.
      share: of w, taken away by the step with the largest decay; 0 where unknown.
      in_loss: 2λ of a penalty λ‖w‖² in the loss.
    """

    name: str
    form: Form
    coefficient: float | None
    scales_with: str
    degree: float | None
    per_step: tuple[float, ...]
    evidence: str
    preconditioned: bool = dataclasses.field(default=False, repr=False, compare=False)
    also: float | None = dataclasses.field(default=None, repr=False, compare=False)
    pace: Pace = dataclasses.field(default="constant", repr=False, compare=False)
    share: float = dataclasses.field(default=0.0, repr=False, compare=False)
    in_loss: float = dataclasses.field(default=0.0, repr=False, compare=False)

    @property
    def decays(self) -> bool:
        return self.form not in ("none", "undetermined")

    @property
    def is_coupled(self) -> bool:
        """Whether the coefficient is the d of a gradient d·w."""
        return self.scales_with == "gradient"

    @property
    def largest(self) -> float:
        """The largest of ``per_step``, with its sign; 0 where there are none."""
        return max(self.per_step, key=abs, default=0.0)


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something about the decay that is probably not meant.

    Attributes:
      name: "grows", "too large", "after the learning rate", "before the preconditioner", "twice",
        "biases and norms", "nameless", "frozen", "ascends", "stuck schedule", "off schedule" or
        "rounds away".
      message: what was seen and what to do.
      leaves: the names of the leaves that show it; empty if it concerns the optimizer.
    """

    name: str
    message: str
    leaves: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"warning: {self.name}: {self.message}"


@dataclasses.dataclass(frozen=True)
class Audit:
    """The verdicts leaf by leaf, and what is probably not meant. Prints as a table.

    Attributes:
      leaves: a `LeafAudit` for each leaf, in the order of the parameters.
      warnings: what is probably not meant: each has a ``name``, the ``leaves`` that show it and a
        ``message`` that says what to do.
    """

    leaves: tuple[LeafAudit, ...]
    warnings: tuple[Fault, ...]

    @property
    def forms(self) -> dict[str, Form]:
        """The form of decay of every leaf by name."""
        return {leaf.name: leaf.form for leaf in self.leaves}

    @property
    def decayed(self) -> tuple[str, ...]:
        """The names of the leaves that decay."""
        return tuple(leaf.name for leaf in self.leaves if leaf.decays)

    def __str__(self) -> str:
        cells = [
            (leaf.name or ".", leaf.form, _shown(leaf), leaf.scales_with, leaf.evidence)
            for leaf in self.leaves
        ]
        table = [("leaf", "form", "coefficient", "scales with", "evidence"), *cells]
        covered = f"{len(self.decayed)} of {len(self.leaves)} leaves decay"
        return "\n".join([aligned(table), covered, *map(str, self.warnings)])

    __repr__ = __str__


def _shown(leaf: LeafAudit) -> str:
    return "" if leaf.coefficient is None else text(leaf.coefficient)


def text(numbers: Any) -> str:
    """Numbers as they are read in the table: 1e-04, 0.5, 1.9."""
    return ", ".join(f"{float(number) + 0.0:.3g}" for number in np.atleast_1d(numbers))

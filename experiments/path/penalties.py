"""The penalties whose paths are followed: each is one row of `PENALTIES`.

All are on the weights, without the biases, and a strength multiplies them. The rows are read before
JAX is imported, so what builds a penalty imports it itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from jaxreg import Penalty

Network = Literal["mlp", "regression"]
Span = tuple[float, float]
SQUARES = 10.0
"""Σw² beside Σ|w| in the elastic net: weights are small, and with 1 it would be the L1 path."""


@dataclasses.dataclass(frozen=True)
class PathPenalty:
    """A penalty, and how the network is trained with it.

    Attributes:
      title: what it is called.
      formula: of strength λ.
      by_prox: acts in a training by its proximal operator after the step, not in the loss.
      unit: the penalty that a strength multiplies, of the axes that a group runs over.
      spans: lowest and highest strength by network: from where nothing happens to where nothing is
        left. Regression, whose solution does not depend on the form, has those of one form.
      axis: of a kernel [in, out], for the groups of each network.
      every: steps of a training between two proximal steps, each that much longer.
    """

    title: str
    formula: str
    by_prox: bool
    unit: Callable[[int], Penalty]
    spans: Mapping[Network, Span]
    every: int = 1

    @property
    def form(self) -> Literal["loss", "proximal"]:
        """Where it acts, as `experiments.forms` names it."""
        return "proximal" if self.by_prox else "loss"

    def penalty(self, strength: Any, network: Network) -> Penalty:
        """strength · penalty, on the weights of a network."""
        import jaxreg

        return (strength * self.unit(AXES[network])).on(jaxreg.weights)

    def strengths(self, network: Network, count: int, span: Span | None = None) -> list[float]:
        """0 and ``count`` − 1 in equal steps of the logarithm; without 0 for regression, whose
        classes can be separated: then there is no solution."""
        low, high = span or self.spans[network]
        without = [0.0] if network == "mlp" else []
        steps = count - len(without)
        ratio = (high / low) ** (1 / max(steps - 1, 1))
        return [*without, *(float(f"{low * ratio**i:.3g}") for i in range(steps))]


AXES: dict[Network, int] = {"mlp": 0, "regression": 1}
"""What a group of a kernel [in, out] runs over: what comes into a unit, or all that goes out of a
pixel, so that a group that is zero is a hidden unit, or a pixel, that can be left out."""


def _l1(axis: int) -> Any:
    from jaxreg import l1

    return l1


def _l2(axis: int) -> Any:
    from jaxreg import l2

    return l2


def _elastic_net(axis: int) -> Any:
    from jaxreg import elastic_net

    return elastic_net(l1=1.0, l2=SQUARES)


def _group_lasso(axis: int) -> Any:
    from jaxreg import group_lasso

    return group_lasso(axis)


def _nuclear(axis: int) -> Any:
    from jaxreg import nuclear

    return nuclear


PENALTIES: dict[str, PathPenalty] = {
    "l2": PathPenalty("L2", "λ·Σw²", False, _l2, {"mlp": (1e-4, 3e-1), "regression": (1e-3, 10.0)}),
    "l1_subgradient": PathPenalty("L1 by subgradient", "λ·Σ|w|", False, _l1, {"mlp": (2e-5, 1e-2)}),
    "l1": PathPenalty("L1", "λ·Σ|w|", True, _l1, {"mlp": (2e-5, 1e-2), "regression": (1e-3, 6e-2)}),
    "elastic_net": PathPenalty(
        "elastic net",
        f"λ·(Σ|w| + {SQUARES:g}·Σw²)",
        True,
        _elastic_net,
        {"mlp": (2e-5, 1e-2), "regression": (1e-3, 6e-2)},
    ),
    "group_lasso": PathPenalty(
        "group lasso",
        "λ·Σ‖w of a unit‖",
        True,
        _group_lasso,
        {"mlp": (1e-4, 1e-1), "regression": (2e-3, 1e-1)},
    ),
    "nuclear": PathPenalty(
        "nuclear norm",
        "λ·Σ singular values",
        True,
        _nuclear,
        {"mlp": (1e-4, 1e-1), "regression": (5e-3, 0.5)},
        every=50,
    ),
}

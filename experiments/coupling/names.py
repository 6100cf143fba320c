"""What heat maps and their views are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from experiments.coupling.results import Results
from experiments.decay_form import Axis, Names
from experiments.forms import FORMS
from experiments.models.table import MODELS
from experiments.paired.setup import Setup


class Named(Protocol):
    """A heat map, trained or planned."""

    @property
    def setup(self) -> Setup: ...
    @property
    def form(self) -> str: ...


SYMBOL: dict[Axis, str] = {"strength": "λ", "rate": "ω"}
_REGIMES = {
    "a": ("invariant", "everything that decays is scale-invariant"),
    "b": ("linear", "the penalty decides where training ends"),
    "c": ("neither", "networks as people train them"),
}
_PLACES = {"all": "", "weights": "", "hidden": ", output layer not decayed"}


def short(regime: str) -> str:
    """As ``A``, or ``custom``."""
    return regime.upper() if len(regime) == 1 else regime


def regime_title(group: Sequence[Results]) -> str:
    """What a regime is, as long as the options have left it that."""
    nature, title = _REGIMES.get(group[0].regime, ("", ""))
    as_meant = {results.nature for results in group} == {nature}
    return title if as_meant else "the set-up of the options"


def title(panel: Named, alone: bool = True) -> str:
    """As ``AdamW``; with the network if the regime has several."""
    name = _names(panel).title
    return name if alone else f"{name}: {network(panel)}"


def are_alone(group: Sequence[Named]) -> bool:
    """Whether all have one network, so that titles need not name it."""
    return len({network(panel) for panel in group}) == 1


def network(panel: Named) -> str:
    """As ``BatchNorm network, output layer not decayed``."""
    setup = panel.setup
    row = MODELS[setup.model]
    norm = f", {setup.norm} norm" if setup.norm not in (None, row.norms[0]) else ""
    dropout = f", dropout {setup.dropout:g}" if setup.dropout else ""
    return row.title + norm.replace("none", "no") + dropout + _PLACES[setup.decayed]


def label(panel: Named, axis: Axis) -> str | None:
    """What the form is called by its decay on this axis; None if it has no such view."""
    names = _names(panel)
    return names.strength if axis == "strength" else names.rate


def _names(panel: Named) -> Names:
    return FORMS[panel.form].studied.names[panel.setup.optimizer]

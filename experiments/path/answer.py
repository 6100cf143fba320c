"""The answer of a study in sentences, each computed from its paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.formatting import general, percent, scientific
from experiments.path.findings import WITHIN, Chosen
from experiments.path.results import Results


class Choice(NamedTuple):
    """A path, where validation is best, and the sparsest that is nearly as good."""

    results: Results
    best: Chosen
    sparse: Chosen


NETWORKS = {"mlp": "the network", "regression": "regression"}


def answer(choices: Sequence[Choice]) -> list[str]:
    """What the paths say, of those that there are."""
    found = []
    for network in NETWORKS:
        own = {c.results.penalty: c for c in choices if c.results.network == network}
        if own:
            found += [_accuracies(network, own), *map(_sparse, _with_zeros(own))]
            found += [*_never_zero(network, own), *_cuts(own)]
    return found


def _accuracies(network: str, own: Mapping[str, Choice]) -> str:
    found = ((c.results.row.title, c.best.accuracy.times(100).show(1)) for c in own.values())
    listed = ", ".join(f"{title} {accuracy}" for title, accuracy in found)
    text = f"Test accuracy of {NETWORKS[network]} in % at the λ that validation chooses"
    return f"{text}: {listed}{_without(network, own)}."


def _without(network: str, own: Mapping[str, Choice]) -> str:
    """The accuracy at λ = 0, which all trainings share."""
    first = next(iter(own.values())).results
    value = first.measured["test_accuracy"][0].mean()
    is_known = network == "mlp" and np.isfinite(value)
    return f"; without a penalty {100 * value:.1f}" if is_known else ""


def _with_zeros(own: Mapping[str, Choice]) -> list[Choice]:
    """Those whose penalty sets weights or units to exactly zero."""
    return [own[name] for name in ("l1", "elastic_net", "group_lasso") if name in own]


def _sparse(choice: Choice) -> str:
    results, found = choice.results, choice.sparse
    zeros, live = found.zeros.value or 0.0, found.live.value or 0.0
    return (
        f"{NETWORKS[results.network].capitalize()} with {results.row.title} at λ = "
        f"{scientific(found.strength, 2)}, which costs at most {100 * WITHIN:g} points: "
        f"{percent(zeros, 1, ' %')} of the weights are exactly zero, {live:.0f} of "
        f"{results.units:,} {results.unit}s live."
    )


def _never_zero(network: str, own: Mapping[str, Choice]) -> list[str]:
    """Of trainings: pixels that are always blank leave a solution's weights at zero."""
    none = [c.results.row.title for c in own.values() if np.all(c.results.measured["zeros"] == 0)]
    if not none or network != "mlp":
        return []
    return [f"No weight of {NETWORKS[network]} is ever exactly zero with {' or '.join(none)}."]


def _cuts(own: Mapping[str, Choice]) -> list[str]:
    """What is left of the network when the dead units of the group lasso are cut out."""
    choice = own.get("group_lasso")
    cut = choice and choice.results.cuts.get(choice.sparse.place)
    if not cut:
        return []
    before, after = cut["parameters"]
    seconds, error = cut["seconds"], cut["error"] / (cut["largest"] or 1.0)
    return [
        f"Its dead units cut out, the network of seed {cut['seed']} has {after:,} of {before:,} "
        f"parameters, takes {general(seconds[1] / seconds[0], 2)} of the time and gives the same "
        f"logits to {scientific(error, 1)} of the largest."
    ]

"""The answer of a study in sentences, each computed from its paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.formatting import percent, scientific
from experiments.path.findings import WITHIN, Chosen
from experiments.path.results import Results
from experiments.statistics.resample import Estimate

Choice = tuple[Results, Chosen | None, Chosen | None]
"""A path, where validation is best, and the sparsest that is nearly as good."""
NETWORKS = {"mlp": "the network", "regression": "multinomial regression"}


def answer(choices: Sequence[Choice]) -> list[str]:
    """What the paths say, of those that there are."""
    found = []
    for network in NETWORKS:
        own = {each.penalty: (each, c, s) for each, c, s in choices if each.network == network}
        known = {name: (e, c, s) for name, (e, c, s) in own.items() if c is not None and s}
        if known:
            found += [_gains(network, known), *_sparse(network, known)]
    return found


def _gains(network: str, known: Mapping[str, Choice]) -> str:
    parts = (f"{r.row.title} {_points(c.accuracy)}" for r, c, _ in known.values() if c)
    text = f"Test accuracy of {NETWORKS[network]} at the λ that validation chooses"
    return f"{text}: {', '.join(parts)}{_without(network, known)}."


def _without(network: str, known: Mapping[str, Choice]) -> str:
    """The accuracy at λ = 0, which all trainings share."""
    found, _, _ = next(iter(known.values()))
    value = found.measured["test_accuracy"][0].mean()
    is_known = network == "mlp" and np.isfinite(value)
    return f"; without a penalty {percent(value, 1, ' %')}" if is_known else ""


def _sparse(network: str, known: Mapping[str, Choice]) -> list[str]:
    found = []
    for name, (results, _, sparse) in known.items():
        if sparse is None:
            continue
        zeros, live = sparse.zeros.value or 0.0, sparse.live.value or 0.0
        where = f"at λ = {scientific(sparse.strength)}"
        if name in ("l2", "l1_subgradient", "nuclear"):
            continue
        found.append(
            f"{results.row.title} of {NETWORKS[network]} {where}, within "
            f"{100 * WITHIN:g} points of its best: {percent(zeros, 1, ' %')} of the weights are "
            f"exactly zero, {live:.0f} of {results.units} {results.unit}s live."
        )
    none = [r.row.title for r, _, _ in known.values() if r.measured["zeros"].max() == 0]
    if none:
        found.append(
            f"No weight of {NETWORKS[network]} is ever exactly zero with {' and '.join(none)}."
        )
    return found


def _points(found: Estimate) -> str:
    return f"{found.times(100).show(1)} %"

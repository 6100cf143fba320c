"""A study as the dictionary that its page is made of: see `experiments.coupling.page`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.coupling import answer as said
from experiments.coupling import names
from experiments.coupling.findings import Finding, findings, identity_gaps
from experiments.coupling.results import Results
from experiments.decay_form import Axis
from experiments.statistics import surface
from experiments.statistics.resample import Interval

NATURES = {
    "invariant": "Multiplying any parameter that decays changes no logit (tried before training), "
    "so decay acts through the speed at which weights turn: at a constant learning rate theory "
    "expects the same ω.",
    "linear": "Logits are linear in the parameters, so loss and penalty have one minimum, and "
    "training goes on until it is reached: theory expects the same λ.",
    "neither": "Logits depend on the scale of some parameter that is trained, and are not linear "
    "in the parameters (tried before training): theory predicts neither the same ω nor the same λ.",
}


def describe(
    results: Sequence[Results], made: Sequence[tuple[str, str]], note: str = ""
) -> dict[str, Any]:
    """The page's dictionary, of all that is known so far.

    Args:
      results: the heat maps.
      made: labels and texts of how it was made.
      note: what the reader must know first, such as that the study was stopped.
    """
    regimes = list(dict.fromkeys(r.regime for r in results))
    grouped = {regime: [r for r in results if r.regime == regime] for regime in regimes}
    found = {r.id: findings(r) for r in results}
    compared = [c for name, group in grouped.items() for c in said.comparisons(name, group)]
    everything = [finding for each in found.values() for finding in each]
    return {
        "title": "Coupled against decoupled weight decay",
        "answer": said.answer(results, everything, compared),
        "note": note,
        "regimes": [_regime(name, group, found) for name, group in grouped.items()],
        "comparisons": [_compared(comparison) for comparison in compared],
        "made": [list(row) for row in made],
        "seeds": list(results[0].seeds) if results else [],
    }


def _regime(
    name: str, group: Sequence[Results], found: Mapping[str, Sequence[Finding]]
) -> dict[str, Any]:
    alone = names.are_alone(group)
    natures = dict.fromkeys(r.nature for r in group)
    every = [*(f for r in group for f in found[r.id]), *identity_gaps(group)]
    return {
        "name": names.short(name),
        "title": names.regime_title(group),
        "explanation": " ".join(NATURES[nature] for nature in natures),
        "setup": [list(row) for row in dict.fromkeys(_setup_rows(group))],
        "panels": [_panel(r, alone) for r in group],
        "statistics": [_statistic(f) for f in every],
    }


def _setup_rows(group: Sequence[Results]) -> list[tuple[str, str]]:
    return [(names.title(r, alone=False), setup_text(r)) for r in group]


def setup_text(results: Results) -> str:
    """As ``2,000 images, batch 64, 2,000 steps, constant rate, D 1.0 to 512``."""
    setup, total = results.setup, results.total_decay()
    noise = f" with {100 * setup.label_noise:g} % wrong labels" if setup.label_noise else ""
    spread = "" if total is None else f", D {total.min():.3g} to {total.max():.3g}"
    return (
        f"{setup.examples:,} images{noise}, batch {setup.batch_size}, {setup.steps:,} steps, "
        f"{setup.schedule} rate, decays: {setup.decayed}{spread}{_norm_text(results)}"
    )


def _norm_text(results: Results) -> str:
    """How the norm moved in the best cell: from its first record to the last."""
    cell = surface.best(results.losses.mean(-1))
    record = None if cell is None else results.details.get(cell)
    if record is None:
        return ""
    norms = [float(value) for value in record["norm"]]
    return f"; at the best, ‖w‖ from {norms[0]:.3g} to {norms[-1]:.3g}"


def _panel(results: Results, alone: bool) -> dict[str, Any]:
    means, grid, setup = results.losses.mean(-1), results.grid, results.setup
    times = results.times
    tables: dict[Axis, Any] = {
        axis: grid.table(axis, results.reach) if axis in results.views else None
        for axis in ("strength", "rate")
    }
    edges = np.exp(surface.upper_edges(means, results.log_decays))
    return {
        "id": results.id,
        "title": names.title(results, alone),
        "optimizer": setup.optimizer,
        "labels": {axis: names.label(results, axis) for axis in ("strength", "rate")},
        "trained": grid.axis,
        "learning_rates": _plain(grid.learning_rates),
        "decays": _plain(grid.decays),
        **{axis: _cells_or_null(table, grid.shape) for axis, table in tables.items()},
        "times": times.tolist(),
        "multiplier": _plain(results.multiplier[times - 1]),
        "power": 1 if setup.optimizer == "adam" else 2,
        "cells": _cells(results),
        "row_best": surface.best_of_rows(means),
        "best": surface.best(means),
        "edge": _plain(edges),
        "on_edge": _on_edge(results, means),
    }


def _on_edge(results: Results, means: np.ndarray) -> str:
    """Where the best cell lies on the rim of the grid, in words; empty if inside."""
    cell = surface.best(means)
    if cell is None:
        return ""
    sides = []
    for place, count, name in zip(cell, means.shape, ("learning rate", "decay"), strict=True):
        if place in (0, count - 1):
            sides.append(f"the best {name} may be {'smaller' if place == 0 else 'larger'}")
    return ", ".join(sides)


def _cells_or_null(table: np.ndarray | None, shape: tuple[int, int]) -> list[list[Any]]:
    if table is None:
        return [[None] * shape[1] for _ in range(shape[0])]
    return [_plain(row) for row in table]


def _cells(results: Results) -> list[list[Any]]:
    rows, columns = results.grid.shape
    return [[_cell(results, i, j) for j in range(columns)] for i in range(rows)]


def _cell(results: Results, row: int, column: int) -> dict[str, Any] | None:
    """What is known of a cell; None where a seed is missing."""
    losses = results.losses[row, column]
    if np.isnan(losses).any():
        return None
    errors = results.test_errors[row, column]
    total = results.total_decay()
    record = results.details.get((row, column), {})
    finite = bool(np.isfinite(losses).all())
    return {
        "loss": _number(np.exp(losses.mean())) if finite else None,
        "spread": _number(losses.std(ddof=1)) if finite and len(losses) > 1 else None,
        "validation_error": _number(results.validation_errors[row, column].mean()),
        "test_error": _number(errors.mean()),
        "test_spread": _number(errors.std(ddof=1)) if len(errors) > 1 else None,
        "diverged": int(np.isinf(losses).sum()),
        "total_decay": None if total is None else _number(total[row, column]),
        "curves": _curves(record),
        "histogram": record.get("histogram"),
        "largest": _number(float(record.get("largest", math.nan))),
    }


def _curves(record: Mapping[str, Any]) -> dict[str, Any] | None:
    if "norm" not in record:
        return None
    return {name: _plain(record[name]) for name in ("loss", "norm", "sparsity")}


def _statistic(finding: Finding) -> dict[str, str]:
    value = finding.estimate
    infinite = value.value is not None and math.isinf(value.value)
    return {
        "name": finding.name,
        "panel": finding.results.id,
        "axis": names.SYMBOL[finding.axis] if finding.axis else "",
        "expected": "" if finding.expected is None else f"{finding.expected:g}".replace("-", "−"),
        "measured": "∞" if infinite else value.show(3 if finding.name.endswith("share") else 2),
        "bootstrap": interval_text(value.bootstrap),
        "detail": finding.detail,
        "verdict": finding.verdict,
    }


def _compared(comparison: said.Comparison) -> dict[str, str]:
    ends = comparison.estimate.bootstrap
    return {
        "regime": names.short(comparison.regime),
        "first": comparison.first,
        "second": comparison.second,
        "difference": f"{comparison.points} points",
        "bootstrap": interval_text(None if ends is None else (100 * ends[0], 100 * ends[1])),
        "verdict": comparison.verdict,
    }


def interval_text(interval: Interval | None) -> str:
    """As ``[−1.02, −0.95]``."""
    if interval is None:
        return ""
    return f"[{interval[0]:.2f}, {interval[1]:.2f}]".replace("-", "−")


def _plain(values: Any) -> list[float | None]:
    return [_number(float(value)) for value in values]


def _number(value: Any) -> float | None:
    """Five digits are more than a page shows; JSON has no NaN."""
    value = float(value)
    return float(f"{value:.5g}") if math.isfinite(value) else None

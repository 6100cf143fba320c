"""One heat map as the content of its page: its set-up in a line, its axes, its cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from experiments.coupling import names
from experiments.coupling.conclusions import MapConclusions
from experiments.coupling.content import CellContent, CurvesContent, PanelContent, Row
from experiments.coupling.results import Results
from experiments.decay_form import Axis
from experiments.formatting import shortened

DIGITS = 5
"""Of numbers: more than a page shows."""


def setup_row(found: MapConclusions) -> tuple[str, str]:
    """As ``SGD: BatchNorm network`` and ``2,000 images, batch 64, 2,000 steps, constant rate``."""
    return names.title(found.results, alone=False), setup_text(found)


def setup_text(found: MapConclusions) -> str:
    results = found.results
    setup, total = results.setup, results.total_decay()
    noise = f" with {100 * setup.label_noise:g} % wrong labels" if setup.label_noise else ""
    spread = "" if total is None else f", D {total.min():.3g} to {total.max():.3g}"
    return (
        f"{setup.examples:,} images{noise}, batch {setup.batch_size}, {setup.steps:,} steps, "
        f"{setup.schedule} rate, decays: {setup.decayed}{spread}{_norm_text(found)}"
    )


def _norm_text(found: MapConclusions) -> str:
    """How the norm moved in the best cell: from its first record to the last."""
    record = None if found.best is None else found.results.details.get(found.best)
    if record is None:
        return ""
    norms = [float(value) for value in record["norm"]]
    return f"; at the best, ‖w‖ from {norms[0]:.3g} to {norms[-1]:.3g}"


def map_content(found: MapConclusions, alone: bool) -> PanelContent:
    """The content of a heat map; ``alone`` where its regime has no other network."""
    results = found.results
    grid, setup, times = results.grid, results.setup, results.times
    return {
        "id": results.id,
        "title": names.title(results, alone),
        "optimizer": setup.optimizer,
        "labels": {axis: names.label(results, axis) for axis in ("strength", "rate")},
        "trained": grid.axis,
        "learning_rates": _known(grid.learning_rates),
        "decays": _known(grid.decays),
        "strength": _view(results, "strength"),
        "rate": _view(results, "rate"),
        "times": times.tolist(),
        "multiplier": _known(results.multiplier[times - 1]),
        "power": 1 if setup.optimizer == "adam" else 2,
        "cells": _cells(results),
        "row_best": found.row_best,
        "best": found.best,
        "edge": _row(found.edges),
        "on_edge": _on_edge(found),
    }


def _on_edge(found: MapConclusions) -> str:
    """Where the best cell lies on the rim of the grid, in words; empty if inside."""
    if found.best is None:
        return ""
    places = zip(found.best, found.results.grid.shape, ("learning rate", "decay"), strict=True)
    sides = [
        f"the best {name} may be {'smaller' if place == 0 else 'larger'}"
        for place, count, name in places
        if place in (0, count - 1)
    ]
    return ", ".join(sides)


def _view(results: Results, axis: Axis) -> list[Row]:
    """The decay of every cell on an axis; None throughout where it has no such view."""
    rows, columns = results.grid.shape
    if axis not in results.views:
        return [[None] * columns for _ in range(rows)]
    return [_row(row) for row in results.grid.table(axis, results.reach)]


def _cells(results: Results) -> list[list[CellContent | None]]:
    rows, columns = results.grid.shape
    return [[_cell(results, i, j) for j in range(columns)] for i in range(rows)]


def _cell(results: Results, row: int, column: int) -> CellContent | None:
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
        "spread": _spread(losses) if finite else None,
        "validation_error": _number(results.validation_errors[row, column].mean()),
        "test_error": _number(errors.mean()),
        "test_spread": _spread(errors),
        "diverged": int(np.isinf(losses).sum()),
        "total_decay": None if total is None else _number(total[row, column]),
        "curves": _curves(record),
        "histogram": record.get("histogram"),
        "largest": _number(record.get("largest", math.nan)),
    }


def _curves(record: Mapping[str, Any]) -> CurvesContent | None:
    if "norm" not in record:
        return None
    loss, norm, sparsity = (_row(record[name]) for name in ("loss", "norm", "sparsity"))
    return {"loss": loss, "norm": norm, "sparsity": sparsity}


def _spread(values: np.ndarray) -> float | None:
    """Of the seeds; None if there is one alone."""
    return _number(values.std(ddof=1)) if len(values) > 1 else None


def _row(values: Iterable[Any]) -> Row:
    return [_number(value) for value in values]


def _known(values: Iterable[Any]) -> list[float]:
    return [value for value in _row(values) if value is not None]


def _number(value: Any) -> float | None:
    return shortened(float(value), DIGITS)

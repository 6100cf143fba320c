"""A study that nobody trained: valleys at fixed ω in A, at fixed λ in B, and what goes wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from experiments.coupling.content import StudyContent

TIMES = list(range(100, 2001, 100))
SEEDS = 5


def study() -> StudyContent:
    """Two regimes; a diverged corner, a cell that was not trained, a form without an ω view."""
    a = [0.4 * 4**i for i in range(5)], [5e-4 * 2**j for j in range(10)]
    b = [0.125 * 2**i for i in range(5)], [1.25e-4 * 2**j for j in range(12)]
    coupled = [4e-3 * 2**i for i in range(5)], [1e-6 * 4**j for j in range(10)]
    sgd = {"strength": "SGD with L2 = SGDW, lr-scaled", "rate": "SGDW as published"}
    adam = {"strength": "AdamW, lr-scaled", "rate": "AdamW as published"}
    l2 = {"strength": "Adam with L2", "rate": None}
    return {
        "title": "Coupled or decoupled weight decay: which one, and does it matter where λ goes?",
        "answer": [
            "It depends on what decays, not on which name the optimizer has.",
            "Where the network ignores the size of its weights, keep ω: over a 256-fold range of "
            "learning rates the upper edge moves by −0.01 ± 0.05 in log ω, and by −0.99 ± 0.05 "
            "in log λ.",
            "Where training converges to the minimum of loss plus penalty, keep λ: there its edge "
            "moves by 0.00 ± 0.01.",
        ],
        "note": "stopped early: 620 of 650 trainings",
        "regimes": [
            {
                "name": "A",
                "title": "The size of the weights does not matter",
                "explanation": "Every trained weight is followed by a normalization, so that "
                "doubling it changes nothing. Decay then only sets how fast the weights turn.",
                "setup": [["network", "196-64-64-10, BatchNorm"], ["images", "2,000"]],
                "panels": [
                    panel("a-sgd", "sgd", sgd, "rate", *a, ("rate", 0.016)),
                    panel("a-adam", "adam", adam, "rate", *a, ("rate", 0.008), scale=1e-3),
                    panel("a-l2", "adam", l2, "strength", *coupled, ("square", 2e-7)),
                ],
                "statistics": [
                    *_slopes("a-sgd", "−0.99 ± 0.05", "−0.01 ± 0.05", ("−1", "0")),
                    *_slopes("a-adam", "−1.07 ± 0.10", "−0.07 ± 0.10", ("−1", "0")),
                    _statistic("upper-edge slope", "a-l2", "λ", "−2", "−2.19 ± 0.17"),
                    _statistic("ridge slope", "a-sgd", "ω", "0", "undecided", "undecided"),
                    _statistic("transfer regret", "a-sgd", "λ", "", "0.56 ± 0.11", ""),
                ],
            },
            {
                "name": "B",
                "title": "Trained until it stands still",
                "explanation": "Softmax regression, trained until the loss no longer falls. It "
                "ends where loss plus λ‖w‖² is least, whatever the learning rate.",
                "setup": [["network", "softmax regression"], ["images", "300, 40 % mislabelled"]],
                "panels": [
                    panel("b-sgd", "sgd", sgd, "rate", *b, ("strength", 0.02)),
                    panel("b-adam", "adam", adam, "rate", *b, ("strength", 1.0), scale=0.02),
                ],
                "statistics": [
                    *_slopes("b-sgd", "0.00 ± 0.01", "1.00 ± 0.01", ("0", "1")),
                    *_slopes("b-adam", "0.62 ± 0.12", "1.62 ± 0.12", ("0", "1"), False),
                ],
            },
        ],
        "comparisons": [
            {
                "regime": "A",
                "first": "SGDW",
                "second": "AdamW",
                "difference": "−0.12 ± 0.31 points",
                "bootstrap": "[−0.34, 0.09]",
                "verdict": "undecided",
            }
        ],
        "made": {
            "command": "python -m experiments.coupling --regime a b",
            "device": "cpu, 2 cores",
            "time": "4 min 12 s",
            "seeds": "0, 1, 2, 3, 4",
            "versions": "jaxreg 0.5.0, jax 0.10.2, optax 0.2.8",
        },
        "seeds": list(range(SEEDS)),
    }


def _statistic(
    name: str, panel: str, axis: str, expected: str, measured: str, verdict: str = "as expected"
) -> dict[str, str]:
    return {
        "name": name,
        "panel": panel,
        "axis": axis,
        "expected": expected,
        "measured": measured,
        "bootstrap": "" if measured == "undecided" else "[−1.02, −0.95]",
        "detail": "5 rows",
        "verdict": verdict,
    }


def _slopes(
    panel: str, strength: str, rate: str, expected: tuple[str, str], held: bool = True
) -> list[dict[str, str]]:
    verdict = "as expected" if held else "not as expected"
    return [
        _statistic("upper-edge slope", panel, axis, value, measured, verdict)
        for axis, value, measured in zip("λω", expected, (strength, rate), strict=True)
    ]


def panel(
    name: str,
    optimizer: str,
    labels: dict[str, str | None],
    trained: str,
    learning_rates: list[float],
    decays: list[float],
    valley: tuple[str, float],
    scale: float = 1.0,
) -> dict[str, Any]:
    """Rates from 0.4·scale on, and a valley of the loss at this ω, λ, or λ·η²."""
    axis, at = valley
    rates = [rate * scale for rate in learning_rates]
    strength, rate = _views(trained, rates, decays)
    lies = strength if axis == "strength" else rate
    if axis == "square":
        lies = [[d * r**2 for d in decays] for r in rates]
    noise = np.random.default_rng(sum(map(ord, name)))
    cells = [
        [
            _cell(math.log2(lies[i][j] / at), i, j, (len(rates), len(decays)), rate[i][j], noise)
            for j in range(len(decays))
        ]
        for i in range(len(rates))
    ]
    if name == "a-sgd":
        cells[0][0] = None
    best = [_least(row) for row in cells]
    return {
        "id": name,
        "title": "SGD" if optimizer == "sgd" else "Adam",
        "optimizer": optimizer,
        "labels": labels,
        "trained": trained,
        "learning_rates": rates,
        "decays": decays,
        "strength": strength,
        "rate": rate if labels["rate"] else [[None] * len(decays) for _ in rates],
        "times": TIMES,
        "multiplier": [1.0] * len(TIMES),
        "power": 2 if optimizer == "sgd" else 1,
        "cells": cells,
        "row_best": best,
        "best": min(([i, j] for i, j in enumerate(best) if j is not None), key=_loss_in(cells)),
        "edge": [_edge(row, decays) for row in cells],
        "on_edge": "",
    }


def _views(trained: str, rates: list[float], decays: list[float]) -> tuple[Any, Any]:
    """(λ, ω) of each cell, with ω = 2ηλ."""
    if trained == "strength":
        return [decays for _ in rates], [[2 * r * d for d in decays] for r in rates]
    return [[d / (2 * r) for d in decays] for r in rates], [decays for _ in rates]


def _cell(
    octaves: float, row: int, column: int, size: tuple[int, int], rate: float, noise: Any
) -> dict[str, Any]:
    """So many octaves from the bottom of the valley."""
    if row + column > sum(size) - 4:
        return _diverged(rate)
    steep = 0.05 if octaves > 0 else 0.02
    row_part = 0.02 * (row - size[0] / 2) ** 2
    loss = 0.2 * math.exp(min(steep * octaves**2 + row_part, 2.2) + 0.02 * noise.normal())
    decay = np.exp(-np.linspace(0, 4, 20)) * (1 + 0.03 * noise.normal(size=20))
    counts = np.exp(-(np.linspace(-4, 4, 41) ** 2) / 2) * 500
    return {
        "loss": loss,
        "spread": 0.03,
        "validation_error": loss / 4,
        "test_error": loss / 3.8,
        "test_spread": 0.003,
        "diverged": 0,
        "total_decay": 2000 * rate,
        "curves": {
            "loss": (loss / 2 + 2 * decay).tolist(),
            "norm": (8 / (1 + rate) + 10 * decay).tolist(),
            "sparsity": (0.1 * (1 - decay) * (1 + octaves / 20)).tolist(),
        },
        "histogram": counts.round().astype(int).tolist(),
        "largest": 0.8 / (1 + 20 * rate),
    }


def _diverged(rate: float) -> dict[str, Any]:
    names = ("loss", "spread", "validation_error", "test_error", "test_spread")
    nothing = dict.fromkeys((*names, "histogram", "largest"))
    curve = [2.0, 3e5, 4e30] + [math.nan] * 17
    curves = {"loss": curve, "norm": curve, "sparsity": [0.0] * 3 + [math.nan] * 17}
    return {**nothing, "curves": curves, "diverged": 2, "total_decay": 2000 * rate}


def _least(row: list[Any]) -> int | None:
    losses = [cell["loss"] if cell and cell["loss"] else math.inf for cell in row]
    return int(np.argmin(losses)) if min(losses) < math.inf else None


def _loss_in(cells: list[Any]) -> Any:
    return lambda place: cells[place[0]][place[1]]["loss"]


def _edge(row: list[Any], decays: list[float]) -> float | None:
    """Where the log loss first rises 0.25 above its least, to the right of it."""
    least = _least(row)
    if least is None:
        return None
    for column in range(least, len(row) - 1):
        here, there = (row[c]["loss"] for c in (column, column + 1))
        if there is None:
            return None
        gain = [math.log(loss / row[least]["loss"]) for loss in (here, there)]
        if gain[0] <= 0.25 < gain[1]:
            part = (0.25 - gain[0]) / (gain[1] - gain[0])
            return decays[column] * (decays[column + 1] / decays[column]) ** part
    return None

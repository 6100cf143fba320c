"""Paths that nobody trained: weights that shrink, single ones that are off, whole units that are.

In one of them a strength diverged, another has no pictures of one strength.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.path.content import CurveContent, PathContent

UNITS, HEIGHT, WIDTH = 12, 6, 5
COUNT = 5
"""Strengths of each path."""
EDGES = np.linspace(-0.4, 0.4, 82)
TITLES = {
    "l2": "L2",
    "l1": "L1",
    "l1_subgradient": "L1 by subgradient",
    "elastic_net": "elastic net",
    "group_lasso": "group lasso",
    "nuclear": "nuclear norm",
}


def study() -> tuple[PathContent, dict[str, np.ndarray]]:
    """The content of a page, and the weights by curve."""
    names = ("group_lasso", "l1", "l2", "l1_subgradient")
    weights = {f"mlp-{name}": path(name) for name in names}
    weights["regression-l1"] = path("l1", units=10)
    curves = [curve(name, array) for name, array in weights.items()]
    diverged = curves[1]["strengths"][4]
    diverged["measures"] = {name: measure(None) for name in diverged["measures"]}
    diverged.update(diverged=3, histogram=None)
    weights["mlp-l2"][3] = np.nan
    content: PathContent = {
        "title": "The regularization path",
        "answer": ["L1 of the network at λ = 0.001: 52 % of the weights are exactly zero."],
        "note": "Stopped after 620 trainings, in path 3 of 5.",
        "curves": curves,
        "choices": [_choice("mlp", "L1"), _choice("mlp", "L2"), _choice("regression", "L1")],
        "edges": EDGES.tolist(),
        "made": {"data": "mnist: 5,000 images train", "command": "python -m experiments.path"},
        "seeds": [100, 101, 102],
    }
    return content, weights


def path(penalty: str, units: int = UNITS) -> np.ndarray:
    """Weights [strength, unit, height, width], from what all paths begin with."""
    first = np.random.default_rng(7).normal(size=(units, HEIGHT, WIDTH)) * 0.1
    shrunk = [_shrunk(penalty, first, amount) for amount in np.linspace(0, 0.3, COUNT)]
    return np.array(shrunk, np.float32)


def _shrunk(penalty: str, w: np.ndarray, amount: float) -> np.ndarray:
    if penalty == "l1":
        return np.sign(w) * np.maximum(np.abs(w) - amount / 3, 0)
    if penalty == "group_lasso":
        norms = np.sqrt((w**2).sum((1, 2), keepdims=True))
        return w * np.maximum(1 - 2.2 * amount / norms, 0)
    return w / (1 + 20 * amount)


def curve(name: str, weights: np.ndarray) -> CurveContent:
    """A path as `describe` gives it."""
    network, penalty = name.split("-")
    strengths: Any = [_strength(place, each) for place, each in enumerate(weights)]
    if network == "regression":
        strengths = strengths[1:]
    return {
        "id": name,
        "network": network,
        "penalty": penalty,
        "title": TITLES[penalty],
        "formula": "λ·Σ|w|",
        "applied": "by its proximal operator",
        "unit": "hidden unit" if network == "mlp" else "pixel",
        "units": len(weights[0]) if network == "mlp" else HEIGHT * WIDTH,
        "full_rank": min(len(weights[0]), HEIGHT * WIDTH),
        "epochs": [5.0, 10.0],
        "strengths": strengths,
        "chosen": 1,
        "sparse": 2,
    }  # pyright: ignore[reportReturnType]


def _strength(place: int, weights: np.ndarray) -> dict[str, Any]:
    known = weights[weights != 0]
    live = int((weights != 0).any((1, 2)).sum())
    found = {
        "test_accuracy": 0.91 - 0.02 * place**2 + 0.001 * live,
        "zeros": float((weights == 0).mean()),
        "live": float(live),
        "rank": float(live),
    }
    dead = live < len(weights)
    cut = {"units": (len(weights), live), "parameters": (400, 40 + 30 * live), "time": 0.5}
    return {
        "strength": 0.0 if place == 0 else 1e-5 * 10**place,
        "measures": {name: measure(value) for name, value in found.items()},
        "learning": [0.5, found["test_accuracy"]],
        "diverged": 0,
        "unconverged": 0,
        "histogram": np.histogram(np.clip(known, -0.4, 0.4), EDGES)[0].tolist(),
        "cut": {**cut, "error": 1e-7} if dead else None,
    }


def measure(value: float | None) -> Any:
    """A mean with an interval of a hundredth to each side."""
    return {
        "value": value,
        "low": None if value is None else value - 0.01,
        "high": None if value is None else value + 0.01,
    }


def _choice(network: str, penalty: str) -> Any:
    return {
        "network": network, "penalty": penalty, "chosen": "1e−4", "accuracy": "92.30 ± 0.41",
        "gain": "0.52 ± 0.20", "sparse": "1e−3", "sparse_accuracy": "91.90 ± 0.50",
        "zeros": "52.1 %", "live": "9 ± 1", "rank": "9 ± 1",
    }  # fmt: skip

"""Records of a study that nobody trained, whose answer is known.

Errors are those of `ERRORS` with an offset of each seed, which all cells share, and noise of each
cell, which is small beside the differences: pairs see through the one, intervals know the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SEEDS, TUNING = tuple(range(100, 108)), (98, 99)
STRENGTHS = {"none": [0.0], "l2": [0.1, 0.3, 1.0], "max_norm": [3.0, 2.0, 1.0]}
CHOSEN = {
    ("l2", "plain"): 0.3,
    ("l2", "dropout"): 0.1,
    ("l2", "batchnorm"): 1.0,
    ("l2", "both"): 0.3,
    ("max_norm", "plain"): 2.0,
    ("max_norm", "dropout"): 3.0,
    ("max_norm", "batchnorm"): 1.0,
    ("max_norm", "both"): 2.0,
}
"""By cell the strength whose validation error is lowest; of two that are equal the weaker."""
ERRORS = {
    ("none", "plain"): 0.160,
    ("none", "dropout"): 0.120,
    ("none", "batchnorm"): 0.140,
    ("none", "both"): 0.130,
    ("l2", "plain"): 0.140,  # helps
    ("l2", "dropout"): 0.120,  # redundant
    ("l2", "batchnorm"): 0.150,  # hurts
    ("l2", "both"): 0.125,  # helps
    ("max_norm", "plain"): 0.130,
    ("max_norm", "dropout"): 0.110,
    ("max_norm", "batchnorm"): 0.110,
    ("max_norm", "both"): 0.100,
}
FACTOR = 3.0
"""By which L2 multiplies the effective learning rates beside BatchNorm."""
NOISE = 0.001
KERNELS = ("conv1/kernel", "conv2/kernel")


def records(errors: dict[Any, float] = ERRORS, model: str = "mlp") -> list[dict[str, Any]]:
    """Of one network, with both of its parts."""
    generator = np.random.default_rng(3)
    offsets = dict(zip(SEEDS, generator.normal(0, 0.03, len(SEEDS)), strict=True))
    found: list[dict[str, Any]] = []
    for norm, places in (("none", ("plain", "dropout")), ("batch", ("batchnorm", "both"))):
        part = f"{model}-{norm}"
        found.append(_part(part, model, norm, places))
        cells = [cell for cell in errors if cell[1] in places]
        found += [run for cell in cells if cell in CHOSEN for run in _tried(part, cell)]
        for cell in cells:
            noise = generator.normal(0, NOISE, len(SEEDS))
            noise -= noise.mean()
            for seed, small in zip(SEEDS, noise, strict=True):
                error = errors[cell] + offsets[seed] + small
                found.append(_run(part, cell, seed, error, CHOSEN.get(cell, 0.0)))
    return found


def _part(part: str, model: str, norm: str, places: Any) -> dict[str, Any]:
    return {
        "event": "part", "part": part, "model": model, "places": list(places),
        "setup": {"examples": 2000, "norm": norm}, "learning_rate": 0.1, "dropout": 0.5,
        "strengths": STRENGTHS, "seeds": list(SEEDS), "tuning_seeds": list(TUNING),
        "invariant": list(KERNELS) if norm == "batch" else [],
    }  # fmt: skip


def _tried(part: str, cell: Any) -> list[dict[str, Any]]:
    """The chosen strength and all that are stronger are equal, the weaker ones are worse."""
    strengths = STRENGTHS[cell[0]]
    best = strengths.index(CHOSEN[cell])
    return [
        {
            "event": "tried", "part": part, "penalty": cell[0], "place": cell[1],
            "strength": strength, "seed": seed, "diverged": False, "validation_loss": 1.0,
            "validation_error": 0.2 + 0.01 * (place < best), "effective": _effective(cell),
        }
        for place, strength in enumerate(strengths)
        for seed in TUNING
    ]  # fmt: skip


def _run(part: str, cell: Any, seed: int, error: float, strength: float) -> dict[str, Any]:
    return {
        "event": "run", "part": part, "penalty": cell[0], "place": cell[1], "strength": strength,
        "seed": seed, "diverged": False, "validation_loss": 1.0, "validation_error": 0.2,
        "test_loss": 1.0, "test_error": float(error), "train_loss": 0.5, "zeros": 0.0,
        "effective": _effective(cell),
    }  # fmt: skip


def _effective(cell: Any) -> dict[str, float]:
    """Of two layers a factor of 16 apart, whose geometric mean is 0.2."""
    factor = FACTOR if cell[0] == "l2" else 1.0
    is_normalised = cell[1] in ("batchnorm", "both")
    return {KERNELS[0]: 0.05 * factor, KERNELS[1]: 0.8 * factor} if is_normalised else {}

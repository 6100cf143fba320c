"""Records of a study that nobody trained, whose answer is known.

Every row is a parabola in log ω around a best decay, 2 bits high and `BEND` steep, with an offset
of each seed, which all share, and noise of each row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

SEEDS = tuple(range(100, 106))
RATES = (0.0, *(2.0**-k for k in range(12, 3, -1)))
LEARNING_RATES = (0.004, 0.001, 0.016)
BEND = 0.05
SIZES = (513, 257, 1025)
"""Characters: of 8 windows of 4 they are 16, 8 and 32 updates in an epoch."""
BASE = 2.0**-8
PARAMETERS = 1234


def of_published(width: int, examples: int, learning_rate: float) -> float:
    """The best ω is the same everywhere."""
    del width, examples, learning_rate
    return BASE


def of_torch(width: int, examples: int, learning_rate: float) -> float:
    """The best λ = ω/η is."""
    del width, examples
    return BASE * learning_rate / LEARNING_RATES[0]


def of_time_scale(width: int, examples: int, learning_rate: float) -> float:
    """The best time scale is, in epochs."""
    del width, learning_rate
    return BASE * (SIZES[0] - 1) / (examples - 1)


def of_width(width: int, examples: int, learning_rate: float) -> float:
    """Half the width asks for an eighth of the decay."""
    del examples, learning_rate
    return BASE * (width / 32) ** 3


Law = Callable[[int, int, float], float]


def records(best: Law) -> list[dict[str, Any]]:
    """Of two widths and three texts."""
    generator = np.random.default_rng(5)
    offsets = generator.normal(0, 0.1, len(SEEDS))
    shapes = [(32, SIZES[0], LEARNING_RATES), (16, SIZES[0], LEARNING_RATES)]
    shapes += [(32, examples, LEARNING_RATES[:1]) for examples in SIZES[1:]]
    return [
        record
        for width, examples, learning_rates in shapes
        for record in _program(width, examples, learning_rates, best, offsets, generator)
    ]


def _program(
    width: int, examples: int, learning_rates: Any, best: Law, offsets: Any, generator: Any
) -> list[dict[str, Any]]:
    setup = {
        "width": width, "depth": 2, "heads": 2, "context": 4, "batch_size": 8,
        "examples": examples, "epochs": 30.0, "dtype": "float32",
    }  # fmt: skip
    name = f"width-{width}-text-{examples}"
    part = {
        "event": "part", "part": name, "setup": setup, "learning_rates": list(learning_rates),
        "rates": list(RATES), "parameters": PARAMETERS, "seeds": list(SEEDS),
    }  # fmt: skip
    runs = []
    for learning_rate in learning_rates:
        noise = generator.normal(0, 1e-3, len(SEEDS))
        for rate in RATES:
            away = math.log(max(rate, RATES[1]) / best(width, examples, learning_rate))
            for seed, offset in zip(SEEDS, offsets + noise, strict=True):
                bits = 2 + BEND * away**2 + offset + (rate == 0) * 0.01
                runs.append(_run(name, learning_rate, rate, seed, bits * math.log(2)))
    return [part, *runs]


def _run(part: str, learning_rate: float, rate: float, seed: int, nats: float) -> dict[str, Any]:
    return {
        "event": "run", "part": part, "learning_rate": learning_rate, "rate": rate, "seed": seed,
        "diverged": False, "train_loss": nats, "validation_loss": nats, "test_loss": nats,
    }  # fmt: skip

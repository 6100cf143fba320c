"""Units that are dead are cut out: a smaller network that gives the same logits.

A hidden unit is dead if all weights that come into it are exactly zero. Its activation is then the
constant relu(bias), which goes with its outgoing weights into the bias of the next layer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import training
from experiments.paired.sample import Source
from experiments.path.config import Curve

REPEATS = 15


def live_units(params: Any) -> np.ndarray:
    """Which hidden units of an `MLP` have an incoming weight that is not zero."""
    return np.any(np.asarray(params["fc1"]["kernel"]) != 0, axis=0)


def cut(params: Any) -> Any:
    """The parameters of an `MLP` without its dead units; the logits are the same.

    >>> params = {
    ...     "fc1": {"kernel": np.array([[0.0, 1.0]]), "bias": np.array([3.0, 0.5])},
    ...     "fc2": {"kernel": np.array([[2.0], [1.0]]), "bias": np.array([0.25])},
    ... }
    >>> small = cut(params)
    >>> small["fc1"]["kernel"].shape, small["fc2"]["bias"]
    ((1, 1), array([6.25]))
    """
    live = live_units(params)
    first, second = (jax.tree.map(np.asarray, params[name]) for name in ("fc1", "fc2"))
    constant = np.maximum(first["bias"][~live], 0) @ second["kernel"][~live]
    return {
        "fc1": {"kernel": first["kernel"][:, live], "bias": first["bias"][live]},
        "fc2": {"kernel": second["kernel"][live], "bias": second["bias"] + constant},
    }


def records(
    curve: Curve, seed: int, source: Source, found: Mapping[int, Any]
) -> Iterator[dict[str, Any]]:
    """A record for each network, by the place of its strength, that has dead units.

    ``parameters`` and ``seconds`` (of a forward pass over the test images, medians of turns) are
    those [before, after]; ``error`` is the largest difference of logits, ``largest`` the largest
    logit.
    """
    for place, params in found.items():
        small = cut(params)
        if len(small["fc1"]["bias"]) < len(params["fc1"]["bias"]):
            yield {
                "event": "cut",
                "curve": curve.id,
                "strength": curve.strengths[place],
                "seed": seed,
                **compared(params, small, source),
            }


def compared(params: Any, small: Any, source: Source) -> dict[str, Any]:
    """How much smaller and faster, and how far apart the logits are."""
    images = training.pixels(jnp.asarray(source.test.images), jnp.float32)
    pair = [_forward(each) for each in (params, small)]
    before, after = (np.asarray(forward(images)) for forward in pair)
    return {
        "units": [len(each["fc1"]["bias"]) for each in (params, small)],
        "parameters": [count(each) for each in (params, small)],
        "seconds": in_turns(pair, images),
        "error": float(np.abs(after - before).max()),
        "largest": float(np.abs(before).max()),
    }


def count(params: Any) -> int:
    """How many numbers a network has."""
    return sum(np.size(leaf) for leaf in jax.tree.leaves(params))


def logits(params: Any, images: jax.Array) -> jax.Array:
    """Of an `MLP` of any width, 0 among them, which Flax does not take."""
    first, second = params["fc1"], params["fc2"]
    hidden = jax.nn.relu(images.reshape(len(images), -1) @ first["kernel"] + first["bias"])
    return hidden @ second["kernel"] + second["bias"]


def _forward(params: Any) -> Callable[[jax.Array], jax.Array]:
    apply, placed = jax.jit(logits), jax.device_put(params)
    return lambda images: apply(placed, images)


def in_turns(forwards: list[Any], images: Any) -> list[float]:
    """Median seconds of each, measured in turns, so that load falls on all of them."""
    times: list[list[float]] = [[] for _ in forwards]
    for _ in range(REPEATS):
        for forward, taken in zip(forwards, times, strict=True):
            started = time.perf_counter()
            jax.block_until_ready(forward(images))
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in times]

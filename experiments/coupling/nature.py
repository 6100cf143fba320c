"""What a set-up is, found by trying its network, before anything is trained."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from experiments import training
from experiments.models import functions, start
from experiments.paired.sample import Source, network_of
from experiments.paired.setup import Setup

Nature = Literal["invariant", "linear", "neither"]
EXAMPLES = 64
ROUNDING = 1e-4


def nature(setup: Setup, source: Source) -> Nature:
    """What theory can hold on to.

    invariant: every parameter that decays can be doubled without changing a logit, and nothing
    else is trained. linear: logits are linear in the parameters, so the penalised loss is convex.
    """
    network = network_of(setup, source.classes)
    images = training.pixels(jnp.asarray(source.train.images[:EXAMPLES]), jnp.float32)
    apply = jax.jit(functions.training_apply(network))
    shapes = start.shapes_of(network, images)["params"]
    w, v = (_random(shapes, seed) for seed in (0, 1))
    if _scale_invariant(lambda w: apply(w, images), w, setup):
        return "invariant"
    total = jax.tree.map(np.add, w, v)
    linear = _same(apply(total, images), apply(w, images) + apply(v, images))
    return "linear" if linear else "neither"


def _scale_invariant(logits: Any, params: Any, setup: Setup) -> bool:
    decays = jax.tree.leaves(functions.decays(setup.model, setup.decayed).mask(params))
    leaves, structure = jax.tree.flatten(params)
    doubled = (
        jax.tree.unflatten(structure, [2 * w if i == j else w for j, w in enumerate(leaves)])
        for i in range(len(leaves))
    )
    before = logits(params)
    return all(decays) and all(_same(logits(tree), before) for tree in doubled)


def _random(shapes: Any, seed: int) -> Any:
    generator = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: generator.standard_normal(leaf.shape).astype(leaf.dtype), shapes
    )


def _same(one: Any, other: Any) -> bool:
    scale = float(jnp.max(jnp.abs(other)))
    return float(jnp.max(jnp.abs(one - other))) <= ROUNDING * scale

"""The same over eight devices of this machine: each should hold its share, and gather nothing.

What a device holds is read from the compiled program, which is that of one device, and from the
arrays that come out. Kernels are split by their rows. `nuclear`, `spectral` and others that take
the singular values of a matrix, or sort it, need it whole and are not among these.
"""

from __future__ import annotations

import re
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from experiments.benchmark.large import Row, Rows, trees
from experiments.benchmark.large.memory import highest
from jaxreg import solve

DEVICES = 8
COLLECTIVES = ("all-gather", "all-to-all", "collective-permute", "all-reduce")


def programs(quick: bool) -> Rows:
    """Value, gradient, prox and steps: compiled, then run, on all parameters."""
    count, shape = trees.shapes(quick)
    described = layout(count, shape)
    params = jax.tree.map(filled, described)
    for what, (program, donates, optimizer) in trees.programs(described).items():
        seconds, _, params = trees.run(program, donates, optimizer, params)
        yield {**row(what, program, described), "seconds": seconds, **shares(params)}


def solutions(quick: bool) -> Rows:
    """`solve`, whose whole descent is one program: compiled for all, run on a tenth."""
    count, shape = trees.shapes(quick)
    for fewer, runs in ((1, False), (10, True)):
        described = layout(count // fewer, shape)
        started = time.perf_counter()
        program = trees.compiled(lambda w: solve(distance, trees.PENALTY, w).params, described)
        seconds = time.perf_counter() - started
        found = {}
        if runs:
            started = time.perf_counter()
            solved = jax.block_until_ready(program(jax.tree.map(filled, described)))
            seconds, found = time.perf_counter() - started, shares(solved)
        what = "`solve`" if runs else "`solve`, compiling alone"
        yield {**row(what, program, described), "seconds": seconds, **found}


def distance(params: Any) -> jax.Array:
    return 1e-3 * trees.distance(params)


def layout(count: int, shape: tuple[int, int]) -> Any:
    """The shapes of kernels, split by rows over all devices."""
    jax.config.update("jax_num_cpu_devices", DEVICES)
    mesh = jax.make_mesh((DEVICES,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    split = NamedSharding(mesh, P("d"))
    one = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=split)
    return {f"layer{i}": {"kernel": one} for i in range(count)}


def filled(described: Any) -> jax.Array:
    """An array of this form, of which each device is given its part alone."""

    def part(index: Any) -> np.ndarray:
        rows = [range(n)[i] for n, i in zip(described.shape, index, strict=True)]
        return np.sin(np.add.outer(*map(np.asarray, rows)), dtype=np.float32)

    return jax.make_array_from_callback(described.shape, described.sharding, part)


def row(what: str, program: Any, params: Any) -> Row:
    """What a device holds, in shares of the parameters, and what is sent between devices."""
    size = sum(4 * int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
    found, text = program.memory_analysis(), program.as_text()
    sent = {name: len(re.findall(rf"\s{name}(-start)?\(", text)) for name in COLLECTIVES}
    return {
        "what": f"{what}, {DEVICES} devices",
        "size": f"{size / 4e6:,.0f} million parameters",
        "arguments": found.argument_size_in_bytes * DEVICES / size,
        "temporary": found.temp_size_in_bytes * DEVICES / size,
        **sent,
        "most": highest() / 1e6,
    }


def shares(params: Any) -> dict[str, float]:
    """The largest part of an array that one device has, times the devices: 1 is its share."""
    parts = [
        DEVICES * max(shard.data.size for shard in leaf.addressable_shards) / leaf.size
        for leaf in jax.tree.leaves(params)
    ]
    return {"share": max(parts)}

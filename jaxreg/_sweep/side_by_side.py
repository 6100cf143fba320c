"""The program of a sweep: runs side by side within a device, devices across runs, rounds in a loop.

A round trains `width` runs on every device. The program is given room for a fixed number of rounds
and told how many to make, so any number of points is one compilation, and a device that has no
point left stops instead of repeating one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg._sweep import grid, processes

AXIS = "run"
ACROSS, ROWS, SHARED = PartitionSpec(AXIS), PartitionSpec(None, AXIS), PartitionSpec()


@functools.lru_cache(maxsize=16)
def one_run(train: Callable[..., Any], structure: Any, impls: tuple[Any, ...]) -> Any:
    """(arrays of a point, shared) → (result, whether it is finite); traced once for its shapes."""
    return jax.jit(functools.partial(_run, train, structure, impls))


@functools.lru_cache(maxsize=16)
def program(
    train: Callable[..., Any],
    mesh: Mesh,
    width: int,
    structure: Any,
    impls: tuple[Any, ...],
    options: tuple[tuple[str, Any], ...],
) -> Any:
    """Compiled once for each ``train``: (rounds, points, shared) → (results, finite).

    Points and results are [capacity, runs in a round, …]. ``rounds`` is one number for each
    device.
    """
    one = one_run(train, structure, impls)
    side_by_side = _alone(one) if width == 1 else jax.vmap(one, in_axes=(0, None))

    def local(rounds: jax.Array, points: list[jax.Array], shared: tuple[Any, ...]) -> Any:
        first = jax.tree.map(lambda array: array[0], points)
        room = jax.tree.map(
            lambda out: jnp.zeros((len(points[0]), *out.shape), out.dtype),
            jax.eval_shape(side_by_side, first, shared),
        )

        def body(i: jax.Array, found: Any) -> Any:
            row = jax.tree.map(lambda array: array[i], points)
            return jax.tree.map(lambda f, out: f.at[i].set(out), found, side_by_side(row, shared))

        return lax.fori_loop(0, rounds[0], body, room)

    specs = (ACROSS, ROWS, SHARED)
    mapped = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=ROWS, check_vma=False)
    return jax.jit(mapped, compiler_options=dict(options) or None)


def _alone(one: Callable[..., Any]) -> Callable[..., Any]:
    """A vmap over one run that is none: a batch axis of length 1 costs a fifth more."""

    def row_of_one(row: list[jax.Array], shared: tuple[Any, ...]) -> Any:
        result = one([array[0] for array in row], shared)
        return jax.tree.map(lambda leaf: leaf[None], result)

    return row_of_one


def _run(train: Any, structure: Any, impls: Any, arrays: list[Any], shared: Any) -> Any:
    result = train(grid.point(structure, impls, arrays), *shared)
    result = jax.tree_util.tree_map_with_path(_array, result)
    inexact = [x for x in jax.tree.leaves(result) if jnp.issubdtype(x.dtype, jnp.inexact)]
    checks = [jnp.all(jnp.isfinite(leaf)) for leaf in inexact]
    return result, functools.reduce(jnp.logical_and, checks, jnp.array(True))


def _array(path: Any, leaf: Any) -> jax.Array:
    try:
        return jnp.asarray(grid.plain(leaf))
    except (TypeError, ValueError):
        name = jax.tree_util.keystr(path)
        raise TypeError(
            f"sweep: expected train to return arrays, but result{name} is {leaf!r}"
        ) from None


def place(mesh: Mesh, spec: PartitionSpec, tree: Any) -> Any:
    """A tree on the devices of a mesh."""
    sharding = NamedSharding(mesh, spec)
    if processes.several(mesh):
        return jax.tree.map(lambda leaf: processes.place(leaf, sharding), tree)
    return jax.device_put(tree, sharding)


def described(mesh: Mesh, spec: PartitionSpec, tree: Any) -> Any:
    """The shapes of a tree and where it would lie: all that lowering needs."""
    sharding = NamedSharding(mesh, spec)
    shapes = jax.eval_shape(lambda tree: tree, tree)
    return jax.tree.map(lambda shape: shape.update(sharding=sharding), shapes)


def rounds_of(runs: int, width: int, devices: int) -> np.ndarray:
    """How many rounds each device makes for so many runs, handed out ``width`` at a time."""
    whole, rest = divmod(runs, width * devices)
    return (whole + (np.arange(devices) * width < rest)).astype(np.int32)

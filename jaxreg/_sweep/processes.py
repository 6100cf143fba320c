"""A sweep of several processes: each makes the runs of its own devices, all learn all results.

Every process goes the same way through the same chunks, so what decides about them is agreed upon:
the points, and the times, which are those of the slowest process. The runs exchange nothing; after
each chunk the results are gathered.
"""

from __future__ import annotations

import zlib
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding

from jaxreg._sweep import grid


def several(mesh: Mesh) -> bool:
    """Whether the devices of a mesh belong to several processes."""
    return jax.process_count() > 1 and mesh.is_multi_process


def place(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """An array that every process has, on the devices: each process copies what its own hold."""
    if grid.is_key(leaf) or (isinstance(leaf, jax.Array) and not leaf.is_fully_addressable):
        return jax.device_put(leaf, sharding)
    host = np.asarray(leaf)
    host = host.astype(jax.dtypes.canonicalize_dtype(host.dtype))
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index].copy())


def gathered(found: Any) -> Any:
    """The arrays on the devices of all processes, as NumPy arrays."""
    return multihost_utils.process_allgather(found, tiled=True)


def slowest(seconds: float) -> float:
    """The longest of what the processes measured."""
    return float(multihost_utils.process_allgather(np.float32(seconds)).max())


def require_agreement(mesh: Mesh, points: grid.Points, options: object) -> None:
    """Raises in every process if they cannot make a sweep together, and does nothing in one alone.

    Raises:
      ValueError: if processes have no device in the mesh, or other points than process 0.
    """
    present = {device.process_index for device in mesh.devices.flat}
    if present == {jax.process_index()}:
        return
    if absent := [str(i) for i in range(jax.process_count()) if i not in present]:
        raise ValueError(
            f"sweep: mesh: expected devices of every process or of this one alone, got none of "
            f"process {', '.join(absent)}; write jax.sharding.Mesh(jax.devices(), ('run',))"
        )
    found = multihost_utils.process_allgather(np.uint32(_digest(points, options))).ravel()
    if others := [str(i) for i, value in enumerate(found) if value != found[0]]:
        raise ValueError(
            f"sweep: expected the same points, start and chunk in every process, but those of "
            f"process {', '.join(others)} differ from those of process 0; for a sweep of its own "
            f"write mesh=jax.sharding.Mesh(jax.local_devices(), ('run',))"
        )


def _digest(points: grid.Points, options: object) -> int:
    digest = zlib.crc32(repr(options).encode())
    for array in points.arrays:
        digest = zlib.crc32(array.tobytes(), zlib.crc32(repr(array.shape).encode(), digest))
    return digest

"""How the parameters and batches of one training lie on several devices.

A mesh has two axes. Along ``run`` stand different trainings, as `jaxreg.sweep` has them; along
``shard`` the devices that share one: each keeps a part of every parameter and of what the optimizer
knows of it, and a part of each batch. In every step parameters are gathered where the model needs
them, and what each device finds of their gradients is summed where they are kept: the derivative of
an ``all_gather`` is a ``psum_scatter``. Decay and Adam act on each entry alone, so they need not
know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from experiments.training import State, Step

RUN, SHARD = "run", "shard"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Devices for trainings; with no mesh, each training is whole on one.

    Attributes:
      mesh: with the axes run and shard.
    """

    mesh: Mesh | None = None

    @property
    def shards(self) -> int:
        """Devices that share a training."""
        return 1 if self.mesh is None else self.mesh.shape[SHARD]

    def split(self, params: Any) -> Any:
        """The part of each parameter that this device keeps: equal parts along the first axis,
        which zeros fill up."""
        return params if self.shards == 1 else jax.tree.map(self._part, params)

    def _part(self, leaf: Any) -> jax.Array:
        filled = jnp.pad(leaf, [(0, -len(leaf) % self.shards)] + [(0, 0)] * (leaf.ndim - 1))
        return self._own(filled, 0)

    def _own(self, array: Any, axis: int) -> jax.Array:
        size = array.shape[axis] // self.shards
        first = jax.lax.axis_index(SHARD) * size
        return jax.lax.dynamic_slice_in_dim(array, first, size, axis)

    def whole(self, parts: Any, params: Any) -> Any:
        """The parameters from the parts of all devices; ``params`` has their shapes."""
        if self.shards == 1:
            return parts

        def gathered(part: Any, leaf: Any) -> jax.Array:
            return jax.lax.all_gather(part, SHARD, tiled=True)[: leaf.shape[0]]

        return jax.tree.map(gathered, parts, params)

    def step(self, step: Step) -> Step:
        """A train step that takes a whole batch, of which each device has a part."""
        if self.shards == 1:
            return step

        def shared_step(state: State, *batch: Any) -> tuple[State, jax.Array]:
            state, loss = step(state, *(self._own(array, 0) for array in batch))
            return state, jax.lax.psum(loss, SHARD)

        return shared_step


def layout(devices: Sequence[Any], shards: int) -> Layout:
    """So many devices for each training, and different trainings on what there is of them."""
    rows = len(devices) // shards
    if shards == 1:
        return Layout()
    return Layout(Mesh(np.array(devices[: rows * shards]).reshape(rows, shards), (RUN, SHARD)))

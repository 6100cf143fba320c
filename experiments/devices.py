"""One training on several devices: each batch is split over them, all else is whole on each.

The data set lies on every device as bytes, so a step exchanges nothing but its gradient: what is
split is the order, by the axis of the batch. Two ways give the same numbers: `Sharded`, where XLA
splits one program over a mesh, and `Mapped`, where `jax.pmap` runs it on each device and the step
takes the mean itself. `jaxreg.regularized` describes how the penalty then counts once.

Every device evaluates all test images: with them split, an epoch would need a second exchange.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from experiments import machine
from experiments.config import MachineConfig
from experiments.training import Images, Order, Progress

AXIS = "data"


class OneDevice:
    """Where arrays go, and how the epoch is compiled: everything on the default device."""

    options = True
    """Whether the compiler options of `machine` are safe: with several CPU devices at work they
    bring a library of matrix products that now and then gets rows wrong (jaxlib 0.10.2)."""

    axis: str | None = None
    """The mapped axis of devices, where the step has to take the mean over them itself."""

    def data(self, images: Images) -> Images:
        """A split of the data set, on every device."""
        return jax.tree.map(jax.device_put, images)

    def start(self, progress: Progress) -> Progress:
        """The progress of a training, in host arrays, on every device."""
        return jax.device_put(progress)

    def like(self, progress: Progress) -> Any:
        """What stands for `start` of it when the epoch is lowered."""
        return progress

    def order(self, order: Order) -> Order:
        """The batches, each split over the devices; padded with weight 0 where that is uneven."""
        return order

    def jit(self, epoch: Callable[..., Any]) -> Any:
        """epoch(progress, until, order, train, test), ready to be lowered.

        It takes nothing over: what it was given is the last good state if it makes a bad one, and
        may still be on its way to a checkpoint.
        """
        return jax.jit(epoch)

    def local(self, tree: Any) -> Any:
        """What every device holds, on the first one of this process."""
        return tree

    def kept(self, progress: Progress) -> Progress:
        """The progress as a checkpoint takes it."""
        return progress


@dataclasses.dataclass(frozen=True)
class Sharded(OneDevice):
    """`jit` over a mesh: XLA splits the program as the arrays are split, over hosts too."""

    mesh: Mesh
    options = False

    @property
    def whole(self) -> NamedSharding:
        """Of what every device has."""
        return NamedSharding(self.mesh, P())

    @property
    def split(self) -> NamedSharding:
        """Of an order: [steps, batch_size]."""
        return NamedSharding(self.mesh, P(None, AXIS))

    def data(self, images: Images) -> Images:
        return place(images, self.whole)

    def start(self, progress: Progress) -> Progress:
        return place(progress, self.whole)

    def like(self, progress: Progress) -> Any:
        return self.start(progress)

    def order(self, order: Order) -> Order:
        return place(padded(order, self.mesh.size), self.split)

    def jit(self, epoch: Callable[..., Any]) -> Any:
        return jax.jit(epoch, out_shardings=self.whole)

    def local(self, tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


@dataclasses.dataclass(frozen=True)
class Mapped(OneDevice):
    """`pmap`: each device runs the epoch on its share, and takes the mean over all of them.

    Data and order have a leading axis of devices; the progress has none, and is copied to the
    devices at the start of every epoch.
    """

    mesh: Mesh
    options = False
    axis = AXIS

    def data(self, images: Images) -> Images:
        copies = (np.broadcast_to(leaf, (self.mesh.size, *leaf.shape)) for leaf in images)
        return place(Images(*copies), NamedSharding(self.mesh, P(AXIS)))

    def start(self, progress: Progress) -> Progress:
        return progress

    def order(self, order: Order) -> Order:
        """Weights are as much larger as devices are many: their shares add up to a mean of one."""
        indices, weights = (
            np.moveaxis(leaf.reshape(len(leaf), self.mesh.size, -1), 1, 0)
            for leaf in padded(order, self.mesh.size)
        )
        return Order(indices, weights * np.asarray(self.mesh.size, weights.dtype))

    def jit(self, epoch: Callable[..., Any]) -> Any:
        return jax.pmap(
            epoch, AXIS, in_axes=(None, None, 0, 0, 0), out_axes=None, devices=[*self.mesh.devices]
        )

    def local(self, tree: Any) -> Any:
        return jax.device_get(tree)

    def kept(self, progress: Progress) -> Progress:
        return jax.device_get(progress)


def place(tree: Any, sharding: NamedSharding) -> Any:
    """Host arrays on the devices of a sharding; a process copies its own share alone."""

    def put(leaf: Any) -> jax.Array:
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index].copy())

    return jax.tree.map(put, tree)


def padded(order: Order, devices: int) -> Order:
    """The batches, filled up to a multiple of the devices with image 0 at weight 0."""
    missing = -order.indices.shape[1] % devices
    return Order(*(np.pad(leaf, ((0, 0), (0, missing))) for leaf in order))


def placement(config: MachineConfig) -> OneDevice:
    """Where the arrays of a training go, by ``--devices`` and ``--parallel``."""
    own = machine.chosen(config)
    if config.parallel == "pmap":
        return Mapped(Mesh(np.array(own), (AXIS,)))
    if len(own) == jax.process_count() == 1:
        return OneDevice()
    return Sharded(Mesh(np.array(machine.everywhere(len(own))), (AXIS,)))

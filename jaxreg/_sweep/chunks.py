"""Runs of a sweep, chunk by chunk: how many at a time, on which devices, and how wide."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxreg._sweep import grid, processes, side_by_side
from jaxreg._sweep.decompositions import decomposes
from jaxreg._sweep.interrupts import held
from jaxreg._sweep.width import Width

ROOM = 2**24
"""Bytes of points and results that one call of the program has room for, unless told otherwise."""
MOST_ROUNDS = 256
CHUNK_SECONDS = 1.0
TRIAL_SECONDS = 0.2  # a width is judged by at least so much, after a first round to warm up


@dataclasses.dataclass
class Runs:
    """The runs of one sweep, and what has been learnt about how long they take."""

    points: grid.Points
    shapes: Any  # of one result
    shared: Any
    mesh: Mesh
    width: Width
    chunk: int | None
    program: Callable[[int], Any]  # by width
    compiled: dict[int, Any] = dataclasses.field(default_factory=dict)
    compile_seconds: dict[int, float] = dataclasses.field(default_factory=dict)
    seconds: dict[int, float] = dataclasses.field(default_factory=dict)
    """By width: the wall time of the last chunk over its runs."""

    def chunks(self, start: int) -> Generator[tuple[slice, Any, np.ndarray]]:
        """(rows, results, finite) of all points from ``start`` on."""
        while start < self.points.count:
            rows = slice(start, min(start + self._next(), self.points.count))
            try:
                self._compile()
                with held():  # until the results are handed out
                    yield rows, *self._run(rows)
                start = rows.stop
            except jax.errors.JaxRuntimeError as error:
                if "EXHAUSTED" not in str(error) or not self.width.narrower():
                    raise  # else a trial that did not fit into the memory: without it, then

    def _next(self) -> int:
        """How many points to run next: one round at first, then as many as take their time."""
        width = self.width.value
        round_ = width * self._devices
        if self.chunk is not None:
            return self.chunk if width in self.seconds else min(self.chunk, round_)
        wanted = CHUNK_SECONDS if self.width.fixed else TRIAL_SECONDS
        rounds = wanted / (self.seconds.get(width, wanted) * round_)
        return round_ * min(max(int(rounds), 1), self.capacity(width))

    def _compile(self) -> None:
        """The program of this width, unless it is there."""
        width = self.width.value
        if width not in self.compiled:
            started = time.perf_counter()
            self.compiled[width] = self.lowered(width).compile()
            self.compile_seconds[width] = self._agreed(time.perf_counter() - started)

    def _run(self, rows: slice) -> tuple[Any, np.ndarray]:
        """Runs some points, and chooses the width of the next."""
        width, count = self.width.value, rows.stop - rows.start
        arguments = self._arguments(rows, width)
        started = time.perf_counter()
        found = self._fetched(self.compiled[width](*arguments))
        took = self._agreed(time.perf_counter() - started)
        warm, self.seconds[width] = width in self.seconds, took / count
        if not self.width.fixed and (warm or took >= TRIAL_SECONDS):
            left, most = self.points.count - rows.stop, self.chunk or self.points.count
            self.width.measured(took / count, self.compile_seconds[width], left, most)
        return jax.tree.map(lambda out: out.reshape(-1, *out.shape[2:])[:count].copy(), found)

    def _fetched(self, found: Any) -> Any:
        """Results of all devices on the host."""
        return processes.gathered(found) if self._several else jax.device_get(found)

    def _agreed(self, seconds: float) -> float:
        """A time that every process has."""
        return processes.slowest(seconds) if self._several else seconds

    def _arguments(self, rows: slice, width: int) -> tuple[Any, ...]:
        rounds = side_by_side.rounds_of(rows.stop - rows.start, width, self._devices)
        block = self.points.block(rows, self.capacity(width), width * self._devices)
        place = functools.partial(side_by_side.place, self.mesh)
        across, along = side_by_side.ACROSS, side_by_side.ROWS
        return place(across, rounds), place(along, block), self._placed

    @functools.cached_property
    def _placed(self) -> Any:
        """The shared arrays on the devices."""
        return side_by_side.place(self.mesh, side_by_side.SHARED, self.shared)

    def lowered(self, width: int) -> jax.stages.Lowered:
        """The program of a width, from shapes alone: the devices of the mesh need not be here."""
        rounds = jax.ShapeDtypeStruct((self._devices,), np.int32)
        block = self.points.shapes(self.capacity(width), width * self._devices)
        describe = functools.partial(side_by_side.described, self.mesh)
        across, along = side_by_side.ACROSS, side_by_side.ROWS
        shared = describe(side_by_side.SHARED, self.shared)
        return self.program(width).lower(describe(across, rounds), describe(along, block), shared)

    def capacity(self, width: int) -> int:
        """Rounds that the program has room for: the same for any number of points."""
        round_ = width * self._devices
        if self.chunk is not None:
            return -(-self.chunk // round_)
        point = grid.size(self.points.arrays) // self.points.count
        bytes_ = round_ * (point + grid.size(self.shapes) + 1)
        return min(max(ROOM // bytes_, 1), MOST_ROUNDS)

    @functools.cached_property
    def _several(self) -> bool:
        return processes.several(self.mesh)

    @property
    def _devices(self) -> int:
        return self.mesh.shape[side_by_side.AXIS]


def prepare(
    train: Callable[..., Any],
    points: grid.Points,
    shared: tuple[Any, ...],
    mesh: Mesh | None,
    per_device: Any,
    chunk: int | None,
    compiler_options: Mapping[str, Any] | None,
) -> Runs:
    """Runs ready to start: traced once, nothing compiled or placed yet."""
    mesh = _mesh(mesh, points.count)
    options = tuple(sorted((compiler_options or {}).items()))

    def program(width: int) -> Any:
        settings = points.structure, points.impls, options
        return side_by_side.program(train, mesh, width, *settings)

    jaxpr, shapes = _traced(program(1), mesh, points, shared)
    width = _width(per_device, points.count, mesh, jaxpr)
    return Runs(points, shapes, shared, mesh, width, chunk, program)


def _width(per_device: Any, points: int, mesh: Mesh, jaxpr: Any) -> Width:
    devices = mesh.shape[side_by_side.AXIS]
    if devices > 1 and mesh.devices.flat[0].platform == "cpu" and decomposes(jaxpr):
        return Width(devices, fixed=True)
    if per_device == "auto":
        return Width(devices)
    return Width(devices, min(per_device, -(-points // devices)), fixed=True)


def _mesh(mesh: Mesh | None, points: int) -> Mesh:
    if mesh is None:
        most = len(jax.devices()) if jax.process_count() > 1 else points
        return Mesh(np.array(jax.devices()[:most]), (side_by_side.AXIS,))
    if side_by_side.AXIS not in mesh.shape:
        raise ValueError(
            f"sweep: mesh: expected an axis named 'run', got {mesh.axis_names}; "
            f"write jax.sharding.Mesh(jax.devices(), ('run',))"
        )
    return mesh


def _traced(program: Any, mesh: Mesh, points: grid.Points, shared: Any) -> tuple[Any, Any]:
    """The program, and the shapes of one result; here ``train`` shows whether it can be traced."""
    for leaf in jax.tree.leaves(shared):
        if not (hasattr(leaf, "dtype") or isinstance(leaf, int | float | complex)):
            raise TypeError(
                f"sweep: shared: expected arrays, got {leaf!r}; bind settings that are no arrays "
                f"to train with functools.partial"
            )
    devices = mesh.shape[side_by_side.AXIS]
    block, rounds = points.shapes(1, devices), jax.ShapeDtypeStruct((devices,), np.int32)
    try:
        traced = program.trace(rounds, block, shared)
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
        raise TypeError(
            f"sweep: expected a train made of jax operations, but it looked at the value of a "
            f"traced array ({type(error).__name__}); write jnp for np and math, jnp.where or "
            f"jax.lax.cond for if, jax.lax.scan for loops over them"
        ) from error
    results, _ = traced.out_info
    if not jax.tree.leaves(results):
        raise ValueError(
            "sweep: expected train to return arrays, got None; return what is to be known of a run"
        )
    shapes = jax.tree.map(lambda r: jax.ShapeDtypeStruct(r.shape[2:], r.dtype), results)
    return traced.jaxpr, shapes

"""`sweep` and `lower_sweep`: what they take, and what is found.

How it works is described in `jaxreg._sweep`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import Mesh

from jaxreg._messages.brief import brief, quoted
from jaxreg._messages.calls import explained
from jaxreg._sweep import chunks, grid, processes
from jaxreg._sweep.progress import Progress, reporter
from jaxreg._sweep.width import check_width, is_count


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep:
    """What `sweep` found; every array has one entry for each of the points from
    ``start`` to ``stop``.

    Attributes:
      points: as they were given, all of them.
      results: what ``train`` returned, with a leading axis; NumPy arrays. None if not kept.
      finite: bool [stop − start], whether everything that a run returned is finite.
      start: the first point that was run.
      stop: the first point after those that were run; ``start=stop`` goes on from there.
      complete: whether that is the end: False if the sweep was interrupted.
      per_device: runs side by side on a device, as taken at the end.
      seconds_a_run: wall time over runs by width, each in its last chunk: why ``per_device="auto"``
        took the one it took.
      compile_seconds: of all compilations together; 0 when the same sweep has run before.
      seconds: of everything.
    """

    points: Any
    results: Any
    finite: np.ndarray
    start: int
    stop: int
    complete: bool
    per_device: int
    seconds_a_run: dict[int, float]
    compile_seconds: float
    seconds: float

    @property
    def diverged(self) -> np.ndarray:
        """bool [stop − start]: runs that returned a NaN or an infinity."""
        return ~self.finite


@explained
def sweep(
    train: Callable[..., Any],
    points: Any,
    *shared: Any,
    per_device: int | Literal["auto"] = "auto",
    mesh: Mesh | None = None,
    chunk: int | None = None,
    start: int = 0,
    keep: bool = True,
    on_chunk: Callable[[slice, Any], None] | None = None,
    progress: bool | Callable[[Progress], None] | None = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> Sweep:
    """Runs ``train(point, *shared)`` for many points, as one program compiled once.

    ``train`` is one training in jax code: a ``lax.scan`` over batches that starts from the numbers
    of its point and returns whatever is to be known, a pytree of arrays. The results are those of a
    Python loop over the points, up to rounding, in their order.

    >>> import jax.numpy as jnp
    >>> from jaxreg import grid, l2
    >>> def train(point, target):  # gradient steps on ½‖w − target‖² + λ‖w‖²
    ...     pull = lambda w: w - target + (point["strength"] * l2).grad(w)
    ...     return jax.lax.fori_loop(0, 100, lambda i, w: w - 0.1 * pull(w), jnp.zeros(2))
    >>> found = sweep(train, grid(strength=[0.0, 0.5, 1.5]), jnp.array([4.0, 8.0]))
    >>> found.results.round(2).tolist(), found.diverged.tolist()
    ([[4.0, 8.0], [2.0, 4.0], [1.0, 2.0]], [False, False, False])

    Runs go side by side in three ways: over the devices of the mesh axis ``run``, ``per_device`` of
    them within each device by ``vmap`` (1: none), and the rest one after another. Chunks of about a
    second return to Python, where results are handed out, progress is shown and Ctrl-C is heard. A
    run that diverges is marked in ``finite`` and changes no other. For a paired comparison, let the
    order of the batches depend on the point's seed alone.

    On CPU JAX has one device, whatever the number of cores; one for each core makes a sweep of
    small networks about twice as fast. Say so before anything else touches JAX:
    ``jax.config.update("jax_num_cpu_devices", os.cpu_count())``.

    Data sets belong into ``shared``: an array that ``train`` closes over works, but becomes a
    constant of the program, which takes long to compile and is compiled anew for new data. The
    compiled program is kept for the next sweep with the same ``train``, so define that once; a
    ``lambda`` written into the call is another function each time.

    Args:
      train: ``train(point, *shared)``, called with one entry of each array of ``points``. It must
        be hashable, as functions are; settings that are no arrays belong into
        ``functools.partial``.
      points: a pytree of arrays of equal length, as from `grid`: numbers, or PRNG keys.
      *shared: arrays that all runs use, handed over once.
      per_device: runs side by side within a device. "auto" starts with 1 and tries 4, 16, 64, …
        as long as that is faster and enough points are left: the trials are runs of the sweep, so
        all they cost is a compilation each, at most a quarter of the time left. A sweep of few
        points, or of less than a few seconds, is not worth one, and keeps 1. With a number there is
        exactly one compilation.
      mesh: devices, with an axis named ``run``; all devices if None, those of other processes too.
      chunk: points between two returns to Python, which bounds the memory of results too; if None,
        as many as take a second and fit into 16 MiB.
      start: skip the points before this one: goes on where an earlier sweep stopped.
      keep: whether to return the results; without, they only go to ``on_chunk``, and memory does
        not grow with the number of points.
      on_chunk: ``on_chunk(rows, results)`` is called with each finished chunk: ``rows`` a slice of
        the points, ``results`` with that leading axis. If it raises, the sweep ends, and a note on
        the exception says from where to go on. PRNG keys in results arrive as their numbers.
      progress: True shows a line on stderr with the time left; a function is called with each
        ``Progress(done, total, seconds, seconds_left)``.
      compiler_options: of XLA, for this program. On several CPU devices keep XLA's own matrix
        products: with ``xla_cpu_experimental_ynn_fusion_type=""`` another library makes them, and
        large ones are sometimes wrong there (jaxlib 0.10.2).

    On several CPU devices, runs that compute with LAPACK (``jnp.linalg``: ``solve``, ``eigh``,
    ``svd``, ``cholesky``) do not go side by side within a device, whatever ``per_device`` says:
    they might wait for each other forever (jaxlib 0.10.2). So ``train`` should not vmap over large
    ones there, either.

    **Several processes** (`jax.distributed`), on one host each: all of them call ``sweep`` alike,
    with the same points. Each makes the runs of its own devices, and each is given the results of
    all, chunk by chunk; so let process 0 alone write them: ``if jax.process_index() == 0``. When
    one of them ends early the others fail at their next exchange, and go on with ``start=``.
    With ``Mesh(jax.local_devices(), ("run",))`` a sweep is one process's own.

    Returns:
      A `Sweep`. Ctrl-C, and SIGTERM where the program handles it, ends it early, with ``complete``
      False: at the end of the chunk that is under way, once that is handed out, or at once if it
      comes again. ``start=found.stop`` goes on from there.

    Raises:
      TypeError: if ``train`` is not hashable or not made of jax operations, or points no numbers.
      ValueError: if points have unequal lengths or none, or an option is out of range.
    """
    began = time.perf_counter()
    _check_train(train)
    checked = grid.checked(points)
    _check_width(per_device, chunk)
    _check_course(checked.count, start, keep, on_chunk)
    runs = chunks.prepare(train, checked, shared, mesh, per_device, chunk, compiler_options)
    processes.require_agreement(runs.mesh, checked, (start, chunk))
    report, parts = reporter(progress), _Parts(runs.shapes, keep)
    stop, complete = start, False
    try:
        with contextlib.closing(runs.chunks(start)) as found:
            for rows, results, finite in found:
                if on_chunk is not None:
                    on_chunk(rows, results)
                parts.add(results, finite)
                stop = rows.stop
                report(_progress(stop - start, checked.count - start, began, runs))
        complete = True
    except KeyboardInterrupt:
        pass
    except Exception as error:
        error.add_note(f"sweep: the points before {stop} are done; start={stop} goes on from there")
        raise
    seconds = time.perf_counter() - began
    measured = runs.width.value, runs.seconds, sum(runs.compile_seconds.values())
    return Sweep(points, *parts.joined(), start, stop, complete, *measured, seconds)


@explained
def lower_sweep(
    train: Callable[..., Any],
    points: Any,
    *shared: Any,
    per_device: int = 1,
    mesh: Mesh | None = None,
    chunk: int | None = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> jax.stages.Lowered:
    """The program of a `sweep`, lowered and not compiled: to `sweep` what ``lower`` is to ``jit``.

    Nothing runs and no array is placed, so the devices of the mesh need not be here: those of a
    description, as `jax.experimental.topologies.get_topology_desc` returns it, are compiled for as
    well. `sweep` compiles this very program: ``lower_sweep(...).compile()`` shows its memory, its
    operations and its text.

    It takes (rounds for each device, points, shared) and has room for as many rounds as a chunk may
    have. Of n points on d devices each device makes ⌈n / (d·w)⌉ rounds in all, w being the smaller
    of ``per_device`` and ⌈n / d⌉, or 1 where `sweep` lets runs go one by one.

    >>> import jax.numpy as jnp
    >>> from jaxreg import grid, lower_sweep
    >>> def train(point, target):
    ...     return {"square": (target - point["shift"]) ** 2}
    >>> one = jax.sharding.Mesh(jax.devices()[:1], ("run",))
    >>> points = grid(shift=[0.0, 1.0, 2.0])
    >>> lowered = lower_sweep(train, points, jnp.ones(4), mesh=one, chunk=3)
    >>> results, finite = lowered.out_info  # of each: rounds, runs in a round
    >>> results["square"].shape, finite.shape
    ((3, 1, 4), (3, 1))

    Args:
      train: as for `sweep`.
      points: likewise.
      *shared: likewise, or their shapes, as `jax.eval_shape` returns them.
      per_device: runs side by side within a device.
      mesh: devices, with an axis named ``run``; all devices of this process if None.
      chunk: as for `sweep`.
      compiler_options: likewise.

    Returns:
      A `jax.stages.Lowered`.

    Raises:
      TypeError: as `sweep` does.
      ValueError: likewise, and if ``per_device`` is "auto", which is found by running.
    """
    _check_train(train)
    checked = grid.checked(points)
    if not is_count(per_device):
        raise ValueError(
            f"lower_sweep: per_device: expected an integer of at least 1, got "
            f"{quoted(per_device)}; what is fastest is found by running: take the per_device of a "
            f"Sweep"
        )
    _check_width(per_device, chunk)
    runs = chunks.prepare(train, checked, shared, mesh, per_device, chunk, compiler_options)
    return runs.lowered(runs.width.value)


class _Parts:
    """Results that arrive chunk by chunk."""

    def __init__(self, shapes: Any, keep: bool) -> None:
        self.keep = keep
        self.results = [jax.tree.map(lambda s: np.zeros((0, *s.shape), s.dtype), shapes)]
        self.finite = [np.zeros(0, bool)]

    def add(self, results: Any, finite: np.ndarray) -> None:
        if self.keep:
            self.results.append(results)
        self.finite.append(finite)

    def joined(self) -> tuple[Any, np.ndarray]:
        finite = np.concatenate(self.finite)
        if not self.keep:
            return None, finite
        return jax.tree.map(lambda *parts: np.concatenate(parts), *self.results), finite


def _progress(done: int, total: int, began: float, runs: chunks.Runs) -> Progress:
    """The time left, at the pace of the width that comes next."""
    pace = runs.seconds.get(runs.width.value) or min(runs.seconds.values())
    return Progress(done, total, time.perf_counter() - began, (total - done) * pace)


def _check_train(train: Any) -> None:
    if not callable(train):
        raise TypeError(
            f"sweep: expected a function train(point, *shared), got {train!r}; points come second"
        )
    if not is_hashable(train):
        raise TypeError(
            f"sweep: expected a train that can be hashed, got a {type(train).__name__}; wrap it: "
            f"def train(point, *shared): …, its arrays among the shared ones"
        )


def is_hashable(train: Any) -> bool:
    """Whether programs can be kept by it; modules of Equinox, which hash their arrays, cannot."""
    try:
        hash(train)
    except TypeError:
        return False
    return True


def _check_width(per_device: Any, chunk: Any) -> None:
    check_width("sweep", per_device)
    if chunk is not None and not is_count(chunk):
        raise ValueError(
            f"sweep: chunk: expected an integer of at least 1, got {brief(chunk)}; "
            f"None takes as many points as run in a second"
        )


def _check_course(count: int, start: Any, keep: bool, on_chunk: Any) -> None:
    if isinstance(start, bool) or not isinstance(start, int) or not 0 <= start <= count:
        raise ValueError(
            f"sweep: start: expected the number of points to skip, from 0 to {count}, got "
            f"{brief(start)}"
        )
    if not keep and on_chunk is None:
        raise ValueError(
            "sweep: keep=False: expected on_chunk to take the results, got None; they would be lost"
        )

"""Checkpoints of a training: a pytree in a folder for each number of updates, by Orbax.

Orbax writes beside the training, every process what it alone has, and gives a folder its name once
all is written: before, it does not count. What Orbax leaves to the file system is checked here. A
last file, `CONTENTS`, lists the others with their sizes and checksums, so a checkpoint of which a
byte is missing or another is known for that, and the one before it is taken. Reading one builds
arrays of numbers: nothing in it is executed.

With several processes all of them save and restore, in a folder that all of them see.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.records import OF_THE_DISK, WriteError

CONTENTS = "contents.json"
UNFINISHED = "*.orbax-checkpoint-tmp*"
OF_ORBAX = ("_CHECKPOINT_METADATA", "commit_success.txt")  # written after `CONTENTS`; never read

Shapes = dict[str, tuple[str, tuple[int, ...]]]
"""Of every leaf by its path: dtype and shape."""


class DamagedError(Exception):
    """A checkpoint that is not as it was written: what was expected, what is there."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One that is whole.

    Attributes:
      folder: where it lies.
      step: updates made.
      about: what `Keeper.save` was told of it.
      shapes: of its arrays.
    """

    folder: Path
    step: int
    about: Mapping[str, Any]
    shapes: Shapes

    def restore(self, like: Any) -> Any:
        """The pytree that was saved.

        Args:
          like: of the same structure. Where it has arrays of NumPy the leaves are such; where it
            has those of JAX, or `jax.ShapeDtypeStruct` with a sharding, they lie as these do,
            however many devices there were when they were saved.

        Raises:
          ValueError: if the arrays have other names, shapes or dtypes than those of ``like``.
        """
        named, structure = _named(like)
        if differing := _differing(_shapes(named), self.shapes):
            raise ValueError(differing)
        orbax = _orbax()
        how = {path: _restored_like(orbax, leaf) for path, leaf in named.items()}
        wanted = orbax.args.PyTreeRestore(item=named, restore_args=how)
        with _checkpointer() as checkpointer:
            found = _off_the_main_thread(checkpointer.restore, self.folder.resolve(), args=wanted)
        return jax.tree.unflatten(structure, [found[path] for path in named])


class Keeper:
    """Saves while the training goes on, and keeps the newest few: a context."""

    def __init__(self, folder: Path, keep: int) -> None:
        """With the folder for checkpoints, which need not be there, and how many to keep."""
        self._folder, self._keep = folder, keep
        self._first = jax.process_index() == 0
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._checkpointer: Any = None
        self._content: dict[str, Any] = {}
        self._latest: Future[None] | None = None
        self.step: int | None = None
        """Updates of the last that was saved, or is being saved."""

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Ends its thread, after what is being saved; of several processes one may be lost."""
        self._thread.shutdown(wait=kind is None or jax.process_count() == 1)

    def prepare(self) -> None:
        """Imports what saving takes, meanwhile."""
        self._thread.submit(_orbax)

    def save(self, step: int, tree: Any, about: Mapping[str, Any]) -> None:
        """Begins to save, once the one before is on disk.

        Args:
          step: updates made; the newest checkpoint is that with the largest.
          tree: of arrays, which must not be donated before `wait` or the next `save` returns.
          about: what belongs to it, as JSON has it; that of process 0 counts.

        Raises:
          WriteError: if the one before could not be written.
        """
        self.wait()
        self.step = step
        self._latest = self._thread.submit(self._save, step, tree, about)

    def wait(self) -> None:
        """Until everything is on disk.

        Raises:
          WriteError: if it could not be written.
          JaxRuntimeError: if another process was lost.
        """
        if self._latest is None:
            return
        latest, self._latest = self._latest, None
        try:
            latest.result()
        except Exception as error:
            if lost := _of_another_process(error):
                raise lost from None
            raise WriteError(_reason(self._folder / str(self.step), error)) from None

    def _save(self, step: int, tree: Any, about: Mapping[str, Any]) -> None:
        if self._checkpointer is None:
            self._checkpointer = _checkpointer(self._seal)
            self._folder.mkdir(parents=True, exist_ok=True)
        self._clear(self._folder.glob(UNFINISHED))
        named, _ = _named(tree)
        self._content = {"step": step, "about": about, "shapes": _shapes(named)}
        target = self._folder.resolve() / str(step)
        try:
            arguments = _orbax().args.PyTreeSave(named)
            self._checkpointer.save(target, args=arguments, force=True)
            self._checkpointer.wait_until_finished()
        except BaseException:
            self._clear(self._folder.glob(UNFINISHED))
            raise
        self._clear(self._folder / str(old) for old in steps(self._folder)[self._keep :])

    def _seal(self) -> None:
        """Lists what was written; Orbax calls this before it gives the folder its name."""
        (folder,) = self._folder.glob(f"{self._content['step']}{UNFINISHED[1:]}")
        files = {
            path.relative_to(folder).as_posix(): _sum(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in OF_ORBAX
        }
        content = {**self._content, "files": files}
        text = json.dumps({"content": content, "crc32": _sum_of(content)}, ensure_ascii=False)
        (folder / CONTENTS).write_text(text, encoding="utf-8")

    def _clear(self, folders: Any) -> None:
        if self._first:
            for folder in list(folders):
                shutil.rmtree(folder, ignore_errors=True)


def steps(folder: Path) -> list[int]:
    """Updates of the checkpoints that there are, the newest first."""
    with contextlib.suppress(OSError):
        names = (entry.name for entry in folder.iterdir() if entry.is_dir())
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)
    return []


def newest(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole; says of newer ones that they are not, and why."""
    for step in steps(folder):
        try:
            return read(folder, step)
        except DamagedError as error:
            say(f"{folder / str(step)} is damaged: {error}; the one before it is taken")
    return None


def read(folder: Path, step: int) -> Checkpoint:
    """The checkpoint of so many updates.

    Raises:
      DamagedError: if it is not as it was written.
    """
    place = folder / str(step)
    try:
        content = _content(place)
        for name, expected in content["files"].items():
            if (found := _sum(place / name)) != expected:
                raise DamagedError(_other(name, expected, found))
        shapes = {path: (dtype, tuple(shape)) for path, (dtype, shape) in content["shapes"].items()}
        return Checkpoint(place, content["step"], content["about"], shapes)
    except OSError as error:
        name = Path(str(error.filename)).name
        raise DamagedError(f"expected the file {name}, but: {error.strerror}") from None


def _content(place: Path) -> dict[str, Any]:
    try:
        written = json.loads((place / CONTENTS).read_bytes())
        content, expected = written["content"], written["crc32"]
    except (ValueError, TypeError, KeyError, RecursionError):
        content, expected = {}, None
    if _sum_of(content) != expected or content["step"] != int(place.name):
        raise DamagedError(f"expected {CONTENTS} as it was written, found other bytes")
    return content


def _sum_of(content: Any) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())


def _sum(path: Path) -> list[int]:
    """Size and checksum of a file."""
    size = checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return [size, checksum]


def _other(name: str, expected: list[int], found: list[int]) -> str:
    if expected[0] != found[0]:
        return f"expected {expected[0]:,} bytes in {name}, found {found[0]:,}"
    return f"expected {name} as it was written, found other bytes"


def _named(tree: Any) -> tuple[dict[str, Any], Any]:
    """The leaves by their paths, and the structure: what Orbax is given has no types of ours."""
    leaves, structure = jax.tree.flatten_with_path(tree)
    name = functools.partial(jax.tree_util.keystr, simple=True, separator=".")
    return {name(path): leaf for path, leaf in leaves}, structure


def _shapes(named: Mapping[str, Any]) -> Shapes:
    return {path: (np.dtype(x.dtype).name, tuple(x.shape)) for path, x in named.items()}


def _differing(expected: Shapes, found: Shapes) -> str:
    for path in sorted({*expected, *found}):
        ours, theirs = (_describe(shapes.get(path)) for shapes in (expected, found))
        if ours != theirs:
            return f"expected {ours} at {path}, found {theirs}"
    return ""


def _describe(leaf: tuple[str, tuple[int, ...]] | None) -> str:
    return "nothing" if leaf is None else f"{leaf[0]}{list(leaf[1])}"


def _of_another_process(error: BaseException | None) -> BaseException | None:
    """The error of a meeting of processes that this one comes from."""
    while error is not None and jax.process_count() > 1:
        if isinstance(error, jax.errors.JaxRuntimeError):
            return error
        error = error.__cause__
    return None


def _reason(place: Path, error: Exception) -> str:
    """Of libraries' pages of text, what the system said."""
    said = next((reason for reason in map(os.strerror, OF_THE_DISK) if reason in str(error)), None)
    reason = said or str(error).partition("\n")[0] or type(error).__name__
    return f"{place}: expected to write a checkpoint, but: {reason}; those before it are whole"


# --- Orbax ---


@functools.cache
def _orbax() -> Any:
    """The package, which takes a third of a second: only where something is saved or restored."""
    import orbax.checkpoint

    logging.getLogger("absl").setLevel(logging.CRITICAL)  # errors are raised too
    return orbax.checkpoint


def _checkpointer(seal: Callable[[], None] | None = None) -> Any:
    """Of this process, or of all that there are: those meet without their devices.

    Devices are at work, and another exchange between them could meet that of a step.
    """
    orbax = _orbax()
    processes = set(range(jax.process_count())) if jax.process_count() > 1 else None
    options = orbax.options.MultiprocessingOptions(
        active_processes=processes, barrier_sync_key_prefix=processes and "jaxreg"
    )
    return orbax.AsyncCheckpointer(
        orbax.PyTreeCheckpointHandler(multiprocessing_options=options),
        async_options=orbax.options.AsyncOptions(post_finalization_callback=seal),
        multiprocessing_options=options,
    )


def _off_the_main_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Where the loop of events that Orbax starts would take signals for itself."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _restored_like(orbax: Any, leaf: Any) -> Any:
    sharding = getattr(leaf, "sharding", None)
    if sharding is None:
        return orbax.RestoreArgs(restore_type=np.ndarray, dtype=leaf.dtype)
    return orbax.ArrayRestoreArgs(sharding=sharding, global_shape=leaf.shape, dtype=leaf.dtype)

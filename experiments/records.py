"""What a run leaves on disk: its folder, `config.json`, one JSON line per epoch or training."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments import interrupts, ownership
from experiments.provenance import software

OF_THE_DISK = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
)
"""What a disk says that takes no more, or a folder that nothing may be written to."""
CONFIG, RECORDS, BROKEN = "config.json", "records.jsonl", "records.broken"


class OutputError(OSError):
    """A folder that cannot take the results: what was expected, what is there, what to do."""


class WriteError(OutputError):
    """A disk that takes no more, while a run is under way."""


def open_folder(command: str, output: Path | None) -> Path:
    """An empty, writable folder for one run, made before any work is done.

    Args:
      command: name of the command; the default folder is ``runs/COMMAND/TIME``.
      output: the folder to use instead.

    Raises:
      OutputError: if it cannot be written, holds an earlier run, or another process writes there.
    """
    folder = output or Path("runs") / command / time.strftime("%Y-%m-%d_%H-%M-%S")
    if output is None and _holds_records(folder):
        folder = folder.with_name(f"{folder.name}.{time.time_ns() % 10**9:09}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _take(folder, "--output")
        if _holds_records(folder):
            ownership.release(folder)
            raise OutputError(
                f"--output: expected a folder without results, but {folder} holds "
                f"records.jsonl of an earlier run; name another, or remove it"
            )
        (folder / RECORDS).touch()
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"--output: expected a folder that can be written, but {folder}: {error.strerror}; "
            f"name another with --output"
        ) from None
    return folder


def _holds_records(folder: Path) -> bool:
    try:
        return (folder / RECORDS).stat().st_size > 0
    except OSError:
        return False


def _take(folder: Path, option: str) -> None:
    """Makes a folder this process's own.

    Raises:
      OutputError: if another process that is alive writes there.
      OSError: if it cannot be written.
    """
    try:
        said = ownership.take(folder)
    except ownership.InUseError as owner:
        raise OutputError(
            f"{option}: expected a folder that no other run writes to, but {owner} does to "
            f"{folder}; wait for its end, or name another"
        ) from None
    if said:
        print(said, file=sys.stderr)


def write_config(folder: Path, command: str, config: Any, facts: Mapping[str, Any]) -> None:
    """Writes ``config.json``: the settings, and what it takes to repeat them exactly."""
    content = {
        "command": command,
        "config": dataclasses.asdict(config),
        **software(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **facts,
    }
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False)
    write_text(folder / CONFIG, text + "\n")


def reopen_folder(folder: Path, command: str) -> dict[str, Any]:
    """The ``config.json`` of a run that was stopped, whose records are to go on.

    A last line that was cut off while it was written is removed. From a line on that is damaged,
    records are moved to ``records.broken``, and are made again.

    Raises:
      OutputError: if it is no run of this command, cannot be written, or another process writes
        there.
    """
    content, lines = run_of(folder, command), (folder / RECORDS).read_bytes()
    try:
        _take(folder, "--resume")
        _mend(folder, lines)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"--resume: expected a folder that can be written, but {folder}: {error.strerror}; "
            f"copy it to where it can"
        ) from None
    return content


def run_of(folder: Path, command: str) -> dict[str, Any]:
    """The ``config.json`` of a run.

    Raises:
      OutputError: if it is no run of this command.
    """
    try:
        content = read_config(folder)
        (folder / RECORDS).stat()
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{CONFIG}: {error}"
        raise OutputError(
            f"--resume: expected the folder of a run, with config.json and records.jsonl, but "
            f"{folder}: {reason}; name one that an earlier run printed"
        ) from None
    if content.get("command") != command:
        raise OutputError(
            f"--resume: expected a run of experiments.{command}, but {folder} is one of "
            f"experiments.{content.get('command')}"
        )
    return content


def _mend(folder: Path, content: bytes) -> None:
    """Leaves the records that are whole, up to the first that is not."""
    lines = content.splitlines(keepends=True)
    sound = next((i for i, line in enumerate(lines) if not _is_whole(line)), len(lines))
    left = lines[sound:]
    if len(left) > 1 or (left and left[0].endswith(b"\n")):  # else a line that was cut off
        (folder / BROKEN).write_bytes(b"".join(left))
        print(
            f"Line {sound + 1} of {folder / RECORDS} is damaged: it and what follows, "
            f"{len(left):,} in all, are moved to {BROKEN} and made again.",
            file=sys.stderr,
        )
    if left:
        os.truncate(folder / RECORDS, sum(map(len, lines[:sound])))


def _is_whole(line: bytes) -> bool:
    record = _parsed(line)
    return line.endswith(b"\n") and record is not None and "event" in record


def read_config(folder: Path) -> dict[str, Any]:
    """What `write_config` wrote.

    Raises:
      OSError: if it is not there.
      ValueError: if it is something else.
    """
    content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, got {type(content).__name__}")
    return content


def append(folder: Path, *records: Mapping[str, Any]) -> None:
    """Adds lines to ``records.jsonl``, all or none: what is stopped or fails keeps what it has.

    Raises:
      WriteError: if the disk takes no more.
    """
    data, path = _lines(records).encode(), folder / RECORDS
    with interrupts.held():
        try:
            with path.open("ab", buffering=0) as file:
                _added(file, data)
        except OSError as error:
            raise _no_room(path, error) from None


def replace(folder: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Leaves these lines in ``records.jsonl``, at once.

    Raises:
      WriteError: if the disk takes no more.
    """
    write_text(folder / RECORDS, _lines(records))


def _lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(_plain(record), ensure_ascii=False) + "\n" for record in records)


def _added(file: Any, data: bytes) -> None:
    before = file.seek(0, os.SEEK_END)
    try:
        while data:
            data = data[file.write(data) :]
    except OSError:
        file.truncate(before)
        raise


def save(path: Path, write: Callable[[Path], object]) -> None:
    """A file by ``write(path)``, whole or not at all: one that is there stays until it is whole.

    Raises:
      WriteError: if the disk takes no more.
    """
    partial = path.with_name(f".{path.name}")  # with its ending, by which libraries choose a format
    try:
        try:
            write(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise _no_room(path, error) from None


def write_text(path: Path, text: str) -> None:
    """A text in UTF-8, as `save` does it."""
    save(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def _no_room(path: Path, error: OSError) -> WriteError:
    reason = error.strerror or error
    return WriteError(f"{path}: expected to write there, but: {reason}; what was saved is whole")


def read(folder: Path) -> list[dict[str, Any]]:
    """The records of a run, in the order in which they were written, up to one that is damaged."""
    lines = (folder / RECORDS).read_bytes().splitlines()
    return list(itertools.takewhile(lambda record: record is not None, map(_parsed, lines)))


def _parsed(line: bytes) -> Any:
    """The record of a line; None if it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def is_finished(folder: Path) -> bool:
    """Whether a study there has nothing left to train: then all is drawn anew from its records."""
    return any(record.get("finished") for record in read(folder))


def _plain(value: Any) -> Any:
    """``value`` as JSON has it; NaN and infinity, which JSON lacks, as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value

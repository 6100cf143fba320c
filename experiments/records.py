"""What a run leaves on disk: its folder, `config.json`, one JSON line per epoch or training."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.provenance import software


class OutputError(OSError):
    """A folder that cannot take the results: what was expected, what is there, what to do."""


def open_folder(command: str, output: Path | None) -> Path:
    """An empty, writable folder for one run, made before any work is done.

    Args:
      command: name of the command; the default folder is ``runs/COMMAND/TIME``.
      output: the folder to use instead.

    Raises:
      OutputError: if it cannot be written, or holds an earlier run.
    """
    folder = output or Path("runs") / command / time.strftime("%Y-%m-%d_%H-%M-%S")
    if (folder / "records.jsonl").exists():
        if output is not None:
            raise OutputError(
                f"--output: expected a folder without results, but {folder} holds "
                f"records.jsonl of an earlier run; name another, or remove it"
            )
        folder = folder.with_name(f"{folder.name}.{time.time_ns() % 10**9:09}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "records.jsonl").touch()
    except OSError as error:
        raise OutputError(
            f"--output: expected a folder that can be written, but {folder}: {error.strerror}; "
            f"name another with --output"
        ) from None
    return folder


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
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def reopen_folder(folder: Path, command: str) -> dict[str, Any]:
    """The ``config.json`` of a run that was stopped, whose records are to go on.

    A last line that was cut off while it was written is removed.

    Raises:
      OutputError: if it is no run of this command.
    """
    try:
        content = read_config(folder)
        lines = (folder / "records.jsonl").read_bytes()
    except (OSError, ValueError) as error:
        raise OutputError(
            f"--resume: expected the folder of a run, with config.json and records.jsonl, but "
            f"{folder}: {error}; name one that an earlier run printed"
        ) from None
    if content.get("command") != command:
        raise OutputError(
            f"--resume: expected a run of experiments.{command}, but {folder} is one of "
            f"experiments.{content.get('command')}"
        )
    whole = lines.rpartition(b"\n")
    (folder / "records.jsonl").write_bytes(whole[0] + whole[1])
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """What `write_config` wrote."""
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def append(folder: Path, *records: Mapping[str, Any]) -> None:
    """Adds lines to ``records.jsonl``, at once: an interrupted run keeps what it has."""
    lines = [json.dumps(_plain(record), ensure_ascii=False) + "\n" for record in records]
    with (folder / "records.jsonl").open("a", encoding="utf-8") as file:
        file.write("".join(lines))


def read(folder: Path) -> list[dict[str, Any]]:
    """The records of a run, in the order in which they were written."""
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


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

"""A file that keeps the score of every training as it ends, so that a stopped choice goes on.

JSON lines: the first says for which data and splits the others are; each other line is one
training: its point, its split, what it scored, the derivative where that is wanted, and a checksum.
A line that was cut off by a crash or is damaged is dropped, and its training run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxreg._messages.brief import brief
from jaxreg._sweep.grid import plain

KIND, CHECKSUM = "jaxreg.tune", "crc32"
Key = tuple[str, int]
Entry = dict[str, Any]


class Journal:
    """Scores by (point, split), in memory and, if there is a path, in a file.

    Raises:
      ValueError: if the file is no journal, or one of other data or splits.
    """

    def __init__(self, owner: str, path: Any, data: Any) -> None:
        if not isinstance(path, str | os.PathLike | None):
            raise TypeError(f"{owner}: journal: expected a path of a file, got {brief(path)}")
        self.owner, self.path = owner, None if path is None else Path(path)
        self.entries: dict[Key, Entry] = {}
        if self.path is not None:
            self._open(fingerprint(data))

    def _open(self, data: str) -> None:
        assert self.path is not None
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append([{"journal": KIND, "data": data}])
            return
        text = self.path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        lines = [_parsed(line) for line in whole.splitlines()]
        if not lines or lines[0].get("journal") != KIND:
            raise ValueError(
                f"{self.owner}: journal: expected a file that an earlier call wrote, but "
                f"{self.path} is something else; it is left as it is: name another"
            )
        if lines[0].get("data") != data:
            raise ValueError(
                f"{self.owner}: journal: {self.path} is of other data, splits or shared arrays, or "
                f"of another way to choose; it is left as it is: name another, or remove it"
            )
        if len(whole) < len(text):
            os.truncate(self.path, len(whole))
        for line in filter(_is_whole, lines[1:]):
            self.entries[line["point"], line["split"]] = line["found"]

    def add(self, keys: Iterable[Key], found: Iterable[Entry]) -> None:
        """Keeps some trainings; at once in the file, too."""
        new = dict(zip(keys, found, strict=True))
        self.entries |= new
        if self.path is not None:
            lines = ({"point": p, "split": s, "found": f} for (p, s), f in new.items())
            self._append({**line, CHECKSUM: _sum(line)} for line in lines)

    def _append(self, lines: Iterable[dict[str, Any]]) -> None:
        assert self.path is not None
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_whole(line: dict[str, Any]) -> bool:
    """Whether a line is as it was written; those of earlier versions have no checksum."""
    rest = {name: value for name, value in line.items() if name != CHECKSUM}
    if rest.keys() != {"point", "split", "found"} or line.get(CHECKSUM, _sum(rest)) != _sum(rest):
        return False
    kinds = {"point": str, "split": int, "found": dict}
    return all(isinstance(rest[name], kind) for name, kind in kinds.items())


def _sum(line: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(line).encode())


def fingerprint(tree: Any) -> str:
    """A short name of what a tree of arrays holds."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(plain(leaf))
        digest.update(f"{jax.tree_util.keystr(path)}{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def point_key(points: Any, row: int) -> str:
    """A point as text: the same for the same numbers."""
    named = jax.tree_util.tree_leaves_with_path(points)
    return json.dumps(
        {jax.tree_util.keystr(path): np.asarray(plain(leaf[row])).tolist() for path, leaf in named}
    )

"""What a process holds in memory, read from Linux's ``/proc``."""

from __future__ import annotations

import dataclasses
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
EARLY = 0.2
"""Of the way, after which what is held once, programs and data, is there."""


def resident(process: int | str = "self") -> int:
    """Bytes that a process holds now."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE


def highest() -> int:
    """Bytes that this process has held at most, from its start on."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclasses.dataclass
class Course:
    """What is held in the course of something long: (share of the way, bytes), in order."""

    samples: list[tuple[float, int]] = dataclasses.field(default_factory=list)

    def add(self, share: float, held: int | None = None) -> None:
        """One more sample, of this process if none is given."""
        self.samples.append((share, resident() if held is None else held))

    def between(self, start: float, stop: float) -> int:
        """The most on one stretch of the way."""
        return max(held for share, held in self.samples if start <= share <= stop)

    def row(self) -> dict[str, float]:
        """MB held at most between 20 and 40 % of the way, on the last fifth, and at all."""
        marks = {"early": (EARLY, 2 * EARLY), "late": (1 - EARLY, 1.0), "peak": (0.0, 1.0)}
        return {name: round(self.between(*mark) / 1e6, 1) for name, mark in marks.items()}


@contextmanager
def peak(every: float = 0.005) -> Iterator[list[int]]:
    """A list that receives how much more than at the start this process held at most."""
    started, most, ended = resident(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(every):
            most[0] = max(most[0], resident() - started)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        most[0] = max(most[0], resident() - started)
        ended.set()
        thread.join()


def timed(work: Callable[[], object]) -> tuple[float, int]:
    """Seconds that a call takes, and how many bytes more it holds meanwhile."""
    with peak() as more:
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
    return seconds, more[0]

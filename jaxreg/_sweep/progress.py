"""How far a long computation is: given to a function, or kept on one line of stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

SILENCE = 10.0  # seconds between two lines where one cannot be overwritten


class Progress(NamedTuple):
    """How far a sweep is: points ``done`` of ``total``, seconds since it began and still to go."""

    done: int
    total: int
    seconds: float
    seconds_left: float

    def __str__(self) -> str:
        left = "done" if self.done == self.total else f"{_clock(self.seconds_left)} left"
        return f"{self.done:,} of {self.total:,} points, {_clock(self.seconds)}, {left}"


def _clock(seconds: float) -> str:
    """Seconds as 12 s, 3:05 min or 2:10 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    big, small, unit = (
        (whole // 60, whole % 60, "min")
        if seconds < 3600
        else (whole // 3600, whole // 60 % 60, "h")
    )
    return f"{big}:{small:02} {unit}"


def reporter(progress: bool | Callable[[Progress], None] | None) -> Callable[[Progress], None]:
    """What to call with each progress."""
    if callable(progress):
        return progress
    return Line() if progress else lambda state: None


class Line:
    """One line on stderr: overwritten on a terminal, elsewhere a new one every ten seconds."""

    def __init__(self) -> None:
        self.shown = time.perf_counter()

    def __call__(self, state: Progress) -> None:
        last, now = state.done == state.total, time.perf_counter()
        if sys.stderr.isatty():
            print(f"\r\033[K{state}", end="\n" if last else "", file=sys.stderr, flush=True)
        elif last or now - self.shown >= SILENCE:
            print(state, file=sys.stderr, flush=True)
            self.shown = now

"""What a study says while it trains: a bar of the estimated time, or a line for each part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console

from experiments.formatting import in_seconds

Advance = Callable[[str, int, int], None]
"""advance(part, trainings of it that are done, of how many)."""


@contextmanager
def progress(seconds: Mapping[str, float], console: Console, first: str) -> Iterator[Advance]:
    """A bar on a terminal; elsewhere a line for each part when it is done.

    Args:
      seconds: by part, in their order: about how long it takes.
      console: where to.
      first: what the bar says before anything is done.
    """
    if not console.is_terminal:
        yield _lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(first, total=sum(seconds.values()))
        names = list(seconds)

        def advance(name: str, done: int, count: int) -> None:
            before = sum(seconds[other] for other in names[: names.index(name)])
            completed = before + seconds[name] * done / count
            bar.update(task, completed=completed, description=f"{name} {done:,}/{count:,}")

        yield advance


def _lines() -> Advance:
    started = [time.perf_counter()]

    def advance(name: str, done: int, count: int) -> None:
        if done == count:
            took = in_seconds(time.perf_counter() - started[0])
            print(f"{name}: {done:,} trainings, {took}", flush=True)
            started[0] = time.perf_counter()

    return advance

"""What a study says while it trains: a bar of the estimated time, or lines with the time left.

Estimates are made before anything is trained, from the arithmetic; the time left follows the speed
that is observed since.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console

from experiments.formatting import in_minutes, in_seconds

Advance = Callable[[str, int, int], None]
"""advance(part, trainings of it that are done, of how many)."""
BELIEF = 5.0
"""Seconds of work after which what is observed counts as much as the estimate."""
SILENCE = 60.0
"""Seconds between two lines where no part ends."""


@dataclasses.dataclass
class Course:
    """How far a study is, in seconds of its estimate, and how many it really took.

    Attributes:
      seconds: by part that is left, in their order: about how long it takes.
      now: a clock.
    """

    seconds: Mapping[str, float]
    now: Callable[[], float] = time.perf_counter

    def __post_init__(self) -> None:
        self.began = self.now()
        self.before: dict[str, int] = {}
        self.made = dict.fromkeys(self.seconds, 0.0)
        self.took = 0.0

    def advance(self, name: str, done: int, count: int) -> None:
        """So many trainings of a part are done; those that there are at first took no time here."""
        before = self.before.setdefault(name, done if done < count else 0)
        self.made[name] = self.seconds[name] * (done - before) / max(count - before, 1)
        if done > before:
            self.took = self.now() - self.began

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def completed(self) -> float:
        return sum(self.made.values())

    @property
    def left(self) -> float:
        """Seconds from now on, at the speed so far."""
        pace = (BELIEF + self.took) / (BELIEF + self.completed)
        since = self.now() - self.began - self.took
        return max((self.total - self.completed) * pace - since, 0.0)


@contextmanager
def progress(
    seconds: Mapping[str, float],
    console: Console,
    first: str,
    titles: Mapping[str, str] | None = None,
) -> Iterator[Advance]:
    """A bar on a terminal; elsewhere a line for each part when it is done, and now and then.

    Args:
      seconds: by part that is left, in their order: about how long it takes.
      console: where to.
      first: what the bar says before anything is done.
      titles: what parts are called, where that is not their name.
    """
    course = Course(seconds)
    called = {name: (titles or {}).get(name, name) for name in seconds}
    if not console.is_terminal:
        yield _lines(course, called)
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}")
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(first, total=course.total, left=_left(course))

        def advance(name: str, done: int, count: int) -> None:
            if name in seconds:
                course.advance(name, done, count)
                text = f"{called[name]} {done:,}/{count:,}"
                where = {"completed": course.completed, "description": text}
                bar.update(task, **where, left=_left(course))

        yield advance


def _left(course: Course) -> str:
    """Rounded to what can be known."""
    return f"about {in_minutes(round(course.left / 5) * 5)} left"


def _lines(course: Course, called: Mapping[str, str]) -> Advance:
    of_part = said = course.began

    def advance(name: str, done: int, count: int) -> None:
        nonlocal of_part, said
        if name not in course.seconds:
            return
        course.advance(name, done, count)
        now = time.perf_counter()
        if done == count:
            took = in_seconds(now - of_part)
            left = "" if name == [*course.seconds][-1] else f"; {_left(course)}"
            print(f"{called[name]}: {done:,} trainings, {took}{left}", flush=True)
            of_part = said = now
        elif now - said > SILENCE:
            print(f"{called[name]}: {done:,} of {count:,}; {_left(course)}", flush=True)
            said = now

    return advance

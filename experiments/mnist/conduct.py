"""The training of the main job, part after part: what is saved when, and what ends it early."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

from experiments import interrupts
from experiments.checkpoints import Keeper
from experiments.runs import Part, Run

FIRST = 8
"""Updates of the first part, which shows how long one takes."""
SECONDS = 0.5
"""About how long a part may take: so soon is a signal heard."""


@dataclasses.dataclass
class Course:
    """How far a training came.

    Attributes:
      progress: after the last update that left everything finite.
      done: the updates until then.
      total: the updates of the whole training.
      signal: the number of that which stopped it.
      wrong: the first update whose loss or parameters are not finite.
      saved: whether a checkpoint holds ``progress``.
    """

    progress: Any
    done: int
    total: int = 0
    signal: int = 0
    wrong: int | None = None
    saved: bool = False


class Pace:
    """Where parts end: at checkpoints, and soon enough that signals are heard."""

    def __init__(self, every: int | None, block: int) -> None:
        self.every, self.block, self.length, self.signal = every, block, FIRST, 0

    def until(self, done: int) -> int:
        """Updates made when the next part ends."""
        end = done + max(self.length // self.block, 1) * self.block
        return min(end, (done // self.every + 1) * self.every) if self.every else end

    def took(self, part: Part) -> None:
        """Chooses the next length by how long a part took; hears whether to stop."""
        self.length = max(int(SECONDS / part.seconds * (part.last - part.first)), 1)
        self.signal = interrupts.asked()
        if jax.process_count() > 1:
            from experiments.mnist.hosts import agreed

            self.signal, self.length = agreed(self.signal, self.length)


def conduct(
    run: Run,
    course: Course,
    every: int | None,
    keeper: Keeper | None,
    about: Callable[[], Mapping[str, Any]],
    report: Callable[[Part, float], None],
) -> None:
    """Trains until the end, a signal, or an update that is not finite.

    Signals are `held` meanwhile: the part under way is finished and all is saved.

    Args:
      run: what is trained.
      course: where it begins; how far it came when this ends, by an error too.
      every: updates between checkpoints, if any are to be made on the way.
      keeper: of the checkpoints; None if none can be made.
      about: what belongs to a checkpoint.
      report: is told of every epoch: its last part, and the seconds of all its parts.

    Raises:
      WriteError: if the disk takes no more.
      KeyboardInterrupt: at the end, if a signal came.
    """
    pace, seconds = Pace(every, run.block), 0.0
    total = course.total = run.problem.steps

    def save() -> None:
        if keeper is not None and course.done and not course.saved:
            keeper.save(course.done, run.placement.kept(course.progress), about())
            course.saved = True

    with interrupts.held():
        for part in run.parts(course.progress, pace.until):
            seconds += part.seconds
            course.wrong = part.not_finite
            if course.wrong is not None:
                _take_last_good(run, course, course.wrong)
                break
            course.progress, course.done, course.saved = part.progress, part.last, False
            if part.ends_epoch:
                report(part, seconds)
                seconds = 0.0
            if every is not None and course.done % every == 0:
                save()
            pace.took(part)
            course.signal = pace.signal if course.done < total else 0
            if course.signal:
                break
        if every is not None or course.done < total:
            save()
        if keeper is not None:
            keeper.wait()


def _take_last_good(run: Run, course: Course, wrong: int) -> None:
    """Makes the updates again until the last whose parameters had a finite loss in the next."""
    last = (wrong - 2) // run.block * run.block
    if last > course.done:
        part = next(run.parts(course.progress, lambda _: last))
        if part.not_finite is None:
            course.progress, course.done, course.saved = part.progress, part.last, False

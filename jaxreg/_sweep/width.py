"""How many runs go side by side on a device, found by timing runs that are needed anyway."""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxreg._messages.brief import quoted

FACTOR = 4
GAIN = 0.95  # a width is taken if its runs take less than this share of the narrower one's time
CAUTIOUS, CONFIDENT, EVIDENCE = 8, 2, 1.5
"""Of the points left a trial may take 1/8, or half after a width that was 1.5 times faster."""
WORTH = 4  # a trial may cost a quarter of the time left


@dataclasses.dataclass
class Width:
    """The width to use next; ``fixed`` if there is nothing to find out.

    Starts with 1, no vmap at all, and goes on to 4, 16, 64 … as long as that is faster.
    """

    devices: int
    value: int = 1
    fixed: bool = False
    seconds: dict[int, float] = dataclasses.field(default_factory=dict)  # a run, by width

    def measured(self, seconds: float, compiling: float, left: int, most: int) -> None:
        """Takes in what a run takes at this width, and chooses the next.

        Args:
          seconds: wall time of some rounds over their runs.
          compiling: seconds that the compilation at this width took.
          left: points still to run.
          most: points that may run at once.
        """
        self.seconds[self.value] = seconds
        before = self.seconds.get(self.value // FACTOR, float("inf"))
        if seconds > GAIN * before:
            self.narrower()
            return
        evidence = CONFIDENT if EVIDENCE * seconds < before < float("inf") else CAUTIOUS
        wider = FACTOR * self.value
        enough = min(left / evidence, most) >= wider * self.devices
        if enough and left * seconds > WORTH * compiling:
            self.value = wider
        else:
            self.fixed = True

    def narrower(self) -> bool:
        """Ends a trial: back to the fastest width so far; False if there is none."""
        if self.fixed or not self.seconds:
            return False
        self.value = min(self.seconds, key=self.seconds.__getitem__)
        self.fixed = True
        return True


def check_width(owner: str, per_device: Any) -> None:
    """Raises for what is neither a width nor "auto"."""
    automatic = isinstance(per_device, str) and per_device == "auto"
    if not automatic and not is_count(per_device):
        raise ValueError(
            f'{owner}: per_device: expected "auto" or an integer of at least 1, got '
            f"{quoted(per_device)}"
        )


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1

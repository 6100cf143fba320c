"""What is searched: ranges by name, constants, and what is averaged over."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax import dtypes

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._sweep.grid import grid, is_key
from jaxreg.tune._candidates import require_held
from jaxreg.tune._runs import taken

AVERAGED = ("seed", "key")
"""What no one chooses: scores are averaged over it."""
USUAL = (1e-5, 1e-2)


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``: of equal weight, or, with ``log``, their logarithms."""

    low: float
    high: float
    log: bool = True

    def at(self, shares: np.ndarray) -> np.ndarray:
        """The numbers at some shares of the range, from 0 to 1."""
        low, high = self._ends()
        numbers = low + (high - low) * np.asarray(shares, float)
        return np.clip(np.exp(numbers) if self.log else numbers, self.low, self.high)

    def share(self, numbers: Any) -> np.ndarray:
        """The inverse of `at`."""
        low, high = self._ends()
        numbers = np.log(numbers) if self.log else np.asarray(numbers, float)
        return np.clip((numbers - low) / (high - low), 0, 1)

    def _ends(self) -> tuple[float, float]:
        return (np.log(self.low), np.log(self.high)) if self.log else (self.low, self.high)


@explained
def linear(low: float, high: float) -> Range:
    """A range in which numbers themselves, not their logarithms, have equal weight.

    For what is no order of magnitude, such as a rate of dropout. A plain pair ``(low, high)`` in
    the space of a search is a range of logarithms.

    >>> space = {"strength": (1e-5, 1e-2), "dropout": linear(0.0, 0.5)}
    >>> space["dropout"].at(0.5).item()
    0.25

    Args:
      low: the smallest.
      high: the largest.

    Returns:
      A `Range`.

    Raises:
      ValueError: if not low < high, both finite.
    """
    return _range("linear", low, high, log=False)


def _range(owner: str, low: Any, high: Any, *, log: bool) -> Range:
    ends = [_finite(owner, end) for end in (low, high)]
    if log and not min(ends) > 0:
        raise ValueError(
            f"{owner}: expected a range above 0, which has a logarithm, got {low!r} to {high!r}; "
            f"write tune.linear({low!r}, {high!r}), or begin with a small number"
        )
    if not ends[0] < ends[1]:
        raise ValueError(f"{owner}: expected low < high, got {low!r} and {high!r}")
    require_held(owner, ends)
    return Range(*ends, log=log)


def _finite(owner: str, end: Any) -> float:
    number = float(end) if _is_scalar(end) else _numbers.as_float(end)
    if not np.isfinite(number):
        raise ValueError(f"{owner}: expected a range of two finite numbers, got {brief(end)} in it")
    return number


def _is_scalar(value: Any) -> bool:
    is_array = hasattr(value, "dtype") and not is_key(value)
    return is_array and not np.ndim(value) and np.asarray(value).dtype.kind in "iuf"


@dataclasses.dataclass(frozen=True)
class Space:
    """A checked space.

    Attributes:
      ranges: by name, what is searched.
      fixed: as from `jaxreg.grid`: each trial is trained with each of its entries; constants, and
        what is averaged over.
      repeats: how many entries these are.
    """

    ranges: dict[str, Range]
    fixed: dict[str, Any]
    repeats: int

    def points(self, trials: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """A point for each trial and entry of ``fixed``, the latter fastest."""
        dtype = dtypes.canonicalize_dtype(np.float64)
        rows = np.tile(np.arange(self.repeats), len(trials))
        searched = {
            name: np.repeat(np.array([trial[name] for trial in trials], dtype), self.repeats)
            for name in self.ranges
        }
        return searched | taken(self.fixed, rows)

    def shares(self, trials: Sequence[Mapping[str, float]]) -> np.ndarray:
        """Trials in the unit cube, of shape (trials, ranges)."""
        columns = [
            range_.share(np.array([trial[name] for trial in trials], float))
            for name, range_ in self.ranges.items()
        ]
        return np.stack(columns, axis=-1)

    def at(self, shares: np.ndarray) -> dict[str, float]:
        """The inverse, for one trial."""
        named = zip(self.ranges.items(), shares, strict=True)
        return {name: float(range_.at(share)) for (name, range_), share in named}

    @property
    def text(self) -> str:
        """The space in one line, the same for the same space."""
        ranges = [f"{n}: {r.low!r} to {r.high!r} {'log' * r.log}" for n, r in self.ranges.items()]
        fixed = [f"{n}: {np.asarray(v).tolist()!r}" for n, v in self.fixed.items() if not is_key(v)]
        return "; ".join([*sorted(ranges), *sorted(fixed)])


def space_of(owner: str, space: Any) -> Space:
    """A space that can be searched; without a strength the usual range of it is added.

    Raises:
      TypeError: if it is no dictionary of what can be searched, kept or averaged over.
      ValueError: if a range is not finite, reversed, or logarithmic and not above 0.
    """
    if space is not None and not isinstance(space, Mapping):
        raise TypeError(
            f'{owner}: space: expected a dictionary such as {{"strength": (1e-5, 1e-2)}}, got '
            f"{brief(space)}; arrays of data come after it"
        )
    if wrong := [name for name in space or {} if not isinstance(name, str)]:
        raise TypeError(f"{owner}: space: expected names of numbers, got {brief(wrong[0])}")
    entries = {"strength": USUAL, **(space or {})}
    ranges = {n: r for n, e in entries.items() if (r := _searched(owner, n, e)) is not None}
    fixed = {n: _kept(owner, n, e) for n, e in entries.items() if n not in ranges}
    if not ranges:
        raise ValueError(f"{owner}: space: expected a range to search, got constants alone")
    if (low := getattr(ranges.get("strength"), "low", 0)) < 0:
        raise ValueError(f"{owner}: space: strength: expected strengths ≥ 0, got {low!r}")
    combined = grid(**fixed) if fixed else {}
    repeats = max((len(values) for values in combined.values()), default=1)
    return Space(ranges, combined, repeats)


def _searched(owner: str, name: str, entry: Any) -> Range | None:
    if isinstance(entry, Range):
        return entry
    if isinstance(entry, tuple):
        if len(entry) != 2:
            raise ValueError(f"{_place(owner, name)}: expected (low, high), got {entry!r}")
        return _range(_place(owner, name), *entry, log=True)
    return None


def _kept(owner: str, name: str, entry: Any) -> Any:
    """The values of a constant, or of what is averaged over."""
    if _numbers.is_real(entry) or _is_scalar(entry):
        return [_numbers.checked(_place(owner, name), entry) if name == "strength" else entry]
    if name in AVERAGED and (is_key(entry) or np.asarray(entry).dtype.kind in "iuf"):
        return entry if np.ndim(entry) else entry[None]
    raise TypeError(
        f"{_place(owner, name)}: expected (low, high), searched by its logarithm, "
        f"tune.linear(low, high), or a number that all trials share, got {brief(entry)}; a "
        f"sequence is for {' or '.join(AVERAGED)}, which scores are averaged over; "
        f"tune.cross_validate tries values of your own"
    )


def _place(owner: str, name: str) -> str:
    return f"{owner}: space: {name}"

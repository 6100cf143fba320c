"""The questions: gradients and parameters of our choice, and what is answered to them.

Gradients and parameters are chosen independently of each other and of the updates: every step is
asked with the parameters of that step, whatever the updates before it were. Numbers are float64,
so that a decay of 1e-10 a step is read to six digits beside a step of 1.

Two things are searched for by bisection, for all leaves at once: gradients that cancel the decay,
and the values towards which parameters are drawn. Where an answer never changes sign there is no
such gradient and none is given, for what one leaf is fed may reach the others, as through a clip by
the global norm.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxreg._audit.arrays import drawn, first_with_update, narrow
from jaxreg._audit.black_box import Arrays, Optimizer, Reply

Place = float | tuple[float, ...]  # the same at all steps, or one a step
Counts = tuple[tuple[int, int], ...]  # integers of the state and what they are set to

# Places are powers of two, for w times a place is then exact in float32 as w is: an optimizer that
# keeps parameters in float32 moves none of them by rounding it.
NEAR = 2.0**-14  # the place at which cancelling gradients pass below a clip
FAINT = 1e-6  # gradients that pass below a clip
SMALL = tuple(2.0**-n for n in (7, 13, 20, 27, 37, 47))  # where a threshold takes all away
LARGE = 2.0**13  # the place at which a bound is reached
EXPONENTS = (-14.0, 8.0)  # of the cancelling gradient, a power of ten
REACH = 1e4  # references are looked for among numbers this large
HALVINGS = 60


class Probe(NamedTuple):
    """One question to all leaves at once.

    Attributes:
      gradient: the size of the random gradients; 0 for none.
      place: the parameters are ``centre + place · W``, with W the random directions.
      begin: the place that ``init`` is given, if not that of the first step.
      constant: the gradient is the same at all steps, not new at each.
      only: the one step that has a gradient; None for all.
      steps: how many; None for as many as the audit was asked for.
      counts: what integers of the state are set to before the first step.
    """

    gradient: float = 0.0
    place: Place = 1.0
    begin: float | None = None
    constant: bool = False
    only: int | None = None
    steps: int | None = None
    counts: Counts = ()


ALONE = Probe()
ALONE_TWICE = Probe(place=2.0)
UNDER_GRADIENT = Probe(gradient=1.0)


@dataclasses.dataclass(eq=False)
class Probes:
    """An optimizer's answers around a centre, asked for once each and kept.

    Attributes:
      optimizer: what is asked.
      rates: the learning rates of a family of optimizers, of which the first is asked.
      centre: the parameters towards which the optimizer pulls; None for 0.
      starts_at_centre: ``init`` is given the centre, not the parameters of the first step.
      counts: what integers of the state are set to before the first step.
    """

    optimizer: Optimizer
    rates: tuple[Any, ...] = (None,)
    centre: Arrays = dataclasses.field(default_factory=list)
    starts_at_centre: bool = False
    counts: Counts = ()

    def __post_init__(self) -> None:
        self.directions = [narrow(w) for w in self.drawn(salt=0)]
        self.centre = self.centre or [np.zeros_like(w) for w in self.directions]
        self.kept: dict[Any, Any] = {}

    @functools.cached_property
    def family(self) -> list[Probes]:
        """The same at every learning rate, this one first."""
        return [self, *(dataclasses.replace(self, rates=(rate,)) for rate in self.rates[1:])]

    def drawn(self, salt: int) -> Arrays:
        """Random arrays, one a parameter; the same for the same ``salt``."""
        rows = zip(self.optimizer.shapes, self.optimizer.dtypes, strict=True)
        return [drawn(shape, dtype, (i, salt)) for i, (shape, dtype) in enumerate(rows)]

    # --- questions ---

    def updates(self, probe: Probe, pull: Arrays | None = None) -> Arrays:
        """What is answered, asked for once and kept: see `ask`. A pull is known as an object."""
        return self.reply(probe, pull).updates

    def reply(self, probe: Probe, pull: Arrays | None = None) -> Reply:
        kept = self.once((probe, id(pull)), lambda: (pull, self.ask(probe, pull)))
        return kept[1]  # kept beside the pull, so that no other one is given its id

    def ask(self, probe: Probe, pull: Arrays | None = None) -> Reply:
        """What is answered to a probe; ``pull · place · W`` is taken from the gradients."""
        gradients = self.gradients(probe)
        places = np.broadcast_to(np.asarray(probe.place, float), (len(gradients[0]),))
        if pull is not None:
            pulled = zip(gradients, pull, self.directions, strict=True)
            gradients = [g - places[:, None] * p * w for g, p, w in pulled]
        first = 0.0 if self.starts_at_centre else float(places[0])
        start = self.placed(first if probe.begin is None else probe.begin)
        return self._asked(gradients, self.placed(probe.place), start, probe.counts)

    def own_way(self, place: float) -> Arrays:
        """The updates that the parameters follow under gradients, from ``place`` on."""

        def make() -> Arrays:
            return self._asked(self.gradients(UNDER_GRADIENT), None, self.placed(place)).updates

        return self.once(("own way", place), make)

    def without_gradients_at(self, params: Arrays) -> Arrays:
        """The updates at any parameters."""
        zeros = [np.zeros((self.optimizer.steps, w.size), w.dtype) for w in params]
        start = self.centre if self.starts_at_centre else params
        return self._asked(zeros, params, start).updates

    def from_where_it_lands(self, place: float, step: int) -> Arrays:
        """The updates without gradients at the parameters that one of the updates leads to."""

        def make() -> Arrays:
            moved = self.updates(Probe(place=place))
            landed = [w + u[step] for w, u in zip(self.placed(place), moved, strict=True)]
            return self.without_gradients_at(landed)

        return self.once(("lands", place, step), make)

    def _asked(
        self, gradients: Arrays, params: Arrays | None, start: Arrays, counts: Counts = ()
    ) -> Reply:
        together = dict(self.counts) | dict(counts)
        return self.optimizer.run(gradients, params, start, self.rates[0], together)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` returned for ``key``, made once."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def gradients(self, probe: Probe) -> Arrays:
        """The random gradients of a probe, of shape (steps, size) each."""
        return [self.gradient(probe, i) for i in range(len(self.directions))]

    def gradient(self, probe: Probe, index: int) -> np.ndarray:
        """Those of one leaf."""
        new = not probe.constant and probe.only is None
        sizes = [
            (t if new else 0, probe.gradient * (probe.only in (None, t)))
            for t in range(probe.steps or self.optimizer.steps)
        ]
        return np.stack([s * self._random[t][index] for t, s in sizes])

    @functools.cached_property
    def _random(self) -> list[Arrays]:
        return [self.drawn(1 + t) for t in range(self.optimizer.steps)]

    def placed(self, place: Place) -> Arrays:
        """``centre + place · W``, of all steps if there are several places."""
        rows = zip(self.centre, self.directions, strict=True)
        many = np.asarray(place, float)[..., None]
        return [centre + many * w for centre, w in rows]

    # --- counts in the state ---

    @functools.cached_property
    def counters(self) -> np.ndarray:
        """The integers of the state after each step under gradients, of shape (steps, number)."""
        return self.reply(UNDER_GRADIENT).counters

    @property
    def ticking(self) -> list[int]:
        """Those that count the steps, or those with an update: they rise and never fall."""
        counted = np.diff(self.counters, axis=0, prepend=0)
        return [i for i, rises in enumerate(counted.T) if rises.any() and (rises >= 0).all()]

    def matters(self, counter: int) -> bool:
        """Whether updates depend on the ``counter``-th integer of the state, which stays as set."""
        now = self.updates(UNDER_GRADIENT)
        for count in (1, 10, 1000):
            then = self.ask(UNDER_GRADIENT._replace(counts=((counter, count),)))
            changed = any(np.any(a != b) for a, b in zip(now, then.updates, strict=True))
            if changed and np.all(then.counters[:, counter] == count):
                return True
        return False

    def later(self, count: int) -> Probes:
        """The same after ``count`` steps, as far as counts say."""
        return dataclasses.replace(self, counts=self.all_at(count)) if count else self

    def all_at(self, count: int) -> Counts:
        """Those that tick set to ``count``."""
        return tuple((k, count) for k in self.ticking) if count else ()

    # --- pulls, and searches for them ---

    @functools.cached_property
    def ones(self) -> Arrays:
        return [np.ones_like(w) for w in self.directions]

    @functools.cached_property
    def cancelling_rates(self) -> Arrays:
        """d of every leaf, repeated over its entries: the gradient −d·W lets the decay vanish.

        It is 0 where no d does.
        """
        return _cancelling(self, by_leaf=True)

    @functools.cached_property
    def cancelling_entries(self) -> Arrays:
        """p(W)/W of every entry: the gradient −p(W) lets the decay vanish; 0 where none does."""
        return _cancelling(self, by_leaf=False)

    def references(self) -> Arrays:
        """The values that parameters move towards without gradients, entry by entry."""
        near, far = self.updates(ALONE), self.updates(ALONE_TWICE)
        rows = list(zip(near, far, self.directions, strict=True))
        affine = [_affine_reference(*row) for row in rows]
        if all(reference is not None for reference in affine):
            return [reference for reference in affine if reference is not None]
        searched = _searched(self, list(map(first_with_update, near)))
        return [s if a is None else a for a, s in zip(affine, searched, strict=True)]


def _cancelling(probes: Probes, by_leaf: bool) -> Arrays:
    alone = probes.updates(Probe(place=NEAR))
    steps = list(map(first_with_update, alone))

    def signs(updates: Arrays) -> Arrays:
        rows = zip(updates, steps, probes.directions, strict=True)
        products = [np.real(u[t] * np.conj(w)) for u, t, w in rows]
        return [np.sign(np.full_like(a, a.sum()) if by_leaf else a) for a in products]

    before = [np.nan_to_num(s) for s in signs(alone)]
    low, high = ([np.full_like(s, e) for s in before] for e in EXPONENTS)

    def flipped(exponents: Arrays) -> Arrays:
        pull = [-s * 10.0**e for s, e in zip(before, exponents, strict=True)]
        after = signs(probes.ask(Probe(place=NEAR, steps=max(steps) + 1), pull).updates)
        return [a != b for a, b in zip(after, before, strict=True)]

    reached = flipped(high)
    if not any(r.any() for r in reached):
        return [np.zeros_like(s) for s in before]
    rows = zip(before, _bisect(flipped, low, high), reached, strict=True)
    return [np.where(r, -s * 10.0**e, 0.0) for s, e, r in rows]


def _affine_reference(near: np.ndarray, far: np.ndarray, w: np.ndarray) -> np.ndarray | None:
    """r in −c·(W − r) and −c·(2W − r); None if these are not what was answered."""
    t = first_with_update(near)
    moved = far[t] - near[t]
    c = -np.real(np.vdot(w, moved)) / np.vdot(w, w).real if w.size else 0.0
    if c == 0 or np.abs(moved + c * w).max() > 1e-6 * np.abs(moved).max():
        return np.zeros_like(w) if not np.any(near) else None
    return w + near[t] / c


def _searched(probes: Probes, steps: list[int]) -> Arrays:
    if any(np.iscomplexobj(w) for w in probes.directions):
        return [np.full_like(w, np.nan) for w in probes.directions]

    def passed(params: Arrays) -> Arrays:
        updates = probes.without_gradients_at(params)
        return [u[t] < 0 for u, t in zip(updates, steps, strict=True)]

    low, high = ([np.full_like(w, s * REACH) for w in probes.directions] for s in (-1, 1))
    return _bisect(passed, low, high)


def _bisect(flipped: Callable[[Arrays], Arrays], low: Arrays, high: Arrays) -> Arrays:
    """Where ``flipped`` turns from false to true, between ``low`` and ``high``."""
    for _ in range(HALVINGS):
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        turned = flipped(middle)
        low = [np.where(t, a, m) for t, a, m in zip(turned, low, middle, strict=True)]
        high = [np.where(t, m, b) for t, m, b in zip(turned, middle, high, strict=True)]
    return [(a + b) / 2 for a, b in zip(low, high, strict=True)]

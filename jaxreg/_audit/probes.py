"""What an optimizer answers to gradients and parameters of our choice.

Gradients and parameters are chosen independently of each other and of the updates: every step is
asked with the parameters of that step, whatever the updates before it were. Numbers are float64,
so that a decay of 1e-10 a step is read to six digits beside a step of 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxreg._audit.black_box import Arrays, Optimizer, Run

Place = float | tuple[float, ...]  # the same at all steps, or one a step
Counts = tuple[tuple[int, int], ...]  # integers of the state and what they are set to


class Glance(NamedTuple):
    """What remains of the updates to one leaf at one step."""

    rate: float  # c, if the update was −c·W
    size: float  # of the largest entry
    length: float


class Probes:
    """The answers around a centre, asked for once each and kept.

    The parameters are ``centre + place · direction``, with random directions whose entries lie
    between ½ and 1½; the gradients are ``gradient · random − pull · place · direction``.

    Args:
      optimizer: what is asked.
      rate: the learning rate, for a family of optimizers.
      centre: the parameters towards which the optimizer pulls; None for 0.
      starts_at_centre: ``init`` is given the centre, not the parameters of the first step.
      forward: what integers of the state are set to before the first step.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        rate: Any = None,
        centre: Arrays | None = None,
        starts_at_centre: bool = False,
        forward: Counts = (),
    ):
        self.optimizer, self.rate = optimizer, rate
        self.starts_at_centre, self.forward = starts_at_centre, forward
        self.directions = self.drawn(salt=0)
        self.centre = centre or [np.zeros_like(w) for w in self.directions]
        self.found: dict[Any, Any] = {}

    def drawn(self, salt: int) -> Arrays:
        """Random arrays, one a parameter; the same for the same ``salt``."""
        rows = zip(self.optimizer.shapes, self.optimizer.dtypes, strict=True)
        return [_drawn(shape, dtype, (i, salt)) for i, (shape, dtype) in enumerate(rows)]

    @functools.cached_property
    def _rows(self) -> list[Arrays]:
        """The random gradients of the steps."""
        return [self.drawn(1 + t) for t in range(self.optimizer.steps)]

    def gradients(
        self,
        size: float,
        constant: bool = False,
        only: int | None = None,
        steps: int | None = None,
    ) -> Arrays:
        """Random gradients: new at every step or ``constant``, of all steps or ``only`` one."""
        asked = range(self.optimizer.steps if steps is None else steps)
        rows = [self._rows[0 if constant or only is not None else t] for t in asked]
        sizes = [size * (only in (None, t)) for t in asked]
        each = zip(*rows, strict=True)
        return [np.stack([s * g for s, g in zip(sizes, leaf, strict=True)]) for leaf in each]

    def at(
        self,
        gradient: float = 0.0,
        place: Place = 1.0,
        *,
        pull: Arrays | None = None,
        begin: float | None = None,
        **kind: Any,
    ) -> Arrays:
        """The updates at ``centre + place · direction``; see `ask`."""
        pulled = None if pull is None else b"".join(p.tobytes() for p in pull)
        key = (gradient, place, pulled, begin, *kind.items())
        if key not in self.found:
            self.found[key] = self.ask(gradient, place, pull=pull, begin=begin, **kind).updates
        return self.found[key]

    def ask(
        self,
        gradient: float,
        place: Place,
        *,
        pull: Arrays | None = None,
        begin: float | None = None,
        forward: Counts = (),
        **kind: Any,
    ) -> Run:
        """The same, not kept.

        ``begin`` is the place that ``init`` is given, if not that of the first step; ``forward``
        what integers of the state are set to before; ``kind`` goes to `gradients`.
        """
        gradients = self.gradients(gradient, **kind)
        places = np.broadcast_to(np.asarray(place, float), (len(gradients[0]),))
        if pull is not None:
            pulled = zip(gradients, pull, self.directions, strict=True)
            gradients = [g - places[:, None] * p * w for g, p, w in pulled]
        first = 0.0 if self.starts_at_centre else float(places[0])
        start = self.placed(first if begin is None else begin)
        return self._run(gradients, self.placed(place), start, forward)

    def _run(
        self, gradients: Arrays, params: Arrays | None, start: Arrays, forward: Counts = ()
    ) -> Run:
        counts = dict(self.forward) | dict(forward)
        return self.optimizer.run(gradients, params, start, self.rate, counts)

    def own_way(self, gradient: float, place: float) -> Arrays:
        """The updates that the parameters follow, from ``centre + place · direction`` on."""
        return self._run(self.gradients(gradient), None, self.placed(place)).updates

    def placed(self, place: Place) -> Arrays:
        """``centre + place · direction``, of all steps if there are several places."""
        rows = zip(self.centre, self.directions, strict=True)
        many = np.asarray(place, float)[..., None]
        return [centre + many * w for centre, w in rows]

    def kept(self, name: Any, make: Callable[[Probes], Any]) -> Any:
        """What ``make`` finds by asking, once."""
        if name not in self.found:
            self.found[name] = make(self)
        return self.found[name]

    def zero_gradient_at(self, params: Arrays) -> Arrays:
        """The updates without gradients at any parameters."""
        zeros = [np.zeros((self.optimizer.steps, w.size), w.dtype) for w in params]
        start = self.centre if self.starts_at_centre else params
        return self._run(zeros, params, start).updates

    def glances(self, gradient: float, place: float, step: int, forward: Counts) -> list[Glance]:
        """The updates of one step under constant gradients, after counts were set forward."""

        def make(probes: Probes) -> list[Glance]:
            kind = {"constant": True, "steps": step + 1}
            updates = probes.ask(gradient, place, forward=forward, **kind).updates
            rows = zip(updates, probes.directions, strict=True)
            return [_glance(u[step], w) for u, w in rows]

        return self.kept(("glance", gradient, place, step, forward), make)

    @functools.cached_property
    def counters(self) -> np.ndarray:
        """The integers of the state after each step under gradients, of shape (steps, number)."""
        return self.ask(1.0, 1.0).counters

    @property
    def ticking(self) -> list[int]:
        """Those that count the steps, or those with an update: they rise and never fall."""
        counted = np.diff(self.counters, axis=0, prepend=0)
        return [i for i, rises in enumerate(counted.T) if rises.any() and (rises >= 0).all()]

    def matters(self, counter: int) -> bool:
        """Whether updates depend on the ``counter``-th integer of the state, which stays as set."""
        now = self.at(1.0, 1.0)
        for count in (1, 10, 1000):
            then = self.ask(1.0, 1.0, forward=((counter, count),))
            changed = any(np.any(a != b) for a, b in zip(now, then.updates, strict=True))
            if changed and np.all(then.counters[:, counter] == count):
                return True
        return False

    def again(self, rate: Any) -> Probes:
        """The same at another learning rate."""
        return Probes(self.optimizer, rate, self.centre, self.starts_at_centre, self.forward)

    def after(self, count: int, gradient: float) -> Arrays:
        """The largest entries of the updates after ``count`` steps, of shape (steps,) each.

        They are 0 where a counter begins anew meanwhile: it cannot stand at ``count``.
        """

        def make(probes: Probes) -> Arrays:
            later = probes.later(count) if count else probes
            found = later.ask(gradient, 1.0)
            falls = count and np.any(np.diff(found.counters[:, probes.ticking], axis=0) < 0)
            return [np.abs(u).max(axis=1, initial=0.0) * (not falls) for u in found.updates]

        return self.kept(("after", count, gradient), make)

    def moves(self, count: int) -> np.ndarray:
        """Which steps under gradients have an update, after ``count`` of them."""
        return np.any([largest > 0 for largest in self.after(count, 1.0)], axis=0)

    def later(self, count: int) -> Probes:
        """The same after ``count`` steps, as far as counts say."""
        forward = tuple((k, count) for k in self.ticking)
        return Probes(self.optimizer, self.rate, self.centre, self.starts_at_centre, forward)


def _glance(update: np.ndarray, w: np.ndarray) -> Glance:
    rate = -float(along(update, w)) / max(float(along(w, w)), float(np.finfo(float).tiny))
    length = float(np.sqrt(along(update, update)))
    return Glance(rate, float(np.abs(update).max(initial=0.0)), length)


def along(updates: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Re⟨w, u⟩ of every update. Not by BLAS, whose threads wait for each other on small arrays."""
    return np.sum(np.real(updates * np.conj(w)), axis=-1)


def _drawn(shape: tuple[int, ...], dtype: Any, seed: tuple[int, int]) -> np.ndarray:
    rng, size = np.random.default_rng(seed), int(np.prod(shape))
    sign = rng.choice([-1.0, 1.0], size)
    if dtype == np.complex128:
        sign = np.exp(1j * rng.uniform(0, 2 * np.pi, size))
    return rng.uniform(0.5, 1.5, size) * sign

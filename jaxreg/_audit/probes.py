"""What an optimizer answers to gradients and parameters of our choice.

Gradients and parameters are chosen independently of each other and of the updates: every step is
asked with the parameters of that step, whatever the updates before it were. Numbers are float64,
so that a decay of 1e-10 a step is read to six digits beside a step of 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxreg._audit import black_box
from jaxreg._audit.black_box import Arrays

Place = float | tuple[float, ...]  # the same at all steps, or one a step


class Probes:
    """The answers around a centre, asked for once each and kept.

    The parameters are ``centre + place · direction``, with random directions whose entries lie
    between ½ and 1½; the gradients are ``gradient · random − pull · place · direction``.

    Args:
      optimizer: what is asked.
      rate: the learning rate, for a family of optimizers.
      centre: the parameters towards which the optimizer pulls; None for 0.
      starts_at_centre: ``init`` is given the centre, not the parameters of the first step.
    """

    def __init__(
        self,
        optimizer: black_box.Optimizer,
        rate: Any = None,
        centre: Arrays | None = None,
        starts_at_centre: bool = False,
    ):
        self.optimizer, self.rate, self.starts_at_centre = optimizer, rate, starts_at_centre
        self.directions = self.drawn(salt=0)
        self.centre = centre or [np.zeros_like(w) for w in self.directions]
        self.found: dict[Any, Arrays] = {}
        self.companions: dict[str, Probes] = {}

    def drawn(self, salt: int) -> Arrays:
        """Random arrays, one a parameter; the same for the same ``salt``."""
        rows = zip(self.optimizer.shapes, self.optimizer.dtypes, strict=True)
        return [_drawn(shape, dtype, (i, salt)) for i, (shape, dtype) in enumerate(rows)]

    def gradients(self, size: float, constant: bool = False, only: int | None = None) -> Arrays:
        """Random gradients: new at every step or ``constant``, of all steps or ``only`` one."""
        steps = range(self.optimizer.steps)
        rows = [self.drawn(1 if constant or only is not None else 1 + t) for t in steps]
        sizes = [size * (only in (None, t)) for t in steps]
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
        """The updates at ``centre + place · direction``.

        ``begin`` is the place that ``init`` is given, if not that of the first step; ``kind`` goes
        to `gradients`.
        """
        pulled = None if pull is None else b"".join(p.tobytes() for p in pull)
        key = (gradient, place, pulled, begin, *kind.items())
        if key not in self.found:
            self.found[key] = self.ask(gradient, place, pull=pull, begin=begin, **kind)
        return self.found[key]

    def ask(
        self,
        gradient: float,
        place: Place,
        *,
        pull: Arrays | None = None,
        begin: float | None = None,
        **kind: Any,
    ) -> Arrays:
        """The same, not kept."""
        gradients, places = self.gradients(gradient, **kind), self._places(place)
        if pull is not None:
            pulled = zip(gradients, pull, self.directions, strict=True)
            gradients = [g - places[:, None] * p * w for g, p, w in pulled]
        first = 0.0 if self.starts_at_centre else float(places[0])
        start = self.placed(first if begin is None else begin)
        return self.optimizer.updates(gradients, self.placed(place), start, self.rate)

    def own_way(self, gradient: float, place: float) -> Arrays:
        """The updates that the parameters follow, from ``centre + place · direction`` on."""
        return self.optimizer.own_way(self.gradients(gradient), self.placed(place), self.rate)

    def _places(self, place: Place) -> np.ndarray:
        return np.broadcast_to(np.asarray(place, float), (self.optimizer.steps,))

    def placed(self, place: Place) -> Arrays:
        """``centre + place · direction``, of all steps if there are several places."""
        rows = zip(self.centre, self.directions, strict=True)
        many = np.asarray(place, float)[..., None]
        return [centre + many * w for centre, w in rows]

    def kept(self, name: str, make: Callable[[Probes], Arrays]) -> Arrays:
        """What ``make`` finds by asking, once."""
        if name not in self.found:
            self.found[name] = make(self)
        return self.found[name]

    def zero_gradient_at(self, params: Arrays) -> Arrays:
        """The updates without gradients at any parameters."""
        zeros = [np.zeros_like(w) for w in params]
        start = self.centre if self.starts_at_centre else params
        return self.optimizer.updates(zeros, params, start, self.rate)

    def companion(self, name: str, make: Callable[[Probes], Probes]) -> Probes:
        """Other probes of the same optimizer, made once."""
        if name not in self.companions:
            self.companions[name] = make(self)
        return self.companions[name]

    def last_state(self) -> tuple[Any, list[Any]]:
        """The state after the steps under gradients, and its integers at each of them."""
        return self.optimizer.counters(self.gradients(1.0), self.placed(1.0), self.rate)

    def matters(self, state: Any, counter: int) -> bool:
        """Whether the next update depends on the ``counter``-th integer of ``state``."""
        given = [g[0] for g in self.gradients(1.0)], self.placed(1.0)
        now = self.optimizer.next_update(*given, state, self.rate)
        for count in (1, 10, 1000):
            changed = self.optimizer.next_update(
                *given, black_box.with_counter(state, counter, count), self.rate
            )
            if any(np.any(a != b) for a, b in zip(now, changed, strict=True)):
                return True
        return False

    def again(self, rate: Any) -> Probes:
        """The same at another learning rate."""
        return Probes(self.optimizer, rate, self.centre, self.starts_at_centre)


def _drawn(shape: tuple[int, ...], dtype: Any, seed: tuple[int, int]) -> np.ndarray:
    rng, size = np.random.default_rng(seed), int(np.prod(shape))
    sign = rng.choice([-1.0, 1.0], size)
    if dtype == np.complex128:
        sign = np.exp(1j * rng.uniform(0, 2 * np.pi, size))
    return rng.uniform(0.5, 1.5, size) * sign

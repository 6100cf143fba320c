"""What one leaf shows: the answers of an optimizer to one leaf, and what follows from them."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxreg._audit import roots
from jaxreg._audit.black_box import Arrays
from jaxreg._audit.probes import Counts, Glance, Place, Probes, along
from jaxreg._audit.roots import NEAR

TOLERANCE = 1e-5
FEW = 2  # numbers that any dtype may happen to hold
TINY = np.finfo(float).tiny
UPHILL = 0.1  # cosine of a step with its gradient
FAINT = 1e-6  # gradients that pass below a clip


class Answers:
    """The answers of ``Probes`` to one leaf, of shape (steps, size), and what follows from them."""

    def __init__(self, probes: Probes, index: int):
        self.probes, self.index = probes, index
        self.direction = probes.directions[index]
        self.leaf = probes.optimizer.leaves[index]
        self.steps = probes.optimizer.steps

    def at(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return self.probes.at(*args, **kwargs)[self.index]

    def glance(self, gradient: float, place: float, forward: Counts) -> Glance:
        """The first update with decay, under constant gradients, after counts were set forward."""
        return self.probes.glances(gradient, place, self.active, forward)[self.index]

    def is_beside(self, alone: np.ndarray) -> bool:
        """Whether an update without gradients is added to the step under gradients as it is."""
        return size(self.odd() - alone) <= TOLERANCE * size(alone) + self.noise

    def odd(
        self, gradient: float = 1.0, place: Place = 1.0, pull: Arrays | None = None
    ) -> np.ndarray:
        """Half the difference of the updates at ``place`` and ``−place``: what F adds cancels."""
        opposite = tuple(-p for p in place) if isinstance(place, tuple) else -place
        there = self.at(gradient, place, pull=pull)
        return (there - self.at(gradient, opposite, pull=pull)) / 2

    def rates(self, updates: np.ndarray) -> np.ndarray:
        """c of every step, if the updates were −c·W."""
        w = self.direction
        return -along(updates, w) / max(along(w, w), TINY)

    def is_uniform(self, updates: np.ndarray, tolerance: float = TOLERANCE) -> bool:
        """Whether the updates of every step are −c·W, one c for all entries."""
        rest = updates + self.rates(updates)[:, None] * self.direction
        return size(rest) <= tolerance * size(updates)

    @functools.cached_property
    def precision(self) -> float:
        """eps of the narrowest dtype that holds the updates: what the optimizer computes in."""
        updates = np.concatenate([self.at(1.0, 1.0), self.at(0.0, 1.0)])
        if np.unique(np.abs(updates)).size > FEW:
            narrow = (np.complex64,) if np.iscomplexobj(updates) else (jnp.bfloat16, np.float32)
            for dtype in narrow:
                if np.array_equal(updates.astype(dtype), updates):
                    return float(jnp.finfo(dtype).eps)
        return float(np.finfo(float).eps)

    @property
    def noise(self) -> float:
        """What rounding may add to the difference of two updates under gradients."""
        return 4 * self.precision * size(self.at(1.0, 1.0))

    def is_nothing(self, updates: np.ndarray) -> bool:
        return size(updates) <= self.noise

    @property
    def answers_zero_gradients(self) -> bool:
        return all(np.isfinite(self.at(0.0, s)).all() for s in (1.0, -1.0, 2.0))

    @functools.cached_property
    def is_still(self) -> bool:
        """Whether nothing happens without gradients at W, −W and 2W."""
        return all(size(self.at(0.0, s)) == 0 for s in (1.0, -1.0, 2.0))

    @functools.cached_property
    def moves(self) -> np.ndarray:
        """Which steps have an update: gradients may be gathered before."""
        updates = np.abs(self.at(1.0, 1.0)) + np.abs(self.at(0.0, 1.0))
        return updates.max(axis=1, initial=0.0) > 0

    @property
    def first(self) -> int:
        """The first step with an update."""
        return int(np.argmax(self.moves))

    @functools.cached_property
    def has_memory(self) -> bool:
        """Whether the parameters before the first update change later ones without gradients."""
        return size(self._recalled) > TOLERANCE * size(self.at(0.0, self.unclipped))

    @property
    def keeps_a_copy(self) -> bool:
        """Whether earlier parameters themselves are in later updates, not a share of them."""
        whole = self.unclipped * size(self.direction)
        return 0.5 * whole <= size(self._recalled) <= 2 * whole

    @functools.cached_property
    def _recalled(self) -> np.ndarray:
        """What parameters up to the first update change of later ones, without gradients."""
        then, near = self.first + 1, self.unclipped
        places = (*[2.0 * near] * then, *[near] * (self.steps - then))
        begin = 0.0 if self.probes.starts_at_centre else near
        now, later = self.at(0.0, near), self.at(0.0, places, begin=begin)
        return now[then:] - later[then:]

    @property
    def is_moved(self) -> bool:
        """Whether anything moves it at all."""
        return any(size(self.at(g, s)) > 0 for g, s in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)))

    @property
    def passes_gradients(self) -> bool:
        """Whether each update is the gradient itself."""
        gradients = self.probes.gradients(1.0)[self.index]
        return size(self.at(1.0, 0.0) - gradients) <= TOLERANCE * size(gradients)

    @property
    def ascends(self) -> bool:
        """Whether every update leads up the gradient."""
        steps = self.at(1.0, 0.0, constant=True)
        steps = steps[np.any(steps, axis=1)]
        gradient = self.probes.gradients(1.0, constant=True)[self.index][0]
        lengths = np.sqrt(along(steps, steps) * along(gradient, gradient))
        return bool(steps.size and np.all(along(steps, gradient) > UPHILL * lengths))

    @property
    def is_pushed_away(self) -> bool:
        """Whether updates without gradients lead away from the centre, entry by entry."""
        outward = np.real(self.at(0.0, 1.0)[self.active] * np.conj(self.direction))
        return bool(np.all(outward >= 0) and np.any(outward > 0))

    @property
    def is_lopsided(self) -> bool:
        """Whether updates without gradients at W and −W are not opposite to each other."""
        there, opposite = self.at(0.0, 1.0), self.at(0.0, -1.0)
        return size(there + opposite) > TOLERANCE * size(there)

    @property
    def is_drawn_to_its_start(self) -> bool:
        """Whether updates without gradients depend on the parameters that ``init`` was given."""
        here, away = (self.at(0.0, 1.0, begin=start) for start in (1.0, 0.0))
        return size(here - away) > TOLERANCE * max(size(here), size(away))

    @property
    def is_around_zero(self) -> bool:
        return not np.any(self.probes.centre[self.index])

    @property
    def alone(self) -> np.ndarray:
        """The updates without gradients, per unit of the place; no clip acts on them."""
        return self.at(0.0, self.unclipped) / self.unclipped

    @functools.cached_property
    def unclipped(self) -> float:
        """A place at which no clip acts on the decay, though one may at W."""
        near, far = self.at(0.0, 1.0), self.at(0.0, 2.0)
        clipped = self.is_uniform(near) and self.is_uniform(far) and not _doubled(near, far)
        return NEAR if clipped else 1.0

    @functools.cached_property
    def is_linear(self) -> bool:
        """Whether the updates without gradients are −c·W, and twice that at 2W."""
        near, far = (self.at(0.0, s * self.unclipped) for s in (1.0, 2.0))
        return self.is_uniform(near) and _doubled(near, far)

    @property
    def degree(self) -> float | None:
        """d in update(s·W) = sᵈ·update(W), without gradients; None where there is no update."""
        place = self.unclipped if self.is_linear else 1.0
        near, far = size(self.at(0.0, place)), size(self.at(0.0, 2 * place))
        return float(np.log2(far / near)) if near > 0 and far > 0 else None

    def is_coupled(self, pull: Arrays, gradient: float, place: Place) -> bool:
        """Whether gradients G − p at W and G + p at −W give the same updates."""
        if not np.any(pull[self.index]):
            return False
        left, decay = self.odd(gradient, place, pull), self.odd(gradient, place)
        noise = 4 * self.precision * size(self.at(gradient, place))
        return size(left) <= max(1e-3 * size(decay), min(noise, 0.1 * size(decay)))

    @property
    def cancelling_rates(self) -> Arrays:
        """d of every leaf, repeated over its entries; 0 where no d cancels the decay."""
        return self.probes.kept("rates", roots.cancelling_rates)

    @property
    def cancelling_entries(self) -> Arrays:
        """p(W)/W of every entry."""
        return self.probes.kept("entries", roots.cancelling_entries)

    @functools.cached_property
    def active(self) -> int:
        """The first step with an update without gradients."""
        moves = np.abs(self.at(0.0, 1.0)).max(axis=1, initial=0.0) > 0
        return int(np.argmax(moves))


def size(updates: np.ndarray) -> float:
    return float(np.abs(updates).max(initial=0.0))


def _doubled(near: np.ndarray, far: np.ndarray) -> bool:
    return size(far - 2 * near) <= TOLERANCE * size(far)


def same(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)))


def text(numbers: Any) -> str:
    """Numbers as they are read in the table: 1e-04, 0.5, 1.9."""
    return ", ".join(f"{float(number) + 0.0:.3g}" for number in np.atleast_1d(numbers))

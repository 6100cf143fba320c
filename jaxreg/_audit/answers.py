"""What one leaf answers to the named probes, and what follows from it.

Every rule looks at `Answers`: the updates of one leaf, and the questions to them that several
rules ask.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxreg._audit.arrays import along, first_with_update
from jaxreg._audit.black_box import Arrays
from jaxreg._audit.probes import NEAR, Place, Probe, Probes
from jaxreg._audit.record import Form, LeafAudit, text

TOLERANCE = 1e-5
FEW = 2  # numbers that any dtype may happen to hold
FINE = float(np.finfo(float).eps)
TINY = float(np.finfo(float).tiny)


class Answer:
    """An attribute of `Answers`: the updates of the leaf to one probe."""

    def __init__(self, gradient: float, place: float):
        self.probe = Probe(gradient, place)

    def __get__(self, answers: Answers, _: type) -> np.ndarray:
        return answers.to(self.probe)


class Answers:
    """The updates of one leaf to the probes, of shape (steps, size), and what follows from them.

    W is the random direction of the leaf, measured from the centre of the probes.
    """

    alone = Answer(gradient=0, place=1)  # at W, without gradients: the decay and nothing else
    alone_twice = Answer(gradient=0, place=2)
    alone_opposite = Answer(gradient=0, place=-1)
    at_rest = Answer(gradient=0, place=0)  # at the centre, without gradients
    under_gradient = Answer(gradient=1, place=1)
    under_gradient_twice = Answer(gradient=1, place=2)
    under_gradient_opposite = Answer(gradient=1, place=-1)
    step = Answer(gradient=1, place=0)  # at the centre: what is made of gradients, no decay
    half_step = Answer(gradient=0.5, place=0)

    def __init__(self, probes: Probes, index: int):
        self.probes, self.index = probes, index
        self.direction = probes.directions[index]
        self.leaf = probes.optimizer.leaves[index]
        self.steps = probes.optimizer.steps

    @functools.cached_property
    def family(self) -> list[Answers]:
        """Of the same leaf at every learning rate, this one first."""
        return [self, *(Answers(probes, self.index) for probes in self.probes.family[1:])]

    def to(self, probe: Probe, pull: Arrays | None = None) -> np.ndarray:
        return self.probes.updates(probe, pull)[self.index]

    def alone_at(self, place: Place) -> np.ndarray:
        """Without gradients, at ``place`` times W."""
        return self.to(Probe(0.0, place))

    def under(self, gradient: float, place: Place) -> np.ndarray:
        """Under gradients of any size, at ``place`` times W."""
        return self.to(Probe(gradient, place))

    def odd(
        self, gradient: float = 1.0, place: Place = 1.0, pull: Arrays | None = None
    ) -> np.ndarray:
        """Half the difference of the updates at ``place`` and ``−place``: what F adds cancels."""
        opposite = tuple(-p for p in place) if isinstance(place, tuple) else -place
        there = self.to(Probe(gradient, place), pull)
        return (there - self.to(Probe(gradient, opposite), pull)) / 2

    def found(
        self,
        form: Form,
        evidence: str,
        coefficient: float | None = None,
        rates: Any = (),
        scales_with: str = "",
        **more: Any,
    ) -> LeafAudit:
        """The record of this leaf; ``rates`` is the share of w taken away by steps."""
        per_step = tuple(float(c) + 0.0 for c in rates)
        name, degree = self.leaf.name, self.degree
        return LeafAudit(name, form, coefficient, scales_with, degree, per_step, evidence, **more)

    def found_decoupled(self, rates: np.ndarray, evidence: str) -> LeafAudit:
        """Decay −c·w beside the step, with c by steps."""
        largest = rates[np.argmax(np.abs(rates))]
        if not np.allclose(rates, largest, rtol=TOLERANCE, atol=0):
            evidence += f"; c by steps: {text(rates)}"
        return self.found("decoupled", evidence, float(largest), rates)

    def rates(self, updates: np.ndarray) -> np.ndarray:
        """c of every step, if the updates were −c·W."""
        w = self.direction
        return -along(updates, w) / max(along(w, w), TINY)

    def is_uniform(self, updates: np.ndarray, tolerance: float = TOLERANCE) -> bool:
        """Whether the updates of every step are −c·W, one c for all entries."""
        rest = updates + self.rates(updates)[:, None] * self.direction
        return size(rest) <= tolerance * size(updates) + self.rounding

    def is_doubled(self, near: np.ndarray, far: np.ndarray) -> bool:
        return size(far - 2 * near) <= TOLERANCE * size(far) + self.rounding

    # --- rounding ---

    @functools.cached_property
    def precision(self) -> float:
        """eps of the narrowest dtype that holds the updates: what the optimizer computes in."""
        return _precision(np.concatenate([self.under_gradient, self.alone]))

    @functools.cached_property
    def noise(self) -> float:
        """What rounding may add to the difference of two updates under gradients."""
        return max(4 * self.precision * size(self.under_gradient), self.rounding)

    @functools.cached_property
    def rounding(self) -> float:
        """What an optimizer that keeps parameters in float32 adds to updates by rounding them."""
        kept = self.direction + self.under_gradient
        precision = _precision(kept)
        return 4 * precision * size(kept) if precision > FINE else 0.0

    def is_nothing(self, updates: np.ndarray) -> bool:
        return size(updates) <= self.noise

    # --- without gradients ---

    @property
    def _around(self) -> tuple[np.ndarray, ...]:
        return self.alone, self.alone_opposite, self.alone_twice

    @property
    def answers_zero_gradients(self) -> bool:
        return all(np.isfinite(updates).all() for updates in self._around)

    @functools.cached_property
    def is_still(self) -> bool:
        """Whether nothing happens without gradients at W, −W and 2W."""
        return all(size(updates) == 0 for updates in self._around)

    @functools.cached_property
    def active(self) -> int:
        """The first step with an update without gradients."""
        return first_with_update(self.alone)

    @property
    def decay(self) -> np.ndarray:
        """The updates without gradients, per unit of the place; no clip acts on them."""
        return self.alone_at(self.unclipped) / self.unclipped

    @property
    def share(self) -> float:
        """What the first step with decay takes away of w; its size if that is not in proportion."""
        rates = self.rates(self.decay)
        return float(rates[self.active]) if self.is_linear else size(self.decay)

    @property
    def power_of_rate(self) -> float | None:
        """k in share ∝ learning_rateᵏ; None if it is not of that form, or there is one rate."""
        return power([answers.share for answers in self.family], self.probes.rates)

    @functools.cached_property
    def unclipped(self) -> float:
        """A place at which no clip acts on the decay, though one may at W."""
        near, far = self.alone, self.alone_twice
        clipped = self.is_uniform(near) and self.is_uniform(far) and not self.is_doubled(near, far)
        return NEAR if clipped else 1.0

    @functools.cached_property
    def is_linear(self) -> bool:
        """Whether the updates without gradients are −c·W, and twice that at 2W.

        Nothing at W is in proportion to it only if there is nothing at −W either: all entries of a
        small leaf may have the sign that a constraint allows.
        """
        near, far = (self.alone_at(s * self.unclipped) for s in (1.0, 2.0))
        return (
            self.is_uniform(near)
            and self.is_doubled(near, far)
            and (size(near) > 0 or self.is_still)
        )

    @property
    def degree(self) -> float | None:
        """d in update(s·W) = sᵈ·update(W), without gradients; None where there is no update."""
        place = self.unclipped if self.is_linear else 1.0
        near, far = size(self.alone_at(place)), size(self.alone_at(2 * place))
        return float(np.log2(far / near)) if near > 0 and far > 0 else None

    @property
    def shown_degree(self) -> str:
        return "?" if self.degree is None else f"{round(self.degree, 2) + 0.0:g}"

    @property
    def is_lopsided(self) -> bool:
        """Whether updates without gradients at W and −W are not opposite to each other."""
        differ = size(self.alone + self.alone_opposite)
        return differ > TOLERANCE * size(self.alone) + self.rounding

    @property
    def is_drawn_to_its_start(self) -> bool:
        """Whether updates without gradients depend on the parameters that ``init`` was given."""
        here, away = (self.to(Probe(0.0, begin=start)) for start in (1.0, 0.0))
        return size(here - away) > TOLERANCE * max(size(here), size(away)) + self.rounding

    @property
    def is_around_zero(self) -> bool:
        return not np.any(self.probes.centre[self.index])

    # --- memory ---

    @functools.cached_property
    def moves(self) -> np.ndarray:
        """Which steps have an update: gradients may be gathered before."""
        updates = np.abs(self.under_gradient) + np.abs(self.alone)
        return updates.max(axis=1, initial=0.0) > 0

    @functools.cached_property
    def has_memory(self) -> bool:
        """Whether the parameters before the first update change later ones without gradients."""
        now = size(self.alone_at(self.unclipped))
        return size(self._recalled) > TOLERANCE * now + self.rounding

    @property
    def keeps_a_copy(self) -> bool:
        """Whether earlier parameters themselves are in later updates, not a share of them."""
        whole = self.unclipped * size(self.direction)
        return 0.5 * whole <= size(self._recalled) <= 2 * whole

    @functools.cached_property
    def _recalled(self) -> np.ndarray:
        """What parameters up to the first update change of later ones, without gradients."""
        then, near = int(np.argmax(self.moves)) + 1, self.unclipped
        places = (*[2.0 * near] * then, *[near] * (self.steps - then))
        begin = 0.0 if self.probes.starts_at_centre else near
        now, later = self.alone_at(near), self.to(Probe(0.0, places, begin=begin))
        return now[then:] - later[then:]

    # --- under gradients ---

    def is_beside(self, alone: np.ndarray) -> bool:
        """Whether an update without gradients is added to the step under gradients as it is."""
        return size(self.odd() - alone) <= TOLERANCE * size(alone) + self.noise

    @property
    def is_linear_in_gradients(self) -> bool:
        rest = self.step - 2 * self.half_step
        return size(rest) <= TOLERANCE * size(self.step) + 2 * self.noise


def _precision(numbers: np.ndarray) -> float:
    """eps of the narrowest dtype that holds the numbers."""
    if np.unique(np.abs(numbers)).size > FEW:
        narrow = (np.complex64,) if np.iscomplexobj(numbers) else (jnp.bfloat16, np.float32)
        for dtype in narrow:
            if np.array_equal(numbers.astype(dtype), numbers):
                return float(jnp.finfo(dtype).eps)
    return FINE


def size(updates: np.ndarray) -> float:
    return float(np.abs(updates).max(initial=0.0))


def power(shares: Sequence[float], rates: Sequence[Any]) -> float | None:
    """k in share ∝ rateᵏ; None if the shares are not of that form, or there is one rate."""
    c = np.asarray(shares, float)
    if len(rates) == 1 or np.any(c == 0) or np.any(np.sign(c) != np.sign(c[0])):
        return None
    lr = np.asarray(rates, float)
    slopes = np.log(c[1:] / c[0]) / np.log(lr[1:] / lr[0])
    return float(slopes.mean()) if np.ptp(slopes) < 0.02 else None

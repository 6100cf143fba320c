"""Where answers change sign: at the gradient that cancels the decay, at the reference.

Both are found by bisection, for all leaves at once. Where an answer never changes sign there is
no such gradient, and none is given: what one leaf is fed may reach the others, as through a clip
by the global norm.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxreg._audit.black_box import Arrays
from jaxreg._audit.probes import Probes

EXPONENTS = (-14.0, 8.0)  # of the pull, a power of ten
NEAR = 1e-4  # the place at which cancelling gradients pass below a clip
REACH = 1e4  # references are looked for among numbers this large
HALVINGS = 60


def cancelling_rates(probes: Probes) -> Arrays:
    """d of every leaf, repeated over its entries: the gradient −d·W lets the decay vanish.

    It is 0 where no d does.
    """
    return _cancelling(probes, by_leaf=True)


def cancelling_entries(probes: Probes) -> Arrays:
    """p(W)/W of every entry: the gradient −p(W) lets the decay vanish; 0 where none does."""
    return _cancelling(probes, by_leaf=False)


def _cancelling(probes: Probes, by_leaf: bool) -> Arrays:
    alone = probes.at(0.0, NEAR)
    steps = [_active(u) for u in alone]

    def signs(updates: Arrays) -> Arrays:
        rows = zip(updates, steps, probes.directions, strict=True)
        along = [np.real(u[t] * np.conj(w)) for u, t, w in rows]
        return [np.sign(np.full_like(a, a.sum()) if by_leaf else a) for a in along]

    before = [np.nan_to_num(s) for s in signs(alone)]
    low, high = ([np.full_like(s, e) for s in before] for e in EXPONENTS)

    def flipped(exponents: Arrays) -> Arrays:
        pull = [-s * 10.0**e for s, e in zip(before, exponents, strict=True)]
        after = signs(probes.ask(0.0, NEAR, pull=pull, steps=max(steps) + 1).updates)
        return [a != b for a, b in zip(after, before, strict=True)]

    reached = flipped(high)
    if not any(r.any() for r in reached):
        return [np.zeros_like(s) for s in before]
    rows = zip(before, _bisect(flipped, low, high), reached, strict=True)
    return [np.where(r, -s * 10.0**e, 0.0) for s, e, r in rows]


def _active(updates: np.ndarray) -> int:
    return int(np.argmax(np.abs(updates).max(axis=1, initial=0.0) > 0))


def _bisect(flipped: Callable[[Arrays], Arrays], low: Arrays, high: Arrays) -> Arrays:
    """Where ``flipped`` turns from false to true, between ``low`` and ``high``."""
    for _ in range(HALVINGS):
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        turned = flipped(middle)
        low = [np.where(t, a, m) for t, a, m in zip(turned, low, middle, strict=True)]
        high = [np.where(t, m, b) for t, m, b in zip(turned, middle, high, strict=True)]
    return [(a + b) / 2 for a, b in zip(low, high, strict=True)]


def references(probes: Probes) -> Arrays:
    """The values that parameters move towards without gradients, entry by entry."""
    near, far = probes.at(0.0, 1.0), probes.at(0.0, 2.0)
    rows = list(zip(near, far, probes.directions, strict=True))
    affine = [_affine_reference(*row) for row in rows]
    if all(reference is not None for reference in affine):
        return [reference for reference in affine if reference is not None]
    searched = _searched(probes, [_active(u) for u in near])
    return [s if a is None else a for a, s in zip(affine, searched, strict=True)]


def _affine_reference(near: np.ndarray, far: np.ndarray, w: np.ndarray) -> np.ndarray | None:
    """r in −c·(W − r) and −c·(2W − r); None if these are not what was answered."""
    t = _active(near)
    moved = far[t] - near[t]
    c = -np.real(np.vdot(w, moved)) / np.vdot(w, w).real if w.size else 0.0
    if c == 0 or np.abs(moved + c * w).max() > 1e-6 * np.abs(moved).max():
        return np.zeros_like(w) if not np.any(near) else None
    return w + near[t] / c


def _searched(probes: Probes, steps: list[int]) -> Arrays:
    if any(np.iscomplexobj(w) for w in probes.directions):
        return [np.full_like(w, np.nan) for w in probes.directions]

    def passed(params: Arrays) -> Arrays:
        updates = probes.zero_gradient_at(params)
        return [u[t] < 0 for u, t in zip(updates, steps, strict=True)]

    low, high = ([np.full_like(w, s * REACH) for w in probes.directions] for s in (-1, 1))
    return _bisect(passed, low, high)

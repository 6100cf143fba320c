"""Penalties that flatten for large entries: the global minimum, for every step."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg.prox._arguments import operator
from jaxreg.prox._entrywise import by_modulus


@operator
def log_sum(w: ArrayLike, step: ArrayLike, eps: ArrayLike) -> jax.Array:
    """argmin_v step·Σ log(1 + |v|/eps) + ½‖v − w‖², the global one; of two equal ones, 0.

    The stationary points solve (|w| − v)(eps + v) = step. Where step ≤ eps² the objective is
    convex and the larger root, if positive, is the minimiser; otherwise it competes with 0.

    >>> log_sum(jnp.array([1.0, 4.0]), 1.0, eps=1.0)
    Array([0.      , 3.791288], dtype=float32)

    References: Candès, Wakin & Boyd 2008, *Enhancing sparsity by reweighted l1 minimization*
    (arXiv:0711.1612); Prater-Bennette, Shen & Tripp 2022, *The proximity operator of the log-sum
    penalty* (arXiv:2103.02681).
    """
    w = jnp.asarray(w)
    step, eps = _numbers.real_like(step, w), _numbers.real_like(eps, w)

    def shrunk(size: jax.Array) -> jax.Array:
        root = _larger_root(size, step, eps)
        gain = root * (size - root / 2) - step * jnp.log1p(root / eps)  # objective at 0 − at root
        best = jnp.where((step > eps**2) & (gain <= 0), 0, root)
        return jnp.where(step == 0, size, best)

    return by_modulus(w, shrunk)


def _larger_root(size: jax.Array, step: jax.Array, eps: jax.Array) -> jax.Array:
    """The larger v with (size − v)(eps + v) = step, or 0 where it is not positive or not real."""
    reach = size + eps
    inside = 1 - 4 * (step / reach) / reach
    real = inside > 0
    distance = reach * jnp.sqrt(jnp.where(real, inside, 1))
    beyond = size > eps  # two forms, neither of which subtracts nearly equal numbers
    small = 2 * (size * eps - step) / (jnp.where(beyond, 0, eps - size) + distance)
    root = jnp.where(beyond, (size - eps + distance) / 2, small)
    return jnp.where(real, jnp.maximum(root, 0), 0)


@operator
def mcp(w: ArrayLike, step: ArrayLike, gamma: ArrayLike) -> jax.Array:
    """argmin_v step·Σ m(v) + ½‖v − w‖², m(v) = |v| − |v|²/(2·gamma) up to gamma, ½gamma beyond.

    Firm threshold: 0 up to step, w from gamma on, straight in between. Where step ≥ gamma the
    objective is concave in between, and the global minimiser is a hard threshold at √(gamma·step);
    of two equal ones, 0.

    >>> mcp(jnp.array([0.5, 1.5, 3.0]), 1.0, gamma=2.0)
    Array([0., 1., 3.], dtype=float32)

    References: Zhang 2010, *Nearly unbiased variable selection under minimax concave penalty*
    (arXiv:1002.4734).
    """
    w = jnp.asarray(w)
    step, gamma = _numbers.real_like(step, w), _numbers.real_like(gamma, w)
    firm = step < gamma
    slope = 1 / (1 - jnp.where(firm, step / gamma, 0))
    threshold = jnp.where(firm, gamma, jnp.sqrt(gamma) * jnp.sqrt(jnp.where(firm, 1, step)))

    def shrunk(size: jax.Array) -> jax.Array:
        below = jnp.where(firm, jnp.maximum(size - step, 0) * slope, 0)
        return jnp.where(size <= threshold, below, size)

    return by_modulus(w, shrunk)


@operator
def scad(w: ArrayLike, step: ArrayLike, a: ArrayLike) -> jax.Array:
    """argmin_v step·Σ f(v) + ½‖v − w‖², where f has slope 1 up to 1, 0 from a on, a line between.

    A soft threshold while |w| ≤ 1 + step, w itself from a on, straight in between. Where
    step ≥ a − 1 the objective is concave in between, and the global minimiser jumps from the soft
    threshold to w, at ½(a + 1 + step) or, for step ≥ a + 1, at √((a + 1)·step); of two equal
    ones, the smaller.

    >>> scad(jnp.array([1.5, 3.0, 4.0]), 1.0, a=3.0)
    Array([0.5, 3. , 4. ], dtype=float32)

    References: Fan & Li 2001, *Variable selection via nonconcave penalized likelihood and its
    oracle properties*.
    """
    w = jnp.asarray(w)
    step, a = _numbers.real_like(step, w), _numbers.real_like(a, w)
    convex = step < a - 1
    bend = jnp.where(convex, step / (a - 1), 0)
    farthest = jnp.where(step < a + 1, 1, step)
    jump = jnp.where(step < a + 1, (a + 1 + step) / 2, jnp.sqrt(a + 1) * jnp.sqrt(farthest))

    def shrunk(size: jax.Array) -> jax.Array:
        soft = jnp.maximum(size - step, 0)
        between = jnp.where(size <= a, (size - a * bend) / (1 - bend), size)
        beyond = jnp.where(convex, between, size)
        return jnp.where(size <= jnp.where(convex, 1 + step, jump), soft, beyond)

    return by_modulus(w, shrunk)


@operator
def l0(w: ArrayLike, step: ArrayLike) -> jax.Array:
    """Hard threshold: argmin_v step·#{v ≠ 0} + ½‖v − w‖²; of two equal ones, 0.

    Entries with |w| ≤ √(2·step) become 0 and the others stay as they are.

    >>> l0(jnp.array([-2.0, 0.5, 3.0]), 2.0)
    Array([0., 0., 3.], dtype=float32)

    References: Blumensath & Davies 2008, *Iterative thresholding for sparse approximations*.
    """
    w = jnp.asarray(w)
    return jnp.where(jnp.abs(w) <= jnp.sqrt(2 * _numbers.real_like(step, w)), 0, w)

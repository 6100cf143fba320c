"""Penalties that flatten for large entries: sparse like ``l1``, without shrinking what is kept.

They are not convex: a gradient method finds a local minimum, and ``prox`` returns the global
minimum of its own problem, which jumps where two are equally good. The prox is total: right for
every step, also where the textbook's formula stops to hold.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers, prox
from jaxreg._messages.calls import explained
from jaxreg._penalty.constraint import Gradientless
from jaxreg._penalty.penalty import Penalty, ready_made
from jaxreg._trees import pytree


@pytree
class LogSum(Penalty):
    """The log-sum penalty; see `log_sum`."""

    eps: Any

    __name__ = "log_sum"
    entrywise: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        size = _numbers.modulus(w)
        return jnp.sum(jnp.log1p(size / _numbers.scalar("eps", self.eps, size.dtype)))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.log_sum(w, step, _numbers.scalar("eps", self.eps, jnp.finfo(w.dtype).dtype))


@explained
def log_sum(eps: Any) -> Penalty:
    """The log-sum penalty, whose slope falls off as 1/|w|.

    value(w) = Σ log(1 + |w|/eps); gradient sign(w)/(eps + |w|), taken as 0 at 0;
    prox(w) = argmin_v step·value(v) + ½‖v − w‖², the better one of 0 and the larger root of
    (|w| − v)(eps + v) = step; of two equally good ones, 0.

    Sparser than ``l1`` and less biased: an entry far above eps is hardly shrunk. Small eps comes
    close to counting non-zeros, and has more local minima; reweighted l1 minimises this penalty.

    >>> round(float(log_sum(eps=1.0)({"kernel": jnp.array([0.0, 1.0, -3.0])})), 4)
    2.0794

    Args:
      eps: ε > 0, the size at which an entry counts as large; a number, array or traced value.

    Returns:
      A penalty: ``log_sum(eps)(params)`` is a real scalar, at least float32.

    Raises:
      TypeError: if ``eps`` is neither a number nor an array.
      ValueError: if it is a Python number that is not finite and positive.

    References: Candès, Wakin & Boyd 2008, *Enhancing sparsity by reweighted l1 minimization*
    (arXiv:0711.1612).
    """
    return LogSum(_numbers.setting("log_sum", "eps", eps, above=0))


@pytree
class MCP(Penalty):
    """The minimax concave penalty; see `mcp`."""

    gamma: Any

    __name__ = "mcp"
    entrywise: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(mcp_curve(_numbers.modulus(w), self.gamma))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.mcp(w, step, _numbers.scalar("gamma", self.gamma, jnp.finfo(w.dtype).dtype))


def mcp_curve(size: jax.Array, gamma: Any) -> jax.Array:
    gamma = _numbers.scalar("gamma", gamma, size.dtype)
    capped = jnp.minimum(size, gamma)
    return capped * (1 - capped / (2 * gamma))


@explained
def mcp(gamma: Any) -> Penalty:
    """The minimax concave penalty (MCP): like ``l1`` at 0, constant from gamma on.

    value(w) = Σ m(w), m(w) = |w| − |w|²/(2·gamma) where |w| ≤ gamma, ½gamma beyond;
    gradient sign(w)·max(1 − |w|/gamma, 0), taken as 0 at 0;
    prox(w) = argmin_v step·Σ m(v) + ½‖v − w‖²: for step < gamma 0 where |w| ≤ step, w where
    |w| ≥ gamma, straight in between; for step ≥ gamma a hard threshold at √(gamma·step).

    Sparse, and entries beyond gamma are not shrunk at all. gamma → ∞ gives ``l1``.

    The textbook's curve, λ|w| − |w|²/(2γ) up to γλ and ½γλ² beyond, is ``s * mcp(gamma)`` with
    strength s = λ and gamma = γλ: here gamma is the size from which on entries are free, and the
    strength multiplies the curve without moving that size.

    >>> float(mcp(gamma=2.0)({"kernel": jnp.array([1.0, -5.0])}))
    1.75

    Args:
      gamma: > 0, in units of w; a number, array or traced value.

    Returns:
      A penalty: ``mcp(gamma)(params)`` is a real scalar, at least float32.

    Raises:
      TypeError: if ``gamma`` is neither a number nor an array.
      ValueError: if it is a Python number that is not finite and positive.

    References: Zhang 2010, *Nearly unbiased variable selection under minimax concave penalty*
    (arXiv:1002.4734).
    """
    return MCP(_numbers.setting("mcp", "gamma", gamma, above=0))


@pytree
class SCAD(Penalty):
    """The smoothly clipped absolute deviation; see `scad`."""

    a: Any

    __name__ = "scad"
    entrywise: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(scad_curve(_numbers.modulus(w), self.a))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.scad(w, step, _numbers.scalar("a", self.a, jnp.finfo(w.dtype).dtype))


def scad_curve(size: jax.Array, a: Any) -> jax.Array:
    """The integral of a slope that is 1 up to 1 and falls to 0 at a."""
    a = _numbers.scalar("a", a, size.dtype)
    bent = jnp.clip(size, 1, a)
    return jnp.minimum(size, 1) + (bent - 1) * (2 * a - bent - 1) / (2 * (a - 1))


@explained
def scad(a: Any) -> Penalty:
    """The smoothly clipped absolute deviation (SCAD): |w| up to 1, constant from a on.

    value(w) = Σ f(w), f(w) = |w| where |w| ≤ 1, (2a|w| − |w|² − 1)/(2(a − 1)) where 1 ≤ |w| ≤ a,
    ½(a + 1) beyond;
    gradient sign(w)·min(max((a − |w|)/(a − 1), 0), 1), taken as 0 at 0;
    prox(w) = argmin_v step·Σ f(v) + ½‖v − w‖²: for step < a − 1 a soft threshold where
    |w| ≤ 1 + step, w where |w| ≥ a, straight in between; for larger steps it jumps from the soft
    threshold to w (`jaxreg.prox.scad`).

    Sparse, and entries beyond a are not shrunk at all; compared with `mcp` entries up to 1 are
    shrunk by a constant.

    >>> float(scad(a=3.0)({"kernel": jnp.array([0.5, 2.0, -5.0])}))
    4.25

    The textbook's curve with (λ, a) has its knots at λ and aλ: it is λ²·f(w/λ). ``s * scad(a)``
    has slope s at 0 and its knots at 1 and a, whatever s; the two agree for s = λ = 1. Bring
    weights to units in which λ is 1, or take `mcp`, whose two numbers are free.

    Args:
      a: > 1, in units of w, usually 3.7; a number, array or traced value.

    Returns:
      A penalty: ``scad(a)(params)`` is a real scalar, at least float32.

    Raises:
      TypeError: if ``a`` is neither a number nor an array.
      ValueError: if it is a Python number that is not finite and above 1.

    References: Fan & Li 2001, *Variable selection via nonconcave penalized likelihood and its
    oracle properties*.
    """
    return SCAD(_numbers.setting("scad", "a", a, above=1))


@pytree
class L0(Gradientless):
    """The number of entries that are not zero.

    value(w) = #{w ≠ 0};
    prox(w) = argmin_v step·#{v ≠ 0} + ½‖v − w‖² = w where |w| > √(2·step), 0 elsewhere.

    Keeps or drops an entry, and never shrinks what it keeps. For ``prox`` alone: its gradient is
    zero wherever it exists, so that differentiating it raises instead of doing nothing.

    >>> params = {"kernel": jnp.array([3.0, 0.0, -0.5])}
    >>> float(l0(params))
    2.0
    >>> (0.5 * l0).prox(params, step=1.0)
    {'kernel': Array([3., 0., 0.], dtype=float32)}

    Args:
      params: a pytree of arrays, real or complex.

    Returns:
      A real scalar, at least float32.

    Raises:
      TypeError: if it is differentiated, or called with a number.

    References: Blumensath & Davies 2008, *Iterative thresholding for sparse approximations*.
    """

    __name__ = "l0"
    entrywise: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sign(jnp.abs(self.held(w))))  # NaN is neither zero nor not

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.l0(w, step)


l0 = ready_made(L0())

"""Convex penalties that act on every entry by itself: Σ f(wᵢ).

The non-convex ones are in `nonconvex`, the constraints in `constraints`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers, prox
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty, ready_made
from jaxreg._trees import pytree


@pytree
class L2(Penalty):
    """The squared L2 norm, ridge penalty or (for plain SGD) weight decay.

    value(w) = Σ|w|², no ½, a sum over entries; gradient 2w;
    prox(w) = argmin_v step·Σ|v|² + ½‖v − w‖² = w / (1 + 2·step).

    Makes weights small but not zero. In a loss, ``1e-4 * l2(params)`` equals ``weight_decay=2e-4``
    of PyTorch's SGD and Adam, which leave out the 2 of the gradient; see `jaxreg.convert`.

    >>> params = {"kernel": jnp.array([3.0, -4.0])}
    >>> float(0.1 * l2(params))
    2.5
    >>> (0.5 * l2).prox(params, step=1.0)
    {'kernel': Array([ 1.5, -2. ], dtype=float32)}

    Args:
      params: a pytree of arrays, real or complex.

    Returns:
      A real scalar, at least float32.

    Raises:
      TypeError: if called with a number: ``l2(1e-4)`` or ``l2(params, 1e-4)``.

    References: Hoerl & Kennard 1970, *Ridge regression*; Krogh & Hertz 1991, *A simple weight
    decay can improve generalization*.
    """

    __name__ = "l2"
    quadratic: ClassVar[bool] = True
    entrywise: ClassVar[bool] = True
    convex: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(_numbers.squared_modulus(w))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.l2(w, step)

    def array_grad(self, w: jax.Array) -> jax.Array:
        return 2 * w


@pytree
class L1(Penalty):
    """The L1 norm, or Lasso penalty.

    value(w) = Σ|w|, a sum over entries; gradient sign(w), taken as 0 at 0;
    prox(w) = argmin_v step·Σ|v| + ½‖v − w‖² = sign(w)·max(|w| − step, 0).

    Makes many weights exactly zero, but only through ``prox``: gradient steps on |w| circle
    around zero and never rest there. Complex entries count by their modulus.

    >>> params = {"kernel": jnp.array([3.0, -0.5])}
    >>> float(0.5 * l1(params))
    1.75
    >>> (0.5 * l1).prox(params, step=1.0)
    {'kernel': Array([2.5, 0. ], dtype=float32)}

    Args:
      params: a pytree of arrays, real or complex.

    Returns:
      A real scalar, at least float32.

    Raises:
      TypeError: if called with a number: ``l1(1e-4)`` or ``l1(params, 1e-4)``.

    References: Tibshirani 1996, *Regression shrinkage and selection via the Lasso*.
    """

    __name__ = "l1"
    entrywise: ClassVar[bool] = True
    convex: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(_numbers.modulus(w))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.l1(w, step)

    def array_grad(self, w: jax.Array) -> jax.Array:
        return jnp.sign(w)


l2 = ready_made(L2())
l1 = ready_made(L1())


@explained
def elastic_net(*, l1: Any, l2: Any) -> Penalty:  # the names of the strengths shadow the units
    """The elastic net: l1·Σ|w| + l2·Σ|w|², two free strengths, no ½.

    Sparse like ``l1``, but correlated weights are kept or dropped together. scikit-learn's
    ``(alpha, l1_ratio)`` and glmnet's ``(lambda, alpha)`` halve the square: `jaxreg.convert`.

    >>> elastic_net(l1=0.5, l2=0.1)
    0.5 * l1 + 0.1 * l2

    Args:
      l1: strength λ₁ ≥ 0 of Σ|w|.
      l2: strength λ ≥ 0 of Σ|w|².

    Returns:
      The penalty ``l1 * jaxreg.l1 + l2 * jaxreg.l2``.

    Raises:
      ValueError: if a strength is a negative or non-finite Python number.

    References: Zou & Hastie 2005, *Regularization and variable selection via the elastic net*.
    """
    return l1 * L1() + l2 * L2()


@pytree
class Huber(Penalty):
    """The Huber penalty; see `huber`."""

    delta: Any

    __name__ = "huber"
    entrywise: ClassVar[bool] = True
    convex: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        size = _numbers.modulus(w)
        capped = jnp.minimum(size, _numbers.scalar("delta", self.delta, size.dtype))
        return jnp.sum(capped * (size - capped / 2))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.huber(w, step, _numbers.scalar("delta", self.delta, jnp.finfo(w.dtype).dtype))


@explained
def huber(delta: Any) -> Penalty:
    """The Huber penalty: a square for small entries, a multiple of the modulus for large ones.

    value(w) = Σ h(w), h(w) = ½|w|² where |w| ≤ delta, delta·(|w| − ½delta) beyond;
    gradient w, clipped to modulus delta;
    prox(w) = argmin_v step·Σ h(v) + ½‖v − w‖² = w/(1 + step) where |w| ≤ delta·(1 + step), else
    w − step·delta·sign(w).

    Shrinks small weights in proportion, as ``0.5 * l2`` does, and large ones by no more than a
    constant, as ``delta * l1`` does: weights that the data need stay large. Makes no zeros. The ½
    is Huber's own; with it the curve and its slope are continuous.

    >>> float(huber(delta=2.0)({"kernel": jnp.array([1.0, -5.0])}))
    8.5

    Args:
      delta: δ > 0, where the square ends, in units of w; a number, array or traced value.

    Returns:
      A penalty: ``huber(delta)(params)`` is a real scalar, at least float32.

    Raises:
      TypeError: if ``delta`` is neither a number nor an array.
      ValueError: if it is a Python number that is not finite and positive.

    References: Huber 1964, *Robust estimation of a location parameter*.
    """
    return Huber(_numbers.setting("huber", "delta", delta, above=0))

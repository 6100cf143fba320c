"""Penalties on groups of entries: whole rows, columns, filters or channels at once.

The convex ones; those that flatten are in `nonconvex_groups`, and those that see an array as a
matrix in `matrices`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _metric_prox, _numbers, prox
from jaxreg._catalogue.entrywise import l1
from jaxreg._messages.calls import explained
from jaxreg._penalty.constraint import Constraint
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.unit import Unit
from jaxreg._trees import pytree, static

Axis = _numbers.Axis


class OnGroups(Unit):
    """What acts on groups: entries that share their index on all axes but ``axis``."""

    axis: Axis

    def coupled_axes(self, ndim: int) -> frozenset[int]:
        return _numbers.counted(self.axis, ndim)

    def misfit(self, w: jax.Array) -> str | None:
        return _unless_it_has(self.axis, w)


@pytree
class GroupLasso(OnGroups, Penalty):
    """The group lasso; see `group_lasso`."""

    axis: Axis = static()

    __name__ = "group_lasso"
    convex: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True
    radial: ClassVar[bool] = True
    widens: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(self.array_parts(w))

    def array_parts(self, w: jax.Array) -> jax.Array:
        return _numbers.norm(w, self.axis)

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.group_lasso(w, step, self.axis)

    def array_metric_prox(self, w: jax.Array, steps: jax.Array) -> jax.Array:
        return _metric_prox.group_lasso(w, steps, self.axis)


@explained
def group_lasso(axis: Axis) -> Penalty:
    """The group lasso, or L2,1 norm: the sum of the norms of groups.

    value(w) = Σ_G ‖w_G‖, no square and no factor √size; gradient w_G/‖w_G‖, taken as 0 at 0;
    prox(w) = argmin_v step·Σ_G ‖v_G‖ + ½‖v − w‖² = w_G·max(0, 1 − step/‖w_G‖).

    >>> kernel = jnp.array([[3.0, 0.3], [4.0, 0.4]])
    >>> float(group_lasso(axis=0)(kernel))
    5.5
    >>> group_lasso(axis=0).prox(kernel, step=1.0)
    Array([[2.4, 0. ],
           [3.2, 0. ]], dtype=float32)

    Makes whole groups exactly zero (through ``prox``), and keeps the others dense: it removes
    units, inputs, filters or channels. ``axis`` is what the norm runs over, as in
    `jnp.linalg.norm`; entries with the same index on all other axes form a group.

    ====================================  ==================  =================
    array                                 a group per output  a group per input
    ====================================  ==================  =================
    Dense kernel (in, out)                ``0``               ``1``
    Conv kernel (height, width, in, out)  ``(0, 1, 2)``       ``(0, 1, 3)``
    stacked Dense (layers, in, out)       ``-2``              ``-1``
    stacked Conv (layers, height, …)      ``(-4, -3, -2)``    ``(-4, -3, -1)``
    ====================================  ==================  =================

    Negative axes count from the end, so that one setting serves a layer and a stack of layers.
    Where groups differ in size and should not, weigh them, leaf by leaf or one by one:
    ``group_lasso(0).weighted({"fc1": 4.0, "fc2": 2.0})``.

    Args:
      axis: an integer or a tuple of integers.

    Returns:
      A penalty: ``group_lasso(axis)(params)`` is a real scalar, at least float32. A leaf that
      lacks an axis, such as a bias, raises a ValueError when it is applied.

    Raises:
      TypeError: if ``axis`` is neither an integer nor a tuple of integers.

    References: Yuan & Lin 2006, *Model selection and estimation in regression with grouped
    variables*; Scardapane et al. 2017, *Group sparse regularization for deep neural networks*
    (arXiv:1607.00485).
    """
    return GroupLasso(checked_axis("group_lasso", axis))


@explained
def sparse_group_lasso(axis: Axis, l1_ratio: Any) -> Penalty:
    """The sparse group lasso: few groups, and few entries in those.

    value(w) = l1_ratio·Σ|w| + (1 − l1_ratio)·Σ_G ‖w_G‖; its prox is that of the group lasso
    applied after that of l1, which is exact.

    >>> sparse_group_lasso(axis=0, l1_ratio=0.25)
    0.25 * l1 + 0.75 * group_lasso(axis=0)

    Args:
      axis: what the norm runs over, as for `group_lasso`.
      l1_ratio: between 0, the group lasso, and 1, the lasso; a number, array or traced value.

    Returns:
      The penalty ``l1_ratio * l1 + (1 - l1_ratio) * group_lasso(axis)``.

    Raises:
      TypeError: if ``axis`` is neither an integer nor a tuple of integers, or ``l1_ratio`` is
        neither a number nor an array.
      ValueError: if ``l1_ratio`` is a Python number outside [0, 1].

    References: Simon, Friedman, Hastie & Tibshirani 2013, *A sparse-group lasso*.
    """
    groups = GroupLasso(checked_axis("sparse_group_lasso", axis))
    if _numbers.is_python(l1_ratio) or not hasattr(l1_ratio, "dtype"):
        l1_ratio = _numbers.setting("sparse_group_lasso", "l1_ratio", l1_ratio, above=-1)
        if not 0 <= l1_ratio <= 1:
            raise ValueError(
                f"sparse_group_lasso: expected l1_ratio between 0 and 1, got {l1_ratio!r}; for "
                f"free strengths write a * l1 + b * {groups!r}"
            )
    return l1_ratio * l1 + (1 - l1_ratio) * groups


@pytree
class MaxNorm(OnGroups, Constraint):
    """The constraint that the norms of groups are bounded; see `max_norm`."""

    bound: Any
    axis: Axis = static()

    __name__ = "max_norm"
    radial: ClassVar[bool] = True
    widens: ClassVar[bool] = True

    def contains(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        slack = _numbers.norm(rounding, self.axis)
        return jnp.all(_numbers.norm(w, self.axis) <= self._bound(slack.dtype) + slack)

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.max_norm(w, self._bound(jnp.finfo(w.dtype).dtype), self.axis)

    def array_metric_prox(self, w: jax.Array, steps: jax.Array) -> jax.Array:
        return _metric_prox.max_norm(w, self._bound(steps.dtype), steps, self.axis)

    def _bound(self, dtype: Any) -> jax.Array:
        return _numbers.scalar("bound", self.bound, dtype)


@explained
def max_norm(bound: Any, axis: Axis) -> Penalty:
    """The constraint that no group's norm exceeds a bound.

    value(w) = 0 where all ‖w_G‖ ≤ bound, ∞ elsewhere, up to the rounding of the dtype;
    prox(w) = w_G·min(1, bound/‖w_G‖), the projection, for any step.

    For ``prox`` and `jaxreg.project`: beside dropout and large learning rates, on the incoming
    weights of each unit (``axis=0`` of a Dense kernel), usually with a bound of 2 to 4. It has no
    strength, and differentiating it raises.

    >>> max_norm(bound=1.0, axis=0).prox(jnp.array([[3.0, 0.3], [4.0, 0.4]]), step=1.0)
    Array([[0.6, 0.3],
           [0.8, 0.4]], dtype=float32)

    Args:
      bound: ≥ 0; a number, array or traced value.
      axis: what the norm runs over; see the table of `group_lasso`.

    Returns:
      A constraint: ``max_norm(bound, axis)(params)`` is 0 or ∞. A leaf that lacks an axis, such as
      a bias, raises a ValueError when it is applied.

    Raises:
      TypeError: if ``axis`` is neither an integer nor a tuple of integers, or ``bound`` neither a
        number nor an array.
      ValueError: if ``bound`` is a Python number that is negative or not finite.

    References: Srivastava et al. 2014, *Dropout*, §5.1; Srebro, Rennie & Jaakkola 2004,
    *Maximum-margin matrix factorization*.
    """
    return MaxNorm(
        _numbers.setting("max_norm", "bound", bound, least=0), checked_axis("max_norm", axis)
    )


def checked_axis(owner: str, axis: Any) -> Axis:
    """``axis`` as Python integers, hashable, once it is known to be axes and not parameters."""
    axes = _numbers.as_axis(axis)
    if axes is None:
        raise TypeError(
            f"{owner}: expected axis, an integer or a tuple of integers, got a "
            f"{type(axis).__name__}; write {owner}(axis=…)(params)"
        )
    return axes


def _unless_it_has(axis: Axis, w: jax.Array) -> str | None:
    if _numbers.are_axes(axis, w.ndim):
        return None
    several = isinstance(axis, tuple) and len(axis) > 1
    return f"an array with the axes {axis}, each once" if several else f"an array with axis {axis}"

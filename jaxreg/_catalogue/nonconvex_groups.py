"""Penalties on groups that flatten for large norms: whole groups are zero, large ones unshrunk.

They are `mcp` and `scad` of the norms of groups. What is said of those in `nonconvex` holds here.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers, prox
from jaxreg._catalogue.groups import Axis, OnGroups, checked_axis
from jaxreg._catalogue.nonconvex import mcp_curve, scad_curve
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty
from jaxreg._trees import pytree, static


@pytree
class GroupMCP(OnGroups, Penalty):
    """The minimax concave penalty of groups; see `group_mcp`."""

    gamma: Any
    axis: Axis = static()

    __name__ = "group_mcp"
    radial: ClassVar[bool] = True
    widens: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(self.array_parts(w))

    def array_parts(self, w: jax.Array) -> jax.Array:
        return mcp_curve(_numbers.norm(w, self.axis), self.gamma)

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        gamma = _numbers.scalar("gamma", self.gamma, _numbers.widen(w).real.dtype)
        return prox.group_mcp(w, step, gamma, self.axis)


@explained
def group_mcp(gamma: Any, axis: Axis) -> Penalty:
    """The minimax concave penalty of groups, or block MCP: `mcp` of their norms.

    value(w) = Σ_G m(‖w_G‖), m(t) = t − t²/(2·gamma) where t ≤ gamma, ½gamma beyond, no factor
    √size; gradient max(1 − ‖w_G‖/gamma, 0)·w_G/‖w_G‖, taken as 0 at 0;
    prox(w) = argmin_v step·Σ_G m(‖v_G‖) + ½‖v − w‖²: every group keeps its direction, and its norm
    becomes that which `jaxreg.prox.mcp` makes of it.

    Removes whole groups as `group_lasso` does, and does not shrink those whose norm is beyond
    gamma. gamma → ∞ gives ``group_lasso``. It is not convex; how its numbers relate to the
    textbook's is told at `mcp`: λ and γ are ``λ * group_mcp(γ·λ, axis)``. Where groups differ in
    size, and their norms should count by its root, weigh them (``.weighted``), which leaves the
    knot gamma where it is; grpreg's scales it too: a term for each size.

    >>> kernel = jnp.array([[3.0, 0.3], [4.0, 0.4]])
    >>> float(group_mcp(gamma=2.0, axis=0)(kernel))
    1.4375
    >>> group_mcp(gamma=2.0, axis=0).prox(kernel, step=1.0)
    Array([[3., 0.],
           [4., 0.]], dtype=float32)

    Args:
      gamma: > 0, in units of the norm; a number, array or traced value.
      axis: what the norm runs over; see the table of `group_lasso`.

    Returns:
      A penalty: ``group_mcp(gamma, axis)(params)`` is a real scalar, at least float32. A leaf that
      lacks an axis, such as a bias, raises a ValueError when it is applied.

    Raises:
      TypeError: if ``axis`` is neither an integer nor a tuple of integers, or ``gamma`` neither a
        number nor an array.
      ValueError: if ``gamma`` is a Python number that is not finite and positive.

    References: Huang, Breheny & Ma 2012, *A selective review of group selection in high-dimensional
    models* (arXiv:1204.6491).
    """
    gamma = _numbers.setting("group_mcp", "gamma", gamma, above=0)
    return GroupMCP(gamma, checked_axis("group_mcp", axis))


@pytree
class GroupSCAD(OnGroups, Penalty):
    """The smoothly clipped absolute deviation of groups; see `group_scad`."""

    a: Any
    axis: Axis = static()

    __name__ = "group_scad"
    radial: ClassVar[bool] = True
    widens: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(self.array_parts(w))

    def array_parts(self, w: jax.Array) -> jax.Array:
        return scad_curve(_numbers.norm(w, self.axis), self.a)

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        a = _numbers.scalar("a", self.a, _numbers.widen(w).real.dtype)
        return prox.group_scad(w, step, a, self.axis)


@explained
def group_scad(a: Any, axis: Axis) -> Penalty:
    """The smoothly clipped absolute deviation of groups, or block SCAD: `scad` of their norms.

    value(w) = Σ_G f(‖w_G‖), f(t) = t where t ≤ 1, (2at − t² − 1)/(2(a − 1)) where 1 ≤ t ≤ a,
    ½(a + 1) beyond, no factor √size;
    gradient min(max((a − ‖w_G‖)/(a − 1), 0), 1)·w_G/‖w_G‖, taken as 0 at 0;
    prox(w) = argmin_v step·Σ_G f(‖v_G‖) + ½‖v − w‖²: every group keeps its direction, and its norm
    becomes that which `jaxreg.prox.scad` makes of it.

    Removes whole groups as `group_lasso` does, and does not shrink those whose norm is beyond a.
    It is not convex; how its numbers relate to the textbook's is told at `scad`. Groups of
    different size: as for `group_mcp`.

    >>> kernel = jnp.array([[3.0, 0.3], [4.0, 0.4]])
    >>> float(group_scad(a=3.0, axis=0)(kernel))
    2.5
    >>> group_scad(a=3.0, axis=0).prox(kernel, step=1.0)
    Array([[3., 0.],
           [4., 0.]], dtype=float32)

    Args:
      a: > 1, in units of the norm, usually 3.7; a number, array or traced value.
      axis: what the norm runs over; see the table of `group_lasso`.

    Returns:
      A penalty: ``group_scad(a, axis)(params)`` is a real scalar, at least float32. A leaf that
      lacks an axis, such as a bias, raises a ValueError when it is applied.

    Raises:
      TypeError: if ``axis`` is neither an integer nor a tuple of integers, or ``a`` neither a
        number nor an array.
      ValueError: if ``a`` is a Python number that is not finite and above 1.

    References: Wang, Chen & Li 2007, *Group SCAD regression analysis for microarray time course
    gene expression data*; Huang, Breheny & Ma 2012 (arXiv:1204.6491).
    """
    a = _numbers.setting("group_scad", "a", a, above=1)
    return GroupSCAD(a, checked_axis("group_scad", axis))

"""The measures of a tree of parameters as a table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import _numbers
from jaxreg._messages.calls import explained
from jaxreg._messages.table import aligned
from jaxreg._trees import Leaf
from jaxreg.diagnostics import _chosen, _measures, _rotation


class Row(NamedTuple):
    """One parameter; None where the number was not asked for, or does not exist.

    Attributes:
      name: of the leaf, such as ``fc1/kernel``.
      shape: of the leaf.
      norm: ‖w‖.
      zeros: the fraction of entries that are exactly zero.
      near_zeros: the fraction that are zero or at most 10⁻³ of the largest.
      stable_rank: ‖W‖_F²/σ₁², the mean over leading axes.
      grad_norm: ‖g‖.
      update: ‖w − w₀‖/‖w₀‖.
      angle: ∠(w, w₀) in radians.
    """

    name: str
    shape: tuple[int, ...]
    norm: float
    zeros: float
    near_zeros: float
    stable_rank: float | None
    grad_norm: float | None
    update: float | None
    angle: float | None


@dataclasses.dataclass(frozen=True)
class Report:
    """The measures of every parameter; prints as a table.

    Attributes:
      rows: a `Row` for each, in the order of the leaves.
    """

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        shown = [field for field in COLUMNS if any(_cell(row, field) for row in self.rows)]
        table = [[COLUMNS[field][0] for field in shown]]
        table += [[_cell(row, field) or "-" for field in shown] for row in self.rows]
        return "\n".join([aligned(table), self._summary()] if self.rows else ["no leaves"])

    __repr__ = __str__

    def _summary(self) -> str:
        sizes = [math.prod(row.shape) for row in self.rows]
        zeros = sum(round(row.zeros * size) for row, size in zip(self.rows, sizes, strict=True))
        norm = math.hypot(*(row.norm for row in self.rows))
        return (
            f"{len(sizes)} leaves, {sum(sizes):,} numbers, {zeros:,} of them zero; norm {norm:.4g}"
        )


COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "name": ("leaf", lambda name: name or "."),
    "shape": ("shape", str),
    "norm": ("norm", "{:.4g}".format),
    "zeros": ("zeros", "{:.1%}".format),
    "near_zeros": ("near zeros", "{:.1%}".format),
    "stable_rank": ("stable rank", "{:.2f}".format),
    "grad_norm": ("gradient", "{:.4g}".format),
    "update": ("update", "{:.3g}".format),
    "angle": ("angle", "{:.3g}".format),
}


def _cell(row: Row, field: str) -> str:
    value = getattr(row, field)
    return "" if value is None else COLUMNS[field][1](value)


@explained
def report(params: Any, *, grads: Any = None, previous: Any = None, where: Any = None) -> Report:
    """The measures of every parameter, as a table to print.

    Norm ‖w‖, fractions of zeros and of near zeros (at most 10⁻³ of the largest entry), stable
    rank of matrices; with ``grads`` the norm of the gradient; with ``previous`` the relative
    update ‖w − w₀‖/‖w₀‖ and the angle in radians. Not for use inside ``jit``: `norms`,
    `sparsity`, `stable_rank` and `angular_update` are.

    >>> report({"fc1": {"bias": jnp.zeros(2), "kernel": jnp.array([[2.0, 0.0], [0.0, 2.0]])}})
    leaf        shape   norm   zeros   near zeros  stable rank
    fc1/bias    (2,)    0      100.0%  100.0%      -
    fc1/kernel  (2, 2)  2.828  50.0%   50.0%       2.00
    2 leaves, 6 numbers, 4 of them zero; norm 2.828

    Args:
      params: a tree of arrays.
      grads: gradients, a tree like it.
      previous: the parameters some steps ago, a tree like it.
      where: which leaves, as for `jaxreg.where`; None for all.

    Returns:
      A ``Report``: ``rows`` with the fields of ``Row``; ``print`` it.

    Raises:
      ValueError: if ``grads`` or ``previous`` is no tree like ``params``.
    """
    leaves = _chosen.chosen(params, where)
    columns = jax.device_get(
        _figures(
            _by_name(leaves),
            _others("grads", grads, leaves),
            _others("previous", previous, leaves),
        )
    )
    return Report(tuple(_row(leaf, columns) for leaf in leaves))


def _by_name(leaves: Sequence[Leaf]) -> dict[str, Any]:
    return {leaf.name: leaf.value for leaf in leaves}


def _others(argument: str, tree: Any, leaves: Sequence[Leaf]) -> dict[str, Any]:
    if tree is None:
        return {}
    values = _chosen.matching(argument, tree, leaves)
    return {leaf.name: value for leaf, value in zip(leaves, values, strict=True)}


@jax.jit
def _figures(params: Any, grads: Any, previous: Any) -> dict[str, dict[str, jax.Array]]:
    """The fields of the rows by name; parameters come flat, as {name: array}."""
    if not params:
        return {}
    sparsity = _measures.sparsity(params)
    moved = {name: _moved(params[name], previous[name]) for name in previous}
    before, distance = (_measures.norms(tree) if tree else {} for tree in (previous, moved))
    return {
        "norm": _measures.norms(params),
        "zeros": {name: fractions.exact for name, fractions in sparsity.items()},
        "near_zeros": {name: fractions.near for name, fractions in sparsity.items()},
        "stable_rank": {n: jnp.mean(r) for n, r in _measures.stable_rank(params).items()},
        "grad_norm": _measures.norms(grads) if grads else {},
        "update": {name: distance[name] / before[name] for name in distance},
        "angle": _rotation.angular_update(params, previous) if previous else {},
    }


def _moved(now: Any, before: Any) -> jax.Array:
    w = _numbers.widen(now)
    return w - _numbers.widen(before).astype(w.dtype)


def _row(leaf: Leaf, columns: dict[str, dict[str, Any]]) -> Row:
    numbers = {field: column.get(leaf.name) for field, column in columns.items()}
    floats = {field: None if n is None else float(n) for field, n in numbers.items()}
    return Row(leaf.name, np.shape(leaf.value), **floats)  # pyright: ignore[reportArgumentType]

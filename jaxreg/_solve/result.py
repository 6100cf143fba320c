"""A path of solutions over strengths, and its table."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxreg._messages import table
from jaxreg._objective import Parts
from jaxreg._solve.solution import Solution
from jaxreg._trees import leaves as leaves_by_name
from jaxreg._trees import pytree

MOST_ROWS, MOST_NAMES = 40, 3


@pytree
class Path:
    """The solutions at a series of strengths; every array has one entry for each, in their order.

    ``path[i]`` is the `Solution` at ``strengths[i]``; printing the path shows a table.

    Attributes:
      strengths: by which the penalty was multiplied.
      params: a tree like the parameters, with a leading axis.
      value: data loss + strength · penalty.
      parts: the same as `Parts`; choose by the data loss of examples that were left out.
      optimality, steps, converged, tolerance: as in `Solution`.
      degrees_of_freedom: how many parameters the data determine: tr(∂ŵ/∂e·H) of the solution, if a
        term −⟨e, w⟩ were added to the loss, whose second derivative is H: for ridge regression
        Σ dᵢ/(dᵢ + 2λ), for the Lasso the number of non-zeros if their features are independent.
        NaN where it was not computed.
    """

    strengths: jax.Array
    params: Any
    value: jax.Array
    parts: Parts
    optimality: dict[str, jax.Array]
    steps: jax.Array
    converged: jax.Array
    tolerance: jax.Array
    degrees_of_freedom: jax.Array

    @property
    def supports(self) -> dict[str, jax.Array]:
        """{name: which entries are not zero}, with a leading axis."""
        named = [leaf for leaf in leaves_by_name(self.params) if leaf.is_parameter]
        return {leaf.name: leaf.value != 0 for leaf in named}

    @property
    def zeros(self) -> dict[str, jax.Array]:
        """{name: how many entries are zero}."""
        return {name: jnp.sum(~on, axis=tuple(range(1, on.ndim))) for name, on in _items(self)}

    @property
    def entered(self) -> dict[str, jax.Array]:
        """{name: the largest strength at which each entry is not zero}, 0 for those that are."""
        found = {}
        for name, on in _items(self):
            strengths = self.strengths.reshape(-1, *[1] * (on.ndim - 1))
            found[name] = jnp.max(jnp.where(on, strengths, 0), axis=0)
        return found

    def __len__(self) -> int:
        return len(self.strengths)

    def __getitem__(self, index: int) -> Solution:
        fields = {n: getattr(self, n) for n in Solution.__dataclass_fields__}
        return Solution(**jax.tree.map(lambda x: x[index] if _is_array(x) else x, fields))

    def __repr__(self) -> str:
        if isinstance(self.strengths, Tracer) or np.ndim(self.strengths) != 1:
            return "Path(traced)" if isinstance(self.strengths, Tracer) else "Path(…)"
        return _table(self)

    __str__ = __repr__


def _items(path: Path) -> Any:
    return path.supports.items()


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array | np.ndarray)


def _table(path: Path) -> str:
    path = jax.device_get(path)
    every = -(-len(path) // MOST_ROWS)
    shown = [i for i in range(len(path)) if (len(path) - 1 - i) % every == 0 or i == 0]
    supports = {name: np.asarray(on) for name, on in path.supports.items()}
    rows = [["strength", "not zero", "freedom", "data loss", "steps", "enters", ""]]
    for before, i in zip([None, *shown], shown, strict=False):
        rows.append(_row(path, supports, before, i))
    total = sum(int(on[0].size) for on in supports.values())
    open_ = len(path) - int(np.sum(path.converged))
    ending = f"{open_} of them NOT converged" if open_ else "all converged"
    every_one = f", every {_th(every)} of them shown" if every > 1 else ""
    return f"{table.aligned(rows)}\n{len(path)} strengths{every_one}, {total:,} numbers; {ending}"


def _th(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _row(path: Path, supports: Any, before: int | None, i: int) -> list[str]:
    count = sum(int(on[i].sum()) for on in supports.values())
    freedom = float(path.degrees_of_freedom[i])
    return [
        f"{float(path.strengths[i]):.4g}",
        str(count),
        "-" if np.isnan(freedom) else f"{freedom:.4g}",
        f"{float(path.parts.data[i]):.5g}",
        str(int(path.steps[i])),
        "" if before is None else _changes(supports, before, i),
        "" if path.converged[i] else "NOT converged",
    ]


def _changes(supports: Any, before: int, i: int) -> str:
    """What has become different from zero since the row before, and what zero."""
    entered = _named(supports, lambda on: on[i] & ~on[before])
    left = _named(supports, lambda on: on[before] & ~on[i])
    return ", ".join(part for part in (entered, f"not {left}" if left else "") if part)


def _named(supports: Any, change: Any) -> str:
    places = [(name, at) for name, on in supports.items() for at in np.argwhere(change(on))]
    names = [name + (f"[{','.join(map(str, at))}]" if at.size else "") for name, at in places]
    if len(names) <= MOST_NAMES:
        return " ".join(names)
    return f"{' '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"

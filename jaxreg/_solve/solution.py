"""A solution, and what is left of the way to it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxreg._objective import Parts
from jaxreg._trees import pytree


@pytree
class Solution:
    """What `solve` found; a pytree, whose arrays have a leading axis under `jax.vmap`.

    Attributes:
      params: a tree like the one that was given.
      value: data loss + penalty there.
      parts: the same as `Parts`, with ``aux`` of the loss.
      optimality: {name: distance from a stationary point}, as `jaxreg.diagnostics.optimality` has
        it, for the step that was taken last; in the unit of the gradient.
      steps: proximal steps that were taken.
      converged: whether all ``optimality`` together is within ``tolerance``. If it is not, printing
        the solution shows what is left.
      tolerance: in the unit of the gradient.
    """

    params: Any
    value: jax.Array
    parts: Parts
    optimality: dict[str, jax.Array]
    steps: jax.Array
    converged: jax.Array
    tolerance: jax.Array

    def __repr__(self) -> str:
        if isinstance(self.converged, Tracer):
            return "Solution(traced)"
        if not isinstance(self.converged, jax.Array | np.ndarray | np.bool_):
            return "Solution(…)"  # what tree functions make of one
        return _described(self) if np.ndim(self.converged) == 0 else _counted(self)


def _described(solution: Solution) -> str:
    data, penalty = solution.parts.data, solution.parts.penalty
    found = (
        f"value {_short(solution.value)} = data {_short(data)} + penalty {_short(penalty)}, "
        f"{int(solution.steps)} steps"
    )
    if solution.converged:
        return f"Solution(converged: {found}, optimality {_short(_left(solution))})"
    name, worst = max(solution.optimality.items(), key=lambda item: _order(item[1]))
    return (
        f"Solution(NOT converged: {found}; optimality is {_short(_left(solution))} where "
        f"{_short(solution.tolerance)} counts as solved, most of it {_short(worst)} at "
        f"{name or 'the array'}; see help(jaxreg.solve) for what to do)"
    )


def _counted(solution: Solution) -> str:
    converged = np.asarray(solution.converged)
    count, steps = int(converged.sum()), int(np.max(solution.steps, initial=0))
    open_ = [tuple(map(int, i)) for i in np.argwhere(~converged)[:5]]
    rest = "" if count == converged.size else f"; NOT converged: {', '.join(map(_index, open_))}"
    more = ", …" if converged.size - count > 5 else ""
    return f"Solution({count} of {converged.size} converged, at most {steps} steps{rest}{more})"


def _index(index: tuple[int, ...]) -> str:
    return str(index[0] if len(index) == 1 else index)


def _left(solution: Solution) -> Any:
    return together(solution.optimality)


def together(optimality: dict[str, jax.Array]) -> jax.Array:
    """√Σ of the squares, finite at any size."""
    dtype = jnp.result_type(*(np.dtype(x.dtype) for x in optimality.values()))
    return jnp.linalg.norm(jnp.stack([x.astype(dtype) for x in optimality.values()]), axis=0)


def _order(number: Any) -> float:
    return float("inf") if np.isnan(number) else float(number)


def _short(number: Any) -> str:
    return f"{float(number):.4g}"

"""What a loss is given has to be arrays; what people give instead is told what to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxreg._messages.brief import brief, is_array
from jaxreg._trees import Leaf


def require_arrays(owner: str, leaves: Sequence[Leaf], args: Sequence[Any]) -> None:
    """Raises for numbers among the parameters and data that JAX does not take.

    Numbers that a module holds are its settings. In a dict they are meant as parameters, and would
    stay as they are.
    """
    for leaf in leaves:
        if isinstance(leaf.value, float | complex) and not _is_of_module(leaf):
            raise TypeError(
                f"{owner}: expected arrays as parameters, got the number {leaf.value!r} as "
                f"{leaf.name}, which would stay as it is; write jnp.array({leaf.value!r}), or hand "
                f"it to the loss among the further arguments if it is fixed"
            )
    for i, arg in enumerate(args):
        if fault := _fault(arg):
            got, advice = fault
            raise TypeError(
                f"{owner}: expected arrays as further arguments of the loss, got {got} as the "
                f"{_ordinal(i)}; {advice}"
            )


def _is_of_module(leaf: Leaf) -> bool:
    return leaf.owner is not None and not issubclass(leaf.owner, tuple)


def _fault(arg: Any) -> tuple[str, str] | None:
    """What is wrong with an argument, and the way out; a tuple of numbers may be axes."""
    leaves = jax.tree.leaves(arg)
    if isinstance(arg, list) and len(leaves) > 1 and all(map(_is_number, leaves)):
        return brief(arg), "make it one: jnp.asarray(…)"
    for leaf in leaves:
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind not in "biufc":
            return f"an array of {leaf.dtype}", "make it numbers: np.asarray(…, float)"
        kind = type(leaf).__module__.partition(".")[0]
        if kind == "scipy" and hasattr(leaf, "tocoo"):
            advice = "JAX computes with jax.experimental.sparse.BCOO.from_scipy_sparse(…)"
            return f"a sparse matrix of scipy of shape {leaf.shape}", advice
        if kind in ("pandas", "polars", "torch", "tensorflow"):
            return f"{type(leaf).__name__} of {kind}", "make it an array: np.asarray(…)"
    return None


def _is_number(leaf: Any) -> bool:
    return not is_array(leaf) and isinstance(leaf, int | float | complex)


def _ordinal(i: int) -> str:
    return ("first", "second", "third")[i] if i < 3 else f"{i + 1}th"

"""Formulas that no penalty is part of: a penalty is a function, not yet a number.

``1e-4 * l2`` and ``l2 + l1`` are penalties. In ``loss + 1e-4 * l2`` the parameters are missing, and
so they are in every other operation: each raises with the formula that was probably meant.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, NoReturn

import jax
import numpy as np

from jaxreg import _numbers
from jaxreg._messages.brief import brief, is_array, is_tree


def applied(penalty: Any) -> str:
    """The penalty applied to parameters, as a formula has it."""
    shown = repr(penalty)
    return f"({shown})(params)" if " + " in shown else f"{shown}(params)"


def weighted(penalty: Any, weights: str = "weights") -> str:
    """The penalty with weights, as a formula has it."""
    shown = repr(penalty)
    return f"({shown}).weighted({weights})" if " " in shown else f"{shown}.weighted({weights})"


def refuse(symbol: str, left: Any, right: Any) -> NoReturn:
    """Raises for an operation between a penalty and something else, or two penalties."""
    sides = f" {symbol} ".join(_shown(side, symbol) for side in (left, right))
    expected = "penalties: expected a number times a penalty, or a sum of penalties, got"
    if any(hasattr(side, "__qualname__") for side in (left, right)):
        penalty = right if hasattr(left, "__qualname__") else left
        raise TypeError(f"{expected} {sides}; write regularized(loss, {penalty!r})")
    if symbol == "/" and isinstance(right, numbers.Number):
        raise TypeError(f"{expected} {sides}; write (1 / {right!r}) * {left!r}")
    formula = f" {symbol} ".join(_operand(side, symbol) for side in (left, right))
    raise TypeError(f"{expected} {sides}; apply the penalty to the parameters: {formula}")


def refuse_factor(penalty: Any, factor: Any) -> NoReturn:
    """Raises for what stands beside ``*`` and is no number."""
    if hasattr(factor, "array_value"):
        raise TypeError("penalties: expected a number times a penalty, got two; add them: p + q")
    raise TypeError(f"strength: expected a number, got {brief(factor)}; {_advice(penalty, factor)}")


def _advice(penalty: Any, factor: Any) -> str:
    if isinstance(factor, str):
        return _advice_on_text(penalty, factor)
    if isinstance(factor, list | tuple) and all(isinstance(n, numbers.Number) for n in factor):
        return (
            f"for a number for each leaf, entry or group write {weighted(penalty)}; for many "
            f"strengths map over an array: jax.vmap(lambda s: (s * {penalty!r})(params))(strengths)"
        )
    if is_tree(factor) and all(np.ndim(leaf) == 0 for leaf in jax.tree.leaves(factor)):
        return f"for a number for each leaf write {weighted(penalty, '{…}')}"
    if is_tree(factor):
        return f"apply the penalty to the parameters: {applied(penalty)}"
    if callable(factor):
        return (
            f"a strength that changes with the step is a schedule of penalties: "
            f"add_penalty_gradient(lambda step: schedule(step) * {penalty!r})"
        )
    return f"write 1e-4 * {penalty!r}"


def _advice_on_text(penalty: Any, text: str) -> str:
    try:
        float(text)
    except ValueError:
        return f"to select leaves write {penalty!r}.on({text!r})"
    return f"write {text} * {penalty!r}"


def _shown(side: Any, symbol: str) -> str:
    if not hasattr(side, "array_value"):
        return brief(side) if isinstance(side, numbers.Number) else f"({brief(side)})"
    shown = repr(side)
    return f"({shown})" if " " in shown and symbol != "+" else shown


def _operand(side: Any, symbol: str) -> str:
    if _numbers.is_python(side):
        return repr(side)
    if not hasattr(side, "array_value"):
        return "loss" if is_array(side) else "…"
    shown = applied(side)
    return f"({shown})" if " * " in shown and symbol not in "+-" else shown


def _refused(symbol: str, *, reflected: bool = False) -> Callable[[Any, Any], NoReturn]:
    def operation(self: Any, other: Any) -> NoReturn:
        refuse(symbol, *((other, self) if reflected else (self, other)))

    return operation


class SumsAndMultiplesOnly:
    """What has ``+`` and ``*``, and refuses every other operation by saying what to write."""

    __sub__, __rsub__ = _refused("-"), _refused("-", reflected=True)
    __truediv__, __rtruediv__ = _refused("/"), _refused("/", reflected=True)
    __floordiv__, __rfloordiv__ = _refused("//"), _refused("//", reflected=True)
    __mod__, __rmod__ = _refused("%"), _refused("%", reflected=True)
    __pow__, __rpow__ = _refused("**"), _refused("**", reflected=True)
    __matmul__, __rmatmul__ = _refused("@"), _refused("@", reflected=True)

    def __neg__(self) -> NoReturn:
        raise TypeError(
            f"penalties: expected strengths ≥ 0, got -({self!r}); apply the penalty to the "
            f"parameters: -{applied(self)}"
        )

    def __float__(self) -> NoReturn:
        raise TypeError(
            f"{self!r}: expected a number, got a penalty, which is a function; apply it to the "
            f"parameters: float({applied(self)})"
        )

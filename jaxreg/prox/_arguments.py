"""What the operators of one array are given, checked by the names of their arguments."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax.numpy as jnp
import numpy as np

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def operator(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, whose arguments are known to be an array, a step ≥ 0, settings and axes."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        given = signature.bind(*args, **kwargs).arguments
        for name, value in given.items():
            if name in CHECKS:
                CHECKS[name](f"prox.{function.__name__}: {name}", value)
        if {"w", "axis"} <= given.keys() and given["axis"] is not None:
            _require_axis(f"prox.{function.__name__}: axis", given["axis"], given["w"])
        return function(*args, **kwargs)

    return explained(call)


def _require_array(name: str, w: Any) -> None:
    w = _numbers.array(name, w)
    if not jnp.issubdtype(w.dtype, jnp.inexact):
        raise TypeError(
            f"{name}: expected a floating-point array, got {brief(w)}; write jnp.asarray(w, float)"
        )


def _require_bound(name: str, bound: Any) -> None:
    """Of a box: infinite if there is none."""
    _numbers.required(name, bound)
    infinite = isinstance(bound, float | np.floating) and math.isinf(bound)
    if _numbers.is_python(bound) and not (infinite or math.isfinite(_numbers.as_float(bound))):
        raise ValueError(f"{name}: expected a number, or ∞ for none, got {brief(bound)}")


def _require_above_one(name: str, number: Any) -> None:
    if _numbers.is_python(_numbers.checked(name, number)) and number <= 1:
        raise ValueError(f"{name}: expected a number > 1, got {brief(number)}")


def _require_axis(name: str, axis: Any, w: Any) -> None:
    axes, shape = _numbers.as_axis(axis), jnp.shape(w)
    if axes is None:
        raise TypeError(f"{name}: expected an integer or a tuple of integers, got {brief(axis)}")
    if not _numbers.are_axes(axes, len(shape)):
        raise ValueError(f"{name}: expected axes of the shape {shape}, each once, got {axis}")


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "w": _require_array,
    **dict.fromkeys(("step", "bound"), _numbers.checked),
    **dict.fromkeys(("delta", "eps", "gamma"), _numbers.positive),
    **dict.fromkeys(("lower", "upper"), _require_bound),
    "a": _require_above_one,
}

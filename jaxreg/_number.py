"""Strengths, steps and rates: Python numbers are validated, traced ones never looked at."""

from __future__ import annotations

import math
import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def checked(name: str, number: Any) -> Any:
    """``number`` as a float, once it is known to be finite and ≥ 0; arrays as they are.

    Traced values are never looked at, and integers become floats, or `jax.grad` would refuse them.
    """
    if not is_python(number):
        return number
    is_real = isinstance(number, numbers.Real) and not isinstance(number, bool)
    value = float(number) if is_real else math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}: expected a finite number ≥ 0, got {number!r}")
    return value


def scalar(name: str, number: Any, dtype: Any) -> jax.Array:
    if jnp.ndim(number):
        raise ValueError(
            f"{name}: expected a scalar, got an array of shape {jnp.shape(number)}; "
            f"map over it: jax.vmap(lambda {name}: …)(values)"
        )
    return jnp.asarray(number).astype(dtype)


def is_numeric(value: Any) -> bool:
    return is_python(value) or jnp.issubdtype(value.dtype, jnp.number)


def is_python(value: Any) -> bool:
    return isinstance(value, numbers.Number | np.generic)


def is_one(strength: Any) -> bool:
    return isinstance(strength, float) and strength == 1.0


def show(strength: Any) -> str:
    if isinstance(strength, Tracer):
        return "λ"
    return str(np.asarray(strength)[()]) if hasattr(strength, "dtype") else repr(strength)

"""Strengths, steps and rates: Python numbers are validated, traced ones never looked at."""

from __future__ import annotations

import math
import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxreg._messages.brief import brief

SHOWN = 12  # numbers of one array that are spelled out


def checked(name: str, number: Any) -> Any:
    """``number`` as a float, once it is known to be finite and ≥ 0; arrays as they are.

    Traced values are never looked at, and integers become floats, or `jax.grad` would refuse them.
    """
    if not is_python(number):
        return required(name, number)
    value = float(number) if is_real(number) else math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}: expected a finite number ≥ 0, got {number!r}")
    return value


def required(name: str, number: Any, expected: str = "a number") -> Any:
    """``number``, once it is known to be one, or an array of them."""
    if is_python(number) or hasattr(number, "dtype") or hasattr(number, "__jax_array__"):
        return number
    raise TypeError(f"{name}: expected {expected}, got {brief(number)}")


def positive(name: str, number: Any) -> Any:
    """``number``, once it is known to be finite and > 0."""
    number = checked(name, number)
    if is_python(number) and number == 0:
        raise ValueError(f"{name}: expected a number > 0, got 0")
    return number


def at_most_one(name: str, number: Any, *, below: bool = False) -> Any:
    """``number``, once it is known to be ≤ 1, or < 1 with ``below``."""
    if is_python(number) and (number > 1 or (below and number == 1)):
        raise ValueError(f"{name}: expected a number {'<' if below else '≤'} 1, got {number!r}")
    return number


def setting(
    owner: str, name: str, number: Any, *, above: float = -math.inf, least: float = -math.inf
) -> Any:
    """A setting of a penalty as a float, known to be > ``above`` and ≥ ``least``; or an array.

    What is neither a number nor an array is the parameters, put where settings belong.
    """
    if hasattr(number, "dtype") and not isinstance(number, np.generic):
        return number
    value = float(number) if is_real(number) else math.nan
    if math.isfinite(value) and value > above and value >= least:
        return value
    got = repr(number) if is_python(number) else f"a {type(number).__name__}"
    limits = f" > {above:g}" * (above > -math.inf) + f" ≥ {least:g}" * (least > -math.inf)
    error = ValueError if is_python(number) else TypeError
    raise error(
        f"{owner}: expected {name}, a finite number{limits}, got {got}; "
        f"write {owner}({name}=…)(params)"
    )


def scalar(name: str, number: Any, dtype: Any) -> jax.Array:
    if jnp.ndim(number):
        raise ValueError(
            f"{name}: expected a scalar, got an array of shape {jnp.shape(number)}; "
            f"map over it: jax.vmap(lambda {name}: …)(values)"
        )
    return cast(number, dtype)


def cast(array: Any, dtype: Any) -> jax.Array:
    """The array in a dtype as JAX has it: without x64, float64 stands for float32."""
    return jnp.asarray(array).astype(jax.dtypes.canonicalize_dtype(dtype))


def is_numeric(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return is_python(value) or (dtype is not None and jnp.issubdtype(dtype, jnp.number))


def is_python(value: Any) -> bool:
    return isinstance(value, numbers.Number | np.generic)


def is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def is_one(strength: Any) -> bool:
    return isinstance(strength, float) and strength == 1.0


def show(strength: Any) -> str:
    if isinstance(strength, Tracer):
        return "λ"
    if isinstance(strength, float) and math.isinf(strength):
        return f"float('{strength}')"  # which evaluates back, as everything else does
    if not hasattr(strength, "dtype"):
        return repr(strength)
    return _shown_array(strength) if np.ndim(strength) else str(np.asarray(strength)[()])


def _shown_array(array: Any) -> str:
    if np.size(array) > SHOWN:
        return "…"
    numbers = np.array2string(np.asarray(array), separator=", ", floatmode="unique")
    return f"jnp.array({' '.join(numbers.split())})"

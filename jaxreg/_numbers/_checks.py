"""Strengths, steps, rates and counts: Python numbers are validated, traced ones never looked at."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxreg._messages.brief import brief, quoted

SHOWN = 12  # numbers of one array that are spelled out


def checked(name: str, number: Any) -> Any:
    """``number`` as a float, once it is known to be finite and ≥ 0; arrays as they are.

    Traced values are never looked at, and integers become floats, or `jax.grad` would refuse them.
    """
    if not is_python(number):
        return required(name, number)
    value = as_float(number)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}: expected a finite number ≥ 0, got {brief(number)}")
    return value


def required(name: str, number: Any, expected: str = "a number") -> Any:
    """``number``, once it is known to be one, or an array of them."""
    if is_python(number) or is_numeric(number) or hasattr(type(number), "__jax_array__"):
        return number
    raise TypeError(f"{name}: expected {expected}, got {brief(number)}")


def count(name: str, number: Any, least: int = 1) -> int:
    """``number``, once it is known to be an integer and large enough."""
    is_whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    if not is_whole or number < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {brief(number)}")
    return int(number)


def positive(name: str, number: Any) -> Any:
    """``number``, once it is known to be finite and > 0."""
    number = checked(name, number)
    if is_python(number) and number == 0:
        raise ValueError(f"{name}: expected a number > 0, got 0")
    return number


def whole(name: str, number: Any) -> Any:
    """``number``, once it is known to be finite, > 0 and, of whatever type, whole."""
    number = positive(name, number)
    if is_python(number) and number % 1:
        raise ValueError(f"{name}: expected a whole number > 0, got {number!r}")
    return number


def at_most_one(name: str, number: Any, *, below: bool = False) -> Any:
    """``number``, once it is known to be ≤ 1, or < 1 with ``below``."""
    if is_python(number) and (number > 1 or (below and number == 1)):
        raise ValueError(f"{name}: expected a number {'<' if below else '≤'} 1, got {number!r}")
    return number


def array(name: str, value: Any, expected: str = "an array of numbers") -> jax.Array:
    """``value`` as an array of JAX, once it is known to be made of numbers."""
    try:
        text = any(isinstance(leaf, str | bytes) for leaf in jax.tree.leaves(value))
        found = None if text else jnp.asarray(value)
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None or not (is_numeric(found) or found.dtype == bool):
        raise TypeError(f"{name}: expected {expected}, got {brief(value)}") from None
    return found


def one_of(name: str, value: Any, choices: Iterable[str]) -> Any:
    """``value``, once it is known to be one of some names."""
    names = list(choices)
    if isinstance(value, str) and value in names:
        return value
    listed = " or ".join([", ".join(map(repr, names[:-1])), repr(names[-1])])
    raise ValueError(f"{name}: expected {listed}, got {quoted(value)}")


def setting(
    owner: str, name: str, number: Any, *, above: float = -math.inf, least: float = -math.inf
) -> Any:
    """A setting of a penalty as a float, known to be > ``above`` and ≥ ``least``; or an array.

    What is neither a number nor an array is the parameters, put where settings belong.
    """
    if is_numeric(number) and not is_python(number):
        return number
    value = as_float(number)
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


def as_float(number: Any) -> float:
    """A real number as a float: NaN for what is none, infinity for what is too large for one."""
    try:
        return float(number) if is_real(number) else math.nan
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def is_numeric(value: Any) -> bool:
    """Whether it is a number or an array of them."""
    dtype = getattr(value, "dtype", None)
    return is_python(value) or (isinstance(dtype, np.dtype) and jnp.issubdtype(dtype, jnp.number))


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

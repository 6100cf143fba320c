"""What the checks are given, looked at before any law is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._penalty.penalty import Penalty
from jaxreg._trees import leaves_of


def require_penalty(penalty: Any) -> None:
    if not isinstance(penalty, Penalty):
        raise TypeError(
            f"check_penalty: penalty: expected a penalty such as 0.5 * l2, got {brief(penalty)}"
        )


def require_factory(factory: Any) -> None:
    if not callable(factory):
        raise TypeError(
            f"check_transform: factory: expected a function that makes a transformation, got "
            f"{brief(factory)}; write lambda: optax.chain(…)"
        )


def require_params(params: Any) -> None:
    leaves_of("check_transform: params", params)


def checked_shapes(shapes: Any) -> list[tuple[int, ...]]:
    if not _is_series(shapes) or not all(_is_series(shape) for shape in shapes):
        raise TypeError(
            f"check_penalty: shapes: expected a list of shapes such as [(4, 3)], got "
            f"{brief(shapes)}"
        )
    lengths = {length for shape in shapes for length in shape}
    for length in lengths:
        _numbers.count("check_penalty: shapes", length)
    return [tuple(shape) for shape in shapes]


def checked_dtypes(owner: str, dtypes: Any) -> tuple[Any, ...]:
    if not _is_series(dtypes) or not all(map(_is_float, dtypes)):
        raise TypeError(
            f"{owner}: dtypes: expected a list of real floating-point dtypes such as "
            f"[jnp.float32], got {brief(dtypes)}"
        )
    return tuple(dtypes)


def checked_names(name: str, names: Any) -> tuple[str, ...]:
    several = isinstance(names, Sequence) and not isinstance(names, str)
    if not several or not all(isinstance(one, str) for one in names):
        raise TypeError(f"{name}: expected a list of names, got {brief(names)}")
    return tuple(names)


def _is_series(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) > 0


def _is_float(dtype: Any) -> bool:
    try:
        return dtype is not None and jnp.issubdtype(jnp.dtype(dtype), jnp.floating)
    except TypeError:
        return False

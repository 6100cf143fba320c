"""Keywords whose annotation says all that there is to check: flags, functions, meshes, mappings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxreg._messages.brief import brief

Kind = tuple[Callable[[Any], bool], str]

KINDS: dict[Any, Kind] = {
    "bool": (lambda x: isinstance(x, bool | np.bool_), "True or False"),
    "bool | None": (lambda x: x is None or isinstance(x, bool | np.bool_), "True, False or None"),
    "Mesh | None": (
        lambda x: x is None or isinstance(x, Mesh),
        "a jax.sharding.Mesh, such as jax.sharding.Mesh(jax.devices(), ('run',))",
    ),
    **dict.fromkeys(
        ("Mapping[str, Any] | None", "Mapping[str, float] | None"),
        (lambda x: x is None or isinstance(x, Mapping), "a dictionary of values by name, or None"),
    ),
    "bool | Callable[[Progress], None] | None": (
        lambda x: x is None or isinstance(x, bool | np.bool_) or callable(x),
        "True, False or a function that takes a Progress",
    ),
    "Callable[[slice, Any], None] | None": (
        lambda x: x is None or callable(x),
        "a function that takes rows and their results, or None",
    ),
    **dict.fromkeys(
        ("Callable[[Any], Any] | None", "Callable[[np.ndarray], Any] | None"),
        (lambda x: x is None or callable(x), "a function of one argument, or None"),
    ),
}
"""Annotations of keywords: which values are such, and how that is said."""


def of(signature: inspect.Signature) -> dict[str, Kind]:
    """By name, the kinds of arguments that have one."""
    parameters = signature.parameters.values()
    return {p.name: KINDS[p.annotation] for p in parameters if p.annotation in KINDS}


def require(function: str, kinds: Mapping[str, Kind], given: Mapping[str, Any]) -> None:
    """Raises if a keyword is given what is not of its kind."""
    for name in (name for name in kinds if name in given):
        is_such, expected = kinds[name]
        if not is_such(given[name]):
            raise TypeError(f"{function}: {name}: expected {expected}, got {brief(given[name])}")

"""The loss as a program: a function of a vector and of every array that it uses.

A loss is traced at every call, and compiled again only if its program differs from earlier ones.
So arrays that it closes over may change between calls, and have derivatives.
"""

from __future__ import annotations

import dataclasses
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.core import eval_jaxpr
from jax.extend import core

from jaxreg import _numbers
from jaxreg._messages.brief import is_array
from jaxreg._solve.contracted import Contraction, contraction, evaluate
from jaxreg._solve.layout import Static

HIDING = "custom_", "callback"  # in the names of primitives that hold functions


@dataclasses.dataclass(frozen=True)
class Traced:
    """(vector, operands) → (value, *aux); equal to another that computes the same."""

    jaxpr: core.Jaxpr = dataclasses.field(compare=False)
    key: Any
    text: str
    constants: tuple[int, ...]  # by identity, of functions compiled apart
    contraction: Contraction | None = dataclasses.field(compare=False)

    def __call__(self, vector: Sequence[jax.Array], operands: Sequence[Any]) -> list[jax.Array]:
        count = len(self.jaxpr.constvars)
        return eval_jaxpr(self.jaxpr, operands[:count], *vector, *operands[count:])

    @property
    def outputs(self) -> list[Any]:
        """Shapes and types of what it returns."""
        return [v.aval for v in self.jaxpr.outvars]

    def resized(self, vector: Sequence[jax.Array], operands: Sequence[Any]) -> list[jax.Array]:
        """The same for arrays with fewer features."""
        count = len(self.jaxpr.constvars)
        return evaluate(self.jaxpr, operands[:count], [*vector, *operands[count:]])


def traced(
    function: Callable[..., Any], vector: Any, args: Any, key: Any
) -> tuple[Traced, list[Any], Any]:
    """The program of ``function(vector, args)``, its operands, and the shapes of its result.

    Programs that look the same are the same, whichever function they come from, unless they hold
    what does not show: derivatives that people define themselves, and callbacks. Then another
    function, by ``key``, is another program.

    Arrays and floating-point numbers among ``args`` are operands. Everything else, such as a flag
    or an axis, is part of the program.
    """
    leaves, structure = jax.tree.flatten(args)
    numbers = [x for x in leaves if _is_operand(x)]

    def of_arrays(vector: Any, numbers: Any) -> Any:
        given = iter(numbers)
        filled = [next(given) if _is_operand(x) else x for x in leaves]
        return function(vector, jax.tree.unflatten(structure, filled))

    closed, shapes = jax.make_jaxpr(of_arrays, return_shape=True)(vector, numbers)
    inner = (p for p in _numbers.programs(closed.jaxpr) if isinstance(p, core.ClosedJaxpr))
    constants = tuple(id(x) for program in inner for x in program.consts)
    axes = contraction(closed.jaxpr, len(jax.tree.leaves(vector)))
    text = str(closed.jaxpr)
    key = _key(key) if any(word in text for word in HIDING) else None
    program = Traced(closed.jaxpr, key, text, constants, axes)
    return program, [*closed.consts, *numbers], shapes


def _is_operand(leaf: Any) -> bool:
    return is_array(leaf) or isinstance(leaf, float | complex)


def _key(function: Any) -> Any:
    """Identifies a function, without keeping alive what it closes over."""
    reference = weakref.WeakMethod if isinstance(function, types.MethodType) else weakref.ref
    try:
        key = reference(function)
        hash(key)
    except TypeError:
        return Static(function)
    return key

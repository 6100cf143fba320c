"""The programs within a program: bodies of its loops, its branches, what it calls."""

from __future__ import annotations

from collections.abc import Iterator

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

Program = Jaxpr | ClosedJaxpr


def programs(program: Program) -> Iterator[Program]:
    """Itself, and all that are within it, however deep.

    >>> looped = jax.make_jaxpr(lambda w: jax.lax.fori_loop(0, 3, lambda i, w: jax.nn.relu(w), w))
    >>> sum("max" in map(str, (e.primitive for e in p.eqns)) for p in programs(looped(1.0)))
    1
    """
    yield program
    for equation in program.eqns:
        for value in jax.tree.leaves(equation.params, is_leaf=_is_program):
            if _is_program(value):
                yield from programs(value)


def _is_program(value: object) -> bool:
    return isinstance(value, Jaxpr | ClosedJaxpr)

"""Axes of parameters that a loss uses in products with data alone, such as the features of x @ w.

A feature is a column of x and a row of w, and a row of zeros contributes nothing. Where a loss uses
w and x in such products alone, the same program evaluates it on some of the features: on those rows
of w and those columns of x.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jax.core import eval_jaxpr
from jax.extend import core

LEAF, OPERAND = "leaf", "operand"


class Use(NamedTuple):
    """A product that contracts ``axis`` of a leaf with ``across`` of an operand."""

    leaf: int
    axis: int
    operand: int
    across: int


class Contraction(NamedTuple):
    """Axes of leaves, and the axes of operands that they are contracted with, all of one size."""

    size: int
    leaves: tuple[tuple[int, int], ...]  # (index, axis)
    operands: tuple[tuple[int, int], ...]


Label = tuple[str, int]


def contraction(jaxpr: core.Jaxpr, count: int) -> Contraction | None:
    """The one of the largest operand, if the loss has any; ``count`` leaves come first.

    Arguments: the inputs of a loss as a program, constants first as its operands are.
    """
    leaves = {v: (LEAF, i) for i, v in enumerate(jaxpr.invars[:count])}
    operands = [*jaxpr.constvars, *jaxpr.invars[count:]]
    labels = leaves | {v: (OPERAND, j) for j, v in enumerate(operands)}
    uses, others = [], set()
    for use in _uses(jaxpr, labels):
        if isinstance(use, Use):
            uses.append(use)
        else:
            others.add(use)
    if not uses:
        return None
    first = max(uses, key=lambda use: operands[use.operand].aval.size)
    return _closed(first, uses, others, jaxpr)


def _closed(
    first: Use, uses: Sequence[Use], others: set[Label], jaxpr: core.Jaxpr
) -> Contraction | None:
    """All axes that go with the first, if they have no other use."""
    leaves, operands = {(first.leaf, first.axis)}, {(first.operand, first.across)}
    for _ in uses:
        with_them = [
            u for u in uses if (u.leaf, u.axis) in leaves or (u.operand, u.across) in operands
        ]
        leaves |= {(u.leaf, u.axis) for u in with_them}
        operands |= {(u.operand, u.across) for u in with_them}
    ours = {(LEAF, i) for i, _ in leaves} | {(OPERAND, j) for j, _ in operands}
    alone = len(ours) == len(leaves) + len(operands) and not ours & others
    apart = all(
        ((u.leaf, u.axis) in leaves) == ((LEAF, u.leaf) in ours)
        and ((u.operand, u.across) in operands) == ((OPERAND, u.operand) in ours)
        for u in uses
    )
    if not (alone and apart):
        return None
    shape: Any = jaxpr.invars[first.leaf].aval
    size = shape.shape[first.axis]
    return Contraction(size, tuple(sorted(leaves)), tuple(sorted(operands)))


def _uses(jaxpr: core.Jaxpr, labels: dict[Any, Label]) -> Iterator[Use | Label]:
    """Products of leaves and operands, and the labels of what is used otherwise."""
    for equation in jaxpr.eqns:
        given = [None if isinstance(v, core.Literal) else labels.get(v) for v in equation.invars]
        if not any(given):
            continue
        inner = _inlined(equation)
        if inner is not None:
            pairs = zip(inner.jaxpr.invars, given, strict=True)
            yield from _uses(inner.jaxpr, {v: label for v, label in pairs if label})
            continue
        use = _product(equation, given)
        yield from [use] if use else [label for label in given if label]
    for v in jaxpr.outvars:
        if not isinstance(v, core.Literal) and v in labels:
            yield labels[v]


def _inlined(equation: Any) -> core.ClosedJaxpr | None:
    """The program that an equation calls, of `jax.jit`."""
    return equation.params["jaxpr"] if equation.primitive.name in ("jit", "pjit") else None


def _product(equation: Any, given: Sequence[Label | None]) -> Use | None:
    if equation.primitive.name != "dot_general":
        return None
    contracting, batch = equation.params["dimension_numbers"]
    sides = dict(zip((label[0] for label in given if label), (0, 1), strict=False))
    if len(given) != 2 or not all(given) or len(sides) != 2 or any(batch):
        return None
    if len(contracting[0]) != 1:
        return None
    at = {label[0]: (label[1], contracting[side][0]) for side, label in enumerate(given) if label}
    return Use(*at[LEAF], *at[OPERAND])


def evaluate(jaxpr: core.Jaxpr, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    """As `eval_jaxpr`, with programs within inlined, so that it may be of other shapes."""
    values = dict(zip(jaxpr.constvars, constants, strict=True))
    values |= dict(zip(jaxpr.invars, arguments, strict=True))

    def value(v: Any) -> Any:
        return v.val if isinstance(v, core.Literal) else values[v]

    for equation in jaxpr.eqns:
        inner = _inlined(equation)
        if inner is not None:
            outputs = evaluate(inner.jaxpr, inner.consts, [value(v) for v in equation.invars])
        else:
            given = list({v: None for v in equation.invars if not isinstance(v, core.Literal)})
            alone = jaxpr.replace(
                constvars=[], invars=given, outvars=equation.outvars, eqns=[equation]
            )
            outputs = eval_jaxpr(alone, [], *map(value, given))
        values |= dict(zip(equation.outvars, outputs, strict=True))
    return [value(v) for v in jaxpr.outvars]

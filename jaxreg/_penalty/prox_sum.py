"""The prox of a sum of terms at one leaf, where a closed form is known; otherwise an error.

The prox of f + g is in general not that of f followed by that of g, nor any other formula of the
two. There are exceptions, and they cover what people add up. For the terms on one leaf, in order:

1. squares: c‖v − r‖² completes the square with anything. The prox of f + c‖v − r‖² at w with step
   s is that of f at (w + 2cs·r)/(1 + 2cs) with step s/(1 + 2cs). All squares go first. Where they
   have weights, c and with it the step differ from entry to entry.
2. equal terms: the same function twice, with amounts a and b (strengths, or strengths times
   weights), is one with a + b; a constraint twice is once (`_composed`).
3. the others one after another, in an order in which each is exact after all before it. Which is
   found by trying the orders, since there are few terms. A prox is exact after an earlier one if
   moving to it keeps the subgradients that the earlier term had (`_exact_after`):

   - clipping to an interval, after convex entrywise terms: l1 + box, huber + non_negative
   - shrinking norms of groups, after norms within the groups: l1 + group_lasso, nested groups

What has no such order, huber + l1, rows + columns, l1 + nuclear, mcp + box, raises with two terms
that do not go together. No iteration stands in: the prox would then be inexact without saying so.

In a diagonal metric, ½Σ|v − w|²/steps with a step for every entry (`metric_prox_of_sum`), the same
three steps hold, except that shrinking a group unevenly turns its direction, so that only single
entries may come before it. After weighted squares it is the same, unless their weights are equal
within a group.

The facts that decide this (convex, entrywise, homogeneous, radial, interval, quadratic) are those
of a `unit`. The formulas of single units are in `jaxreg.prox` and `jaxreg._metric_prox`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._penalty.term import Term
from jaxreg._penalty.unit import Unit
from jaxreg._trees import Leaf


def prox_of_sum(leaf: Leaf, terms: Sequence[Term], step: ArrayLike) -> Any:
    """The prox of the sum of ``terms`` at one leaf, where a closed form is known.

    A quadratic c‖v − r‖² completes the square: the prox of f + c‖v − r‖² at w is that of f at
    (w + 2cs·r)/(1 + 2cs) with step s/(1 + 2cs). The others are composed in an order in which each
    is exact after all before it.
    """
    if not terms:
        return leaf.value
    real = _numbers.real_dtype(_numbers.widen(leaf.value).dtype)
    step = _numbers.scalar("step", step, real)
    if len(terms) == 1 and terms[0].takes_as_is():
        return terms[0].unit.array_prox(leaf.value, terms[0].amount(leaf) * step)
    return _proxes_composed(leaf, terms, step)


def metric_prox_of_sum(leaf: Leaf, terms: Sequence[Term], steps: jax.Array) -> Any:
    """The same in a diagonal metric: argmin_v Σ terms(v) + ½Σ|v − w|²/steps, a step per entry.

    Completing the square is exact entry by entry. Composing is where the later prox keeps the
    signs, and what comes earlier is entrywise; groups within groups are lost, since in an uneven
    metric the outer prox turns the direction of the inner group.
    """
    if not terms:
        return leaf.value
    real = _numbers.real_dtype(_numbers.widen(leaf.value).dtype)
    return _proxes_composed(leaf, terms, steps.astype(real))


def _proxes_composed(leaf: Leaf, terms: Sequence[Term], step: jax.Array) -> Any:
    """``step`` is a number, or one for every entry, with axes of length 1 where it is the same."""
    w = _numbers.widen(leaf.value)
    real = _numbers.real_dtype(w.dtype)
    for term in (t for t in terms if t.unit.quadratic):
        pull = 2 * term.amount(leaf) * step
        centre = 0 if term.reference is None else pull.astype(w.dtype) * term.centre(leaf)
        w = (w + centre) / (1 + pull).astype(w.dtype)
        step = step / (1 + pull)
    others = [_share(t, leaf) for t in terms if not t.unit.quadratic]
    uneven = frozenset(axis for axis, size in enumerate(step.shape) if size > 1)
    for term, amount in _composed(others, leaf, uneven):
        centre = 0 if term.reference is None else term.centre(leaf)
        steps = _numbers.cast(amount, real) * step
        w = centre + _prox(term.unit, w - centre, steps, uneven)
    return _numbers.cast(w, leaf.value.dtype)


def _prox(unit: Unit, w: jax.Array, steps: jax.Array, uneven: frozenset[int]) -> jax.Array:
    if uneven & unit.coupled_axes(w.ndim):
        return unit.array_metric_prox(w, steps + jnp.zeros_like(w.real))  # split as w is
    return unit.array_prox(w, steps)


class _Share(NamedTuple):
    """What a term has of one leaf."""

    term: Term
    amount: Any  # strength · weights


def _share(term: Term, leaf: Leaf) -> _Share:
    return _Share(term, term.amount(leaf) if term.weights else term.strength)


def _composed(shares: list[_Share], leaf: Leaf, uneven: frozenset[int]) -> Sequence[_Share]:
    """``shares``, equal ones merged, in an order in which their prox compose exactly."""
    merged: list[_Share] = []
    for share in shares:
        twins = [i for i, other in enumerate(merged) if _same_function(share.term, other.term)]
        if not twins:
            merged.append(share)
        elif not share.term.unit.constraint:
            twin = merged[twins[0]]
            merged[twins[0]] = _Share(twin.term, twin.amount + share.amount)
    ndim = leaf.value.ndim
    for order in itertools.permutations(merged):
        pairs = itertools.combinations([share.term for share in order], 2)
        if all(_exact_after(b, a, ndim, uneven) for a, b in pairs):
            return order
    first, second = _offenders([share.term for share in merged], ndim, uneven)
    raise TypeError(
        f"prox: expected terms whose prox is known in closed form together, got {first!r} and "
        f"{second!r} on {leaf.name or 'the same array'}; put one of them into the loss, or select "
        f"different leaves with .on(...)"
    )


def _offenders(terms: list[Term], ndim: int, uneven: frozenset[int]) -> tuple[Term, Term]:
    """Two terms of which neither may come last; an order exists where there are none."""
    return next(
        (a, b)
        for a, b in itertools.combinations(terms, 2)
        if not _exact_after(a, b, ndim, uneven) and not _exact_after(b, a, ndim, uneven)
    )


def _same_function(a: Term, b: Term) -> bool:
    """Whether two terms differ in strength alone, as far as that is known while tracing."""
    if type(a.unit) is not type(b.unit) or a.reference is not b.reference:
        return False
    ours, theirs = jax.tree.flatten(a.unit), jax.tree.flatten(b.unit)
    return ours[1] == theirs[1] and all(
        x is y or (_numbers.is_python(x) and _numbers.is_python(y) and x == y)
        for x, y in zip(ours[0], theirs[0], strict=True)
    )


def _exact_after(later: Term, earlier: Term, ndim: int, uneven: frozenset[int]) -> bool:
    """Whether the prox of ``later`` applied after that of ``earlier`` is the prox of their sum.

    It is if moving w to the prox of ``later`` keeps every subgradient of ``earlier``. Clipping to
    an interval does, for whatever is convex entry by entry. Shrinking the norm of a group does,
    for whatever is positively homogeneous, has the same centre, and acts within the group; where
    the step is uneven within the group, and shrinks its entries unevenly, on single entries. All
    this holds whatever the weights of entries and groups.

    References: Yu 2013, *On decomposing the proximal map*; Jenatton et al. 2011, *Proximal
    methods for hierarchical sparse coding* (arXiv:1009.2139).
    """
    if later.unit.interval:
        return earlier.unit.entrywise and earlier.unit.convex
    shrunk = later.unit.coupled_axes(ndim)
    within = earlier.unit.coupled_axes(ndim) <= (frozenset() if shrunk & uneven else shrunk)
    same_centre = later.reference is earlier.reference
    is_norm = earlier.unit.convex and earlier.unit.homogeneous
    return later.unit.radial and is_norm and within and same_centre

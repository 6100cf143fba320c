"""What a rule or a penalty covers, leaf by leaf, with the reason: before anything is trained."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from jaxreg import _trees
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._messages.table import aligned
from jaxreg._penalty.penalty import Penalty
from jaxreg._select.roles import Verdict
from jaxreg._select.rules import Where, nameless
from jaxreg._select.select import where as rule
from jaxreg._trees import Leaf


@dataclasses.dataclass(frozen=True)
class Coverage:
    """What a rule selects: rows of (name, shape, selected, why, count); prints as a table."""

    rows: tuple[tuple[str, tuple[int, ...], bool, str, int], ...]
    note: str = ""  # what the table leaves unsaid: leaves without names, trees without parameters

    def __str__(self) -> str:
        cells = [
            (name, str(shape), "yes" if on else "no", f"{count:,}", why)
            for name, shape, on, why, count in self.rows
        ]
        table = [("leaf", "shape", "selected", "count", "why"), *cells]
        return "\n".join([aligned(table), self._summary(), *filter(None, [self.note])])

    __repr__ = __str__

    def _summary(self) -> str:
        chosen = [row[4] for row in self.rows if row[2]]
        everything = sum(row[4] for row in self.rows)
        return (
            f"{len(chosen)} of {len(self.rows)} leaves, {sum(chosen):,} of {everything:,} numbers"
        )


@dataclasses.dataclass(frozen=True)
class PenaltyCoverage:
    """What a penalty covers: pairs of a term, as text, and its `Coverage`; prints as tables."""

    terms: tuple[tuple[str, Coverage], ...]

    def __str__(self) -> str:
        return "\n\n".join(f"{term}\n{coverage}" for term, coverage in self.terms)

    __repr__ = __str__


@explained
def describe(params: Any, where: Any = None) -> Coverage | PenaltyCoverage:
    """What ``where`` selects in ``params``, leaf by leaf, with the reason; prints as a table.

    >>> import jax.numpy as jnp
    >>> from jaxreg import l1, l2, weights
    >>> params = {"fc1": {"bias": jnp.zeros(8), "kernel": jnp.zeros((4, 8))}}
    >>> describe(params, weights)
    leaf        shape   selected  count  why
    fc1/bias    (8,)    no        8      called bias
    fc1/kernel  (4, 8)  yes       32     a weight
    1 of 2 leaves, 32 of 40 numbers
    >>> describe(params, 0.1 * l2.on(weights) + l1).terms[0][0]
    '0.1 * l2.on(weights)'

    Args:
      params: a tree of arrays, or of anything with a shape and a dtype.
      where: a rule, as for ``jaxreg.where``, None for every parameter; or a penalty, of which
        every term is described.

    Returns:
      A ``Coverage``: ``rows`` of (name, shape, selected, why, count), and a ``note`` where leaves
      have no name to go by. Of a penalty a ``PenaltyCoverage``: ``terms`` of (term, coverage).

    Raises:
      TypeError: if the two are exchanged, or ``where`` is neither a rule nor a penalty.
      ValueError: if a regular expression matches no leaf.
    """
    _require_parameters_first(params)
    leaves = _trees.leaves(params)
    if isinstance(where, Penalty):
        rows = [(repr(term), _coverage(leaves, term.where)) for term in where.terms]
        return PenaltyCoverage(tuple(rows))
    return _coverage(leaves, rule(where))


def _require_parameters_first(params: Any) -> None:
    is_rule = isinstance(params, Where | Penalty | str)
    if is_rule or (callable(params) and all(leaf is params for leaf in jax.tree.leaves(params))):
        if hasattr(params, "trainable_variables"):
            raise TypeError(
                f"describe: expected parameters (a pytree of arrays), got {brief(params)}; pass "
                f"its trainable_variables"
            )
        got = repr(params) if is_rule else getattr(params, "__name__", "a function")
        raise TypeError(
            f"describe: expected the parameters first, got {got}; if the two are exchanged, write "
            f"describe(params, {got})"
        )


def _coverage(leaves: list[Leaf], where: Where) -> Coverage:
    verdicts = where.verdicts(leaves)
    rows = [
        (leaf.name or ".", np.shape(leaf.value), verdict.selected, verdict.why, _count(leaf))
        for leaf, verdict in zip(leaves, verdicts, strict=True)
    ]
    return Coverage(tuple(rows), _note(leaves, where, verdicts))


def _note(leaves: list[Leaf], where: Where, verdicts: list[Verdict]) -> str:
    rows = zip(leaves, verdicts, strict=True)
    unknown = [leaf.name for leaf, verdict in rows if not verdict.certain]
    if unknown:
        return f"note: {nameless(where, unknown)}"
    if leaves and not any(leaf.is_parameter for leaf in leaves):
        kinds = ", ".join(sorted({type(leaf.value).__name__ for leaf in leaves}))
        return (
            f"note: expected floating-point arrays, got {kinds} alone; give the arrays that they "
            f"hold, as a library's own function for freezing or unwrapping parameters does"
        )
    return ""


def _count(leaf: Leaf) -> int:
    return int(np.size(leaf.value)) if hasattr(leaf.value, "dtype") else 0

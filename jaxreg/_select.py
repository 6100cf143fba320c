"""Which leaves a penalty acts on: rules by name, by owner, by shape, and what they cover.

A rule is None (every parameter), a regular expression searched for in the leaf's name, a function
``(name, leaf) -> bool``, a tree of bools (or a prefix of one), or another rule. ``where`` makes it
a hashable object with ``~``, ``&`` and ``|``; ``weights`` and ``biases`` are ready-made.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jaxreg import _roles, _table, _tree
from jaxreg._roles import Verdict
from jaxreg._tree import Leaf

NOT_A_PARAMETER: Verdict = (False, "not a parameter")


@dataclasses.dataclass(frozen=True)
class Where:
    """A rule that says of each leaf whether it is selected. Made by ``where``; hashable.

    Not callable, on purpose: optax takes callables among hyperparameters for schedules.
    """

    kind: str
    rule: Hashable

    def __invert__(self) -> Where:
        return Where("not", self)

    def __and__(self, other: Any) -> Where:
        return Where("and", (self, where(other)))

    def __or__(self, other: Any) -> Where:
        return Where("or", (self, where(other)))

    def __repr__(self) -> str:
        return REPR[self.kind](self.rule)

    def verdicts(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        """For every leaf, whether it is selected, and the reason in words."""
        judged = iter(RULES[self.kind](self.rule, [leaf for leaf in leaves if leaf.is_parameter]))
        return [next(judged) if leaf.is_parameter else NOT_A_PARAMETER for leaf in leaves]

    def selected(self, leaves: Sequence[Leaf]) -> list[bool]:
        """For every leaf, whether it is selected."""
        return [selected for selected, _ in self.verdicts(leaves)]

    def mask(self, params: Any) -> Any:
        """A tree of bools like ``params``: the mask that optax's wrappers and optimizers take.

        >>> import jax.numpy as jnp
        >>> weights.mask({"bias": jnp.zeros(2), "kernel": jnp.zeros((2, 2))})
        {'bias': False, 'kernel': True}

        ``optax.adamw(1e-3, mask=jaxreg.weights.mask)`` decays the weights alone.
        """
        return _tree.replace_leaves(params, self.selected(_tree.leaves(params)))


def where(rule: Any) -> Where:
    r"""A rule for selecting leaves, as a hashable object with ``~``, ``&`` and ``|``.

    Args:
      rule: None for every parameter; a regular expression, searched for in names such as
        ``fc1/kernel``; a function ``(name, leaf) -> bool``; a tree of bools of the structure of
        the parameters or a prefix of it; or a rule, returned as it is. Functions are compared by
        identity: define one once, or every new lambda compiles anew.

    Returns:
      The rule. It selects floating-point parameters only, whatever it says: never integers, PRNG
      keys, Python numbers, NNX variables other than ``nnx.Param``, Equinox's state or Linen's
      ``batch_stats``.

    Raises:
      TypeError: if ``rule`` is none of these, or a function that cannot be hashed; when applied,
        if a function does not return a bool.
      ValueError: if the regular expression does not compile; when applied, if it matches no
        parameter, or if a tree of bools leaves one out.

    >>> where(r"fc1/kernel$") | biases
    where('fc1/kernel$') | biases
    """
    if isinstance(rule, Where):
        return rule
    if rule is None:
        return everything
    if isinstance(rule, str):
        return Where("regex", _compiled(rule).pattern)
    flags = jax.tree.leaves(rule)
    if flags and all(isinstance(flag, bool | np.bool_) for flag in flags):  # an Equinox module of
        named = ((leaf.name, bool(leaf.value)) for leaf in _tree.leaves(rule))  # bools is callable
        return Where("tree", tuple(sorted(named)))
    if callable(rule) and all(flag is rule for flag in flags):
        return Where("function", _hashable(rule))
    raise TypeError(
        f"where: expected None, a regular expression, a function (name, leaf) -> bool or a tree "
        f"of bools, got {rule!r}; for one leaf write its name, as in where('fc1/kernel$')"
    )


def _hashable(rule: Any) -> Any:
    try:
        hash(rule)
    except TypeError:
        raise TypeError(
            f"where: expected a hashable function, since rules key jit's cache, got {rule!r}; "
            f"wrap it: def rule(name, leaf): ..."
        ) from None
    return rule


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"where: expected a regular expression, got {pattern!r} ({error}); "
            f"re.escape() quotes a literal name"
        ) from None


def _all(_: Any, leaves: Sequence[Leaf]) -> list[Verdict]:
    return [(True, "every parameter")] * len(leaves)


def _regex(pattern: str, leaves: Sequence[Leaf]) -> list[Verdict]:
    hits = [bool(re.search(pattern, leaf.name)) for leaf in leaves]
    if leaves and not any(hits):
        raise ValueError(_nothing_matches(pattern, [leaf.name for leaf in leaves]))
    return [(hit, f"matches {pattern!r}" if hit else f"no match for {pattern!r}") for hit in hits]


def _nothing_matches(pattern: str, names: list[str]) -> str:
    near = sorted(names, key=lambda name: -_closeness(pattern.strip("^$"), name))
    return (
        f"where: expected {pattern!r} to match at least one parameter, but it matches none of "
        f"{len(names)}; the nearest names are {', '.join(near[:3])}"
    )


def _closeness(pattern: str, name: str) -> float:
    """The likeness of the pattern to that stretch of the name, as many segments long, it suits."""
    segments, length = name.split("/"), pattern.count("/") + 1
    starts = range(max(len(segments) - length, 0) + 1)
    stretches = ("/".join(segments[start : start + length]) for start in starts)
    return max(difflib.SequenceMatcher(None, pattern, part).ratio() for part in stretches)


def _function(rule: Callable[[str, Any], Any], leaves: Sequence[Leaf]) -> list[Verdict]:
    name = getattr(rule, "__name__", repr(rule))
    verdicts = []
    for leaf in leaves:
        chosen = rule(leaf.name, leaf.value)
        if not isinstance(chosen, bool | np.bool_):
            raise TypeError(
                f"where: expected {name}(name, leaf) to return a bool, got {chosen!r} for "
                f"{leaf.name}; decide by name, shape or dtype, not by value"
            )
        verdicts.append((bool(chosen), f"{name} says {bool(chosen)}"))
    return verdicts


def _bool_tree(flags: tuple[tuple[str, bool], ...], leaves: Sequence[Leaf]) -> list[Verdict]:
    known = dict(flags)
    return [(_flag(known, leaf.name), "tree of bools") for leaf in leaves]


def _flag(known: dict[str, bool], name: str) -> bool:
    for prefix in _prefixes(name):
        if prefix in known:
            return known[prefix]
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    raise ValueError(
        f"where: expected the tree of bools to cover every leaf, but {name} is missing; "
        f"its nearest entry is {near[0]!r}"
    )


def _prefixes(name: str) -> Iterator[str]:
    """The name, then those of the subtrees that hold it, the whole tree ("") last."""
    yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
    yield ""


def _weights(_: Any, leaves: Sequence[Leaf]) -> list[Verdict]:
    return [_roles.weight(leaf) for leaf in leaves]


def _biases(_: Any, leaves: Sequence[Leaf]) -> list[Verdict]:
    return [_roles.bias(leaf) for leaf in leaves]


def _not(rule: Where, leaves: Sequence[Leaf]) -> list[Verdict]:
    return [(not selected, why) for selected, why in rule.verdicts(leaves)]


def _and(rules: tuple[Where, Where], leaves: Sequence[Leaf]) -> list[Verdict]:
    return [_combined(pair, False) for pair in _pairs(rules, leaves)]


def _or(rules: tuple[Where, Where], leaves: Sequence[Leaf]) -> list[Verdict]:
    return [_combined(pair, True) for pair in _pairs(rules, leaves)]


def _pairs(rules: tuple[Where, Where], leaves: Sequence[Leaf]) -> Iterator[tuple[Verdict, ...]]:
    return zip(*(rule.verdicts(leaves) for rule in rules), strict=True)


def _combined(pair: tuple[Verdict, ...], decisive: bool) -> Verdict:
    """The first verdict that settles it, or both together: False settles an and, True an or."""
    settled = (verdict for verdict in pair if verdict[0] == decisive)
    reasons = dict.fromkeys(why for _, why in pair)
    return next(settled, (not decisive, ", ".join(reasons)))


RULES: dict[str, Callable[[Any, Sequence[Leaf]], list[Verdict]]] = {
    "all": _all,
    "regex": _regex,
    "function": _function,
    "tree": _bool_tree,
    "weights": _weights,
    "biases": _biases,
    "not": _not,
    "and": _and,
    "or": _or,
}


def _operand(rule: Where) -> str:
    return f"({rule!r})" if rule.kind in ("and", "or") else repr(rule)


REPR: dict[str, Callable[[Any], str]] = {
    "all": lambda _: "where(None)",
    "regex": lambda rule: f"where({rule!r})",
    "function": lambda rule: f"where({getattr(rule, '__name__', repr(rule))})",
    "tree": lambda rule: f"where({dict(rule)!r})",
    "weights": lambda _: "weights",
    "biases": lambda _: "biases",
    "not": lambda rule: f"~{_operand(rule)}",
    "and": lambda rules: " & ".join(_operand(rule) for rule in rules),
    "or": lambda rules: " | ".join(_operand(rule) for rule in rules),
}

everything = Where("all", None)

weights = Where("weights", None)
"""Every parameter but biases and the parameters of normalisation layers.

Left out: a leaf called bias…, …_bias, b, b1, offset, beta, …gamma, …scale or negative_slope;
whatever a module of a class named …Norm, or one derived from it, holds (of WeightNorm and
SpectralNorm, which wrap another layer, only the magnitudes); a ``w`` or ``weight`` whose parent's
name says norm, ln, bn or gn; a one-dimensional ``weight`` of an unknown layer. Embeddings are
weights: ``weights & ~where("embed")``.
"""

biases = Where("biases", None)
"""The additive parameters: leaves called bias…, …_bias, b, b1, offset or beta, of norms too."""


@dataclasses.dataclass(frozen=True)
class Coverage:
    """What a rule selects: rows of (name, shape, selected, why, count); prints as a table."""

    rows: tuple[tuple[str, tuple[int, ...], bool, str, int], ...]

    def __str__(self) -> str:
        cells = [
            (name, str(shape), "yes" if on else "no", f"{count:,}", why)
            for name, shape, on, why, count in self.rows
        ]
        table = [("leaf", "shape", "selected", "count", "why"), *cells]
        return f"{_table.aligned(table)}\n{self._summary()}"

    __repr__ = __str__

    def _summary(self) -> str:
        chosen = [row[4] for row in self.rows if row[2]]
        everything = sum(row[4] for row in self.rows)
        return (
            f"{len(chosen)} of {len(self.rows)} leaves, {sum(chosen):,} of {everything:,} numbers"
        )


def describe(params: Any, where: Any = None) -> Coverage:
    """What ``where`` selects in ``params``, leaf by leaf, with the reason; prints as a table.

    Args:
      params: a tree of arrays, or of anything with a shape and a dtype.
      where: a rule, as for ``jaxreg.where``; None selects every parameter.

    Returns:
      A ``Coverage``: ``rows`` of (name, shape, selected, why, count).

    Raises:
      ValueError: if a regular expression matches no leaf.

    >>> import jax.numpy as jnp
    >>> describe({"fc1": {"bias": jnp.zeros(8), "kernel": jnp.zeros((4, 8))}}, weights)
    leaf        shape   selected  count  why
    fc1/bias    (8,)    no        8      called bias
    fc1/kernel  (4, 8)  yes       32     a weight
    1 of 2 leaves, 32 of 40 numbers
    """
    leaves = _tree.leaves(params)
    verdicts = _rule(where).verdicts(leaves)
    rows = [
        (leaf.name or ".", np.shape(leaf.value), selected, why, _count(leaf))
        for leaf, (selected, why) in zip(leaves, verdicts, strict=True)
    ]
    return Coverage(tuple(rows))


def _count(leaf: Leaf) -> int:
    return int(np.size(leaf.value)) if hasattr(leaf.value, "dtype") else 0


_rule = where  # the argument of `describe` bears the function's name

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

from jaxreg import _tree
from jaxreg._tree import Leaf

BIAS = re.compile(r"bias.*|b|offset|beta")
SCALE = re.compile(r"gamma|scale|negative_slope")
NORM_NAME = re.compile(r"norm|(?<![a-z])(ln|bn|gn)(?![a-z])", re.IGNORECASE)
Verdict = tuple[bool, str]  # selected, and why


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
        judged = RULES[self.kind](self.rule, leaves)
        return [
            verdict if leaf.is_parameter else (False, "not a parameter")
            for leaf, verdict in zip(leaves, judged, strict=True)
        ]

    def mask(self, leaves: Sequence[Leaf]) -> list[bool]:
        """For every leaf, whether it is selected."""
        return [selected for selected, _ in self.verdicts(leaves)]


def where(rule: Any) -> Where:
    r"""A rule for selecting leaves, as a hashable object with ``~``, ``&`` and ``|``.

    Args:
      rule: None for every parameter; a regular expression, searched for in names such as
        ``fc1/kernel``; a function ``(name, leaf) -> bool``; a tree of bools of the structure of
        the parameters or a prefix of it; or a rule, returned as it is.

    Returns:
      The rule. It selects floating-point parameters only, whatever it says: never integers, PRNG
      keys, Python numbers, NNX variables other than ``nnx.Param`` or Linen's ``batch_stats``.

    Raises:
      TypeError: if ``rule`` is none of these.
      ValueError: if the regular expression does not compile; when applied, if it matches no leaf.

    >>> where(r"fc1/kernel$") | biases
    where('fc1/kernel$') | biases
    """
    if isinstance(rule, Where):
        return rule
    if rule is None:
        return everything
    if isinstance(rule, str):
        return Where("regex", _compiled(rule).pattern)
    flags = jax.tree_util.tree_leaves(rule)
    if flags and all(isinstance(flag, bool | np.bool_) for flag in flags):
        return Where("tree", tuple((leaf.name, bool(leaf.value)) for leaf in _tree.leaves(rule)))
    if callable(rule):
        return Where("function", rule)
    raise TypeError(
        f"where: expected None, a regular expression, a function (name, leaf) -> bool or a tree "
        f"of bools, got {rule!r}; for one leaf write its name, as in where('fc1/kernel$')"
    )


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
    near = difflib.get_close_matches(pattern.strip("^$"), names, n=3, cutoff=0.0)
    return (
        f"where: expected {pattern!r} to match at least one leaf, but it matches none of "
        f"{len(names)}; the nearest names are {', '.join(near)}"
    )


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
    return [_is_weight(leaf) for leaf in leaves]


def _is_weight(leaf: Leaf) -> Verdict:
    parent, _, last = leaf.name.rpartition("/")
    parent = parent.rpartition("/")[2]
    owner = leaf.owner.__name__ if leaf.owner else ""
    if BIAS.fullmatch(last) or SCALE.fullmatch(last):
        return False, f"called {last}"
    if owner.endswith("Norm") and owner not in ("WeightNorm", "SpectralNorm"):
        return False, f"held by {owner}"
    if last in ("w", "weight") and NORM_NAME.search(parent):
        return False, f"{last} of {parent}"
    if last == "weight" and not owner and np.ndim(leaf.value) == 1:
        return False, "one-dimensional weight of an unknown layer"
    return True, "a weight"


def _biases(_: Any, leaves: Sequence[Leaf]) -> list[Verdict]:
    lasts = [leaf.name.rpartition("/")[2] for leaf in leaves]
    return [(bool(BIAS.fullmatch(last)), f"called {last}") for last in lasts]


def _not(rule: Where, leaves: Sequence[Leaf]) -> list[Verdict]:
    return [(not selected, why) for selected, why in rule.verdicts(leaves)]


def _and(rules: tuple[Where, Where], leaves: Sequence[Leaf]) -> list[Verdict]:
    pairs = zip(*(rule.verdicts(leaves) for rule in rules), strict=True)
    return [(a[0] and b[0], a[1] if not a[0] else b[1]) for a, b in pairs]


def _or(rules: tuple[Where, Where], leaves: Sequence[Leaf]) -> list[Verdict]:
    pairs = zip(*(rule.verdicts(leaves) for rule in rules), strict=True)
    return [(a[0] or b[0], a[1] if a[0] else b[1]) for a, b in pairs]


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

Left out: a leaf called bias…, b, offset, beta, gamma, scale or negative_slope; whatever a module
of a class named …Norm holds (WeightNorm and SpectralNorm excepted, which hold another layer's
kernel); a ``w`` or ``weight`` whose parent is called norm, ln, bn or gn; a one-dimensional
``weight`` of an unknown layer. Embeddings are weights: ``weights & ~where("embed")``.
"""

biases = Where("biases", None)
"""The additive parameters: leaves called bias…, b, offset or beta, those of norms included."""


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
        widths = [max(len(row[i]) for row in table) for i in range(5)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table]
        return "\n".join(line.rstrip() for line in [*lines, self._summary()])

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
        (leaf.name or ".", np.shape(leaf.value), selected, why, int(np.size(leaf.value)))
        for leaf, (selected, why) in zip(leaves, verdicts, strict=True)
    ]
    return Coverage(tuple(rows))


_rule = where  # the argument of `describe` bears the function's name

"""The rules by which leaves are selected, a small class for each kind, and their combinations."""

from __future__ import annotations

import dataclasses
import difflib
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

import jax
import numpy as np

from jaxreg import _trees
from jaxreg._select import given
from jaxreg._select.roles import Verdict
from jaxreg._trees import Leaf, Path

NOT_A_PARAMETER = Verdict(False, "not a parameter")
SHOWN = 3  # leaves named in a message


class Where:
    """A rule that says of each leaf whether it is selected. Made by ``where``; hashable.

    Not callable, on purpose: optax takes callables among hyperparameters for schedules.
    """

    def __invert__(self) -> Where:
        return Not(self)

    def __and__(self, other: Any) -> Where:
        return Both(self, as_rule(other))

    def __rand__(self, other: Any) -> Where:
        return Both(as_rule(other), self)

    def __or__(self, other: Any) -> Where:
        return Either(self, as_rule(other))

    def __ror__(self, other: Any) -> Where:
        return Either(as_rule(other), self)

    def __bool__(self) -> NoReturn:
        """What optax asks of a mask, and Python of ``not``, ``and`` and ``or``."""
        raise TypeError(
            f"{self!r}: expected a rule for many leaves to be asked leaf by leaf, got asked for "
            f"one truth value; as a mask of optax write mask={_operand(self)}.mask; combine rules "
            f"with &, | and ~"
        )

    def judge(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        """The verdicts on leaves that are parameters."""
        raise NotImplementedError

    def verdicts(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        """For every leaf, whether it is selected, the reason in words, and whether it is known."""
        judged = iter(self.judge([leaf for leaf in leaves if leaf.is_parameter]))
        return [next(judged) if leaf.is_parameter else NOT_A_PARAMETER for leaf in leaves]

    def selected(self, leaves: Sequence[Leaf]) -> list[bool]:
        """For every leaf, whether it is selected; warns of those without a name to go by."""
        verdicts = self.verdicts(leaves)
        rows = zip(leaves, verdicts, strict=True)
        unknown = [leaf.name for leaf, verdict in rows if not verdict.certain]
        if unknown:
            warnings.warn(nameless(self, unknown), UserWarning, stacklevel=3)
        return [verdict.selected for verdict in verdicts]

    def mask(self, params: Any) -> Any:
        """A tree of bools like ``params``: the mask that optax's wrappers and optimizers take.

        >>> import jax.numpy as jnp
        >>> from jaxreg import weights
        >>> weights.mask({"bias": jnp.zeros(2), "kernel": jnp.zeros((2, 2))})
        {'bias': False, 'kernel': True}

        ``optax.adamw(1e-3, mask=jaxreg.weights.mask)`` decays the weights alone.
        """
        return _trees.replace_leaves(params, self.selected(_trees.leaves(params)))


def nameless(rule: Any, names: Sequence[str]) -> str:
    """The warning about leaves that have no name but a position in a list."""
    if list(names) == [""]:
        return (
            f"{rule!r}: expected leaves with names, got one array without any, all of which counts "
            f"as a weight, biases in it too; apply the rule to the tree before it is flattened, "
            f"outside of optax.flatten, or leave it out where the array is known to be a weight, "
            f"as in Keras's kernel_regularizer"
        )
    shown = ", ".join(map(repr, names[:SHOWN])) + ", …" * (len(names) > SHOWN)
    return (
        f"{rule!r}: expected leaves with names, got {shown}, which count as weights; say which are "
        f"meant by a tree of bools, as in where([True, False]), or name them: "
        f'{{"kernel": …, "bias": …}}'
    )


@dataclasses.dataclass(frozen=True)
class Everything(Where):
    """Every parameter."""

    def judge(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        return [Verdict(True, "every parameter")] * len(leaves)

    def __repr__(self) -> str:
        return "where(None)"


@dataclasses.dataclass(frozen=True)
class Matching(Where):
    """Names in which a regular expression is found."""

    pattern: str

    def judge(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        hits = [bool(re.search(self.pattern, leaf.name)) for leaf in leaves]
        if leaves and not any(hits):
            raise ValueError(_nothing_matches(self.pattern, [leaf.name for leaf in leaves]))
        shown = repr(self.pattern)
        return [Verdict(hit, f"{'matches' if hit else 'no match for'} {shown}") for hit in hits]

    def __repr__(self) -> str:
        return f"where({self.pattern!r})"


def _nothing_matches(pattern: str, names: list[str]) -> str:
    near = sorted(names, key=lambda name: -_closeness(pattern.strip("^$"), name))
    return (
        f"where: expected {pattern!r} to match at least one parameter, but it matches none of "
        f"{len(names)}; the nearest names are {', '.join(near[:SHOWN])}"
    )


def _closeness(pattern: str, name: str) -> float:
    """The likeness of the pattern to that stretch of the name, as many segments long, it suits."""
    segments, length = name.split("/"), pattern.count("/") + 1
    starts = range(max(len(segments) - length, 0) + 1)
    stretches = ("/".join(segments[start : start + length]) for start in starts)
    return max(difflib.SequenceMatcher(None, pattern, part).ratio() for part in stretches)


@dataclasses.dataclass(frozen=True)
class Function(Where):
    """What a function of the name and the leaf says."""

    function: Callable[[str, Any], Any]

    def judge(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        return [self._verdict(leaf) for leaf in leaves]

    def _verdict(self, leaf: Leaf) -> Verdict:
        chosen, name = self.function(leaf.name, leaf.value), self._name
        if not isinstance(chosen, bool | np.bool_):
            raise TypeError(
                f"where: expected {name}(name, leaf) to return a bool, got {chosen!r} for "
                f"{leaf.name}; decide by name, shape or dtype, not by value"
            )
        return Verdict(bool(chosen), f"{name} says {bool(chosen)}")

    @property
    def _name(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))

    def __repr__(self) -> str:
        return f"where({self._name})"


@dataclasses.dataclass(frozen=True)
class Flags(Where):
    """A tree of bools, by path: of leaves, or of subtrees that hold them."""

    flags: tuple[tuple[Path, bool], ...]

    def judge(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        flags = dict(self.flags)
        return [Verdict(_flag(flags, leaf), "tree of bools") for leaf in leaves]

    def __repr__(self) -> str:
        return f"where({_trees.nested(self.flags)!r})"


def _flag(flags: dict[Path, bool], leaf: Leaf) -> bool:
    entry = _trees.entry_of(leaf, flags)
    if entry is not None:
        return flags[entry]
    names = ["/".join(path) for path in flags]
    near = difflib.get_close_matches(leaf.name, names, n=1, cutoff=0.0)
    raise ValueError(
        f"where: expected the tree of bools to cover every leaf, but {leaf.name} is missing; "
        f"its nearest entry is {near[0]!r}"
    )


@dataclasses.dataclass(frozen=True)
class Not(Where):
    """What a rule leaves out."""

    rule: Where

    def judge(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        verdicts = self.rule.judge(leaves)
        return [verdict._replace(selected=not verdict.selected) for verdict in verdicts]

    def __repr__(self) -> str:
        return f"~{_operand(self.rule)}"


@dataclasses.dataclass(frozen=True)
class Pair(Where):
    """Two rules, of which one may settle what is selected."""

    first: Where
    second: Where
    decisive: ClassVar[bool]
    symbol: ClassVar[str]

    def judge(self, leaves: Sequence[Leaf]) -> list[Verdict]:
        pairs = zip(self.first.judge(leaves), self.second.judge(leaves), strict=True)
        return [_combined(pair, decisive=self.decisive) for pair in pairs]

    def __repr__(self) -> str:
        return f"{_operand(self.first)} {self.symbol} {_operand(self.second)}"


class Both(Pair):
    """What two rules select."""

    decisive, symbol = False, "&"


class Either(Pair):
    """What one of two rules selects."""

    decisive, symbol = True, "|"


def _combined(pair: tuple[Verdict, Verdict], *, decisive: bool) -> Verdict:
    """The first verdict that settles it, or both together: False settles an and, True an or."""
    settled = sorted((v for v in pair if v.selected == decisive), key=lambda v: not v.certain)
    if settled:
        return settled[0]
    reasons = dict.fromkeys(verdict.why for verdict in pair)
    return Verdict(not decisive, ", ".join(reasons), all(verdict.certain for verdict in pair))


def _operand(rule: Where) -> str:
    return f"({rule!r})" if isinstance(rule, Pair) else repr(rule)


everything = Everything()


def as_rule(rule: Any) -> Where:
    """What ``jaxreg.where`` makes of a rule; see there."""
    if isinstance(rule, Where):
        return rule
    if rule is None:
        return everything
    if isinstance(rule, str):
        return Matching(given.compiled(rule).pattern)
    flags = jax.tree.leaves(rule)
    if flags and all(isinstance(flag, bool | np.bool_) for flag in flags):  # an Equinox module of
        named = ((leaf.path, bool(leaf.value)) for leaf in _trees.leaves(rule))  # bools is callable
        return Flags(tuple(sorted(named)))
    if callable(rule) and all(flag is rule for flag in flags):
        return Function(given.of_two_arguments(given.hashable(rule)))
    raise TypeError(
        f"where: expected None, a regular expression, a function (name, leaf) -> bool or a tree "
        f"of bools, got {given.kind(rule, flags)}"
    )

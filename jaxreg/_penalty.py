"""The one abstraction: a penalty is data, and its author writes the mathematics for one array.

`Penalty` carries the algebra. Whatever is built with it, ``1e-4 * l2.on(weights) + l1``, is a sum
of terms, each a strength, a unit penalty, a rule for selecting leaves and an optional reference
point; the functions below apply the terms leaf by leaf. Strengths are leaves of the penalty as a
pytree, so that it can be jitted over, vmapped and differentiated with respect to them.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import numbers
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxreg import _number, _tree
from jaxreg._prox_sum import prox_of_sum
from jaxreg._select import Where, everything, where
from jaxreg._tree import Leaf, pytree, static

P = TypeVar("P", bound="Penalty")


class _Signature:
    """Makes ``inspect.signature(l2)`` read like that of a function of the parameters."""

    def __get__(self, penalty: Any, owner: type) -> inspect.Signature:
        if penalty is None:
            raise AttributeError("__signature__")
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter("params", kind)])


def ready_made(penalty: P) -> P:
    """The one object of a penalty without settings; ``help`` shows it as it shows a function.

    pydoc prints an object's own docstring only where it differs from that of its class.
    """
    object.__setattr__(penalty, "__doc__", f"{inspect.getdoc(type(penalty))}\n")
    return penalty


class Penalty:
    """A penalty on parameters: a function of any pytree of arrays that is also a pytree itself.

    ``p(params)`` is its value, a scalar; ``p.prox(params, step)`` its proximal operator;
    ``p.grad(params)`` its gradient. ``s * p``, ``p + q`` and ``sum([p, q])`` are penalties, and so
    are ``p.on(where)``, on some leaves only, and ``p.around(reference)``, of the distance to a
    reference. Strengths may be Python numbers, arrays or traced values.

    To write one, subclass with ``@jaxreg.pytree`` and define ``array_value(w)`` and
    ``array_prox(w, step)`` for one array of at least float32, of strength 1; the base class does
    trees, dtypes, selection and strength. ``array_grad`` defaults to automatic differentiation.

    >>> import jax.numpy as jnp
    >>> from jaxreg import l1, l2, weights
    >>> params = {"kernel": jnp.array([3.0, -4.0]), "bias": jnp.array([1.0])}
    >>> penalty = 0.1 * l2.on(weights) + 0.5 * l1.on("bias")
    >>> penalty
    0.1 * l2.on(weights) + 0.5 * l1.on('bias')
    >>> float(penalty(params))
    3.0
    """

    __array_ufunc__ = None  # or NumPy would multiply its scalars into an array of penalties
    __signature__ = _Signature()
    __name__: str
    quadratic: ClassVar[bool] = False  # the squared distance, whose prox adds to any other's

    def array_value(self, w: jax.Array) -> jax.Array:
        """The unit penalty of one array, a real scalar."""
        raise NotImplementedError(f"{type(self).__name__} does not define array_value")

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        """argmin_v step·value(v) + ½‖v − w‖² for one array."""
        raise NotImplementedError(f"{type(self).__name__} does not define array_prox")

    def array_grad(self, w: jax.Array) -> jax.Array:
        """The gradient of ``array_value``: the direction of steepest ascent, also if complex."""
        return jnp.conj(jax.grad(self.array_value)(w))

    def composes_after(self, other: Penalty) -> bool:
        """Whether this prox applied after ``other``'s is the prox of the sum of the two."""
        del other
        return False

    def _terms(self) -> tuple[Term, ...]:
        return (Term(1.0, self, None, everything),)

    def __get__(self, instance: Any, owner: type | None = None) -> Penalty:
        """Itself: a penalty stored on a class is no method. (pydoc shows it like a function.)"""
        return self

    def __call__(self, params: Any, /, *misplaced: Any) -> jax.Array:
        """The penalty of ``params``: Σ over terms of strength · Σ over leaves of the value.

        Args:
          params: a pytree of arrays.

        Returns:
          A real scalar, of the widest dtype of the selected leaves and at least float32.

        Raises:
          TypeError: if ``params`` is a number, or if a strength is passed beside them.
        """
        _reject_numbers(self, params, misplaced)
        leaves = _tree.leaves(params)
        return _tree.total([term.value(leaves) for term in self._terms()])

    def prox(self, params: Any, step: ArrayLike) -> Any:
        """argmin_v penalty(v) + ‖v − params‖² / (2·step).

        Args:
          params: a pytree of arrays.
          step: s ≥ 0, the length of the gradient step that it follows (the learning rate); the
            strengths are already in the penalty. With 0 nothing moves.

        Returns:
          A tree like ``params``, with the same dtypes; leaves that are not selected are unchanged.

        Raises:
          TypeError: if ``params`` is a number, or two terms on a leaf have no joint closed form.
          ValueError: if ``step`` is a negative or non-finite Python number.
        """
        _reject_numbers(self, params, ())
        step = _number.checked("step", step)
        leaves = _tree.leaves(params)
        rows = zip(leaves, _by_leaf(self._terms(), leaves), strict=True)
        moved = [prox_of_sum(leaf, terms, step) for leaf, terms in rows]
        return _tree.replace_leaves(params, moved)

    def grad(self, params: Any) -> Any:
        """The gradient of the penalty, leaf by leaf: what `jax.grad` gives, without the sum.

        For complex leaves it is the direction of steepest ascent, 2λw for ``l2``, which is the
        conjugate of `jax.grad`'s.

        Args:
          params: a pytree of arrays.

        Returns:
          A tree like ``params``, with the same dtypes; zero where nothing is selected.
        """
        _reject_numbers(self, params, ())
        leaves = _tree.leaves(params)
        rows = zip(leaves, _by_leaf(self._terms(), leaves), strict=True)
        return _tree.replace_leaves(params, [_grad_of_sum(leaf, terms) for leaf, terms in rows])

    def on(self, rule: Any) -> Penalty:
        """The penalty of those leaves that ``rule`` selects; see `jaxreg.where`.

        >>> from jaxreg import l2, weights
        >>> l2.on(weights & ~where("embed"))
        l2.on(weights & ~where('embed'))
        """
        return Sum(tuple(term.on(where(rule)) for term in self._terms()))

    def around(self, reference: Any) -> Penalty:
        """The penalty of ``params − reference``: distance to a starting point instead of zero.

        Args:
          reference: a tree like the parameters. It is copied, so that donating the original to a
            jitted step does no harm, and found by leaf name, so that it works inside
            ``optax.masked`` and ``optax.multi_transform``. Do not return the penalty from
            ``vmap``.

        Returns:
          A penalty.

        Raises:
          ValueError: if a term has a reference already.

        References: Li, Grandvalet & Davoine 2018, *Explicit inductive bias for transfer learning*
        (arXiv:1802.01483).
        """
        named = _tree.named_copy(reference)
        return Sum(tuple(term.around(named) for term in self._terms()))

    def __mul__(self, strength: Any) -> Penalty:
        if isinstance(strength, Penalty):
            raise TypeError(
                "penalties: expected a number times a penalty, got two; add them: p + q"
            )
        if not isinstance(strength, numbers.Number | np.generic) and not hasattr(strength, "dtype"):
            return NotImplemented
        strength = _number.checked("strength", strength)
        return Sum(tuple(term.times(strength) for term in self._terms()))

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Penalty:
        if not isinstance(other, Penalty):
            return NotImplemented
        return Sum(self._terms() + other._terms())

    def __radd__(self, other: Any) -> Penalty:
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __repr__(self) -> str:
        return self.__name__


@pytree
class Term:
    """strength · unit(leaf − reference), over the leaves that a rule selects."""

    strength: Any
    unit: Penalty
    reference: dict[str, jax.Array] | None  # by name, and shared by all terms of one `around`
    where: Where = static()

    def times(self, strength: Any) -> Term:
        return Term(strength * self.strength, self.unit, self.reference, self.where)

    def plus(self, twin: Term) -> Term:
        return Term(self.strength + twin.strength, self.unit, self.reference, self.where)

    def on(self, rule: Where) -> Term:
        both = rule if self.where == everything else self.where & rule
        return Term(self.strength, self.unit, self.reference, both)

    def around(self, reference: dict[str, jax.Array]) -> Term:
        if self.reference is not None:
            raise ValueError("around: expected a penalty without a reference, but it has one")
        return Term(self.strength, self.unit, reference, self.where)

    def value(self, leaves: Sequence[Leaf]) -> jax.Array:
        chosen = itertools.compress(leaves, self.where.mask(leaves))
        value = _tree.total([self.unit.array_value(self.offset(leaf)) for leaf in chosen])
        return self.strength_in(value.dtype) * value

    def grad(self, leaf: Leaf) -> jax.Array:
        w = self.offset(leaf)
        return self.strength_in(_tree.real_dtype(w.dtype)) * self.unit.array_grad(w)

    def offset(self, leaf: Leaf) -> jax.Array:
        """The leaf in at least float32, minus its reference."""
        w = _tree.widen(leaf.value)
        return w if self.reference is None else w - self.centre(leaf)

    def centre(self, leaf: Leaf) -> jax.Array:
        assert self.reference is not None
        return _tree.named(self.reference, leaf).astype(_tree.widen(leaf.value).dtype)

    def strength_in(self, dtype: Any) -> Any:
        """The strength, as a scalar that takes part in arithmetic of ``dtype`` unpromoted."""
        return _number.scalar("strength", self.strength, dtype)

    def __repr__(self) -> str:
        factor = "" if _number.is_one(self.strength) else f"{_number.show(self.strength)} * "
        rule = self.where.rule if self.where.kind == "regex" else self.where
        chosen = "" if self.where == everything else f".on({rule!r})"
        return f"{factor}{self.unit!r}{'.around(…)' if self.reference else ''}{chosen}"


@pytree
class Sum(Penalty):
    """A sum of terms: what every operation on penalties returns."""

    terms: tuple[Term, ...]

    def _terms(self) -> tuple[Term, ...]:
        return self.terms

    def __repr__(self) -> str:
        return " + ".join(repr(term) for term in self.terms)


def _by_leaf(terms: Sequence[Term], leaves: Sequence[Leaf]) -> list[list[Term]]:
    """For every leaf, the terms that act on it."""
    masks = [term.where.mask(leaves) for term in terms]
    return [list(itertools.compress(terms, row)) for row in zip(*masks, strict=True)]


def _grad_of_sum(leaf: Leaf, terms: Sequence[Term]) -> Any:
    if not terms:
        return jnp.zeros_like(leaf.value) if _number.is_numeric(leaf.value) else leaf.value
    grads = [term.grad(leaf) for term in terms]
    return functools.reduce(jnp.add, grads).astype(leaf.value.dtype)


def _reject_numbers(penalty: Penalty, params: Any, misplaced: tuple[Any, ...]) -> None:
    """A number where parameters belong would otherwise be penalised, or pass for a strength."""
    call = f"{penalty!r}"
    if misplaced:
        raise TypeError(
            f"{call}: expected one argument, the parameters, got also {misplaced[0]!r}; "
            f"write {misplaced[0]!r} * {call}(params)"
        )
    if isinstance(params, numbers.Number | np.generic):
        raise TypeError(
            f"{call}: expected parameters (a pytree of arrays), got the number {params!r}; "
            f"write {params!r} * {call}(params)"
        )

"""The one abstraction: a penalty is data, and its author writes the mathematics for one array.

`Penalty` carries the algebra. Whatever is built with it, ``1e-4 * l2.on(weights) + l1``, is a sum
of terms, each a strength, a unit penalty, a rule for selecting leaves and an optional reference
point; the functions below apply the terms leaf by leaf. Strengths are leaves of the penalty as a
pytree, so that it can be jitted over, vmapped and differentiated with respect to them.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import numbers
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxreg import _numbers, _trees
from jaxreg._messages.calls import explained
from jaxreg._penalty.application import misplaced, parameters, require_order
from jaxreg._penalty.arithmetic import SumsAndMultiplesOnly, refuse, refuse_factor
from jaxreg._penalty.prox_sum import prox_of_sum
from jaxreg._penalty.term import Term, by_leaf, grad_of_sum
from jaxreg._select.rules import everything
from jaxreg._select.select import where
from jaxreg._trees import leaves_of, pytree

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


class Penalty(SumsAndMultiplesOnly):
    """A penalty on parameters: a function of any pytree of arrays that is also a pytree itself.

    ``p(params)`` is its value, a scalar; ``p.prox(params, step)`` its proximal operator;
    ``p.grad(params)`` its gradient. ``s * p``, ``p + q`` and ``sum([p, q])`` are penalties, and so
    are ``p.on(where)``, on some leaves only, and ``p.around(reference)``, of the distance to a
    reference. Strengths may be Python numbers, arrays or traced values.

    `jax.jit` traces them all, so that a new strength compiles nothing. ``equinox.filter_jit`` takes
    Python numbers for constants and compiles for each: give it ``jnp.asarray(strength) * l2``.
    NumPy's float64 counts as float32 unless x64 is enabled, as everywhere in JAX.

    To write one, subclass with ``@jaxreg.pytree`` and define ``array_value(w)`` and
    ``array_prox(w, step)`` for one array of at least float32, of strength 1; the base class does
    trees, dtypes, selection and strength. ``array_grad`` defaults to automatic differentiation,
    and ``array_metric_prox(w, steps)``, with a step for every entry, to ``array_prox`` where the
    class says ``entrywise = True``.

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
    constraint: ClassVar[bool] = False  # 0 or ∞, hence without strength
    widens: ClassVar[bool] = False  # takes low precision too, and widens it without a copy

    # What the prox of a sum follows from; see `prox_sum`.
    quadratic: ClassVar[bool] = False  # the squared distance
    entrywise: ClassVar[bool] = False  # Σ f(wᵢ), so that array_prox takes a step for every entry
    convex_entrywise: ClassVar[bool] = False  # Σ f(wᵢ) with f convex
    interval: ClassVar[bool] = False  # the constraint that entries lie in an interval
    homogeneous: ClassVar[bool] = False  # convex, and value(c·w) = c·value(w) for c > 0
    radial: ClassVar[bool] = False  # convex, and increasing in the norms of groups, or constant

    def array_value(self, w: jax.Array) -> jax.Array:
        """The unit penalty of one array, a real scalar."""
        raise NotImplementedError(f"{type(self).__name__} does not define array_value")

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        """argmin_v step·value(v) + ½‖v − w‖² for one array."""
        raise NotImplementedError(f"{type(self).__name__} does not define array_prox")

    def array_metric_prox(self, w: jax.Array, steps: jax.Array) -> jax.Array:
        """argmin_v value(v) + ½Σ|v − w|²/steps for one array: a step for every entry of ``w``.

        An entrywise penalty needs no other formula than ``array_prox``.
        """
        if self.entrywise or self.convex_entrywise:
            return self.array_prox(w, steps)
        raise NotImplementedError(
            f"{self!r}: expected a penalty whose prox is known with a step for every entry "
            f"(metric='adam'), got one that couples entries otherwise than by the norms of groups; "
            f"end the chain with proximal_step(penalty, learning_rate), or put it into the loss"
        )

    def array_grad(self, w: jax.Array) -> jax.Array:
        """The gradient of ``array_value``: the direction of steepest ascent, also if complex."""
        return jnp.conj(jax.grad(self.array_value)(w))

    def misfit(self, w: jax.Array) -> str | None:
        """What an array is expected to be, in words, where ``w`` is something else."""
        del w

    def coupled_axes(self, ndim: int) -> frozenset[int]:
        """The axes along which entries act together: all, unless known to be fewer."""
        return frozenset() if self.convex_entrywise else frozenset(range(ndim))

    def indicator(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        """The value of a constraint: 0 where entries within ``rounding`` of ``w`` fulfil it."""
        raise NotImplementedError(f"{type(self).__name__} is no constraint")

    def _terms(self) -> tuple[Term, ...]:
        return (Term(1.0, self, None, everything),)

    def __get__(self, instance: Any, owner: type | None = None) -> Penalty:
        """Itself: a penalty stored on a class is no method. (pydoc shows it like a function.)"""
        return self

    @functools.partial(explained, by=misplaced)
    def __call__(self, params: Any) -> jax.Array:
        """The penalty of ``params``: Σ over terms of strength · Σ over leaves of the value.

        Args:
          params: a pytree of arrays.

        Returns:
          A real scalar, of the widest dtype of the selected leaves and at least float32.

        Raises:
          TypeError: if ``params`` is a number or a string, or if anything is passed beside them.
          ValueError: if there is no parameter in ``params``.
        """
        leaves = parameters(self, params)
        return _numbers.total([term.value(leaves) for term in self._terms()])

    @explained
    def prox(self, params: Any, step: ArrayLike) -> Any:
        """argmin_v penalty(v) + ‖v − params‖² / (2·step).

        Args:
          params: a pytree of arrays.
          step: s ≥ 0, the length of the gradient step that it follows (the learning rate); the
            strengths are already in the penalty. With 0 nothing moves.

        Returns:
          A tree like ``params``, with the same dtypes; leaves that are not selected are unchanged.

        Raises:
          TypeError: if ``params`` is a number, ``step`` is none, or two terms on a leaf have no
            joint closed form.
          ValueError: if ``step`` is a negative or non-finite Python number, or there is no
            parameter in ``params``.
        """
        require_order(self, params, step)
        leaves = parameters(self, params)
        step = _numbers.checked("step", step)
        rows = zip(leaves, by_leaf(self._terms(), leaves), strict=True)
        moved = [prox_of_sum(leaf, terms, step) for leaf, terms in rows]
        return _trees.replace_leaves(params, moved)

    @explained
    def grad(self, params: Any) -> Any:
        """The gradient of the penalty, leaf by leaf: what `jax.grad` gives, without the sum.

        For complex leaves it is the direction of steepest ascent, 2λw for ``l2``, which is the
        conjugate of `jax.grad`'s.

        Args:
          params: a pytree of arrays.

        Returns:
          A tree like ``params``, with the same dtypes; zero where nothing is selected.

        Raises:
          TypeError: if ``params`` is a number or a string.
          ValueError: if there is no parameter in ``params``.
        """
        leaves = parameters(self, params)
        rows = zip(leaves, by_leaf(self._terms(), leaves), strict=True)
        return _trees.replace_leaves(params, [grad_of_sum(leaf, terms) for leaf, terms in rows])

    @explained
    def on(self, rule: Any) -> Penalty:
        """The penalty of those leaves that ``rule`` selects; see `jaxreg.where`.

        >>> from jaxreg import l2, weights
        >>> l2.on(weights & ~where("embed"))
        l2.on(weights & ~where('embed'))
        """
        return Sum(tuple(term.on(where(rule)) for term in self._terms()))

    @explained
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
          ValueError: if a term has a reference already, or there is no parameter in ``reference``.

        References: Li, Grandvalet & Davoine 2018, *Explicit inductive bias for transfer learning*
        (arXiv:1802.01483).
        """
        leaves_of("around, reference", reference)
        named = _trees.named_copy(reference)
        return Sum(tuple(term.around(named) for term in self._terms()))

    def __mul__(self, strength: Any) -> Penalty:
        if not isinstance(strength, numbers.Number | np.generic) and not hasattr(strength, "dtype"):
            refuse_factor(self, strength)
        strength = _numbers.checked("strength", strength)
        return Sum(tuple(term.times(strength) for term in self._terms()))

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Penalty:
        if not isinstance(other, Penalty):
            refuse("+", self, other)
        return Sum(self._terms() + other._terms())

    def __radd__(self, other: Any) -> Penalty:
        if not (isinstance(other, int) and other == 0):  # where `sum` starts
            refuse("+", other, self)
        return self

    def __repr__(self) -> str:
        name = getattr(self, "__name__", type(self).__name__)
        settings = [
            f"{field.name}={_numbers.show(getattr(self, field.name))}"
            for field in dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        ]
        return f"{name}({', '.join(settings)})" if settings else name


class Gradientless(Penalty):
    """A penalty that is constant wherever it is differentiable: for its prox, not for a loss."""

    def array_grad(self, w: jax.Array) -> jax.Array:
        raise TypeError(_no_gradient(repr(self)))

    def held(self, w: jax.Array) -> jax.Array:
        """``w``, such that differentiating with respect to it raises."""
        return _held(repr(self), w)


class Constraint(Gradientless):
    """The condition that parameters lie in a convex set: value 0 in it, ∞ outside, no strength.

    Its prox is the projection onto the set, whatever the step. Subclasses define
    ``contains(w, rounding)`` and ``array_prox``.
    """

    constraint: ClassVar[bool] = True

    def contains(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        """Whether an array within ``rounding`` of ``w``, entry by entry, lies in the set."""
        raise NotImplementedError(f"{type(self).__name__} does not define contains")

    def indicator(self, w: jax.Array, rounding: jax.Array) -> jax.Array:
        w = self.held(w)
        fulfilled = self.contains(w, jnp.where(jnp.isfinite(rounding), rounding, 0))
        value = jnp.where(fulfilled, 0.0, jnp.inf)
        return jnp.where(jnp.any(jnp.isnan(w)), jnp.nan, value).astype(rounding.dtype)

    def array_value(self, w: jax.Array) -> jax.Array:
        return self.indicator(w, 4 * jnp.finfo(w.dtype).eps * jnp.abs(w))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _held(penalty: str, w: jax.Array) -> jax.Array:
    del penalty
    return w


@_held.defjvp
def _held_jvp(penalty: str, primals: Any, tangents: Any) -> Any:
    raise TypeError(_no_gradient(penalty))


def _no_gradient(penalty: str) -> str:
    return (
        f"{penalty}: expected to be used through its prox, got differentiated; its gradient is "
        f"zero wherever there is one and would do nothing in a loss: take it out of the loss and "
        f"end the optimizer with jaxreg.proximal_step, or jaxreg.project for a constraint, or "
        f"call {penalty}.prox(params, step)"
    )


@pytree
class Sum(Penalty):
    """A sum of terms: what every operation on penalties returns."""

    terms: tuple[Term, ...]

    def _terms(self) -> tuple[Term, ...]:
        return self.terms

    def __repr__(self) -> str:
        return " + ".join(repr(term) for term in self.terms)

"""The algebra of penalties, and their value, prox and gradient on trees."""

from __future__ import annotations

import functools
import inspect
import numbers
from typing import Any, TypeVar

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxreg import _numbers, _trees
from jaxreg._messages.calls import explained
from jaxreg._penalty.application import misplaced, parameters, require_order
from jaxreg._penalty.arithmetic import SumsAndMultiplesOnly, refuse, refuse_factor
from jaxreg._penalty.prox_sum import prox_of_sum
from jaxreg._penalty.term import Term, by_leaf, grad_of_sum
from jaxreg._penalty.unit import Unit
from jaxreg._penalty.weights import given_weights
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


class Penalty(SumsAndMultiplesOnly, Unit):
    """A penalty on parameters: a function of any pytree of arrays that is also a pytree itself.

    ``p(params)`` is its value, a scalar; ``p.prox(params, step)`` its proximal operator;
    ``p.grad(params)`` its gradient. ``s * p``, ``p + q`` and ``sum([p, q])`` are penalties, and so
    are ``p.on(where)``, on some leaves only, ``p.around(reference)``, of the distance to a
    reference, and ``p.weighted(weights)``, with a number for each leaf, entry or group. Strengths
    may be Python numbers, arrays or traced values.

    >>> import jax.numpy as jnp
    >>> from jaxreg import l1, l2, weights
    >>> params = {"kernel": jnp.array([3.0, -4.0]), "bias": jnp.array([1.0])}
    >>> penalty = 0.1 * l2.on(weights) + 0.5 * l1.on("bias")
    >>> penalty
    0.1 * l2.on(weights) + 0.5 * l1.on('bias')
    >>> float(penalty(params))
    3.0

    `jax.jit` traces them all, so that a new strength compiles nothing. ``equinox.filter_jit`` takes
    Python numbers for constants and compiles for each: give it ``jnp.asarray(strength) * l2``.
    NumPy's float64 counts as float32 unless x64 is enabled, as everywhere in JAX.

    To write one, subclass with ``@jaxreg.pytree`` and define ``array_value(w)`` and
    ``array_prox(w, step)`` for one array of at least float32, of strength 1; the base class does
    trees, dtypes, selection and strength. ``array_grad`` defaults to automatic differentiation,
    and ``array_metric_prox(w, steps)``, with a step for every entry, to ``array_prox`` where the
    class says ``entrywise = True``. With ``convex = True`` beside it, ``box`` and ``non_negative``
    may be added to it and still have a joint prox. A condition, of value 0 or ∞, is a
    `jaxreg.Constraint`. `jaxreg.testing.check_penalty` proves what you wrote.
    """

    __array_ufunc__ = None  # or NumPy would multiply its scalars into an array of penalties
    __signature__ = _Signature()

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms that it is the sum of: itself alone, unless it is a sum."""
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
        return _numbers.total([term.value(leaves) for term in self.terms])

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
        rows = zip(leaves, by_leaf(self.terms, leaves), strict=True)
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
        rows = zip(leaves, by_leaf(self.terms, leaves), strict=True)
        return _trees.replace_leaves(params, [grad_of_sum(leaf, terms) for leaf, terms in rows])

    @explained
    def on(self, rule: Any) -> Penalty:
        """The penalty of those leaves that ``rule`` selects; see `jaxreg.where`.

        >>> from jaxreg import l2, weights
        >>> l2.on(weights & ~where("embed"))
        l2.on(weights & ~where('embed'))
        """
        return Sum(tuple(term.on(where(rule)) for term in self.terms))

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
        return Sum(tuple(term.around(named) for term in self.terms))

    @explained
    def weighted(self, weights: Any) -> Penalty:
        """The penalty in which entries, groups or leaves count by ``weights``: Σ wᵢ·f(part i).

        glmnet's ``penalty.factor``, skglm's and adelie's ``weights``; the adaptive Lasso, whose
        weights are 1/|ŵ| of an earlier estimate; a relevance for each layer. A part is

        - an entry, of ``l1``, ``l2`` and all others that act on single entries;
        - a group, of ``group_lasso``, ``group_mcp`` and ``group_scad``: what they call √size is
          up to you here;
        - a matrix, of ``nuclear``, ``spectral`` and ``orthogonal``;
        - the whole leaf, of ``slope``.

        >>> import jax.numpy as jnp
        >>> from jaxreg import group_lasso, l1
        >>> params = {"fc1": jnp.array([3.0, -0.5]), "fc2": jnp.array([2.0])}
        >>> penalty = 0.5 * l1.weighted({"fc1": jnp.array([1.0, 0.0]), "fc2": 2.0})
        >>> float(penalty(params)), penalty.prox(params, step=1.0)["fc1"]
        (3.5, Array([ 2.5, -0.5], dtype=float32))
        >>> by_strength = jax.grad(lambda weights: l1.weighted(weights)(params))
        >>> by_strength({"fc1": 1.0, "fc2": 1.0})["fc1"]
        Array(3.5, dtype=float32, weak_type=True)

        The adaptive Lasso (add a little to |ŵ| where it may be 0), and a weight for each column:

        >>> estimate = {"fc1": jnp.array([2.0, 0.25]), "fc2": jnp.array([1.0])}
        >>> adaptive = l1.weighted(jax.tree.map(lambda w: 1 / jnp.abs(w), estimate))
        >>> adaptive.prox(params, step=1.0)["fc1"]
        Array([2.5, 0. ], dtype=float32)
        >>> columns = group_lasso(axis=0).weighted(jnp.array([1.0, 2.0]))
        >>> float(columns(jnp.array([[3.0, 0.3], [4.0, 0.4]])))
        6.0

        Weights multiply the strength, no more: the prox of a part has the step step·wᵢ, and the
        knots of ``mcp`` and ``scad`` stay where they are. Weight 0 leaves
        a part free; a large one, such as 1e6, holds it at 0 through the prox. They are leaves of
        the penalty: traced, differentiated, mapped over. Called twice, they multiply each other.

        Args:
          weights: a tree like the parameters, or a prefix of it, of numbers ≥ 0; booleans count
            as 0 and 1. It is copied, and found by leaf name as the reference of ``around`` is. A
            number is for all entries of a leaf, and of all leaves under its name. An array has one
            number for each part, or broadcasts to that: the shape of the leaf for entries, that of
            ``jnp.linalg.norm(leaf, axis=axis)`` for groups, with ``keepdims`` or without.

        Returns:
          A penalty.

        Raises:
          TypeError: if ``weights`` holds something else than numbers, or a term is a constraint.
          ValueError: if one that is known is negative or not finite; when applied, if a selected
            leaf has no weight or one of another shape.

        References: Zou 2006, *The adaptive lasso and its oracle properties*; Friedman, Hastie &
        Tibshirani 2010, *Regularization paths for generalized linear models*.
        """
        given = given_weights(self, weights)
        return Sum(tuple(term.weighted(given) for term in self.terms))

    def __mul__(self, strength: Any) -> Penalty:
        if not isinstance(strength, numbers.Number | np.generic) and not hasattr(strength, "dtype"):
            refuse_factor(self, strength)
        strength = _numbers.checked("strength", strength)
        return Sum(tuple(term.times(strength) for term in self.terms))

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Penalty:
        if not isinstance(other, Penalty):
            refuse("+", self, other)
        return Sum(self.terms + other.terms)

    def __radd__(self, other: Any) -> Penalty:
        if not (isinstance(other, int) and other == 0):  # where `sum` starts
            refuse("+", other, self)
        return self


@pytree
class Sum(Penalty):
    """A sum of terms: what every operation on penalties returns."""

    summands: tuple[Term, ...]

    @property
    def terms(self) -> tuple[Term, ...]:
        return self.summands

    def __repr__(self) -> str:
        return " + ".join(repr(term) for term in self.terms)

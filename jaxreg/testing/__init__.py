"""Checks for people who write their own penalties and optax transformations.

The laws themselves are in `_penalty_laws` and `_transform_laws`.

Nothing here needs a test framework: a check raises an AssertionError or returns None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxreg._messages.calls import explained
from jaxreg._messages.names import absent
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.term import Term
from jaxreg._select.rules import Function, Where
from jaxreg._select.select import where
from jaxreg.testing import _arguments
from jaxreg.testing._case import STEPS, Broken, Case
from jaxreg.testing._penalty_laws import LAWS, Law
from jaxreg.testing._transform_laws import TRANSFORM_LAWS, Transform, TransformLaw

SHAPES = ((4, 3), (2, 3, 4))
DTYPES = (jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64)


class LawViolation(AssertionError):  # noqa: N818
    """A penalty or a transformation breaks a law, whose name is ``law``."""

    def __init__(self, law: str, message: str):
        super().__init__(f"{law}: {message}")
        self.law = law


@explained
def check_penalty(
    penalty: Penalty,
    *,
    shapes: Sequence[tuple[int, ...]] = SHAPES,
    dtypes: Sequence[DTypeLike] = DTYPES,
    convex: bool | None = None,
    differentiable: bool | None = None,
    proximal: bool | None = None,
    minimiser: Callable[[np.ndarray], Any] | None = None,
    tree: Callable[[Any], Any] | None = None,
) -> None:
    """Checks that a penalty obeys every law that applies to it.

    It is ≥ 0, and 0 at its minimum; its gradient matches central differences and is finite at 0;
    ``jit``, ``vmap``, sharding and low precision change nothing; the strength is linear and a new
    one traces nothing anew; weights multiply its parts; the prox minimises
    step·penalty(v) + ½‖v − w‖², moves nothing for step 0 and is non-expansive where the penalty is
    convex; selections, dtypes and integers are respected, and trees without a parameter refused;
    its repr evaluates back to it.
    Complex arrays too, unless the penalty refuses them by an error.

    Strengths of the order of 1 are checked hardest: a prox that hardly moves hides its mistakes.

    >>> from jaxreg import l2, pytree
    >>> check_penalty(0.5 * l2, shapes=[(3, 2)])
    >>> @pytree
    ... class Halved(type(l2)):
    ...     def array_value(self, w):
    ...         return 0.5 * jnp.sum(w**2)
    >>> check_penalty(Halved(), shapes=[(3, 2)])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    jaxreg.testing.LawViolation: gradient matches differences: ...

    Args:
      penalty: the penalty, unit or composed.
      shapes: of the arrays to try.
      dtypes: real dtypes that have to come back as they went in.
      convex: whether the laws of convex functions apply; None: as its classes say.
      differentiable: whether those of the gradient apply; None: unless `jax.grad` is refused.
      proximal: whether those of the prox apply; None: unless it raises NotImplementedError.
      minimiser: ``w -> v`` of the same shape with penalty(v) = 0; None: zeros, or for a
        constraint the projection.
      tree: ``w -> params``, one of whose leaves is w; None: ``{"layer": {"kernel": w}}``.

    Raises:
      LawViolation: an AssertionError that says which law, what was expected and what came.
    """
    _arguments.require_penalty(penalty)
    shapes = _arguments.checked_shapes(shapes)
    dtypes = _arguments.checked_dtypes("check_penalty", dtypes)
    given = {"convex": convex, "differentiable": differentiable, "proximal": proximal}
    with jax.enable_x64(True):
        for shape in shapes:
            for case in _cases(penalty, shape, dtypes, minimiser, tree or _layer, given):
                place = f"for {penalty!r} on {np.dtype(case.dtype)} of shape {case.shape}"
                for law in LAWS:
                    _check_law(law, case, place)


@explained
def check_transform(
    factory: Callable[..., Any],
    *,
    numbers: Mapping[str, float] | None = None,
    schedules: Sequence[str] = (),
    still: Any = None,
    params: Any = None,
    dtypes: Sequence[DTypeLike] = (jnp.bfloat16, jnp.float32, jnp.float64),
    update_args: Mapping[str, Any] | None = None,
) -> None:
    """Checks that an optax transformation obeys every law that applies to it.

    Its updates are a tree like the gradients, with the same shapes and dtypes; its state holds
    arrays alone and keeps its structure; the same arguments give the same updates, also from a
    restored state; ``jit`` changes nothing and compiles once; without parameters it works, or
    names ``optimizer.update(grads, state, params)``; None leaves and empty trees are left alone;
    zeros give no NaN; ``optax.chain``, ``masked``, ``MultiSteps`` and ``inject_hyperparams``,
    ``vmap`` over its numbers and sharded parameters change nothing; schedules begin at step 0 and
    advance; frozen leaves stay as they are, to the bit.

    >>> import optax
    >>> check_transform(optax.scale, numbers={"step_size": 0.5})
    >>> check_transform(lambda: optax.stateless(lambda u, w: w))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    jaxreg.testing.LawViolation: missing params named: ...

    Args:
      factory: makes the transformation; called with ``numbers``, or others, by name.
      numbers: its numeric arguments by name, not 0.
      schedules: the names of those that may also be schedules.
      still: a rule, as for `jaxreg.where`, of the leaves that it leaves alone; None: none.
      params: a tree of arrays to try it on; None: a layer of kernel and bias. The first leaf is
        what a mask leaves out, and a mask of the others has to suit the factory.
      dtypes: of the parameters and gradients, that the updates have to have too.
      update_args: what its ``update`` needs besides, such as ``{"value": 1.0}``.

    Raises:
      LawViolation: an AssertionError that says which law, what was expected and what came.
    """
    _arguments.require_factory(factory)
    schedules = _arguments.checked_names("check_transform: schedules", schedules)
    dtypes = _arguments.checked_dtypes("check_transform", dtypes)
    params = _parameters() if params is None else params
    _arguments.require_params(params)
    given = {"numbers": numbers, "schedules": schedules, "still": still}
    name = getattr(factory, "__name__", repr(factory))
    with jax.enable_x64(True):
        case = Transform(
            factory,
            dict(numbers or {}),
            schedules,
            jax.tree.map(
                lambda w: jnp.asarray(w, jnp.float64), _parameters() if params is None else params
            ),
            dtypes,
            None if still is None else where(still),
            dict(update_args or {}),
            frozenset(fact for fact, value in given.items() if value),
        )
        for law in TRANSFORM_LAWS:
            _check_law(law, case, f"for {name}")


def _parameters() -> Any:
    """A layer whose axes divide evenly over eight devices."""
    rng = np.random.default_rng(0)
    return {"layer": {"bias": rng.standard_normal(8), "kernel": rng.standard_normal((16, 8))}}


def _check_law(law: Law | TransformLaw, case: Any, place: str) -> None:
    """Raises LawViolation unless the law holds for the case, or does not apply to it."""
    if not law.needs <= case.facts:
        return
    try:
        law.holds(case)
    except Broken as broken:
        raise LawViolation(law.name, f"{broken}, {place}") from None
    except Exception as error:
        message = f"expected no error, got {type(error).__name__}: {error}, {place}"
        raise LawViolation(law.name, message) from error


def _layer(w: Any) -> Any:
    return {"layer": {"kernel": w}}


def _cases(
    penalty: Penalty,
    shape: tuple[int, ...],
    dtypes: Sequence[DTypeLike],
    minimiser: Callable[[np.ndarray], Any] | None,
    tree: Callable[[Any], Any],
    given: dict[str, bool | None],
) -> Iterator[Case]:
    """Real arrays, and complex ones where the penalty takes them."""
    facts = _facts(penalty, tree, shape, given)
    yield Case(penalty, shape, np.float64, tuple(dtypes), minimiser, tree, facts | {"real"})
    if _accepts(lambda w: penalty(tree(w)), shape, jnp.complex64, Exception):
        yield Case(penalty, shape, np.complex128, (jnp.complex64,), minimiser, tree, facts)


def _facts(
    penalty: Penalty, tree: Callable[[Any], Any], shape: tuple[int, ...], given: dict[str, Any]
) -> frozenset[str]:
    """What holds, as given, or else as the classes of the terms and their refusals say."""
    units = [term.unit for term in penalty.terms]
    facts = {
        "convex": all(unit.convex for unit in units),
        "spelled out": all(_is_spelled_out(term) for term in penalty.terms),
        "constraint": all(unit.constraint for unit in units),
        "scalable": not any(unit.constraint for unit in units),
        "differentiable": _accepts(
            jax.grad(lambda w: penalty(tree(w))), shape, jnp.float32, (TypeError, ValueError)
        ),
        "proximal": _accepts(
            lambda w: penalty.prox(tree(w), STEPS[0]), shape, jnp.float32, NotImplementedError
        ),
    }
    facts |= {name: fact for name, fact in given.items() if fact is not None}
    return frozenset(name for name, holds in facts.items() if holds)


def _is_spelled_out(term: Term) -> bool:
    """Whether its repr says all of it: references and large arrays are left out of it."""
    return "…" not in repr(term) and _is_text(term.where)


def _is_text(rule: Where) -> bool:
    """Whether the repr says all of a rule: functions have no text."""
    parts = (part for part in vars(rule).values() if isinstance(part, Where))
    return not isinstance(rule, Function) and all(map(_is_text, parts))


def _accepts(function: Callable[[Any], Any], shape: Any, dtype: Any, refusal: Any) -> bool:
    try:
        jax.eval_shape(function, jax.ShapeDtypeStruct(shape, dtype))
    except refusal:
        return False
    except Exception:
        return True  # the laws will say what is wrong
    return True


__getattr__ = absent("jaxreg.testing")

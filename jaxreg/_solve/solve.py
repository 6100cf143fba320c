"""Solutions of loss + penalty: `solve`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxreg import _numbers
from jaxreg._messages.calls import explained
from jaxreg._objective import Parts, data_and_aux, require_loss_and_penalty
from jaxreg._penalty.penalty import Penalty
from jaxreg._solve import vectors
from jaxreg._solve.arguments import require_arrays
from jaxreg._solve.descent import Limits
from jaxreg._solve.implicit import minimum
from jaxreg._solve.layout import laid_out
from jaxreg._solve.problem import Data, Problem
from jaxreg._solve.solution import Solution, together
from jaxreg._solve.traced import traced
from jaxreg._solve.vectors import Vector
from jaxreg._trees import leaves_of
from jaxreg.diagnostics import optimality

REST = ", params, …"  # of a call, after the loss and the penalty


@explained
def solve(
    loss: Callable[..., Any],
    penalty: Penalty,
    params: Any,
    *args: Any,
    tolerance: float | None = None,
    max_steps: int = 10_000,
    has_aux: bool = False,
) -> Solution:
    """Minimises loss(params, *args) + penalty(params), with exact zeros and derivatives.

    The convention: the loss is a mean over the examples, the penalty a sum over parameters, without
    a ½; `jaxreg.convert` speaks scikit-learn's. Parameters without a penalty are solved for, too.

    >>> from jaxreg import l1
    >>> def loss(w, x, y):
    ...     return 0.5 * jnp.mean((x @ w - y) ** 2)
    >>> x, y = jnp.eye(4)[:, :3], jnp.array([4.0, -2.0, 0.3, 0.0])
    >>> found = solve(loss, 0.25 * l1, jnp.zeros(3), x, y)
    >>> [round(float(w), 3) for w in found.params], bool(found.converged)
    ([3.0, -1.0, 0.0], True)
    >>> by_strength = jax.jacobian(lambda s: solve(loss, s * l1, jnp.zeros(3), x, y).params)
    >>> by_strength(0.25).round(3).tolist()
    [-4.0, 4.0, 0.0]

    The method is accelerated proximal gradient descent on the whole tree: the step is found by
    backtracking and may grow again, momentum restarts where it leads uphill, and some steps are
    semismooth Newton steps, by conjugate gradients on the entries that are not zero. It needs the
    gradient of the loss, no learning rate, and memory for some eight copies of the parameters; all
    is one compiled loop. Losses that trace to the same program, with the same shapes, compile once,
    whatever the strengths and the data; those with derivatives of their own (`jax.custom_jvp`, as
    in ``jnp.logaddexp``) only as the same function, so define such a loss once, outside of loops.
    It can be jitted and vmapped, over strengths and over data (a finished problem stays as it is),
    and follows the sharding of params and data.

    It ends where ‖w − prox(w − step·g)‖/step, the ``optimality`` of all parameters together, is
    below ``tolerance`` times the largest gradient on the way, or below what rounding of the
    parameters causes, up to half of the digits. A step of that size must also be small beside the
    parameters, so that separable classes, whose loss falls forever, do not pass for solved. With
    convex loss and penalty the solution is the minimum; with others (``mcp``, ``l0``, networks) it
    is a stationary point, whose value is no higher than that of the start, and another start may
    find another.

    **Not converged?** More steps (``max_steps``) where steps ran out. Otherwise: features of very
    different size take long, standardise them; with separable classes, or more features than
    examples and no penalty, there is no solution or more than one: penalise more. In float32 less
    than the tolerance can rarely be reached; ``jax.enable_x64(True)`` has twice the digits.

    **Derivatives** of ``params``, ``value`` and ``parts`` with respect to the strengths and other
    numbers of the penalty, to ``args``, and to arrays that the loss closes over, forward and
    reverse, under `jax.jit` and `jax.vmap`: those of the equation w = prox(w − step·∇f(w)), by one
    linear system on what is not zero, however many steps were made. By the start they are zero,
    and so are those of ``optimality``. Where the support is about to change (an entry at its
    threshold) the solution has a derivative to either side, and the result is one of them or
    between; where it is not unique (λ = 0 with more features than examples, equal columns) it is
    that of the shortest change; where it has not converged, that of the equation at the parameters
    that were reached. They take second derivatives of the loss, by forward over reverse mode, and
    for ``nuclear`` that the singular values of w − step·∇f(w) differ.

    Args:
      loss: ``loss(params, *args)``, a real scalar, differentiable; with ``has_aux``
        ``(scalar, aux)``. It is the smooth part: kinks belong into the penalty.
      penalty: as ``0.1 * l1.on(weights)``, with its strengths; constraints too. Terms on the same
        leaf must have a joint prox.
      params: a pytree of arrays, where the search starts; float32, float64 or complex. Integers,
        keys, statistics and functions in it are handed to the loss as they are.
      *args: what else the loss takes: arrays and numbers, differentiable, and flags, which are not.
      tolerance: relative; eps^¾ of the dtype by default, 2e-12 in float64 and 6e-6 in float32.
      max_steps: proximal steps at most.
      has_aux: whether ``loss`` returns auxiliary data, which arrives in ``parts.aux``.

    Returns:
      A `Solution`, of ``params``, ``value``, ``parts``, ``optimality``, ``steps``, ``converged``
      and ``tolerance``; print it to see what is left.

    Raises:
      TypeError: if ``loss`` is no function of a scalar, ``penalty`` no penalty, two terms have no
        joint prox, parameters are of low precision or numbers in a dict, or data no arrays.
      NotImplementedError: if the penalty has no prox.
      ValueError: if there is no parameter in ``params``, an option is out of range, or the loss at
        the start is not finite (where that is known; inside ``jit`` ``converged`` is False).

    References: Beck & Teboulle 2009, *A fast iterative shrinkage-thresholding algorithm*;
    O'Donoghue & Candès 2015, *Adaptive restart for accelerated gradient schemes* (arXiv:1204.3982);
    Bertrand et al. 2022, *Implicit differentiation for fast hyperparameter selection in non-smooth
    convex learning* (arXiv:2105.01637).
    """
    given = stated("solve", loss, penalty, params, args, has_aux)
    limits = limited("solve", given.start, tolerance, max_steps)
    ended = _solved(given.problem, given.start, given.data, limits)
    require_start("solve", ended)
    return solution(given, ended)


class Given(NamedTuple):
    """A call, checked and traced."""

    problem: Problem
    start: Vector
    data: Data
    aux: Any  # the structure of what the loss returns beside its value


class Ended(NamedTuple):
    """What is known where a descent ended."""

    w: Vector
    gradient: Vector
    loss: jax.Array
    penalty: jax.Array
    aux: list[jax.Array]
    optimality: dict[str, jax.Array]
    tolerance: jax.Array
    steps: jax.Array
    converged: jax.Array
    started: jax.Array
    step: jax.Array
    scale: jax.Array


def stated(
    owner: str, loss: Any, penalty: Any, params: Any, args: tuple[Any, ...], has_aux: bool
) -> Given:
    """The problem that a call states."""
    require_loss_and_penalty(owner, loss, penalty, REST)
    leaves = leaves_of(owner, params)
    require_arrays(owner, leaves, args)
    layout, start, others = laid_out(params, leaves)
    _require_precision(owner, start)
    jax.eval_shape(lambda w: layout.split(penalty.prox(layout.join(w, others), 1.0)), start)

    def of_vector(vector: Vector, args: tuple[Any, ...]) -> tuple[Any, Any]:
        result = loss(layout.join(vector, others), *args)
        data, aux = data_and_aux(owner, result, has_aux, REST)
        _require_scalar(owner, data)
        return data, aux

    program, operands, shapes = traced(of_vector, start, args, loss)
    everywhere = vectors.varying(start, (start, program.jaxpr.outvars[0].aval, penalty))
    if any(x is not y for x, y in zip(start, everywhere, strict=True)):
        start = everywhere
        program, operands, shapes = traced(of_vector, start, args, loss)
    data = Data(penalty, operands, others)
    return Given(Problem(layout, program), start, data, jax.tree.structure(shapes[1]))


def _require_precision(owner: str, vector: Vector) -> None:
    low = [x.dtype for x in vector if jnp.finfo(x.dtype).bits < 32]
    if low:
        raise TypeError(
            f"{owner}: expected parameters of float32 or more, got {low[0]}, in which a solution "
            f"has hardly three digits; solve in float32 and round it: "
            f"jax.tree.map(lambda w: w.astype('float32'), params)"
        )


def _require_scalar(owner: str, data: Any) -> None:
    shape, dtype = jnp.shape(data), jnp.result_type(data)
    if shape:
        raise TypeError(
            f"{owner}: expected a loss that returns a scalar, got {dtype} of shape {shape}; "
            f"return its mean: jnp.mean(…)"
        )
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(
            f"{owner}: expected a loss that returns a real floating-point number, got {dtype}; "
            f"it must be differentiable"
        )


def limited(owner: str, start: Vector, tolerance: Any, max_steps: Any) -> Limits:
    """When to stop: by default where three of four digits of the gradient are gone."""
    dtype = vectors.dtype_of(start)
    if tolerance is None:
        tolerance = float(np.finfo(dtype).eps) ** 0.75
    _numbers.count(f"{owner}: max_steps", max_steps)
    tolerance = _numbers.positive("tolerance", tolerance)
    return Limits(_numbers.scalar("tolerance", tolerance, dtype), jnp.asarray(max_steps, jnp.int32))


@functools.partial(jax.jit, static_argnums=0)
def _solved(problem: Problem, start: Vector, data: Data, limits: Limits) -> Ended:
    return ended(problem, start, data, limits)


def ended(problem: Problem, start: Vector, data: Data, limits: Limits) -> Ended:
    """Descends, and takes stock."""
    found = minimum(problem, start, data, limits)
    loss, aux = found.loss, []
    if [x.dtype for x in problem.loss.outputs] != [loss.dtype]:  # there is aux, or it was rounded
        loss, *aux = problem.loss(found.w, data.operands)
    left = _optimality(problem, *jax.lax.stop_gradient((found.w, found.gradient, found.step, data)))
    near = together(left) <= 2 * found.threshold
    return Ended(
        w=found.w,
        gradient=found.gradient,
        loss=loss,
        penalty=problem.penalty(found.w, data),
        aux=aux,
        optimality=left,
        tolerance=2 * found.threshold,
        steps=found.steps,
        converged=near & found.settled & jnp.isfinite(loss),
        started=found.started,
        step=found.step,
        scale=found.scale,
    )


def _optimality(
    problem: Problem, w: Vector, gradient: Vector, step: jax.Array, data: Data
) -> dict[str, jax.Array]:
    trees = problem.tree(w, data), problem.tree(gradient, data)
    return optimality(data.penalty, *trees, step)


def require_start(owner: str, end: Ended) -> None:
    """Raises if the descent is known to have started where the loss is not finite."""
    if isinstance(end.started, Tracer) or np.all(end.started):
        return
    raise ValueError(
        f"{owner}: expected a finite loss and gradient at params, where the search starts, got "
        f"{float(np.ravel(end.loss)[0])} as the loss; start elsewhere, or look for NaN in the data"
    )


def solution(given: Given, end: Ended) -> Solution:
    """The solution in the form of the parameters."""
    return Solution(
        params=given.problem.tree(end.w, given.data),
        value=end.loss.astype(end.penalty.dtype) + end.penalty,
        parts=Parts(end.loss, end.penalty, jax.tree.unflatten(given.aux, end.aux)),
        optimality=end.optimality,
        steps=end.steps,
        converged=end.converged,
        tolerance=end.tolerance,
    )

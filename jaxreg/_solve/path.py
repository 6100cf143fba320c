"""Solutions over a series of strengths: `path`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty
from jaxreg._solve import freedom, vectors
from jaxreg._solve.result import Path
from jaxreg._solve.series import Plan, along
from jaxreg._solve.solution import Solution
from jaxreg._solve.solve import Given, limited, require_start, solution, stated
from jaxreg.diagnostics import strength_max

GIVE = "give strengths=[…], the numbers to multiply it by"


@explained
def path(
    loss: Callable[..., Any],
    penalty: Penalty,
    params: Any,
    *args: Any,
    strengths: Any = None,
    count: int = 100,
    ratio: float = 1e-3,
    side_by_side: bool = False,
    tolerance: float | None = None,
    max_steps: int = 10_000,
    has_aux: bool = False,
    degrees_of_freedom: bool | None = None,
) -> Path:
    """The solutions of loss + strength · penalty over a series of strengths, as one program.

    From the strength above which all that is penalised is zero (`jaxreg.diagnostics.strength_max`,
    parameters without a penalty at their optimum) down to ``ratio`` of it, in equal steps of the
    logarithm, each from the solution before; or for ``strengths`` of your own, in their order. It
    shows what enters when, and choosing a strength is choosing a row: by the data loss of examples
    that were left out, not by that of the table, which only falls.

    >>> from jaxreg import l1
    >>> def loss(w, x, y):
    ...     return 0.5 * jnp.mean((x @ w - y) ** 2)
    >>> x, y = jnp.eye(4)[:, :3], jnp.array([4.0, -2.0, 0.3, 0.0])
    >>> path(loss, l1, jnp.zeros(3), x, y, strengths=[1.5, 0.4, 0.01])
    strength  not zero  freedom  data loss  steps  enters
    1.5       0         0        2.5113     1
    0.4       2         2        0.65125    3      [0] [1]
    0.01      3         3        0.0006     3      [2]
    3 strengths, 3 numbers; all converged

    **Speed.** Where the loss uses features in products with data alone, as ``x @ w`` does, and the
    data are large, most of the work is done on the features that are not zero or about to be, and
    the whole data only confirm each solution. With far more examples than features write a squared
    error through its moments, computed once: ``0.5 * w @ gram @ w - pull @ w`` for ``gram = x.T @ x
    / n``, ``pull = x.T @ y / n``: then no step touches the data.

    Not convex problems have other stationary points; a path from above finds those that hang
    together with zero. For them, and for penalties that make nothing zero, give ``strengths``.

    Args:
      loss, params, *args, tolerance, max_steps, has_aux: as for `solve`.
      penalty: which each strength multiplies; with strength 1 in it the strengths are those of
        `solve`. In a sum the ratios are kept; constraints hold throughout.
      strengths: a series of numbers; None for ``count`` of them from the top.
      count: how many.
      ratio: the last beside the first.
      side_by_side: all at once from ``params`` by `jax.vmap`, instead of each from the one before:
        more work, and for accelerators often less time.
      degrees_of_freedom: whether to compute them: by default up to 256 parameters, and beyond where
        it is counting (``l1``, ``l0``, bounds). True costs p products with the second derivative of
        the loss and an eigenvalue problem of size p for each strength.

    Returns:
      A `Path`: ``strengths``, ``params``, ``value``, ``parts``, ``optimality``, ``steps``,
      ``converged``, ``tolerance``, ``degrees_of_freedom``, ``supports``, ``zeros``, ``entered``;
      ``path[i]`` is one `Solution`, and printing it shows a table. Derivatives as of `solve`; the
      series of strengths counts as given.

    Raises:
      TypeError: as `solve` does; if ``strengths`` is no series of numbers; if it is None and the
        penalty is none that some strength makes zero.
      ValueError: as `solve` does; if ``strengths`` are negative or not finite, ``count`` is below
        2, ``ratio`` is not between 0 and 1, or nothing penalised leaves zero at any strength.

    References: Friedman, Hastie & Tibshirani 2010, *Regularization paths for generalized linear
    models via coordinate descent*.
    """
    given = stated("path", loss, penalty, params, args, has_aux)
    limits = limited("path", given.start, tolerance, max_steps)
    _require_strength(penalty)
    from_top = strengths is None
    if from_top:
        _require_norms(penalty, given)
    dtype = vectors.dtype_of(given.start)
    factors = _falling(count, ratio, dtype) if from_top else _checked(strengths, dtype)
    way = freedom.way_for(penalty, sum(x.size for x in given.start), degrees_of_freedom)
    plan = Plan(from_top, side_by_side, way)
    strengths, ends, free = along(given.problem, given.start, given.data, factors, limits, plan)
    require_start("path", ends)
    _require_top(penalty, strengths, from_top)
    found = solution(given, ends)
    fields = {name: getattr(found, name) for name in Solution.__dataclass_fields__}
    return Path(strengths=strengths, **fields, degrees_of_freedom=free)


def _falling(count: Any, ratio: Any, dtype: Any) -> jax.Array:
    _numbers.count("path: count", count, 2)
    ratio = _numbers.positive("ratio", ratio)
    if _numbers.is_python(ratio) and ratio >= 1:
        raise ValueError(
            f"path: ratio: expected the smallest strength beside the largest, below 1, got {ratio}"
        )
    return jnp.geomspace(1, ratio, count, dtype=dtype)


def _checked(strengths: Any, dtype: Any) -> jax.Array:
    """The strengths as an array, once they are known to be a series of numbers ≥ 0."""
    try:
        series = jnp.asarray(strengths)
    except (TypeError, ValueError):
        series = jnp.zeros(())
    if series.ndim != 1 or not series.size or not jnp.issubdtype(series.dtype, jnp.number):
        raise TypeError(
            f"path: strengths: expected a series of numbers such as [1.0, 0.1], got "
            f"{brief(strengths)}; for one strength write solve(loss, strength * penalty, params, …)"
        )
    if not isinstance(series, Tracer):
        for number in np.asarray(series):
            _numbers.checked("strengths", number.item())
    return series.astype(dtype)


def _require_strength(penalty: Penalty) -> None:
    if all(term.unit.constraint for term in penalty.terms):
        raise TypeError(
            f"path: expected a penalty that a strength multiplies, got {penalty!r}, which has "
            f"none; write solve(loss, {penalty!r}, params, …)"
        )


def _require_norms(penalty: Penalty, given: Given) -> None:
    """Raises for a penalty that no strength makes zero, once it is known that all else is right."""
    try:
        tree = given.problem.tree(given.start, given.data)
        jax.eval_shape(lambda gradient: strength_max(penalty, gradient), tree)
    except TypeError as error:
        raise TypeError(f"path: without strengths: {error}; {GIVE}") from None


def _require_top(penalty: Penalty, strengths: jax.Array, from_top: bool) -> None:
    if isinstance(strengths, Tracer):
        return
    if from_top and not np.any(strengths):
        raise ValueError(
            f"path: expected parameters that leave zero at some strength, but the gradient is 0 on "
            f"all that {penalty!r} penalises; see its weights and selection, or {GIVE}"
        )
    if np.all(np.isfinite(strengths)):
        return
    raise ValueError(
        f"path: expected a penalty that makes parameters zero, such as l1, got {penalty!r}; {GIVE}"
    )

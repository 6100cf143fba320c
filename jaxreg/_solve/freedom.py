"""How many parameters the data determine: degrees of freedom of a solution.

Pull the loss by a linear term, ⟨e, w⟩: the solution moves by −K·e. The trace of K·H, with H the
second derivative of the loss, is p for p parameters without a penalty, Σ dᵢ/(dᵢ + 2λ) for ridge
regression with eigenvalues dᵢ of H, and the rank of the columns of the non-zeros for the Lasso.

References: Zou, Hastie & Tibshirani 2007, *On the degrees of freedom of the lasso*
(arXiv:0712.0881); Vaiter et al. 2012, *The degrees of freedom of the group lasso*
(arXiv:1205.1481).
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxreg._penalty.constraint import Gradientless
from jaxreg._penalty.penalty import Penalty
from jaxreg._solve import vectors
from jaxreg._solve.fixed_point import Slopes, slopes
from jaxreg._solve.problem import Data, Problem
from jaxreg._solve.vectors import Vector

Way = Literal["trace", "count"] | None
SMALL = 256  # parameters: up to here the trace costs little


def way_for(penalty: Penalty, size: int, wanted: bool | None) -> Way:
    """By the trace where it is wanted or cheap, by counting where that is the same, or not."""
    if wanted is False:
        return None
    if wanted or size <= SMALL:
        return "trace"
    units = [term.unit for term in penalty.terms]
    keeps_or_drops = [u.entrywise and (u.homogeneous or isinstance(u, Gradientless)) for u in units]
    return "count" if all(keeps_or_drops) else None


def degrees_of_freedom(
    problem: Problem, w: Vector, gradient: Vector, step: jax.Array, data: Data, way: Way
) -> jax.Array:
    """tr(K·H), or NaN if it is not to be known."""
    if way is None:
        return jnp.full((), jnp.nan, step.dtype)
    slope = slopes(problem, w, gradient, step, data)
    if way == "count":
        kept = slope.prox([jnp.ones_like(x) for x in w])
        return vectors.dot(kept, [jnp.ones_like(x) for x in w])
    return _trace(slope, w)


def _trace(slope: Slopes, w: Vector) -> jax.Array:
    """Of S·M⁺ for S = step·J·H·J and M = J − J² + S, over the directions that M does not lose."""
    dtype = vectors.dtype_of(w)
    shapes = [(x.shape, x.size, x.dtype) for x in w]
    ends = [sum(size for _, size, _ in shapes[: i + 1]) for i in range(len(w) - 1)]

    def vector(flat: jax.Array) -> Vector:
        parts = jnp.split(flat, ends)
        return [x.reshape(s).astype(d) for x, (s, _, d) in zip(parts, shapes, strict=True)]

    def products(flat: jax.Array) -> tuple[jax.Array, jax.Array]:
        inner = slope.prox(vector(flat))
        bent = vectors.times(slope.step, slope.prox(slope.gradient(inner)))
        whole = vectors.add(vectors.subtract(inner, slope.prox(inner)), bent)
        return _flat(bent, dtype), _flat(whole, dtype)

    bent, whole = jax.vmap(products)(jnp.eye(sum(size for _, size, _ in shapes), dtype=dtype))
    values, basis = jnp.linalg.eigh((whole + whole.T) / 2)
    kept = values > len(values) * jnp.finfo(dtype).eps * jnp.max(jnp.abs(values))
    along = jnp.sum(basis * jnp.matmul(bent, basis, precision="highest"), axis=0)
    return jnp.sum(jnp.where(kept, along / jnp.where(kept, values, 1), 0))


def _flat(v: Vector, dtype: Any) -> jax.Array:
    return jnp.concatenate([x.ravel().astype(dtype) for x in v])

"""A linear problem in the directions of its features, from which every strength is a division."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxreg import _numbers
from jaxreg._messages.brief import brief, is_array
from jaxreg._trees import pytree

SAFE = 100.0
"""A strength has to be so many units of rounding of the largest eigenvalue for XᵀX to do: what is
lost by squaring is then a hundredth of what the penalty changes."""

POWERS = 20


@pytree
class Directions:
    """X = U diag(√d) Vᵀ after centring, and y = Uz + what no direction reaches.

    Attributes:
      u: (examples, k), k the smaller side of X; columns of directions that X lacks are 0.
      d: (k,) eigenvalues of XᵀX; 0 for these.
      v: (features, k).
      z: (k, targets).
      rest: (examples, targets), y − Uz.
      x_mean, y_mean: what was subtracted; 0 without an intercept.
      rank: how many directions there are.
    """

    u: jax.Array
    d: jax.Array
    v: jax.Array
    z: jax.Array
    rest: jax.Array
    x_mean: jax.Array
    y_mean: jax.Array
    rank: jax.Array


def directions(x: jax.Array, y: jax.Array, least: jax.Array, intercept: bool) -> Directions:
    """Those of X, by XᵀX or XXᵀ where that is safe for penalties from ``least`` on, else by SVD."""
    zero = jnp.zeros((), x.dtype)
    x_mean, y_mean = (jnp.mean(a, axis=0) if intercept else zero for a in (x, y))
    x, y = jnp.where(jnp.isfinite(x), x, jnp.nan) - x_mean, y - y_mean  # LAPACK may hang on ∞
    dimension = min(x.shape[0] - intercept, x.shape[1])
    u, s, v = _decomposed(x, least, dimension)
    cut = jnp.max(s, initial=0) * max(x.shape) * jnp.finfo(x.dtype).eps
    kept = ~(s <= cut) & (jnp.arange(len(s)) < dimension)
    u, d = jnp.where(kept, u, 0), jnp.where(kept, s, 0) ** 2
    z = u.T @ y
    return Directions(u, d, v, z, y - u @ z, x_mean, y_mean, jnp.sum(kept))


def _decomposed(
    x: jax.Array, least: jax.Array, dimension: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """U, the singular values and V.

    The Gram matrix of a nearly square X has small eigenvalues as a rule, so that only the strengths
    can make it safe; of a long one they tell, and are soon computed.
    """
    gram = _product(x.T, x) if x.shape[0] >= x.shape[1] else _product(x, x.T)
    noise = SAFE * jnp.finfo(x.dtype).eps
    if max(x.shape) < 2 * min(x.shape):
        safe = least >= noise * _largest(gram)
        return lax.cond(safe, lambda: _by_gram(x, jnp.linalg.eigh(gram)[1]), lambda: _by_svd(x))
    eigenvalues, basis = jnp.linalg.eigh(gram)
    smallest = eigenvalues[len(eigenvalues) - dimension]
    safe = jnp.maximum(least, smallest) >= noise * eigenvalues[-1]
    return lax.cond(safe, lambda: _by_gram(x, basis), lambda: _by_svd(x))


def _largest(gram: jax.Array) -> jax.Array:
    """The largest eigenvalue, roughly, by the power method."""
    start = jnp.linalg.norm(gram, axis=0)

    def step(_: Any, w: jax.Array) -> jax.Array:
        w = gram @ w
        return w / (jnp.linalg.norm(w) + jnp.finfo(w.dtype).tiny)

    return jnp.linalg.norm(gram @ lax.fori_loop(0, POWERS, step, start))


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision="highest")


def _by_gram(x: jax.Array, basis: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """From the eigenvectors of the smaller Gram matrix, the largest first.

    The singular values are the norms of what X makes of them, exacter than roots of eigenvalues.
    """
    basis = basis[:, ::-1]
    image = _product(x if x.shape[0] >= x.shape[1] else x.T, basis)
    s = jnp.linalg.norm(image, axis=0)
    other = image / jnp.where(s > 0, s, 1)
    return (other, s, basis) if x.shape[0] >= x.shape[1] else (basis, s, other)


def _by_svd(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    u, s, vt = _numbers.svd(x)
    return u, s, vt.T


def checked_problem(owner: str, features: Any, targets: Any) -> tuple[jax.Array, jax.Array, bool]:
    """(X, y of shape (examples, targets), whether targets came as one series), in one dtype."""
    for name, thing in (("features", features), ("targets", targets)):
        if not (is_array(thing) or isinstance(thing, list | tuple)):
            raise TypeError(f"{owner}: {name}: expected an array, got {brief(thing)}")
    x = _numbers.array(f"{owner}: features", features)
    y = _numbers.array(f"{owner}: targets", targets)
    if x.ndim != 2 or x.shape[0] < 2 or not x.shape[1]:
        raise ValueError(
            f"{owner}: features: expected shape (examples, features), at least two examples, got "
            f"{brief(x)}"
        )
    if y.ndim not in (1, 2) or y.shape[0] != x.shape[0] or not y.size:
        raise ValueError(
            f"{owner}: targets: expected shape ({x.shape[0]},) or ({x.shape[0]}, targets), one for "
            f"each row of features, got {brief(y)}"
        )
    dtype = np.result_type(x.dtype, np.float32) if x.dtype.kind in "biu" else x.dtype
    dtype = jax.dtypes.canonicalize_dtype(jnp.promote_types(dtype, jnp.float32))
    if not jnp.issubdtype(dtype, jnp.floating) or not _numbers.is_numeric(y):
        raise TypeError(f"{owner}: expected real features and targets, got {brief(x)}")
    return x.astype(dtype), y.astype(dtype).reshape(len(y), -1), y.ndim == 1

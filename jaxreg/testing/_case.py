"""A penalty on arrays of one shape, and what it says of them: what the laws are about.

The mathematics is checked in float64, whatever JAX's default, so that a wrong factor
cannot pass for rounding; that of complex arrays likewise, with the real inner product Re⟨a, b⟩.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg._penalty.penalty import Penalty

COUNT = 12  # points that are tried at once
BATCH = 8 * COUNT  # points in one evaluation
STEPS = (0.3, 2.0)
TOLERANCE = 1e-7  # of comparisons in float64, relative; iterations may have stopped there


class Broken(Exception):  # noqa: N818
    """What was expected and what came, of a law that does not hold."""


class Case(NamedTuple):
    """A penalty on arrays of one shape, in float64 or complex128."""

    penalty: Penalty
    shape: tuple[int, ...]
    dtype: Any
    dtypes: tuple[Any, ...]  # what has to come back as it went in
    minimiser: Callable[[np.ndarray], Any] | None  # None: 0, or the projection of a constraint
    tree: Callable[[Any], Any]
    facts: frozenset[str]  # "real", "convex", "differentiable", "proximal", "constraint", …

    def points(self, seed: int = 0) -> np.ndarray:
        """Random arrays of magnitudes between 0.1 and 10, stacked."""
        rng = np.random.default_rng(seed)
        magnitude = 10 ** rng.uniform(-1, 1, (COUNT,) + (1,) * len(self.shape))
        w = magnitude * rng.standard_normal((COUNT, *self.shape))
        phase = np.exp(2j * np.pi * rng.random(w.shape)) if self.is_complex else 1
        return (w * phase).astype(self.dtype)

    @property
    def is_complex(self) -> bool:
        return self.dtype == np.complex128

    def minimisers(self) -> np.ndarray:
        w = self.points()
        if self.minimiser:
            return np.stack([self.minimiser(each) for each in w]).astype(self.dtype)
        return self.proxes(w, 1.0) if "constraint" in self.facts else np.zeros_like(w)

    def inner(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Re⟨a, b⟩ of each point."""
        return np.real(np.conj(a) * b).sum(tuple(range(-len(self.shape), 0)))

    def values(self, points: np.ndarray) -> np.ndarray:
        """The values of arrays, whose axes but the last ones may be any; compiled once."""
        lead = points.shape[: points.ndim - len(self.shape)]
        flat = points.reshape(-1, *self.shape)
        padded = np.concatenate([flat, np.repeat(flat[:1], -len(flat) % BATCH, 0)])
        chunks = padded.reshape(-1, BATCH, *self.shape)
        found = [np.asarray(_values(self.penalty, chunk, self.tree)) for chunk in chunks]
        return np.concatenate(found)[: len(flat)].reshape(lead)

    def proxes(self, points: Any, step: float) -> np.ndarray:
        return np.asarray(_proxes(self.penalty, points, step, self.tree))

    def grads(self, points: Any) -> tuple[np.ndarray, np.ndarray]:
        """The penalty's own gradient and that of automatic differentiation."""
        own, automatic = _grads(self.penalty, points, self.tree)
        return np.asarray(own), np.asarray(automatic)

    def eager(self, w: Any) -> dict[str, np.ndarray]:
        """The value, and where there are such the prox and the gradient, of one array."""
        return jax.device_get(outcomes_of(self.penalty, w, self.tree, self.facts))

    def compiled(self, arrays: Sequence[Any]) -> list[dict[str, np.ndarray]]:
        """The same of each array, in one program."""
        return jax.device_get(_outcomes(self.penalty, tuple(arrays), self.tree, self.facts))


def leaf_of(moved: Any, tree: Callable[[Any], Any], w: Any) -> Any:
    """The leaf of ``moved`` that stands where ``tree(w)`` holds ``w``."""
    pairs = zip(jax.tree.leaves(tree(w)), jax.tree.leaves(moved), strict=True)
    return next(new for old, new in pairs if old is w)


@functools.partial(jax.jit, static_argnums=2)
def _values(penalty: Penalty, points: Any, tree: Callable[[Any], Any]) -> jax.Array:
    return jax.vmap(lambda w: penalty(tree(w)))(points)


@functools.partial(jax.jit, static_argnums=3)
def _proxes(penalty: Penalty, points: Any, step: Any, tree: Callable[[Any], Any]) -> jax.Array:
    return jax.vmap(lambda w: leaf_of(penalty.prox(tree(w), step), tree, w))(points)


@functools.partial(jax.jit, static_argnums=2)
def _grads(penalty: Penalty, points: Any, tree: Callable[[Any], Any]) -> tuple[Any, Any]:
    own = jax.vmap(lambda w: leaf_of(penalty.grad(tree(w)), tree, w))(points)
    return own, jnp.conj(jax.vmap(jax.grad(lambda w: penalty(tree(w))))(points))


def outcomes_of(
    penalty: Penalty, w: Any, tree: Callable[[Any], Any], facts: frozenset[str]
) -> dict[str, jax.Array]:
    params = tree(w)
    found = {"value": penalty(params)}
    if "proximal" in facts:
        found["prox"] = leaf_of(penalty.prox(params, STEPS[0]), tree, w)
    if "differentiable" in facts:
        found["gradient"] = leaf_of(penalty.grad(params), tree, w)
    return found


@functools.partial(jax.jit, static_argnums=(2, 3))
def _outcomes(
    penalty: Penalty, arrays: Any, tree: Callable[[Any], Any], facts: frozenset[str]
) -> list[dict[str, jax.Array]]:
    return [outcomes_of(penalty, w, tree, facts) for w in arrays]


def require(holds: Any, expected: str, got: Any) -> None:
    """Raises unless every entry of ``holds`` is true."""
    if not np.all(holds):
        raise Broken(f"expected {expected}, got {got}")


def equal(got: Any, wanted: Any, what: str, tolerance: float = TOLERANCE) -> None:
    """Requires equality up to ``tolerance``, relative to the largest entry."""
    got, wanted = np.broadcast_arrays(_widest(got), _widest(wanted))
    finite = np.abs(wanted[np.isfinite(wanted)])
    near = np.isclose(got, wanted, rtol=tolerance, atol=tolerance * finite.max(initial=1e-3))
    require(near, f"{what} {_first(wanted, near)}", _first(got, near))


def _widest(x: Any) -> np.ndarray:
    array = np.asarray(x)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def _first(array: np.ndarray, near: np.ndarray) -> Any:
    """The first entry that is not near."""
    return array[np.unravel_index(np.argmin(near), near.shape)]

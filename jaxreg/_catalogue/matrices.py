"""Penalties on matrices: their singular values, and how far they are from orthogonal.

A matrix is the last two axes of an array; leading axes, of stacked layers, are a batch whose
penalties add up. So a convolution kernel (height, width, in, out) is height·width matrices; to see
it as one, reshape it in the loss: ``nuclear(kernel.reshape(-1, kernel.shape[-1]))``. Biases are no
matrices: select with ``.on(weights)``.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxreg import _numbers, prox
from jaxreg._messages.calls import explained
from jaxreg._penalty.penalty import Penalty, ready_made
from jaxreg._trees import pytree, static

MOST_SQUARINGS = 60  # 2⁶⁰ steps tell apart what float64 can
_matmul = functools.partial(jnp.matmul, precision="highest")  # TPUs would round to bfloat16


class _OnMatrices(Penalty):
    def coupled_axes(self, ndim: int) -> frozenset[int]:
        return frozenset((ndim - 2, ndim - 1))

    def misfit(self, w: jax.Array) -> str | None:
        return "a matrix, or a batch of them in the last two axes" if w.ndim < 2 else None


@pytree
class Nuclear(_OnMatrices):
    """The nuclear norm, or trace norm: the sum of the singular values.

    value(W) = Σσᵢ(W); gradient UVᵀ over the non-zero singular values (s₁·max(shape)·eps counts
    as zero), hence 0 at 0;
    prox(W) = argmin_V step·Σσᵢ(V) + ½‖V − W‖²: every σᵢ becomes max(σᵢ − step, 0).

    Makes matrices low-rank, exactly so through ``prox``: l1 for singular values. It costs a
    singular value decomposition. Matrices are the last two axes; leading axes (stacked layers)
    are a batch. Second derivatives exist only where the singular values differ.

    >>> params = {"kernel": jnp.diag(jnp.array([3.0, 0.5]))}
    >>> float(nuclear(params))
    3.5
    >>> nuclear.prox(params, step=1.0)
    {'kernel': Array([[2., 0.],
           [0., 0.]], dtype=float32)}

    Args:
      params: a pytree of arrays with at least two axes, real or complex.

    Returns:
      A real scalar, at least float32.

    Raises:
      TypeError: if called with a number: ``nuclear(1e-4)`` or ``nuclear(params, 1e-4)``.
      ValueError: if an array has fewer than two axes.

    References: Fazel, Hindi & Boyd 2001, *A rank minimization heuristic*; Cai, Candès & Shen 2010
    (arXiv:0810.3286).
    """

    __name__ = "nuclear"
    convex: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(_nuclear_norm(_numbers.unsplit(w)))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.nuclear(w, step)


@pytree
class Spectral(_OnMatrices):
    """The spectral norm: the largest singular value.

    value(W) = σ₁(W), by power iteration until it has converged, without a decomposition; gradient
    u₁v₁ᵀ, 0 at 0;
    prox(W) = argmin_V step·σ₁(V) + ½‖V − W‖²: the largest singular values are cut to one level.

    Bounds how much a layer can stretch its input, and leaves the smaller singular values alone.
    Matrices are the last two axes; leading axes (stacked layers) are a batch, and their norms add
    up. Where σ₁ is repeated, the gradient is one of many subgradients. It has first derivatives
    only: reverse mode through the iteration raises.

    The square, as in Yoshida & Miyato, is ``spectral(params) ** 2`` for one matrix.

    >>> params = {"kernel": jnp.diag(jnp.array([4.0, 2.0, 0.5]))}
    >>> float(spectral(params))
    4.0

    Args:
      params: a pytree of arrays with at least two axes, real or complex.

    Returns:
      A real scalar, at least float32.

    Raises:
      TypeError: if called with a number: ``spectral(1e-4)`` or ``spectral(params, 1e-4)``.
      ValueError: if an array has fewer than two axes.

    References: Yoshida & Miyato 2017, *Spectral norm regularization for improving the
    generalizability of deep learning* (arXiv:1705.10941).
    """

    __name__ = "spectral"
    convex: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True

    def array_value(self, w: jax.Array) -> jax.Array:
        return jnp.sum(self.array_parts(w))

    def array_parts(self, w: jax.Array) -> jax.Array:
        return _spectral_norm(_numbers.unsplit(w))[..., None, None]

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        return prox.spectral(w, step)


nuclear = ready_made(Nuclear())
spectral = ready_made(Spectral())


@pytree
class Orthogonal(_OnMatrices):
    """The distance from orthonormal rows or columns; see `orthogonal`."""

    mode: Literal["rows", "columns"] = static()

    __name__ = "orthogonal"

    def array_value(self, w: jax.Array) -> jax.Array:
        w = _numbers.unsplit(w)
        gram = _gram(w if self.mode == "columns" else _adjoint(w))
        return jnp.sum(_numbers.squared_modulus(gram - jnp.eye(gram.shape[-1], dtype=gram.dtype)))

    def array_prox(self, w: jax.Array, step: ArrayLike) -> jax.Array:
        raise NotImplementedError(
            f"{self!r}: expected a penalty whose prox has a closed form, which this has not; put "
            f"it into the loss: regularized(loss, strength * {self!r})"
        )


@explained
def orthogonal(mode: Literal["rows", "columns"]) -> Penalty:
    """The squared distance of the Gram matrix from the identity: 0 for orthonormal rows or columns.

    value(W) = ‖WWᵀ − I‖² for rows, ‖WᵀW − I‖² for columns (squared Frobenius norm, never
    negative); gradient 4(WWᵀ − I)W or 4W(WᵀW − I). Not convex, and without a closed prox.

    Holds directions apart *and* their lengths at 1, so that layers neither stretch nor squeeze.
    Of a Dense kernel (in, out), ``"columns"`` are the units. No more rows than columns can be
    orthonormal, and vice versa: with the longer side the value stays above their difference.
    (Keras's ``OrthogonalRegularizer`` looks at the angles alone.) Matrices are the last two axes;
    leading axes (stacked layers) are a batch. For complex ones Wᵀ is the adjoint.

    >>> params = {"kernel": jnp.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])}
    >>> float(orthogonal("rows")(params)), float(orthogonal("columns")(params))
    (9.0, 10.0)

    Args:
      mode: ``"rows"`` or ``"columns"``.

    Returns:
      A penalty: ``orthogonal(mode)(params)`` is a real scalar, at least float32. A leaf with
      fewer than two axes raises a ValueError when it is applied.

    Raises:
      TypeError: if ``mode`` is not a string.
      ValueError: if it is another string.

    References: Brock et al. 2017, *Neural photo editing with introspective adversarial networks*
    (arXiv:1609.07093); Bansal, Chen & Wang 2018 (arXiv:1810.09102).
    """
    if isinstance(mode, str) and mode in ("rows", "columns"):
        return Orthogonal(mode)
    error = ValueError if isinstance(mode, str) else TypeError
    got = repr(mode) if isinstance(mode, str) else f"a {type(mode).__name__}"
    raise error(
        f"orthogonal: expected mode, 'rows' or 'columns', got {got}; "
        f"write orthogonal(mode='columns')(params)"
    )


def _adjoint(w: jax.Array) -> jax.Array:
    return jnp.conj(jnp.swapaxes(w, -1, -2))


def _gram(w: jax.Array) -> jax.Array:
    return _matmul(_adjoint(w), w)


@jax.custom_jvp
def _nuclear_norm(w: jax.Array) -> jax.Array:
    small, size = _numbers.scaled(w)
    return jnp.squeeze(size) * jnp.sum(jnp.linalg.svd(small, compute_uv=False))


@_nuclear_norm.defjvp
def _nuclear_norm_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[Any, Any]:
    (w,), (dw,) = primals, tangents
    small, size = _numbers.scaled(w)
    u, s, vh = _numbers.svd(small)
    kept = s > s[..., :1] * max(w.shape[-2:]) * jnp.finfo(s.dtype).eps
    gradient = _matmul(u * kept[..., None, :].astype(u.dtype), vh)
    return jnp.squeeze(size) * jnp.sum(s), jnp.sum((jnp.conj(gradient) * dw).real)


@jax.custom_jvp
def _spectral_norm(w: jax.Array) -> jax.Array:
    """σ₁ of every matrix. Batched by hand: `jax.vmap` of a loop refuses a batch that is split."""
    return _largest_singular_triple(w)[1]


@_spectral_norm.defjvp
def _spectral_norm_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[Any, Any]:
    (w,), (dw,) = primals, tangents
    u, s, v = _largest_singular_triple(w)
    return s, jnp.sum(jnp.conj(u) * _matmul(dw, v), axis=(-2, -1)).real


@jax.jit  # outside jit, too, one program instead of dozens
def _largest_singular_triple(w: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """u₁, σ₁ and v₁ of every matrix, the vectors as columns; zeros for the zero matrix."""
    small, size = _numbers.scaled(w, (-2, -1))
    wide = w.shape[-2] < w.shape[-1]
    tall = _adjoint(small) if wide else small
    v = _leading_eigenvector(_gram(tall))
    image = _matmul(tall, v)
    u, s = _normalized(image), _length(image) * size
    return (v, s[..., 0, 0], u) if wide else (u, s[..., 0, 0], v)


def _leading_eigenvector(gram: jax.Array) -> jax.Array:
    """The unit eigenvector of the largest eigenvalue of positive semidefinite matrices, a column.

    Power iteration by squaring the matrix: k products make 2ᵏ steps, so that it converges however
    close the next eigenvalue is, about a dozen products for random matrices.
    """
    tolerance = 2 * gram.shape[-1] ** 0.5 * jnp.finfo(gram.dtype).eps

    def step(state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        power, _, count = state
        squared = _normalized(_matmul(power, power))
        return squared, jnp.any(_length(squared - power) > tolerance), count + 1

    def moves(state: tuple[Any, Any, Any]) -> jax.Array:
        _, moved, count = state
        return moved & (count < MOST_SQUARINGS)

    first = step((_normalized(gram), None, 0))  # of the types that the loop keeps, on any mesh
    projector = jax.lax.while_loop(moves, step, first)[0]
    longest = jnp.argmax(jnp.diagonal(projector, axis1=-2, axis2=-1).real, axis=-1, keepdims=True)
    chosen = jnp.arange(gram.shape[-1]) == longest
    return _normalized(_matmul(projector, chosen[..., None].astype(gram.dtype)))


def _normalized(w: jax.Array) -> jax.Array:
    length = _length(w)
    return w / jnp.where(length == 0, 1, length).astype(w.dtype)


def _length(w: jax.Array) -> jax.Array:
    return jnp.linalg.norm(w, axis=(-2, -1), keepdims=True)

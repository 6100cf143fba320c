"""Whether a program computes with LAPACK, as JAX does on CPU for all of `jax.numpy.linalg`.

Kernels that work on batches share one pool of threads. Called by several CPU devices at once they
may wait for each other forever (jaxlib 0.10.2): on two devices within some twenty calls. Those of
single matrices do not.
"""

from __future__ import annotations

from jaxreg import _numbers

NAMES = frozenset(
    (
        "cholesky",
        "eig",
        "eigh",
        "geqp3",
        "geqrf",
        "hessenberg",
        "householder_product",
        "lu",
        "qr",
        "schur",
        "svd",
        "triangular_solve",
        "tridiagonal",
    )
)
"""Of JAX's primitives."""


def decomposes(program: _numbers.Program) -> bool:
    """Whether one of these is anywhere in it."""
    equations = (equation for within in _numbers.programs(program) for equation in within.eqns)
    return any(equation.primitive.name in NAMES for equation in equations)

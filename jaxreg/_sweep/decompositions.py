"""Whether a program computes with LAPACK, as JAX does on CPU for all of `jax.numpy.linalg`.

Kernels that work on batches share one pool of threads. Called by several CPU devices at once they
may wait for each other forever (jaxlib 0.10.2): on two devices within some twenty calls. Those of
single matrices do not.
"""

from __future__ import annotations

from typing import Any

import jax

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


def decomposes(jaxpr: Any) -> bool:
    """Whether one of these is anywhere in a program."""
    return any(
        equation.primitive.name in NAMES or any(map(decomposes, _inner(equation.params)))
        for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns
    )


def _inner(params: Any) -> list[Any]:
    leaves = jax.tree.leaves(params, is_leaf=_is_jaxpr)
    return [leaf for leaf in leaves if _is_jaxpr(leaf)]


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")

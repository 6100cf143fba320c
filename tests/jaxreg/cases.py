"""One row per penalty of the catalogue: what it is called, and what NumPy says that it is.

A new penalty is one class and one row here. Formulas are written for one float64 or complex128
array, independently of the library; ``minimiser`` makes, of any array, one where the value is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

import jaxreg
from jaxreg import Penalty, l1, l2


class Row(NamedTuple):
    """A penalty, its formula, the shapes that it takes, and where it is 0 (None: at 0)."""

    penalty: Penalty
    formula: Callable[[np.ndarray], Any]
    shapes: tuple[tuple[int, ...], ...]
    minimiser: Callable[[np.ndarray], np.ndarray] | None = None


ANY = ((4, 3), (2, 3, 4))


def _norms(w: np.ndarray, axis: Any) -> np.ndarray:
    return np.sqrt(np.sum(np.abs(w) ** 2, axis=axis))


def _singular(w: np.ndarray) -> np.ndarray:
    return np.linalg.svd(w, compute_uv=False)


def _adjoint(w: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(w, -1, -2))


def _indicator(inside: Any) -> float:
    return 0.0 if np.all(inside) else np.inf


def _slope(w: np.ndarray, weights: np.ndarray) -> Any:
    return (weights * np.sort(abs(w).ravel())[::-1]).sum()


def _benjamini_hochberg(q: float, count: int) -> np.ndarray:
    ranks = np.arange(1, count + 1)
    return np.array([NormalDist().inv_cdf(1 - q * rank / (2 * count)) for rank in ranks])


def _huber(w: np.ndarray, delta: float) -> Any:
    return np.where(abs(w) <= delta, abs(w) ** 2 / 2, delta * (abs(w) - delta / 2)).sum()


def _mcp(w: np.ndarray, gamma: float) -> Any:
    return np.where(abs(w) <= gamma, abs(w) - abs(w) ** 2 / (2 * gamma), gamma / 2).sum()


def _scad(w: np.ndarray, a: float) -> Any:
    middle = (2 * a * abs(w) - abs(w) ** 2 - 1) / (2 * (a - 1))
    return np.select([abs(w) <= 1, abs(w) <= a], [abs(w), middle], (a + 1) / 2).sum()


def _gram_distance(w: np.ndarray) -> Any:
    return (abs(_adjoint(w) @ w - np.eye(w.shape[-1])) ** 2).sum()


CASES = {
    "l1": Row(l1, lambda w: abs(w).sum(), ANY),
    "l2": Row(l2, lambda w: (abs(w) ** 2).sum(), ANY),
    "elastic_net": Row(
        jaxreg.elastic_net(l1=0.5, l2=0.25),
        lambda w: 0.5 * abs(w).sum() + 0.25 * (abs(w) ** 2).sum(),
        ANY,
    ),
    "huber": Row(jaxreg.huber(delta=0.8), lambda w: _huber(w, 0.8), ANY),
    "log_sum": Row(jaxreg.log_sum(eps=0.5), lambda w: np.log(1 + abs(w) / 0.5).sum(), ANY),
    "mcp": Row(jaxreg.mcp(gamma=1.5), lambda w: _mcp(w, 1.5), ANY),
    "scad": Row(jaxreg.scad(a=2.5), lambda w: _scad(w, 2.5), ANY),
    "l0": Row(jaxreg.l0, np.count_nonzero, ANY),
    "non_negative": Row(jaxreg.non_negative, lambda w: _indicator(w >= 0), ANY),
    "box": Row(
        jaxreg.box(lower=-0.5, upper=2.0), lambda w: _indicator((w >= -0.5) & (w <= 2)), ANY
    ),
    "group_lasso": Row(jaxreg.group_lasso(axis=0), lambda w: _norms(w, 0).sum(), ANY),
    "group_lasso, two axes": Row(
        jaxreg.group_lasso(axis=(-2, -1)), lambda w: _norms(w, (-2, -1)).sum(), ANY
    ),
    "sparse_group_lasso": Row(
        jaxreg.sparse_group_lasso(axis=-1, l1_ratio=0.25),
        lambda w: 0.25 * abs(w).sum() + 0.75 * _norms(w, -1).sum(),
        ANY,
    ),
    "group_mcp": Row(jaxreg.group_mcp(gamma=3.0, axis=0), lambda w: _mcp(_norms(w, 0), 3.0), ANY),
    "group_scad": Row(
        jaxreg.group_scad(a=2.5, axis=(-2, -1)), lambda w: _scad(_norms(w, (-2, -1)), 2.5), ANY
    ),
    "slope": Row(
        jaxreg.slope(np.linspace(2, 0, 12)), lambda w: _slope(w, np.linspace(2, 0, 12)), ((4, 3),)
    ),
    "slope, q": Row(
        jaxreg.slope(q=0.2), lambda w: _slope(w, _benjamini_hochberg(0.2, w.size)), ANY
    ),
    "max_norm": Row(
        jaxreg.max_norm(bound=1.5, axis=-1), lambda w: _indicator(_norms(w, -1) <= 1.5), ANY
    ),
    "nuclear": Row(jaxreg.nuclear, lambda w: _singular(w).sum(), ANY),
    "spectral": Row(jaxreg.spectral, lambda w: _singular(w)[..., 0].sum(), ANY),
    "orthogonal, rows": Row(
        jaxreg.orthogonal("rows"),
        lambda w: _gram_distance(_adjoint(w)),
        ((3, 4), (2, 3, 3)),
        lambda w: _adjoint(np.linalg.qr(_adjoint(w))[0]),
    ),
    "orthogonal, columns": Row(
        jaxreg.orthogonal("columns"), _gram_distance, ((4, 3),), lambda w: np.linalg.qr(w)[0]
    ),
}


@jaxreg.pytree
class SumsToOne(jaxreg.Constraint):
    """A constraint of one's own, that couples all entries."""

    def contains(self, w: Any, rounding: Any) -> Any:
        return abs(w.sum() - 1) <= rounding.sum()

    def array_prox(self, w: Any, step: Any) -> Any:
        del step
        return w + (1 - w.sum()) / w.size


WEIGHTS = np.linspace(0, 2, 12).reshape(4, 3)
OF_COLUMNS = np.array([0.5, 2.0, 0.0])


# Composed: each rule for the prox of a sum, a selection, weights, a reference; and
# one of one's own.
COMPOSED = {
    "quadratic + entrywise": Row(
        0.3 * jaxreg.mcp(gamma=2.0) + 0.5 * l2,
        lambda w: 0.3 * _mcp(w, 2.0) + 0.5 * (abs(w) ** 2).sum(),
        ANY,
    ),
    "equal terms": Row(0.3 * l1 + 0.5 * l1, lambda w: 0.8 * abs(w).sum(), ANY),
    "clip last": Row(
        0.5 * l1 + jaxreg.box(-1.0, 2.0),
        lambda w: 0.5 * abs(w).sum() + _indicator((w >= -1) & (w <= 2)),
        ANY,
    ),
    "selected": Row(2 * l1.on("kernel$"), lambda w: 2 * abs(w).sum(), ANY),
    "weighted entries and groups": Row(
        0.5 * l1.weighted({"layer": {"kernel": WEIGHTS}})
        + jaxreg.group_lasso(axis=0).weighted({"layer": {"kernel": OF_COLUMNS}}),
        lambda w: 0.5 * (WEIGHTS * abs(w)).sum() + (OF_COLUMNS * _norms(w, 0)).sum(),
        ((4, 3),),
    ),
    "own constraint": Row(SumsToOne(), lambda w: _indicator(abs(w.sum() - 1) < 1e-9), ((4, 3),)),
    "around": Row(
        jaxreg.huber(1.0).around({"layer": {"kernel": np.full((4, 3), 0.5)}}),
        lambda w: _huber(w - 0.5, 1.0),
        ((4, 3),),
        lambda w: np.full_like(w, 0.5),
    ),
}

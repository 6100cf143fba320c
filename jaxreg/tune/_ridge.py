"""Ridge regression in closed form: everything that any strength gives, from one decomposition."""

from __future__ import annotations

import functools
import time
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxreg._messages.calls import explained
from jaxreg._messages.table import aligned
from jaxreg._trees import pytree, static
from jaxreg.tune import _picking, _rim
from jaxreg.tune._candidates import Candidates, checked_strengths
from jaxreg.tune._choice import Choice
from jaxreg.tune._linear import Directions, checked_problem, directions

BLOCK = 2**22  # residuals that are held at a time
MOST_ROWS = 30
Criterion = Literal["leave_one_out", "gcv", "evidence"]


@pytree
class RidgePath:
    """Ridge regression at a series of strengths; arrays have an entry for each.

    With targets of shape (examples, targets) arrays have a last axis for them, and each is a
    problem of its own: ``strengths[leave_one_out.argmin(0)]`` chooses for each, `choice` for all.

    Attributes:
      strengths: λ.
      coefficients: w, (strengths, features[, targets]).
      intercept: b, which is not penalised; 0 if there is none.
      leave_one_out: the mean loss of each example by the fit to all others.
      gcv: generalised cross-validation: the same with the mean leverage for each.
      evidence: log p(targets | λ), at the noise for which it is largest; −∞ at λ = 0.
      degrees_of_freedom: the trace of the hat matrix; the intercept counts 1.
      errors: standard errors of ``leave_one_out``, summed over targets.
      seconds: that it took; NaN where it was traced.
    """

    strengths: jax.Array
    coefficients: jax.Array
    intercept: jax.Array
    leave_one_out: jax.Array
    gcv: jax.Array
    evidence: jax.Array
    degrees_of_freedom: jax.Array
    errors: jax.Array
    seconds: Any
    settings: str = static(default="")

    @property
    def strength(self) -> jax.Array:
        """That of the least leave-one-out loss, summed over targets."""
        return self.strengths[jnp.argmin(_summed(self.leave_one_out))]

    def choice(self, by: Criterion = "leave_one_out", rule: _picking.Rule = "minimum") -> Choice:
        """One strength for all targets.

        Args:
          by: "leave_one_out", "gcv", or "evidence", of which the negative is the score.
          rule: "minimum", or of leave-one-out "one_standard_error".

        Returns:
          A `Choice`.

        Raises:
          ValueError: for another criterion or rule; if no score is finite.
        """
        return _choice(self, by, rule)

    def __len__(self) -> int:
        return len(self.strengths)

    def __repr__(self) -> str:
        if isinstance(self.strengths, Tracer) or np.ndim(self.strengths) != 1:
            return "RidgePath(traced)" if isinstance(self.strengths, Tracer) else "RidgePath(…)"
        return _table(self)

    __str__ = __repr__


@explained
def ridge_path(
    features: ArrayLike,
    targets: ArrayLike,
    strengths: ArrayLike,
    *,
    half: bool = False,
    intercept: bool = True,
) -> RidgePath:
    """Ridge regression at every strength, and what leave-one-out, GCV and the evidence say of it.

    ::

        mean_i (y_i − x_i·w − b)² + λ‖w‖²          with half: ½ mean_i …
        leave_one_out = mean_i (r_i / (1 − h_i))²   r: residuals, h: leverages, the diagonal of H
        gcv           = mean_i r_i² / (1 − tr H / n)²
        evidence      = log N(y; 0, σ²(I + XXᵀ / nλ)) at the σ² that maximises it

    with one decomposition of X for all of them: useful on the features of any network, and the
    oracle for other ways to choose. The penalty stands beside a mean: scikit-learn's ``alpha`` is
    nλ (2nλ with ``half``). Features are centred, not scaled, and the intercept is not penalised.

    >>> x, y = jnp.eye(4)[:, :2], jnp.array([4.0, 2.0, 0.0, 0.0])
    >>> path = ridge_path(x, y, [0.01, 0.1, 1.0], intercept=False)
    >>> path.coefficients[1].round(2), path.degrees_of_freedom[1].round(2)
    (Array([2.86, 1.43], dtype=float32), Array(1.43, dtype=float32))

    Leaving out one example keeps nλ, the penalty beside its sum, as everyone does: the formula is
    exact for refitted ``alpha``. The mean over the n − 1 others with the same λ is the entry of
    λ(n − 1)/n. With the intercept the evidence is that of the n − 1 differences (restricted
    likelihood). λ = 0 is least squares, of least norm if there are many.

    XᵀX or XXᵀ, whichever is smaller, is decomposed where that is exact enough for the strengths
    given, and X itself by its singular values where it is not.

    Args:
      features: X, of shape (examples, features).
      targets: of shape (examples,) or (examples, targets).
      strengths: λ ≥ 0, of shape (strengths,), in any order.
      half: whether the data loss is half the mean squared error; so are ``leave_one_out``, ``gcv``.
      intercept: whether b is fitted.

    Returns:
      A `RidgePath`. All but printing and `RidgePath.choice` may be traced, the strengths too.

    Raises:
      TypeError: if these are no arrays of real numbers.
      ValueError: if shapes do not fit, or strengths are none, negative or not finite.

    References: Golub, Heath & Wahba 1979, *Generalized cross-validation*; Allen 1974; MacKay 1992.
    """
    x, y, single = checked_problem("ridge_path", features, targets)
    if not isinstance(strengths, Tracer):
        strengths = checked_strengths("ridge_path", strengths)
        if not len(strengths):
            raise ValueError("ridge_path: strengths: expected at least one, got none")
    began = time.perf_counter()
    series = jnp.asarray(strengths, x.dtype)
    found = _solved(x, y, series, bool(half), bool(intercept), single)
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(found))
    seconds = float("nan") if traced else _seconds_until(found, began)
    settings = f"{'half ' * half}mean squared error" + ", no intercept" * (not intercept)
    return RidgePath(strengths=series, **found, seconds=jnp.asarray(seconds), settings=settings)


def _seconds_until(found: Any, began: float) -> float:
    jax.block_until_ready(found)
    return time.perf_counter() - began


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def _solved(
    x: jax.Array, y: jax.Array, strengths: jax.Array, half: bool, intercept: bool, single: bool
) -> dict[str, jax.Array]:
    n = len(x)
    penalties = strengths * (n * (2 if half else 1))
    found = directions(x, y, jnp.min(penalties), intercept)
    shrunk = found.d / _divisor(found.d + penalties[:, None])  # (strengths, k)
    over = jnp.where(found.d != 0, 1 / _divisor(jnp.sqrt(found.d)), 0)
    coefficients = jnp.einsum("pk,lk,kt->lpt", found.v, shrunk * over, found.z, precision="highest")
    one = functools.partial(_held_out, found, n, int(intercept))
    per_block = max(BLOCK // y.size, 1)
    squares, gcv, errors = lax.map(one, penalties, batch_size=min(per_block, len(penalties)))
    scale = 0.5 if half else 1.0
    results = {
        "coefficients": coefficients,
        "intercept": found.y_mean - jnp.einsum("p,lpt->lt", _wide(found.x_mean, x), coefficients),
        "leave_one_out": scale * squares,
        "gcv": scale * gcv,
        "evidence": _evidence(found, penalties, n - intercept),
    }
    if single:
        results = {name: values[..., 0] for name, values in results.items()}
    freedom = jnp.sum(shrunk, axis=1) + intercept
    return results | {"degrees_of_freedom": freedom, "errors": scale * errors}


def _wide(mean: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.broadcast_to(mean, x.shape[1:])


def _divisor(x: jax.Array) -> jax.Array:
    return jnp.where(x == 0, 1, x)


def _held_out(
    found: Directions, n: int, intercept: int, penalty: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Leave-one-out and GCV of each target, and the standard error of the former's sum.

    Residuals and 1 − leverage share the factor penalty / (d + penalty) of each direction, and 1 of
    those that X does not reach. Where X reaches all, both go to 0 with the penalty; divided by the
    largest factor they do not, and the ratio is exact down to 0, the solution of least norm.
    """
    everywhere = found.rank == n - intercept
    smallest = jnp.min(jnp.where(found.d != 0, found.d, jnp.inf))
    least = jnp.where(everywhere, smallest, 0)
    factor = jnp.where(everywhere, least + penalty, penalty) / _divisor(found.d + penalty)
    factor = jnp.where(found.d != 0, factor, 0)
    squares = found.u**2
    beyond = jnp.where(everywhere, 0, 1 - intercept / n - jnp.sum(squares, axis=1))
    kept = beyond + squares @ factor
    rest = jnp.where(everywhere, 0, found.rest)
    residuals = rest + found.u @ (factor[:, None] * found.z)
    losses = (residuals / kept[:, None]) ** 2
    gcv = jnp.mean(residuals**2, axis=0) / jnp.mean(kept) ** 2
    error = jnp.std(jnp.sum(losses, axis=1), ddof=1) / jnp.sqrt(n)
    return jnp.mean(losses, axis=0), gcv, error


def _evidence(found: Directions, penalties: jax.Array, dimension: int) -> jax.Array:
    """log p(y | λ) of each target at the noise that maximises it, (strengths, targets)."""
    ratio = penalties[:, None] / _divisor(found.d + penalties[:, None])
    quadratic = ratio @ found.z**2 + jnp.sum(found.rest**2, axis=0)
    noise = quadratic / dimension
    volume = jnp.sum(jnp.log1p(found.d / penalties[:, None]), axis=1, keepdims=True)
    found_at = -0.5 * (dimension * (jnp.log(2 * jnp.pi * noise) + 1) + volume)
    return jnp.where(penalties[:, None] == 0, -jnp.inf, found_at)


def _summed(values: Any) -> Any:
    return values if values.ndim == 1 else values.sum(axis=1)


def _choice(path: RidgePath, by: str, rule: _picking.Rule) -> Choice:
    if by not in ("leave_one_out", "gcv", "evidence"):
        raise ValueError(f'choice: by: expected "leave_one_out", "gcv" or "evidence", got {by!r}')
    _picking.check_rule("choice", rule)
    if rule == "one_standard_error" and by != "leave_one_out":
        raise ValueError(f'choice: expected by="leave_one_out" for this rule, got {by!r}')
    scores = np.array(_summed(getattr(path, by)), float) * (-1 if by == "evidence" else 1)
    scores[~np.isfinite(scores)] = np.nan
    if np.isnan(scores).all():
        raise ValueError(f"choice: expected a finite {by} at some strength, got none")
    errors = np.array(path.errors, float) if by == "leave_one_out" else np.full(len(path), np.nan)
    strengths = np.asarray(path.strengths)
    eps = float(np.finfo(strengths.dtype).eps)
    chosen, interval = _picking.picked(rule, strengths, scores, errors, eps=eps)
    rim = _rim.found(Candidates({"strength": strengths}, np.arange(len(path))), scores, eps)
    found = [] if rim is None else [rim.text]
    found += _rim.limited(rule, strengths[chosen], strengths) if rim is None else []
    words = by.replace("_", "-") if by == "leave_one_out" else by.replace("gcv", "GCV")
    method = f"{words} of ridge regression" + ", one standard error" * (rule != "minimum")
    return Choice(
        float(strengths[chosen]), {"strength": strengths}, scores, errors, 0, float(path.seconds),
        chosen, method, interval, tuple(found),
    )  # fmt: skip


def _least(scores: np.ndarray) -> int | None:
    finite = np.where(np.isfinite(scores), scores, np.inf)
    return int(np.argmin(finite)) if np.isfinite(finite).any() else None


def _table(path: RidgePath) -> str:
    names = ("strengths", "degrees_of_freedom", "leave_one_out", "errors", "gcv", "evidence")
    columns = [np.asarray(_summed(getattr(path, name)), float) for name in names]
    every = -(-len(path) // MOST_ROWS)
    rows = [["strength", "freedom", "leave-one-out", "± error", "GCV", "evidence", ""]]
    series = {"leave-one-out": columns[2], "GCV": columns[4], "evidence": -columns[5]}
    at = {name: _least(values) for name, values in series.items()}
    for i in range(len(path)):
        here = ", ".join(name for name, index in at.items() if index == i)
        if i % every == 0 or here:
            cells = [f"{column[i]:.4g}" for column in columns]
            rows.append([*cells, f"← {here}" if here else ""])
    shape = path.coefficients.shape
    targets = f", {shape[2]} targets summed" if len(shape) == 3 else ""
    return f"{aligned(rows)}\n{len(path)} strengths, {shape[1]} features{targets}; {path.settings}"

"""MacKay's evidence: the strength and the noise under which the data are most probable."""

from __future__ import annotations

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._trees import pytree, static
from jaxreg.tune import _fixed_point
from jaxreg.tune._choice import Choice
from jaxreg.tune._linear import checked_problem, directions


@pytree
class Evidence:
    """What the evidence chose; printing it shows it.

    Attributes:
      strength: λ beside the mean squared error; with groups one for each, ∞ for a group that says
        nothing.
      noise: σ², the variance of the noise.
      effective: γ, how many parameters the data determine; with groups of each. The intercept is
        not counted.
      evidence: log p(targets) at these.
      coefficients: w, (features[, targets]): the ridge regression with that strength.
      intercept: b.
      steps: of the fixed point.
      converged: whether it is one.
      series_strengths, series_evidence: what was tried first, each with its best noise; with
        groups the steps, NaN beyond the last.
      seconds: that it took; NaN where it was traced.
    """

    strength: jax.Array
    noise: jax.Array
    effective: jax.Array
    evidence: jax.Array
    coefficients: jax.Array
    intercept: jax.Array
    steps: jax.Array
    converged: jax.Array
    series_strengths: jax.Array
    series_evidence: jax.Array
    seconds: Any
    settings: str = static(default="")

    def choice(self) -> Choice:
        """The series, or with groups the steps, as a `Choice`, scored by minus the evidence."""
        return _choice(self)

    def __repr__(self) -> str:
        if isinstance(self.strength, Tracer):
            return "Evidence(traced)"
        end = "converged" if bool(np.all(self.converged)) else "NOT converged"
        return (
            f"strength {_shown(self.strength)}, noise {_shown(self.noise)}, effective parameters "
            f"{_shown(self.effective)} of {self.coefficients.size:,}, log evidence "
            f"{_shown(self.evidence)}; {self.settings}; {end} in {_shown(self.steps)} steps"
        )

    __str__ = __repr__


@explained
def evidence(
    features: ArrayLike,
    targets: ArrayLike,
    *,
    groups: Any = None,
    half: bool = False,
    intercept: bool = True,
    tolerance: float | None = None,
    max_steps: int = 500,
) -> Evidence:
    """The strength that makes the data most probable: no folds, no training, no held-out examples.

    For y = Xw + b + noise, w ~ N(0, v) and noise ~ N(0, σ²) the probability of the data, w
    integrated out, is maximised over v and σ² by MacKay's fixed point::

        γ = Σ_j d_j / (d_j + σ²/v)     v ← ‖w‖² / γ     σ² ← ‖y − Xw − b‖² / (n − γ)

    d: eigenvalues of XᵀX, and w: the ridge regression at λ = σ² / (n v), or half of it with
    ``half``: the strength returned. It starts from the best of a series, since there may be several
    maxima. It is as good as the prior is true: with few weights that matter among many, cross-
    validation may do better. For the last layer of any network, give the features it takes.

    >>> key = jax.random.key(0)
    >>> x, e = jax.random.normal(key, (200, 10)), jax.random.normal(jax.random.key(1), (200,))
    >>> found = evidence(x, x @ jnp.full(10, 0.5) + e)  # σ² = 1, v ≈ 0.25, n = 200
    >>> bool(abs(found.noise - 1) < 0.2), bool(0.01 < found.strength < 0.04)
    (True, True)

    With ``groups`` each group of features has its own v, hence its own strength: those that say
    nothing get a large one, up to ∞.

    Several targets share one strength and one noise; the data loss is then the mean over examples
    of the *sum* over targets. For a strength of each map over them:
    ``jax.vmap(lambda y: evidence(x, y).strength, in_axes=1)(targets)``.

    Args:
      features: X, of shape (examples, features).
      targets: of shape (examples,) or (examples, targets).
      groups: of shape (features,): the number of each feature's group, from 0 on; one strength for
        all if None.
      half: whether the data loss is half the mean squared error.
      intercept: whether b, which has no prior, is fitted; the n − 1 differences are then explained.
      tolerance: relative change of v and σ² at which it ends; None for √eps / 10.
      max_steps: at most so many.

    Returns:
      An `Evidence`. All but printing and `Evidence.choice` may be traced.

    Raises:
      TypeError: if these are no arrays of real numbers.
      ValueError: if shapes do not fit, or groups are not numbered from 0 on without a gap.

    References: MacKay 1992, *Bayesian interpolation*; Tipping 2001 for groups of one.
    """
    x, y, single = checked_problem("evidence", features, targets)
    numbers, count = _groups(groups, x.shape[1])
    if tolerance is not None:
        tolerance = _numbers.positive("evidence: tolerance", tolerance)
    max_steps = _numbers.count("evidence: max_steps", max_steps)
    began = time.perf_counter()
    limit = 0.1 * float(jnp.finfo(x.dtype).eps) ** 0.5 if tolerance is None else tolerance
    settings = bool(half), bool(intercept), single, count, max_steps
    found = _found(x, y, numbers, jnp.asarray(limit, x.dtype), settings)
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(found))
    seconds = float("nan")
    if not traced:
        jax.block_until_ready(found)
        seconds = time.perf_counter() - began
    words = f"{'half ' * half}mean squared error" + ", no intercept" * (not intercept)
    return Evidence(**found, seconds=jnp.asarray(seconds), settings=words)


def _groups(groups: Any, features: int) -> tuple[np.ndarray, int]:
    """(the group of each feature, how many there are; 0 if none are told apart)."""
    if groups is None:
        return np.zeros(features, int), 0
    numbers = np.asarray(groups)
    if numbers.shape != (features,) or numbers.dtype.kind not in "iu":
        raise ValueError(
            f"evidence: groups: expected the number of the group of each of {features} features, "
            f"got {brief(groups)}"
        )
    count = int(numbers.max()) + 1
    if missing := sorted(set(range(count)) ^ set(numbers.tolist())):
        raise ValueError(
            f"evidence: groups: expected numbers from 0 on without a gap, but {missing[0]} "
            f"{'is none' if missing[0] < 0 else 'has no feature'}"
        )
    return numbers, count


@functools.partial(jax.jit, static_argnums=4)
def _found(
    x: jax.Array, y: jax.Array, groups: jax.Array, tolerance: jax.Array, settings: tuple[Any, ...]
) -> dict[str, jax.Array]:
    half, intercept, single, count, max_steps = settings
    unit = _fixed_point.unit_of(y)
    found = directions(x, y / unit, jnp.zeros((), x.dtype), intercept)
    problem = _fixed_point.Problem(found, jnp.sum(found.rest**2), len(x) - intercept)
    look = functools.partial(_fixed_point.alone, problem)
    prior, noise, tried, known = _fixed_point.start(look, problem)
    if count:
        members = jax.nn.one_hot(groups, count, dtype=x.dtype)
        look = functools.partial(_fixed_point.grouped, problem, members)
        prior = jnp.full(count, prior)
    end, at = _fixed_point.iterated(look, problem, prior, noise, tolerance, max_steps)
    prior, noise, steps, change, trace = end
    series, values = trace if count else (1 / tried, known)
    weights = unit * _fixed_point.weights(problem, prior[groups] if count else prior, noise)
    mean = jnp.broadcast_to(found.x_mean, x.shape[1:])
    offset = jnp.broadcast_to(unit * found.y_mean - mean @ weights, y.shape[1:])
    scale = len(x) * (2 if half else 1)
    rescaled = problem.targets * problem.dimension * jnp.log(unit)
    return {
        "strength": noise / (scale * prior),
        "noise": unit**2 * noise,
        "effective": at.effective * y.shape[1],
        "evidence": at.evidence - rescaled,
        "coefficients": weights[:, 0] if single else weights,
        "intercept": offset[0] if single else offset,
        "steps": steps,
        "converged": change <= tolerance,
        "series_strengths": series / scale,
        "series_evidence": values - rescaled,
    }


def _choice(found: Evidence) -> Choice:
    alone = found.strength.ndim == 0
    steps = None if alone else int(found.steps)
    series = np.concatenate([found.series_strengths[:steps], found.strength[None]])
    scores = -np.append(np.array(found.series_evidence)[:steps], float(found.evidence))
    end = () if bool(found.converged) else ("the fixed point was not reached: raise max_steps",)
    return Choice(
        strength=float(found.strength) if alone else np.asarray(found.strength),
        candidates={"strength": series},
        scores=scores,
        errors=np.full(len(scores), np.nan),
        trainings=0,
        seconds=float(found.seconds),
        chosen=len(scores) - 1,
        method="evidence",
        warnings=end,
        is_trace=not alone,
    )


def _shown(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=4, separator=", ")

"""Cross-validation: folds, strengths and seeds as one sweep."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import Mesh

from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained
from jaxreg._sweep.grid import is_key
from jaxreg._sweep.progress import Progress
from jaxreg.tune import _picking, _rim, _warnings
from jaxreg.tune._candidates import Candidates, candidates_of
from jaxreg.tune._choice import Choice
from jaxreg.tune._contract import examples_of
from jaxreg.tune._journal import Journal
from jaxreg.tune._runs import Scored, scored
from jaxreg.tune._splits import checked_splits
from jaxreg.tune._splits import folds as folds_of

AVERAGED = ("seed", "key")
"""What no one chooses: scores are averaged over it."""


@explained
def cross_validate(
    train: Callable[..., Any],
    points: Mapping[str, Any],
    *shared: Any,
    folds: Any = 5,
    repeats: int = 1,
    seed: int = 0,
    classes: Any = None,
    groups: Any = None,
    examples: int | None = None,
    rule: _picking.Rule = "minimum",
    grow: bool = False,
    average: str | tuple[str, ...] = AVERAGED,
    journal: Any = None,
    per_device: int | Literal["auto"] = "auto",
    mesh: Mesh | None = None,
    chunk: int | None = None,
    progress: bool | Callable[[Progress], None] | None = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> Choice:
    """Chooses a strength by training without each fold in turn, and scoring on it.

    The score of a candidate is the mean loss of the examples that were held out::

        score    = Σ_k n_k s_k / Σ_k n_k        s_k: mean loss of the n_k examples of fold k
        error²   = Σ_k n_k (s_k − score)² / Σ_k n_k / (folds − 1)

    as glmnet has it. With repeats the errors are those of one of them, in quadratic mean: to deal
    the same examples out again shows the effect of dealing, and tells no more about others. Folds,
    strengths, seeds and repeats are one `jaxreg.sweep`: one compilation, all devices.

    >>> import jax.numpy as jnp
    >>> from jaxreg import grid, tune
    >>> def train(point, weights, x, y):  # ridge regression in closed form
    ...     kept, n = weights[:, None] * x, weights.sum()
    ...     gram = x.T @ kept / n + point["strength"] * jnp.eye(x.shape[1])
    ...     w = jax.scipy.linalg.solve(gram, kept.T @ y / n, assume_a="pos")
    ...     return (x @ w - y) ** 2
    >>> x, noise = (jax.random.normal(jax.random.key(i), (60, 8)) for i in (0, 1))
    >>> points = grid(strength=tune.strengths(1e-3, 10, 5))
    >>> choice = cross_validate(train, points, x, x[:, 0] + noise[:, 0])
    >>> round(choice.strength, 2), choice.trainings
    (0.1, 25)

    A strength that is chosen with fewer examples is meant for fewer: beside a mean loss the best λ
    of a ridge regression falls as 1 / n, so that of five folds is 5/4 of that for all examples,
    far less than its standard error.

    Args:
      train: ``train(point, weights, *shared) → losses (examples,)``: see `jaxreg.tune`.
      points: the candidates, as from `jaxreg.grid`: ``strength``, and what else is to be chosen,
        such as ``learning_rate``; and what is to be averaged over, such as ``seed``.
      *shared: arrays that all trainings use: the data.
      folds: how many; or weights of your own, of shape (splits, examples), 0 for those held out.
      repeats: how often the examples are dealt out anew.
      seed: of the folds.
      classes: of shape (examples,): each fold holds out an equal share of every class.
      groups: of shape (examples,): examples of one group are held out together.
      examples: how many there are; by default the length that all shared arrays agree on.
      rule: "minimum" takes the least score, of equal ones the largest strength;
        "one_standard_error" the largest strength whose score is at most one standard error above,
        all else as at the minimum: simpler, and seldom distinguishably worse.
      grow: whether to go on beyond the largest or smallest strength if the least score is there.
      average: names in ``points`` that are averaged over instead of chosen.
      journal: a file in which each training is kept as it ends. A call that finds it runs only
        what is missing, so that a stopped or crashed one goes on; more strengths may be added.
      per_device, mesh, chunk, progress, compiler_options: of `jaxreg.sweep`.

    Returns:
      A `Choice`, whose ``splits`` are the scores by fold. Its warnings say if trainings diverged
      (their candidates are left out), if the least score is at the rim, if the losses are the same
      in all folds or at all strengths, which a mistake in ``train`` makes them, or if fewer than
      ten examples are held out.

    Raises:
      TypeError: if ``train`` does not take or return what it should, or looks at values.
      ValueError: if strengths are negative, not finite, none or a single one; as `folds`; if all
        trainings of every candidate diverged; if the journal is none, or one of other data.
      KeyboardInterrupt: on Ctrl-C; what is done is in the journal.

    References: Stone 1974; Friedman, Hastie & Tibshirani 2010 (glmnet); Breiman et al. 1984 for
    the rule of one standard error.
    """
    began = time.perf_counter()
    owner = "cross_validate"
    _picking.check_rule(owner, rule)
    averaged = _names(owner, average)
    candidates_of(owner, points, averaged)
    count = examples_of(owner, examples, shared)
    weights = _weights(owner, folds, count, repeats, seed, classes, groups)
    options = {
        "per_device": per_device,
        "mesh": mesh,
        "chunk": chunk,
        "progress": progress,
        "compiler_options": compiler_options,
    }
    kept = Journal(owner, journal, (weights, shared) if journal is not None else None)
    points = {name: x if is_key(x) else np.asarray(x) for name, x in points.items()}
    growths, steps = 0, max(len(np.unique(points["strength"])) // 2, 2)
    while True:
        runs = scored(owner, train, points, weights, shared, options, kept)
        found = _judged(owner, candidates_of(owner, points, averaged), runs, weights, repeats)
        rim = found.rim()
        if not (grow and rim and rim.can_grow and growths < _rim.MOST_GROWTHS):
            break
        points, growths = _rim.grown(points, rim, steps), growths + 1
    return found.choice(rule, rim, time.perf_counter() - began)


def _names(owner: str, average: Any) -> tuple[str, ...]:
    names = (average,) if isinstance(average, str) else average
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f'{owner}: average: expected names of points such as ("seed", "key"), got '
            f"{brief(average)}"
        )
    return tuple(names)


def _weights(
    owner: str, folds: Any, examples: int, repeats: int, seed: int, classes: Any, groups: Any
) -> np.ndarray:
    if np.ndim(folds):
        return checked_splits(owner, folds, examples)
    made = folds_of(examples, folds, repeats=repeats, seed=seed, classes=classes, groups=groups)
    return np.asarray(made)


@dataclasses.dataclass(frozen=True)
class _Judged:
    """The curve of cross-validation; arrays by candidate."""

    candidates: Candidates
    runs: Scored
    splits: np.ndarray
    scores: np.ndarray
    errors: np.ndarray
    folds: int
    repeats: int
    held: int

    @property
    def eps(self) -> float:
        return float(np.finfo(jax.dtypes.canonicalize_dtype(np.float64)).eps)

    def rim(self) -> _rim.Rim | None:
        return _rim.found(self.candidates, self.scores, self.eps)

    def choice(self, rule: _picking.Rule, rim: _rim.Rim | None, seconds: float) -> Choice:
        strengths, alike = self.candidates.strengths, self.candidates.alike()
        chosen, interval = _picking.picked(
            rule, strengths, self.scores, self.errors, alike, self.eps
        )
        warned = list(_warnings.of(self.candidates, self.runs, rim))
        if not warned:
            warned = _rim.limited(rule, strengths[chosen], strengths[alike[chosen]])
        warned += _warnings.few(self.held)
        every = f"{self.folds} folds" if self.folds > 1 else "one split"
        again = f" repeated {self.repeats} times" if self.repeats > 1 else ""
        return Choice(
            strength=float(self.candidates.values["strength"][chosen]),
            candidates=self.candidates.values,
            scores=self.scores,
            errors=self.errors,
            trainings=self.runs.trainings,
            seconds=seconds,
            chosen=chosen,
            method=f"cross-validation, {every}{again}, {rule.replace('_', ' ')}",
            interval=interval,
            warnings=tuple(warned),
            splits=self.splits,
        )


def _judged(
    owner: str, candidates: Candidates, runs: Scored, weights: np.ndarray, repeats: int
) -> _Judged:
    splits = candidates.mean(runs.scores)
    if np.isnan(splits).any(axis=1).all():
        raise ValueError(
            f"{owner}: expected trainings that end with finite losses, but "
            f"{int(runs.diverged.sum())} of {runs.trainings} diverged, some of every candidate; "
            f"lower the learning rate"
        )
    repeats = repeats if len(weights) % repeats == 0 else 1
    held = np.sum(weights == 0, axis=1)
    scores = np.average(splits, axis=1, weights=held)
    folds = len(weights) // repeats
    errors = standard_errors(splits, held, repeats)
    if folds == 1:
        errors = np.sqrt(np.mean(candidates.mean(runs.errors**2), axis=1))
    counted = folds, repeats, _warnings.held_out(weights)
    return _Judged(candidates, runs, splits, scores, errors, *counted)


def standard_errors(splits: np.ndarray, held: np.ndarray, repeats: int) -> np.ndarray:
    """By glmnet's formula for each repeat, and of these the quadratic mean; NaN for one fold."""
    folds = splits.shape[1] // repeats
    if folds == 1:
        return np.full(len(splits), np.nan)
    cells, sizes = splits.reshape(-1, repeats, folds), held.reshape(repeats, folds)
    shares = sizes / sizes.sum(axis=1, keepdims=True)
    means = np.sum(shares * cells, axis=2, keepdims=True)
    squares = np.sum(shares * (cells - means) ** 2, axis=2) / (folds - 1)
    return np.sqrt(squares.mean(axis=1))

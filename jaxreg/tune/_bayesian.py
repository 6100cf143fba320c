"""`bayesian`, and beside it `random` and `sobol`, which are the same but for what they try next."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jax.sharding import Mesh

from jaxreg._messages.calls import explained
from jaxreg._sweep.progress import Progress
from jaxreg.tune._choice import Choice
from jaxreg.tune._search import Settings, searched


@explained
def bayesian(
    train: Callable[..., Any],
    space: Mapping[str, Any] | None,
    *shared: Any,
    trials: int = 64,
    batch: int = 8,
    folds: Any = None,
    seed: int = 0,
    classes: Any = None,
    groups: Any = None,
    examples: int | None = None,
    sampler: Any = "gp",
    pruner: Any = "best",
    storage: Any = None,
    per_device: Any = None,
    mesh: Mesh | None = None,
    progress: bool | Callable[[Progress], None] | None = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> Choice:
    """Chooses a strength, and other settings, by Bayesian optimisation through Optuna.

    Batch after batch: Optuna's ``ask`` proposes points, one program trains them side by side, its
    ``tell`` takes the scores. The program is that of `jaxreg.sweep`, the same for all batches, and
    is compiled once. Worth it where two or more settings are searched together, or trainings are
    expensive; for a strength alone a curve (`cross_validate`) costs as many trainings, and shows
    more.

    >>> import jax, jax.numpy as jnp
    >>> from jaxreg import tune
    >>> def train(point, weights, x, y):  # ridge regression in closed form
    ...     kept, n = weights[:, None] * x, weights.sum()
    ...     gram = x.T @ kept / n + point["strength"] * jnp.eye(x.shape[1])
    ...     w = jax.scipy.linalg.solve(gram, kept.T @ y / n, assume_a="pos")
    ...     return (x @ w - y) ** 2
    >>> x, noise = (jax.random.normal(jax.random.key(i), (60, 8)) for i in (0, 1))
    >>> space = {"strength": (1e-3, 10)}
    >>> choice = tune.bayesian(train, space, x, x[:, 0] + noise[:, 0], trials=16, folds=5)
    >>> 0.01 < choice.strength < 0.2, len(choice.study.trials)
    (True, 16)

    **The proposals** minimise the score under what is known: by ``sampler="gp"`` they have the
    largest expected improvement under a Gaussian process, averaged over its hyperparameters, after
    a first batch from Sobol's sequence; ``"tpe"`` is Optuna's estimator of Parzen; an object is a
    sampler of Optuna. Trials that run count as tried, so that those of a batch differ.

    **The storage** keeps every trial. A path is a journal of Optuna's: the same call goes on where
    it was stopped, trains again what was under way, and several processes share one study, each
    with the same call; together they train ``trials``. What a process of another host left behind
    is taken up once it has run ten times as long as any trial before. Use one storage for each
    training function: a study is known by its data, splits, space, seed and sampler, not by its
    code. For many hosts without a shared file system Optuna's own way is a database:
    ``storage="postgresql://…"``.

    **Pruning.** Trials side by side in one program end together: to stop one of them in the midst
    of its training would save nothing. What can be saved are whole trainings: with several folds
    a batch is trained fold by fold, and a trial whose mean so far is hopeless is not trained on the
    others. Diverged trials are not trained on, either. Both are pruned trials to Optuna.

    **Pictures of Optuna**: ``optuna.visualization.plot_slice(choice.study)`` and the others.

    Args:
      train: ``train(point, weights, *shared) → losses (examples,)``: see `jaxreg.tune`.
      space: by name what is searched: ``(low, high)``, in which orders of magnitude have equal
        weight, or `linear`; a number, which all trials share; for ``seed`` and ``key`` a sequence,
        which scores are averaged over. If it says nothing of ``strength``, that goes from 1e-5 to
        1e-2; None searches nothing else.
      *shared: arrays that all trainings use: the data.
      trials: how many points to try in all, in earlier calls and other processes too.
      batch: how many side by side; 8 or more keep wide devices busy, fewer learn more from each.
      folds: None holds out a fifth of the examples; a number is that of folds; or weights of your
        own, of shape (splits, examples), 0 for those held out.
      seed: of the splits and the proposals.
      classes, groups: as for `folds` and `holdout`.
      examples: how many there are; by default the length that all shared arrays agree on.
      sampler: "gp", "tpe", or a sampler of Optuna.
      pruner: of several folds: "best", which gives up what is worse than the best trial so far, on
        the folds that it was trained on, by more than two standard errors; None; or a pruner of
        Optuna, such as its ``MedianPruner`` (which compares a first fold with first folds, and
        gives up half of what is nearly the best).
      storage: None keeps the study in memory; a path; a URL of a database; a storage of Optuna.
      per_device: of `jaxreg.sweep`: runs side by side within a device; by default 1 on CPU, where
        more are slower, and elsewhere all. "auto" may compile several programs.
      mesh: likewise.
      progress: True shows a line on stderr after each batch; a function is called with it.
      compiler_options: of `jaxreg.sweep`.

    Returns:
      A `Choice`, of which the candidates are the trials in their order; ``study`` is Optuna's. Its
      warnings say if trials diverged, if the best is at the end of a range, and if Ctrl-C stopped
      it, which loses no batch that has ended.

    Raises:
      TypeError: if ``train`` does not take or return what it should, or the space is none.
      ValueError: if a range is reversed, not finite, or not above 0; ``trials`` are fewer than
        ``batch``; all trials diverged; the storage is none, or of another study.
      ImportError: without Optuna.
      KeyboardInterrupt: on Ctrl-C before any batch has ended.

    References: Snoek, Larochelle & Adams 2012 (arXiv:1206.2944); Bergstra et al. 2011 for TPE;
    Akiba et al. 2019, *Optuna* (arXiv:1907.10902).
    """
    settings = Settings(
        trials, batch, folds, seed, classes, groups, examples, sampler, pruner, storage,
        per_device, mesh, progress, compiler_options,
    )  # fmt: skip
    return searched("bayesian", train, space, shared, settings)


def _without_sampler(function: Callable[..., Choice]) -> Callable[..., Choice]:
    """The function, which shows the arguments of `bayesian` but the sampler: it sets that."""
    theirs = inspect.signature(bayesian)
    kept = [p for name, p in theirs.parameters.items() if name != "sampler"]
    signature = theirs.replace(parameters=kept)
    function.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    return function


@explained
@_without_sampler
def random(
    train: Callable[..., Any], space: Mapping[str, Any] | None, *shared: Any, **options: Any
) -> Choice:
    """Chooses as `bayesian` does, among points drawn at random: what that has to be better than.

    >>> import jax.numpy as jnp
    >>> from jaxreg import tune
    >>> def train(point, weights, y):  # the best strength is 1e-3
    ...     return y + (jnp.log10(point["strength"]) + 3) ** 2
    >>> choice = tune.random(train, None, jnp.ones(10), trials=32)
    >>> 5e-4 < choice.strength < 2e-3, choice.trainings
    (True, 32)

    Args:
      train: as for `bayesian`.
      space: likewise.
      *shared: likewise.
      **options: likewise, apart from ``sampler``.

    Returns:
      A `Choice`.

    Raises:
      TypeError, ValueError, ImportError, KeyboardInterrupt: as `bayesian`.

    References: Bergstra & Bengio 2012, *Random search for hyper-parameter optimization*.
    """
    return searched("random", train, space, shared, Settings(**options, sampler="random"))


@explained
@_without_sampler
def sobol(
    train: Callable[..., Any], space: Mapping[str, Any] | None, *shared: Any, **options: Any
) -> Choice:
    """Chooses as `bayesian` does, among points of Sobol's sequence: random, and yet evenly spread.

    Each half, quarter, eighth … of every range gets its share of the points. The best of a few is
    less a matter of chance, and with several settings no grid is needed.

    >>> import jax.numpy as jnp
    >>> from jaxreg import tune
    >>> def train(point, weights, y):  # the best strength is 1e-3
    ...     return y + (jnp.log10(point["strength"]) + 3) ** 2
    >>> choice = tune.sobol(train, None, jnp.ones(10), trials=16)
    >>> 5e-4 < choice.strength < 2e-3
    True

    Args:
      train: as for `bayesian`.
      space: likewise.
      *shared: likewise.
      **options: likewise, apart from ``sampler``; ``trials`` is best a power of 2.

    Returns:
      A `Choice`.

    Raises:
      TypeError, ValueError, ImportError, KeyboardInterrupt: as `bayesian`.

    References: Sobol 1967; Owen 1998 for the scrambling.
    """
    return searched("sobol", train, space, shared, Settings(**options, sampler="sobol"))

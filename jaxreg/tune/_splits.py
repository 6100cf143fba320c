"""Which examples train and which are held out, as weights: a row for each split.

One algorithm makes all folds: examples are dealt out in units (single ones, or groups that stay
together) so that each fold holds out its share of every class.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import dtypes
from jax.core import Tracer

from jaxreg import _numbers
from jaxreg._messages.brief import brief
from jaxreg._messages.calls import explained


@explained
def folds(
    examples: int,
    count: int = 5,
    *,
    repeats: int = 1,
    seed: int = 0,
    classes: Any = None,
    groups: Any = None,
) -> jax.Array:
    """Weights for cross-validation: each example is held out once by one of ``count`` folds.

    The folds of a repeat are of equal size, up to one example. With ``classes`` each fold holds out
    an equal share of every class, up to one example; with ``groups`` examples of one group are held
    out together, and folds are as equal as whole groups allow.

    >>> weights = folds(6, 3, classes=["a", "b"] * 3)
    >>> weights.shape, weights.sum(axis=0)
    ((3, 6), Array([2., 2., 2., 2., 2., 2.], dtype=float32))

    Args:
      examples: how many there are.
      count: folds; ``count=examples`` leaves out one at a time.
      repeats: how often all examples are dealt out anew.
      seed: of the random order.
      classes: of shape (examples,): the class of each.
      groups: of shape (examples,): which belong together, such as pictures of one person.

    Returns:
      Weights of shape (count · repeats, examples): 1 for examples that train, 0 for those held out.

    Raises:
      ValueError: if there are fewer examples, or groups, than folds; if a class would be left out
        of a training altogether; if classes or groups are not one for each example.

    References: Kohavi 1995, *A study of cross-validation and bootstrap*.
    """
    _check_counts("folds", examples, count, repeats)
    seed = _numbers.count("folds: seed", seed, 0)
    labels, units = _labels("folds", examples, classes, groups)
    if units.max() + 1 < count:
        raise ValueError(
            f"folds: groups: expected at least as many groups as folds, got {units.max() + 1} "
            f"groups for {count} folds; write count={units.max() + 1} or less"
        )
    dealt = [_deal(np.random.default_rng([seed, r]), count, labels, units) for r in range(repeats)]
    held = np.concatenate([fold == np.arange(count)[:, None] for fold in dealt])
    _require_classes("folds", held, labels, classes)
    return _weights(held)


@explained
def holdout(
    examples: int,
    share: float = 0.2,
    *,
    seed: int = 0,
    classes: Any = None,
    groups: Any = None,
) -> jax.Array:
    """Weights for a single split: a share of the examples is held out.

    >>> holdout(5, 0.4).sum(axis=1)
    Array([3.], dtype=float32)

    Args:
      examples: how many there are.
      share: of the examples held out: ``share · examples``, rounded, and of each class as much, up
        to one example. With ``groups``, one of round(1 / share) folds of whole groups.
      seed: of the random choice.
      classes: as for `folds`.
      groups: likewise.

    Returns:
      Weights of shape (1, examples), a row as from `folds`: 1 for examples that train, 0 for those
      held out.

    Raises:
      ValueError: as `folds`, or if ``share`` leaves no example on one of the two sides.
    """
    _check_counts("holdout", examples)
    seed = _numbers.count("holdout: seed", seed, 0)
    held_out = _held_out(examples, share)
    labels, units = _labels("holdout", examples, classes, groups)
    if groups is not None:
        count = max(round(1 / share), 2)
        return folds(examples, count, seed=seed, classes=classes, groups=groups)[:1]
    order = _by_class(np.random.default_rng([seed, 0]), labels, units)
    steps = (np.arange(examples + 1) * held_out + examples // 2) // examples
    held = np.zeros((1, examples), bool)
    held[0, order] = np.diff(steps) > 0
    _require_classes("holdout", held, labels, classes)
    return _weights(held)


def checked_splits(owner: str, splits: Any, examples: int) -> np.ndarray:
    """Weights that somebody made, as an array, once every row trains on some and holds out some."""
    weights = np.asarray(splits)
    if weights.ndim != 2 or weights.shape[1] != examples or not len(weights):
        raise ValueError(
            f"{owner}: folds: expected their number, or weights of shape (splits, {examples}) as "
            f"from tune.folds, got {brief(splits)}"
        )
    weights = weights.astype(dtypes.canonicalize_dtype(np.float64))
    if not np.all(np.isfinite(weights) & (weights >= 0)):
        raise ValueError(f"{owner}: folds: expected weights ≥ 0, got {brief(splits)}")
    for side, found in (("train on", weights > 0), ("hold out (weight 0)", weights == 0)):
        if empty := np.flatnonzero(~found.any(axis=1)).tolist():
            raise ValueError(
                f"{owner}: folds: expected examples to {side} in every split, got none in split "
                f"{empty[0]}"
            )
    return weights


def _weights(held: np.ndarray) -> jax.Array:
    return jnp.asarray(~held, dtypes.canonicalize_dtype(np.float64))


def _deal(
    rng: np.random.Generator, count: int, labels: np.ndarray, units: np.ndarray
) -> np.ndarray:
    """The fold of each example."""
    examples, groups = len(labels), int(units.max()) + 1
    if groups == examples:
        fold = np.empty(examples, int)
        fold[_by_class(rng, labels, units)] = np.arange(examples) % count
        return rng.permutation(count)[fold]
    return _deal_groups(rng, count, labels, units)[units]


def _by_class(rng: np.random.Generator, labels: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The examples in random order, class by class: every run of them is fair to each class."""
    shuffled = rng.permutation(len(units))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


def _deal_groups(
    rng: np.random.Generator, count: int, labels: np.ndarray, units: np.ndarray
) -> np.ndarray:
    """The fold of each group: the largest first, each to where its classes are missed most."""
    sizes = np.zeros((units.max() + 1, labels.max() + 1))
    np.add.at(sizes, (units, labels), 1)
    shares = sizes / sizes.sum(axis=0)
    filled = np.zeros((count, shares.shape[1]))
    fold = np.empty(len(sizes), int)
    shuffled = rng.permutation(len(sizes))
    for group in shuffled[np.argsort(-sizes[shuffled].sum(axis=1), kind="stable")]:
        cost = np.sum((filled + shares[group]) ** 2 - filled**2, axis=1)
        fold[group] = min(range(count), key=lambda f: (cost[f].round(12), filled[f].sum()))
        filled[fold[group]] += shares[group]
    return fold


def _check_counts(owner: str, examples: Any, count: Any = 2, repeats: Any = 1) -> None:
    least = {"examples": (examples, 2), "count": (count, 2), "repeats": (repeats, 1)}
    for name, (number, bound) in least.items():
        _numbers.count(f"{owner}: {name}", number, bound)
    if count > examples:
        raise ValueError(
            f"{owner}: expected at least as many examples as folds, got {examples} examples for "
            f"{count} folds; write count={examples} to leave out one at a time"
        )


def _held_out(examples: int, share: Any) -> int:
    number = _numbers.as_float(share)
    if not 0 < number < 1 or not 0 < round(number * examples) < examples:
        raise ValueError(
            f"holdout: share: expected a number between 0 and 1 that leaves examples on both "
            f"sides, got {brief(share)} of {examples} examples"
        )
    return round(number * examples)


def _labels(owner: str, examples: int, classes: Any, groups: Any) -> tuple[np.ndarray, np.ndarray]:
    """The class and the group of each example, as numbers from 0 on."""
    labels, units = np.zeros(examples, int), np.arange(examples)
    if classes is not None:
        labels = _numbered(owner, "classes", classes, examples)
    if groups is not None:
        units = _numbered(owner, "groups", groups, examples)
    return labels, units


def _numbered(owner: str, name: str, values: Any, examples: int) -> np.ndarray:
    if isinstance(values, Tracer):
        raise TypeError(
            f"{owner}: {name}: expected values, got a traced array; make the splits outside of "
            f"jit, and hand them over as weights"
        )
    array = np.asarray(values)
    if array.shape != (examples,):
        advice = "; of one-hot labels take labels.argmax(-1)" if array.ndim == 2 else ""
        raise ValueError(
            f"{owner}: {name}: expected one for each of {examples} examples, got "
            f"{brief(values)}{advice}"
        )
    return np.unique(array, return_inverse=True)[1].reshape(examples)


def _require_classes(owner: str, held: np.ndarray, labels: np.ndarray, classes: Any) -> None:
    """Raises if a training would see nothing of a class."""
    if classes is None:
        return
    trained = np.zeros((len(held), labels.max() + 1), int)
    for split, out in zip(trained, held, strict=True):
        split += np.bincount(labels[~out], minlength=len(split))
    if missing := np.flatnonzero((trained == 0).any(axis=0)).tolist():
        examples = int(np.sum(labels == missing[0]))
        raise ValueError(
            f"{owner}: classes: expected examples of every class to train on in each split, but "
            f"all {examples} of class {np.unique(np.asarray(classes))[missing[0]]} would be held "
            f"out together; leave that class out, merge it with another, or write classes=None"
        )

"""Splits, strengths and the contract of a training: and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import tune
from jaxreg.tune._contract import check_train, examples_of
from jaxreg.tune._picking import picked
from jaxreg.tune._runs import scored

RNG = np.random.default_rng(0)
CLASSES = RNG.choice(4, 97, p=[0.6, 0.2, 0.15, 0.05])
GROUPS = RNG.integers(0, 23, 97)


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("classes", [None, CLASSES], ids=["plain", "stratified"])
def test_each_example_is_held_out_once_by_folds_of_equal_size_and_share(classes, repeats):
    weights = np.asarray(tune.folds(97, 5, repeats=repeats, classes=classes))
    assert weights.shape == (5 * repeats, 97)
    assert set(np.unique(weights)) == {0, 1}
    held = (weights == 0).reshape(repeats, 5, 97)
    np.testing.assert_array_equal(held.sum(axis=1), 1)
    assert np.ptp(held.sum(axis=2)) <= 1
    for label in [] if classes is None else np.unique(classes):
        assert np.ptp(held[:, :, classes == label].sum(axis=2)) <= 1
    assert repeats == 1 or not np.array_equal(held[0], held[1])


@pytest.mark.parametrize("classes", [None, CLASSES], ids=["plain", "stratified"])
def test_groups_are_held_out_whole_and_folds_are_nearly_equal(classes):
    held = np.asarray(tune.folds(97, 4, groups=GROUPS, classes=classes)) == 0
    for group in np.unique(GROUPS):
        assert held[:, group == GROUPS].any(axis=1).sum() == 1
    largest = np.bincount(GROUPS).max()
    assert np.ptp(held.sum(axis=1)) <= largest
    if classes is not None:
        shares = np.array([np.bincount(classes[out], minlength=4) / out.sum() for out in held])
        assert np.abs(shares - np.bincount(classes) / 97).max() < 0.1


def test_folds_depend_on_the_seed_alone_and_classes_may_be_words():
    words = np.array(["a", "b", "c", "d"])[CLASSES]
    first = tune.folds(97, 5, classes=CLASSES, seed=3)
    np.testing.assert_array_equal(first, tune.folds(97, 5, classes=words, seed=3))
    assert not np.array_equal(first, tune.folds(97, 5, classes=CLASSES, seed=4))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8])
def test_a_holdout_takes_its_share_of_all_and_of_each_class(share):
    held = np.asarray(tune.holdout(97, share, classes=CLASSES))[0] == 0
    assert held.sum() == round(share * 97)
    for label in np.unique(CLASSES):
        assert abs(held[label == CLASSES].sum() - share * np.sum(label == CLASSES)) < 1
    grouped = np.asarray(tune.holdout(97, share, groups=GROUPS))[0] == 0
    assert not set(GROUPS[grouped]) & set(GROUPS[~grouped])


REFUSED_SPLITS = [
    (lambda: tune.folds(3, 5), "3 examples for 5 folds; write count=3"),
    (lambda: tune.folds(10, 1), "count: expected an integer of at least 2, got 1"),
    (lambda: tune.folds(10, True), "count: expected an integer"),
    (lambda: tune.folds(10, 2, repeats=0), "repeats: expected an integer of at least 1, got 0"),
    (lambda: tune.folds(10.0, 2), "examples: expected an integer of at least 2, got 10.0"),
    (lambda: tune.folds(4, 2, classes=[0, 0, 0, 1]), "all 1 of class 1 would be held out"),
    (lambda: tune.folds(4, 2, classes=[0, 1]), "classes: expected one for each of 4 examples"),
    (lambda: tune.folds(4, 2, classes=np.eye(4)), "of one-hot labels take labels.argmax"),
    (lambda: tune.folds(6, 3, groups=[0, 0, 0, 1, 1, 1]), "2 groups for 3 folds; write count=2"),
    (lambda: tune.holdout(10, 0.0), "share: expected a number between 0 and 1"),
    (lambda: tune.holdout(10, 3), "share: expected a number between 0 and 1"),
    (lambda: tune.holdout(10, 0.01), "leaves examples on both sides, got 0.01 of 10"),
    (lambda: tune.holdout(4, 0.5, classes=[0, 1, 2, 2]), "would be held out together"),
    (lambda: tune.strengths(0.0, 1.0), "low: expected a number > 0, got 0"),
    (lambda: tune.strengths(-1e-5), "low: expected a finite number ≥ 0"),
    (lambda: tune.strengths(1.0, 0.1), "expected low < high, got 1 and 0.1"),
    (lambda: tune.strengths(1e-5, float("nan")), "high: expected a finite number"),
    (lambda: tune.strengths(count=1), "count: expected an integer of at least 2, got 1"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED_SPLITS)
def test_splits_and_strengths_that_cannot_be_are_refused(call, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        call()


def test_classes_are_not_traced():
    with pytest.raises(TypeError, match="make the splits outside of jit"):
        jax.jit(lambda classes: tune.folds(4, 2, classes=classes))(jnp.arange(4))


def test_strengths_are_equal_steps_of_the_logarithm():
    series = tune.strengths(1e-4, 1.0, 9, zero=True)
    assert series[0] == 0
    np.testing.assert_allclose(np.diff(np.log10(series[1:])), 0.5, rtol=1e-5)


# --- the contract ---


def test_the_weighted_mean_is_that_of_the_examples_that_count():
    losses, weights = RNG.normal(size=20), RNG.integers(0, 2, 20).astype(float)
    expected = losses[weights > 0].mean()
    both = jax.jit(jax.value_and_grad(tune.weighted_mean))
    np.testing.assert_allclose(both(losses, weights)[0], expected, rtol=1e-6)
    nothing = both(np.arange(20.0), np.zeros(20))
    assert nothing[0] == 0
    assert not nothing[1].any()
    assert tune.weighted_mean(jnp.array([True, False]), jnp.ones(2)) == 0.5
    with pytest.raises(ValueError, match="take the weights of its rows too"):
        tune.weighted_mean(jnp.ones(3), jnp.ones(4))


X = jnp.ones((6, 2))


def looks(point, weights, x):
    return x[:, 0] if point["strength"] > 1 else x[:, 1]


BROKEN = [
    (lambda point, weights, x: jnp.mean(x), ValueError, "a scalar; return the losses before"),
    (lambda point, weights, x: x, ValueError, r"\(6, 2\); sum or average each"),
    (lambda point, weights, x: x[:4, 0], ValueError, r"\(4,\); those of weight 0 belong to it"),
    (lambda point, weights, x: (x[:, 0], x), TypeError, "a tuple of 2 .*; return that array alone"),
    (lambda point, weights, x: None, TypeError, "got None; return that array alone"),
    (lambda point, weights, x: x[:, 0] + 1j, TypeError, "losses are real numbers"),
    (lambda point, x: x[:, 0], TypeError, r"expected train\(point, weights, \*shared\)"),
    (lambda point, weights, x, y: x[:, 0], TypeError, "with 1 shared arrays as given, got train"),
    (looks, TypeError, "looked at the value of a traced array .*multiply by the weights"),
    (lambda point, weights, x: x[weights > 0], TypeError, "instead of taking a subset"),
    (lambda point, weights, x: np.sum(np.asarray(x), axis=1), TypeError, "write jnp for np"),
    (3.0, TypeError, r"expected train\(point, weights, \*shared\).*, got 3.0"),
]


@pytest.mark.parametrize(("train", "error", "message"), BROKEN)
def test_a_training_that_breaks_the_contract_is_told_so_before_any_runs(train, error, message):
    with pytest.raises(error, match=message):
        check_train("cross_validate", train, {"strength": 0.1}, 6, (X,))


def test_the_number_of_examples_is_the_length_that_shared_arrays_agree_on():
    assert examples_of("f", None, (X, {"y": jnp.ones(6)})) == 6
    assert examples_of("f", 4, (X, jnp.ones(3))) == 4
    for shared in ((), (X, jnp.ones(3)), (jnp.ones(()),)):
        with pytest.raises(ValueError, match="say how many there are: examples=…"):
            examples_of("f", None, shared)
    with pytest.raises(ValueError, match="examples: expected an integer"):
        examples_of("f", 1, ())


# --- runs and rules ---


def shifted(point, weights, y):
    """Every example's distance from the mean of those that count; diverges at strength 9."""
    centre = tune.weighted_mean(y, weights) + point["strength"]
    return jnp.where(point["strength"] == 9, jnp.nan, jnp.abs(y - centre))


def test_scores_are_means_over_the_examples_that_each_split_holds_out():
    y, weights = RNG.normal(size=11).astype(np.float32), np.asarray(tune.folds(11, 3))
    points = {"strength": np.array([0.0, 9.0, 1.5], np.float32)}
    found = scored("f", shifted, points, weights, (y,), {"per_device": 2})
    assert found.trainings == 9
    assert found.diverged.tolist() == [[False] * 3, [True] * 3, [False] * 3]
    for i, strength in [(0, 0.0), (2, 1.5)]:
        for split, kept in enumerate(weights > 0):
            losses = np.abs(y - y[kept].mean() - strength)
            held = losses[~kept]
            np.testing.assert_allclose(found.scores[i, split], held.mean(), rtol=1e-5)
            error = held.std(ddof=1) / np.sqrt(len(held))
            np.testing.assert_allclose(found.errors[i, split], error, rtol=1e-5)
            np.testing.assert_allclose(found.overall[i, split], losses.mean(), rtol=1e-5)


STRENGTHS = np.array([0.1, 10.0, 1.0, 0.01])
RULES = [  # scores, errors, minimum, one_standard_error, interval
    ([2.0, 3.0, 1.0, 4.0], [0.1] * 4, 1.0, 1.0, (1.0, 1.0)),
    ([1.5, 3.0, 1.0, 4.0], [9, 9, 0.5, 9], 1.0, 1.0, (0.1, 1.0)),
    ([1.5, 1.5, 1.0, 4.0], [0, 0, 0.5, 0], 1.0, 10.0, (0.1, 10.0)),
    ([1.0, 2.0, 1.0, 1.0], [0.0] * 4, 1.0, 1.0, (0.01, 1.0)),  # equal: the largest strength
    ([np.nan, np.nan, 2.0, 1.0], [2.0] * 4, 0.01, 1.0, (0.01, 1.0)),
    ([3.0, 2.0, 2.0, 2.0], [np.nan] * 4, 10.0, 10.0, None),
]


@pytest.mark.parametrize(("scores", "errors", "minimum", "simplest", "interval"), RULES)
def test_the_minimum_and_the_rule_of_one_standard_error(
    scores, errors, minimum, simplest, interval
):
    given = STRENGTHS, np.array(scores), np.array(errors)
    for rule, strength in (("minimum", minimum), ("one_standard_error", simplest)):
        index, found = picked(rule, *given)
        assert STRENGTHS[index] == strength
        assert found == interval

"""Cross-validation: what loops over scikit-learn give, from one program; what it warns of."""

from __future__ import annotations

import functools
import json
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LassoCV, Ridge

from jaxreg import grid, l1, solve, tune
from jaxreg.tune._cross_validation import standard_errors
from tests.processes import interruptible

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = (X @ np.array([1.0, 0.5, 0.0, 0.0]) + 1.5 * RNG.normal(size=40)).astype(np.float32)
STRENGTHS = tune.strengths(1e-2, 10.0, 6)
HONEST, UNWEIGHTED, MULTIPLIED, DIVERGING, CONSTANT, FALLING, RISING = range(7)
TRACED = []

solved = functools.partial(jax.scipy.linalg.solve, assume_a="pos")
"""By Cholesky: side by side on several CPU devices an LU may wait forever (jaxlib 0.10.2)."""


def ridge(point, weights, x, y):
    """In closed form, with mistakes by ``mode``: one program for all tests."""
    TRACED.append(1)
    mode, strength = point["mode"], point["strength"]
    used = jnp.where(mode == UNWEIGHTED, 1.0, weights)
    gram = x.T @ (used[:, None] * x) / used.sum()
    w = solved(gram + strength * jnp.eye(4), x.T @ (used * y) / used.sum())
    losses = (x @ w - y) ** 2 + point["seed"]
    trend = jnp.arange(40) % 3 + weights[:20].mean()
    choices = [
        losses,
        losses,
        losses * weights,
        jnp.where(strength > 1, jnp.nan, losses),
        trend,
        trend - jnp.log10(strength + 1e-9),
        trend + jnp.log10(strength + 1e-9),
    ]
    return jnp.select([mode == i for i in range(7)], choices)


def validate(mode=HONEST, strengths=STRENGTHS, seed=(0.0,), **options):
    points = grid(strength=strengths, mode=[mode], seed=list(seed))
    return tune.cross_validate(ridge, points, X, Y, per_device=4, **options)


def by_scikit_learn(weights, strengths):
    """Mean squared errors of held-out examples, (strengths, splits)."""
    return np.array(
        [
            [
                np.mean((Y[w == 0] - held_out(w > 0, strength).predict(X[w == 0])) ** 2)
                for w in np.asarray(weights)
            ]
            for strength in strengths
        ]
    )


def held_out(kept, strength):
    return Ridge(float(strength) * kept.sum(), fit_intercept=False).fit(X[kept], Y[kept])


def glmnet_errors(table):
    """cvsd for folds of equal size."""
    return np.sqrt(np.mean((table - table.mean(1, keepdims=True)) ** 2, 1) / (table.shape[1] - 1))


def test_folds_and_strengths_and_seeds_are_one_program_and_give_what_loops_give():
    TRACED.clear()
    choice = validate(seed=(0.0, 1.0))
    assert len(TRACED) == 2  # once for its shapes, and once for the program
    assert choice.trainings == 6 * 5 * 2
    expected = by_scikit_learn(tune.folds(40, 5), STRENGTHS)
    np.testing.assert_allclose(choice.splits, expected + 0.5, rtol=1e-4)  # the mean of the seeds
    np.testing.assert_allclose(choice.scores, expected.mean(1) + 0.5, rtol=1e-4)
    np.testing.assert_allclose(choice.errors, glmnet_errors(expected), rtol=1e-3)
    best = np.argmin(expected.mean(1))
    assert choice.strength == STRENGTHS[best] == choice.point["strength"]
    near = STRENGTHS[expected.mean(1) <= (expected.mean(1) + glmnet_errors(expected))[best]]
    assert choice.interval == (near.min(), near.max())
    assert validate(seed=(0.0, 1.0), rule="one_standard_error").strength == near.max()
    assert choice.warnings == ()


def test_the_order_of_strengths_does_not_matter_and_others_may_be_chosen_too():
    shuffled = validate(strengths=STRENGTHS[[3, 0, 5, 1, 4, 2]])
    assert shuffled.strength == validate().strength
    both = validate(seed=(0.5, 0.0, 1.0), average=())
    assert both.point["seed"] == 0.0
    assert both.trainings == 6 * 5 * 3
    assert both.interval == validate().interval


def test_folds_of_ones_own_repeats_and_a_single_split():
    weights = tune.folds(40, 5, seed=3)
    own, seeded = validate(folds=weights), validate(seed=(0.0,))
    np.testing.assert_allclose(own.splits, by_scikit_learn(weights, STRENGTHS), rtol=1e-4)
    assert not np.allclose(own.scores, seeded.scores)
    repeated = validate(folds=5, repeats=2)
    first, second = repeated.splits[:, :5], repeated.splits[:, 5:]
    squares = glmnet_errors(first) ** 2 + glmnet_errors(second) ** 2
    np.testing.assert_allclose(repeated.errors, np.sqrt(squares / 2), rtol=1e-6)
    assert "repeated 2 times" in repeated.method
    split = tune.holdout(40, 0.25)
    alone = validate(folds=split)
    held = np.asarray(split)[0] == 0
    losses = (Y[held] - held_out(~held, STRENGTHS[0]).predict(X[held])) ** 2
    np.testing.assert_allclose(alone.errors[0], losses.std(ddof=1) / np.sqrt(10), rtol=1e-3)


def test_folds_of_unequal_size_count_by_their_examples():
    splits, held = RNG.normal(size=(3, 4)), np.array([5, 5, 4, 1])
    shares = held / held.sum()
    mean = splits @ shares
    expected = np.sqrt((splits - mean[:, None]) ** 2 @ shares / 3)
    np.testing.assert_allclose(standard_errors(splits, held, 1), expected)


def lasso(point, weights, x, y):
    def loss(params):
        return 0.5 * tune.weighted_mean((x @ params["w"] + params["b"] - y) ** 2, weights)

    start = {"w": jnp.zeros(4), "b": jnp.zeros(())}
    found = solve(loss, point["strength"] * l1.on("w"), start).params
    return (x @ found["w"] + found["b"] - y) ** 2


def test_the_lasso_chooses_what_lasso_cv_chooses_on_the_same_folds():
    weights = np.asarray(tune.folds(40, 5))
    pairs = [(np.flatnonzero(w > 0), np.flatnonzero(w == 0)) for w in weights]
    strengths = tune.strengths(1e-3, 1.0, 12)
    theirs = LassoCV(alphas=strengths, cv=pairs, tol=1e-8).fit(X.astype(float), Y)
    points = grid(strength=strengths)
    choice = tune.cross_validate(lasso, points, X, Y, folds=weights, per_device=1)
    np.testing.assert_allclose(choice.splits[::-1], theirs.mse_path_, rtol=2e-3)
    np.testing.assert_allclose(choice.strength, theirs.alpha_, rtol=1e-6)
    means, errors = theirs.mse_path_.mean(1), glmnet_errors(theirs.mse_path_)
    best = np.argmin(means)
    simplest = theirs.alphas_[means <= means[best] + errors[best]].max()
    np.testing.assert_allclose(choice.interval[1], simplest, rtol=1e-6)


# --- warnings ---

MISTAKES = [
    (UNWEIGHTED, "the same whatever is held out: does train use its weights?"),
    (MULTIPLIED, "held-out examples are 0: return them before they are multiplied by the weights"),
    (CONSTANT, "all candidates score the same: does train use point"),
    (FALLING, "that of the largest strength, 10: the best may lie beyond, with larger ones; grow"),
    (RISING, "that of the smallest strength, 0.01: the best may lie beyond, with smaller ones"),
]


@pytest.mark.parametrize(("mode", "message"), MISTAKES)
def test_mistakes_of_a_training_and_rims_are_warned_of(mode, message):
    choice = validate(mode)
    assert len(choice.warnings) == 1
    assert message in choice.warnings[0]
    assert f"warning: {choice.warnings[0]}" in repr(choice)


@pytest.mark.parametrize(
    ("held", "message"), [(1, "1 example is held"), (9, "9 examples are held")]
)
def test_a_split_that_holds_hardly_anything_out_is_warned_of(held, message):
    weights = np.ones((1, 40))
    weights[0, :held] = 0
    choice = validate(folds=weights)
    assert f"only {message} out, in all splits together" in choice.warnings[-1]
    assert np.isnan(choice.errors).all() == (choice.interval is None) == (held == 1)


def test_two_strengths_of_which_one_is_zero_have_no_step_to_grow_by():
    choice = validate(FALLING, [0.0, 1e-3], grow=True)
    assert len(choice.scores) == 2
    assert choice.warnings[0].endswith("beyond, with larger ones")


def test_one_standard_error_says_if_the_strengths_ended_before_it():
    strengths = tune.strengths(1e-2, 0.5, 6)
    choice = validate(strengths=strengths, rule="one_standard_error")
    assert choice.strength == strengths[-1]
    assert "0.5, is within one standard error of the least score: larger" in choice.warnings[0]


def test_traced_data_are_refused_since_there_is_nothing_to_print_yet():
    points = grid(strength=STRENGTHS)
    with pytest.raises(TypeError, match="call it outside of jit, vmap and grad"):
        jax.jit(lambda x: tune.cross_validate(ridge, points, x, Y).scores)(X)


def test_zero_is_an_end_that_needs_no_more():
    choice = validate(RISING, tune.strengths(1e-2, 10, 4, zero=True), grow=True)
    assert choice.strength == 0
    assert "strength 0: no other that was tried improves on it" in choice.warnings[0]
    assert len(choice.scores) == 5


@pytest.mark.parametrize(("mode", "end"), [(FALLING, np.max), (RISING, np.min)])
def test_the_grid_grows_at_the_rim_in_its_own_steps_and_stops(mode, end):
    choice = validate(mode, grow=True, seed=(0.0, 1.0))
    strengths = choice.candidates["strength"]
    np.testing.assert_allclose(np.diff(np.log(np.sort(strengths))), np.log(1000) / 5, rtol=1e-3)
    assert len(strengths) == 6 + 4 * 3
    assert choice.trainings == 18 * 5 * 2
    assert choice.strength == end(strengths)


def test_diverged_trainings_are_counted_and_their_candidates_left_out():
    choice = validate(DIVERGING)
    out = STRENGTHS > 1
    np.testing.assert_array_equal(np.isnan(choice.scores), out)
    assert choice.warnings[0].startswith("10 of 30 trainings diverged: 2 of 6 candidates")
    assert choice.strength <= 1
    assert repr(choice).count("left out") == 3
    with pytest.raises(ValueError, match="10 of 10 diverged, some of every candidate"):
        validate(DIVERGING, STRENGTHS[out])


# --- the journal ---


def test_a_journal_keeps_trainings_and_runs_only_what_is_missing(tmp_path):
    journal = tmp_path / "deep" / "journal.jsonl"
    first = validate(strengths=STRENGTHS[:4], journal=journal)
    lines = journal.read_text().splitlines()
    assert len(lines) == 1 + 4 * 5
    journal.write_text("\n".join(lines[:9]) + "\n" + lines[9][:20])  # as a crash leaves it
    again = validate(strengths=STRENGTHS[:4], journal=journal)
    np.testing.assert_allclose(again.splits, first.splits, rtol=1e-6)
    assert journal.read_text().splitlines()[:9] == lines[:9]
    more = validate(journal=journal)
    assert len(journal.read_text().splitlines()) == 1 + 6 * 5
    np.testing.assert_allclose(more.splits, validate().splits, rtol=1e-6)
    assert validate(journal=journal).strength == more.strength


def test_ctrl_c_leaves_what_is_done_in_the_journal(tmp_path):
    journal = tmp_path / "journal.jsonl"

    def interrupt(progress):
        if progress.done >= 10:
            signal.raise_signal(signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    with interruptible(), pytest.raises(KeyboardInterrupt) as caught:
        validate(journal=journal, chunk=5, progress=interrupt)
    done = len(journal.read_text().splitlines()) - 1
    assert 10 <= done < 30
    assert caught.value.__notes__ == [f"cross_validate: stopped after {done} of 30 trainings"]
    np.testing.assert_allclose(validate(journal=journal).splits, validate().splits, rtol=1e-6)


def test_a_file_that_is_no_journal_or_of_other_data_is_left_alone(tmp_path):
    other = tmp_path / "results.csv"
    other.write_text("strength,score\n1,2\n")
    with pytest.raises(ValueError, match=r"results.csv is something else; it is left as it is"):
        validate(journal=other)
    assert other.read_text() == "strength,score\n1,2\n"
    journal = tmp_path / "journal.jsonl"
    validate(journal=journal)
    kept = journal.read_text()
    assert json.loads(kept.splitlines()[0])["journal"] == "jaxreg.tune"
    with pytest.raises(ValueError, match="is of other data, splits or shared arrays"):
        validate(journal=journal, seed=(0.0,), folds=tune.folds(40, 5, seed=9))
    assert journal.read_text() == kept


# --- what is refused ---

HUGE = {"strength": [1.0, 1e39]}
NEGATIVE, MISSING = {"strength": [-1.0, 1.0]}, {"strength": [np.nan, 1.0]}
REFUSED = [
    (lambda: tune.cross_validate(ridge, [0.1, 1.0], X, Y), TypeError, "a dictionary of arrays"),
    (lambda: tune.cross_validate(ridge, {"lam": [1.0]}, X, Y), TypeError, "with a strength"),
    (lambda: tune.cross_validate(ridge, NEGATIVE, X, Y), ValueError, "finite number ≥ 0, got -1"),
    (lambda: tune.cross_validate(ridge, MISSING, X, Y), ValueError, "finite number ≥ 0, got nan"),
    (lambda: tune.cross_validate(ridge, HUGE, X, Y), ValueError, "float32 holds, got 1e.39"),
    (lambda: tune.ridge_path(X, Y, [1e-42]), ValueError, "float32 holds, got 1e-42"),
    (lambda: tune.cross_validate(ridge, {"strength": []}, X, Y), ValueError, "strengths, got none"),
    (lambda: tune.cross_validate(ridge, {"strength": 1.0}, X, Y), ValueError, "of one length"),
    (lambda: validate(strengths=[0.1]), ValueError, "several candidates to choose between, got 1"),
    (lambda: validate(rule="1se"), ValueError, "rule: expected"),
    (lambda: validate(folds=50), ValueError, "40 examples for 50 folds"),
    (lambda: validate(folds=np.ones((2, 40))), ValueError, "to hold out .weight 0. in every"),
    (lambda: validate(folds=np.ones((2, 3))), ValueError, r"shape \(splits, 40\)"),
    (lambda: validate(folds=np.zeros((1, 40))), ValueError, "to train on in every split"),
    (lambda: validate(folds=-np.eye(40)), ValueError, "expected weights ≥ 0"),
    (lambda: validate(classes=[0] * 39 + [1]), ValueError, "class 1 would be held out"),
    (lambda: validate(groups=np.arange(40) % 3), ValueError, "3 groups for 5 folds"),
    (lambda: tune.cross_validate(ridge, grid(strength=[0, 1]), X, Y[:3]), ValueError, "examples=…"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_cannot_be_validated_is_refused_before_anything_runs(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- the table and the picture ---


def test_the_table_shows_every_candidate_once_and_the_choice():
    lines = repr(validate(seed=(0.0, 1.0), average=())).splitlines()
    assert lines[0].split() == ["strength", "mode", "seed", "score", "±", "error"]
    assert len(lines) == 1 + 12 + 1
    assert sum("← chosen" in line for line in lines) == 1
    assert "60 trainings" in lines[-1]
    long = repr(validate(strengths=tune.strengths(count=200))).splitlines()
    assert len(long) <= 1 + 31 + 3
    assert "of 200 candidates shown" in long[-2]


def test_the_picture_has_the_curve_the_interval_and_the_choice():
    choice = validate(seed=(0.0, 1.0), average=(), strengths=tune.strengths(0.01, 10, 6, zero=True))
    figure = choice.draw()
    axes = figure.axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert f"chosen: λ = {choice.strength:.3g}" in labels
    assert {"score ± error", "other settings", "within one standard error"} < set(labels)
    assert axes.get_xscale() == "symlog"
    assert choice.draw(axes) is figure


def test_a_training_that_fails_says_which_weights_it_was_given():
    with pytest.raises(TypeError, match="incompatible shapes") as caught:
        validate(examples=39)
    assert "cross_validate: train was given weights of shape (39,)" in caught.value.__notes__

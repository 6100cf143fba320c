"""Slopes, shares, regrets and intervals against closed forms, loops and SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from experiments.statistics import additivity, resample, surface

ROWS, COLUMNS, SHIFT = 5, 12, 2
RATIO = np.log(2)
LOG_DECAYS = RATIO * np.arange(COLUMNS)
LOG_LEARNING_RATES = SHIFT * RATIO * np.arange(ROWS)


def valley(slope: float, start: float = 4.0, curvature: float = 0.2) -> np.ndarray:
    """A parabola in log decay whose lowest point moves with the log learning rate."""
    middle = start * RATIO + slope * LOG_LEARNING_RATES
    return 1 + curvature * (LOG_DECAYS - middle[:, None]) ** 2


# --- intervals ---


def test_the_jackknife_interval_of_a_mean_is_students():
    values = np.random.default_rng(0).standard_normal(7)
    found = resample.estimate(lambda seeds: float(values[seeds].mean()), 7)
    exact = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert found.jackknife == pytest.approx(exact, rel=1e-12)


def test_the_jackknife_interval_covers_as_often_as_it_says_and_the_bootstrap_does_not():
    """With five seeds; a smooth statistic that is no mean."""
    generator = np.random.default_rng(1)
    counts = {"jackknife": 0, "bootstrap": 0}
    for _ in range(400):
        values = np.exp(0.3 * generator.standard_normal((2, 5)))
        found = resample.estimate(
            lambda s, v=values: float(np.log(v[0, s].mean() / v[1, s].mean())), 5, 200
        )
        for name in counts:
            low, high = getattr(found, name)
            counts[name] += low <= 0 <= high
    assert 0.93 < counts["jackknife"] / 400 < 0.98
    assert counts["bootstrap"] / 400 < 0.90


def test_an_estimate_that_is_undefined_without_one_seed_has_no_interval():
    found = resample.estimate(lambda seeds: 1.0 if 2 in seeds else None, 3)
    assert found.value == 1.0
    assert found.jackknife is None
    assert found.show() == "1.00 (no interval)"
    assert found.within(0, 2) is None
    assert resample.estimate(lambda seeds: None, 3).show() == "undecided"


@pytest.mark.parametrize(
    ("interval", "inside"),
    [((0.1, 0.2), True), ((0.6, 0.9), False), ((0.4, 0.6), None), ((-1.0, 1.0), None)],
)
def test_an_interval_decides_only_if_it_lies_on_one_side(interval, inside):
    assert resample.Estimate(0.5, interval, None, 5).within(0.0, 0.5) is inside


def test_resampling_draws_whole_seeds():
    seen = []
    resample.estimate(lambda seeds: float(len(seen)) if seen.append(tuple(seeds)) else 0.0, 3, 50)
    assert seen[:4] == [(0, 1, 2), (1, 2), (0, 2), (0, 1)]
    assert all(len(draw) == 3 for draw in seen[4:])
    assert sorted(seen[4:]) == list(itertools.combinations_with_replacement(range(3), 3))


# --- edges and ridges ---


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_slopes_of_a_moving_valley(slope):
    losses = valley(slope, start=1.5)
    for found in (
        surface.edge_slope(losses, LOG_LEARNING_RATES, LOG_DECAYS),
        surface.edge_slope(losses, LOG_LEARNING_RATES, LOG_DECAYS, surface.HIGHER_LEVEL),
        surface.slope(LOG_LEARNING_RATES, surface.ridge(losses, LOG_DECAYS)),
    ):
        assert found == pytest.approx(slope, abs=0.04)


def test_the_ridge_of_a_parabola_is_exact():
    ridge = surface.ridge(valley(0.3), LOG_DECAYS)
    np.testing.assert_allclose(ridge, 4 * RATIO + 0.3 * LOG_LEARNING_RATES, rtol=1e-12)


def test_an_edge_is_interpolated_between_the_cells_around_it():
    losses = np.array([[0.0, 0.1, 0.2, 0.4, 9.0]])
    assert surface.upper_edges(losses, np.arange(5.0)) == pytest.approx([2.25])


def test_an_edge_is_sought_above_the_minimum_alone():
    losses = np.array([[5.0, 0.0, 5.0]])
    assert surface.upper_edges(losses, np.arange(3.0)) == pytest.approx([1.05])


@pytest.mark.parametrize(
    ("row", "edge"),
    [
        ([0.0, 0.1, np.inf], 1.0),  # the last that is finite, where the next diverged
        ([0.0, 0.1, 0.2], np.nan),  # no edge inside
        ([0.0, np.nan, 1.0], np.nan),  # not trained yet
        ([np.inf, np.inf, np.inf], np.nan),
        ([np.nan, 0.0, 0.5], 1.5),
    ],
)
def test_edges_of_rows_that_lack_something(row, edge):
    np.testing.assert_allclose(surface.upper_edges(np.array([row]), np.arange(3.0)), [edge])


@pytest.mark.parametrize(
    "row",
    [
        [0.0, 0.1, 0.2, 0.3],  # lowest at the end
        [0.04, 0.0, 0.1, 0.3],  # no more than noise
        [0.3, 0.2, 0.0, 0.04],
        [np.inf, np.inf, np.inf, np.inf],
    ],
)
def test_rows_without_a_clear_minimum_have_no_ridge(row):
    assert np.isnan(surface.ridge(np.array([row]), np.arange(4.0))).all()


def test_a_ridge_beside_a_diverged_cell_is_the_cell_itself():
    assert surface.ridge(np.array([[0.5, 0.0, np.inf, np.inf]]), np.arange(4.0)) == [1.0]


def test_three_rows_are_too_few_for_a_slope():
    losses = valley(0.0)
    losses[3:] = 1.0
    assert surface.edge_slope(losses, LOG_LEARNING_RATES, LOG_DECAYS) is None
    losses[3] = valley(0.0)[3]
    assert surface.edge_slope(losses, LOG_LEARNING_RATES, LOG_DECAYS) == pytest.approx(0)


def test_seeds_are_averaged_and_one_that_diverged_counts():
    losses = np.array([[[1.0, 3.0], [np.inf, 1.0], [np.nan, 1.0]]])
    np.testing.assert_array_equal(surface.seed_mean(losses, np.arange(2)), [[2, np.inf, np.nan]])
    np.testing.assert_array_equal(surface.seed_mean(losses, np.array([1, 1])), [[3, 1, 1]])
    assert surface.best(surface.seed_mean(losses, np.arange(2))) == (0, 0)
    assert surface.best(np.full((2, 2), np.inf)) is None


# --- interaction ---


def noisy(slope: float, noise: float, seeds: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    shape = ROWS, COLUMNS, seeds
    common = generator.standard_normal(seeds)  # what a seed does to all cells
    return valley(slope)[..., None] + common + noise * generator.standard_normal(shape)


def test_interaction_of_a_whole_table_is_the_two_way_analysis_of_variance():
    """Against sums of squares by marginal means, and SciPy's F."""
    losses = noisy(0.5, 0.3, 4)
    means = losses.mean(-1)
    rows, columns = means.mean(1, keepdims=True), means.mean(0, keepdims=True)
    rest = np.sum((means - rows - columns + means.mean()) ** 2)
    centred = losses - losses.mean((0, 1))
    within = np.sum((centred - centred.mean(-1, keepdims=True)) ** 2)
    noise = within / ((ROWS * COLUMNS - 1) * 3) / 4
    df = (ROWS - 1) * (COLUMNS - 1)
    between = np.sum((means - means.mean()) ** 2) - (ROWS * COLUMNS - 1) * noise
    found = additivity.interaction(losses, window=np.inf)
    assert found.df == df
    assert found.cells == ROWS * COLUMNS
    assert found.f == pytest.approx(rest / df / noise)
    assert found.share == pytest.approx((rest - df * noise) / between)


@pytest.mark.parametrize(("slope", "shift"), [(0.0, 0), (1.0, SHIFT)])
def test_no_interaction_where_the_valley_is_upright(slope, shift):
    """A valley at the same ω is additive in ω; one at ω ∝ learning rate in λ."""
    other = SHIFT - shift
    upright, leaning = (
        additivity.interaction(valley(slope, 1.5)[..., None], s, window=1.0) for s in (shift, other)
    )
    assert upright.share == pytest.approx(0, abs=1e-12)
    assert leaning.share > 0.2
    assert upright.cells == leaning.cells


def test_noise_is_taken_off_so_that_an_additive_table_has_no_share_on_average():
    shares = [
        additivity.interaction(noisy(0.0, 0.4, 5, seed), window=np.inf).share for seed in range(60)
    ]
    assert abs(np.mean(shares)) < 2.5 * stats.sem(shares)
    assert stats.sem(shares) < 0.01


def test_interaction_leaves_out_what_is_far_or_diverged():
    losses = valley(0.0)[..., None].repeat(2, -1)
    near = int((valley(0.0) <= 1.5).sum())
    assert additivity.interaction(losses).cells == near
    losses[0, 4, 0] = np.inf
    assert additivity.interaction(losses).cells == near - 1
    assert additivity.interaction(np.full((2, 2, 3), np.inf)) is None
    assert additivity.interaction(np.zeros((1, 4, 3))) is None


# --- transfer ---


def test_regret_by_a_loop_over_decays_themselves():
    """The other view, from λ = ω/learning rate as numbers instead of indices."""
    means = valley(0.4, 2.0) + 0.02 * np.random.default_rng(3).standard_normal((ROWS, COLUMNS))
    kept, other = [], []
    for a, b in itertools.permutations(range(ROWS), 2):
        best = LOG_DECAYS[np.argmin(means[a])]
        scaled = best + LOG_LEARNING_RATES[b] - LOG_LEARNING_RATES[a]
        places = [np.flatnonzero(np.isclose(LOG_DECAYS, x)) for x in (best, scaled)]
        if all(len(place) for place in places):
            kept.append(means[b, places[0][0]] - means[b].min())
            other.append(means[b, places[1][0]] - means[b].min())
    found = additivity.transfer_regret(means, SHIFT)
    np.testing.assert_allclose(found.kept, kept)
    np.testing.assert_allclose(found.other, other)
    assert len(kept) > 8


def test_no_regret_where_the_decay_stays():
    upright = additivity.transfer_regret(valley(0.0, 5.0), SHIFT)
    assert upright.kept.max() == 0
    assert upright.other.max() > 0.2
    leaning = additivity.transfer_regret(valley(1.0, 1.0), SHIFT)
    assert leaning.other.max() == 0
    assert leaning.kept.max() > 0.2


def test_regret_of_a_diverged_cell_is_infinite_and_of_a_missing_one_left_out():
    means = valley(0.0, 5.0)
    full = len(additivity.transfer_regret(means, SHIFT).kept)
    means[4, 7] = np.inf
    assert np.isinf(additivity.transfer_regret(means, SHIFT).other).sum() == 1
    means[4, 7] = np.nan
    assert len(additivity.transfer_regret(means, SHIFT).kept) == full - 1

"""The verdict rule and the statistics of the claims, on numbers made by hand; and the page."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from experiments.claims import (
    adaptive,
    grokking,
    normalisation,
    page,
    rotation,
    separability,
    sparsity,
    tables,
    timescales,
    transfer,
    variants,
    wording,
)
from experiments.claims.claim import Part, as_written, judge, verdict

INF = math.inf

# --- the rule ---


@pytest.mark.parametrize(
    ("values", "low", "high", "holds"),
    [
        ([1.0, 1.1, 0.9, 1.0, 1.0], 0.8, 1.2, True),  # 1 ± 0.09
        ([1.0, 1.1, 0.9, 1.0, 1.0], 0.95, 1.2, None),
        ([1.0, 1.1, 0.9, 1.0, 1.0], 1.05, 1.2, None),
        ([1.0, 1.1, 0.9, 1.0, 1.0], 1.1, 1.2, False),
        ([1.0, 1.1, 0.9, 1.0, 1.0], -INF, 0.9, False),
        ([1.0, 1.1, 0.9, 1.0, 1.0], 0.9, INF, True),
        ([0.0] * 5, 0, 0, True),  # no spread: the interval is a point
        ([math.nan, 1, 1, 1, 1], 0, 2, None),
    ],
)
def test_a_statistical_part_is_judged_by_its_interval(values, low, high, holds):
    assert judge("statistical", Part("x", low, high), values).holds is holds


@pytest.mark.parametrize(
    ("values", "low", "high", "worst", "holds"),
    [
        ([1e-16, 3e-13, 1e-15], -INF, 1e-12, 3e-13, True),
        ([1e-16, 3e-11, 1e-15], -INF, 1e-12, 3e-11, False),
        ([0.5, 0.1, 0.2], 0.01, INF, 0.1, True),
        ([0.5, 0.001, 0.2], 0.01, INF, 0.001, False),
    ],
)
def test_an_exact_part_is_judged_by_its_worst_number(values, low, high, worst, holds):
    outcome = judge("exact", Part("x", low, high), values)
    assert (outcome.estimate.value, outcome.holds) == (worst, holds)
    assert outcome.estimate.jackknife is None


def test_an_exact_part_with_a_nan_does_not_hold():
    assert judge("exact", Part("x", high=1.0), [0.0, math.nan]).holds is False


def test_a_claim_holds_if_all_parts_do_and_falls_with_any():
    assert verdict([True, True]) == "holds"
    assert verdict([True, None]) == "undecided"
    assert verdict([True, None, False]) == "does not hold here"


def test_a_statistic_that_is_undefined_without_a_seed_is_undecided():
    part = Part("x", low=0.0, statistic=lambda v: float(v.mean()) if len(v) > 4 else None)
    outcome = judge("statistical", part, np.ones(5))
    assert outcome.holds is None
    assert outcome.estimate.value == 1


def test_numbers_are_judged_as_they_are_written():
    assert as_written(np.array([0.0962, 1 / 3], np.float32)).tolist() == [0.0962, 0.33333334]
    assert as_written(np.array([0.1 + 0.2])).tolist() == [0.1 + 0.2]


# --- the statistics ---


def test_share_of_the_gain_is_of_means():
    errors = np.array([[10.0, 4.0, 5.0], [12.0, 6.0, 5.0]])
    assert normalisation.share_of_gain(errors) == pytest.approx(1.0)
    assert normalisation.share_of_gain(errors[:1]) == pytest.approx(5 / 6)


def test_spread_within_rows_over_between():
    errors = np.array([[[1.0, 1.0], [2.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]]])
    expected = np.mean([0, np.sqrt(0.5) / (2 / np.sqrt(2))])
    assert normalisation.spread_within(errors) == pytest.approx(expected)


def test_median_and_variation_over_units():
    assert rotation.median_ratio(np.array([[1.0, 2, 9], [3.0, 4, 5]])) == 3
    angles = np.array([[[1.0, 3.0], [1.0, 1.5]]])  # variation 1/2 and 1/5
    assert rotation.log_ratio_of_variation(angles) == pytest.approx(math.log(0.2 / 0.5))


@pytest.mark.parametrize("slope", [-2.0, 0.0, 1.0])
def test_the_slope_of_an_edge_that_is_known(slope):
    rates, decays = [1.0, 2.0, 4.0, 8.0], [2.0**k for k in range(-10, 11)]
    along = np.log(decays) - slope * np.log(rates)[:, None]
    losses = np.stack([0.1 * np.maximum(along, 0), 0.3 * np.maximum(along, 0)])
    statistic = separability.slope_of_edge((rates, decays))
    assert statistic(losses) == pytest.approx(slope, abs=1e-9)
    assert separability.slope_of_edge((rates, decays), shear=-1)(losses) == pytest.approx(slope - 1)
    losses[0, 0, -1] = math.nan  # diverged: the edge lies before it
    assert statistic(losses) == pytest.approx(slope, abs=1e-9)


def test_times_proportional_to_one_over_the_strength():
    looks = 1 + np.arange(timescales.LOOKS)
    times = timescales.LOOKS / (np.array(timescales.STRENGTHS) / timescales.STRENGTHS[0])
    errors = 0.1 + 0.01 * (looks < np.round(times)[:, None])
    found = timescales.slope_of_times(np.stack([errors, errors]))
    assert found == pytest.approx(-1, abs=0.01)


def test_grokking_times_and_delay():
    looks = 1 + np.arange(grokking.LOOKS)
    times = np.array([160, 80, 40, 20])
    general = np.where(looks < times[:, None], 0.9, 0.1)
    fitted = np.broadcast_to(np.where(looks < 10, 0.9, 0.0), general.shape)
    errors = np.stack([fitted, general], -1)[None]
    assert grokking.slope_of_times(errors) == pytest.approx(-1)
    assert grokking.least_delay(errors) == pytest.approx(2)
    errors[0, 0, :, 1] = 0.9  # never generalises
    assert math.isnan(grokking.slope_of_times(errors))


def test_late_over_early():
    norms = np.ones((2, variants.LOOKS))
    norms[:, 95:99] = [[2.0], [4.0]]
    assert variants.late_over_early(norms) == 3
    assert variants.share_of_excess(np.array([[1.0, 3.0, 1.5]])) == 0.25


def test_the_best_by_validation_is_compared_on_test():
    errors = np.array([[[[0.2, 0.1], [0.3, 0.12]], [[0.1, 0.2], [0.15, 0.0]]]])
    assert adaptive.best_difference(errors) == pytest.approx(100 * (0.12 - 0.15))
    assert transfer.best_gain(errors) == pytest.approx(100 * (0.15 - 0.12))


def test_sensitivity_caps_what_diverged():
    flat, steep = [1.0, 1.0], [1.0, math.nan]
    capped = adaptive.sensitivity_difference(np.array([[flat, steep]]))
    assert capped == pytest.approx((1 - adaptive.CHANCE) / 2)


def test_share_above_the_box():
    assert adaptive.share_above_box(np.array([[1.5, 1.0, 2.0]])) == 0.5


def test_ranks_in_the_order_of_the_bound_correlate():
    ranks = np.argsort(np.argsort(sparsity.BOUND, kind="stable"), kind="stable")
    assert sparsity.rank_correlation(np.stack([ranks, ranks])) > 0.99
    assert sparsity.rank_correlation(np.stack([-ranks])) < -0.99


# --- words, table and page ---


def part(**numbers: Any) -> dict[str, Any]:
    usual = {"name": "p <x>", "low": "-inf", "high": 0.2, "value": 0.1, "holds": True}
    return {
        **usual,
        "jackknife": [0.05, 0.15],
        "bootstrap": [0.06, 0.14],
        "measured": [0.1],
        **numbers,
    }


def record(verdict: str = "holds", **numbers: Any) -> dict[str, Any]:
    return {
        "name": "a-claim",
        "claim": "A & b | c.",
        "statistic": "max |Δw|.",
        "setup": "A <network>.",
        "kind": "statistical",
        "papers": [{"authors": "A & B", "year": 2020, "arxiv": "2001.00001"}],
        "parts": [part(**numbers)],
        "verdict": verdict,
        "seconds": 3.2,
    }


RECORDS = [
    record(),
    record("undecided", value=None, jackknife=None, bootstrap=None),
    record("undecided", jackknife=None, bootstrap=None, measured=[[0.1, 0.2]]),
    record("holds", low=0, high=0, value=0.0, jackknife=[0.0, 0.0], bootstrap=[0.0, 0.0]),
    record("does not hold here", low=0.8, high="inf", measured=["nan", 0.1]),
]


def test_words():
    assert [wording.expected(r["parts"][0]) for r in RECORDS[2:]] == ["≤ 0.2", "0", "≥ 0.8"]
    shown = [wording.measured(r["parts"][0]) for r in RECORDS]
    assert shown == ["0.100 ± 0.050", "undefined", "0.1", "0.00 ± 0.00", "0.100 ± 0.050"]
    assert wording.summary(RECORDS) == "2 hold, 1 does not hold here, 2 undecided"
    assert wording.papers(RECORDS[0]) == "A & B 2020, arXiv:2001.00001"


def test_the_table_escapes_what_would_end_a_cell():
    row = tables.markdown(RECORDS[:1], {"seeds": "0 to 4"}).splitlines()[-1]
    assert r"A & b \| c." in row
    assert len(re.split(r"(?<!\\)\|", row)) == 8


def test_the_page_is_one_file_that_loads_nothing_and_says_everything(tmp_path):
    page.write(RECORDS, {"seeds": "0 to <4>"}, "Stopped.", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|<script|url\(|@import|src=", text)
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text
    assert text.count("<svg") == len(RECORDS) - 1 + page.KEY.count("<svg")  # none if undefined
    assert "p &lt;x&gt;" in text
    assert "0 to &lt;4&gt;" in text
    assert "<x>" not in text
    assert '<p class="note">Stopped.</p>' in text
    assert not re.search(r'="[^"]*\b(nan|inf)\b', text)

"""Conclusions about heat maps whose valley is known: slopes, verdicts, sentences, numbers."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any

import numpy as np
import pytest

from experiments.coupling import comparisons, findings, regimes
from experiments.coupling.conclusions import conclude
from experiments.coupling.content import StudyContent
from experiments.coupling.describe import describe
from experiments.coupling.grid import Grid
from experiments.coupling.results import Results, results
from experiments.page.document import embedded
from experiments.paired.setup import Setup
from experiments.statistics.resample import Estimate

SEEDS = (100, 101, 102, 103, 104)
GRID = Grid("rate", 0.4, 5e-4, 4.0, 2.0, (0, 5), (0, 14))
COUPLED = dataclasses.replace(GRID, axis="strength", decay=1e-5, row_ratio=2.0, ratio=4.0)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Verdicts here come from the jackknife, or from numbers that no resample changes."""
    monkeypatch.setattr(findings, "RESAMPLES", 20)


def made(
    slope: float,
    setup: Setup = regimes.A,
    form: Any = "decoupled",
    grid: Grid = GRID,
    nature: str = "invariant",
    noise: float = 0.02,
    regime: str = "a",
) -> Results:
    """Results whose valley goes as the learning rate to the power ``slope``, on the grid's axis."""
    generator = np.random.default_rng(0)
    η, decays = np.log(grid.learning_rates), np.log(grid.decays)
    middle = decays[2] + slope * (η - η[0])
    means = -1.5 + 0.15 * (decays - middle[:, None]) ** 2
    losses = means[..., None] + noise * generator.standard_normal((*means.shape, len(SEEDS)))
    errors = 0.05 + 0.02 * (losses - losses.min())
    axes = ("strength",) if grid.axis == "strength" else ("strength", "rate")
    none = np.full((grid.rows[1], len(SEEDS)), -1.0)
    name = f"{regime}-{setup.optimizer}-{form}"
    return Results(
        name, regime, form, setup, grid, 1.0, axes, nature, SEEDS,
        losses, errors, errors, none, none + 1.2, {},
    )  # fmt: skip


def content(*group: Results) -> StudyContent:
    return describe(conclude(group), {})


def named(found: Any, name: str, axis: str) -> findings.Finding:
    return next(f for f in found if f.name == name and f.axis == axis)


@pytest.mark.parametrize("name", [findings.EDGE, findings.HIGHER_EDGE, findings.RIDGE])
def test_the_two_views_differ_by_one_exactly(name):
    for slope in (0.0, 0.37, 0.8):
        found = findings.findings(made(slope))
        rate, strength = (named(found, name, axis).estimate for axis in ("rate", "strength"))
        assert rate.value == pytest.approx(slope, abs=0.06)
        assert rate.value - strength.value == pytest.approx(1, abs=1e-12)
        assert rate.jackknife[1] - rate.jackknife[0] == pytest.approx(
            strength.jackknife[1] - strength.jackknife[0], abs=1e-12
        )


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [(0.0, 0.02, "as expected"), (0.8, 0.02, "not as expected"), (0.2, 0.3, "undecided")],
)
def test_a_verdict_is_computed_from_the_interval(slope, noise, verdict):
    found = findings.findings(made(slope, noise=noise))
    assert named(found, findings.EDGE, "rate").verdict == verdict
    assert named(found, findings.EDGE, "strength").verdict == verdict
    assert named(found, findings.SHARE, "rate").verdict == ""


ADAM = dataclasses.replace(regimes.A, optimizer="adam")
SHORT, WEAK = dataclasses.replace(regimes.A, epochs=0.6), dataclasses.replace(GRID, decay=1e-5)
SOFTMAX = dataclasses.replace(regimes.B, optimizer="adam")


@pytest.mark.parametrize(
    ("changes", "rate", "strength"),
    [
        ({}, 0, -1),
        ({"setup": ADAM}, 0, -1),
        ({"setup": ADAM, "form": "coupled", "grid": COUPLED}, None, -2),
        ({"setup": regimes.B, "nature": "linear"}, 1, 0),
        ({"setup": SOFTMAX, "form": "coupled", "grid": COUPLED, "nature": "linear"}, None, 0),
        ({"nature": "neither"}, None, None),
        ({"setup": dataclasses.replace(regimes.A, schedule="cosine")}, None, None),
        ({"setup": SHORT, "grid": WEAK}, None, None),  # D is at most 2
    ],
)
def test_what_is_expected_follows_from_the_set_up(changes, rate, strength):
    found = made(0.0, **changes)
    assert findings.expected(found, "rate") == rate
    assert findings.expected(found, "strength") == strength


def test_shares_and_regrets_tell_which_view_is_upright():
    for slope, upright, leaning in ((0.0, "rate", "strength"), (1.0, "strength", "rate")):
        found = findings.findings(made(slope))
        for name in (findings.SHARE, findings.MEAN_REGRET, findings.LARGEST_REGRET):
            low, high = (named(found, name, axis).estimate for axis in (upright, leaning))
            assert low.value < 0.1 < high.value, name
            assert low.jackknife[1] < high.jackknife[0], name
        pairs = {f.detail for f in found if f.name == findings.MEAN_REGRET}
        assert len(pairs) == 1


def test_a_regret_that_meets_a_diverged_cell_is_infinite():
    found = made(0.0)
    found.losses[4, 4:, 0] = np.inf
    regret = named(findings.findings(found), findings.LARGEST_REGRET, "strength")
    assert regret.estimate.value == np.inf
    assert "diverge" in regret.detail
    shown = content(found)["regimes"][0]["statistics"]
    assert "∞" in {s["measured"] for s in shown}


def test_forms_that_are_trained_apart_are_held_against_the_identity():
    momentum = dataclasses.replace(regimes.A, optimizer="momentum")
    decoupled = made(0.0, momentum)
    coupled = dataclasses.replace(made(0.3, momentum, "coupled"), reach=10.0)
    (gap,) = findings.identity_gaps([decoupled, coupled])
    assert gap.estimate.value == pytest.approx(-0.3, abs=0.05)
    assert gap.verdict == "not as expected"
    assert findings.identity_gaps([made(0.0)]) == []
    (same,) = findings.identity_gaps([decoupled, dataclasses.replace(decoupled, form="coupled")])
    assert same.estimate.value == pytest.approx(0, abs=1e-12)


# --- sentences ---


def sentences_of(*group: Results) -> list[str]:
    return content(*group)["answer"]


def test_the_answer_names_what_stays():
    sentences = sentences_of(made(0.0), made(1.0, regimes.B, nature="linear", regime="b"))
    assert len(sentences) == 3
    assert "tune ω, the decay per step; the largest good one is the same" in sentences[1]
    assert "tune λ; the largest good one is the same" in sentences[2]
    leaning = sentences_of(made(0.5))
    assert "is the same" not in leaning[1]
    assert "the largest good λ changes with the learning rate (∝ η^p, p = −0.5" in leaning[1]


def test_the_answer_claims_nothing_where_there_are_no_edges():
    flat = made(0.0)
    flat.losses[:] = -1.0
    assert sentences_of(flat)[1].endswith("no heat map has an upper edge in four rows or more.")


def test_a_form_is_called_better_only_if_both_intervals_say_so():
    def compared(jackknife: Any, bootstrap: Any, on_rim: tuple[str, ...] = ()) -> str:
        found = Estimate(-0.01, jackknife, bootstrap, 5)
        return comparisons.Comparison("a", "X", "Y", found, on_rim).verdict

    assert compared((-0.02, -0.005), (-0.02, -0.001)) == "X is better"
    assert compared((0.005, 0.02), (0.001, 0.02)) == "Y is better"
    assert compared((-0.02, -0.005), (-0.02, 0.001)) == "undecided"
    assert compared((-0.02, 0.005), (-0.02, -0.001)) == "undecided"
    assert compared(None, None) == "undecided"
    assert compared((-0.02, -0.005), (-0.02, -0.001), ("Y",)) == "undecided"  # Y may do better
    assert compared((-0.02, -0.005), (-0.02, -0.001), ("X",)) == "X is better"


def test_the_comparison_chooses_by_validation_and_reports_the_test_images():
    one = made(0.0)
    one.test_errors[:] = 0.9
    one.test_errors[2, 3] = 0.1
    one.losses[2, 3] = -9.0
    assert comparisons.best_test_error(one, np.arange(5)) == pytest.approx(0.1)
    one.losses[4, 0] = -10.0
    assert comparisons.best_test_error(one, np.arange(5)) == pytest.approx(0.9)
    one.losses[4, 0, 0] = np.inf  # a seed diverged: that cell is none
    assert comparisons.best_test_error(one, np.arange(5)) == pytest.approx(0.1)


# --- the content of the page ---


def test_what_is_not_known_is_null():
    found = made(0.0)
    found.losses[1, 2] = np.nan
    found.losses[0, 0, 3] = np.inf
    (panel,) = content(found)["regimes"][0]["panels"]
    assert panel["cells"][1][2] is None
    assert panel["cells"][0][0]["loss"] is None
    assert panel["cells"][0][0]["diverged"] == 1
    assert panel["cells"][2][2]["loss"] == pytest.approx(
        np.exp(found.losses[2, 2].mean()), rel=1e-4
    )
    assert panel["cells"][2][2]["total_decay"] == pytest.approx(2000 * GRID.decays[2], rel=1e-4)
    json.loads(embedded(panel))


def test_an_optimum_on_the_rim_is_said_to_be_there():
    found = made(0.0)
    inside = content(found)["regimes"][0]["panels"][0]
    assert "decay" not in inside["on_edge"]
    found.losses[4, 13] = -8.0
    rim = content(found)["regimes"][0]["panels"][0]
    assert rim["on_edge"] == "the best learning rate may be larger, the best decay may be larger"


def test_records_of_a_study_that_has_not_begun():
    assert results([{"event": "start"}]) == []


def conforms(value: Any, kind: Any) -> bool:
    """Whether a value is of a type of `content`, key by key, and plain JSON."""
    if typing.is_typeddict(kind):
        fields = typing.get_type_hints(kind)
        named = type(value) is dict and value.keys() == fields.keys()
        return named and all(conforms(value[name], fields[name]) for name in fields)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(conforms(value, each) for each in arguments)
    if origin is list:
        return type(value) is list and all(conforms(item, arguments[0]) for item in value)
    if origin is tuple:
        return len(value) == len(arguments) and all(map(conforms, value, arguments))
    if origin is dict:
        pairs = value.items() if type(value) is dict else [()]
        return all(pair and all(map(conforms, pair, arguments)) for pair in pairs)
    return type(value) is kind


def test_a_study_is_described_as_its_content_is_typed():
    found = made(0.0)
    found.losses[1, 2], found.losses[0, 0, 3] = np.nan, np.inf
    curve = list(np.ones(20))
    record = {"loss": curve, "norm": curve, "sparsity": curve, "histogram": [1] * 41, "largest": 1}
    found.details[2, 2] = record
    study = content(found, made(0.5, ADAM, "coupled", COUPLED))
    assert conforms(study, StudyContent)
    cell = study["regimes"][0]["panels"][0]["cells"][2][2]
    assert cell["curves"]["norm"] == curve
    assert not conforms({**study, "made": [["time", "1 s"]]}, StudyContent)
    cell["loss"] = np.float64(1)
    assert not conforms(study, StudyContent)

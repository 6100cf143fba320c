"""A form of decay is one row: one that nobody else knows is offered, trained, swept, studied."""

from __future__ import annotations

import ast
import dataclasses

import jax
import numpy as np
import optax
import pytest
import tyro

from experiments import optimizers
from experiments.config import Config, describe_problem, resolved
from experiments.coupling import config as study
from experiments.coupling import names
from experiments.coupling.grid import points
from experiments.decay_form import Form, Names, Rate, Study
from experiments.forms import FORMS, taking_rate
from experiments.mnist import contrast
from experiments.runs import build
from experiments.sweeping import Trainings
from tests.jaxreg.test_imports import files

SMALL = Config(hidden=4, batch_size=16, epochs=2, dtype="float64", strength=0.02)


def shrink_after_the_step(form, given):
    """w ← (1 − s_t·ω)(w + update)."""
    rate = form.decay_rate(given.settings)

    def update(updates, params):
        return jax.tree.map(lambda u, w: (1 - rate) * (w + u) - w, updates, params)

    return [given.base, optax.stateless(update)]


SHRUNK = Form(
    name="shrunk",
    option="on the weights that the step has made, times the schedule alone",
    describe=lambda form, settings: f"w ← {1 - form.decay_rate(settings):g}·(w − η_t·u_t)",
    code=lambda form, settings: f"shrink({form.decay_rate(settings):g})",
    build=shrink_after_the_step,
    penalties=("l2",),
    rate=Rate("2αλ", lambda strength, learning_rate: 2 * strength * learning_rate),
    through_momentum=False,
    contrasted=("independent",),
    study=Study(
        option="after the step",
        names=dict.fromkeys(("sgd", "momentum", "adam"), Names("shrunk", "by λ", "by ω")),
    ),
)


@pytest.fixture
def shrunk(monkeypatch):
    monkeypatch.setitem(FORMS, "shrunk", SHRUNK)
    return dataclasses.replace(SMALL, coupling="shrunk")


def test_it_is_described_and_its_rate_is_taken(shrunk):
    assert describe_problem(resolved(shrunk)) == "w ← 0.9996·(w − η_t·u_t)"
    given = resolved(dataclasses.replace(shrunk, rate=0.25))
    assert describe_problem(given) == "w ← 0.75·(w − η_t·u_t)"
    assert [form.name for form in taking_rate()] == ["decoupled", "independent", "shrunk"]


def test_it_is_an_option_of_the_commands(shrunk, capsys):
    assert tyro.cli(Config, args=["--coupling", "shrunk"]).coupling == "shrunk"
    chosen = tyro.cli(study.StudyConfig, args=["--forms", "none", "shrunk"])
    assert [panel.form for panel in study.planned(study.resolved(chosen))] == ["shrunk"] * 4
    assert "shrunk" in study.resolved(study.StudyConfig(full=True)).forms
    for settings, said in ((Config, SHRUNK.option), (study.StudyConfig, "shrunk: after the step.")):
        with pytest.raises(SystemExit):
            tyro.cli(settings, args=["--help"])
        printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert said in printed


def test_it_is_trained_contrasted_and_swept(shrunk, tiny, settings_of_jax):
    """It differs from `independent`, which decays the weights before the step."""
    jax.config.update("jax_enable_x64", True)  # in every thread
    config = resolved(shrunk)
    *_, last = build(config, tiny).epochs()
    rates = {"rate": np.array([2 * config.learning_rate * config.strength, 0.1])}
    swept = Trainings(config, tiny).run(rates, per_device=1)
    for name, value in last.metrics.items():
        np.testing.assert_allclose(swept.results[name][0], value, rtol=1e-9, err_msg=name)
    assert swept.results["norm"][1] < 0.8 * swept.results["norm"][0]
    found = [*contrast.contrast(dataclasses.replace(config, optimizer="adam"), tiny)]
    (line,) = (contrast.describe(one, config) for one in found if one.second == "shrunk")
    assert line[:60].split() == ["Adam", "decoupled_decay(0.0004,", "s_t)", "≠", "shrink(0.0004)"]


def test_it_is_a_heat_map_with_both_views(shrunk):
    (panel,) = study.planned(
        study.StudyConfig(regime=("c",), optimizers=("adam",), forms=("shrunk",))
    )[:1]
    assert (names.title(panel), names.label(panel, "strength")) == ("shrunk", "by λ")
    assert (panel.views, panel.reach, panel.grid.axis) == (("strength", "rate"), 1.0, "rate")
    swept = points(panel.setup, "shrunk", [0.1, 0.2], [0.3, 0.4], "strength", [0, 0])
    np.testing.assert_allclose(swept["rate"], [0.06, 0.16], rtol=1e-6)
    tx = optimizers.optimizer(dataclasses.replace(panel.setup.config("shrunk"), rate=0.5), 10)
    w = {"w": np.ones(3, np.float32)}
    updates, _ = tx.update({"w": np.zeros(3, np.float32)}, tx.init(w), w)
    np.testing.assert_array_equal(updates["w"], -0.5)


def decided_by(path) -> set[str]:
    """The texts that a file compares with, or looks up in a dictionary that it writes down."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            found += [part for s in sides for part in getattr(s, "elts", [s])]
        elif isinstance(node, ast.Dict):
            found += [key for key in node.keys if key is not None]
        elif isinstance(node, ast.MatchValue):
            found.append(node.value)
    return {node.value for node in found if isinstance(node, ast.Constant)}


@pytest.mark.parametrize("name", sorted(set(files("experiments")) - {"experiments.forms"}))
def test_nothing_else_decides_by_the_name_of_a_form(name):
    written = decided_by(files("experiments")[name])
    assert not written & (set(FORMS) - {"loss"})  # which measurements are called too

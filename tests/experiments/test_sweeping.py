"""A training of a sweep is the training that the main job makes alone, whatever is varied."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from experiments import machine
from experiments.config import Config, ConfigError, resolved
from experiments.problem import Problem
from experiments.runs import build
from experiments.sweeping import Trainings
from jaxreg import grid
from tests.xla import SOONER_EACH

SMALL = Config(hidden=5, batch_size=16, epochs=2, dtype="float64", schedule="cosine")
ALL = {"strength": [0.01, 0.03], "learning_rate": [0.05, 0.2], "seed": [7, 2**40 + 1]}
RATES = {"rate": [0.02, 0.1], "learning_rate": [0.01, 0.02], "seed": [3, 4]}
L1 = {"l1_strength": [0.01, 0.02], "learning_rate": [0.05, 0.1]}
MESH = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("run",))
CASES = [
    ({"coupling": "loss", "optimizer": "sgd"}, ALL),
    ({"coupling": "coupled", "optimizer": "momentum", "where": "weights"}, ALL),
    ({"coupling": "coupled", "optimizer": "sgd", "penalty": "l1"}, L1),
    ({"coupling": "decoupled", "optimizer": "adam"}, ALL),
    ({"coupling": "independent", "optimizer": "adam"}, RATES),
    ({"coupling": "proximal", "optimizer": "momentum", "penalty": "elastic_net"}, {**ALL, **L1}),
    ({"optimizer": "adam", "norm": "batch"}, {"dropout": [0.1, 0.4], "seed": [7, 2**40 + 1]}),
]


QUICK = {**SOONER_EACH, "xla_backend_optimization_level": 0}


@pytest.fixture(autouse=True)
def in_float64_compiled_quickly(monkeypatch):
    monkeypatch.setattr(machine, "CPU_OPTIONS", QUICK)
    with jax.enable_x64(True):
        yield


def alone(config: Config, dataset, point):
    """The epochs of the main job with the settings of one point."""
    config = dataclasses.replace(config, **point)
    return [epoch.metrics for epoch in build(config, dataset).epochs()]


def settings(**changes) -> Config:
    return resolved(dataclasses.replace(SMALL, **changes))


@pytest.mark.parametrize(("changes", "axes"), CASES, ids=lambda case: "-".join(map(str, case)))
def test_agrees_with_the_run_alone(changes, axes, tiny):
    config = settings(**changes)
    points = grid(**axes)
    found = Trainings(config, tiny, "epoch").run(points, compiler_options=QUICK)
    at = len(found.finite) - 2  # the first value of the last axis, the last of the others
    point = {name: values[at].item() for name, values in points.items()}
    epochs = alone(config, tiny, point)
    assert set(found.results) == set(epochs[0])
    for name, values in found.results.items():
        expected = [epoch[name] for epoch in epochs]
        np.testing.assert_allclose(values[at], expected, rtol=1e-9, atol=1e-12, err_msg=name)


def test_evaluated_at_the_end_is_the_last_epoch(tiny):
    config, points = settings(), grid(strength=[0.0, 0.1])
    each, end = (
        Trainings(config, tiny, when).run(points, compiler_options=QUICK)
        for when in ("epoch", "end")
    )
    for name, values in end.results.items():
        np.testing.assert_allclose(values, each.results[name][:, -1], rtol=1e-12, err_msg=name)


def test_runs_of_one_seed_share_start_and_batches(tiny):
    """Without a penalty runs differ by their seed alone."""
    points = grid(strength=[0.0, 0.0], seed=[1, 2, 3])
    found = Trainings(settings(), tiny).run(points, compiler_options=QUICK)
    losses = found.results["loss"].reshape(2, 3)
    np.testing.assert_array_equal(losses[0], losses[1])
    assert len(set(losses[0])) == 3
    assert found.points["seed"].tolist() == [1, 2, 3] * 2


def test_is_traced_once_for_all_points(tiny, monkeypatch):
    traced, step = [], Problem.step
    monkeypatch.setattr(Problem, "step", lambda *args: traced.append(1) or step(*args))
    trainings = Trainings(settings(), tiny)
    for strengths in ([0.1], [0.1, 0.2], [0.3, 0.4]):
        points = grid(strength=strengths, seed=[0, 5])
        trainings.run(points, mesh=MESH, compiler_options=QUICK)
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("changes", "points", "message"),
    [
        (
            {},
            {"lr": [0.1]},
            "points: expected any of strength, learning_rate, dropout, seed with --penalty l2 "
            "--coupling loss, got lr",
        ),
        (
            {},
            {},
            "points: expected any of strength, learning_rate, dropout, seed with --penalty l2 "
            "--coupling loss, got none",
        ),
        (
            {"coupling": "decoupled"},
            {"rate": [0.1], "strength": [0.1]},
            "points: expected any of rate, learning_rate, dropout, seed with --penalty l2 "
            "--coupling decoupled, got strength",
        ),
        (
            {"penalty": "l1"},
            {"strength": [0.1]},
            "points: expected any of l1_strength, learning_rate, dropout, seed with --penalty l1 "
            "--coupling loss, got strength",
        ),
    ],
)
def test_a_name_without_effect_is_refused(changes, points, message, tiny):
    with pytest.raises(ConfigError) as raised:
        Trainings(settings(**changes), tiny).run(points)
    assert str(raised.value) == message

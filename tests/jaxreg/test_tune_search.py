"""Bayesian, random and Sobol search: one program, studies that several share, clear refusals."""

from __future__ import annotations

import functools
import json
import os
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optuna
import pytest
from jax.sharding import Mesh

from jaxreg import tune
from jaxreg.tune import _samplers, _study, _trials
from jaxreg.tune._samplers import Known
from tests.processes import started

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = (X @ np.array([1.0, 0.5, 0.0, 0.0]) + RNG.normal(size=40)).astype(np.float32)
SPACE = {"strength": (1e-3, 10.0)}
SPLIT, FIVE = tune.holdout(40, 0.25), tune.folds(40, 5)
MESH = Mesh(np.array(jax.devices()[:1]), ("run",))
"""LAPACK on several CPU devices at once may wait forever (jaxlib 0.10.2)."""
METHODS = {
    "gp": tune.bayesian,
    "tpe": functools.partial(tune.bayesian, sampler="tpe"),
    "random": tune.random,
    "sobol": tune.sobol,
}


def ridge(point, weights, x, y):
    """In closed form; strengths above ``breaks`` diverge, and seeds shift the score."""
    gram = x.T @ (weights[:, None] * x) / weights.sum()
    gram += point["strength"] * jnp.eye(4)
    w = jax.scipy.linalg.solve(gram, x.T @ (weights * y) / weights.sum(), assume_a="pos")
    losses = (x @ w - y) ** 2 + point["seed"]
    return jnp.where(point["strength"] > point["breaks"], jnp.nan, losses)


def search(method="gp", *, breaks=1e9, seeds=(0.0,), space=SPACE, **options):
    every = {"seed": np.array(seeds, np.float32), "breaks": breaks, **space}
    usual = {"trials": 16, "folds": SPLIT, "mesh": MESH}
    return METHODS[method](ridge, every, X, Y, **{**usual, **options})


def curve(strengths, folds=SPLIT):
    """The score, by numpy."""
    table = []
    for row in np.asarray(folds):
        kept = row > 0
        gram, moment = X[kept].T @ X[kept] / kept.sum(), X[kept].T @ Y[kept] / kept.sum()
        fits = [np.linalg.solve(gram + s * np.eye(4), moment) for s in np.ravel(strengths)]
        table.append([np.mean((X[~kept] @ w - Y[~kept]) ** 2) for w in fits])
    return np.mean(table, axis=0)


def test_all_batches_of_all_searches_are_one_program():
    found = []

    def listen(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        search(trials=21, folds=FIVE)  # five splits, batches of 8, 8 and 5, some trials given up
        count = len(found)
        search("random", trials=9, folds=FIVE, seed=1)
        search("tpe", trials=8, folds=FIVE, breaks=1.0)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert (count, len(found)) == (1, 1)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_tried_is_what_is_scored_and_the_least_is_chosen(method):
    choice = search(method, trials=24, seed=3)
    strengths = choice.candidates["strength"]
    assert np.all((strengths >= 1e-3) & (strengths <= 10))
    assert len(set(strengths)) == 24
    np.testing.assert_allclose(choice.scores, curve(strengths), rtol=1e-4)
    assert choice.strength == strengths[choice.scores.argmin()]
    assert choice.score <= 1.04 * curve(np.geomspace(1e-3, 10, 200)).min()
    assert (choice.trainings, choice.is_trace, choice.warnings) == (24, True, ())
    assert choice.interval[0] <= choice.strength <= choice.interval[1]
    again = search(method, trials=24, seed=3)
    np.testing.assert_array_equal(strengths, again.candidates["strength"])


@pytest.mark.parametrize("devices", [2, 8])
def test_several_devices_share_a_batch(devices):
    def train(point, weights, y):
        return y + (jnp.log10(point["strength"]) + 3) ** 2

    mesh = Mesh(np.array(jax.devices()[:devices]), ("run",))
    for per_device in (1, 3):
        choice = tune.sobol(train, None, jnp.ones(10), trials=13, mesh=mesh, per_device=per_device)
        expected = 1 + (np.log10(choice.candidates["strength"]) + 3) ** 2
        np.testing.assert_allclose(choice.scores, expected, rtol=1e-5)


def test_sobol_puts_one_point_in_every_sixteenth_of_every_range():
    space = {"strength": (1e-4, 1e-1), "rate": tune.linear(-1, 1)}
    choice = search("sobol", space=space)
    strengths, rates = choice.candidates["strength"], choice.candidates["rate"]
    for places in (16 * (np.log10(strengths) + 4) / 3, 8 * (rates + 1)):
        assert sorted(np.floor(places)) == list(range(16))


def test_expected_improvement_beats_chance_after_ten_evaluations():
    """Of curves of held-out loss over 50 problems: paired, and by more than two errors."""
    excess = {"gp": [], "random": []}
    for problem in range(50):
        score, least = held_out_curve(problem)
        for name, values in excess.items():
            x, y = np.zeros((0, 1)), np.zeros(0)
            for number in range(10):
                known = Known(number, x, y, np.zeros((0, 1)))
                x = np.vstack([x, _samplers.PROPOSALS[name](problem, known)])
                y = np.append(y, score(x[-1, 0]))
            values.append(y.min() / least - 1)
    difference = np.array(excess["gp"]) - excess["random"]
    assert difference.mean() + 2 * difference.std() / np.sqrt(50) < 0
    assert np.median(excess["gp"]) < 0.1 * np.median(excess["random"])


def held_out_curve(problem):
    """(share of the range → held-out loss, the least one) of a ridge regression."""
    rng = np.random.default_rng(problem)
    x, w = rng.normal(size=(60, 12)), rng.normal(size=12)
    y = x @ w + 2 * rng.normal(size=60)
    values, vectors = np.linalg.eigh(x[:30].T @ x[:30] / 30)
    moment = vectors.T @ (x[:30].T @ y[:30]) / 30

    def score(share):
        strength = np.exp(np.log(1e-4) + share * np.log(1e6))
        return np.mean((x[30:] @ (vectors @ (moment / (values + strength))) - y[30:]) ** 2)

    return score, min(map(score, np.linspace(0, 1, 400)))


def test_several_settings_constants_and_seeds_are_searched_shared_and_averaged():
    space = {"dropout": tune.linear(0.1, 0.5), "learning_rate": (1e-3, 1.0), "width": 3}
    choice = search(space=space, seeds=(0.0, 1.0))
    assert list(choice.candidates) == ["strength", "dropout", "learning_rate"]
    assert np.all((choice.candidates["strength"] >= 1e-5) & (choice.candidates["strength"] <= 1e-2))
    np.testing.assert_allclose(choice.scores, curve(choice.candidates["strength"]) + 0.5, rtol=1e-4)
    assert (choice.trainings, choice.interval) == (32, None)
    fixed = search(space={"strength": 0.5, "learning_rate": (1e-3, 1.0)}, trials=8)
    assert fixed.strength == 0.5
    assert fixed.warnings == ("all trials score the same: does train use point['strength']?",)


PRUNERS = {"best": "best", "median": optuna.pruners.MedianPruner(n_startup_trials=4)}


@pytest.mark.parametrize("pruner", PRUNERS)
def test_hopeless_and_diverged_trials_are_not_trained_on(pruner):
    """The seed, which shifts the score, is a setting here: most of its range is hopeless."""
    space = {"strength": (1e-3, 10.0), "seed": tune.linear(0.0, 10.0)}
    options = {"space": space, "trials": 32, "folds": FIVE, "breaks": 1.0}
    choice = search("random", pruner=PRUNERS[pruner], **options)
    whole = search("random", pruner=None, **options)
    strengths, shifts = choice.candidates["strength"], choice.candidates["seed"]
    diverged, left_out = strengths > 1, np.isnan(choice.scores)
    assert diverged.any()
    assert left_out[diverged].all()
    assert whole.trainings == 5 * (~diverged).sum() + diverged.sum()
    assert choice.trainings < whole.trainings
    states = [trial.state.name for trial in choice.study.trials]
    assert states.count("PRUNED") == left_out.sum() > diverged.sum()
    expected = curve(strengths, FIVE) + shifts
    np.testing.assert_allclose(choice.scores[~left_out], expected[~left_out], rtol=1e-4)
    if pruner == "best":  # nothing is given up that is near the best
        assert choice.score == whole.score
        assert expected[left_out & ~diverged].min() > choice.score + 0.3
    assert f"{diverged.sum()} of 32 trials diverged" in str(choice)


def test_a_best_at_the_end_of_a_range_is_reported():
    every = np.geomspace(1e-3, 10, 50)
    least = every[curve(every).argmin()]
    for ends, more in (((least / 100, least / 10), "larger"), ((5 * least, 50 * least), "smaller")):
        text = search(space={"strength": ends}, trials=24).warnings[0]
        assert f"at the end of its range: the best may lie beyond; search {more} ones" in text


# --- studies that are kept ---


@pytest.fixture
def place(tmp_path):
    return tmp_path / "kept" / "study.log"


def strengths_of(choice):
    return choice.candidates["strength"].tolist()


def test_a_study_goes_on_as_if_it_had_not_been_stopped(place, monkeypatch):
    expected = search(trials=20)
    calls, owner = [], gone()

    def interrupted(self, trials, split, train=_trials.Trainings.scores):
        calls.append(len(trials))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(self, trials, split)

    with monkeypatch.context() as patch:
        patch.setattr(_trials.Trainings, "scores", interrupted)
        patch.setattr(_study, "process", lambda: owner)
        choice = search(trials=20, storage=place)
    assert choice.warnings[0].startswith("stopped after 8 of 20 trials")
    for storage in (place, str(place)):  # at last nothing is left to train
        found = search(trials=20, storage=storage)
        assert strengths_of(found) == strengths_of(expected)
        np.testing.assert_array_equal(found.scores, expected.scores)


def gone():
    """A process of this host that has ended."""
    with started(["true"]) as process:
        process.communicate()
    return _study.process().rpartition(":")[0] + f":{process.pid}"


def test_what_another_host_trains_is_left_to_it(place, monkeypatch):
    def interrupted(self, trials, split):
        raise KeyboardInterrupt

    monkeypatch.setattr(_trials.Trainings, "scores", interrupted)
    monkeypatch.setattr(_study, "process", lambda: "elsewhere:1")
    with pytest.raises(KeyboardInterrupt):
        search(storage=place)
    monkeypatch.undo()
    choice = search(trials=16, storage=place)
    assert len(choice.scores) == 8
    assert choice.warnings[0] == "8 trials still run in other processes and are left out"
    monkeypatch.setattr(_study, "PATIENCE", -1e6)  # as if it had been for long
    assert len(search(trials=16, storage=place).scores) == 16


OTHER = """
from tests.jaxreg.test_tune_search import search
import sys
choice = search(trials=16, batch=4, storage=sys.argv[1])
print(len(choice.scores))
"""


def test_two_processes_share_one_study(place):
    """This one waits after its first batch until the other has begun."""
    deadline = time.monotonic() + 120

    def wait(_):
        while time.monotonic() < deadline and f":{other.pid}" not in place.read_text():
            time.sleep(0.05)

    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    with started([sys.executable, "-c", OTHER, str(place)], env=environment) as other:
        search(trials=16, batch=4, storage=place, progress=wait)
        out, error = other.communicate(timeout=120)
    assert other.returncode == 0, error
    choice = search(trials=16, batch=4, storage=place)
    assert len(choice.scores) == len(set(strengths_of(choice))) == 16
    assert len({t.user_attrs["process"] for t in choice.study.trials}) == 2
    assert int(out) <= 16
    assert choice.warnings == ()


def test_a_process_killed_while_a_point_is_proposed_costs_no_trial(place, monkeypatch):
    owner = gone()

    def killed(self, study, trial, search_space):
        raise KeyboardInterrupt

    sampler = _samplers._by_number()
    with monkeypatch.context() as patch:
        patch.setattr(sampler, "sample_relative", killed)
        patch.setattr(_study, "process", lambda: owner)
        with pytest.raises(KeyboardInterrupt):
            search(storage=place)
    choice = search(storage=place)
    assert (len(choice.scores), choice.warnings) == (16, ())


def test_a_journal_that_was_cut_off_is_mended(place):
    search(trials=8, storage=place)
    with place.open("a") as file:
        file.write('{"op_code":4,"wor')
    assert search(trials=16, storage=place).trainings == 16


def test_a_database_keeps_a_study_and_optuna_draws_it(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    choice = search(trials=4, batch=4, storage=url)
    again = search(trials=4, batch=4, storage=url)
    assert strengths_of(again) == strengths_of(choice)
    loaded = optuna.load_study(study_name=_study.NAME, storage=url)
    assert loaded.best_value == pytest.approx(choice.score)
    assert len(optuna.visualization.plot_slice(choice.study).data[0].x) == 4


def text_file(place, text):
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    return place


STORAGES = {
    "text": (lambda p: text_file(p, "hello\n"), {}, "expected a journal of Optuna"),
    "json": (lambda p: text_file(p, '{"journal": "other"}\n'), {}, "is left as it is"),
    "folder": (lambda p: p.parent.parent, {}, "expected a journal of Optuna"),
    "no database": (lambda p: f"sqlite:///{text_file(p, 'x' * 2000)}", {}, "could not open sqlite"),
    "other space": (lambda p: p, {"space": {"strength": (1e-3, 1.0)}}, "about another space"),
    "other seed": (lambda p: p, {"seed": 1}, "about another seed: 0 there, 1 here"),
    "other splits": (lambda p: p, {"folds": FIVE}, "about another data or splits"),
    "other sampler": (lambda p: p, {"method": "random"}, "another sampler: 'gp' there, 'random'"),
}


@pytest.mark.parametrize("case", STORAGES)
def test_a_storage_of_something_else_is_refused_and_left_alone(case, place):
    make, options, message = STORAGES[case]
    if case.startswith("other"):
        search(trials=8, storage=place)
    storage = make(place)
    before = place.read_bytes() if place.exists() else b""
    with pytest.raises(ValueError, match=message):
        search(trials=8, storage=storage, **options)
    assert (place.read_bytes() if place.exists() else b"") == before


def test_when_all_trials_diverge_the_study_is_kept(place):
    with pytest.raises(ValueError, match="all 8 trials diverged; lower the learning rate"):
        search("sobol", trials=8, breaks=0.0, storage=place)
    assert sum(json.loads(line)["op_code"] == 6 for line in place.read_text().splitlines()) == 8


SCALAR = {"train": lambda point, weights: jnp.sum(weights)}
REFUSED = [
    ({"space": {"strength": (1e-2, 1e-5)}}, ValueError, r"low < high, got 0.01 and 1e-05"),
    ({"space": {"strength": (0, 1e-2)}}, ValueError, r"above 0, .* tune.linear\(0, 0.01\)"),
    ({"space": {"strength": (-1, 1e-2)}}, ValueError, "above 0"),
    ({"space": {"strength": tune.linear(-1, 1)}}, ValueError, "strengths ≥ 0, got -1"),
    ({"space": {"strength": (np.nan, 1)}}, ValueError, "two finite numbers, got nan"),
    ({"space": {"strength": (1e-5, np.inf)}}, ValueError, "two finite numbers, got inf"),
    ({"space": {"strength": (1e-5, "1e-2")}}, ValueError, "two finite numbers, got the string"),
    ({"space": {"strength": (1e-5, 1e39)}}, ValueError, "which float32 holds, got 1e\\+39"),
    ({"space": {"strength": (1e-5, 1e-3, 1e-2)}}, ValueError, r"expected \(low, high\)"),
    ({"space": {"strength": [1e-5, 1e-2]}}, TypeError, "cross_validate tries values of your own"),
    ({"space": {"strength": -1.0, "rate": (1, 2)}}, ValueError, "finite number ≥ 0, got -1"),
    ({"space": {"strength": 1.0}}, ValueError, "a range to search, got constants alone"),
    ({"trials": 0}, ValueError, "trials: expected an integer of at least 1, got 0"),
    ({"batch": 0}, ValueError, "batch: expected an integer of at least 1, got 0"),
    ({"trials": 4}, ValueError, "got 4 trials in batches of 8; write batch=4"),
    ({"folds": 100}, ValueError, "at least as many examples as folds"),
    ({"sampler": "grid"}, ValueError, 'expected "gp", "tpe" or a sampler of Optuna'),
    ({"pruner": "hyperband"}, ValueError, 'expected "best", None or a pruner'),
    ({"storage": 3}, TypeError, "a path for a journal, a URL"),
    ({"method": "random", "trails": 8}, TypeError, "got trails=; help"),
    ({"method": "sobol", "sampler": "gp"}, TypeError, "got sampler="),
]


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED)
def test_what_cannot_be_searched_is_refused_before_anything_runs(options, kind, message):
    with pytest.raises(kind, match=message):
        search(**{"trials": 8, **options})


class Unhashable(list):
    """As an Equinox module is that holds arrays."""

    def __call__(self, point, weights, y):
        return y


TRAININGS = [
    (lambda p, w, y: jnp.mean(y), ValueError, "got a scalar; return the losses before their mean"),
    (lambda p, w, y: y[w > 0], TypeError, "it looked at the value of a traced array"),
    (lambda p, w: w, TypeError, "with 1 shared arrays as given"),
    (Unhashable(), TypeError, "that can be hashed, got an Unhashable; wrap it"),
    (Y, TypeError, r"expected train\(point, weights, \*shared\)"),
]


@pytest.mark.parametrize(("train", "kind", "message"), TRAININGS)
def test_a_training_that_breaks_the_contract_is_refused(train, kind, message):
    with pytest.raises(kind, match=message):
        tune.bayesian(train, None, Y, trials=8)


def test_data_in_place_of_the_space_is_seen():
    with pytest.raises(TypeError, match=r"dictionary such as .* data come after it"):
        tune.bayesian(ridge, X, Y)


def test_without_optuna_the_line_that_installs_it_is_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r'pip install "jaxreg\[tune\]"'):
        search()

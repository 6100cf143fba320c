"""The ways to choose λ side by side: trainings with weights, what a study finds in records whose
answer is known, and the command, stopped and gone on with."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from scipy.stats import t as student

from experiments import study as studies
from experiments import training
from experiments.config import TrainingConfig, resolved_training
from experiments.data import load
from experiments.records import read
from experiments.sweeping import Trainings
from experiments.tune import __main__ as command
from experiments.tune import findings, tables
from experiments.tune.answer import answer
from experiments.tune.config import METHODS, TuneConfig
from experiments.tune.describe import describe
from experiments.tune.results import results
from experiments.tune.trainings import TunedTrainings, flat, hidden, stacked

# --- trainings ---

STRENGTH, SEED = 0.02, 7


@pytest.fixture(scope="module")
def trainings(tiny) -> TunedTrainings:
    config = TrainingConfig(
        epochs=2, batch_size=16, hidden=4, optimizer="momentum", learning_rate=0.1
    )
    return TunedTrainings(resolved_training(config), tiny)


@pytest.fixture(scope="module")
def losses(trainings, tiny) -> Any:
    """Of every image, by weights; images and labels may be other ones."""
    own = trainings.drawn(SEED, tiny.train)
    compiled = jax.jit(lambda weights, own: trainings.losses({"strength": STRENGTH}, weights, own))
    return lambda weights, **changed: np.asarray(
        compiled(weights, own._replace(train=own.train._replace(**changed)))
    )


def test_where_every_image_counts_a_training_is_that_of_the_main_job(trainings, tiny):
    """Drawn in the order of the seed, the images are the same as those of a sweep."""
    own = trainings.drawn(SEED, tiny.train)
    ordered = dataclasses.replace(tiny, train=type(tiny.train)(*own.train))
    expected = Trainings(trainings.config, ordered).run(
        {"strength": np.array([STRENGTH]), "seed": np.array([SEED])}, per_device=1
    )
    found = jax.jit(trainings.outcome)(
        {"strength": STRENGTH, "seed": 0}, stacked([own]), training.Images(*tiny.test)
    )
    for name in ("accuracy", "test_loss"):
        assert float(found[name]) == pytest.approx(float(expected.results[name][0]), rel=1e-5)


def test_images_that_do_not_count_change_nothing_and_those_that_do_change_all(losses, tiny):
    held = np.arange(50) % 5 == 0
    weights = (~held).astype(np.float32)
    images, labels = (np.array(array) for array in losses.__closure__[1].cell_contents.train)
    before = losses(weights)
    images[held], labels[held] = 255 - images[held], (labels[held] + 1) % 3
    after = losses(weights, images=images, labels=labels)
    np.testing.assert_array_equal(after[~held], before[~held])
    assert (after[held] != before[held]).any()
    assert np.abs(losses(np.ones(50, np.float32)) - before)[~held].max() > 1e-3
    np.testing.assert_allclose(losses(3 * weights), before, rtol=1e-5)


def test_the_last_layer_of_the_hidden_one_gives_the_logits(trainings, tiny):
    problem = trainings.problem(0.0)
    params = problem.init(SEED)
    images = training.pixels(tiny.test.images, np.float32)
    last = params["fc2"]
    found = hidden(params, images) @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(found, problem.apply((params, {}), images), atol=1e-6)
    assert flat(images).shape == (20, 12)


def test_a_strength_is_what_the_penalty_calls_it(trainings):
    names = {"l2": {"strength"}, "l1": {"l1_strength"}, "elastic_net": {"strength", "l1_strength"}}
    for penalty, expected in names.items():
        changed = dataclasses.replace(trainings.config, penalty=penalty)
        found = dataclasses.replace(trainings, config=changed).numbers(0.5)
        assert found == dict.fromkeys(expected, 0.5)


# --- findings, of records whose answer is known ---

WAYS: dict[str, tuple[float, float, float]] = {
    "cv": (0.0, 80, 8.0),
    "sobol": (0.0, 40, 4.0),
    "hypergradient": (0.01, 20, 6.0),
}
"""What is added to the loss, trainings and seconds of each."""
LUCK = np.array([0.02, -0.01, 0.03, 0.0])
"""Of seeds: the same for all ways, so that pairs tell them apart."""
SCORES = {"cv": [0.5, 0.41, 0.4], "sobol": [0.6, 0.43, 0.42], "hypergradient": [0.5, 0.46, 0.411]}


def synthetic() -> list[dict[str, Any]]:
    common = {"interval": [1e-3, 4e-3], "errors": [0.015] * 3, "tried": [1e-4, 2e-3, 1e-3]}
    common |= {"accuracy": None, "warnings": ["a warning"], "subject": "network"}
    records: list[dict[str, Any]] = []
    for method, (_, spent, seconds) in WAYS.items():
        for seed in range(4):
            own = {"part": method, "seed": seed, "strength": 1e-3 * 2**seed}
            cost = {"trainings": spent, "seconds": seconds + 30 * (seed == 0), "spent": [5, 5, 5]}
            records.append({"event": "choice", **common, **own, **cost, "scores": SCORES[method]})
    ends = {"none": 0.1, **{method: added for method, (added, _, _) in WAYS.items()}}
    for seed in range(4):
        for method, added in ends.items():
            wobble = 1e-4 * (seed % 2) * (method == "sobol")
            loss = 0.3 + added + LUCK[seed] + wobble
            own = {"event": "run", "method": method, "strength": 0.0, "seed": seed}
            records.append({**own, "test_loss": loss, "accuracy": 0.9, "diverged": False})
    return records


@pytest.fixture(scope="module")
def known() -> Any:
    return results(synthetic())


def interval(values: Any) -> tuple[float, float, float]:
    mean, reach = np.mean(values), student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1)
    return mean, mean - reach / len(values) ** 0.5, mean + reach / len(values) ** 0.5


def test_differences_are_in_pairs_and_only_the_worse_way_is_worse(known):
    assert findings.best(known) == ("cv", "network")
    verdicts = {row[0]: findings.better(findings.beside_best(known, row)) for row in known.choices}
    assert verdicts == {"cv": None, "sobol": None, "hypergradient": False}
    found = findings.beside_best(known, ("sobol", "network"))
    value, low, high = interval([0.0, 1e-4, 0.0, 1e-4])
    assert (found.value, *found.jackknife) == pytest.approx((value, low, high))
    pairs = {(pair.better[0], pair.other[0]) for pair in findings.differing(known)}
    assert pairs == {("cv", "hypergradient"), ("sobol", "hypergradient")}


def test_the_gain_over_no_penalty_is_in_pairs_too(known):
    found = findings.gain(known, ("hypergradient", "network"))
    assert found.value == pytest.approx(-0.09)
    assert found.jackknife == pytest.approx((-0.09, -0.09))


def test_the_cheapest_of_those_that_are_not_worse_is_advised(known):
    assert findings.cheapest(known) == ("sobol", "network")
    assert findings.of_derivative(known) == pytest.approx((6 / 20) / (8 / 80))
    text = " ".join(answer(known))
    assert "Sobol search spends the least, 40 trainings for a choice" in text
    assert "Of 3 pairs of ways 2 differ beyond seeds" in text


def test_what_a_search_needs_is_counted_to_the_first_score_within_a_standard_error(known):
    """The least score of all ways is 0.4, its error 0.015."""
    expected = {"cv": 80.0, "sobol": None, "hypergradient": 15.0}
    assert {row[0]: findings.needed(known, row) for row in known.choices} == expected


def test_strengths_are_averaged_by_their_logarithms(known):
    content = describe(known, {})
    assert {row["strength"] for row in content["rows"]} == {"0.0028"}
    assert {row["over_seeds"] for row in content["rows"]} == {"[0.001, 0.008]"}
    assert content["rows"][1]["seconds"] == "34.0; 4.0"
    assert content["warnings"][0] == "cross-validation, the network: a warning (4 of 4 seeds)"


def test_seeds_that_are_not_whole_are_left_out():
    records = synthetic()
    choices = [r for r in records if r["event"] == "choice"]
    assert results(choices[:-1]).seeds == (0, 1, 2)
    assert not results(choices[:-1]).of_network
    assert describe(results(choices[:-1]), {})["answer"] == []
    assert results([]) is None
    without = [
        r for r in records if (r["event"], r["seed"], r.get("method")) != ("run", 3, "sobol")
    ]
    assert results(without).seeds == (0, 1, 2)


# --- the command ---

OPTIONS: dict[str, Any] = {
    "method": tuple(name for name in METHODS if name != "random"),  # as sobol, to the command
    "data": "digits",
    "examples": 100,
    "epochs": 1,
    "hidden": 64,  # as many as pixels: closed forms are compiled once for both
    "batch_size": 32,
    "folds": 2,
    "trials": 9,
    "strengths": (1e-4, 1e-1, 3),
    "seeds": 2,
}
TINY = TuneConfig(**OPTIONS)
AS_FUNCTION = (command.COMMAND, command.main, TuneConfig)


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    """All of that kind, without what a clock says."""
    found = [r for r in read(folder) if r["event"] == name]
    return [{key: value for key, value in r.items() if key != "seconds"} for r in found]


@pytest.fixture
def stopped_in(monkeypatch) -> Any:
    """Ctrl-C as soon as there is something of a part."""

    def stop(part: str | None) -> None:
        @contextlib.contextmanager
        def interrupting(*_: Any) -> Iterator[Any]:
            def advance(name: str, done: int, count: int) -> None:
                if name == part and 0 < done < count:
                    raise KeyboardInterrupt

            yield advance

        monkeypatch.setattr(studies, "progress", interrupting)

    return stop


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a study that nobody stopped."""
    folder = tmp_path_factory.mktemp("tune") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studies, "progress", quiet)
        command.main(dataclasses.replace(TINY, output=folder))
    return folder


@contextlib.contextmanager
def quiet(*_: Any) -> Iterator[Any]:
    yield lambda *_: None


def test_a_study_that_is_stopped_goes_on_and_is_the_one_that_was_not(
    whole, tmp_path, capsys, settings_of_jax, stopped_in
):
    folder = tmp_path / "study"
    config = dataclasses.replace(TINY, output=folder)
    for part in ("bayesian", "hypergradient", "retrained"):
        stopped_in(part)
        with pytest.raises(SystemExit) as leaving:
            command.main(config)
        assert leaving.value.code == 130
        printed = capsys.readouterr().out
        assert f"Go on: python -m experiments.tune --resume {folder}" in printed
        assert "Stopped after " in printed
        config = TuneConfig(resume=folder)
    assert not list(folder.glob("*-100.jsonl"))
    stopped_in(None)
    command.main(config)
    printed = capsys.readouterr().out
    for line in ("What will be done, for 2 seeds", "About", "λ for the network", "Saved"):
        assert line in printed
    assert {file.name for file in folder.iterdir()} == set(command.FILES)
    for name in ("choice", "run"):
        assert events(folder, name) == events(whole, name)


def test_drawn_anew_it_is_the_same(whole, settings_of_jax):
    records, page = read(whole), (whole / "report.html").read_bytes()
    (whole / "tune.md").unlink()
    command.main(TuneConfig(resume=whole))
    assert read(whole) == records
    assert (whole / "report.html").read_bytes() == page
    assert (whole / "tune.md").exists()


def test_a_choice_is_the_least_score_and_its_folds_hold_out_every_image(whole):
    choices = events(whole, "choice")
    assert {r["part"] for r in choices} == set(TINY.method or ())
    for r in (r for r in choices if r["subject"] == "network"):
        scores = [np.inf if score == "nan" else score for score in r["scores"]]
        best = [s for s, score in zip(r["tried"], scores, strict=True) if score == min(scores)]
        assert r["strength"] == max(best)
        assert r["trainings"] == sum(r["spent"]) <= 2 * (3 if r["part"] == "cv" else 9)
        assert r["spent"][0] == 2


def test_the_table_is_what_the_runs_give(whole):
    runs, content = events(whole, "run"), describe(results(read(whole)), {})
    table = {row[:2]: row for row in tables.rows(content)}
    for method, way in (("cv", "cross-validation"), ("hypergradient", "hypergradient")):
        own = [r for r in runs if r["method"] == method]
        chosen = [r for r in events(whole, "choice") if r["part"] == method]
        assert [r["strength"] for r in own] == [r["strength"] for r in chosen]
        mean, low, high = interval([r["test_loss"] for r in own])
        assert table[way, "the network"][5] == f"{mean:.3f} ± {(high - low) / 2:.3f}"
    assert len(runs) == 2 * (1 + 3 + 4)
    trained = sorted({r["strength"] for r in runs if r["method"] == "grid"})
    assert trained == pytest.approx([1e-4, 10**-2.5, 1e-1])


def test_closed_forms_say_what_they_are_for_and_train_no_penalty(whole):
    found = [r for r in events(whole, "choice") if r["part"] in ("ridge", "evidence")]
    assert [(r["subject"], r["trainings"]) for r in found] == 4 * [("pixels", 0), ("features", 1)]
    written = (whole / "tune.md").read_text(encoding="utf-8")
    assert "| leave-one-out | least squares on pixels |" in written
    assert "| evidence | least squares on features |" in written


def test_least_squares_on_pixels_reaches_what_the_normal_equations_give(whole):
    """At the λ that was chosen, intercept unpenalised, in float64."""
    data = load("digits")
    for r in events(whole, "choice"):
        if r["subject"] == "pixels":
            chosen = np.random.default_rng([r["seed"], 1]).permutation(len(data.train.labels))[:100]
            x = flat(data.train.images[chosen]) / 255
            y = np.eye(10)[data.train.labels[chosen]]
            middle, targets = x.mean(0), y.mean(0)
            centred = x - middle
            gram = centred.T @ centred / 100 + r["strength"] * np.eye(x.shape[1])
            w = np.linalg.solve(gram, centred.T @ (y - targets) / 100)
            scores = (flat(data.test.images) / 255 - middle) @ w + targets
            right = np.mean(scores.argmax(1) == data.test.labels)
            assert r["accuracy"] == pytest.approx(right, abs=3 / len(data.test.labels))


def test_without_optuna_what_to_install_is_said(refused, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    printed = refused(*AS_FUNCTION, "--method", "sobol")[1]
    assert printed.startswith("Error: --method sobol: expected the package optuna")
    assert 'pip install ".[tune]"' in printed


@functools.cache
def other_study(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text('{"command": "path", "config": {}}')
    (folder / "records.jsonl").touch()
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "grid"], "invalid choice"),
        (["--method"], "--method"),
        (["--examples", "5"], "--folds: expected at most half as many as --examples 5, got 5"),
        (["--examples", "70000"], "--examples: expected at most 60,000, the training images of"),
        (["--examples", "-3"], "--examples: expected at least 2, got -3"),
        (["--examples", "14", "--folds", "7"], "--folds 7: expected every class in every train"),
        (["--folds", "1"], "--folds: expected at least 2, got 1"),
        (["--trials", "0"], "--trials: expected at least 1, got 0"),
        (["--seeds", "0"], "--seeds: expected at least 1, got 0"),
        (["--epochs", "0"], "--epochs: expected at least 1, got 0"),
        (["--hidden", "0"], "--hidden: expected at least 1, got 0"),
        (["--first-seed", "-1"], "--first-seed: expected at least 0, got -1"),
        (["--seed", "3"], "Error: --seed: expected an option that there is; write --first-seed"),
        (["--learning-rate", "nan"], "--learning-rate: expected more than 0, got nan"),
        (["--strengths", "1e-2", "1e-5", "9"], "--strengths: expected the lowest and the highest"),
        (["--strengths", "0", "1e-2", "9"], "--strengths: expected the lowest and the highest"),
        (["--strengths", "1e-5", "1e-2", "1"], "--strengths: expected at least 2 of them, got 1"),
        (["--penalty", "l1", "--coupling", "decoupled"], "--coupling decoupled: expected --penal"),
        (["--data", "mnits"], "--data: expected mnist, digits, idx:DIR or tfds:NAME"),
        (["--resume", "{other}"], "--resume: expected a run of experiments.tune, but"),
        (["--resume", "{other}", "--trials", "4"], "--resume: expected"),
        (["--resume", "/no/such"], "--resume: expected the folder of a run"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(options, message, refused, tmp_path):
    other = other_study(tmp_path / "other")
    options = [option.replace("{other}", str(other)) for option in options]
    printed, error = refused(*AS_FUNCTION, *options)
    assert message in " ".join(error.split())
    assert "What will be done" not in printed

"""The parts of a path: trainings and solutions, what is cut, kept, found and refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import t as student

from experiments.data import Dataset
from experiments.models.networks import MLP
from experiments.paired.sample import Source, source
from experiments.paired.setup import Setup
from experiments.path import cut, findings, measures, pictures
from experiments.path import sklearn_example as example
from experiments.path.config import Curve, PathConfig, command_line, planned, resolved
from experiments.path.penalties import PENALTIES
from experiments.path.regression import RegressionPaths
from experiments.path.results import Results
from experiments.path.trainings import PathTrainings

SETUP = Setup("mlp", "momentum", "constant", "weights", 30, 0.0, 10, 14.0, 4)
RATE = 0.02


@pytest.fixture(scope="module")
def small(tiny: Dataset) -> Source:
    return source(tiny, 1)


# --- trainings, by hand ---


def shrink_entries(w: np.ndarray, s: float) -> np.ndarray:
    return np.sign(w) * np.maximum(np.abs(w) - s, 0)


def shrink_columns(w: np.ndarray, s: float) -> np.ndarray:
    return w * np.maximum(1 - s / np.maximum(np.linalg.norm(w, axis=0), 1e-30), 0)


def shrink_spectrum(w: np.ndarray, s: float) -> np.ndarray:
    u, spectrum, vh = np.linalg.svd(w, full_matrices=False)
    return u * np.maximum(spectrum - s, 0) @ vh


NAMES = [(layer, leaf) for layer in ("fc1", "fc2") for leaf in ("kernel", "bias")]


def gradient(p: Any, x: np.ndarray, labels: np.ndarray) -> Any:
    """Of the mean cross-entropy of images → hidden → ReLU → classes, by the chain rule."""
    hidden = np.maximum(x @ p["fc1", "kernel"] + p["fc1", "bias"], 0)
    logits = hidden @ p["fc2", "kernel"] + p["fc2", "bias"]
    share = np.exp(logits - logits.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    share[np.arange(len(x)), labels] -= 1
    share /= len(x)
    back = share @ p["fc2", "kernel"].T * (hidden > 0)
    return {
        ("fc1", "kernel"): x.T @ back,
        ("fc1", "bias"): back.sum(0),
        ("fc2", "kernel"): hidden.T @ share,
        ("fc2", "bias"): share.sum(0),
    }


def by_hand(own: Any, pull: Any, prox: Any, every: int) -> Any:
    """Momentum of 0.9, with a pull on the kernels beside the gradient, or a prox after steps.

    A prox is ten times as long as a step, as momentum makes a step.
    """
    p = {(a, b): np.asarray(own.params[a][b][0], np.float64) for a, b in NAMES}
    velocity = {name: np.zeros_like(w) for name, w in p.items()}
    batches = own.batches[0].reshape(-1, SETUP.batch_size)
    for step, batch in enumerate(batches, 1):
        x = own.train.images[0][batch].reshape(len(batch), -1) / 255
        g = gradient(p, x, own.train.labels[0][batch])
        for name in p:
            kernel = name[1] == "kernel"
            velocity[name] = 0.9 * velocity[name] + g[name] + kernel * pull(p[name])
            p[name] = p[name] - RATE * velocity[name]
            if kernel and step % every == 0:
                p[name] = prox(p[name], 10 * RATE * every)
    return p


def nothing(w: np.ndarray, s: Any = None) -> Any:
    return 0.0 if s is None else w


@pytest.mark.parametrize(
    ("penalty", "strength", "pull", "prox"),
    [
        ("l1_subgradient", 0.05, lambda w: 0.05 * np.sign(w), nothing),
        ("l1", 0.02, nothing, lambda w, s: shrink_entries(w, 0.02 * s)),
        ("group_lasso", 0.07, nothing, lambda w, s: shrink_columns(w, 0.07 * s)),
        ("nuclear", 0.1, nothing, lambda w, s: shrink_spectrum(w, 0.1 * s)),
    ],
)
def test_a_training_is_that_of_numpy(penalty, strength, pull, prox, small, monkeypatch):
    every = 7 if penalty == "nuclear" else 1
    row = dataclasses.replace(PENALTIES[penalty], every=every)
    monkeypatch.setitem(PENALTIES, penalty, row)
    trainings = PathTrainings(SETUP, RATE, penalty, small, (3,))
    point = {"seed": jnp.int32(0), "strength": jnp.float32(strength)}
    found = jax.device_get(jax.jit(trainings)(point, trainings.sample))
    p = by_hand(trainings.sample, pull, prox, every)
    for layer, leaf in NAMES:
        np.testing.assert_allclose(found["params"][layer][leaf], p[layer, leaf], atol=2e-5)
    as_numpy_measures(found, trainings.sample, p)
    if penalty != "l1_subgradient":
        assert found["zeros"] > 0 or found["rank"] < 4
    assert found["learning"][-1] == found["test_accuracy"]


def as_numpy_measures(found: Any, sample: Any, p: Any) -> None:
    def logits(images: np.ndarray) -> np.ndarray:
        hidden = images.reshape(len(images), -1) / 255 @ p["fc1", "kernel"] + p["fc1", "bias"]
        return np.maximum(hidden, 0) @ p["fc2", "kernel"] + p["fc2", "bias"]

    def loss(images: np.ndarray, labels: np.ndarray) -> float:
        out = logits(images)
        return float(np.mean(np.log(np.exp(out).sum(1)) - out[np.arange(len(out)), labels]))

    kernels = p["fc1", "kernel"], p["fc2", "kernel"]
    weights = np.concatenate([kernel.ravel() for kernel in kernels])
    spectrum = np.linalg.svd(kernels[0], compute_uv=False)
    expected = {
        "test_accuracy": np.mean(logits(sample.test.images).argmax(1) == sample.test.labels),
        "data_loss": loss(sample.train.images[0], sample.train.labels[0]),
        "validation_loss": loss(*sample.validation),
        "zeros": np.mean(weights == 0),
        "live": (kernels[0] != 0).any(0).sum(),
        "rank": (spectrum > measures.RELATIVE * spectrum[0]).sum(),
        "l1": np.abs(weights).sum(),
        "l2": np.sqrt((weights**2).sum()),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)


# --- solutions ---


def test_solutions_of_regression_meet_the_conditions_of_a_minimum(small):
    strengths = (0.003, 0.02, 5.0)
    setup = dataclasses.replace(SETUP, model="softmax")
    paths = RegressionPaths(setup, "l1", strengths, small, (0, 1))
    found = paths.run({"seed": np.arange(2, dtype=np.int32)}, per_device=1).results
    assert found["converged"].all()
    for seed in range(2):
        x = paths.sample.train.images[seed].reshape(30, -1) / 255
        labels = paths.sample.train.labels[seed]
        for place, strength in enumerate(strengths):
            w = found["params"]["fc1"]["kernel"][seed, place].astype(np.float64)
            share = np.exp(x @ w)
            share /= share.sum(1, keepdims=True)
            share[np.arange(30), labels] -= 1
            g = x.T @ share / 30
            assert np.abs(g[w == 0]).max() <= strength * 1.01
            np.testing.assert_allclose(g[w != 0], -strength * np.sign(w[w != 0]), atol=2e-4)
            assert found["zeros"][seed, place] == pytest.approx(np.mean(w == 0))
    assert (found["zeros"][:, -1] == 1).all()
    assert (found["live"][:, -1] == 0).all()
    assert (np.diff(found["zeros"], axis=1) >= 0).all()


# --- dead units ---


def network_with(dead: list[int], seed: int) -> Any:
    generator = np.random.default_rng(seed)
    params = {
        "fc1": {"kernel": generator.normal(size=(12, 6)), "bias": generator.normal(size=6)},
        "fc2": {"kernel": generator.normal(size=(6, 3)), "bias": generator.normal(size=3)},
    }
    params["fc1"]["kernel"][:, dead] = 0
    return jax.tree.map(np.float32, params)


@pytest.mark.parametrize("dead", [[], [2], [0, 3, 5], [0, 1, 2, 3, 4, 5]])
@pytest.mark.parametrize("seed", range(3))
def test_without_its_dead_units_a_network_gives_the_same_logits(dead, seed, small):
    params = network_with(dead, seed)
    images = small.test.images.astype(np.float32) / 255
    whole = MLP((6,), 3).apply({"params": params}, images)
    smaller = cut.cut(params)
    assert smaller["fc1"]["bias"].shape == (6 - len(dead),)
    np.testing.assert_allclose(cut.logits(smaller, images), whole, atol=1e-5)  # pyright: ignore
    np.testing.assert_allclose(cut.logits(params, images), whole, atol=1e-5)  # pyright: ignore
    assert cut.count(smaller) == (12 + 1 + 3) * (6 - len(dead)) + 3


def test_what_is_cut_is_written_down_for_networks_with_dead_units_alone(small):
    (curve,) = planned(
        resolved(PathConfig(networks=("mlp",), penalties=("l1",), strengths=(0.1, 1.0), count=3))
    )
    found = {0: network_with([], 0), 2: network_with([1, 4], 0)}
    (record,) = cut.records(curve, 100, small, found)
    assert (record["strength"], record["seed"], record["units"]) == (1.0, 100, [6, 4])
    assert record["parameters"] == [99, 67]
    assert record["error"] <= 1e-5 * record["largest"]
    assert len(record["seconds"]) == 2
    assert min(record["seconds"]) > 0


# --- pictures ---


def test_pictures_keep_zeros_and_signs_and_all_else_to_half_a_step(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    kernel[3:7, 1], kernel[:, 2], kernel[0, 0] = 0, 0, 1e-9
    curve = Curve("mlp", "l1", (0.0, 0.1, 1.0), SETUP, RATE)
    pictures.add(tmp_path, curve, (4, 3, 1), {0: kernel})
    pictures.add(tmp_path, curve, (4, 3, 1), {2: 2 * kernel})
    again = pictures.unpacked(tmp_path, curve.id)
    assert again is not None
    assert again.shape == (3, 5, 4, 3)
    assert np.isnan(again[1]).all()
    for place, factor in ((0, 1), (2, 2)):
        w, found = factor * kernel.T, again[place].reshape(5, 12)
        assert np.array_equal(np.sign(found), np.sign(w))
        assert (np.abs(found - w) <= np.abs(w).max(1, keepdims=True) / 127).all()
    assert pictures.unpacked(tmp_path, "mlp-l2") is None


def test_a_histogram_counts_what_is_not_zero_and_beyond_its_ends_too():
    counts = pictures.histogram([[0.0, 0.001], [-0.001, 9.0]])["histogram"]
    assert counts.sum() == 3
    assert counts[40] == 2
    assert counts[-1] == 1


# --- findings ---


def made_up(validation: Any, test: Any) -> Results:
    validation, test = np.array(validation), np.array(test)
    zeros = np.full_like(test, 0.25)
    measured = {"validation_accuracy": validation, "test_accuracy": test}
    measured |= {"zeros": zeros, "live": zeros, "rank": zeros}
    strengths, seeds = tuple(0.1 * np.arange(len(test))), tuple(range(test.shape[1]))
    nothing: Any = {}
    return Results(
        "mlp-l1", "mlp", "l1", strengths, seeds, SETUP, (), "hidden unit", 4, 4, measured,
        np.zeros((*test.shape, 0)), np.ones(test.shape, bool), nothing, nothing,
    )  # fmt: skip


def test_validation_chooses_and_what_is_nearly_as_good_is_the_highest():
    validation = [[0.80, 0.80, 0.80], [0.90, 0.91, 0.92], [0.907, 0.907, 0.908], [0.7, 0.7, 0.7]]
    test = [[0.70, 0.72, 0.71], [0.85, 0.86, 0.90], [0.5, 0.5, 0.5], [0.99, 0.99, 0.99]]
    results = made_up(validation, test)
    best, sparse = (findings.chosen(results, rule) for rule in (findings.best, findings.sparsest))
    assert best is not None
    assert sparse is not None
    assert (best.place, sparse.place) == (1, 2)
    gains = np.array(test[1]) - test[0]
    assert best.gain.value == pytest.approx(gains.mean())
    # leaving out the third seed, validation chooses the third strength: the interval knows it
    without = [np.mean(np.delete(test[1], i)) for i in range(2)] + [0.5]
    error = np.sqrt(2 / 3 * np.sum((np.array(without) - np.mean(without)) ** 2))
    reach = float(student.ppf(0.975, 2)) * error
    assert best.accuracy.jackknife == pytest.approx((0.87 - reach, 0.87 + reach))


def test_strengths_of_which_a_seed_is_missing_are_not_chosen():
    nan = float("nan")
    results = made_up([[0.8, 0.8], [0.99, nan]], [[0.7, 0.7], [0.9, nan]])
    found = findings.chosen(results, findings.best)
    assert found is not None
    assert found.place == 0
    assert findings.chosen(made_up([[nan, 0.8]], [[nan, 0.7]]), findings.best) is None


# --- options ---


def test_strengths_rise_evenly_from_zero_to_the_ends_that_are_asked_for():
    config = resolved(PathConfig(penalties=("l1",), strengths=(1e-3, 1.0), count=5))
    mlp, regression = planned(config)
    np.testing.assert_allclose(mlp.strengths, [0, 1e-3, 1e-2, 1e-1, 1], rtol=1e-9)
    np.testing.assert_allclose(np.diff(np.log(regression.strengths)), np.log(1000) / 4, rtol=0.01)


def test_adam_has_no_nuclear_norm_and_solutions_no_subgradient():
    curves = planned(resolved(PathConfig(optimizer="adam")))
    assert "mlp-nuclear" not in {curve.id for curve in curves}
    assert "regression-l1_subgradient" not in {curve.id for curve in curves}
    assert {curve.learning_rate for curve in curves} == {0.001}


def test_the_command_that_makes_the_same_study():
    config = PathConfig(quick=True, penalties=("l2", "l1"), examples=300, optimizer="adam")
    line = command_line(resolved(config))
    assert line == (
        "python -m experiments.path --penalties l2 l1 --quick --examples 300 --optimizer adam"
    ) or line.endswith("--quick --penalties l2 l1 --examples 300 --optimizer adam")


# --- scikit-learn's example ---


def test_scikit_learns_solution_meets_the_conditions_at_the_converted_strength():
    data, strength = example.digits(), example.strength()
    with np.load(example.REFERENCE) as stored:
        found = {name: stored[name] for name in stored.files}
    misses = {}
    for kind in ("published", "converged"):
        w, b = found[f"{kind}_coefficients"].T, found[f"{kind}_intercept"]
        logits = data.train @ w + b
        share = np.exp(logits - logits.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        share[np.arange(len(share)), data.train_labels] -= 1
        g = data.train.T @ share / len(share)
        miss = np.where(w == 0, np.maximum(np.abs(g) - strength, 0), g + strength * np.sign(w))
        misses[kind] = np.abs(miss).max() / strength
        guess = (data.test @ w + b).argmax(1)
        accuracy = np.mean(guess == data.test_labels)
        assert accuracy == pytest.approx(found[f"{kind}_accuracy"], abs=1e-4)
    assert misses["converged"] < 0.02
    assert misses["published"] > 0.5  # as published it stops far from it


def test_the_example_on_few_small_digits_is_what_scikit_learn_finds():
    from sklearn.linear_model import LogisticRegression

    from experiments.data import load

    data = example.digits(load("digits"), 100, 100)
    settings: Any = {"l1_ratio": 1, "solver": "saga", "max_iter": 5000, "tol": 1e-6}
    model = LogisticRegression(C=example.PULL / 100, **settings).fit(data.train, data.train_labels)
    with jax.enable_x64(True):
        found = example.solved(data, example.strength(100))
        assert found.converged
        kernel = np.asarray(found.params["kernel"]).T
    np.testing.assert_allclose(kernel, model.coef_, atol=1e-3)
    assert np.mean((kernel == 0) == (model.coef_ == 0)) > 0.995
    assert np.mean(kernel == 0) > 0.5

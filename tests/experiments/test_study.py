"""The study's parts: what a seed draws, the trainings, grids and their views, the coarse pass."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.config import ConfigError
from experiments.coupling import grid as grids
from experiments.coupling import nature, regimes, search
from experiments.coupling.conduct import SEARCH_SEED
from experiments.coupling.config import StudyConfig, planned, resolved
from experiments.coupling.grid import Grid
from experiments.coupling.results import Results
from experiments.data import Dataset, Split, load
from experiments.forms import FORMS
from experiments.models import functions, start
from experiments.paired import sample, setup
from experiments.paired.setup import Setup
from experiments.paired.trainings import BINS, PairedTrainings

SMALL: Any = {"examples": 60, "batch_size": 30, "epochs": 10.0, "hidden": 8, "label_noise": 0.0}


@pytest.fixture(scope="module")
def digits() -> sample.Source:
    return sample.source(load("digits"), 1)


def small(model: Any, optimizer: Any = "sgd", decayed: Any = "all", **changes: Any) -> Setup:
    settings: Any = {"schedule": "constant", **SMALL, **changes}
    return Setup(model, optimizer, decayed=decayed, **settings)


# --- what a seed draws ---


def test_a_seed_draws_everything_and_validation_images_never_train(digits):
    config = small("mlp", label_noise=0.25)
    drawn = sample.draw_sample(config, digits, (0, 1, 0))
    one, other, again = (jax.tree.map(lambda leaf, i=i: leaf[i], drawn[:3]) for i in range(3))
    assert all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(again)))
    assert not any(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))
    held = {image.tobytes() for image in digits.validation.images}
    assert not held & {image.tobytes() for image in one[0].images}
    assert len(digits.validation.labels) == len(load("digits").train.labels) // 4


def test_as_many_labels_are_wrong_as_asked_for():
    labels = np.arange(200, dtype=np.int32) % 10
    found = sample.wrong(labels, 0.3, 10, np.random.default_rng(0))
    assert np.sum(found != labels) == 60
    assert set(found) == set(range(10))


def test_batches_are_all_full_and_an_epoch_is_a_permutation(digits):
    config = small("mlp", examples=50, batch_size=30, epochs=24.0)
    batches = sample.draw_sample(config, digits, (3,)).batches[0]
    assert batches.shape == (setup.STRETCHES, config.steps // setup.STRETCHES, 30)
    assert config.steps % setup.STRETCHES == 0
    passes = batches.ravel()[: batches.size // 50 * 50].reshape(-1, 50)
    assert all(sorted(one) == list(range(50)) for one in passes)


def test_pooling_averages_and_drops_what_is_left_over():
    images = np.arange(2 * 5 * 4, dtype=np.uint8).reshape(1, 5, 4, 2)
    pooled = sample.pooled(images, 2)
    assert pooled.shape == (1, 2, 2, 2)
    np.testing.assert_array_equal(pooled[0, 0, 1], np.rint(images[0, :2, 2:].mean((0, 1))))
    with pytest.raises(
        ConfigError, match=r"--pool: expected at most the 4 pixels of an image, got 5"
    ):
        sample.pooled(images, 5)


def test_more_images_than_there_are_is_said_before_anything_is_trained(digits):
    with pytest.raises(ConfigError, match=r"--examples: expected at most 973, .* got 2,000"):
        sample.check(regimes.A, digits)


# --- networks ---


@pytest.mark.parametrize("name", ["batchnorm", "invariant"])
def test_statistics_of_a_batch_normalise_it_as_numpy_would(name, digits):
    network = functions.make(name, 8, 10)
    images = digits.train.images[:40].astype(np.float32) / 255
    params = start.drawn(network, images, "lecun")(0)
    at_once = functions.training_apply(network)(params, images)
    settled = functions.settled_apply(network, params, images)
    np.testing.assert_allclose(settled(params, images), at_once, atol=2e-5)
    alone = settled(params, images[:3])
    np.testing.assert_allclose(alone, at_once[:3], atol=2e-5)
    assert np.abs(functions.training_apply(network)(params, images[:3]) - alone).max() > 0.1


@pytest.mark.parametrize(
    ("name", "decayed", "expected"),
    [
        ("invariant", "all", "invariant"),
        ("softmax", "all", "linear"),
        ("batchnorm", "all", "neither"),
        ("batchnorm", "hidden", "neither"),
        ("mlp", "all", "neither"),
        ("cnn", "weights", "neither"),
    ],
)
def test_the_nature_of_a_set_up_is_found_by_trying_it(name, decayed, expected, digits):
    assert nature.nature(small(name, decayed=decayed), digits) == expected


NO_WEIGHTS = {"norm1/scale", "norm1/bias", "norm2/scale", "norm2/bias", "output/bias"}


@pytest.mark.parametrize(
    ("name", "decayed", "left_out"),
    [
        ("batchnorm", "weights", NO_WEIGHTS),
        ("batchnorm", "hidden", NO_WEIGHTS | {"output/kernel"}),
        ("mlp", "hidden", {"fc1/bias", "fc2/bias", "fc2/kernel"}),
        ("invariant", "all", set()),
    ],
)
def test_what_decays(name, decayed, left_out):
    network = functions.make(name, 4, 10)
    params = start.drawn(network, np.zeros((1, 8, 8, 1), np.float32), "lecun")(0)
    mask = functions.decays(name, decayed).mask(params)
    named = {f"{layer}/{leaf}": on for layer, part in mask.items() for leaf, on in part.items()}
    assert {name for name, on in named.items() if not on} == left_out


# --- trainings ---


@jax.jit
@jax.value_and_grad
def reference(params: Any, images: Any, labels: Any) -> Any:
    """The loss of the scale-invariant network, written out."""
    x = images.reshape(len(images), -1).astype(jnp.float32) / 255
    for layer in ("fc1", "fc2"):
        x = x @ params[layer]["kernel"]
        x = jax.nn.relu((x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-12))
    w = params["output"]["kernel"]
    logits = x @ w / jnp.sqrt((w**2).sum(0))
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def reference_optimizer(optimizer: str, form: str, learning_rate: float, ω: float, λ: float) -> Any:
    base = {
        "sgd": lambda: optax.sgd(learning_rate),
        "momentum": lambda: optax.sgd(learning_rate, momentum=0.9),
        "adam": lambda: optax.adam(learning_rate),
    }[optimizer]()
    if form == "coupled":
        return optax.chain(optax.add_decayed_weights(2 * λ), base)
    decay = optax.stateless(lambda u, w: jax.tree.map(lambda u, w: u - ω * w, u, w))
    shrink = optax.stateless(lambda u, w: jax.tree.map(lambda u, w: (w + u) / (1 + ω) - w, u, w))
    return optax.chain(base, decay if form == "decoupled" else shrink)


@pytest.mark.parametrize(
    ("optimizer", "form"),
    [
        ("sgd", "decoupled"),
        ("momentum", "decoupled"),
        ("momentum", "coupled"),
        ("momentum", "proximal"),
        ("adam", "decoupled"),
        ("adam", "coupled"),
        ("adam", "proximal"),
    ],
)
def test_a_training_is_the_loop_that_it_says(optimizer, form, digits):
    config = small("invariant", optimizer)
    learning_rate, ω = {"sgd": 0.5, "momentum": 0.05, "adam": 0.02}[optimizer], 0.02
    reach = FORMS[form].reach(config.optimizer)
    λ = ω / (2 * reach * learning_rate)
    trainings = PairedTrainings(config, form, digits, (4, 5))
    axis = "strength" if (optimizer, form) == ("adam", "coupled") else "rate"
    decay = λ if axis == "strength" else ω
    found = trainings.run(grids.points(config, form, [learning_rate], [decay], axis, [1])).results

    own = jax.tree.map(lambda leaf: leaf[1], trainings.sample[:3])
    train, batches, params = own
    tx = reference_optimizer(optimizer, form, learning_rate, ω, λ)
    state = tx.init(params)
    losses, update = [], jax.jit(tx.update)
    for batch in batches.reshape(-1, config.batch_size):
        loss, grads = reference(params, train.images[batch], train.labels[batch])
        updates, state = update(grads, state, params)
        params = optax.apply_updates(params, updates)
        losses.append(loss)
    np.testing.assert_allclose(
        found["loss"][0], np.reshape(losses, (setup.STRETCHES, -1)).mean(1), rtol=2e-3
    )
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(params)))
    assert found["norm"][0, -1] == pytest.approx(norm, rel=1e-3)
    weights = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])
    largest = np.abs(weights).max()
    assert found["largest"][0] == pytest.approx(largest, rel=1e-3)
    counts, _ = np.histogram(weights / largest, BINS)
    assert found["histogram"][0].sum() == len(weights)
    assert np.abs(found["histogram"][0] - counts).sum() <= 6  # at the borders of bins


def test_a_penalty_in_the_loss_is_decay_under_sgd_so_it_is_trained_once(digits):
    config = small("mlp")
    points = [
        grids.points(config, form, [0.3], [0.01], "rate", [0]) for form in ("decoupled", "coupled")
    ]
    one, other = (
        PairedTrainings(config, form, digits, (0,)).run(swept).results
        for form, swept in zip(("decoupled", "coupled"), points, strict=True)
    )
    np.testing.assert_allclose(one["validation_loss"], other["validation_loss"], rtol=1e-5)
    assert regimes.trained("sgd", ("coupled", "decoupled", "independent")) == ["decoupled"]
    assert regimes.trained("momentum", ("coupled", "decoupled")) == ["decoupled", "coupled"]
    assert regimes.trained("adam", ("coupled",)) == ["coupled"]
    assert regimes.trained("adam", ("independent", "proximal")) == ["decoupled", "proximal"]


def test_held_out_images_are_measured_with_statistics_of_the_training_images(digits):
    """A training of learning rate 0 leaves the initial network: evaluate that by hand."""
    config = small("batchnorm")
    trainings = PairedTrainings(config, "decoupled", digits, (0,))
    found = trainings.run(grids.points(config, "decoupled", [0.0], [0.0], "rate", [0])).results
    params = jax.tree.map(lambda leaf: leaf[0], trainings.sample.params)
    images = trainings.sample.train.images[0] / np.float32(255)
    apply = functions.settled_apply(functions.make("batchnorm", 8, 10), params, images)
    for split in ("validation", "test"):
        held = getattr(digits, split)
        logits = np.asarray(apply(params, held.images / np.float32(255)), np.float64)
        logits -= np.log(np.exp(logits).sum(1, keepdims=True))
        loss = -logits[np.arange(len(logits)), held.labels].mean()
        assert found[f"{split}_loss"][0] == pytest.approx(loss, rel=1e-5)
        error = np.mean(logits.argmax(1) != held.labels)
        assert found[f"{split}_error"][0] == pytest.approx(error, abs=1e-6)


# --- grids ---

LATTICE = Grid("rate", 0.1, 1e-3, 4.0, 2.0, (0, 3), (-1, 5))


def test_both_views_are_one_grid():
    config = small("mlp")
    assert LATTICE.shift == 2
    strength, rate = (LATTICE.table(axis, 1.0) for axis in ("strength", "rate"))
    np.testing.assert_allclose(rate, np.broadcast_to(LATTICE.decays, (3, 5)))
    np.testing.assert_allclose(rate, 2 * LATTICE.learning_rates[:, None] * strength)
    np.testing.assert_allclose(strength[1, 2:], strength[0, :-2])
    found = grids.points(config, "proximal", [0.1, 0.4], [1e-3, 4e-3], "rate", [0, 0])
    np.testing.assert_allclose(found["strength"], 0.005, rtol=1e-6)


def test_what_momentum_makes_of_a_decay_that_passes_through_it():
    config = small("mlp", "momentum")
    assert FORMS["coupled"].reach(config.optimizer) == pytest.approx(10)
    assert FORMS["decoupled"].reach(config.optimizer) == 1
    found = grids.points(config, "coupled", [0.1], [1e-3], "rate", [0])
    np.testing.assert_allclose(found["strength"], 1e-3 / (2 * 10 * 0.1), rtol=1e-6)


def test_grids_whose_views_are_not_aligned_are_refused():
    config = dataclasses.replace(StudyConfig(), row_ratio=3.0)
    with pytest.raises(ConfigError, match=r"--row-ratio: expected a power of --ratio 2, .* take 4"):
        planned(config)


# --- the coarse pass ---


def surface_of(minimum: Any, height: float = 0.3) -> search.Measure:
    """A valley over lattice columns; the decays are 0.05 better than none at their best."""

    def measure(cells: Any) -> list[float]:
        return [
            1.0 if j is None else min(0.8 + height * 0.1 * (j - minimum(i)) ** 2, 4.0) + 0.02 * i
            for i, j in cells
        ]

    return measure


START = Grid("rate", 0.1, 1e-6, 2.0, 2.0, (0, 5), (0, 10))


@pytest.mark.parametrize("middle", [-7, 2, 5, 16])
def test_the_grid_moves_to_where_the_valley_is(middle):
    start = dataclasses.replace(START, decay=1e-9)
    found = search.search(start, surface_of(lambda i: middle), move_rows=False)
    first, count = found.columns
    assert first < middle
    assert first + count - 1 > middle + 3  # the upper edge at 0.4: √(0.4 / 0.03) = 3.65 columns
    assert count < 16
    assert found.rows == start.rows


def test_a_leaning_valley_gets_as_many_columns_as_it_needs():
    found = search.search(START, surface_of(lambda i: 2 + 2 * i), move_rows=False)
    first, count = found.columns
    assert first < 2
    assert first + count - 1 >= 2 + 2 * 4 + 3
    fixed = search.search(START, surface_of(lambda i: 30), move_rows=False, move_columns=False)
    assert fixed == START


def test_the_rows_move_towards_a_better_learning_rate():
    def measure(cells: Any) -> list[float]:
        return [1.5 if j is None else 1 + 0.2 * abs(i - 9) + 0.03 * (j - 4) ** 2 for i, j in cells]

    first, count = search.search(START, measure).rows
    assert count == 5
    assert first > 2
    assert search.search(START, measure, move_rows=False).rows == (0, 5)


def test_decay_that_does_not_help_ends_the_search_downwards():
    """However small, it is as good as none: the grid would move for ever."""

    def measure(cells: Any) -> list[float]:
        return [0.5 if j is None else 0.5 + 0.001 * max(j, -3) + (j > 5) for i, j in cells]

    first, count = search.search(START, measure).columns
    assert first >= -3
    assert first + count > 6


def test_a_plateau_without_an_upper_edge_is_shown_from_where_it_begins():
    def measure(cells: Any) -> list[float]:
        return [2.0 if j is None else 0.5 + 0.2 * max(4 - j, 0) for i, j in cells]

    first, count = search.search(START, measure).columns
    assert first <= 4
    assert first + count > 10


def test_where_all_diverges_the_search_ends():
    found = search.search(START, lambda cells: [math.inf] * len(cells))
    assert found.columns[1] >= search.STRIDE


def test_decay_per_step_stays_below_one():
    def measure(cells: Any) -> list[float]:
        return [1.0 if j is None else -0.01 * j for i, j in cells]

    found = search.search(START, measure)
    assert found.decays.max() < 1


# --- options ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quick": True, "full": True}, "--full: expected it without --quick"),
        ({"regime": ()}, "--regime: expected at least one, got none"),
        ({"forms": ("none",)}, "--forms: expected one that decays beside none; add decoupled"),
        ({"seeds": 0}, "--seeds: expected at least 1, got 0"),
        ({"first_seed": -1}, "--first-seed: expected at least 0, got -1"),
        ({"ratio": 1.0}, "--ratio: expected more than 1, got 1.0"),
        ({"epochs": 0.0}, "--epochs: expected more than 0, got 0.0"),
        ({"label_noise": 1.5}, "--label-noise: expected a share from 0 to 1, got 1.5"),
        ({"decays": (1.0, 0.1)}, "--decays: expected the lowest and the highest, .* got 1 0.1"),
        ({"learning_rates": (0.0, 1.0)}, "--learning-rates: expected the lowest and the highest"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant(changes, message):
    with pytest.raises(ConfigError, match=message):
        resolved(StudyConfig(**changes))


def test_what_is_planned():
    names = [panel.id for panel in planned(StudyConfig())]
    assert names == [
        "a-invariant-all-sgd-decoupled",
        "a-invariant-all-adam-decoupled",
        "a-invariant-all-adam-coupled",
        "b-softmax-all-sgd-decoupled",
        "b-softmax-all-adam-decoupled",
        "b-softmax-all-adam-coupled",
    ]
    full = planned(resolved(StudyConfig(full=True)))
    assert len({panel.id for panel in full}) == len(full) == 5 * (2 + 3 + 3)
    assert resolved(StudyConfig(full=True, seeds=5)).seeds == 5
    assert resolved(StudyConfig(full=True, regime=("a", "b"))).regime == ("a", "b")
    quick = planned(resolved(StudyConfig(quick=True)))
    assert all(panel.grid.rows[1] == 4 for panel in quick)
    custom = planned(StudyConfig(regime=("custom",), model="cnn", epochs=3.0, rows=4))
    assert {panel.setup.model for panel in custom} == {"cnn"}
    assert {panel.setup.epochs for panel in custom} == {3.0}


def test_ranges_of_the_options_are_kept():
    config = StudyConfig(learning_rates=(0.1, 1.7), decays=(1e-4, 1e-2), row_ratio=2.0)
    grid = planned(config)[0].grid
    np.testing.assert_allclose(grid.learning_rates, [0.1, 0.2, 0.4, 0.8, 1.6])
    np.testing.assert_allclose(grid.decays, 1e-4 * 2.0 ** np.arange(7))


def test_seeds_of_the_study_are_none_that_anything_was_chosen_on():
    assert StudyConfig().first_seed > SEARCH_SEED


def test_total_decay_is_the_sum_over_the_schedule():
    config = dataclasses.replace(regimes.A, schedule="cosine")
    found = Results(
        "x", "a", "decoupled", config, LATTICE, 1.0, ("strength", "rate"), "invariant", (0,),
        *[np.zeros((3, 5, 1))] * 3, *[np.zeros((3, 1))] * 2, {},
    )  # fmt: skip
    schedule = optax.cosine_decay_schedule(1.0, config.steps)
    exact = sum(float(schedule(t)) for t in range(config.steps)) * LATTICE.decays
    np.testing.assert_allclose(found.total_decay()[1], exact, rtol=1e-5)


def test_a_data_set_of_other_images(tmp_path):
    """Not square, three channels, six classes."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (300, 9, 11, 3), dtype=np.uint8)
    split = Split(images, (np.arange(300) % 6).astype(np.int32))
    source = sample.source(Dataset("other", split, split, 6), 2)
    assert source.train.images.shape == (225, 4, 5, 3)
    config = small("cnn", label_noise=0.1)
    swept = grids.points(config, "decoupled", [0.1], [1e-3], "rate", [0])
    found = PairedTrainings(config, "decoupled", source, (0,)).run(swept)
    assert found.finite.all()

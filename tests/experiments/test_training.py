"""The training is what it says: against a network and optimizers written in NumPy alone."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import optax
import pytest

from experiments import optimizers, runs, training
from experiments.config import Config, resolved
from experiments.forms import FORMS
from experiments.problem import Problem
from experiments.runs import build

SMALL = Config(hidden=5, batch_size=16, epochs=3, learning_rate=0.05, strength=0.02)


def settings(**changes) -> Config:
    return resolved(dataclasses.replace(SMALL, dtype="float64", **changes))


def trained(config: Config, dataset):
    """Parameters and mean losses of a training through the project's own code."""
    with jax.enable_x64(config.dtype == "float64"):
        *_, last = build(config, dataset).epochs()
        return jax.device_get(last.state.params), last.metrics


def backpropagation(params, images, labels):
    """Mean cross-entropy and its gradient, by hand."""
    x = images.reshape(len(images), -1) / 255
    before = x @ params["fc1"]["kernel"] + params["fc1"]["bias"]
    hidden = np.maximum(before, 0)
    logits = hidden @ params["fc2"]["kernel"] + params["fc2"]["bias"]
    logits -= logits.max(1, keepdims=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(probabilities[rows, labels]).mean()
    d_logits = probabilities.copy()
    d_logits[rows, labels] -= 1
    d_logits /= len(labels)
    d_before = d_logits @ params["fc2"]["kernel"].T * (before > 0)
    return loss, {
        "fc1": {"kernel": x.T @ d_before, "bias": d_before.sum(0)},
        "fc2": {"kernel": hidden.T @ d_logits, "bias": d_logits.sum(0)},
    }


def soft(v, threshold):
    return np.sign(v) * np.maximum(np.abs(v) - threshold, 0)


def recurrence(config: Config, dataset):
    """The same training in NumPy: every coupling, optimizer, penalty and schedule, entrywise."""
    with jax.enable_x64(True):
        params = jax.device_get(Problem(config, dataset).init(config.seed))
    params = jax.tree.map(lambda w: np.array(w, np.float64), params)
    memory = jax.tree.map(lambda w: [np.zeros_like(w), np.zeros_like(w)], params)
    key = np.array([0, config.seed], np.uint32)
    examples = len(dataset.train.labels)
    steps_per_epoch = -(-examples // config.batch_size)
    total, t = steps_per_epoch * config.epochs, 0
    for epoch in range(config.epochs):
        order = np.random.default_rng([*map(int, key), epoch]).permutation(examples)
        losses = []
        for first in range(0, examples, config.batch_size):
            batch = order[first : first + config.batch_size]
            s = 0.5 * (1 + np.cos(np.pi * t / total)) if config.schedule == "cosine" else 1.0
            t += 1
            images, labels = dataset.train.images[batch], dataset.train.labels[batch]
            loss, grads = backpropagation(params, images, labels)
            losses.append(loss)
            for layer, leaf in ((a, b) for a in params for b in params[a]):
                chosen = config.where == "all" or leaf == "kernel"
                w, g = params[layer][leaf], grads[layer][leaf]
                params[layer][leaf] = update(config, w, g, memory[layer][leaf], s, t, chosen)
    return params, np.mean(losses)


def update(config: Config, w, g, memory, s, t, chosen):
    lam = config.strength if chosen else 0.0
    lam1 = config.l1_strength if chosen else 0.0
    rate, lr = config.learning_rate, config.learning_rate * s
    if config.coupling in ("loss", "coupled"):
        g = g + 2 * lam * w + lam1 * np.sign(w)
    if config.optimizer == "adam":
        memory[0][:] = 0.9 * memory[0] + 0.1 * g
        memory[1][:] = 0.999 * memory[1] + 0.001 * g * g
        direction = (memory[0] / (1 - 0.9**t)) / (np.sqrt(memory[1] / (1 - 0.999**t)) + 1e-8)
    elif config.optimizer == "momentum":
        memory[0][:] = 0.9 * memory[0] + g
        direction = memory[0]
    else:
        direction = g
    moved = w - lr * direction
    if config.coupling == "decoupled":
        omega = 2 * lam if config.rate is None else config.rate * chosen
        return moved - lr * omega * w
    if config.coupling == "independent":
        omega = 2 * rate * lam if config.rate is None else config.rate * chosen
        return moved - s * omega * w
    if config.coupling == "proximal":
        step = lr / (1 - 0.9) if config.optimizer == "momentum" else lr
        return soft(moved, step * lam1) / (1 + 2 * step * lam)
    return moved


CASES = [
    *({"coupling": c, "optimizer": "adam", "schedule": "cosine"} for c in FORMS),
    {"coupling": "decoupled", "optimizer": "adam", "rate": 0.3},
    {"coupling": "independent", "optimizer": "adam", "rate": 0.03, "schedule": "cosine"},
    {
        "coupling": "proximal",
        "optimizer": "momentum",
        "penalty": "elastic_net",
        "l1_strength": 0.01,
    },
    {"coupling": "loss", "optimizer": "momentum", "penalty": "l1"},
    {"coupling": "coupled", "optimizer": "sgd", "penalty": "elastic_net", "where": "weights"},
    {"coupling": "proximal", "optimizer": "sgd", "penalty": "l1", "where": "weights"},
    {"coupling": "coupled", "optimizer": "momentum", "where": "weights"},
    {"coupling": "decoupled", "optimizer": "momentum", "where": "weights", "schedule": "cosine"},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_follows_the_recurrence_written_in_numpy(case, tiny):
    config = settings(**case)
    params, metrics = trained(config, tiny)
    expected, loss = recurrence(config, tiny)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-12), params, expected
    )
    assert metrics["loss"] == pytest.approx(loss, abs=1e-12)


def test_forms_under_adam_differ_pairwise_but_for_the_two_identities(tiny):
    """loss ≡ coupled, and decoupled ≡ independent because ω = 2λ and 2αλ are chosen to agree."""
    ends = {c: trained(settings(coupling=c, optimizer="adam"), tiny)[0] for c in FORMS}
    for first, a in ends.items():
        for second, b in ends.items():
            far = max(
                np.abs(x - y).max() for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True)
            )
            same = first == second or {first, second} in (
                {"loss", "coupled"},
                {"decoupled", "independent"},
            )
            assert (far < 1e-12) if same else (far > 1e-4), (first, second, far)


def test_independent_decay_does_not_follow_the_learning_rate_and_decoupled_does(tiny):
    """With ω kept, a ten times smaller learning rate leaves the independent decay as it was."""

    def shrinkage(coupling: str, learning_rate: float) -> float:
        config = settings(coupling=coupling, rate=0.01, learning_rate=learning_rate)
        with jax.enable_x64(True):
            tx = optimizers.optimizer(config, 100)
            w = {"w": np.ones(1)}
            updates, _ = tx.update({"w": np.zeros(1)}, tx.init(w), w)  # pyright: ignore
            return -float(updates["w"][0])

    assert shrinkage("independent", 0.1) == shrinkage("independent", 0.01) == 0.01
    assert shrinkage("decoupled", 0.1) == pytest.approx(10 * shrinkage("decoupled", 0.01))


def test_short_last_batch_counts_as_its_own_size(tiny):
    order = training.batches(np.arange(50), 16, np.float64)
    assert order.indices.shape == (4, 16)
    np.testing.assert_array_equal(order.weights[:3], 1 / 16)
    np.testing.assert_array_equal(order.weights[3], [0.5, 0.5, *[0.0] * 14])
    np.testing.assert_allclose(order.weights.sum(1), 1)


@pytest.mark.parametrize(("examples", "batch_size"), [(50, 16), (48, 16), (5, 16), (1, 1)])
def test_every_image_is_in_exactly_one_batch(examples, batch_size):
    order = training.epoch_order([0, 7], 3, examples, batch_size, np.float32)
    assert sorted(order.indices[order.weights > 0]) == list(range(examples))


def test_order_is_a_function_of_key_and_epoch():
    first = training.epoch_order([0, 1], 2, 100, 10, np.float32).indices
    again = training.epoch_order(np.array([0, 1], np.uint32), 2, 100, 10, np.float32).indices
    np.testing.assert_array_equal(first, again)
    for key, epoch in (([0, 2], 2), ([0, 1], 3), ([1, 1], 2)):
        other = training.epoch_order(key, epoch, 100, 10, np.float32).indices
        assert (other != first).any()


@pytest.mark.parametrize("block", [1, 2])
def test_progress_is_one_tree_that_goes_on_after_any_update(block, tiny, monkeypatch):
    """Cut into parts in many ways, each from a tree built anew: the same, bit by bit."""
    monkeypatch.setattr(runs, "block_of", lambda *_: block)
    config = settings(optimizer="adam", norm="batch", dropout=0.3)
    with jax.enable_x64(True):
        run = build(config, tiny)
        *_, whole = run.parts(run.problem.begin(0), lambda done: 12)
        for stops in ((4, 8, 10, 12), (2, 4, 6, 8, 12), (2, 4, 8, 10, 12)):
            progress = run.problem.begin(0)
            for stop in stops:
                part = next(run.parts(progress, lambda _, stop=stop: stop))
                kept = jax.device_get(part.progress)
                progress = jax.tree.unflatten(jax.tree.structure(kept), jax.tree.leaves(kept))
                assert (int(kept.state.epoch), int(kept.state.step)) == (stop // 4, stop)
                assert part.ends_epoch == (stop % 4 == 0) == bool(np.isfinite(part.metrics["loss"]))
            jax.tree.map(np.testing.assert_array_equal, part.progress, whole.progress)
            assert part.metrics == whole.metrics


@pytest.mark.parametrize(
    ("steps", "places", "block"),
    [(938, (0, 0), 14), (938, (0, 100), 2), (938, (7, 938), 7), (64, (0, 0), 4), (7, (0, 0), 1)],
)
def test_a_gpu_is_not_kept_waiting_after_every_batch(steps, places, block, monkeypatch):
    assert runs.block_of(steps, *places) == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert runs.block_of(steps, *places) == block


def test_bfloat16_computes_in_bfloat16_and_keeps_parameters_in_float32(tiny):
    config = resolved(dataclasses.replace(SMALL, dtype="bfloat16"))
    params, metrics = trained(config, tiny)
    assert {w.dtype for w in jax.tree.leaves(params)} == {np.dtype("float32")}
    exact, _ = trained(resolved(SMALL), tiny)
    far = optax.tree.norm(jax.tree.map(np.subtract, params, exact)) / optax.tree.norm(exact)
    assert 1e-6 < far < 0.02
    assert np.isfinite(metrics["loss"])


def test_metrics_are_those_of_the_final_parameters(tiny):
    config = settings(penalty="elastic_net", l1_strength=0.3, coupling="proximal")
    params, metrics = trained(config, tiny)
    flat = np.concatenate([w.ravel() for w in jax.tree.leaves(params)])
    loss, _ = backpropagation(params, tiny.test.images, tiny.test.labels)
    assert metrics["test_loss"] == pytest.approx(loss, rel=1e-12)
    assert metrics["norm"] == pytest.approx(np.linalg.norm(flat), rel=1e-12)
    assert metrics["sparsity"] == np.mean(flat == 0) > 0.2
    penalty = 0.3 * np.abs(flat).sum() + config.strength * (flat**2).sum()
    assert metrics["penalty"] == pytest.approx(penalty, rel=1e-12)


def test_torch_parameters_are_uniform_within_one_over_root_fan_in(tiny):
    params = Problem(resolved(dataclasses.replace(SMALL, hidden=4000)), tiny).init(0)
    for layer, fan_in in (("fc1", 12), ("fc2", 4000)):
        for leaf in params[layer].values():
            bound = fan_in**-0.5
            assert np.abs(leaf).max() <= bound
    kernel = params["fc1"]["kernel"] * 12**0.5
    assert kernel.mean() == pytest.approx(0, abs=4 * 3**-0.5 / kernel.size**0.5)
    assert kernel.std() == pytest.approx(3**-0.5, rel=0.02)


def test_flax_initializer_is_flax_own(tiny):
    config = resolved(dataclasses.replace(SMALL, initializer="flax"))
    model = Problem(config, tiny).network
    expected = model.init(jax.random.key(0), tiny.train.images[:1].astype(np.float32))["params"]
    actual = Problem(config, tiny).init(config.seed)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), actual, expected)

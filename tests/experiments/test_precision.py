"""bfloat16 arithmetic rounds the data loss alone: what regularizes stays float32."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import optimizers, training
from experiments.config import Config, resolved
from experiments.data import Dataset, Split, load
from experiments.problem import Problem
from experiments.runs import build

SMALL = Config(hidden=5, batch_size=16, strength=0.02, l1_strength=0.01, penalty="elastic_net")
HALF = resolved(dataclasses.replace(SMALL, dtype="bfloat16"))


def update(config: Config, dataset, weights, tx):
    """The state before a step, and that after it, on the first images with these weights."""
    problem = Problem(config, dataset)
    params = problem.init(0)
    state = training.initial_state(params, tx, training.key_of(0), {})
    batch = dataset.train.images[: len(weights)], dataset.train.labels[: len(weights)]
    after, _ = jax.jit(training.make_step(problem.loss, tx, problem.in_loss))(
        state, *batch, weights
    )
    return jax.device_get((state, after))


def gradient(config: Config, dataset, weights):
    """The gradient of loss and penalty, as the optimizer is given it."""
    keep = optax.GradientTransformation(
        lambda params: params, lambda grads, _, params=None: (optax.tree.zeros_like(grads), grads)
    )
    before, after = update(config, dataset, weights, keep)
    return before.params, after.opt_state


def test_the_gradient_of_the_penalty_is_exact_in_float32(tiny):
    """Where images weigh nothing, only it is left."""
    params, grads = gradient(HALF, tiny, np.zeros(16, np.float32))
    for w, g in zip(jax.tree.leaves(params), jax.tree.leaves(grads), strict=True):
        wanted = np.float32(0.02) * 2 * w + np.float32(0.01) * np.sign(w)
        assert g.dtype == np.float32
        np.testing.assert_array_max_ulp(g, wanted, maxulp=1)
        rounded = np.float32(0.02) * 2 * w.astype(jnp.bfloat16).astype(np.float32)
        assert np.abs(g - rounded - np.float32(0.01) * np.sign(w)).max() > 1e-5


@pytest.mark.parametrize("coupling", ["decoupled", "proximal"])
def test_decay_after_the_step_is_that_of_float32(coupling, tiny):
    changes = {"coupling": coupling, "penalty": "l2", "l1_strength": None, "learning_rate": 0.1}
    weights = np.zeros(16, np.float32)
    ends = []
    for dtype in ("bfloat16", "float32"):
        config = resolved(dataclasses.replace(SMALL, **changes, dtype=dtype))
        before, after = update(config, tiny, weights, optimizers.optimizer(config, 10))
        ends.append(after.params)
        assert (before.params["fc1"]["kernel"] != after.params["fc1"]["kernel"]).all()
    jax.tree.map(np.testing.assert_array_equal, *ends)


def test_parameters_and_optimizer_stay_float32(tiny):
    config = dataclasses.replace(HALF, optimizer="adam")
    tx = optimizers.optimizer(config, 10)
    _, after = update(config, tiny, np.full(16, 1 / 16, np.float32), tx)
    floats = [x for x in jax.tree.leaves(after) if jnp.issubdtype(x.dtype, jnp.inexact)]
    assert len(floats) == 12  # parameters and two moments of four leaves
    assert {leaf.dtype for leaf in floats} == {np.dtype("float32")}


def test_products_are_computed_in_bfloat16_and_small_losses_keep_their_gradient(tiny):
    """bfloat16 has the exponents of float32: no loss needs to be scaled against underflow."""
    config = dataclasses.replace(HALF, strength=0.0, l1_strength=0.0)
    weights = np.full(16, 1 / 16, np.float32)
    _, half = gradient(config, tiny, weights)
    _, small = gradient(config, tiny, weights * np.float32(2**-60))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b * 2.0**60), half, small)
    _, full = gradient(dataclasses.replace(config, dtype="float32"), tiny, weights)
    off = optax.tree.norm(jax.tree.map(np.subtract, half, full)) / optax.tree.norm(full)
    assert 2**-12 < off < 2**-6  # eight digits of two


def test_accuracy_is_that_of_float32_within_the_spread_of_seeds():
    mnist = load("mnist")
    train, test = (
        Split(split.images[:5000], split.labels[:5000]) for split in (mnist.train, mnist.test)
    )
    subset = Dataset("mnist, some of it", train, test, 10)
    settings = Config(optimizer="momentum", learning_rate=0.05, epochs=2)
    found = {}
    for dtype in ("float32", "bfloat16"):
        run = build(resolved(dataclasses.replace(settings, dtype=dtype)), subset)
        runs = [[*run.epochs(seed)][-1].metrics["accuracy"] for seed in range(4)]
        found[dtype] = np.array(runs)
    full, half = found["float32"], found["bfloat16"]
    assert full.min() > 0.8
    assert (full != half).any()
    assert abs(half.mean() - full.mean()) < full.std(ddof=1)


@pytest.mark.parametrize(
    ("option", "precision"),
    [("default", "DEFAULT"), ("high", "HIGH"), ("highest", "HIGHEST"), ("bfloat16", "DEFAULT")],
)
def test_every_product_of_a_step_has_the_precision_asked_for(option, precision, tiny):
    config = resolved(dataclasses.replace(SMALL, matmul_precision=option))
    problem = Problem(config, tiny)
    state = problem.start(0)
    batch = tiny.train.images[:16], tiny.train.labels[:16], np.ones(16, np.float32)
    text = jax.jit(problem.step()).lower(state, *batch).as_text()
    products = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
    assert len(products) == 5  # two forward, three backward
    assert all(f"[{precision}, {precision}]" in line for line in products)

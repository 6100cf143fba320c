"""The networks against independent arithmetic; what of them decays; what trains with a batch."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import training
from experiments.config import Config, ConfigError, resolved
from experiments.data import Dataset, Split
from experiments.models import functions, layers, networks, start
from experiments.models.layers import Batch
from experiments.models.table import MODELS, TRAINED
from experiments.problem import Problem, check
from experiments.runs import build
from jaxreg import weights

SMALL = Config(hidden=8, batch_size=16, epochs=1, optimizer="adam", compilation_cache=False)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, np.float32)


def leaves(tree: Any) -> dict[str, Any]:
    found = jax.tree.leaves_with_path(tree)
    return {"/".join(step.key for step in path): leaf for path, leaf in found}


# --- which leaves are weights ---

BLOCK = ("attention/key", "attention/out", "attention/query", "attention/value", "fc1", "fc2")
WEIGHTS = {
    "mlp": ("fc1", "fc2"),
    "cnn": ("conv1", "conv2", "fc", "output"),
    "rnn": ("gru", "input", "output"),
    "transformer": (*(f"block{n}/{layer}" for n in (1, 2) for layer in BLOCK), "output", "patches"),
    "batchnorm": ("fc1", "fc2", "output"),
    "invariant": ("fc1", "fc2", "output"),
    "softmax": ("fc1",),
}
NORMS = {
    "mlp": ("norm1",),
    "cnn": ("norm1", "norm2"),
    "rnn": ("norm",),
    "transformer": ("block1/norm1", "block1/norm2", "block2/norm1", "block2/norm2", "norm"),
    "batchnorm": ("norm1", "norm2"),
}
WITHOUT_BIAS = {  # where a norm or nothing follows that has one
    ("mlp", True): ("fc1",),
    ("cnn", True): ("conv1", "conv2"),
    ("rnn", True): ("input",),
    ("batchnorm", True): ("fc1", "fc2"),
    ("batchnorm", False): (),
    ("invariant", True): WEIGHTS["invariant"],
    ("softmax", False): WEIGHTS["softmax"],
}


@pytest.mark.parametrize(
    ("model", "norm"), [(name, norm) for name, row in MODELS.items() for norm in row.norms]
)
def test_kernels_and_positions_are_weights_and_nothing_else_is(model, norm):
    """Positions as jaxreg documents them: a table that is added to each patch is one."""
    network = functions.make(model, 8, 3, norm)
    params = start.shapes_of(network, images(1, 8, 8, 1))["params"]
    expected = {f"{layer}/kernel": True for layer in WEIGHTS[model]}
    biased = [x for x in WEIGHTS[model] if x not in WITHOUT_BIAS.get((model, norm != "none"), ())]
    expected |= {f"{layer}/bias": False for layer in biased}
    normed = NORMS.get(model, ()) if norm != "none" else ()
    expected |= {f"{layer}/{leaf}": False for layer in normed for leaf in ("scale", "bias")}
    if model == "transformer":
        expected["positions"] = True
    assert leaves(weights.mask(params)) == expected


# --- against other arithmetic ---


def test_a_convolution_and_its_derivatives_are_those_of_xla():
    x, kernel = images(3, 5, 7, 2), images(3, 3, 2, 4)
    of_xla = functools.partial(
        jax.lax.conv_general_dilated, window_strides=(1, 1), padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip
    found, expected = (
        jax.value_and_grad(lambda *given, f=f: jnp.sum(jnp.sin(f(*given))), (0, 1))(x, kernel)
        for f in (layers.convolution, of_xla)
    )
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), found, expected)


@pytest.mark.parametrize("shape", [(4, 4), (5, 7), (3, 2)])
def test_maxima_are_those_of_flax_pooling(shape):
    x = images(2, *shape, 3) - 0.5
    np.testing.assert_array_equal(networks.maxima(x), nn.max_pool(x, (2, 2), (2, 2)))


def test_the_gru_is_its_equations():
    network = functions.make("rnn", 5, 3)
    x = images(2, 4, 3, 2)
    params = jax.tree.map(np.float64, start.drawn(network, x, "torch")(1))
    entering = x.reshape(2, 4, 6) @ params["input"]["kernel"] + params["input"]["bias"]
    h = np.zeros((2, 5))
    for row in range(4):
        own = h @ params["gru"]["kernel"] + params["gru"]["bias"]
        r, z = np.split(1 / (1 + np.exp(-(entering[:, row, :10] + own[:, :10]))), 2, -1)
        h = (1 - z) * np.tanh(entering[:, row, 10:] + r * own[:, 10:]) + z * h
    expected = h @ params["output"]["kernel"] + params["output"]["bias"]
    found = network.apply({"params": params}, x)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_attention_is_that_of_flax():
    x = images(2, 6, 8)
    ours, flax = networks.Attention(4, jnp.float32), nn.MultiHeadDotProductAttention(4)
    params = ours.init(jax.random.key(0), x)["params"]
    shapes = jax.eval_shape(flax.init, jax.random.key(0), x)["params"]
    theirs = jax.tree.map(lambda w, like: w.reshape(like.shape), params, shapes)
    found, expected = (m.apply({"params": p}, x) for m, p in ((ours, params), (flax, theirs)))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 9, 3)])
def test_patches_are_parts_of_the_image_and_zeros(shape):
    x = images(2, *shape)
    tall, wide = -(-shape[0] // 4), -(-shape[1] // 4)
    whole = np.zeros((2, 4 * tall, 4 * wide, shape[2]), np.float32)
    whole[:, : shape[0], : shape[1]] = x
    found = networks.patches(x, 4)
    for place in range(16):
        row, column = divmod(place, 4)
        part = whole[:, row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
        np.testing.assert_array_equal(found[:, place], part.reshape(2, -1))


def test_an_evaluation_in_pieces_is_that_of_all():
    x = images(23, 3)
    np.testing.assert_array_equal(training.in_pieces(lambda x: 2 * x, jnp.asarray(x), 7), 2 * x)


# --- what trains with a batch ---


def numpy_norm(x, mean, var):
    return (x - mean) / np.sqrt(var + 1e-5)


def test_statistics_count_images_by_their_weights_and_run_on():
    """Three images, of which the last is padding, twice."""
    x, weights_ = images(3, 2, 2, 4), np.array([0.25, 0.75, 0.0], np.float32)
    module = layers.BatchNorm()
    variables = module.init(jax.random.key(0), x, None)
    mean = np.einsum("n,nhwc->c", weights_, x) / 4
    var = np.einsum("n,nhwc->c", weights_, x**2) / 4 - mean**2
    for kept in (0.9, 0.81):
        y, changed = module.apply(variables, x, Batch(weights_), mutable=["batch_stats"])
        variables |= changed
        np.testing.assert_allclose(y, numpy_norm(x, mean, var), atol=1e-5)
        running = variables["batch_stats"]
        np.testing.assert_allclose(running["mean"], (1 - kept) * mean, atol=1e-6)
        np.testing.assert_allclose(running["var"], kept + (1 - kept) * var, atol=1e-6)
    alone = module.apply(variables, x, Batch(weights_), mutable=["batch_stats"])
    parts = jax.vmap(  # each device has a part, and counts it as much more as devices are many
        lambda *part: module.apply(
            variables, part[0], Batch(part[1], axis="data"), mutable=["batch_stats"]
        ),
        axis_name="data",
    )(x[:, None], 3 * weights_[:, None])
    np.testing.assert_allclose(parts[0].reshape(x.shape), alone[0], atol=1e-5)
    one_of_three = jax.tree.map(lambda leaf: leaf[1], parts[1])
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), one_of_three, alone[1])
    at_rest = module.apply(variables, x, None)
    np.testing.assert_allclose(at_rest, numpy_norm(x, running["mean"], running["var"]), atol=1e-5)


KEY = training.key_of(2**40 + 3)


def test_what_drops_out_depends_on_place_key_and_step_alone():
    x = jnp.ones((64, 5, 4))
    drop = functools.partial(layers.dropout, x, 0.3)
    whole = drop(Batch(key=KEY, step=7), 1)
    on_one_of_four = Batch(key=KEY, step=7, axis="data")
    parts = jax.vmap(lambda x: layers.dropout(x, 0.3, on_one_of_four, 1), axis_name="data")(
        x.reshape(4, 16, 5, 4)
    )
    np.testing.assert_array_equal(parts.reshape(whole.shape), whole)
    np.testing.assert_array_equal(layers.dropout(x[:9], 0.3, Batch(key=KEY, step=7), 1), whole[:9])
    assert set(np.unique(whole)) == {0, np.float32(1 / 0.7)}
    assert np.mean(whole == 0) == pytest.approx(0.3, abs=4 * (0.21 / whole.size) ** 0.5)
    for batch, place in (
        (Batch(key=KEY, step=8), 1), (Batch(key=KEY, step=7), 2), (Batch(key=KEY + 1, step=7), 1),
    ):  # fmt: skip
        assert np.mean((drop(batch, place) == 0) & (whole == 0)) == pytest.approx(0.09, abs=0.03)
    assert drop(None, 1) is drop(Batch(), 1) is x


SMOOTHED = dataclasses.replace(SMALL, norm="batch", dropout=0.2)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_state_holds_statistics_that_evaluations_use(model, wide):
    """An epoch of padded batches; the loss is that by the running statistics."""
    run = build(resolved(dataclasses.replace(SMOOTHED, model=model)), wide)
    *_, last = run.epochs()
    state = jax.device_get(last.state)
    named = leaves(state.statistics["batch_stats"])
    assert {name.rpartition("/")[0] for name in named} == set(NORMS[model])
    variables = {"params": state.params, **state.statistics}
    test = wide.test.images / np.float32(255)
    logits = np.asarray(run.problem.network.apply(variables, test), np.float64)
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    loss = -logits[np.arange(len(logits)), wide.test.labels].mean()
    assert last.metrics["test_loss"] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("model", TRAINED)
@pytest.mark.parametrize(("dtype", "kept"), [("bfloat16", "float32"), ("float64", "float64")])
def test_a_step_keeps_every_dtype_of_its_state(model, dtype, kept, wide):
    with jax.enable_x64(dtype == "float64"):
        problem = Problem(resolved(dataclasses.replace(SMOOTHED, model=model, dtype=dtype)), wide)
        begun, order = problem.begin(0), problem.order([0, 0], 0)
        found = begun.state.params, begun.state.statistics
        assert {w.dtype for w in jax.tree.leaves(found)} == {np.dtype(kept)}
        after, _ = jax.eval_shape(problem.epoch(), begun, np.int32(1), order, *problem.images())
        assert jax.tree.map(jnp.result_type, after) == jax.tree.map(jnp.result_type, begun)
        logits = jax.eval_shape(problem.apply, found, jnp.asarray(wide.test.images, dtype))
        assert logits.dtype == dtype


@pytest.fixture(scope="module")
def wide(tiny) -> Dataset:
    """The tiny set with 8×6 pixels of two channels."""

    def split(part: Split) -> Split:
        grown = part.images.repeat(2, 1).repeat(2, 2)
        return Split(np.concatenate([grown, 255 - grown], -1), part.labels)

    return Dataset("wide", split(tiny.train), split(tiny.test), tiny.classes)


# --- what cannot be meant ---

BAD = [
    (
        {"dropout": 1.0},
        "--dropout: expected a share from 0 to below 1, got 1; 0 drops nothing",
    ),
    ({"dropout": 50.0}, "--dropout: expected a share from 0 to below 1, got 50; 50 % is 0.5"),
    ({"dropout": -0.1}, "--dropout: expected a share from 0 to below 1, got -0.1; 0 drops nothing"),
    (
        {"dropout": float("nan")},
        "--dropout: expected a share from 0 to below 1, got nan; 0 drops nothing",
    ),
    (
        {"norm": "batch", "batch_size": 1},
        "--norm batch: expected batches of at least 2 images, by whose statistics they are "
        "normalised, got --batch-size 1; take another --batch-size, or --norm layer",
    ),
    (
        {"norm": "batch", "batch_size": 7},
        "--norm batch: expected at least 2 images in every batch, by whose statistics they are "
        "normalised, got 1 in the last of 50 images by 7; take another --batch-size, or --norm "
        "layer",
    ),
    (
        {"model": "cnn"},
        "--model cnn: expected images of at least 4×4 pixels, which it halves twice, got 4×3 of "
        "tiny; take --model mlp",
    ),
    (
        {"model": "transformer"},
        "--model transformer: expected images of at least 4×4 pixels, one for each patch, got 4×3 "
        "of tiny; take --model mlp",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=lambda x: x if isinstance(x, str) else "")
def test_what_a_network_cannot_take_is_refused(changes, message, tiny):
    with pytest.raises(ConfigError) as error:
        check(resolved(dataclasses.replace(SMALL, **changes)), tiny)
    assert str(error.value) == message


def test_what_it_can_take_is_not(tiny):
    for changes in ({"norm": "layer", "batch_size": 1}, {"norm": "batch", "batch_size": 16}):
        check(resolved(dataclasses.replace(SMALL, dropout=0.5, **changes)), tiny)
    assert resolved(Config(model="transformer")).norm == "layer"

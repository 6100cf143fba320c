"""Several devices train what one device trains, by one exchange in a step."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from experiments import devices, machine, training
from experiments.config import Config, ConfigError, resolved
from experiments.data import Dataset, Split
from experiments.problem import Problem
from experiments.runs import build
from tests.xla import AS_USERS, SOONER_EACH

SMALL = Config(hidden=5, batch_size=13, epochs=1, learning_rate=0.05, strength=0.02)
FORMS = {  # every coupling with every penalty that it has; batches of 13, the last of 11
    f"{coupling}-{penalty}": resolved(
        dataclasses.replace(SMALL, coupling=coupling, penalty=penalty, optimizer="momentum")
    )
    for coupling, penalty in (
        *itertools.product(("loss", "coupled", "proximal"), ("l2", "l1", "elastic_net")),
        *itertools.product(("decoupled", "independent"), ("l2",)),
    )
}
NETWORKS = {  # with what each has of its own for a batch
    model: resolved(dataclasses.replace(SMALL, model=model, norm="batch", dropout=0.3, hidden=8))
    for model in ("mlp", "cnn", "rnn")  # a transformer takes as long to compile as all of these
}
QUICKLY = {  # most of the time here would go into compiling
    "xla_backend_optimization_level": 0,
    **SOONER_EACH,
    "xla_llvm_disable_expensive_passes": True,
}


def mesh(count: int) -> Mesh:
    return Mesh(np.array(jax.devices()[:count]), (devices.AXIS,))


def squares(dataset: Dataset) -> Dataset:
    """The data set with a row of dark pixels beside its 4×3."""

    def split(part: Split) -> Split:
        return Split(np.pad(part.images, ((0, 0), (0, 0), (0, 1), (0, 0))), part.labels)

    return dataclasses.replace(dataset, train=split(dataset.train), test=split(dataset.test))


def epoch_of(configs: dict[str, Config], dataset: Dataset):
    """epoch(axis): the states of every form → those after an epoch, by one scan for all."""
    problems = {name: Problem(config, squares(dataset)) for name, config in configs.items()}
    start = {name: problem.start(0) for name, problem in problems.items()}

    @functools.cache  # JAX traces a function that it knows once, whatever the devices
    def run(axis):
        steps = {name: problem.step(axis) for name, problem in problems.items()}

        def step(states, *batch):
            found = {name: steps[name](states[name], *batch) for name in configs}
            return {n: s for n, (s, _) in found.items()}, {n: x for n, (_, x) in found.items()}

        return lambda states, _, order, *data: training.scan_batches(step)(states, order, data[0])

    return start, run


@pytest.fixture(scope="module")
def epoch(tiny):
    """Of every form."""
    return epoch_of(FORMS, tiny)


def trained(placement: devices.OneDevice, epoch, dataset) -> tuple:
    """Parameters, statistics and losses of one epoch of every form."""
    start, run, dataset = *epoch, squares(dataset)
    order = placement.order(training.epoch_order([0, 0], 0, 50, 13, np.float32))
    data = placement.data(training.Images(*dataset.train))
    arguments = placement.start(start), np.int32(0), order, data, data
    program = placement.jit(run(placement.axis)).lower(*arguments).compile(QUICKLY)
    states, losses = program(*arguments)
    found = {name: (state.params, state.statistics) for name, state in states.items()}
    return jax.device_get((found, losses))


@pytest.fixture(scope="module")
def alone(epoch, tiny):
    """What one device makes of every form."""
    return trained(devices.OneDevice(), epoch, tiny)


@pytest.mark.parametrize("way", [devices.Sharded, devices.Mapped])
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_the_devices_change_no_parameter_for_any_coupling_and_penalty(
    way, count, alone, epoch, tiny
):
    found = trained(way(mesh(count)), epoch, tiny)
    same = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-6)
    jax.tree.map(same, found, alone)
    ends = [np.concatenate([w.ravel() for w in jax.tree.leaves(p)]) for p in alone[0].values()]
    moved = [np.abs(a - b).max() for a, b in itertools.combinations(ends, 2)]
    assert np.median(moved) > 1e-4  # the forms differ by more than what passes for equal


def test_nor_do_they_change_statistics_and_what_drops_out(tiny):
    epoch = epoch_of(NETWORKS, tiny)
    alone = trained(devices.OneDevice(), epoch, tiny)
    same = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-6)
    for placement in (devices.Sharded(mesh(8)), devices.Mapped(mesh(4))):
        jax.tree.map(same, trained(placement, epoch, tiny), alone)


def test_a_run_splits_what_the_settings_say(tiny):
    """Three devices, which divide no batch, and a state that goes from epoch to epoch."""
    config = resolved(dataclasses.replace(SMALL, epochs=2, optimizer="adam", batch_size=16))
    ways = [{}, {"devices": 3}, {"devices": 3, "parallel": "pmap"}]
    runs = [build(dataclasses.replace(config, **w), tiny).epochs() for w in ways]
    same = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-6)
    for one, *others in zip(*runs, strict=True):
        expected = jax.device_get(one.state.params)
        for several in others:
            assert several.metrics == pytest.approx(one.metrics, abs=2e-6)
            assert len(several.state.params["fc1"]["kernel"].sharding.device_set) == 3
            jax.tree.map(same, jax.device_get(several.state.params), expected)


def exchanges(program) -> dict[str, int]:
    """The collectives of a compiled program, by name."""
    text = program.as_text()
    names = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
    found = {name: len(re.findall(rf"\s{name}(?:-start)?\(", text)) for name in names}
    return {name: count for name, count in found.items() if count}


@pytest.mark.parametrize(
    ("count", "parallel", "coupling"),
    [(2, "jit", "loss"), (8, "jit", "loss"), (8, "jit", "decoupled"), (4, "pmap", "loss")],
)
def test_an_epoch_holds_one_exchange_with_and_without_a_penalty(
    count, parallel, coupling, tiny, monkeypatch
):
    monkeypatch.setattr(machine, "compiled", lambda lowered, *_: lowered.compile(AS_USERS))
    config = dataclasses.replace(SMALL, devices=count, parallel=parallel, coupling=coupling)
    assert exchanges(build(resolved(config), tiny).epoch) == {"all-reduce": 1}


def test_data_are_bytes_everywhere_and_only_the_order_is_split(tiny):
    placement = devices.Sharded(mesh(4))
    images = placement.data(training.Images(*tiny.train)).images
    assert images.dtype == np.uint8
    assert images.sharding.is_fully_replicated
    order = placement.order(training.epoch_order([0, 0], 0, 50, 13, np.float32))
    assert [leaf.shape for leaf in order] == [(4, 16), (4, 16)]
    assert [leaf.sharding.shard_shape(leaf.shape) for leaf in order] == [(4, 4), (4, 4)]


@pytest.mark.parametrize("examples", [50, 52])
def test_padding_weighs_nothing(examples):
    order = training.epoch_order([0, 0], 0, examples, 13, np.float64)
    wide = devices.padded(order, 8)
    assert wide.indices.shape == (4, 16)
    np.testing.assert_allclose(wide.weights.sum(1), 1)
    assert sorted(wide.indices[wide.weights > 0]) == list(range(examples))
    assert (wide.weights[:, 13:] == 0).all()


def test_more_devices_than_there_are_is_said():
    with pytest.raises(ConfigError) as error:
        machine.choose_device(resolved(Config(devices=9, compilation_cache=False)))
    assert str(error.value) == (
        "--devices: expected at most the 8 of cpu that JAX finds here, got 9; use --devices 8, or "
        "--platform cpu, which makes as many as are asked for"
    )

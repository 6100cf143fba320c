"""What is counted in programs compiled for a TPU, against counts by hand."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import machine
from experiments.config import Config, ConfigError, resolved
from experiments.data import Dataset, Split, load
from experiments.runs import build
from experiments.sweeping import Trainings
from experiments.tpu_plan import __main__ as tpu_plan
from experiments.tpu_plan import compiled, counting
from experiments.tpu_plan.__main__ import PlanConfig
from experiments.tpu_plan.chips import CHIPS, TOPOLOGIES, topology
from experiments.tpu_plan.hlo import HloError
from jaxreg import grid
from tests.processes import ran

ROOT = Path(__file__).parents[2]
INSTALLED = importlib.util.find_spec("libtpu") is not None
needs_compiler = pytest.mark.skipif(
    not INSTALLED, reason='the TPU compiler is missing: pip install ".[tpu]"'
)

TRAIN, TEST, EACH = 60_000, 10_000, 64  # images, and those on a chip in a step
FORWARD = 2 * (784 * 128 + 128 * 10)  # FLOPs of one image
BACKWARD = FORWARD + 2 * 128 * 10  # both kernels and the hidden layer, but not the images
PARAMETERS = 4 * (784 * 128 + 128 + 128 * 10 + 10)  # bytes


def images(count: int, *shape: int) -> Split:
    """So many images without the memory for them: nothing here looks at a pixel."""
    return Split(np.broadcast_to(np.uint8(0), (count, *shape, 1)), np.zeros(count, np.int32))


MNIST = Dataset("mnist", images(TRAIN, 28, 28), images(TEST, 28, 28), 10)


# --- the programs are those of the commands ---

SMALL = resolved(Config(hidden=5, batch_size=10, epochs=2, optimizer="adam", devices=4))


def test_an_epoch_is_lowered_as_the_main_job_does(monkeypatch, tiny):
    texts = []
    monkeypatch.setattr(machine, "compiled", lambda lowered, *_: texts.append(lowered.as_text()))
    build(SMALL, tiny)
    planned = compiled.lower_epoch(SMALL, tiny, jax.devices()[:4]).as_text()
    assert "jit_epoch" in planned
    assert planned in texts


def test_a_sweep_is_lowered_as_jaxreg_does(monkeypatch, tiny):
    def interrupt(lowered):
        texts.append(lowered.as_text())
        raise KeyboardInterrupt

    texts, mesh = [], jax.sharding.Mesh(np.array(jax.devices()[:2]), ("run",))
    points = grid(learning_rate=np.linspace(0.1, 0.2, 7))
    with monkeypatch.context() as patched:
        patched.setattr(jax.stages.Lowered, "compile", interrupt)
        assert not Trainings(SMALL, tiny).run(points, mesh=mesh, per_device=3).complete
    planned = compiled.lower_sweep(SMALL, tiny, jax.devices()[:2], runs=7, per_device=3)
    assert texts == [planned.as_text()]


# --- the main job ---


def steps(chips: int) -> int:
    return -(-TRAIN // (EACH * chips))


@pytest.fixture(scope="module")
def costs() -> dict[int, compiled.Cost]:
    """Of an epoch with 64 images a chip, by the number of chips."""
    config = PlanConfig(topology=("v5e:2x2", "v5e:16x16"), batch_per_chip=EACH, runs=0)
    compiled.require_compiler()
    slices = [topology(name) for name in config.topology]
    found = tpu_plan.plans(tpu_plan.checked(config), MNIST, slices)
    return {plan.topology.chips: plan.cost for plan in found}


@needs_compiler
@pytest.mark.parametrize("chips", [4, 256])
def test_matrix_products_are_those_counted_by_hand(costs, chips):
    """So each chip's are the same from 4 to 256 chips, step for step."""
    by_hand = steps(chips) * EACH * (FORWARD + BACKWARD) + TEST * FORWARD
    assert costs[chips].flops == by_hand


@needs_compiler
@pytest.mark.parametrize("chips", [4, 256])
def test_a_step_exchanges_its_gradient_once(costs, chips):
    assert costs[chips].in_step == [("all-reduce", PARAMETERS + 4)]  # and the loss with it
    assert costs[chips].beside == []


@needs_compiler
@pytest.mark.parametrize("chips", [4, 256])
def test_memory_is_more_than_the_arguments_and_fits(costs, chips):
    cost = costs[chips]
    assert 784 * (TRAIN + TEST) < cost.argument_bytes < cost.peak_bytes < CHIPS["v5e"].memory_bytes


@needs_compiler
def test_a_step_reads_its_images_and_not_the_data_set(costs):
    more = steps(4) - steps(256)
    moved = (costs[4].memory_bytes - costs[256].memory_bytes) / more
    assert EACH * 784 < moved < 784 * TRAIN / 10


# --- a sweep, and what does not fit ---


@needs_compiler
def test_sweep_counts_every_round_epoch_and_step():
    """Five runs, two at a time: three rounds of three loops in one another, no exchange."""
    hidden, pixels, batch, epochs = 128, 16 * 16, 8, 3
    data = Dataset("small", images(4 * batch, 16, 16), images(128, 16, 16), 10)
    config = PlanConfig(hidden=hidden, batch_size=batch, epochs=epochs, runs=5, per_device=2)
    compiled.require_compiler()
    _, plan = tpu_plan.plans(tpu_plan.checked(config), data, [topology("v4:1x1x1")])
    forward = 2 * (pixels * hidden + hidden * 10)
    training = epochs * 4 * batch * (2 * forward + 2 * hidden * 10) + 128 * forward
    assert plan.job == "sweep"
    assert plan.cost.flops == 3 * 2 * training
    assert plan.cost.in_step == plan.cost.beside == []


@needs_compiler
def test_a_program_that_does_not_fit_is_an_answer():
    vast = Dataset("vast", images(64, 28, 28), images(2**25, 28, 28), 10)
    config = PlanConfig(runs=0, topology=("v5e:1x1",))
    compiled.require_compiler()
    (plan,) = tpu_plan.plans(tpu_plan.checked(config), vast, [topology("v5e:1x1")])
    assert plan.cost is None
    assert "exceed" in plan.refused.lower()
    assert plan.record()["refused"] == plan.refused
    (row,) = tpu_plan.epoch_table([plan]).columns[3].cells
    assert row == "too much"


# --- the command ---


@needs_compiler
def test_command(tmp_path):
    """Beside this process, which has the compiler loaded: they would meet at a lock file."""
    compiled.require_compiler()
    compiled.devices(topology("v6e:2x2"))
    small = ("--data", "digits", "--hidden", "8", "--runs", "0")
    options = ("--topology", "v6e:2x2", *small, "--output", str(tmp_path / "plan"))
    done = ran([sys.executable, "-W", "error", "-m", "experiments.tpu_plan", *options])
    assert done.stderr == ""
    assert "Compiled and counted, not timed" in done.stdout
    (record,) = map(json.loads, (tmp_path / "plan" / "records.jsonl").read_text().splitlines())
    digits = load("digits")
    train, test = len(digits.train.labels), len(digits.test.labels)
    forward = 2 * (digits.train.images[0].size * 8 + 8 * 10)
    assert record["flops"] == -(-train // EACH) * 16 * (2 * forward + 2 * 8 * 10) + test * forward
    assert record["seconds_at_peak"] == max(
        record["flops"] / 918e12, record["memory_bytes"] / 1638e9
    )
    config = json.loads((tmp_path / "plan" / "config.json").read_text())
    assert config["libtpu"].startswith("0.")
    assert config["config"]["topology"] == ["v6e:2x2"]


FLAT = "1x1, 2x2, 2x4, 4x4, 4x8, 8x8, 8x16, 16x16"
CUBIC = "1x1x1, 2x2x1, 2x2x2, 2x2x4, 2x4x4, 4x4x4, 4x4x8, 4x8x8"
SHAPES = f"v5e and v6e: {FLAT}; of v4 and v5p: {CUBIC}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v5litepod-16", f"did you mean v5e:4x4? shapes of {SHAPES}"),
        ("v4-8", f"did you mean v4:2x2x1? shapes of {SHAPES}"),
        ("v5e:16X16", f"did you mean v5e:16x16? shapes of v5e: {FLAT}"),
        ("v4:2x2", f"did you mean v4:2x2x1? shapes of v4: {CUBIC}"),
        ("v5e", f"shapes of v5e: {FLAT}"),
    ],
)
def test_unknown_slices_name_the_nearest(name, message):
    with pytest.raises(ConfigError) as error:
        topology(name)
    start = f"--topology: expected CHIP:SHAPE such as v5e:4x4, got {name!r}; "
    assert str(error.value) == start + message


def test_slices():
    assert TOPOLOGIES["v4:4x8x8"].chips == TOPOLOGIES["v6e:16x16"].chips == 256
    with pytest.raises(ConfigError, match=r"expected a chip among v4, v5e, v5p, v6e, got 'v7x'"):
        topology("v7x:2x2x1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": -1}, "--runs: expected at least 0, got -1"),
        ({"per_device": 0}, "--per-device: expected at least 1, got 0"),
        ({"batch_per_chip": 0}, "--batch-per-chip: expected at least 1, got 0"),
        ({"topology": ()}, "--topology: expected at least one slice, got none; write v5e:4x4"),
        (
            {"dtype": "float64"},
            "--dtype: expected float32 or bfloat16, got float64; TPU has no float64, and makes it "
            "up of float32 in many steps that are not counted here",
        ),
    ],
)
def test_settings_that_are_refused(changes, message):
    with pytest.raises(ConfigError) as error:
        tpu_plan.checked(PlanConfig(**changes))
    assert str(error.value) == message


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)
    with pytest.raises(ConfigError) as error:
        compiled.require_compiler()
    assert str(error.value) == (
        "tpu_plan: expected the TPU compiler, but libtpu is not installed; "
        'pip install ".[tpu]", on Linux with an x86 processor'
    )


# --- reading a program ---


def for_one_chip(function, *shapes: tuple[int, ...]):
    """A function compiled for one v5e chip."""
    compiled.require_compiler()
    mesh = jax.sharding.Mesh(np.array(compiled.devices(topology("v5e:1x1"))), ("data",))
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32, sharding=whole) for shape in shapes]
    return jax.jit(function).lower(*arguments).compile()


def counted(function, *shapes: tuple[int, ...]) -> list[counting.Kernel]:
    return counting.kernels(for_one_chip(function, *shapes).as_text())


def until(rounds, w):
    """As many products as an argument says."""
    return jax.lax.fori_loop(0, rounds.astype(jnp.int32), lambda _, x: jnp.tanh(x @ w), w)


@needs_compiler
def test_loops_of_unknown_length():
    hlo = for_one_chip(until, (), (256, 256)).as_text()
    with pytest.raises(HloError, match=r"expected a loop of known length, got %while"):
        counting.kernels(hlo)
    assert counting.flops(counting.kernels(hlo, rounds=7)) == 7 * 2 * 256**3


@needs_compiler
@pytest.mark.parametrize(
    ("function", "shapes", "products"),
    [
        (lambda x, y: jnp.einsum("rbi,rio->rbo", x, y), [(6, 16, 256), (6, 256, 128)], 6 * 16),
        (lambda x, y: jnp.einsum("bi,rio->rbo", x, y), [(16, 256), (6, 256, 128)], 6 * 16),
        (lambda x, y: jnp.einsum("rbi,rbo->rio", x, y), [(6, 16, 256), (6, 16, 128)], 6 * 16),
    ],
)
def test_products_of_many_matrices(function, shapes, products):
    """As the runs of a sweep have them: the compiler writes them as convolutions with holes."""
    assert counting.flops(counted(function, *shapes)) == products * 2 * 256 * 128


@needs_compiler
def test_convolutions_are_counted_as_the_compiler_does():
    """Without loops its own count is right: windows over the edge meet no image there."""
    dimensions = ("NHWC", "HWIO", "NHWC")

    def convolve(x, w):
        return jax.lax.conv_general_dilated(x, w, (2, 2), "SAME", dimension_numbers=dimensions)

    found = for_one_chip(convolve, (8, 32, 32, 16), (3, 3, 16, 32))
    assert counting.flops(counting.kernels(found.as_text())) == found.cost_analysis()["flops"]


@needs_compiler
def test_every_branch_counts():
    def choose(p, x):
        return jax.lax.cond(p > 0, lambda x: jnp.tanh(x @ x), lambda x: x @ x @ x, x)

    assert counting.flops(counted(choose, (), (256, 256))) == 3 * 2 * 256**3


@needs_compiler
def test_bytes_are_those_of_memory():
    assert counting.memory_bytes(counted(lambda x: 2 * x, (4096, 4096))) == 2 * 4 * 4096**2
    assert counting.memory_bytes(counted(lambda x: x[5:7] + 1, (4096, 4096))) == 2 * 4 * 2 * 4096


UNITS = {"T": 1e12, "G": 1e9, "MB": 1e6, "M": 1e6, "kB": 1e3, "ms": 1e-3, "µs": 1e-6, "": 1.0}


def number(cell: str) -> float:
    """A cell of that table in the pages: 98.5 MB, 1,024, 89.7 µs, none."""
    value, _, unit = cell.strip().replace(",", "").partition(" ")
    return 0.0 if value == "none" else float(value) * UNITS[unit]


def test_the_table_in_the_pages_is_what_was_recorded():
    page = ROOT / "docs" / "explanation" / "devices.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines if re.match(r"\| v\d\w?:", line)]
    told = {row[1].strip(): row[2:-1] for row in rows}
    recorded = (ROOT / "experiments/results/tpu_plan/records.jsonl").read_text(encoding="utf-8")
    jobs = {(r["topology"], r["job"]): r for r in map(json.loads, recorded.splitlines())}
    assert set(told) == {name for name, _ in jobs}
    for name, cells in told.items():
        epoch, sweep = jobs[name, "epoch"], jobs[name, "sweep"]
        sizes = [epoch[key] for key in ("chips", "batch", "peak_bytes", "flops", "memory_bytes")]
        exchanged = sum(each["bytes"] for each in epoch["in_step"])
        wanted = [*sizes, epoch["seconds_at_peak"], exchanged, sweep["flops"]]
        assert list(map(number, cells)) == pytest.approx(
            [*wanted, sweep["seconds_at_peak"]], rel=6e-3
        )

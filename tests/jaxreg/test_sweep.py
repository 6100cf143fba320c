"""A sweep is a loop: the same results in the same order, from one compilation, losing nothing."""

from __future__ import annotations

import functools
import itertools
import os
import signal
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from jaxreg import l2, lower_sweep, pytree, sweep
from jaxreg._sweep.chunks import ROOM
from jaxreg._sweep.progress import Progress
from jaxreg._sweep.width import Width
from tests.processes import interruptible

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=12).astype(np.float32)


def ridge(point, x, y):
    """Forty gradient steps on mean squared error + λ‖w‖²; diverges at a large learning rate."""
    gradient = jax.grad(lambda w: jnp.mean((x @ w - y) ** 2) + point["strength"] * l2(w))
    start = jnp.full(3, point["seed"], x.dtype)
    w = jax.lax.fori_loop(0, 40, lambda i, w: w - point["learning_rate"] * gradient(w), start)
    return {"w": w, "seed": point["seed"]}


def ridge_in_numpy(strength, learning_rate, seed):
    w = np.full(3, seed, np.float64)
    for _ in range(40):
        w = w - learning_rate * (2 * X.T @ (X @ w - Y) / 12 + 2 * strength * w)
    return w


def points(count):
    """So many points, no two alike."""
    return {
        "strength": np.geomspace(1e-3, 1, count).astype(np.float32),
        "learning_rate": np.linspace(0.1, 0.3, count, dtype=np.float32),
        "seed": np.arange(count, dtype=np.int32),
    }


def expected(points):
    rows = zip(points["strength"], points["learning_rate"], points["seed"], strict=True)
    return np.array([ridge_in_numpy(*row) for row in rows])


def mesh_of(devices):
    return Mesh(np.array(jax.devices()[:devices]), ("run",))


@pytest.fixture
def compilations():
    """Grows by one with each program that XLA compiles."""
    found = []

    def listen(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield found
    jax.monitoring.unregister_event_duration_listener(listen)


# --- the results are those of a loop ---


@pytest.mark.parametrize(
    ("devices", "count", "settings"),
    [
        (1, 1, {"per_device": 1}),
        (1, 7, {"per_device": 3}),
        (2, 11, {"per_device": 1, "chunk": 4}),
        (2, 13, {"per_device": 4, "chunk": 5}),
        (8, 37, {"per_device": 2}),
        (8, 3, {"per_device": 5}),
        (8, 50, {"per_device": "auto"}),
    ],
)
def test_equals_a_loop_in_order_with_one_compilation(devices, count, settings, compilations):
    given = points(count)
    train = functools.partial(ridge)  # another function, so that nothing is compiled yet
    found = sweep(train, given, X, Y, mesh=mesh_of(devices), **settings)
    np.testing.assert_allclose(found.results["w"], expected(given), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.results["seed"], given["seed"])
    assert found.results["seed"].dtype == np.int32
    assert (found.start, found.stop, found.complete) == (0, count, True)
    assert found.finite.tolist() == [True] * count
    assert len(compilations) == 1


@pytest.mark.parametrize(("per_device", "rounds"), [(1, 7), (4, 2), (9, 1)])
def test_the_lowered_program_is_that_of_the_sweep(per_device, rounds):
    """Lowered for shapes, called with 13 points on two devices: a round trains a row of each."""
    given, width = points(13), min(per_device, 7)
    shapes = (jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (X, Y))
    options = {"per_device": per_device, "mesh": mesh_of(2), "chunk": 14}
    lowered = lower_sweep(ridge, given, *shapes, **options)
    rows = np.resize(np.arange(13), (rounds, 2 * width))
    found, finite = lowered.compile()(
        jnp.full(2, rounds, jnp.int32),
        [jnp.asarray(given[name][rows]) for name in sorted(given)],
        (X, Y),
    )
    assert finite.shape == (rounds, 2 * width)
    np.testing.assert_allclose(found["w"], expected(given)[rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", ["auto", 0, True])
def test_what_is_lowered_has_a_width(width):
    with pytest.raises(
        ValueError, match=f"^lower_sweep: per_device: .* at least 1, got {width!r};"
    ):
        lower_sweep(ridge, points(3), X, Y, per_device=width)


def test_any_number_of_points_is_one_program(compilations):
    traces = []

    def train(point):
        traces.append(1)
        return point["strength"] ** 2

    for count in (16, 1000, 50, 1000):
        found = sweep(train, {"strength": np.arange(count, dtype=np.float32)}, per_device=1)
        np.testing.assert_array_equal(found.results, np.arange(count, dtype=np.float32) ** 2)
    assert len(compilations) == 1
    assert len(traces) == 1


def test_on_all_devices_by_default():
    where = []

    def train(point):
        jax.debug.callback(lambda _, device: where.append(int(device)), point, index())
        return point

    def index():
        return jax.lax.axis_index("run") if jax.sharding.get_abstract_mesh().shape else -1

    sweep(train, np.arange(24.0), per_device=1)
    jax.effects_barrier()
    assert sorted(where) == sorted([*range(8)] * 3)


@pytest.mark.parametrize("per_device", [1, 2])
def test_every_kind_of_point(per_device):
    @pytree
    class Setting:
        strength: float
        key: jax.Array
        seed: int

    def train(setting):
        noise = jax.random.normal(setting.key, (2,))
        return (setting.strength * noise, (setting.seed + 1, jax.random.split(setting.key)))

    keys = jax.random.split(jax.random.key(0), 5)
    half = jnp.linspace(0, 1, 5, dtype=jnp.bfloat16)
    found = sweep(train, Setting(half, keys, np.arange(5)), per_device=per_device)
    scaled, (seeds, split) = found.results
    noise = np.stack([jax.random.normal(key, (2,)) for key in keys])
    np.testing.assert_allclose(scaled, np.asarray(half, np.float32)[:, None] * noise, rtol=1e-5)
    assert seeds.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(split[3], jax.random.key_data(jax.random.split(keys[3])))


def test_a_dataclass_of_arrays_and_a_closure_work():
    @jax.tree_util.register_dataclass
    @dataclass
    class Setting:
        factor: jax.Array

    found = sweep(lambda p: p.factor * X.sum(), Setting(np.arange(3.0)), per_device=1)
    np.testing.assert_allclose(found.results, np.arange(3) * X.sum(), rtol=1e-5)


def test_settings_that_are_no_arrays_are_bound_to_train():
    def train(power, point):
        return point**power

    found = sweep(functools.partial(train, 3), np.arange(4.0))
    assert found.results.tolist() == [0, 1, 8, 27]


def test_in_float64():
    with jax.enable_x64(True):
        found = sweep(ridge, points(5), np.float64(X), np.float64(Y), per_device=1)
    assert found.results["w"].dtype == np.float64
    np.testing.assert_allclose(found.results["w"], expected(points(5)), rtol=0, atol=1e-6)


def test_a_second_axis_of_the_mesh_splits_each_run():
    """Each run sums its rows over two devices, while four runs go side by side."""
    mesh = Mesh(np.array(jax.devices()).reshape(4, 2), ("run", "data"))

    def train(point, x):
        here = jax.lax.dynamic_slice_in_dim(x, 6 * jax.lax.axis_index("data"), 6)
        return jax.lax.psum(point * here.sum(0), "data")

    found = sweep(train, np.arange(10, dtype=np.float32), X, per_device=1, mesh=mesh)
    np.testing.assert_allclose(found.results, np.arange(10)[:, None] * X.sum(0), rtol=1e-5)


def test_no_dtype_is_promoted_in_passing():
    with jax.numpy_dtype_promotion("strict"):
        found = sweep(lambda p: {"w": p["b"] * p["b"]}, {"b": jnp.arange(5, dtype=jnp.bfloat16)})
    assert found.results["w"].dtype == jnp.bfloat16


def test_compiler_options_reach_xla():
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        sweep(ridge, points(2), X, Y, compiler_options={"no_such_option": 1})


# --- divergence ---


@pytest.mark.parametrize("per_device", [1, 4])
def test_a_run_that_diverges_is_marked_and_changes_no_other(per_device):
    good, bad = points(12), points(12)
    bad["learning_rate"][[2, 9]] = 1e30
    healthy, found = (sweep(ridge, p, X, Y, per_device=per_device) for p in (good, bad))
    assert np.flatnonzero(found.diverged).tolist() == [2, 9]
    np.testing.assert_array_equal(
        found.results["w"][found.finite], healthy.results["w"][found.finite]
    )


def test_only_inexact_results_can_diverge():
    assert sweep(lambda p: jnp.int32(p), np.arange(3.0)).finite.all()


# --- chunks ---


def test_chunks_arrive_in_order_and_cover_every_point():
    rows, parts = [], []

    def on_chunk(chunk, results):
        rows.append((chunk.start, chunk.stop))
        parts.append(results["w"])

    found = sweep(ridge, points(23), X, Y, per_device=1, chunk=9, on_chunk=on_chunk)
    assert [stop - start for start, stop in rows] == [8, 9, 6]  # a first round tells the time
    assert rows[0][0] == 0
    assert all(a[1] == b[0] for a, b in itertools.pairwise(rows))
    np.testing.assert_array_equal(np.concatenate(parts), found.results["w"])


def test_memory_does_not_grow_with_the_number_of_points():
    """10,000 results of 40 kB are 400 MB: on device and host there is never more than a chunk."""
    live, sums = [], []

    def on_chunk(rows, results):
        live.append(sum(array.nbytes for array in jax.live_arrays()))
        assert results.nbytes <= ROOM
        sums.append(results[:, 0].sum(dtype=np.float64))

    before = sum(array.nbytes for array in jax.live_arrays())
    given = np.arange(10_000, dtype=np.float32)
    found = sweep(lambda p: jnp.full(10_000, p), given, per_device=1, keep=False, on_chunk=on_chunk)
    assert found.results is None
    assert found.finite.shape == (10_000,)
    assert sum(sums) == given.sum(dtype=np.float64)
    assert max(live) - before <= ROOM + 2**20


def test_an_exception_says_from_where_to_go_on():
    seen = []

    def full(rows, results):
        if rows.start >= 8:
            raise OSError("the disk is full")
        seen.extend(results["seed"])

    given = points(30)
    with pytest.raises(OSError, match="the disk is full") as raised:
        sweep(ridge, given, X, Y, per_device=1, chunk=8, on_chunk=full)
    assert raised.value.__notes__ == [
        "sweep: the points before 8 are done; start=8 goes on from there"
    ]
    rest = sweep(ridge, given, X, Y, per_device=1, chunk=8, start=8)
    assert [*seen, *rest.results["seed"]] == list(range(30))
    np.testing.assert_allclose(rest.results["w"], expected(given)[8:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_chunk_is_heard_when_its_results_are_handed_out(number):
    given, seen = points(40), []

    def interrupt(rows, results):
        if rows.start >= 16:
            os.kill(os.getpid(), number)
        seen.extend(results["seed"])

    with interruptible():
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        found = sweep(ridge, given, X, Y, per_device=1, chunk=8, on_chunk=interrupt)
        assert signal.signal(signal.SIGTERM, before) == signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert not found.complete
    assert (found.start, found.stop) == (0, 24)
    assert found.results["seed"].tolist() == seen == list(range(24))
    rest = sweep(ridge, given, X, Y, per_device=1, chunk=8, start=found.stop)
    assert (rest.start, rest.stop, rest.complete) == (24, 40, True)


def test_a_second_signal_is_heard_at_once():
    def interrupt(rows, results):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    with interruptible():
        found = sweep(ridge, points(40), X, Y, per_device=1, chunk=8, on_chunk=interrupt)
    assert (found.complete, found.stop) == (False, 0)


@pytest.mark.parametrize(
    ("decomposition", "devices", "width"),
    [
        (jnp.linalg.eigvalsh, 2, 1),
        (jnp.linalg.inv, 2, 1),
        (lambda a: jax.lax.cond(a[0, 0] > 0, jnp.linalg.inv, jnp.abs, a), 2, 1),
        (jax.jit(lambda a: jnp.linalg.svd(a, compute_uv=False)), 1, 3),
        (jnp.linalg.cholesky, 2, 1),
        (lambda a: a @ a, 2, 3),
    ],
)
def test_lapack_does_not_work_side_by_side_on_several_devices(decomposition, devices, width):
    """There it may wait forever."""

    def train(factor):
        return decomposition(factor * (jnp.eye(3) + 1)).sum()

    found = sweep(train, np.arange(1.0, 7), per_device=3, mesh=mesh_of(devices))
    assert found.per_device == width
    alone = [train(factor) for factor in np.arange(1.0, 7)]
    np.testing.assert_allclose(found.results, alone, rtol=1e-5)


def test_nothing_left_is_an_empty_result():
    found = sweep(ridge, points(4), X, Y, start=4)
    assert found.results["w"].shape == (0, 3)
    assert found.complete


# --- progress ---


def test_progress_is_told():
    told = []
    sweep(ridge, points(20), X, Y, per_device=1, chunk=8, progress=told.append)
    assert [state.done for state in told] == [8, 16, 20]
    assert {state.total for state in told} == {20}
    assert told[-1].seconds_left == 0 < told[0].seconds_left
    assert told == sorted(told, key=lambda state: state.seconds)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (Progress(1500, 2000, 130.2, 44.4), "1,500 of 2,000 points, 2:10 min, 44 s left"),
        (Progress(3, 2000, 20.0, 3 * 3600 + 61), "3 of 2,000 points, 20 s, 3:01 h left"),
        (Progress(2000, 2000, 5.0, 0.0), "2,000 of 2,000 points, 5 s, done"),
    ],
)
def test_progress_reads_as(state, line):
    assert str(state) == line


def test_a_line_on_stderr(capsys):
    sweep(ridge, points(20), X, Y, per_device=1, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("20 of 20 points")


# --- how wide ---


def choose(times, left=10_000, compiling=0.1, most=10**9):
    """The widths tried, and the one taken, on two devices where a run takes so long by width."""
    width, tried = Width(devices=2), []
    while not width.fixed:
        tried.append(width.value)
        left -= 2 * width.value
        width.measured(times[width.value], compiling, left, most)
    return tried, width.value


@pytest.mark.parametrize(
    ("case", "tried", "taken"),
    [
        ({"times": {1: 1.0, 4: 1.2}}, [1, 4], 1),
        ({"times": {1: 1.0, 4: 0.3, 16: 0.1, 64: 0.11}}, [1, 4, 16, 64], 16),
        ({"times": {1: 1.0, 4: 0.3}, "left": 60}, [1], 1),  # a trial takes too many of them
        ({"times": {1: 1.0, 4: 0.3, 16: 0.2}, "left": 100}, [1, 4, 16], 16),  # half of them, now
        ({"times": {1: 1e-5}}, [1], 1),  # done sooner than compiled
        ({"times": {1: 1.0, 4: 0.3}, "most": 16}, [1, 4], 4),
    ],
)
def test_the_width_is_chosen_by_its_times(case, tried, taken):
    assert choose(**case) == (tried, taken)


def test_a_trial_that_does_not_fit_goes_back():
    width = Width(devices=1)
    assert not width.narrower()
    width.measured(1.0, 0.1, 1000, 1000)
    assert (width.value, width.fixed) == (4, False)
    assert width.narrower()
    assert (width.value, width.fixed) == (1, True)
    assert not width.narrower()


def test_auto_tries_widths_on_runs_that_count(monkeypatch, compilations):
    monkeypatch.setattr("jaxreg._sweep.chunks.TRIAL_SECONDS", 1e-6)
    monkeypatch.setattr("jaxreg._sweep.width.WORTH", 1e-9)
    given = points(3000)
    found = sweep(functools.partial(ridge), given, X, Y, mesh=mesh_of(2))
    assert {1, 4} <= set(found.seconds_a_run)
    assert found.per_device in found.seconds_a_run
    assert len(compilations) == len(found.seconds_a_run)
    np.testing.assert_allclose(found.results["w"], expected(given), rtol=1e-4, atol=1e-5)


# --- errors ---

ERRORS = {
    "lengths": (
        lambda: sweep(ridge, {"a": np.ones(3), "b": np.ones(4)}),
        "sweep: expected arrays of one length, but points['a'] has 3, points['b'] has 4; "
        "jaxreg.grid combines axes",
    ),
    "empty": (
        lambda: sweep(ridge, {"a": np.ones(0)}),
        "sweep: expected at least one point, but points['a'] is empty",
    ),
    "none": (
        lambda: sweep(ridge, {}),
        "sweep: expected points with arrays, got {}; see jaxreg.grid",
    ),
    "scalar": (
        lambda: sweep(ridge, {"a": [0.5]}),
        "sweep: points['a'][0]: expected an array with one entry for each point, got the single "
        "value 0.5; write np.array([...])",
    ),
    "strings": (
        lambda: sweep(ridge, {"a": np.array(["loss", "coupled"])}),
        "sweep: points['a']: expected numbers or PRNG keys, got <U7; "
        "run one sweep for each of its values",
    ),
    "nothing": (
        lambda: sweep(lambda p: None, np.ones(3)),
        "sweep: expected train to return arrays, got None; return what is to be known of a run",
    ),
    "text": (
        lambda: sweep(lambda p: {"a": "b"}, np.ones(3)),
        "sweep: expected train to return arrays, but result['a'] is 'b'",
    ),
    "untraceable": (
        lambda: sweep(lambda p: float(p), np.ones(3)),
        "sweep: expected a train made of jax operations, but it looked at the value of a traced "
        "array (ConcretizationTypeError); write jnp for np and math, jnp.where or jax.lax.cond for "
        "if, jax.lax.scan for loops over them",
    ),
    "not callable": (
        lambda: sweep(np.ones(3), ridge),
        "sweep: expected a function train(point, *shared), got array([1., 1., 1.]); "
        "points come second",
    ),
    "unhashable": (
        lambda: sweep(Unhashable(), np.ones(3)),
        "sweep: expected a train that can be hashed, got a Unhashable; wrap it: "
        "def train(point, *shared): …, its arrays among the shared ones",
    ),
    "per_device": (
        lambda: sweep(ridge, np.ones(3), per_device=0),
        'sweep: per_device: expected "auto" or an integer of at least 1, got 0',
    ),
    "chunk": (
        lambda: sweep(ridge, np.ones(3), chunk=2.5),
        "sweep: chunk: expected an integer of at least 1, got 2.5; "
        "None takes as many points as run in a second",
    ),
    "start": (
        lambda: sweep(ridge, np.ones(3), start=4),
        "sweep: start: expected the number of points to skip, from 0 to 3, got 4",
    ),
    "keep": (
        lambda: sweep(ridge, np.ones(3), keep=False),
        "sweep: keep=False: expected on_chunk to take the results, got None; they would be lost",
    ),
    "mesh": (
        lambda: sweep(ridge, np.ones(3), mesh=Mesh(jax.devices(), ("data",))),
        "sweep: mesh: expected an axis named 'run', got ('data',); "
        "write jax.sharding.Mesh(jax.devices(), ('run',))",
    ),
    "shared": (
        lambda: sweep(ridge, np.ones(3), "adam"),
        "sweep: shared: expected arrays, got 'adam'; bind settings that are no arrays to train "
        "with functools.partial",
    ),
}


class Unhashable:
    __hash__ = None  # pyright: ignore

    def __call__(self, point):
        return point


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, message = ERRORS[name]
    with pytest.raises((TypeError, ValueError)) as raised:
        call()
    assert str(raised.value) == message

"""Hypergradients: three ways and finite differences agree; the descent finds what is known."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from jaxreg import elastic_net, l1, l2, tune
from jaxreg.tune import _descent

EXAMPLES, FEATURES, RATE = 40, 5, 0.1
RNG = np.random.default_rng(0)
X = RNG.normal(size=(EXAMPLES, FEATURES))
Y = X @ np.array([1.0, 1.0, 0.5, 0.0, 0.0]) + RNG.normal(size=EXAMPLES)
SPLIT = np.asarray(tune.holdout(EXAMPLES, 0.3))[0]
KEPT = SPLIT > 0
GRAM, MOMENT = X[KEPT].T @ X[KEPT] / KEPT.sum(), X[KEPT].T @ Y[KEPT] / KEPT.sum()
CURVATURE = 2 * np.linalg.eigvalsh(GRAM + 0.1 * np.eye(FEATURES))  # of loss + penalty at λ = 0.1
MESH = Mesh(np.array(jax.devices()[:1]), ("run",))
"""LAPACK on several CPU devices at once may wait forever (jaxlib 0.10.2)."""
SINGLE = {"single": 0.1, "each": np.linspace(0.05, 0.3, FEATURES)}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def losses(w, x, y):
    return (x @ w - y) ** 2


def unrolled(steps, scan=jax.lax.scan):
    """Gradient steps on ridge regression, with a strength for all entries or for each."""

    def train(point, weights, x, y):
        def loss(w):
            return tune.weighted_mean(losses(w, x, y), weights) + jnp.sum(point["strength"] * w**2)

        def step(w, rate):
            return w - rate * jax.grad(loss)(w), None

        return losses(scan(step, jnp.zeros(FEATURES), jnp.full(steps, RATE))[0], x, y)

    return train


def closed(point, weights, x, y):
    gram = x.T @ (weights[:, None] * x) / weights.sum()
    gram += jnp.diag(jnp.broadcast_to(point["strength"], FEATURES))
    w = jax.scipy.linalg.solve(gram, x.T @ (weights * y) / weights.sum(), assume_a="pos")
    return losses(w, x, y)


def value(strength):
    """Of the minimum, by numpy."""
    w = np.linalg.solve(GRAM + np.diag(np.broadcast_to(strength, FEATURES)), MOMENT)
    return np.mean((X[~KEPT] @ w - Y[~KEPT]) ** 2)


def by_differences(strength, h=1e-5):
    """λ ∂V/∂λ: central differences of log λ."""
    logs = np.log(np.atleast_1d(strength))
    ends = [
        [value(np.exp(logs + sign * h * direction)) for sign in (1, -1)]
        for direction in np.eye(len(logs))
    ]
    return np.array([(above - below) / (2 * h) for above, below in ends])


def gradient(train, strength, mode):
    way = jax.jit(functools.partial(tune.validation_gradient, train, mode=mode))
    score, slope = way({"strength": jnp.asarray(strength)}, SPLIT, X, Y)
    return float(score), np.atleast_1d(slope)


@pytest.mark.parametrize("strength", SINGLE.values(), ids=SINGLE)
def test_all_ways_agree_with_each_other_and_with_finite_differences(strength):
    long, short = unrolled(1000), unrolled(50)
    exact = by_differences(strength)
    for train, mode in ((closed, "reverse"), (closed, "forward"), (long, "forward")):
        score, slope = gradient(train, strength, mode)
        assert score == pytest.approx(value(strength), rel=1e-10)
        np.testing.assert_allclose(slope, exact, rtol=1e-6, atol=1e-9)
    reverse, forward = (gradient(short, strength, mode)[1] for mode in ("reverse", "forward"))
    np.testing.assert_allclose(reverse, forward, rtol=0, atol=1e-10)
    assert np.abs(reverse - exact).max() > 1e-6  # of the run, not of the minimum


def test_the_implicit_way_is_that_of_the_minimum():
    train = tune.solved(losses, lambda point: l2.weighted(point["strength"]), jnp.zeros(FEATURES))
    _, found = gradient(train, SINGLE["each"], "implicit")
    _, exact = gradient(closed, SINGLE["each"], "reverse")
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-10)


def test_what_is_missing_of_an_unfinished_run_decays_with_the_smallest_curvature():
    """As T(1 − ηh)ᵀ, the derivative of (1 − ηh)ᵀ by the strength."""
    steps = np.array([60, 90, 120])
    exact = gradient(closed, 0.1, "forward")[1]
    missing = [gradient(unrolled(n), 0.1, "forward")[1] - exact for n in steps]
    rates = np.diff(np.log(np.abs(np.ravel(missing)) / steps)) / np.diff(steps)
    np.testing.assert_allclose(rates, np.log(1 - RATE * CURVATURE.min()), rtol=0.06)


def test_the_derivative_of_the_lasso_is_that_on_its_support():
    train = tune.solved(losses, l1, jnp.zeros(FEATURES))
    _, slope = gradient(train, 0.3, "implicit")
    w = by_coordinates(0.3)
    on = np.flatnonzero(w)
    assert 0 < len(on) < FEATURES
    inverse = np.linalg.inv(2 * GRAM[np.ix_(on, on)])
    residual = X[~KEPT] @ w - Y[~KEPT]
    by_hand = -2 * np.mean(residual[:, None] * X[~KEPT][:, on], axis=0) @ inverse @ np.sign(w[on])
    assert slope[0] == pytest.approx(0.3 * by_hand, rel=1e-8)


def by_coordinates(strength):
    """The Lasso by coordinate descent."""
    w = np.zeros(FEATURES)
    for _ in range(500):
        for j in range(FEATURES):
            pull = MOMENT[j] - GRAM[j] @ w + GRAM[j, j] * w[j]
            w[j] = np.sign(pull) * max(abs(pull) - strength / 2, 0) / GRAM[j, j]
    return w


@pytest.mark.parametrize("length", [1, 7, 100])
@pytest.mark.parametrize("segment", [None, 1, 40])
def test_a_checkpointed_scan_is_a_scan(length, segment):
    def step(carry, x):
        carry = jnp.sin(carry * x)
        return carry, {"seen": carry, "input": x}

    xs = jnp.asarray(RNG.normal(size=(length, 2)))

    def through(scan, start):
        end, seen = scan(step, start, xs)
        return jnp.sum(end) + jnp.sum(seen["seen"]), (end, seen)

    kept = functools.partial(tune.checkpointed_scan, segment=segment)
    found, expected = (
        jax.grad(functools.partial(through, scan), has_aux=True)(jnp.ones(2))
        for scan in (kept, jax.lax.scan)
    )
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-12), found, expected)


def test_a_checkpointed_run_gives_the_same_derivative_from_a_tenth_of_the_memory():
    def bytes_and_slope(scan):
        def slope(strength):
            point = {"strength": strength}
            return tune.validation_gradient(unrolled(2500, scan), point, SPLIT, X, Y)[1]

        compiled = jax.jit(slope).lower(jnp.array(0.1)).compile()
        return compiled.memory_analysis().temp_size_in_bytes, float(compiled(jnp.array(0.1)))

    (less, found), (more, expected) = map(bytes_and_slope, (tune.checkpointed_scan, jax.lax.scan))
    assert less < more / 10
    assert found == pytest.approx(expected, rel=1e-12)


def test_trees_of_strengths_and_other_settings_have_derivatives():
    def train(point, weights, y):
        rate = point["rate"]
        return rate**2 * y + point["strength"]["a"] * jnp.sum(point["strength"]["b"] ** 2) + 0 * y

    point = {"strength": {"a": 2, "b": jnp.array([1.0, 3.0])}, "rate": 3.0}
    y, weights = jnp.array([1.0, 5.0]), jnp.array([1.0, 0.0])
    for mode in ("reverse", "forward"):
        slope = tune.validation_gradient(train, point, weights, y, mode=mode)[1]
        assert (float(slope["a"]), slope["b"].tolist()) == (20.0, [4.0, 36.0])
        by_rate = tune.validation_gradient(train, point, weights, y, mode=mode, wrt="rate")[1]
        assert float(by_rate) == 90.0
    several = jax.jit(jax.vmap(lambda w: tune.validation_gradient(train, point, w, y)[0]))
    assert several(jnp.eye(2)).tolist() == [65.0, 29.0]


# --- the descent ---


def descend(train=closed, strength=1e-3, folds=SPLIT[None], **options):
    usual = {"folds": folds, "mesh": MESH}
    return tune.hypergradient(train, {"strength": strength}, X, Y, **usual, **options)


@pytest.mark.parametrize("start", [1e-6, 1e-3, 30.0])
def test_one_strength_descends_to_the_minimum_from_anywhere(start):
    choice = descend(strength=start, folds=FOLDS)
    every = np.geomspace(1e-4, 1e2, 2000)
    least = np.mean([held_out(every, row) for row in FOLDS], axis=0)
    assert choice.strength == pytest.approx(every[least.argmin()], rel=0.05)
    assert choice.score == pytest.approx(least.min(), rel=1e-4)
    assert choice.trainings == 4 * len(choice.scores) <= 4 * 25
    assert (choice.is_trace, choice.warnings) == (True, ())
    assert choice.interval[0] <= choice.strength <= choice.interval[1]


FOLDS = np.asarray(tune.folds(EXAMPLES, 4))


def held_out(strengths, row):
    points = {"strength": jnp.asarray(strengths)}
    found = jax.vmap(closed, in_axes=({"strength": 0}, None, None, None))(points, row, X, Y)
    return np.asarray(found)[:, row == 0].mean(axis=1)


def test_a_descent_is_one_program_and_an_optimizer_of_optax_goes_there_too():
    import optax

    traces = []

    def train(point, weights, x, y):
        traces.append(1)
        return closed(point, weights, x, y)

    choice = descend(train)
    assert len(choice.scores) > 5
    assert len(traces) <= 5  # for its shapes, and once for the program
    adam = descend(strength=0.05, optimizer=optax.adam(0.3), steps=30)
    assert len(adam.scores) == 30
    assert adam.score == pytest.approx(choice.score, rel=1e-3)


def test_a_descent_steps_back_from_runs_that_blow_up():
    """Gradient steps of 0.1 end beyond λ = 10; the least held-out loss is far below."""
    choice = descend(unrolled(100), strength=9.0)
    assert choice.strength == pytest.approx(descend().strength, rel=0.1)
    beyond = descend(unrolled(100), strength=8.0, bounds=(5.0, 1e4))
    assert "at the bounds" in beyond.warnings[-1]


PROBLEMS, GROUPED = 12, 16


def test_many_strengths_overfit_the_held_out_examples():
    """The gap from the score to the loss of new examples grows with how many there are."""
    gaps = [gap(count) for count in (1, 4, 16)]
    assert gaps[0] < gaps[1] < gaps[2]
    warned = descend(strength=np.full(FEATURES, 0.1), steps=3).warnings
    assert warned[0].startswith("5 strengths were fitted to 12 held-out examples")
    assert "not settled after 3 steps" in warned[-1]


def gap(count):
    """Of ridge regressions with so many strengths, each for its share of features: the mean."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(1000, GROUPED)), rng.normal(size=(1000, PROBLEMS))
    y = x @ rng.normal(size=(GROUPED, PROBLEMS)) / 2 + noise
    split = np.repeat([[1.0, 0.0]], 20, axis=1)
    start = {"strength": np.full((PROBLEMS, count), 0.1)}
    choice = tune.hypergradient(ridges_of_groups, start, x[:40], y[:40], folds=split)
    w = fitted(choice.strength, split[0], x[:40], y[:40])
    return float(np.mean((x[40:] @ w - y[40:]) ** 2)) - choice.score


def fitted(strengths, weights, x, y):
    each = jnp.repeat(strengths, GROUPED // strengths.shape[1], axis=1)
    gram = x.T @ (weights[:, None] * x) / weights.sum() + jax.vmap(jnp.diag)(each)
    moment = x.T @ (weights[:, None] * y) / weights.sum()
    solved = functools.partial(jax.scipy.linalg.solve, assume_a="pos")
    return jax.vmap(solved)(gram, moment.T).T


def ridges_of_groups(point, weights, x, y):
    return jnp.mean((x @ fitted(point["strength"], weights, x, y) - y) ** 2, axis=1)


def test_a_picture_shows_where_many_strengths_went(tmp_path):
    descend(strength=np.full(FEATURES, 0.1), steps=4).draw().savefig(tmp_path / "choice.png")
    assert (tmp_path / "choice.png").stat().st_size > 5000


def test_ctrl_c_loses_no_step_and_a_journal_goes_on(monkeypatch, tmp_path):
    trained, whole = [], descend()
    train = _descent.Trainings._train

    def interrupted(self, points, keys):
        trained.append(points["strength"][0])
        if len(trained) == 3:
            raise KeyboardInterrupt
        train(self, points, keys)

    monkeypatch.setattr(_descent.Trainings, "_train", interrupted)
    choice = descend(journal=tmp_path / "steps.jsonl")
    assert len(choice.scores) == 2
    assert choice.warnings[-1].startswith("stopped by Ctrl-C after 2 steps")
    again = descend(journal=tmp_path / "steps.jsonl")
    assert len(trained) == 1 + len(whole.scores)  # the third twice
    for name in ("scores", "errors", "splits", "strength", "warnings", "trainings"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    with pytest.raises(ValueError, match="or of another way to choose; it is left as it is"):
        descend(journal=tmp_path / "steps.jsonl", mode="forward")


def looping(point, weights, x, y):
    w = jax.lax.while_loop(lambda w: w < 1, lambda w: w + point["strength"], 0.0)
    return (w - y) ** 2


def errors(point, weights, x, y):
    return jnp.sign(closed(point, weights, x, y) - 1) > 0


REFUSED = [
    (errors, {}, TypeError, "losses that have a derivative, got bool: counts of errors"),
    (lambda *a: errors(*a) * 1.0, {}, ValueError, "derivative is 0: 0/1 errors have none"),
    (lambda p, w, x, y: losses(w[:FEATURES], x, y), {}, ValueError, "not use point"),
    (lambda p, w, x, y: jnp.mean(y), {}, ValueError, "got a scalar"),
    (lambda p, w, x, y: y / 0.0, {}, ValueError, "finite losses and derivatives at the start"),
    (looping, {}, ValueError, 'jax.lax.scan for while_loop, or mode="forward"'),
    (closed, {"mode": "implicit"}, ValueError, "a train made by tune.solved"),
    (closed, {"mode": "backward"}, ValueError, 'expected "reverse", "forward" or "implicit"'),
    (closed, {"strength": 0.0}, ValueError, "numbers > 0 to start from"),
    (closed, {"strength": -1.0}, ValueError, "finite numbers ≥ 0, got -1.0"),
    (closed, {"strength": np.nan}, ValueError, "finite numbers ≥ 0, got nan"),
    (closed, {"strength": "1e-3"}, TypeError, "a number, or arrays of them"),
    (closed, {"strength": {"a": 0.1}}, TypeError, "expected a number or an array"),
    (closed, {"bounds": (1.0, 1e-3)}, ValueError, "low < high, got 1 and 0.001"),
    (closed, {"bounds": (1.0, 10.0)}, ValueError, "the start between them"),
    (closed, {"steps": 1}, ValueError, "integer of at least 2, got 1"),
    (closed, {"optimizer": 0.1}, TypeError, r"one of optax, such as optax.adam\(0.3\)"),
]


@pytest.mark.parametrize(("train", "options", "kind", "message"), REFUSED)
def test_what_has_no_derivative_is_refused(train, options, kind, message):
    with pytest.raises(kind, match=message):
        descend(train, **options)


CALLS = [
    (lambda: tune.validation_gradient(closed, 0.1, SPLIT, X, Y), TypeError, "with 'strength'"),
    (lambda: gradient(looping, 0.3, "reverse"), ValueError, "a loop of unknown length"),
    (
        lambda: tune.validation_gradient(closed, {"strength": 1.0}, FOLDS, X, Y),
        ValueError,
        "expected one split",
    ),
    (lambda: tune.solved(l2, l2, jnp.zeros(2)), TypeError, "expected a function losses"),
    (lambda: tune.solved(losses, 0.1, jnp.zeros(2)), TypeError, "expected a penalty such as l2"),
    (lambda: tune.checkpointed_scan(unrolled, None, None), ValueError, "one length, got None"),
    (
        lambda: tune.checkpointed_scan(unrolled, None, jnp.ones(3), segment=0),
        ValueError,
        "at least 1, got 0",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), CALLS)
def test_other_mistakes_are_told(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
    if "loop" in message:
        assert gradient(looping, 0.3, "forward")[1] != 0


def test_a_solved_training_serves_a_search_over_two_penalties():
    def penalty(point):
        return elastic_net(l1=point["strength"], l2=point["l2"])

    train = tune.solved(losses, penalty, jnp.zeros(FEATURES))
    space = {"strength": (1e-3, 1.0), "l2": (1e-3, 1.0)}
    choice = tune.sobol(train, space, X, Y, trials=8, folds=SPLIT[None])
    assert np.isfinite(choice.scores).all()
    assert list(choice.candidates) == ["strength", "l2"]

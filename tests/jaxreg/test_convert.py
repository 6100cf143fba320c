"""Every conversion proven on the library it names, its inverse, and what it refuses."""

from __future__ import annotations

import inspect
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import BayesianRidge, ElasticNet, Lasso, LogisticRegression, Ridge

from jaxreg import convert, decoupled_decay, elastic_net, l1, l2, regularized
from jaxreg.diagnostics import optimality


def standardised(array: Any) -> np.ndarray:
    return (array - array.mean(0)) / array.std(0)


X, Y = map(standardised, load_diabetes(return_X_y=True))
N = len(X)
STRENGTH = 0.05
TIGHT: dict[str, Any] = {"fit_intercept": False, "tol": 1e-13, "max_iter": 100_000}


def squared_error(w: jax.Array) -> jax.Array:
    return jnp.mean((Y - X @ w) ** 2)


def residual(loss: Any, penalty: Any, w: Any) -> float:
    """The distance of another library's solution from a stationary point of jaxreg's objective."""
    with jax.enable_x64(True):
        w = jnp.asarray(w)
        distance = jax.jit(lambda penalty, w: optimality(penalty, w, jax.grad(loss)(w), 0.1)[""])
        return float(distance(penalty, w))


# optax and PyTorch: d·w added to the gradient


@pytest.mark.parametrize("optimizer", [optax.sgd(0.1, momentum=0.9), optax.adam(0.1)])
def test_torch_weight_decay_is_add_decayed_weights_before_the_optimizer(optimizer: Any):
    decayed = optax.add_decayed_weights(convert.to_torch_weight_decay(STRENGTH))
    with jax.enable_x64(True):
        w = jnp.zeros(10)
        coupled = trajectory(optax.chain(decayed, optimizer), jax.grad(squared_error), w)
        objective = regularized(squared_error, STRENGTH * l2)
        in_loss = trajectory(optimizer, lambda w: jax.grad(objective, has_aux=True)(w)[0], w)
        np.testing.assert_allclose(coupled, in_loss, rtol=1e-12)
        half = trajectory(optimizer, jax.grad(squared_error), w)
        assert np.abs(coupled - half).max() > 1e-2


def trajectory(optimizer: Any, gradient: Any, w: jax.Array, steps: int = 20) -> jax.Array:
    def step(carry: Any, _: Any) -> tuple[Any, jax.Array]:
        w, state = carry
        updates, state = optimizer.update(gradient(w), state, w)
        return (w + updates, state), w + updates

    return jax.jit(lambda w: jax.lax.scan(step, (w, optimizer.init(w)), length=steps)[1])(w)


def test_decay_after_the_learning_rate_is_the_penalty_for_plain_sgd_only():
    rate = convert.to_torch_weight_decay(STRENGTH)
    with jax.enable_x64(True):
        w, gradient = jnp.ones(10), jax.grad(squared_error)
        adamw = optax.chain(
            optax.scale_by_adam(), optax.add_decayed_weights(rate), optax.scale(-0.1)
        )
        for base, equal in ((optax.sgd(0.1), True), (optax.adam(0.1), False)):
            coupled = trajectory(optax.chain(optax.add_decayed_weights(rate), base), gradient, w)
            decoupled = trajectory(optax.chain(base, decoupled_decay(rate, 0.1)), gradient, w)
            assert np.allclose(coupled, decoupled, rtol=1e-12) == equal
            if not equal:
                np.testing.assert_allclose(
                    decoupled, trajectory(adamw, gradient, w), rtol=1e-12, atol=1e-12
                )


def test_no_strength_equals_adamw():
    target, curvature = jnp.array([3.0, 0.3]), jnp.array([1.0, 4.0])
    optimizer = optax.adamw(lambda t: 0.1 / (1 + 0.1 * t), weight_decay=1.0)
    w = trajectory(optimizer, lambda w: curvature * (w - target), jnp.zeros(2), steps=2000)[-1]
    implied = curvature * (target - w) / (2 * w)  # λ of λ‖w‖², for each coordinate by itself
    np.testing.assert_allclose(w, [1.0, 0.3], atol=0.03)  # the minimum in the box |w| ≤ 1/decay
    assert implied[0] > 0.9
    assert abs(implied[1]) < 0.1


# Keras


def test_half_l2_has_the_gradient_without_a_two():
    w = np.array([3.0, -4.0], np.float32)
    np.testing.assert_allclose((STRENGTH * l2).grad(w), convert.to_half_l2(STRENGTH) * w, rtol=1e-6)


def test_keras_l2_is_the_same_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))  # it writes its configuration on import
    keras = pytest.importorskip("keras")
    w = np.array([[3.0, -4.0], [0.5, 0.0]], np.float32)
    theirs = keras.regularizers.L2(convert.to_keras_l2(STRENGTH))(w)
    assert float(STRENGTH * l2(w)) == pytest.approx(float(theirs), rel=1e-6)
    assert float(theirs) == pytest.approx(STRENGTH * 25.25)
    both = keras.regularizers.L1L2(l1=0.3, l2=STRENGTH)(w)
    assert float(elastic_net(l1=0.3, l2=STRENGTH)(w)) == pytest.approx(float(both), rel=1e-6)


# scikit-learn: its solution is a stationary point of jaxreg's objective


@pytest.mark.parametrize("half", [False, True])
def test_ridge(half: bool):
    alpha = convert.to_ridge_alpha(STRENGTH, examples=N, half=half)
    w = Ridge(alpha=alpha, fit_intercept=False, solver="cholesky").fit(X, Y).coef_
    factor = 0.5 if half else 1.0
    assert residual(lambda w: factor * squared_error(w), STRENGTH * l2, w) < 1e-12
    assert residual(lambda w: factor * squared_error(w), 2 * STRENGTH * l2, w) > 1e-2


@pytest.mark.parametrize("half", [False, True])
def test_elastic_net(half: bool):
    strengths = {"l1": 0.1, "l2": STRENGTH}
    alpha, l1_ratio = convert.to_elastic_net(**strengths, half=half)
    w = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, **TIGHT).fit(X, Y).coef_
    factor = 0.5 if half else 1.0
    assert residual(lambda w: factor * squared_error(w), elastic_net(**strengths), w) < 1e-8
    assert 0 < np.count_nonzero(w) < 10


@pytest.mark.parametrize("half", [False, True])
def test_lasso_is_the_elastic_net_without_l2(half: bool):
    alpha, l1_ratio = convert.to_elastic_net(l1=0.1, l2=0, half=half)
    w = Lasso(alpha=alpha, **TIGHT).fit(X, Y).coef_
    factor = 0.5 if half else 1.0
    assert l1_ratio == 1
    assert residual(lambda w: factor * squared_error(w), 0.1 * l1, w) < 1e-8


LABELS = 2.0 * load_breast_cancer().target[:200] - 1  # pyright: ignore
CELLS = standardised(load_breast_cancer().data[:200, :8])  # pyright: ignore


def cross_entropy(w: jax.Array) -> jax.Array:
    return jnp.mean(jnp.logaddexp(0, -LABELS * (CELLS @ w)))


@pytest.mark.parametrize(("norm", "unit"), [("l2", l2), ("l1", l1)])
def test_logistic_regression(norm: Any, unit: Any):
    c = convert.to_logistic_c(STRENGTH, examples=len(CELLS), norm=norm)
    solver: dict[str, Any] = (
        {"solver": "newton-cholesky"} if norm == "l2" else {"solver": "saga", "l1_ratio": 1.0}
    )
    w = LogisticRegression(C=c, **solver, **TIGHT).fit(CELLS, LABELS).coef_[0]
    assert residual(cross_entropy, STRENGTH * unit, w) < 1e-8
    assert residual(cross_entropy, 1.1 * STRENGTH * unit, w) > 1e-3


@pytest.mark.parametrize("l2_strength", [STRENGTH, 0.3 * STRENGTH])
def test_logistic_regression_with_both_penalties(l2_strength: float):
    strengths = {"l1": 0.02, "l2": l2_strength}
    c, l1_ratio = convert.to_logistic_elastic_net(**strengths, examples=len(CELLS))
    model = LogisticRegression(C=c, l1_ratio=l1_ratio, solver="saga", **TIGHT)
    w = model.fit(CELLS, LABELS).coef_[0]
    assert residual(cross_entropy, elastic_net(**strengths), w) < 1e-8
    assert residual(cross_entropy, elastic_net(l1=0.02, l2=1.1 * l2_strength), w) > 1e-4
    assert residual(cross_entropy, elastic_net(l1=0.022, l2=l2_strength), w) > 1e-3
    for one, norm in (({"l1": 0.02, "l2": 0}, "l1"), ({"l1": 0, "l2": 0.02}, "l2")):
        both = convert.to_logistic_elastic_net(**one, examples=8)
        assert both == (convert.to_logistic_c(0.02, 8, norm), float(norm == "l1"))


def test_prior_precision_is_that_of_bayesian_ridge_regression():
    model = BayesianRidge(fit_intercept=False, tol=1e-12).fit(X, Y)
    noise = {"examples": N, "noise_variance": 1 / model.alpha_}
    strength = convert.from_prior_precision(model.lambda_, **noise)
    assert residual(lambda w: squared_error(w) / 2, strength * l2, model.coef_) < 1e-9
    assert residual(lambda w: squared_error(w) / 2, 2 * strength * l2, model.coef_) > 1e-3


def test_prior_precision_is_one_over_the_c_of_logistic_regression():
    c = convert.to_logistic_c(STRENGTH, examples=N)
    assert convert.to_prior_precision(STRENGTH, examples=N) == pytest.approx(1 / c)


# Decay beside the step, for SGD: w ← w − η_t·rate·w


def cosine(t: Any, steps: int = 20) -> jax.Array:
    return 0.5 + 0.5 * jnp.cos(jnp.pi * t / steps)


def test_decoupled_rate_is_the_penalty_for_plain_sgd_under_every_schedule():
    rate = convert.to_decoupled_rate(STRENGTH)
    with jax.enable_x64(True):
        objective = jax.grad(regularized(squared_error, STRENGTH * l2), has_aux=True)
        w, sgd = jnp.ones(10), optax.sgd(lambda t: 0.1 * cosine(t))
        decayed = optax.chain(sgd, decoupled_decay(rate, lambda t: 0.1 * cosine(t)))
        in_loss = trajectory(sgd, lambda w: objective(w)[0], w)
        beside = trajectory(decayed, jax.grad(squared_error), w)
        np.testing.assert_allclose(beside, in_loss, rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_decoupled_rate_with_momentum_has_the_same_stationary_point(nesterov: bool):
    eta, momentum = 0.02, 0.9
    rate = convert.to_decoupled_rate(STRENGTH, momentum=momentum)
    ridge = np.linalg.solve(X.T @ X + N * STRENGTH * np.eye(10), X.T @ Y)
    with jax.enable_x64(True):
        sgd = optax.sgd(eta, momentum, nesterov)
        decayed = optax.chain(sgd, decoupled_decay(rate, eta))
        path = trajectory(decayed, jax.grad(squared_error), jnp.ones(10), steps=6000)
        coupled = optax.chain(optax.add_decayed_weights(2 * STRENGTH), sgd)
        other = trajectory(coupled, jax.grad(squared_error), jnp.ones(10), steps=100)
        assert np.linalg.norm(path[-1] - ridge) < 1e-9
        assert np.abs(path[:100] - other).max() > 1e-3  # on another path


REFUSED = ("to_decoupled_rate", "from_decoupled_rate", "to_paper_decay", "from_paper_decay")


@pytest.mark.parametrize("function", REFUSED)
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_no_conversion_for_what_rescales_gradients(function: str, optimizer: str):
    settings = {"learning_rate": 0.1} if "paper" in function else {}
    with pytest.raises(ValueError, match="^" + function) as error:
        getattr(convert, function)(0.1, **settings, optimizer=optimizer)
    assert str(error.value) == (
        f"{function}: expected optimizer='sgd', got '{optimizer}', for which no λ in the loss "
        f"equals decay beside the step: it scales the gradient of the penalty with the rest, "
        f"entry by entry (Loshchilov & Hutter 2019, proposition 2); choose the rate by the "
        f"loss on other data, or start from a time scale: from_timescale(epochs, …)"
    )


# The ways to write a decay, for every optimizer


@pytest.mark.parametrize(
    ("bare", "with_decay"), [(optax.adam, optax.adamw), (optax.lion, optax.lion)]
)
def test_independent_decay_is_a_rate_without_the_learning_rate(bare: Any, with_decay: Any):
    rate, base = 0.5, 0.02
    decay = convert.to_independent_decay(rate, learning_rate=base)

    def schedule(t: Any) -> jax.Array:
        return base * cosine(t)

    plain = {"weight_decay": 0.0} if bare is optax.lion else {}
    with jax.enable_x64(True):
        w, gradient = jnp.ones(10), jax.grad(squared_error)
        theirs = trajectory(with_decay(schedule, weight_decay=rate), gradient, w)
        ours = trajectory(
            optax.chain(bare(schedule, **plain), decoupled_decay(decay, cosine)), gradient, w
        )
        undecayed = trajectory(bare(schedule, **plain), gradient, w)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)
    assert np.abs(ours - undecayed).max() > 1e-2


def test_timescale_is_the_epochs_in_which_a_weight_is_forgotten():
    sizes, rate, eta = {"batch_size": 10, "examples": 1000}, 0.5, 0.01
    epochs = convert.to_timescale(rate, eta, **sizes)
    assert (1 - eta * rate) ** (epochs * 100) == pytest.approx(np.exp(-1), rel=3e-3)
    assert convert.to_timescale(rate, eta, batch_size=1, examples=1) == pytest.approx(200)
    larger = {**sizes, "batch_size": 40}
    assert convert.from_timescale(epochs, eta, **larger) == pytest.approx(4 * rate)
    more = {**sizes, "examples": 3000}
    assert convert.from_timescale(epochs, eta, **more) == pytest.approx(rate / 3)


SCHEDULES: dict[str, Any] = {
    "number": 0.05,
    "cosine": lambda t: 0.05 * cosine(t, 200),
    "of optax": optax.linear_schedule(0.05, 0.0, 100),
    "constant, of optax": optax.constant_schedule(0.05),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_equal_totals_leave_equal_weights(name: str):
    steps, zeros = 200, optax.set_to_zero()
    total = convert.to_total_decay(0.3, SCHEDULES[name], steps)
    constant = convert.from_total_decay(total, 0.05, steps)
    with jax.enable_x64(True):
        left, also = (
            trajectory(optax.chain(zeros, decay), jnp.zeros_like, jnp.ones(1), steps)[-1]
            for decay in (decoupled_decay(0.3, SCHEDULES[name]), decoupled_decay(constant, 0.05))
        )
    np.testing.assert_allclose(left, np.exp(-float(total)), rtol=3e-2)
    np.testing.assert_allclose(left, also, rtol=1e-2)


def test_the_total_of_two_schedules_multiplies_them():
    """As the correction η_t²/α has it: ∫cos⁴ is 3/8, where ∫cos² is 1/2."""
    steps = 1000
    rate, lr = (lambda t, peak=peak: peak * cosine(t, steps) for peak in (0.3, 0.1))
    total = convert.to_total_decay(rate, lr, steps)
    assert float(total) == pytest.approx(0.3 * 0.1 * steps * 3 / 8, rel=2e-3)
    assert float(convert.to_total_decay(0.3, lr, steps)) == pytest.approx(15, rel=2e-3)


# The papers: w ← w − s_t·η·m − s_t·decay·w


def test_paper_decay_is_the_penalty_for_plain_sgd_under_every_schedule():
    eta, schedule = 0.1, optax.cosine_decay_schedule(1.0, 20)
    decay = convert.to_paper_decay(STRENGTH, learning_rate=eta)
    with jax.enable_x64(True):
        w, gradient = jnp.ones(10), jax.grad(squared_error)
        sgd = optax.sgd(lambda t: eta * schedule(t))
        coupled = optax.chain(optax.add_decayed_weights(2 * STRENGTH), sgd)
        published = optax.chain(sgd, decoupled_decay(decay, schedule))
        np.testing.assert_allclose(
            trajectory(coupled, gradient, w), trajectory(published, gradient, w), rtol=1e-12
        )


def test_paper_decay_with_momentum_has_the_same_stationary_point():
    eta, momentum = 0.02, 0.9
    with jax.enable_x64(True):
        for factor, distance in ((momentum, 0.0), (0.0, 0.01)):
            decay = convert.to_paper_decay(STRENGTH, learning_rate=eta, momentum=factor)
            published = optax.chain(optax.sgd(eta, momentum), decoupled_decay(decay, 1.0))
            w = trajectory(published, jax.grad(squared_error), jnp.ones(10), steps=6000)[-1]
            ridge = np.linalg.solve(X.T @ X + N * STRENGTH * np.eye(10), X.T @ Y)
            apart = np.linalg.norm(w - ridge)
            assert apart < 1e-9 if factor else apart > distance


def test_normalized_decay():
    sizes = {"batch_size": 128, "examples": 50_000, "epochs": 1500}
    decay = convert.from_normalized_decay(0.025, **sizes)
    assert decay == pytest.approx(0.025 / np.sqrt(391 * 1500), rel=1e-3)  # the authors' code: 391
    longer = convert.from_normalized_decay(0.025, **{**sizes, "epochs": 4 * 1500})
    assert longer == pytest.approx(decay / 2)


def test_normalized_decay_takes_the_epochs_of_the_current_restart():
    """The total of a restart under cosine annealing is then ½·normalized·√(its steps)."""
    sizes, restarts = {"batch_size": 10, "examples": 200}, (5, 20)
    for epochs in restarts:
        steps = 20 * epochs
        decay = convert.from_normalized_decay(0.1, **sizes, epochs=epochs)
        total = convert.to_total_decay(decay, lambda t, steps=steps: cosine(t, steps), steps)
        assert float(total) == pytest.approx(0.1 * np.sqrt(steps) / 2, rel=2e-2)


# Inverses


PAIRS: dict[str, dict[str, Any]] = {
    "torch_weight_decay": {},
    "keras_l2": {},
    "ridge_alpha": {"examples": 7},
    "ridge_alpha, half": {"examples": 7, "half": True},
    "logistic_c": {"examples": 7},
    "logistic_c, l1": {"examples": 7, "norm": "l1"},
    "paper_decay": {"learning_rate": 0.3},
    "paper_decay, momentum": {"learning_rate": 0.3, "momentum": 0.9},
    "half_l2": {},
    "prior_precision": {"examples": 7, "noise_variance": 0.3},
    "decoupled_rate": {},
    "decoupled_rate, momentum": {"momentum": 0.9},
    "independent_decay": {"learning_rate": 0.3},
    "normalized_decay": {"batch_size": 32, "examples": 1000, "epochs": 5},
    "timescale": {"learning_rate": 0.3, "batch_size": 32, "examples": 1000},
    "total_decay": {"learning_rate": 0.3, "steps": 50},
    "total_decay, schedule": {"learning_rate": cosine, "steps": 20},
}


@pytest.mark.parametrize("case", PAIRS)
def test_inverses(case: str):
    name, settings = case.partition(",")[0], PAIRS[case]
    to, back = (getattr(convert, f"{way}_{name}") for way in ("to", "from"))
    for number in (1e-8, 0.3, 4, np.float32(0.25)):
        assert back(to(number, **settings), **settings) == pytest.approx(
            float(number), rel=1e-6 if "schedule" in case else 1e-12
        )
    numbers = jnp.array([0.3, 2.0])
    # a schedule of integers has its own promotions
    with jax.numpy_dtype_promotion("standard" if "schedule" in case else "strict"):
        traced = jax.jit(jax.vmap(lambda n: back(to(n, **settings), **settings)))(numbers)
    np.testing.assert_allclose(traced, numbers, rtol=1e-6)
    np.testing.assert_allclose(to(numbers, **settings)[0], to(0.3, **settings), rtol=1e-6)
    assert np.isfinite(jax.grad(lambda strength: to(strength, **settings))(0.3))


@pytest.mark.parametrize("half", [False, True])
def test_inverse_of_the_elastic_net(half: bool):
    for strengths in ({"l1": 0.3, "l2": 0.2}, {"l1": 0.0, "l2": 1.0}, {"l1": 2, "l2": 0}):
        back = convert.from_elastic_net(*convert.to_elastic_net(**strengths, half=half), half=half)
        assert back._asdict() == pytest.approx(strengths)


def test_inverse_of_the_elastic_net_of_logistic_regression():
    for strengths in ({"l1": 0.3, "l2": 0.2}, {"l1": 0.0, "l2": 1.0}, {"l1": 2, "l2": 0}):
        to = convert.to_logistic_elastic_net(**strengths, examples=7)
        assert convert.from_logistic_elastic_net(*to, 7)._asdict() == pytest.approx(strengths)
        traced = jax.jit(lambda l1, l2: convert.to_logistic_elastic_net(l1=l1, l2=l2, examples=7))
        np.testing.assert_allclose(traced(**strengths), to, rtol=1e-6)


def test_every_conversion_has_its_inverse_and_is_tested():
    functions = inspect.getmembers(convert, inspect.isfunction)
    public = {name.partition("_")[::2] for name, _ in functions if name[:2] in ("to", "fr")}
    names = {case.partition(",")[0] for case in PAIRS} | {"elastic_net"}
    names |= {"logistic_elastic_net"}
    assert public == {(way, name) for way in ("to", "from") for name in names}


# Errors


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: convert.to_torch_weight_decay(-1e-4),
            "strength: expected a finite number ≥ 0, got ",
        ),
        (
            lambda: convert.from_torch_weight_decay(float("nan")),
            "weight_decay: expected a finite num",
        ),
        (lambda: convert.from_keras_l2(1j), "l2: expected a finite number ≥ 0, got 1j"),
        (lambda: convert.to_ridge_alpha(0.1, examples=0), "examples: expected a number > 0, got 0"),
        (
            lambda: convert.from_ridge_alpha(0.1, examples=-3),
            "examples: expected a finite number ≥ 0",
        ),
        (lambda: convert.to_logistic_c(0.0, examples=3), "strength: expected a number > 0, got 0"),
        (lambda: convert.from_logistic_c(0, examples=3), "c: expected a number > 0, got 0"),
        (
            lambda: convert.to_logistic_c(0.1, examples=3, norm="l3"),  # pyright: ignore
            "norm: expected 'l2' or 'l1', got 'l3'",
        ),
        (lambda: convert.to_elastic_net(l1=0, l2=0), "l1 + 2·l2: expected a number > 0, got 0"),
        (lambda: convert.from_elastic_net(1.0, 1.5), "l1_ratio: expected a number ≤ 1, got 1.5"),
        (
            lambda: convert.to_logistic_elastic_net(l1=0, l2=0.0, examples=3),
            "l1 + 2·l2: expected a number > 0, got 0",
        ),
        (
            lambda: convert.from_logistic_elastic_net(0, 0.5, 3),
            "c: expected a number > 0, got 0",
        ),
        (
            lambda: convert.from_logistic_elastic_net(1.0, 1.5, 3),
            "l1_ratio: expected a number ≤ 1, got 1.5",
        ),
        (lambda: convert.to_paper_decay(0.1, 0.1, 1.0), "momentum: expected a number < 1, got 1.0"),
        (lambda: convert.from_paper_decay(0.1, 0), "learning_rate: expected a number > 0, got 0"),
        (
            lambda: convert.to_timescale(0, 0.1, batch_size=1, examples=1),
            "rate: expected a number > 0",
        ),
        (lambda: convert.from_prior_precision(-1, 3), "precision: expected a finite number ≥ 0"),
        (
            lambda: convert.to_total_decay(0.1, 0.1, 10.5),  # pyright: ignore
            "steps: expected a whole number > 0, got 10.5",
        ),
        (lambda: convert.from_total_decay(1.0, 0.0, 10), "learning_rate: expected a number > 0"),
        (
            lambda: convert.to_normalized_decay(0.1, batch_size=0, examples=1, epochs=1),
            "batch_size: expected a number > 0, got 0",
        ),
    ],
)
def test_errors(call: Any, text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


@pytest.mark.parametrize("wrong", ["1e-4", [1e-4, 2e-4], {"l2": 0.1}, None, l2], ids=repr)
def test_what_is_no_number_is_refused(wrong: Any):
    """A string or a list times 2 would be there twice."""
    for convertible in (convert.to_torch_weight_decay, convert.from_keras_l2, convert.to_half_l2):
        with pytest.raises(TypeError, match=r"^\w+: expected a number, got (the|a|None)"):
            convertible(wrong)

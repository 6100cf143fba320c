"""What the papers prove of penalties and decay, as equalities of trajectories in float64.

Each test holds a statement from both sides: what is equal is equal to rounding, and what looks
equal and is not differs by as much as the theory says. Weights under normalisation are in
test_normalised.py, the equivalences with optax's own optimizers in test_transforms.py, those with
other libraries in test_convert.py.

==========================================  =======================  ===========================
theorem                                     source                   expected
==========================================  =======================  ===========================
L2 is decay for SGD, with λ' = λ/α          1711.05101 prop. 1       1e-14; without α > 0.1
with momentum, at rest only, by 1/(1 − μ)   derived                  4e-15; on the way > 1e-2
a fixed preconditioner: scale-adjusted L2   1711.05101 prop. 3       1e-14; eq. (2) as printed > 0.1
SGDW: learning rate inside its momentum     1711.05101 algorithm 1   1e-14; outside > 1e-2
AdamW: decay × s_t, not × η_t               1711.05101 algorithm 2   1e-13; of one number > 0.1
decay alone multiplies by ∏(1 − ω_t)        derived                  1e-12, for six forms
Adam with L2 alone: λ has no effect         derived                  1e-12; AdamW > 0.9
AdamW averages −u/ω over 1/(ηω) steps       2405.13698               1e-14
AdamW is proximal up to O((ηω)²)            2202.00089               order 2; coupled 1
AdamW does not see the gradients' scale     2202.00089               1e-14; Adam with L2 > 0.1
AdamW minimises in the box |w| ≤ 1/ω        2404.04454               (1, 0.3) to 1e-4
cautious decay keeps the minimiser          2510.12402               1e-12; plain decay 1.5
F − F* ≤ L‖w₀ − w*‖²/2k for prox. gradient  Beck & Teboulle 2009     holds; at 2.2/L it diverges
λ‖w‖² shifts the Hessian by 2λ              derived                  1e-13; stable below 2/(L + 2λ)
==========================================  =======================  ===========================
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import add_penalty_gradient, convert, l1, l2, proximal_step, regularized
from tests.jaxreg.trajectories import (
    CURVATURE,
    MINIMISER,
    NOISE,
    SIZE,
    START,
    Run,
    at_each,
    cosine,
    coupled,
    decayed,
    gap,
    noisy,
    still,
    train,
    zero,
)

MOMENTUM = 0.9

# --- Loshchilov & Hutter 2019, arXiv:1711.05101 ---


def test_l2_is_decay_for_sgd_once_the_learning_rate_is_taken_out():
    strength, lr = 0.05, 0.2
    ours, theirs, naive = train(
        300,
        Run(coupled(optax.sgd(lr), strength), noisy),
        Run(decayed(optax.sgd(lr), convert.to_paper_decay(strength, lr), 1.0), noisy),
        Run(decayed(optax.sgd(lr), 2 * strength, 1.0), noisy),
    )
    assert gap(ours, theirs) < 1e-14
    assert gap(ours, naive) > 0.1


def test_with_momentum_l2_is_decay_at_rest_only():
    strength, lr = 0.05, 0.02
    momentum = optax.sgd(lr, MOMENTUM)
    decays = [convert.to_paper_decay(strength, lr, factor) for factor in (MOMENTUM, 0.0)]
    ours, theirs, naive = train(
        4000,
        Run(coupled(momentum, strength), still),
        *(Run(decayed(momentum, decay, 1.0), still) for decay in decays),
    )
    assert gap(ours[-1], theirs[-1]) < 4e-15
    assert gap(ours[:100], theirs[:100]) > 1e-2
    assert gap(ours[-1], naive[-1]) > 0.1


def test_decay_under_a_fixed_preconditioner_is_scale_adjusted_l2():
    lr, rate = 0.05, 0.4  # the paper's decay is lr·rate
    scales = {"a": 0.5, "b": 2.0, "c": 4.0}
    start = {"a": np.array([1.0]), "b": np.array([-2.0]), "c": np.array([0.5])}
    preconditioned = optax.chain(
        optax.stateless(lambda u, _: {name: u[name] / s for name, s in scales.items()}),
        optax.sgd(lr),
    )

    def gradient(w, t):
        return {name: s * (w[name] - 1) + jnp.asarray(NOISE)[t, :1] for name, s in scales.items()}

    def adjusted(strength):
        penalty = sum(strength * s * l2.on(name) for name, s in scales.items())
        return optax.chain(add_penalty_gradient(penalty), preconditioned)

    decay, appendix, printed = train(
        300,
        Run(decayed(preconditioned, rate, lr), gradient, start),
        Run(adjusted(rate / 2), gradient, start),
        Run(adjusted(rate / (2 * lr)), gradient, start),  # eq. (2) divides by it twice
    )
    assert gap(decay, appendix) < 1e-14
    assert gap(decay, printed) > 0.1


def published(decay, lr, steps, direction):
    """Algorithms 1 and 2 in NumPy; ``direction`` (grad, s_t·α, t) → the step."""
    w, path = START, [START]
    for t, s in enumerate(at_each(cosine(steps), steps)):
        gradient = CURVATURE @ (w - MINIMISER) + NOISE[t]
        w = w - direction(gradient, s * lr, t) - s * decay * w
        path.append(w)
    return np.array(path)


def test_sgdw_as_published_has_the_learning_rate_inside_its_momentum():
    lr, decay, steps, buffer = 0.05, 0.01, 100, np.zeros(SIZE)

    def direction(gradient, rate, t):
        buffer[:] = MOMENTUM * buffer + rate * gradient
        return buffer

    schedule = cosine(steps, lr)
    inside = optax.chain(optax.scale_by_learning_rate(schedule), optax.trace(MOMENTUM))
    ours, outside = train(
        steps,
        Run(decayed(inside, decay, cosine(steps)), noisy),
        Run(decayed(optax.sgd(schedule, MOMENTUM), decay, cosine(steps)), noisy),
    )
    theirs = published(decay, lr, steps, direction)
    assert gap(ours, theirs) < 1e-14
    assert gap(outside, theirs) > 1e-2


def test_adamw_as_published_decays_by_the_schedule_without_the_learning_rate():
    lr, decay, steps = 0.05, 0.01, 100
    m, v = np.zeros(SIZE), np.zeros(SIZE)

    def direction(gradient, rate, t):
        m[:], v[:] = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        return rate * m / (1 - 0.9 ** (t + 1)) / (np.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8)

    schedule = cosine(steps, lr)
    ours, theirs, times_lr, naive = train(
        steps,
        Run(decayed(optax.adam(schedule), decay, cosine(steps)), noisy),
        Run(optax.adamw(schedule, weight_decay=decay / lr), noisy),
        Run(decayed(optax.adam(schedule), decay / lr, schedule), noisy),
        Run(optax.adamw(schedule, weight_decay=decay), noisy),
    )
    paper = published(decay, lr, steps, direction)
    for path in (ours, theirs, times_lr):
        assert gap(path, paper) < 1e-13
    assert gap(naive, paper) > 0.1


STEPS = 60
FORMS: dict[str, tuple[Any, Any]] = {  # an optimizer, and its ω_t
    "times η_t": (
        decayed(optax.adam(0.3), 0.2, cosine(STEPS, 0.3)),
        lambda s: 0.2 * 0.3 * s,
    ),
    "times s_t": (
        decayed(optax.lion(0.3, weight_decay=0), 0.02, cosine(STEPS)),
        lambda s: 0.02 * s,
    ),
    "times η_t²/η_max": (
        decayed(optax.sgd(0.3, MOMENTUM), cosine(STEPS, 0.2), cosine(STEPS, 0.3)),
        lambda s: 0.2 * 0.3 * s**2,
    ),
    "constant": (decayed(optax.sgd(cosine(STEPS, 0.3)), 0.02, 1.0), lambda s: 0.02 + 0 * s),
    "adamw of optax": (optax.adamw(cosine(STEPS, 0.3), weight_decay=0.2), lambda s: 0.06 * s),
    "after the learning rate": (  # where add_decayed_weights makes weights grow
        optax.chain(optax.adam(0.3), optax.add_decayed_weights(0.02)),
        lambda s: -0.02 + 0 * s,
    ),
}


def test_decay_alone_multiplies_by_one_minus_each_rate():
    s = at_each(cosine(STEPS), STEPS)
    paths = train(STEPS, *(Run(optimizer, zero) for optimizer, _ in FORMS.values()))
    left = {}
    for (name, (_, rates)), path in zip(FORMS.items(), paths, strict=True):
        left[name] = np.prod(1 - rates(s))
        np.testing.assert_allclose(path[-1], left[name] * START, rtol=1e-12, err_msg=name)
    assert left["constant"] < left["times s_t"] < 1 < left["after the learning rate"]
    assert left["times η_t"] < left["times η_t²/η_max"]


def test_adam_with_l2_alone_is_sign_descent_whatever_the_strength():
    lr, adam = 0.001, optax.adam(0.001, eps=0.0)
    weak, strong, weak_decay, strong_decay = train(
        100,
        *(Run(coupled(adam, strength), zero) for strength in (1e-6, 1e3)),
        *(Run(decayed(optax.adam(lr), rate, lr), zero) for rate in (1e-6, 1e3)),
    )
    assert gap(weak, strong) < 1e-12
    np.testing.assert_allclose(START - weak[-1], 100 * lr * np.sign(START), rtol=0.15)
    assert gap(weak_decay, strong_decay) > 0.9


# --- what AdamW is ---


def test_adamw_is_an_average_of_its_steps_over_one_over_lr_rate():
    lr, rate, steps = 0.1, 0.2, 400
    (path,) = train(steps, Run(decayed(optax.adam(lr), rate, lr), noisy))
    with jax.enable_x64(True):
        grads = jax.jit(jax.vmap(noisy))(path[:-1], np.arange(steps))
    (sums,) = train(steps, Run(optax.scale_by_adam(), lambda _, t: grads[t]))
    u = np.diff(sums, axis=0)
    keep = (1 - lr * rate) ** np.arange(steps)[::-1]
    average = lr * rate * np.sum(keep[:, None] * (-u / rate), axis=0)
    np.testing.assert_allclose(path[-1], average + (1 - lr * rate) ** steps * START, atol=1e-14)
    recent = round(1 / (lr * rate))
    assert np.sum(keep[-recent:]) / np.sum(keep) == pytest.approx(1 - np.exp(-1), abs=0.01)


def test_decay_is_a_proximal_step_up_to_second_order():
    rate, rates = 0.5, np.logspace(-3, -1, 9)

    def updates(lr):
        chains = (
            decayed(optax.adam(lr), rate, lr),
            optax.chain(optax.adam(lr), proximal_step(rate / 2 * l2, lr)),
            coupled(optax.adam(lr), rate / 2),
        )
        w = jnp.asarray(START)
        return [o.update(noisy(w, 0), o.init(w), w)[0] for o in chains]

    with jax.enable_x64(True):
        explicit, implicit, in_loss = map(np.asarray, jax.jit(jax.vmap(updates))(rates))
    orders = [
        np.polyfit(np.log(rates), np.log(np.linalg.norm(explicit - other, axis=1)), 1)[0]
        for other in (implicit, in_loss)
    ]
    assert 1.95 < orders[0] < 2.0
    assert orders[1] == pytest.approx(1.0, abs=0.01)


def test_adamw_is_blind_to_the_scale_of_gradients_and_adam_with_l2_is_not():
    scales = np.logspace(-3, 3, SIZE)

    def scaled(w, t):
        return scales * noisy(w, t)

    adam = optax.adam(0.05, eps=0.0)
    pairs = [
        Run(optimizer, gradient)
        for optimizer in (decayed(adam, 0.2, 0.05), coupled(adam, 0.1))
        for gradient in (noisy, scaled)
    ]
    plain, rescaled, coupled_plain, coupled_rescaled = train(200, *pairs)
    assert gap(plain, rescaled) < 1e-14
    assert gap(coupled_plain, coupled_rescaled) > 0.1


def test_adamw_ends_at_the_minimum_in_a_box():
    rate, minimiser = 1.0, np.array([3.0, -1.0])
    hessian = np.array([[2.0, 1.3], [1.3, 2.0]])

    def lr(t):
        return 0.1 / (1 + 0.02 * t)

    def gradient(w, t):
        return hessian @ (w - minimiser)

    start = np.zeros(2)
    plain, with_l2 = train(
        20_000,
        Run(decayed(optax.adam(lr), rate, lr), gradient, start),
        Run(coupled(optax.adam(lr), rate / 2), gradient, start),
    )
    np.testing.assert_allclose(plain[-1], [1.0, 0.3], atol=1e-4)
    slope = gradient(plain[-1], 0)
    assert slope[0] < -1  # held by the bound |w| ≤ 1/rate
    assert abs(slope[1]) < 1e-4  # free
    ridge = np.linalg.solve(hessian + rate * np.eye(2), hessian @ minimiser)
    assert gap(with_l2[-1], ridge) < 1e-9
    assert gap(plain[-1], np.clip(minimiser, -1, 1)) > 1
    assert gap(plain[-1], ridge) > 0.1


def test_cautious_decay_keeps_the_minimiser_that_decay_leaves():
    rate, minimiser = 0.5, np.array([3.5, -1.0, 0.5])

    def lr(t):
        return 0.05 * jnp.exp(-t / 500)

    def gradient(w, t):
        return np.array([1.0, 0.5, 2.0]) * (w - minimiser)

    cautious, plain = train(
        20_000,
        *(
            Run(decayed(optax.adam(lr, b2=0.9), rate, lr, cautious=flag), gradient, 2 * minimiser)
            for flag in (True, False)
        ),
    )
    assert gap(cautious[-1], minimiser) < 1e-12
    np.testing.assert_allclose(plain[-1], [1 / rate, -1.0, 0.5], atol=1e-5)  # the box again


# --- penalties and gradient steps ---

LIPSCHITZ = 3.0


def test_proximal_gradient_descent_keeps_its_bound_up_to_a_step_of_two_over_the_curvature():
    penalty = 0.4 * l1

    def proximal(step):
        return optax.chain(optax.sgd(step), proximal_step(penalty, step))

    steps, start = 400, np.full(SIZE, 5.0)
    path, too_long = train(
        steps,
        Run(proximal(1 / LIPSCHITZ), still, start),
        Run(proximal(2.2 / LIPSCHITZ), still, start),
    )

    def objective(w):
        off = w - MINIMISER
        return np.einsum("ti,ij,tj->t", off, CURVATURE, off) / 2 + 0.4 * np.abs(w).sum(1)

    excess = objective(path) - objective(path)[-1]
    bound = LIPSCHITZ * np.sum((start - path[-1]) ** 2) / (2 * np.arange(1, steps + 1))
    assert np.all(excess[1:] <= bound)
    assert excess[0] > bound[1]  # it is no bound of what is small anyway
    assert np.all(np.diff(excess) <= 1e-13)
    assert objective(too_long)[-1] > objective(too_long)[0]


def test_a_penalty_shifts_the_hessian_and_the_longest_stable_step():
    strength = 0.25

    def data_loss(w):
        return (w - MINIMISER) @ jnp.asarray(CURVATURE) @ (w - MINIMISER) / 2

    with jax.enable_x64(True):
        whole = regularized(data_loss, strength * l2)
        hessian = jax.jit(jax.hessian(lambda w: whole(w)[0]))(START)
    sharpness = np.linalg.eigvalsh(np.asarray(hessian))
    np.testing.assert_allclose(sharpness, np.linspace(0.5, 3, SIZE) + 2 * strength, atol=1e-13)
    longest = 2 / (LIPSCHITZ + 2 * strength)
    stable, unstable, without = train(
        1000,
        *(Run(coupled(optax.sgd(f * longest), strength), still) for f in (0.99, 1.01)),
        Run(optax.sgd(1.01 * longest), still),
    )
    ridge = np.linalg.solve(CURVATURE + 2 * strength * np.eye(SIZE), CURVATURE @ MINIMISER)
    assert gap(stable[-1], ridge) < 1e-6
    assert gap(unstable[-1], ridge) > 1e3
    assert gap(without[-1], MINIMISER) < 1e-12

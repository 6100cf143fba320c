"""Rates of decay beside the gradient step, in the terms of other libraries, papers and schedules.

A decay is a factor 1 − ω_t at each step, however it is written: ω_t = η_t·rate for
``decoupled_decay(rate, learning_rate)``, ω_t = s_t·decay as published, where η_t = s_t·α is the
learning rate of the step. Conversions between these are exact for every optimizer; those from λ of
a penalty in the loss are so for SGD alone, and refused for the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import _numbers
from jaxreg._messages.brief import brief, quoted
from jaxreg._messages.calls import explained

ScalarOrSchedule = Any | Callable[[Any], Any]


@explained
def to_decoupled_rate(strength: Any, *, optimizer: str = "sgd", momentum: Any = 0.0) -> Any:
    """The rate of ``decoupled_decay(rate, learning_rate)`` that equals λ‖w‖² in the loss.

    It is also the ``weight_decay`` of the optimizers of optax and Keras that multiply it by the
    learning rate. Exact at each step for plain SGD, under every schedule; with momentum μ, heavy
    ball or Nesterov's, it has the same stationary points, on another path.

    >>> to_decoupled_rate(0.25)
    0.5
    >>> to_decoupled_rate(0.25, momentum=0.5)
    1.0

    Args:
      strength: λ.
      optimizer: ``"sgd"``. For any other there is no such rate, and it is refused.
      momentum: μ.

    Returns:
      2λ/(1 − μ).

    Raises:
      ValueError: for an optimizer that is not SGD.

    References: Loshchilov & Hutter 2019, *Decoupled weight decay regularization*
    (arXiv:1711.05101), propositions 1 and 2.
    """
    _require_sgd("to_decoupled_rate", optimizer)
    return 2 * _numbers.checked("strength", strength) / _left_by(momentum)


@explained
def from_decoupled_rate(rate: Any, *, optimizer: str = "sgd", momentum: Any = 0.0) -> Any:
    """λ for a rate of ``decoupled_decay``; the inverse of `to_decoupled_rate`.

    >>> from_decoupled_rate(0.5)
    0.25

    Raises:
      ValueError: for an optimizer that is not SGD.
    """
    _require_sgd("from_decoupled_rate", optimizer)
    return _numbers.checked("rate", rate) * _left_by(momentum) / 2


@explained
def to_paper_decay(
    strength: Any, learning_rate: Any, momentum: Any = 0.0, *, optimizer: str = "sgd"
) -> Any:
    """The decay of SGDW as published, w ← (1 − s_t·decay)·w, that equals λ‖w‖² in the loss.

    Exact for plain SGD; with momentum μ it has the same stationary points. For Adam there is no
    such number.

    >>> to_paper_decay(5e-5, learning_rate=0.5)
    5e-05

    Args:
      strength: λ.
      learning_rate: the base learning rate, without the schedule's multiplier s_t.
      momentum: μ.
      optimizer: ``"sgd"``. For any other there is no such decay, and it is refused.

    Returns:
      2·learning_rate·λ/(1 − μ).

    Raises:
      ValueError: for an optimizer that is not SGD.
    """
    _require_sgd("to_paper_decay", optimizer)
    strength = _numbers.checked("strength", strength)
    learning_rate = _numbers.checked("learning_rate", learning_rate)
    return 2 * learning_rate * strength / _left_by(momentum)


@explained
def from_paper_decay(
    decay: Any, learning_rate: Any, momentum: Any = 0.0, *, optimizer: str = "sgd"
) -> Any:
    """λ for a decay of SGDW as published; the inverse of `to_paper_decay`.

    >>> from_paper_decay(5e-5, learning_rate=0.5)
    5e-05

    Raises:
      ValueError: for an optimizer that is not SGD.
    """
    _require_sgd("from_paper_decay", optimizer)
    decay = _numbers.checked("decay", decay)
    return decay * _left_by(momentum) / (2 * _numbers.positive("learning_rate", learning_rate))


def _left_by(momentum: Any) -> Any:
    return 1 - _numbers.at_most_one("momentum", _numbers.checked("momentum", momentum), below=True)


def _require_sgd(function: str, optimizer: str) -> None:
    if not (isinstance(optimizer, str) and optimizer == "sgd"):
        raise ValueError(
            f"{function}: expected optimizer='sgd', got {quoted(optimizer)}, for which no λ in "
            f"the loss equals decay beside the step: it scales the gradient of the penalty with "
            f"the rest, "
            f"entry by entry (Loshchilov & Hutter 2019, proposition 2); choose the rate by the "
            f"loss on other data, or start from a time scale: from_timescale(epochs, …)"
        )


@explained
def to_independent_decay(rate: Any, learning_rate: Any) -> Any:
    """The published decay, times s_t alone, that equals a rate times η_t = s_t·learning_rate.

    ``decoupled_decay(decay, s)`` is then ``decoupled_decay(rate, lambda t: learning_rate·s(t))``,
    step by step, after every optimizer and under every schedule s. Equal decays need rates in
    inverse proportion to the learning rates: Lion, with a tenth of AdamW's, ten times its rate.

    >>> to_independent_decay(0.5, learning_rate=0.01)
    0.005

    Args:
      rate: ω of ``decoupled_decay``; ``weight_decay`` of AdamW in PyTorch, optax and Keras.
      learning_rate: the base learning rate α, that of the step where s_t = 1.

    Returns:
      α·ω.

    References: Loshchilov & Hutter 2019 (arXiv:1711.05101), algorithm 2; Wortsman et al. 2023,
    *Small-scale proxies for large-scale Transformer training instabilities* (arXiv:2309.14322).
    """
    rate = _numbers.checked("rate", rate)
    return rate * _numbers.checked("learning_rate", learning_rate)


@explained
def from_independent_decay(decay: Any, learning_rate: Any) -> Any:
    """The rate for a published decay; the inverse of `to_independent_decay`.

    >>> from_independent_decay(0.005, learning_rate=0.01)
    0.5
    """
    return _numbers.checked("decay", decay) / _numbers.positive("learning_rate", learning_rate)


@explained
def to_normalized_decay(decay: Any, *, batch_size: int, examples: int, epochs: int) -> Any:
    """The normalised decay of the AdamW paper (appendix B.1) for a decay per step.

    decay = normalised·√(b/(n·T)), meant to make one number do for any length of training.

    >>> to_normalized_decay(0.01, batch_size=100, examples=1000, epochs=10)
    0.1

    Args:
      decay: the published decay per step, before the schedule's multiplier.
      batch_size: b.
      examples: n.
      epochs: T; with warm restarts, the epochs of the current restart, so that the decay changes
        at each.

    Returns:
      decay·√(nT/b).
    """
    return _numbers.checked("decay", decay) * _steps(batch_size, examples, epochs) ** 0.5


@explained
def from_normalized_decay(normalized: Any, *, batch_size: int, examples: int, epochs: int) -> Any:
    """The decay per step for a normalised decay; the inverse of `to_normalized_decay`.

    >>> from_normalized_decay(0.1, batch_size=100, examples=1000, epochs=10)
    0.01
    """
    normalized = _numbers.checked("normalized", normalized)
    return normalized / _steps(batch_size, examples, epochs) ** 0.5


@explained
def to_timescale(rate: Any, learning_rate: Any, *, batch_size: int, examples: int) -> Any:
    """Over how many epochs AdamW's weights average its steps: 1/(learning_rate·rate) steps.

    w_t = (1 − ηω)·w_{t−1} + ηω·(−u_t/ω) is a moving average of −u_t/ω that forgets by a factor e
    in 1/(ηω) steps. Kept in epochs it carries a rate to another batch size or amount of data:
    ``from_timescale(to_timescale(ω, η, batch_size=64, …), η, batch_size=128, …)`` is 2ω.

    >>> to_timescale(0.5, learning_rate=0.01, batch_size=100, examples=1000)
    20.0

    Args:
      rate: ω of ``decoupled_decay``; ``weight_decay`` of AdamW in PyTorch and optax.
      learning_rate: η.
      batch_size: b; 1 for a time scale in steps, together with ``examples=1``.
      examples: n.

    Returns:
      b/(n·η·ω). Below 0.1 of the training's epochs the start is long forgotten; above 10 of them
      the decay does next to nothing.

    Raises:
      ValueError: if one of the numbers is 0.

    References: Wang & Aitchison 2025, *How to set AdamW's weight decay as you scale model and
    dataset size* (arXiv:2405.13698).
    """
    decay = _numbers.positive("rate", rate) * _numbers.positive("learning_rate", learning_rate)
    return 1 / (decay * _steps(batch_size, examples, 1))


@explained
def from_timescale(timescale: Any, learning_rate: Any, *, batch_size: int, examples: int) -> Any:
    """The rate for a time scale in epochs; the inverse of `to_timescale`.

    >>> from_timescale(20.0, learning_rate=0.01, batch_size=100, examples=1000)
    0.5
    """
    product = _numbers.positive("timescale", timescale) * _numbers.positive(
        "learning_rate", learning_rate
    )
    return 1 / (product * _steps(batch_size, examples, 1))


@explained
def to_total_decay(rate: ScalarOrSchedule, learning_rate: ScalarOrSchedule, steps: int) -> Any:
    """How much a whole training decays: Σ_t learning_rate_t·rate_t, with t from 0 to steps − 1.

    Without gradients ∏(1 − ω_t) ≈ exp(−total) of a weight is left. It makes decays under different
    schedules, as of one rate times η_t, times s_t, times η_t²/α or constant, comparable: they do
    not agree step by step, but may in total. Below 0.1 the decay does next to nothing; above 10
    the start is forgotten.

    >>> to_total_decay(0.5, 0.01, steps=1000)
    5.0
    >>> to_total_decay(0.5, lambda t: 0.5 * 2.0**-t, steps=1000)
    Array(0.5, dtype=float32)

    Args:
      rate: as for ``decoupled_decay``: a number, traced value or schedule.
      learning_rate: likewise.
      steps: of the training: n·epochs/batch_size, rounded up in each epoch.

    Returns:
      The sum; of schedules in their own dtype, which is float32 for those of optax.
    """
    _require_whole(steps)
    rate, learning_rate = _factor("rate", rate), _factor("learning_rate", learning_rate)
    if not (callable(rate) or callable(learning_rate)):
        return rate * learning_rate * steps
    each = jax.vmap(lambda step: _at(learning_rate, step) * _at(rate, step))
    return jnp.sum(each(jnp.arange(steps)), axis=0)


@explained
def from_total_decay(total: Any, learning_rate: ScalarOrSchedule, steps: int) -> Any:
    """The constant rate for a total; the inverse of `to_total_decay`.

    >>> from_total_decay(5.0, 0.01, steps=1000)
    0.5
    """
    each = to_total_decay(1.0, learning_rate, steps)
    return _numbers.checked("total", total) / _numbers.positive("learning_rate", each)


def _factor(name: str, value: ScalarOrSchedule) -> Any:
    return value if callable(value) else _numbers.checked(name, value)


def _at(value: Any, step: jax.Array) -> jax.Array:
    return jnp.asarray(value(step) if callable(value) else value)


def _require_whole(steps: Any) -> None:
    is_whole = isinstance(steps, int | np.integer) and not isinstance(steps, bool)
    if not is_whole or steps < 1:
        raise ValueError(f"steps: expected a whole number > 0, got {brief(steps)}")


def _steps(batch_size: Any, examples: Any, epochs: Any) -> Any:
    """nT/b, the steps of so many epochs."""
    steps = _numbers.whole("examples", examples) * _numbers.positive("epochs", epochs)
    return steps / _numbers.whole("batch_size", batch_size)

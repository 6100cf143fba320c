"""What a configuration minimises with: penalty, schedule, and the optimizer with λ in its place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import jaxreg
from experiments.config import Optimizer, TrainingConfig
from experiments.decay_form import MOMENTUM, Ingredients
from experiments.forms import FORMS, times

WHERE: dict[str, Any] = {"all": jaxreg.where(None), "weights": jaxreg.weights}


def penalty(config: TrainingConfig, where: Any = None) -> jaxreg.Penalty:
    """The penalty of a resolved configuration; its strengths may be traced."""
    terms = {
        "l2": lambda: config.strength * jaxreg.l2,
        "l1": lambda: config.l1_strength * jaxreg.l1,
        "elastic_net": lambda: jaxreg.elastic_net(l1=config.l1_strength, l2=config.strength),
    }
    unit = terms[config.penalty]()
    if where is None and config.where == "all":
        return unit
    return unit.on(WHERE[config.where] if where is None else where)


def multiplier(config: TrainingConfig, steps: int) -> Any:
    """The schedule s_t, in [0, 1], of a training of ``steps`` updates."""
    return half_cosine(steps) if config.schedule == "cosine" else 1.0


def half_cosine(steps: int, peak: Any = 1.0, numpy: Any = jnp) -> Callable[[Any], Any]:
    """The schedule from ``peak`` to 0, of steps counted from 0; ``numpy`` computes it."""

    def schedule(step: Any) -> Any:
        angle = numpy.pi * numpy.minimum(step, float(steps)) / float(steps)
        return peak * (0.5 * (1 + numpy.cos(angle)))

    return schedule


def optimizer(
    config: TrainingConfig, steps: int, where: Any = None
) -> optax.GradientTransformation:
    """The optimizer of a resolved configuration, with λ where ``config.coupling`` puts it.

    ``where``, a rule of jaxreg, takes the place of ``config.where``.
    """
    schedule = multiplier(config, steps)
    learning_rate = times(config.learning_rate, schedule)
    base = without_decay(config.optimizer, learning_rate)
    where = WHERE[config.where] if where is None else where
    given = Ingredients(config, base, penalty(config, where), where, learning_rate, schedule)
    form = FORMS[config.coupling]
    return optax.chain(*form.build(form, given))


def without_decay(name: Optimizer, learning_rate: Any) -> optax.GradientTransformation:
    """The optimizer of that name; the learning rate is a number or a schedule."""
    return {
        "sgd": lambda: optax.sgd(learning_rate),
        "momentum": lambda: optax.sgd(learning_rate, momentum=MOMENTUM),
        "adam": lambda: adam(learning_rate),
    }[name]()


def adam(
    learning_rate: Any, b1: float = 0.9, b2: float = 0.999, **kwargs: Any
) -> optax.GradientTransformation:
    """`optax.adam` with the bias corrections 1 − βᵗ of float64, as PyTorch computes them.

    In float32 optax's lose up to four digits in the first steps. That alone drives the losses of
    600 steps with weight decay 6e-3 apart from PyTorch's; repaired, they agree to 5e-7.
    """

    def repair(count: Any) -> jax.Array:
        rounded = [1 - beta ** (count + 1) for beta in (b1, b2)]
        exact = [-jnp.expm1((count + 1) * math.log(beta)) for beta in (b1, b2)]
        return rounded[0] / exact[0] * jnp.sqrt(exact[1] / rounded[1])

    return optax.chain(optax.adam(learning_rate, b1, b2, **kwargs), optax.scale_by_schedule(repair))

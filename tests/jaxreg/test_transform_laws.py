"""Transformations that obey the laws of optax's, and broken ones, each caught by its own law."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.core import Tracer

from jaxreg import decoupled_decay
from jaxreg.testing import LawViolation, check_transform
from jaxreg.testing._transform_laws import TRANSFORM_LAWS
from tests.jaxreg.transforms import TRANSFORMS

OTHERS = {
    "optax.add_decayed_weights": (
        optax.add_decayed_weights,
        {"numbers": {"weight_decay": 0.1}, "schedules": ["weight_decay"]},
    ),
    "optax.clip": (optax.clip, {"numbers": {"max_delta": 0.1}}),
    "optax.scale_by_adam": (optax.scale_by_adam, {"numbers": {"b1": 0.9}}),
    "optax.adam": (
        optax.adam,
        {"numbers": {"learning_rate": 0.1}, "schedules": ["learning_rate"]},
    ),
    "reduce_on_plateau": (optax.contrib.reduce_on_plateau, {"update_args": {"value": 1.0}}),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_transformations_obey_the_laws(name):
    row = TRANSFORMS[name]
    check_transform(row.make, **row.told)


@pytest.mark.parametrize("name", OTHERS)
def test_those_of_optax_obey_them_too(name):
    factory, told = OTHERS[name]
    check_transform(factory, **told)


# --- each law catches what breaks it ---


def of(move, start=lambda params: optax.EmptyState()) -> Any:
    """A transformation from updates, state and parameters to updates and state."""

    def update(updates, state, params=None):
        if params is None:
            raise ValueError("call optimizer.update(grads, state, params)")
        return move(updates, state, params)

    return optax.GradientTransformation(start, update)


def leafwise(function, **kwargs):
    def move(updates, state, params):
        return jax.tree.map(function, updates, params), state

    return of(move, **kwargs)


def in_float32():
    return leafwise(lambda u, w: (u - 0.1 * w).astype(jnp.float32))


def restless_state():
    return of(
        lambda u, state, w: (u, {"count": state["count"] + 0.5}), lambda w: {"count": jnp.array(0)}
    )


def number_in_the_state():
    return of(lambda u, state, w: (u, state), lambda w: {"rate": 0.1})


def impure():
    calls = []

    def move(updates, state, params):
        calls.append(1)
        return jax.tree.map(lambda u: u * len(calls), updates), state

    return of(move)


def silent_without_params():
    def update(updates, state, params=None):
        zeros = jax.tree.map(jnp.zeros_like, updates)
        pull = zeros if params is None else params
        return jax.tree.map(lambda u, w: u - 0.1 * w, updates, pull), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def crashing_without_params():
    def update(updates, state, params=None):
        return jax.tree.map(lambda u, w: u - 0.1 * w, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def needs_a_leaf():
    def move(updates, state, params):
        largest = jnp.max(jnp.stack([jnp.max(jnp.abs(u)) for u in jax.tree.leaves(updates)]))
        return jax.tree.map(lambda u: u / (largest + 1), updates), state

    return of(move)


def counts_none_as_a_leaf():
    def move(updates, state, params):
        def halved(u):
            return u if u is not None or len(updates) == 1 else jnp.zeros(())

        return jax.tree.map(halved, updates, is_leaf=lambda u: u is None), state

    return of(move)


def divides_by_zero():
    return leafwise(lambda u, w: u / jnp.sqrt(jnp.sum(jnp.square(u))))


def compiles_again():
    def move(updates, state, params):
        return updates, jnp.asarray(1.0)  # of weak type, unlike the first state

    return of(move, lambda params: jnp.zeros(()))


def other_while_tracing():
    return leafwise(lambda u, w: 2 * u if isinstance(u, Tracer) else u)


def takes_no_other_arguments():
    def update(updates, state, params=None, *, value=None):
        factor = 1.0 if value is None else value * 3.0
        return jax.tree.map(lambda u: u * factor, updates), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def takes_masked_nodes_for_pairs():
    def move(updates, state, params):
        pairs = jax.tree.map(lambda u, w: (u, w), updates, params)
        if not jax.tree.leaves(updates):
            return updates, state
        firsts = jax.tree.map(lambda p: p[0], pairs, is_leaf=lambda p: isinstance(p, tuple))
        return firsts, state

    return of(move)


def python_numbers_only(rate):
    if not isinstance(rate, float):
        raise TypeError("a float, please")
    return leafwise(lambda u, w: u - rate * w)


def by_value_of_a_number(rate):
    return leafwise(lambda u, w: u - (rate * w if rate > 0 else 0 * w))


def schedule_from_step_1(rate):
    def move(updates, state, params):
        now = rate(state + 1) if callable(rate) else rate
        return jax.tree.map(lambda u, w: u - now * w, updates, params), state + 1

    return of(move, lambda params: jnp.zeros((), jnp.int32))


def schedule_that_stands(rate):
    def move(updates, state, params):
        now = rate(state) if callable(rate) else rate
        return jax.tree.map(lambda u, w: u - now * w, updates, params), state

    return of(move, lambda params: jnp.zeros((), jnp.int32))


def moves_frozen_leaves():
    return leafwise(lambda u, w: u - 1e-9 * w)


def one_device_only():
    def local(u):
        here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        return jax.device_put(u, here)

    return leafwise(lambda u, w: local(u))


BROKEN = [
    ("like the gradients", in_float32),
    ("state stable", restless_state),
    ("state stable", number_in_the_state),
    ("pure", impure),
    ("missing params named", silent_without_params),
    ("missing params named", crashing_without_params),
    ("empty trees", needs_a_leaf),
    ("none leaves", counts_none_as_a_leaf),
    ("finite at zero", divides_by_zero),
    ("jit equals eager", compiles_again),
    ("jit equals eager", other_while_tracing),
    ("inside chain", takes_no_other_arguments),
    ("inside masked", takes_masked_nodes_for_pairs),
    ("inside inject hyperparams", python_numbers_only),
    ("vmap equals loop", by_value_of_a_number),
    ("schedules begin at step 0", schedule_from_step_1),
    ("schedules begin at step 0", schedule_that_stands),
    ("frozen leaves still", moves_frozen_leaves),
    ("sharded equals unsharded", one_device_only),
]


@pytest.mark.parametrize(
    ("law", "factory"), BROKEN, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_transformation_is_caught_by_its_own_law(law, factory):
    told: dict[str, Any] = {"still": "bias"} if law == "frozen leaves still" else {}
    if "rate" in inspect.signature(factory).parameters:
        told = {"numbers": {"rate": 0.1}}
    if law == "schedules begin at step 0":
        told["schedules"] = ["rate"]
    with pytest.raises(LawViolation) as violation:
        check_transform(factory, **told)
    assert violation.value.law == law
    message = str(violation.value)
    assert message.startswith(f"{law}: expected ")
    assert message.endswith(f", for {factory.__name__}")


def test_every_law_but_those_of_optax_itself_has_been_seen_to_catch_something():
    caught = {law for law, _ in BROKEN}
    assert {law.name for law in TRANSFORM_LAWS} - caught == {"inside multi steps"}


def test_other_parameters_may_be_brought():
    params = {"w": np.ones((8, 2)), "b": np.ones(3)}
    check_transform(lambda: decoupled_decay(0.1, 0.1, where="w"), params=params, still="b")

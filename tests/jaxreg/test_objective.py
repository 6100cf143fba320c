"""The loss with a penalty: its parts, its gradient, and one penalty whatever the devices."""

from __future__ import annotations

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxreg import Parts, l1, l2, regularized, weights
from tests.xla import AS_USERS

X = jnp.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])
PARAMS = {"bias": jnp.array(0.5), "kernel": jnp.array([2.0, -1.0])}
PENALTY = 0.5 * l2.on(weights) + 0.25 * l1


def loss(params, x, *, offset=0.0):
    return jnp.mean((x @ params["kernel"] + params["bias"] - offset) ** 2)


def loss_with_aux(params, x, *, offset=0.0):
    return loss(params, x, offset=offset), {"rows": x.shape[0]}


def test_the_total_is_the_data_loss_plus_the_penalty():
    total, parts = regularized(loss, PENALTY)(PARAMS, X, offset=1.0)
    assert isinstance(parts, Parts)
    assert float(parts.data) == pytest.approx(np.mean(np.square([-0.5, 6.5, 0.5])))
    assert float(parts.penalty) == 0.5 * 5 + 0.25 * 3.5
    assert float(total) == pytest.approx(float(parts.data + parts.penalty))
    assert parts.aux is None


def test_aux_of_the_loss_is_handed_on():
    _, parts = regularized(loss_with_aux, PENALTY, has_aux=True)(PARAMS, X)
    assert parts.aux == {"rows": 3}


@pytest.mark.parametrize(("function", "has_aux"), [(loss, False), (loss_with_aux, True)])
def test_value_and_grad_is_that_of_the_sum_written_out(function, has_aux):
    objective = regularized(function, PENALTY, has_aux=has_aux)
    (total, parts), grads = jax.jit(jax.value_and_grad(objective, has_aux=True))(PARAMS, X)
    value, wanted = jax.value_and_grad(lambda p: loss(p, X) + PENALTY(p))(PARAMS)
    np.testing.assert_allclose(total, value, rtol=1e-6)
    np.testing.assert_allclose(parts.data, loss(PARAMS, X), rtol=1e-6)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), grads, wanted)


def test_a_penalty_whose_strength_is_traced_works_inside():
    def total(strength):
        return regularized(loss, strength * l2)(PARAMS, X)[0]

    totals = jax.vmap(total)(jnp.array([0.0, 1.0, 2.0]))
    np.testing.assert_allclose(np.diff(totals), 5.25, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(total)(1.0), 5.25, rtol=1e-6)


def test_the_total_has_the_wider_dtype_of_loss_and_penalty():
    half = jax.tree.map(lambda w: w.astype(jnp.bfloat16), PARAMS)
    total, parts = regularized(lambda p: p["kernel"].sum(), l2)(half)
    assert (parts.data.dtype, parts.penalty.dtype, total.dtype) == (
        jnp.bfloat16,
        jnp.float32,
        jnp.float32,
    )
    assert float(regularized(lambda p: 1.0, l2)(PARAMS)[0]) == 6.25


NO_PENALTY = "; for a strength s write regularized(loss, s * l2)"
MISUSE = {
    "a number": (
        lambda: regularized(loss, 1e-4),
        f"expected a penalty such as 1e-4 * l2, got 0.0001{NO_PENALTY}",
    ),
    "a name": (
        lambda: regularized(loss, "l2"),
        f"expected a penalty such as 1e-4 * l2, got the string 'l2'{NO_PENALTY}",
    ),
    "a function": (
        lambda: regularized(loss, abs),
        f"expected a penalty such as 1e-4 * l2, got the function abs{NO_PENALTY}",
    ),
    "its value": (
        lambda: regularized(loss, l2(PARAMS)),
        f"expected a penalty such as 1e-4 * l2, got a float32 array of shape (){NO_PENALTY}",
    ),
    "exchanged": (
        lambda: regularized(0.5 * l2, loss),
        "expected a loss and a penalty, got them exchanged; write regularized(loss, 0.5 * l2)",
    ),
    "two penalties": (
        lambda: regularized(l2, l2),
        "expected a loss and a penalty, got two penalties; add them: regularized(loss, p + q)",
    ),
    "the value of the loss": (
        lambda: regularized(l2(PARAMS), l2),
        "expected the function loss(params, …), got a float32 array of shape (); give the "
        "function, not its value: regularized(loss, 1e-4 * l2)",
    ),
    "one argument": (
        lambda: regularized(loss),
        "expected the arguments (loss, penalty, *, has_aux=False), got none for penalty; "
        "write regularized(loss, penalty)",
    ),
    "a strength": (
        lambda: regularized(loss, strength=1e-4),
        "expected the arguments (loss, penalty, *, has_aux=False), got strength=; write penalty=…",
    ),
    "an unexpected aux": (
        lambda: regularized(lambda p: (1.0, p), l2)(PARAMS),
        "expected a loss that returns a scalar with has_aux=False, got a tuple of 3 leaves; "
        "write regularized(loss, penalty, has_aux=True) if that is meant",
    ),
    "no aux": (
        lambda: regularized(lambda p: 1.0, l2, has_aux=True)(PARAMS),
        "expected a loss that returns (scalar, aux) with has_aux=True, got 1.0; "
        "write regularized(loss, penalty, has_aux=False) if that is meant",
    ),
}


@pytest.mark.parametrize(("call", "message"), MISUSE.values(), ids=MISUSE)
def test_misuse_says_what_to_write(call, message):
    with pytest.raises(TypeError, match=f"^{re.escape('regularized: ' + message)}$"):
        call()


# --- several devices: one example on each, gradients from 6.5 to 12.5, mean 9.5 ---

TRUE = 9.5 + 1.0  # the penalty's gradient is 2·0.5·w = 1 at w = 1
FIRST = 6.5 + 1.0  # what device 0 finds from its own example
W = jnp.array(1.0)


def local(w, x):
    return jnp.mean(w * x)


def averaged(w, x):
    return jax.lax.pmean(local(w, x), "data")


def gradient(data_loss, mean_of_gradients):
    """The recipe: where the data loss is averaged, and whether the gradient is."""

    def step(w, x):
        grad, _ = jax.grad(regularized(data_loss, 0.5 * l2), has_aux=True)(w, x)
        return jax.lax.pmean(grad, "data") if mean_of_gradients else grad

    return step


def by_pmap(step, devices):
    return jax.pmap(step, "data", in_axes=(None, 0), devices=jax.devices()[:devices])


def by_shard_map(step, devices, *, check_vma):
    def body(w, x):
        return step(w, x) if check_vma else step(w, x)[None]

    return jax.jit(
        jax.shard_map(
            body,
            mesh=Mesh(jax.devices()[:devices], ("data",)),
            in_specs=(P(), P("data")),
            out_specs=P() if check_vma else P("data"),  # unchecked, a device says its own
            check_vma=check_vma,
        )
    )


RECIPES = {
    # recipe: (data loss, mean of gradients); device 0 of pmap and of shard_map(check_vma=False);
    # shard_map on n devices
    "local mean + penalty, then pmean(grad)": ((local, True), TRUE, lambda n: n * TRUE),
    "pmean(data) + penalty, no further collective": ((averaged, False), FIRST, lambda n: TRUE),
    "pmean(data) + penalty, then pmean(grad)": ((averaged, True), TRUE, lambda n: TRUE),
}


@pytest.mark.parametrize("devices", [2, 4, 8])
@pytest.mark.parametrize(("recipe", "unchecked", "checked"), RECIPES.values(), ids=RECIPES)
def test_where_the_mean_belongs_for_the_penalty_to_count_once(recipe, unchecked, checked, devices):
    """On four devices 10.5, 42 and 7.5 for a true gradient of 10.5."""
    step, batch = gradient(*recipe), jnp.linspace(6.5, 12.5, devices)
    mapped = by_pmap(step, devices)(W, batch[:, None])
    sharded = by_shard_map(step, devices, check_vma=False)(W, batch)
    for found in (mapped, sharded):
        assert float(found[0]) == pytest.approx(unchecked)
        if unchecked == TRUE:
            np.testing.assert_allclose(found, TRUE, rtol=1e-6)
    default = by_shard_map(step, devices, check_vma=True)(W, batch)
    assert float(default) == pytest.approx(checked(devices))


@pytest.mark.parametrize(("data_loss", "exchanges"), [(local, 1), (averaged, 2)])
def test_a_mean_of_gradients_alone_is_one_exchange(data_loss, exchanges):
    program = by_shard_map(gradient(data_loss, True), 4, check_vma=False)
    text = program.lower(W, jnp.ones(4)).compile(AS_USERS).as_text()
    assert len(re.findall(r"\sall-reduce(?:-start)?\(", text)) == exchanges


@pytest.mark.parametrize("devices", [2, 8])
def test_a_batch_and_parameters_split_over_devices_change_nothing(devices):
    x = jax.random.normal(jax.random.key(0), (16, 8))
    params = {"bias": jnp.array(0.5), "kernel": jax.random.normal(jax.random.key(1), (8,))}
    step = jax.jit(jax.value_and_grad(regularized(loss, PENALTY), has_aux=True))
    mesh = Mesh(jax.devices()[:devices], ("data",))
    split, whole = (NamedSharding(mesh, spec) for spec in (P("data"), P()))
    placed = jax.device_put(params, {"bias": whole, "kernel": split})
    (total, parts), grads = step(placed, jax.device_put(x, split))
    (expected, wanted), same = step(params, x)
    np.testing.assert_allclose([total, *parts[:2]], [expected, *wanted[:2]], rtol=1e-6)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), grads, same)
    assert grads["kernel"].sharding.is_equivalent_to(split, 1)

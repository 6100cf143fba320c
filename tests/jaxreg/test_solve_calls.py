"""`jaxreg.solve` on the trees and devices that people bring, and what a wrong call is told."""

from __future__ import annotations

import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse
from flax import nnx
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxreg import (
    diagnostics,
    group_lasso,
    l1,
    l2,
    mcp,
    non_negative,
    nuclear,
    orthogonal,
    path,
    solve,
    weights,
)
from tests.jaxreg import problems

X, Y = (a.astype(np.float32) for a in problems.linear(0, 32, 16))
ZEROS = np.zeros(16, np.float32)


def squares(w: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.mean((x @ w - y) ** 2)


def lasso(**options: Any) -> Any:
    return solve(squares, 0.1 * l1, ZEROS, X, Y, **options)


# Trees


class Head(eqx.Module):
    linear: eqx.nn.Linear
    activation: Any = jax.nn.relu
    rate: float = 0.5

    def __call__(self, x: Any) -> Any:
        return self.linear(x)[0]


def test_an_equinox_module_with_functions_and_numbers_in_it():
    head = Head(eqx.nn.Linear(16, 1, key=jax.random.key(0)))

    def loss(head: Head, x: Any, y: Any) -> Any:
        assert head.activation is jax.nn.relu
        assert head.rate == 0.5
        return 0.5 * jnp.mean((jax.vmap(head)(x) - y) ** 2)

    found = solve(loss, 0.1 * l1.on(weights), head, X, Y)
    assert isinstance(found.params, Head)
    assert found.params.activation is jax.nn.relu
    assert set(found.optimality) == {"linear/weight", "linear/bias"}
    assert bool(found.converged)
    assert 0 < jnp.count_nonzero(found.params.linear.weight) < 16
    assert found.params.linear.bias != 0


def test_an_nnx_module_and_its_state_with_statistics_that_stay():
    class Model(nnx.Module):
        def __init__(self) -> None:
            self.linear = nnx.Linear(16, 1, rngs=nnx.Rngs(0))
            self.count = nnx.Variable(jnp.array(3.0))

    def loss(model: Any, x: Any, y: Any) -> Any:
        return 0.5 * jnp.mean((model.linear(x)[:, 0] - y) ** 2) * model.count[...] / 3

    model = Model()
    found = solve(loss, 0.1 * l1.on(weights), model, X, Y)
    assert bool(found.converged)
    assert found.params.count[...] == 3
    graph, state = nnx.split(model)
    again = solve(lambda s: loss(nnx.merge(graph, s), X, Y), 0.1 * l1.on(weights), state)
    np.testing.assert_allclose(
        again.params["linear"]["kernel"][...], found.params.linear.kernel[...], atol=1e-5
    )
    assert 0 < jnp.count_nonzero(found.params.linear.kernel[...]) < 16


def test_the_head_of_a_network_whose_body_is_frozen():
    """Everything in one dictionary: the body is integers and keys here, and a closure."""
    body = jax.random.normal(jax.random.key(0), (16, 24)) / 4
    labels = jnp.asarray(Y > 0).astype(int)
    params = {"head": {"kernel": jnp.zeros((24, 2)), "bias": jnp.zeros(2)}, "seed": jnp.arange(2)}

    def loss(params: Any, x: Any, labels: Any) -> Any:
        scores = jax.nn.relu(x @ body) @ params["head"]["kernel"] + params["head"]["bias"]
        assert params["seed"].dtype == jnp.int32
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, labels))

    found = solve(loss, 0.02 * group_lasso(1).on("kernel"), params, X, labels)
    assert bool(found.converged), found
    rows = np.any(np.asarray(found.params["head"]["kernel"]) != 0, axis=1)
    assert 0 < rows.sum() < 24
    np.testing.assert_array_equal(found.params["seed"], params["seed"])


def test_a_network_is_led_to_a_stationary_point_no_higher_than_the_start():
    keys = jax.random.split(jax.random.key(1))
    params = {
        "in": {"kernel": jax.random.normal(keys[0], (16, 6)) / 4},
        "out": {"kernel": jax.random.normal(keys[1], (6,))},
    }

    def loss(params: Any, x: Any, y: Any) -> Any:
        return jnp.mean((jnp.tanh(x @ params["in"]["kernel"]) @ params["out"]["kernel"] - y) ** 2)

    penalty = 0.05 * group_lasso(0).on("in") + 0.01 * l2.on("out")
    found = solve(loss, penalty, params, X, Y)
    assert bool(found.converged), found
    assert found.value < jax.jit(lambda p: loss(p, X, Y) + penalty(p))(params)

    @jax.jit
    def left(params: Any) -> Any:
        return diagnostics.optimality(penalty, params, jax.grad(loss)(params, X, Y), 0.1)

    assert max(left(found.params).values()) < 1e-3


# Losses with derivatives of their own, which no leap can use


def test_losses_without_second_derivatives_are_solved_too():
    @jax.custom_vjp
    def loss(w: Any, x: Any, y: Any) -> Any:
        return squares(w, x, y)

    def forward(w: Any, x: Any, y: Any) -> Any:
        return loss(w, x, y), (w, x, y)

    def backward(saved: Any, g: Any) -> Any:
        w, x, y = saved
        return g * x.T @ (x @ w - y) / len(y), jnp.zeros_like(x), jnp.zeros_like(y)

    loss.defvjp(forward, backward)
    found = solve(loss, 0.1 * l1, ZEROS, X, Y)
    assert bool(found.converged)
    np.testing.assert_allclose(found.params, lasso().params, rtol=0, atol=1e-4)


# Devices


def on_devices(count: int, axes: AxisType, by: tuple[Any, Any, Any]) -> list[Any]:
    """The start, features and target over the first devices, split as ``by`` says."""
    mesh = Mesh(np.array(jax.devices()[:count]), ("d",), axis_types=(axes,))
    return [
        jax.device_put(a, NamedSharding(mesh, spec))
        for a, spec in zip((ZEROS, X, Y), by, strict=True)
    ]


ROWS, COLUMNS = (P(), P("d"), P("d")), (P("d"), P(None, "d"), P())


@pytest.mark.parametrize("by", [ROWS, COLUMNS], ids=["examples", "features"])
@pytest.mark.parametrize("count", [2, 8])
def test_split_over_devices_the_solution_is_the_same_and_split_alike(count: int, by: Any):
    w, x, y = on_devices(count, AxisType.Auto, by)
    found = solve(squares, 0.1 * l1, w, x, y)
    np.testing.assert_allclose(found.params, lasso().params, rtol=0, atol=1e-5)
    assert np.array_equal(found.params != 0, lasso().params != 0)
    assert bool(found.converged)
    if by is COLUMNS:
        assert found.params.sharding.is_equivalent_to(w.sharding, 1)


def test_on_an_explicit_mesh_and_inside_shard_map():
    w, x, y = on_devices(8, AxisType.Explicit, ROWS)
    with jax.set_mesh(x.sharding.mesh):
        found = solve(squares, 0.1 * l1, w, x, y)
    np.testing.assert_allclose(found.params, lasso().params, rtol=0, atol=1e-5)
    mesh = Mesh(np.array(jax.devices()[:2]), ("d",))

    def each_its_own(y: Any) -> Any:
        return solve(squares, 0.1 * l1, ZEROS, X, y[0]).params[None]

    def all_together(x: Any, y: Any) -> Any:
        def loss(w: Any) -> Any:
            return jax.lax.pmean(squares(w, x, y), "d")

        def first(strength: Any) -> Any:
            found = solve(loss, strength * l1, ZEROS)
            return found.params[0], found

        return jax.grad(first, has_aux=True)(0.1)

    mapped = jax.shard_map(each_its_own, mesh=mesh, in_specs=P("d"), out_specs=P("d"))
    both = jax.jit(mapped)(np.stack([Y, 2 * Y]))
    np.testing.assert_allclose(both[0], lasso().params, rtol=0, atol=1e-5)
    mapped = jax.shard_map(all_together, mesh=mesh, in_specs=P("d"), out_specs=P())
    slope, found = jax.jit(mapped)(X, Y)
    np.testing.assert_allclose(found.params, lasso().params, rtol=0, atol=1e-5)
    exact = jax.jit(jax.grad(lambda s: solve(squares, s * l1, ZEROS, X, Y).params[0]))(0.1)
    np.testing.assert_allclose(slope, exact, rtol=1e-4)


# Wrong calls


def vector(w: Any, x: Any, y: Any) -> Any:
    return (x @ w - y) ** 2


def with_aux(w: Any, x: Any, y: Any) -> Any:
    return squares(w, x, y), {"fit": x @ w}


SQUARE = np.ones((2, 2), np.float32)
WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "loss and penalty exchanged": (
        lambda: solve(l1, squares, ZEROS, X, Y),
        TypeError,
        "got them exchanged; write solve(loss, l1, params, …)",
    ),
    "two penalties": (lambda: solve(l1, l2, ZEROS, X, Y), TypeError, "solve(loss, p + q, params"),
    "a strength": (
        lambda: solve(squares, 0.1, ZEROS, X, Y),
        TypeError,
        "got 0.1; for a strength s write solve(loss, s * l2, params, …)",
    ),
    "strengths as a list": (
        lambda: solve(squares, [0.1, 0.2], ZEROS, X, Y),
        TypeError,
        "expected a penalty such as 1e-4 * l2, got a list of 2 Python numbers",
    ),
    "an optimizer for the loss": (
        lambda: solve(optax.sgd(0.1), l1, ZEROS, X, Y),
        TypeError,
        "expected the function loss(params, …), got an optimizer",
    ),
    "the value of the loss": (
        lambda: solve(squares(ZEROS, X, Y), l1, ZEROS),
        TypeError,
        "give the function, not its value",
    ),
    "a loss for each example": (
        lambda: solve(vector, l1, ZEROS, X, Y),
        TypeError,
        "a loss that returns a scalar, got float32 of shape (32,); return its mean",
    ),
    "auxiliary data": (
        lambda: solve(with_aux, l1, ZEROS, X, Y),
        TypeError,
        "write solve(loss, penalty, params, …, has_aux=True)",
    ),
    "no parameters": (
        lambda: solve(squares, l1, np.zeros(16, int), X, Y),
        ValueError,
        "integers are not trained",
    ),
    "low precision": (
        lambda: solve(squares, l1, ZEROS.astype(jnp.bfloat16), X, Y),
        TypeError,
        "expected parameters of float32 or more, got bfloat16",
    ),
    "no prox": (
        lambda: solve(lambda w: jnp.sum(w**2), orthogonal("rows"), SQUARE),
        NotImplementedError,
        "expected a penalty whose prox has a closed form",
    ),
    "no joint prox": (
        lambda: solve(lambda w: jnp.sum(w**2), 0.5 * l1 + nuclear, SQUARE),
        TypeError,
        "known in closed form together, got 0.5 * l1 and nuclear on the same array",
    ),
    "a rule that matches nothing": (
        lambda: solve(squares, l1.on("kernel"), {"w": ZEROS}, X, Y),
        ValueError,
        "it matches none of 1; the nearest names are w",
    ),
    "data by name": (
        lambda: solve(squares, l1, ZEROS, x=X, y=Y),
        TypeError,
        "write solve(loss, penalty, params, x, y), without the names",
    ),
    "another library's name": (
        lambda: solve(squares, l1, ZEROS, X, Y, maxiter=10),
        TypeError,
        "got maxiter=; write max_steps=…",
    ),
    "no steps": (lambda: lasso(max_steps=0), ValueError, "an integer of at least 1, got 0"),
    "no tolerance": (lambda: lasso(tolerance=0), ValueError, "tolerance: expected a number > 0"),
    "NaN in the data": (
        lambda: solve(squares, l1, ZEROS, X * np.nan, Y),
        ValueError,
        "expected a finite loss and gradient at params, where the search starts, got nan",
    ),
    "a start outside of the domain": (
        lambda: solve(lambda w: -jnp.sum(jnp.log(w)), l1, ZEROS),
        ValueError,
        "got inf as the loss; start elsewhere",
    ),
    "a number among the parameters": (
        lambda: solve(squares, l1, {"w": ZEROS, "b": 0.0}, X, Y),
        TypeError,
        "got the number 0.0 as b, which would stay as it is; write jnp.array(0.0)",
    ),
    "data in a sparse matrix of scipy": (
        lambda: solve(squares, l1, ZEROS, scipy.sparse.csr_matrix(X), Y),
        TypeError,
        "got a sparse matrix of scipy of shape (32, 16) as the first; JAX computes with jax.exp",
    ),
    "data as a list": (
        lambda: solve(squares, l1, ZEROS, X, Y.tolist()),
        TypeError,
        "got a list of 32 Python numbers as the second; make it one: jnp.asarray(…)",
    ),
    "labels as strings": (
        lambda: solve(squares, l1, ZEROS, X, np.array(["yes"] * 32)),
        TypeError,
        "got an array of <U3 as the second",
    ),
    "a path of what has no gradient": (
        lambda: path(squares, l1, ZEROS, np.zeros_like(X), Y, count=3),
        ValueError,
        "the gradient is 0 on all that l1 penalises",
    ),
    "one strength": (
        lambda: path(squares, l1, ZEROS, X, Y, strengths=0.1),
        TypeError,
        "for one strength write solve(loss, strength * penalty, params, …)",
    ),
    "a negative strength": (
        lambda: path(squares, l1, ZEROS, X, Y, strengths=[0.1, -1.0]),
        ValueError,
        "strengths: expected a finite number ≥ 0, got -1.0",
    ),
    "a count that is none": (
        lambda: path(squares, l1, ZEROS, X, Y, count=1),
        ValueError,
        "count: expected an integer of at least 2, got 1",
    ),
    "a ratio above 1": (
        lambda: path(squares, l1, ZEROS, X, Y, ratio=10),
        ValueError,
        "the smallest strength beside the largest, below 1, got 10",
    ),
    "a constraint along a path": (
        lambda: path(squares, non_negative, ZEROS, X, Y),
        TypeError,
        "write solve(loss, non_negative, params, …)",
    ),
    "a path from a top that there is not": (
        lambda: path(squares, mcp(3.0), ZEROS, X, Y),
        TypeError,
        "got mcp(gamma=3.0)",
    ),
}


def test_axes_and_settings_in_a_tuple_are_handed_to_the_loss():
    def loss(w: Any, x: Any, axes: Any, rates: Any) -> Any:
        return rates[0] * jnp.sum(jnp.square(x * w - 1), axes) + rates[1] * jnp.sum(w**2)

    x = np.full((2, 16), 2.0, np.float32)
    found = solve(loss, 0.1 * l1, ZEROS, x, (0, 1), (0.5, 1.0))
    np.testing.assert_allclose(found.params, (2.0 - 0.05) / 5, rtol=1e-5)  # 10 w = 4 − 0.1


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_told_what_to_write(name: str):
    call, error, text = WRONG[name]
    with pytest.raises(error, match=re.escape(text)):
        call()


def test_inside_jit_a_start_that_is_not_finite_is_not_converged():
    found = jax.jit(lambda x: solve(squares, 0.1 * l1, ZEROS, x, Y))(X * np.nan)
    assert not found.converged
    assert found.steps == 0


def test_beside_one_that_diverges_the_others_are_solved():
    data = jnp.stack([X, X * jnp.nan, X])
    found = jax.jit(jax.vmap(lambda x: solve(squares, 0.1 * l1, ZEROS, x, Y)))(data)
    assert found.converged.tolist() == [True, False, True]
    np.testing.assert_allclose(found.params[2], lasso().params, rtol=0, atol=1e-5)
    assert "2 of 3 converged" in repr(found)
    assert "NOT converged: 1" in repr(found)

"""Descent on working sets: on which losses it works, and that it finds the same solutions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import box, diagnostics, group_lasso, l1, l2, nuclear, path
from jaxreg._solve import working_set
from jaxreg._solve.contracted import Contraction, contraction
from jaxreg._solve.problem import Data, scaled
from tests.jaxreg import problems

EXAMPLES, FEATURES = 30, 96
X, Y = problems.linear(0, EXAMPLES, FEATURES)
OUTPUTS = 3


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def squares(p: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.mean((x @ p["w"] + p["b"] - y[:, None]) ** 2)


def scores(p: Any, x: Any, y: Any) -> Any:
    each = jax.jit(lambda x, w: jnp.einsum("ij,jk->ik", x, w))(x, p["w"]) + p["b"]
    return jnp.mean(jax.nn.logsumexp(each, axis=1) - each[:, 0] * jnp.sign(y))


def one_output(w: Any, x: Any, y: Any) -> Any:
    return jnp.mean(jnp.logaddexp(0, -y * jnp.dot(x, w)))


SHAPED = {"b": np.zeros(OUTPUTS), "w": np.zeros((FEATURES, OUTPUTS))}
VECTOR = np.zeros(FEATURES)
FEATURE_AXES = {
    "a matrix of weights beside a bias": (
        squares,
        SHAPED,
        Contraction(FEATURES, ((1, 0),), ((0, 1),)),
    ),
    "within a compiled function": (scores, SHAPED, Contraction(FEATURES, ((1, 0),), ((0, 1),))),
    "a vector": (one_output, VECTOR, Contraction(FEATURES, ((0, 0),), ((0, 1),))),
    "two products with the same data": (
        lambda p, x, y: jnp.mean((x @ p["a"] - y) ** 2 * jnp.exp(x @ p["b"])),
        {"a": VECTOR, "b": VECTOR},
        Contraction(FEATURES, ((0, 0), (1, 0)), ((0, 1),)),
    ),
    "weights used besides": (lambda w, x, y: one_output(w, x, y) + w[0] ** 2, VECTOR, None),
    "data used besides": (lambda w, x, y: one_output(w, x, y) + jnp.mean(x), VECTOR, None),
    "data of a Gram matrix": (lambda w, x, y: w @ (x.T @ x @ w) - y @ x @ w, VECTOR, None),
    "no product": (lambda w, x, y: jnp.mean((w - x[0]) ** 2), VECTOR, None),
}


@pytest.mark.parametrize("name", FEATURE_AXES)
def test_axes_that_are_only_contracted_with_data_are_found(name: str):
    loss, params, expected = FEATURE_AXES[name]
    program = jax.make_jaxpr(loss)(params, X, Y)
    assert contraction(program.jaxpr, len(jax.tree.leaves(params))) == expected


REFERENCE = {"b": np.zeros(OUTPUTS), "w": np.full((FEATURES, OUTPUTS), 0.01)}
PATHS = {
    "entries around a reference": (l1.on("^w$") + 0.1 * l2.around(REFERENCE), 0.3),
    "rows, bounded": (group_lasso(1).on("^w$") + box(-1.0, 0.1).on("^b$"), 0.8),
}


@pytest.mark.parametrize("name", PATHS)
def test_on_working_sets_the_whole_problem_is_solved(name: str, monkeypatch: pytest.MonkeyPatch):
    penalty, largest = PATHS[name]
    monkeypatch.setattr(working_set, "SMALLEST", 1)
    monkeypatch.setattr(working_set, "PARTS", (6, 2))  # each size is a program
    chosen, choose = [], working_set._set_of
    monkeypatch.setattr(working_set, "_set_of", lambda *a: chosen.append(a) or choose(*a))
    strengths = np.geomspace(largest, 0.03 * largest, 6)
    found = path(squares, penalty, SHAPED, X, Y, strengths=strengths, degrees_of_freedom=False)
    assert chosen
    assert bool(found.converged.all()), found

    @jax.vmap
    def left(strength: Any, params: Any) -> Any:
        gradient = jax.grad(squares)(params, X, Y)
        return diagnostics.optimality(scaled(penalty, strength), params, gradient)

    assert max(map(np.max, jax.jit(left)(strengths, found.params).values())) < 1e-8
    live = np.any(found.params["w"], axis=2).sum(axis=1)
    assert 0 < live[0] * working_set.ROOM < FEATURES / min(working_set.PARTS)


@pytest.mark.parametrize(
    ("penalty", "separable"),
    [(l1, True), (group_lasso(1), True), (group_lasso(0), False), (l1 + nuclear, False)],
    ids=repr,
)
def test_penalties_that_couple_features_have_none(penalty: Any, separable: bool):
    axes = Contraction(1024, ((0, 0),), ((0, 1),))
    data = Data(penalty, [jnp.zeros((1024, 1024))], [])
    assert working_set._pays(axes, [jnp.zeros((1024, 2))], data) == separable

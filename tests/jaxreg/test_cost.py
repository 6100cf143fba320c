"""What penalties cost, in counts that do not depend on the machine: passes, kernels, equations."""

from __future__ import annotations

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import group_lasso, l1, l2, regularized, weights
from tests.xla import AS_USERS

traffic = pytest.importorskip("experiments.benchmark.memory_traffic")
bytes_moved, passes = traffic.bytes_moved, traffic.passes  # which the library's own archive lacks

W = jnp.linspace(-1, 1, 192 * 128).reshape(192, 128)
SMALL = 0.03  # passes: what is written once for each group or leaf


def tree(leaves, dtype=jnp.float32):
    return {f"layer{i}": {"kernel": W.astype(dtype)} for i in range(leaves)}


def compiled(f, *args, **options):
    return jax.jit(f, **options).lower(*args).compile(compiler_options=AS_USERS)


def size(params):
    return sum(w.nbytes for w in jax.tree.leaves(params))


def counted(f, params):
    """Passes over the parameters, and kernels."""
    text = compiled(f, params).as_text()
    return passes(text, size(params)), len(bytes_moved(text))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=lambda d: d.__name__)
@pytest.mark.parametrize("penalty", [l2, 0.1 * l1, 0.1 * l2.on(weights)], ids=repr)
def test_a_value_reads_each_byte_once(penalty, dtype):
    params = tree(5, dtype)
    found, kernel_count = counted(penalty, params)
    assert found == pytest.approx(1, abs=SMALL)
    assert kernel_count <= 5 + 2


def test_a_gradient_reads_each_byte_once_and_writes_one_for_it():
    found, kernel_count = counted(jax.grad(lambda params: (0.1 * l2)(params)), tree(5))
    assert found == pytest.approx(2, abs=SMALL)
    assert kernel_count <= 5 + 1


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=lambda d: d.__name__)
@pytest.mark.parametrize("penalty", [0.1 * l2, 0.1 * l1, 0.1 * l1 + 0.1 * l2], ids=repr)
def test_an_entrywise_prox_is_one_kernel_that_reads_once_and_writes_once(penalty, dtype):
    found, kernel_count = counted(lambda params: penalty.prox(params, 0.5), tree(5, dtype))
    assert (found, kernel_count) == (2, 5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=lambda d: d.__name__)
@pytest.mark.parametrize("axis", [0, 1])
def test_the_prox_of_groups_reads_twice_and_writes_once(axis, dtype):
    penalty = 0.1 * group_lasso(axis)
    found, _ = counted(lambda params: penalty.prox(params, 0.5), tree(5, dtype))
    assert found == pytest.approx(3, abs=5 * SMALL)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_prox_of_bfloat16_groups_makes_no_float32_copy(axis):
    params = tree(1, jnp.bfloat16)
    program = compiled(lambda params: (0.1 * group_lasso(axis)).prox(params, 0.5), params)
    assert program.memory_analysis().temp_size_in_bytes < 0.1 * size(params)


def test_a_step_of_sgd_with_l2_reads_the_parameters_once_more():
    """The gradient of the penalty is part of the update; only its value takes a pass."""

    def loss(params, batch):
        products = [batch @ w for w in jax.tree.leaves(params)]
        return sum(jnp.mean(jnp.square(product)) for product in products)

    def step(loss, params, batch):
        value, grads = jax.value_and_grad(loss)(params, batch)
        return jax.tree.map(lambda w, g: w - 0.1 * g, params, grads), value

    def with_l2(params, batch):
        return regularized(loss, 0.1 * l2)(params, batch)[0]

    params, batch = tree(4), jnp.ones((2, 192))
    plain, penalized = (
        passes(compiled(partial(step, f), params, batch).as_text(), size(params))
        for f in (loss, with_l2)
    )
    assert penalized - plain == pytest.approx(1, abs=SMALL)


@pytest.mark.parametrize(
    "f",
    [
        lambda params: (0.1 * l2)(params),
        jax.value_and_grad(lambda params: (0.1 * l2)(params)),
        lambda params: (0.1 * l1).prox(params, 0.5),
    ],
    ids=["value", "value and gradient", "prox"],
)
def test_programs_grow_linearly_with_the_leaves(f):
    """Equally long steps in leaves add equally many equations and kernels."""
    counts = np.array(
        [
            [_equations(jax.make_jaxpr(f)(tree(n)).jaxpr), counted(f, tree(n))[1]]
            for n in (72, 96, 120)  # sums of three levels
        ]
    )
    first, second = np.diff(counts, axis=0)
    np.testing.assert_allclose(first, second, atol=5)  # the blocks of a sum are not all full
    assert (second <= (12 * 24, 3 * 24)).all()


def _equations(jaxpr):
    inner = (
        getattr(value, "jaxpr", value)
        for equation in jaxpr.eqns
        for value in equation.params.values()
        if hasattr(value, "jaxpr") or hasattr(value, "eqns")
    )
    return len(jaxpr.eqns) + sum(map(_equations, inner))


def test_no_kernel_takes_more_operands_for_more_leaves():
    """One that adds up all leaves takes the compiler quadratic time."""
    widest = [_operands(compiled(l2, tree(leaves)).as_text()) for leaves in (128, 256)]
    assert widest[0] == widest[1] < 64


def _operands(text):
    """The most operands of a kernel."""
    entry = text[text.index("\nENTRY") :].partition("\n}")[0]
    return max(
        len(re.findall(r"%[\w.-]+", line)) - 1 for line in entry.splitlines() if "(%" in line
    )


def test_a_value_has_no_more_equations_than_that_of_optax():
    params = tree(64)
    ours, theirs = (
        _equations(jax.make_jaxpr(f)(params).jaxpr)
        for f in (l2, lambda params: optax.tree.norm(params, squared=True))
    )
    assert ours <= theirs


def test_one_program_serves_fifty_strengths():
    traces = []

    @jax.jit
    def value_and_prox(penalty, params):
        traces.append(penalty)
        return penalty(params), penalty.prox(params, 0.5)

    for strength in np.linspace(0, 1, 50):
        value_and_prox(strength * l2.on(weights) + 0.5 * l1, tree(1))
    assert len(traces) == 1

"""The algebra of penalties: numbers times them, sums, selections, references, dtypes, trees."""

from __future__ import annotations

import inspect
import itertools
import operator
import pydoc
import re
from typing import Any

import equinox
import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxreg
from jaxreg import Penalty, biases, elastic_net, l1, l2, weights, where

W = {"fc1": {"bias": jnp.array([1.0, -2.0]), "kernel": jnp.array([[3.0, -4.0], [0.0, 0.5]])}}
SQUARES, MODULI = 5 + 25.25, 3 + 7.5  # of W, bias + kernel

NUMBERS = {
    "int": 2,
    "float": 2.0,
    "np.float32": np.float32(2),
    "np.float64": np.float64(2),
    "np.int64": np.int64(2),
    "0-d np.ndarray": np.array(2.0),
    "jnp scalar": jnp.array(2.0),
    "jnp int": jnp.array(2),
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_number_of_any_type_multiplies_from_both_sides(number):
    for penalty in (number * l2, l2 * number):
        assert isinstance(penalty, Penalty)
        assert float(penalty(W)) == 2 * SQUARES


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_traced_number_of_any_type_multiplies_from_both_sides(number):
    values = jax.jit(lambda s: ((s * l2)(W), (l2 * s)(W)))(number)
    assert [float(v) for v in values] == [2 * SQUARES] * 2


def test_the_gradient_with_respect_to_an_integer_strength_exists():
    gradient = jax.grad(lambda penalty: penalty(W))(2 * l2)
    assert jax.tree.leaves(gradient) == [SQUARES]


def test_addition_multiplication_and_sum_read_as_in_a_formula():
    penalty = 0.5 * (l2 + 2 * l1) + sum([l1, 0.25 * l2])
    assert float(penalty(W)) == 0.75 * SQUARES + 2 * MODULI
    assert repr(penalty) == "0.5 * l2 + l1 + l1 + 0.25 * l2"


def test_vmap_over_a_batched_penalty_is_the_loop_over_its_strengths():
    strengths = jnp.array([0.0, 0.5, 3.0])
    batch = jax.vmap(lambda s: s * l2 + l1)(strengths)
    values = jax.vmap(lambda penalty: penalty(W))(batch)
    np.testing.assert_allclose(values, strengths * SQUARES + MODULI, rtol=1e-6)


def test_the_gradient_with_respect_to_a_penalty_is_a_penalty_of_its_parts():
    penalty = 0.1 * l2.on("kernel") + 0.3 * l1
    gradient = jax.grad(lambda p: p(W))(penalty)
    assert jax.tree.structure(gradient) == jax.tree.structure(penalty)
    np.testing.assert_allclose(jax.tree.leaves(gradient), [25.25, MODULI], rtol=1e-6)


def test_a_penalty_as_an_argument_of_jit_is_traced_once():
    traces = []

    @jax.jit
    def value(penalty, params):
        traces.append(penalty)
        return penalty(params)

    for strength in np.linspace(0, 1, 50):
        found = value(strength * l2 + 0.5 * l1.on("bias"), W)
        np.testing.assert_allclose(found, strength * SQUARES + 1.5, rtol=1e-6)
    assert len(traces) == 1


def test_equinox_compiles_once_for_strengths_that_are_arrays():
    """As documented: it takes Python numbers for constants of the program."""
    traces = []

    @equinox.filter_jit
    def value(penalty, params):
        traces.append(penalty)
        return penalty(params)

    for kind, compilations in ((jnp.asarray, 1), (np.asarray, 1), (float, 3)):
        traces.clear()
        for strength in (0.25, 0.5, 2.0):
            assert float(value(kind(strength) * l2, W)) == strength * SQUARES
        assert len(traces) == compilations


def test_penalties_with_the_same_leaves_have_different_structures():
    """Or jit, given one of them, might run what it has compiled for the other."""
    alike = [l1, l2, jaxreg.nuclear, jaxreg.l0], [jaxreg.mcp(3.0), jaxreg.huber(3.0)]
    for group in alike:
        structures = [jax.tree.structure(penalty) for penalty in group]
        structures += [jax.tree.structure(2.0 * penalty) for penalty in group]
        assert all(a != b for a, b in itertools.combinations(structures, 2))
    assert jax.tree.structure(2.0 * l2) == jax.tree.structure(3.0 * l2)


def test_a_penalty_with_an_array_strength_can_be_jitted_itself():
    penalty = jnp.array(0.5) * l2
    assert float(jax.jit(penalty)(W)) == 0.5 * SQUARES


def test_a_penalty_stored_on_a_class_is_not_bound_as_a_method():
    class Model:
        penalty = 2.0 * l2

    assert float(Model().penalty(W)) == 2 * SQUARES


# --- repr ---

READABLE = [
    l2,
    l1,
    1e-4 * l2,
    0.5 * l2.on("kernel$") + l1,
    2.0 * l1.on(weights) + 1e-05 * l2.on(biases),
    l2.on(weights & ~where("embed")),
    l2.on((weights | where("scale")) & ~biases),
    elastic_net(l1=0.5, l2=0.25),
    l1.on("fc1").on("kernel"),
    l2.on(where(None)),
    l2.on(r"layers/\d+/kernel"),
    l2.on({"fc1": {"bias": False, "kernel": True}}),
    jaxreg.huber(delta=0.5),
    jaxreg.log_sum(eps=0.1),
    0.5 * jaxreg.mcp(gamma=3.0).on("kernel$") + jaxreg.l0,
    jaxreg.scad(a=3.7),
    l2 + jaxreg.box(lower=0.0, upper=float("inf")),
    1e-4 * l2.on(weights) + jaxreg.non_negative,
    jaxreg.group_lasso(axis=(0, -1)),
    jaxreg.sparse_group_lasso(axis=0, l1_ratio=0.25),
    jaxreg.max_norm(bound=3.0, axis=-2),
    jaxreg.orthogonal(mode="columns") + 2.0 * jaxreg.nuclear + jaxreg.spectral,
    0.5 * l1.weighted({"fc1": {"bias": 0.0, "kernel": 2.0}}) + l2.weighted(3.0).weighted(0.1),
    jaxreg.group_lasso(0).weighted({"fc1": jnp.array([[0.1, 2.0]])}).on("kernel$"),
]


@pytest.mark.parametrize("penalty", READABLE, ids=repr)
def test_the_repr_evaluates_to_the_same_penalty_by_public_names(penalty):
    again = eval(repr(penalty), vars(jaxreg) | {"jnp": jnp})
    assert repr(again) == repr(penalty)
    ours, theirs = again.on(where(None)), penalty.on(where(None))  # sums, both
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)


def test_the_repr_of_a_traced_strength_names_it_and_of_an_array_shows_it():
    seen = []
    jax.jit(lambda s: seen.append(repr(s * l2)))(1.0)
    assert seen == ["λ * l2"]
    assert repr(jnp.array(0.5) * l1) == "0.5 * l1"
    assert repr(l2.around(W)) == "l2.around(…)"
    assert repr(l1.weighted({"fc": np.ones(13)})) == "l1.weighted({'fc': …})"


# --- misuse ---


def text(message):
    return "^" + re.escape(message) + "$"


MISUSE = {
    "l2(1e-4)": (
        lambda: l2(1e-4),
        TypeError,
        "l2: expected parameters (a pytree of arrays), got the number 0.0001; "
        "write 0.0001 * l2(params)",
    ),
    "l2(np.float32)": (
        lambda: l2(np.float32(0.5)),
        TypeError,
        "l2: expected parameters (a pytree of arrays), got the number np.float32(0.5); "
        "write np.float32(0.5) * l2(params)",
    ),
    "l2(params, 1e-4)": (
        lambda: l2(W, 1e-4),
        TypeError,
        "l2: expected one argument, the parameters, got also 0.0001; write 0.0001 * l2(params)",
    ),
    "prox(number)": (
        lambda: l1.prox(2, 1.0),
        TypeError,
        "l1: expected parameters (a pytree of arrays), got the number 2; write 2 * l1(params)",
    ),
    "grad(number)": (
        lambda: l1.grad(2.5),
        TypeError,
        "l1: expected parameters (a pytree of arrays), got the number 2.5; write 2.5 * l1(params)",
    ),
    "penalty * penalty": (
        lambda: l1 * l2,
        TypeError,
        "penalties: expected a number times a penalty, got two; add them: p + q",
    ),
    "l2()": (l2, TypeError, "l2: expected the parameters, got nothing; write l2(params)"),
    "l2(1e-4, params)": (
        lambda: l2(1e-4, W),
        TypeError,
        "l2: expected one argument, the parameters, got the number 0.0001 in their place and a "
        "dict of 2 float32 arrays beside it, exchanged; write 0.0001 * l2(params)",
    ),
    "l2(strength=)": (
        lambda: l2(strength=1e-4),
        TypeError,
        "l2: expected one argument, the parameters, got also strength=; write 0.0001 * l2(params)",
    ),
    "l2(params, where=)": (
        lambda: l2(W, where=weights),
        TypeError,
        "l2: expected one argument, the parameters, got also where=; write l2.on(weights)(params)",
    ),
    "l2(params, regex)": (
        lambda: (2 * l2)(W, "kernel"),
        TypeError,
        "2.0 * l2: expected one argument, the parameters, got also the string 'kernel'; "
        "write (2.0 * l2).on('kernel')(params)",
    ),
    "l2(params, reference=)": (
        lambda: (l1 + l2)(W, anchor=W),
        TypeError,
        "l1 + l2: expected one argument, the parameters, got also anchor=; "
        "write (l1 + l2).around(reference)(params)",
    ),
    "l2(params, weights=)": (
        lambda: (l1 + l2)(W, penalty_factor={"fc1": 2.0}),
        TypeError,
        "l1 + l2: expected one argument, the parameters, got also penalty_factor=; "
        "write (l1 + l2).weighted(weights)(params)",
    ),
    "l2(params, params)": (
        lambda: l2(W, W),
        TypeError,
        "l2: expected one argument, the parameters, got also a dict of 2 float32 arrays; "
        "write l2.around(reference)(params)",
    ),
    "l2(params, reduction=)": (
        lambda: l2(W, reduction="mean"),
        TypeError,
        "l2: expected one argument, the parameters, got also reduction=; "
        "write strength * l2(params)",
    ),
    "l2(regex)": (
        lambda: l2("kernel"),
        TypeError,
        "l2: expected parameters (a pytree of arrays), got the string 'kernel'; "
        "write l2.on('kernel')(params)",
    ),
    "l2(rule)": (
        lambda: l2(biases),
        TypeError,
        "l2: expected parameters (a pytree of arrays), got the rule biases; "
        "write l2.on(biases)(params)",
    ),
    "prox(step, params)": (
        lambda: (2 * l2).prox(0.1, W),
        TypeError,
        "2.0 * l2: expected parameters and step, got them exchanged; "
        "write (2.0 * l2).prox(params, 0.1)",
    ),
    "prox(params)": (
        lambda: l2.prox(W),
        TypeError,
        "l2.prox: expected the arguments (params, step), got none for step; "
        "write l2.prox(params, step)",
    ),
    "prox(params, lr=)": (
        lambda: l2.prox(W, lr=0.1),
        TypeError,
        "l2.prox: expected the arguments (params, step), got lr=; write step=…",
    ),
    "prox(params, None)": (
        lambda: l2.prox(W, None),
        TypeError,
        "step: expected a number, got None",
    ),
    "around(number)": (
        lambda: l2.around(1.0),
        ValueError,
        "around, reference: expected at least one floating-point array among the parameters, got "
        "1.0; write jax.tree.map(lambda w: jnp.full_like(w, 1.0), params)",
    ),
    "two references": (
        lambda: l2.around(W).around(W),
        ValueError,
        "around: expected a penalty without a reference, but it has one",
    ),
    "a missing reference": (
        lambda: l2.around({"fc1": {"kernel": jnp.ones((2, 2))}})(W),
        ValueError,
        "reference: expected a leaf 'fc1/bias', but there is none; the nearest is "
        "['fc1/kernel']; leave the leaf out of the selection",
    ),
    "an array of strengths": (
        lambda: (jnp.ones(3) * l2)(W),
        ValueError,
        "strength: expected a scalar, got an array of shape (3,); for a number for each leaf, "
        "entry or group write l2.weighted(weights); for many strengths map over them: "
        "jax.vmap(lambda strength: …)(values)",
    ),
    "a NumPy array of strengths": (
        lambda: (np.ones(2) * l2)(W),
        ValueError,
        "strength: expected a scalar, got an array of shape (2,); for a number for each leaf, "
        "entry or group write l2.weighted(weights); for many strengths map over them: "
        "jax.vmap(lambda strength: …)(values)",
    ),
    "weights by a rule": (
        lambda: (2 * l2).weighted(weights),
        TypeError,
        "weights: expected a tree of numbers, got the rule weights; to select leaves write "
        "(2.0 * l2).on(weights)",
    ),
    "weights by a function": (
        lambda: l1.weighted(lambda name, leaf: 1.0),
        TypeError,
        "weights: expected numbers ≥ 0, in a tree like the parameters or a prefix of it, got the "
        "function <lambda>; write l1.weighted({'fc1': 2.0, 'fc2': 0.5})",
    ),
    "weights as text": (
        lambda: l1.weighted({"fc1": "0.1"}),
        TypeError,
        "weights: expected numbers ≥ 0 at fc1, got the string '0.1'",
    ),
    "complex weights": (
        lambda: l1.weighted({"fc1": jnp.array([1j])}),
        TypeError,
        "weights: expected real numbers at fc1, got a complex64 array of shape (1,)",
    ),
    "weights of a constraint": (
        lambda: (l1 + jaxreg.non_negative).weighted(2.0),
        TypeError,
        "non_negative: expected no weights: a constraint is 0 or ∞, and 0·∞ is undefined; add it "
        "as it is: l1.weighted(weights) + non_negative",
    ),
    "a negative weight": (
        lambda: l1.weighted({"a": -1}),
        ValueError,
        "weights: expected finite numbers ≥ 0 at a, got -1; 0 leaves an entry free",
    ),
    "an infinite weight": (
        lambda: l1.weighted(1 / jnp.array([1.0, 0.0])),
        ValueError,
        "weights: expected finite numbers ≥ 0, got inf; a large weight such as 1e6 holds an entry "
        "at 0, so that 1/(|w| + 1e-6) will do",
    ),
    "a missing weight": (
        lambda: l1.weighted({"fc1": {"kernel": 1.0}, "fc": 1.0})(W),
        ValueError,
        "weights: expected a weight for 'fc1/bias', but there is none; the nearest is "
        "['fc1/kernel']; give it one, 0 to leave it free, or leave it out of the selection: "
        "l1.weighted(…).on(…)",
    ),
    "weights of another shape": (
        lambda: l1.weighted({"fc1": {"kernel": np.ones(3), "bias": 1}})(W),
        ValueError,
        "weights: expected numbers that broadcast to (2, 2), one for each entry, got a float64 "
        "array of shape (3,) at fc1/kernel of shape (2, 2); reshape it",
    ),
    "weights of entries for groups": (
        lambda: jaxreg.group_lasso(1).weighted(W["fc1"]["kernel"] ** 2)(W["fc1"]["kernel"]),
        ValueError,
        "weights: expected numbers that broadcast to (2,) or (2, 1), one for each part of "
        "group_lasso(axis=1), got a float32 array of shape (2, 2) at the array of shape (2, 2); "
        "reshape it",
    ),
    "weights of entries for a matrix": (
        lambda: jaxreg.nuclear.weighted(np.ones((2, 2)))(W["fc1"]["kernel"]),
        ValueError,
        "weights: expected one number, since nuclear is of the array as a whole, got a float64 "
        "array of shape (2, 2) at the array of shape (2, 2); reshape it",
    ),
    "an array for a subtree": (
        lambda: l1.weighted({"fc1": np.ones(2)})(W),
        ValueError,
        "weights: expected one number for all of fc1, got a float64 array of shape (2,); give "
        "fc1/bias its own",
    ),
    "a list for an array": (
        lambda: l1.weighted([1.0, 0.5])(W["fc1"]["bias"]),
        ValueError,
        "weights: expected a number or an array for the one array, got the entries 0, 1 in its "
        "place; make them one array: jnp.array([…])",
    ),
    "weights by another name": (
        lambda: l1.weighted(penalty_factor=1.0),
        TypeError,
        "l1.weighted: expected the arguments (weights), got penalty_factor=; write weights=…",
    ),
    "an array of steps": (
        lambda: l1.prox(W, jnp.ones(3)),
        ValueError,
        "step: expected a scalar, got an array of shape (3,); "
        "map over it: jax.vmap(lambda step: …)(values)",
    ),
}
BAD_NUMBERS = [-1, -1e-4, float("nan"), float("inf"), True, 1j, np.float32("nan"), np.int64(-2)]


@pytest.mark.parametrize(("call", "error", "message"), MISUSE.values(), ids=MISUSE)
def test_misuse_says_what_was_expected_and_what_to_do(call, error, message):
    with pytest.raises(error, match=text(message)):
        call()


@pytest.mark.parametrize("bad", BAD_NUMBERS, ids=repr)
def test_a_bad_number_is_refused_as_strength_and_as_step(bad):
    for use in (lambda: bad * l2, lambda: l2 * bad, lambda: elastic_net(l1=bad, l2=1)):
        with pytest.raises(
            ValueError, match=text(f"strength: expected a finite number ≥ 0, got {bad!r}")
        ):
            use()
    with pytest.raises(ValueError, match=text(f"step: expected a finite number ≥ 0, got {bad!r}")):
        l2.prox(W, bad)


# --- formulas that a penalty is no part of ---

LOSS = jnp.array(1.0)
TO_SUM = "penalties: expected a number times a penalty, or a sum of penalties, got "
APPLY = "; apply the penalty to the parameters: "
SCHEDULE = optax.linear_schedule(1e-3, 0.0, 10)
AT_STEPS = (
    "strength: expected a number, got the function schedule; a strength that changes with the "
    "step is a schedule of penalties: add_penalty_gradient(lambda step: schedule(step) * l2)"
)
FORMULAS = {
    "loss + λ·l2": (
        lambda: LOSS + 1e-4 * l2,
        f"{TO_SUM}(a float32 array of shape ()) + 0.0001 * l2{APPLY}loss + 0.0001 * l2(params)",
    ),
    "λ·l2 + loss": (
        lambda: 1e-4 * l2 + LOSS,
        f"{TO_SUM}0.0001 * l2 + (a float32 array of shape ()){APPLY}0.0001 * l2(params) + loss",
    ),
    "traced": (
        lambda: jax.grad(lambda w: w + (l1 + l2))(1.0),
        f"{TO_SUM}(a float32 array of shape ()) + l1 + l2{APPLY}loss + (l1 + l2)(params)",
    ),
    "NumPy": (
        lambda: np.ones(3) + l2,
        f"{TO_SUM}(a float64 array of shape (3,)) + l2{APPLY}loss + l2(params)",
    ),
    "a number": (lambda: 1.0 + l2, f"{TO_SUM}1.0 + l2{APPLY}1.0 + l2(params)"),
    "sum from 0.0": (lambda: sum([l2, l1], 0.0), f"{TO_SUM}0.0 + l2{APPLY}0.0 + l2(params)"),
    "l2 + 1": (lambda: l2 + 1, f"{TO_SUM}l2 + 1{APPLY}l2(params) + 1"),
    "l1 - l2": (lambda: l1 - l2, f"{TO_SUM}l1 - l2{APPLY}l1(params) - l2(params)"),
    "2 - l2": (lambda: 2 - l2, f"{TO_SUM}2 - l2{APPLY}2 - l2(params)"),
    "2 / l2": (lambda: 2 / l2, f"{TO_SUM}2 / l2{APPLY}2 / l2(params)"),
    "l2 / 2": (lambda: l2 / 2, f"{TO_SUM}l2 / 2; write (1 / 2) * l2"),
    "l2 ** 2": (
        lambda: (3 * l2) ** 2,
        f"{TO_SUM}(3.0 * l2) ** 2{APPLY}(3.0 * l2(params)) ** 2",
    ),
    "2 ** l2": (lambda: 2**l2, f"{TO_SUM}2 ** l2{APPLY}2 ** l2(params)"),
    "-l2": (
        lambda: -l2,
        f"penalties: expected strengths ≥ 0, got -(l2){APPLY}-l2(params)",
    ),
    "a function": (
        lambda: jax.nn.relu + 1e-4 * l2,
        f"{TO_SUM}(the function relu) + 0.0001 * l2; write regularized(loss, 0.0001 * l2)",
    ),
    "float": (
        lambda: float(2 * l2),
        "2.0 * l2: expected a number, got a penalty, which is a function; apply it to the "
        "parameters: float(2.0 * l2(params))",
    ),
    "text": (
        lambda: "1e-4" * l2,
        "strength: expected a number, got the string '1e-4'; write 1e-4 * l2",
    ),
    "a regex": (
        lambda: l2 * "kernel",
        "strength: expected a number, got the string 'kernel'; to select leaves write "
        "l2.on('kernel')",
    ),
    "schedule * l2": (lambda: SCHEDULE * l2, AT_STEPS),
    "l2 * schedule": (lambda: l2 * SCHEDULE, AT_STEPS),
    "a list": (
        lambda: [1, 2] * l2,
        "strength: expected a number, got a list of 2 Python numbers; for a number for each leaf, "
        "entry or group write l2.weighted(weights); for many strengths map over an array: "
        "jax.vmap(lambda s: (s * l2)(params))(strengths)",
    ),
    "a tree of strengths": (
        lambda: {"fc1": 0.1, "fc2": np.float32(0.01)} * (l1 + l2),
        "strength: expected a number, got a dict of 2 leaves; for a number for each leaf write "
        "(l1 + l2).weighted({…})",
    ),
    "None": (lambda: None * l2, "strength: expected a number, got None; write 1e-4 * l2"),
    "parameters": (
        lambda: W * l2,
        "strength: expected a number, got a dict of 2 float32 arrays; apply the penalty to the "
        "parameters: l2(params)",
    ),
}


@pytest.mark.parametrize(("formula", "message"), FORMULAS.values(), ids=FORMULAS)
def test_a_formula_that_a_penalty_is_no_part_of_says_which_is_meant(formula, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}(\n|$)"):
        formula()


@pytest.mark.parametrize("symbol", ["sub", "truediv", "floordiv", "mod", "pow", "matmul"])
def test_every_other_operation_is_refused_from_both_sides(symbol):
    operation = getattr(operator, symbol)
    for other in (2.0, LOSS, np.ones(2), W, None, l1, [1.0]):
        for sides in ((l2, other), (other, l2)):
            with pytest.raises(TypeError, match=r"^penalties: expected a number "):
                operation(*sides)


def test_prox_and_gradient_leave_alone_what_is_no_parameter():
    model = equinox.nn.MLP(3, 1, 2, 1, key=jax.random.key(0))  # activation functions are leaves
    penalty = 0.5 * l2.on(weights)
    first, proxed = (act(model).layers[0] for act in (penalty.grad, lambda m: penalty.prox(m, 1.0)))
    np.testing.assert_allclose(first.weight, model.layers[0].weight, rtol=1e-6)
    np.testing.assert_allclose(proxed.weight, model.layers[0].weight / 2, rtol=1e-6)
    assert not np.any(first.bias)
    assert penalty.grad(model).activation is model.activation


# --- trees without a parameter ---


class Model:
    """Holds variables and is no tree of them, as the models and layers of Keras."""

    dtype = "float32"
    trainable_variables = ()

    def __call__(self, inputs: Any) -> Any:
        return inputs


NO_PARAMETERS = {
    "None": (None, "None; pass the parameters that the loss is differentiated by"),
    "{}": ({}, "an empty dict; pass the parameters that the loss is differentiated by"),
    "empty within": ([[], {}], "an empty list; pass the parameters that the loss is"),
    "a number within": (
        {"k": 2.0},
        "a dict of 1 Python number; make them arrays: "
        "jax.tree.map(lambda w: jnp.asarray(w, float), params)",
    ),
    "numbers": ([1.0, 2], "a list of 2 Python numbers; make them arrays: jax.tree.map("),
    "integers": (
        {"n": jnp.arange(3), "m": np.arange(2, dtype=np.int32)},
        "a dict of 2 int32 arrays; integers are not trained: convert weights with .astype(float)",
    ),
    "statistics": (
        {"batch_stats": {"mean": jnp.ones(2)}},
        "a dict of 1 float32 array; statistics and variables other than nnx.Param are no param",
    ),
    "a function": (jax.nn.relu, "the function relu; pass the parameters"),
    "a model": (
        Model(),
        "a Model; pass its trainable_variables",
    ),
    "a step": (
        jnp.array(3),
        "an int32 array of shape (); inside optax.inject_hyperparams, which takes a penalty for a "
        "schedule, inject the numbers: lambda strength, learning_rate: optax.chain(",
    ),
}
APPLICATIONS = {
    "value": lambda tree: (0.5 * l2)(tree),
    "prox": lambda tree: (0.5 * l2).prox(tree, 1.0),
    "grad": lambda tree: (0.5 * l2).grad(tree),
    "on nothing": lambda tree: (0.5 * l2).on("kernel")(tree),
    "regularized": lambda tree: jaxreg.regularized(lambda params: 0.0, 0.5 * l2)(tree),
    "around": l2.around,
}


@pytest.mark.parametrize(("tree", "message"), NO_PARAMETERS.values(), ids=NO_PARAMETERS)
def test_a_tree_without_a_parameter_is_refused_with_the_reason(tree, message):
    for name, apply in APPLICATIONS.items():
        owner = {"around": "around, reference", "on nothing": "0.5 * l2.on('kernel')"}
        expected = f"{owner.get(name, '0.5 * l2')}: expected at least one floating-point array "
        with pytest.raises(ValueError, match=re.escape(message)) as error:
            apply(tree)
        assert str(error.value).startswith(f"{expected}among the parameters, got ")


def test_a_traced_negative_strength_is_not_looked_at():
    assert float(jax.jit(lambda s: (s * l2)(W))(-1.0)) == -SQUARES


# --- around ---


def test_around_measures_the_distance_to_the_reference():
    reference = jax.tree.map(lambda w: w - 0.5, W)
    assert float((2 * l2.around(reference))(W)) == pytest.approx(2 * 6 * 0.25)
    assert float((2 * l2 + l1).around(reference)(W)) == pytest.approx(2 * 6 * 0.25 + 6 * 0.5)
    moved = (1e6 * l2).around(reference).prox(W, 1.0)
    jax.tree.map(lambda v, r: np.testing.assert_allclose(v, r, atol=1e-5), moved, reference)


def test_around_may_take_the_prox_of_a_kink_at_the_reference():
    moved = (0.25 * l1).around({"w": jnp.array([1.0, 1.0])}).prox({"w": jnp.array([1.1, 3.0])}, 1.0)
    np.testing.assert_allclose(moved["w"], [1.0, 2.75])


def test_donating_the_original_of_a_reference_does_no_harm():
    reference = {"w": jnp.array([1.0, 2.0])}
    penalty = l2.around(reference)
    step = jax.jit(lambda params: jax.tree.map(lambda w: w + 3, params), donate_argnums=0)
    moved = step(reference)
    assert reference["w"].is_deleted()
    assert float(penalty(moved)) == 18


def test_a_reference_is_found_by_path_inside_masked():
    reference = jax.tree.map(jnp.zeros_like, W)
    reference["fc1"]["kernel"] = W["fc1"]["kernel"] - 1
    mask = {"fc1": {"bias": False, "kernel": True}}
    optimizer = optax.masked(jaxreg.add_penalty_gradient(l2.around(reference)), mask)
    zeros = jax.tree.map(jnp.zeros_like, W)
    updates: Any = optimizer.update(zeros, optimizer.init(W), W)[0]
    np.testing.assert_array_equal(updates["fc1"]["kernel"], 2 * np.ones((2, 2)))
    np.testing.assert_array_equal(updates["fc1"]["bias"], np.zeros(2))


def test_a_reference_is_found_by_path_inside_multi_transform():
    reference = jax.tree.map(lambda w: w - 1, W)
    labels = {"fc1": {"bias": "free", "kernel": "tied"}}
    optimizer = optax.multi_transform(
        {
            "free": optax.set_to_zero(),
            "tied": jaxreg.add_penalty_gradient(0.5 * l2.around(reference)),
        },
        labels,
    )
    ones = jax.tree.map(jnp.ones_like, W)
    updates: Any = optimizer.update(ones, optimizer.init(W), W)[0]
    np.testing.assert_array_equal(updates["fc1"]["kernel"], 2 * np.ones((2, 2)))
    np.testing.assert_array_equal(updates["fc1"]["bias"], np.zeros(2))


def test_a_reference_may_hold_more_leaves_than_the_parameters():
    assert float(l2.around(W)({"fc1": {"bias": jnp.array([2.0, -2.0])}})) == 1


# --- on ---


def test_on_acts_on_every_term_of_a_composed_penalty_and_narrows():
    both = (2 * l2 + l1).on("kernel")
    assert float(both(W)) == 2 * 25.25 + 7.5
    assert float((2 * l2.on("fc1") + l1.on("bias")).on(weights)(W)) == 2 * 25.25


def test_leaves_that_are_not_selected_are_the_same_objects():
    moved = (0.1 * l1).on("kernel").prox(W, 1.0)
    assert moved["fc1"]["bias"] is W["fc1"]["bias"]
    assert not np.array_equal(moved["fc1"]["kernel"], W["fc1"]["kernel"])


def test_the_gradient_is_that_of_automatic_differentiation_zero_where_nothing_is_selected():
    penalty = (0.3 * l1 + 0.7 * l2).on(weights)
    jax.tree.map(np.testing.assert_allclose, penalty.grad(W), jax.grad(penalty)(W))
    np.testing.assert_array_equal(penalty.grad(W)["fc1"]["bias"], np.zeros(2))


# --- dtypes ---


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("penalty", [l1, l2], ids=repr)
def test_low_precision_accumulates_in_float32(penalty, dtype):
    ones = jnp.ones(5121, dtype)  # in bfloat16 a sum of ones stops at 256
    value = penalty(ones)
    assert value.dtype == jnp.float32
    assert float(value) == 5121
    assert jax.grad(penalty)(ones).dtype == dtype


def test_the_value_has_the_widest_dtype_and_every_leaf_keeps_its_own():
    with jax.enable_x64(True):
        params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.full(2, 1 / 3, jnp.float64)}
        penalty = 0.1 * l1 + 0.3 * l2
        value = penalty(params)
        assert value.dtype == jnp.float64
        assert float(value) == pytest.approx(0.1 * (3 + 2 / 3) + 0.3 * (3 + 2 / 9), rel=1e-15)
        moved, gradient = penalty.prox(params, 0.5), penalty.grad(params)
        for tree in (moved, gradient):
            assert {k: v.dtype for k, v in tree.items()} == {"a": "bfloat16", "b": "float64"}
        np.testing.assert_allclose(moved["b"], (1 / 3 - 0.05) / (1 + 2 * 0.15), rtol=1e-15)
        np.testing.assert_allclose(gradient["b"], 0.1 + 0.6 / 3, rtol=1e-15)


@pytest.mark.parametrize("strength", [0.5, np.float64(0.5), np.array(0.5), jnp.array(0.5)])
def test_the_strength_never_widens_the_value(strength):
    for dtype in (jnp.bfloat16, jnp.float32):
        w = jnp.ones(2, dtype)
        assert (strength * l2)(w).dtype == jnp.float32
        assert (strength * l2).prox(w, strength).dtype == dtype
        assert (strength * l2).grad(w).dtype == dtype


def test_strict_dtype_promotion_is_kept_within():
    params = {"a": jnp.ones(2, jnp.bfloat16), "b": jnp.ones(2), "n": jnp.arange(2)}
    with jax.numpy_dtype_promotion("strict"):
        for strength in (0.5, jnp.array(0.5), jnp.array(0.5, jnp.bfloat16), np.float64(0.5)):
            penalty = strength * l2 + l1.on(where("a")) + 0.1 * l2.around(params)
            assert float(penalty(params)) == 0.5 * 4 + 2
            assert penalty.grad(params)["a"].dtype == jnp.bfloat16
            assert penalty.prox(params, 0.5)["a"].dtype == jnp.bfloat16
            total, _ = jaxreg.regularized(lambda w: w["b"].sum(), penalty)(params)
            assert float(total) == 6


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_numpy_in_64_bits_is_computed_in_32_without_a_warning(dtype):
    wide = {"kernel": np.full((4, 3), 2, dtype), "count": np.arange(3)}
    narrow = {"kernel": jnp.asarray(wide["kernel"])}
    assert narrow["kernel"].dtype in (jnp.float32, jnp.complex64)
    for penalty in (
        np.float64(0.1) * l2 + 0.3 * l1,
        0.1 * jaxreg.group_lasso(0),
        0.5 * jaxreg.nuclear + l2.around(wide),
        jaxreg.max_norm(np.float64(1.0), 0),
    ):
        value, moved = penalty(wide), penalty.prox(wide, np.float64(0.1))["kernel"]
        assert value.dtype == jnp.float32
        np.testing.assert_array_equal(value, penalty(narrow))
        np.testing.assert_array_equal(moved, penalty.prox(narrow, 0.1)["kernel"])
        assert moved.dtype == narrow["kernel"].dtype
    assert l2.grad(wide)["kernel"].dtype == narrow["kernel"].dtype


def test_huge_and_tiny_entries_keep_their_gradient_and_prox():
    w = jnp.array([1.5e38, -1e38, 1e-30, -1e-30])
    np.testing.assert_array_equal(l1.grad(w), [1, -1, 1, -1])
    np.testing.assert_allclose((0.25 * l2).grad(w), 0.5 * np.asarray(w), rtol=1e-6)
    np.testing.assert_allclose(l2.prox(w, 0.5), 0.5 * np.asarray(w), rtol=1e-6)
    np.testing.assert_allclose(l1.prox(w, 1e-31)[2:], [9e-31, -9e-31], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite_shows_in_the_value(bad):
    assert not np.isfinite(float((l1 + l2)({"a": jnp.array([1.0, bad])})))


# --- trees ---


def test_what_is_no_parameter_is_left_alone():
    key = jax.random.key(0)
    params = {"w": jnp.array([2.0]), "step": jnp.arange(3), "rate": 0.5, "key": key, "none": None}
    assert float(l2(params)) == 4
    moved = l2.prox(params, 0.5)
    assert float(moved["w"][0]) == 1
    for name in ("step", "rate", "key", "none"):
        assert moved[name] is params[name]
    np.testing.assert_array_equal(l2.grad(params)["step"], np.zeros(3))


def test_an_empty_and_a_zero_dimensional_array():
    assert float(l1({"a": jnp.zeros((0, 3)), "b": jnp.array(-2.0)})) == 2


def test_complex_leaves_count_by_their_modulus_and_keep_their_phase():
    w = jnp.array([3 + 4j, -1j, 0])
    assert float(l2(w)) == 26
    assert float(l1(w)) == 6
    np.testing.assert_allclose(l1.prox(w, 1.0), np.array([3 + 4j, 0, 0]) * 0.8, rtol=1e-6)
    np.testing.assert_allclose(l2.prox(w, 0.5), np.asarray(w) / 2, rtol=1e-6)
    np.testing.assert_allclose(l2.grad(w), 2 * np.asarray(w))
    np.testing.assert_allclose(l1.grad(w), [0.6 + 0.8j, -1j, 0], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(l2)(w), 2 * np.conj(np.asarray(w)))
    assert l2(w).dtype == jnp.float32


def test_the_gradient_of_l1_at_zero_is_zero():
    for zero in (jnp.zeros(2), -jnp.zeros(2), jnp.zeros(2, jnp.complex64)):
        np.testing.assert_array_equal(jax.grad(l1)(zero), np.zeros(2))


# --- as a function ---


@pytest.mark.parametrize("penalty", [l1, l2], ids=repr)
def test_signature_and_help_read_like_those_of_a_function(penalty):
    assert str(inspect.signature(penalty)) == "(params)"
    assert penalty.__name__ == repr(penalty)
    page = pydoc.plain(pydoc.render_doc(penalty))
    first = (inspect.getdoc(type(penalty)) or "").splitlines()[0]
    assert first in page
    assert page.index(f"{penalty.__name__}(params)") < page.index(first)
    assert "array_prox" not in page  # not the machinery of the class


# --- cost ---


def equations(function, *args):
    """The number of equations of a traced function, those of inner functions included."""

    def count(jaxpr):
        inner = (x for eqn in jaxpr.eqns for x in jax.extend.core.jaxprs_in_params(eqn.params))
        return len(jaxpr.eqns) + sum(map(count, inner))

    return count(jax.make_jaxpr(function)(*args).jaxpr)


@pytest.mark.parametrize("part", ["value", "gradient", "prox"])
def test_the_program_grows_linearly_with_the_number_of_leaves(part):
    penalty = 0.5 * l2.on("w") + 0.1 * l1
    function = {
        "value": penalty,
        "gradient": jax.grad(penalty),
        "prox": lambda params: penalty.prox(params, 0.5),
    }[part]
    sizes = [equations(function, {f"w{i:02}": jnp.ones(3) for i in range(n)}) for n in (10, 20, 30)]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] > 0
    assert sizes[1] - sizes[0] <= 10 * 25

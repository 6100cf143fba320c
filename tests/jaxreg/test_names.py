"""Names of leaves: in named tuples, wrappers of other libraries, lists; and what is found by them.

A wrong name is a wrong number without a word: every case is checked through what it decides.
"""

from __future__ import annotations

import collections
import re
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx, struct

from jaxreg import (
    _trees,
    audit,
    biases,
    decoupled_decay,
    describe,
    diagnostics,
    l1,
    l2,
    proximal_step,
    weights,
    where,
)

KERNEL, BIAS = jnp.full((4, 4), 2.0), jnp.full(8, 3.0)


class Dense(NamedTuple):
    kernel: Any
    bias: Any


class Norm(NamedTuple):
    scale: Any
    bias: Any


Old = collections.namedtuple("Old", "w b")


@jax.tree_util.register_pytree_node_class
class Keyless:
    """An array with axes, as libraries of named axes make it: a node that tells no keys."""

    def __init__(self, array: Any):
        self.array = array

    def tree_flatten(self):
        return (self.array,), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


@struct.dataclass
class Keyed:
    """An array under a key that says nothing."""

    value: Any


class Named(eqx.Module):
    """An array under a key of its own; its class offers what arrays do."""

    payload: Any

    @property
    def dtype(self):
        return self.payload.dtype


class Unwrapped(eqx.Module):
    tree: Any

    def unwrap(self):
        return self.tree


@jax.tree_util.register_pytree_with_keys_class
class Quantised:
    """Integers and their scale, that stand for one array."""

    def __init__(self, codes: Any, scale: Any):
        self.codes, self.scale = codes, scale

    def dequantize(self):
        return self.codes * self.scale

    def tree_flatten_with_keys(self):
        key = jax.tree_util.GetAttrKey
        return [(key("codes"), self.codes), (key("scale"), self.scale)], None

    def tree_flatten(self):
        return (self.codes, self.scale), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


class LowRank(eqx.Module):
    u: Any
    v: Any

    def materialize(self):
        return self.u @ self.v


WRAPPERS = {
    "keyless": Keyless,
    "keyed": Keyed,
    "named": Named,
    "unwrapped": Unwrapped,
    "twice": lambda w: Keyless(Keyed(w)),
    "in a variable": lambda w: nnx.Param(Keyless(w)),
    "around a variable": lambda w: Keyless(nnx.Param(w)),
    "partitioned": lambda w: nn.Partitioned(Keyed(w), (None,)),
}


def names(tree: Any) -> list[str]:
    return [leaf.name for leaf in _trees.leaves(tree)]


def chosen(tree: Any, rule: Any = weights) -> list[str]:
    return [name for name, _, on, *_ in describe(tree, rule).rows if on]


# --- named tuples: what jaxlib's keys of one level get wrong ---


def test_fields_of_named_tuples_have_their_own_names():
    tree = {"a": Dense(KERNEL, BIAS), "n": Norm(BIAS, None), "o": [Old(KERNEL, BIAS)]}
    assert names(tree) == ["a/kernel", "a/bias", "n/scale", "o/0/w", "o/0/b"]
    assert chosen(tree) == ["a/kernel", "o/0/w"]
    assert names(optax.adam(0.1).init(KERNEL)[0]) == ["count", "mu", "nu"]


def test_every_number_of_a_named_tuple_is_that_of_the_dictionary():
    tree, nested = Dense(KERNEL, BIAS), {"kernel": KERNEL, "bias": BIAS}
    shifted, reference = Dense(KERNEL + 1, BIAS - 2), Dense(KERNEL, BIAS)
    assert float(l2.on(weights)(tree)) == 64.0
    assert float(l2.around(reference)(shifted)) == 16 + 4 * 8
    for found, expected in (
        (l2.on({"kernel": True, "bias": False})(nested), l2.on(Dense(True, False))(tree)),
        (l2.around(nested)(shifted), l2.around(reference)(shifted)),  # by name, across containers
    ):
        assert float(found) == float(expected)
    prox = proximal_step(2.0 * l1, optimizer=optax.adam(0.1), metric="adam")
    grads = Dense(jnp.full_like(KERNEL, 4.0), jnp.full_like(BIAS, 1.0))
    updates: Any = jax.jit(lambda: prox.update(grads, prox.init(tree), tree)[0])()
    for update, g in zip(updates, (4.0, 1.0), strict=True):  # −lr·sign(g), less λ·P, P = lr/|g|
        np.testing.assert_allclose(update, -0.1 - 2.0 * 0.1 / g, rtol=1e-5)
    assert set(diagnostics.norms(tree)) == {"kernel", "bias"}
    report = audit(optax.adamw(0.1, weight_decay=0.1, mask=weights.mask), tree)
    assert report.forms == {"kernel": "decoupled", "bias": "none"}


# --- two leaves of one name ---


TWINS = {"a/b": jnp.ones(2), "a": {"b": jnp.full(3, 2.0)}}


def test_two_leaves_of_one_name_are_told_apart():
    assert names(TWINS) == ["a/b", r"a\/b"]
    reference = {"a/b": jnp.zeros(2), "a": {"b": jnp.full(3, 2.0)}}
    assert float(l2.around(reference)(TWINS)) == 2.0
    assert float(l2.on({"a/b": True, "a": False})(TWINS)) == 2.0
    assert float(l2.on({"a/b": False, "a": {"b": True}})(TWINS)) == 12.0
    assert chosen(TWINS, r"a\\/b$") == [r"a\/b"]
    assert set(diagnostics.norms(TWINS)) == {"a/b", r"a\/b"}
    assert set(audit(optax.sgd(0.1), TWINS).forms) == {"a/b", r"a\/b"}


@pytest.mark.parametrize(
    "mask", [{"a/b": True, "a": {"b": False}}, {"a/b": False, "a": {"b": True}}]
)
def test_two_leaves_of_one_name_are_found_inside_masks(mask: Any):
    decay = optax.masked(
        decoupled_decay(0.5, 1.0, reference=jax.tree.map(jnp.zeros_like, TWINS)), mask
    )
    zeros = jax.tree.map(jnp.zeros_like, TWINS)
    updates: Any = decay.update(zeros, decay.init(TWINS), TWINS)[0]
    expected = jax.tree.map(lambda w, on: -0.5 * w if on else 0 * w, TWINS, mask)
    jax.tree.map(np.testing.assert_array_equal, updates, expected)


def test_a_reference_is_found_in_another_container_but_for_twins():
    flat = {"a/b": jnp.ones(2)}
    with pytest.raises(ValueError, match=r"reference: expected a leaf 'a/b', but there is none"):
        l2.around(flat)(TWINS)
    assert float(l2.around({"a": {"b": jnp.zeros(2)}})(flat)) == 2.0
    assert float(l2.around(flat)({"a": {"b": jnp.zeros(2)}})) == 2.0


def test_children_under_one_key_are_told_apart():
    class Same:
        pass

    jax.tree_util.register_pytree_with_keys(
        Same,
        lambda s: (
            [(jax.tree_util.GetAttrKey("w"), s.a), (jax.tree_util.GetAttrKey("w"), s.c)],
            None,
        ),
        lambda _, children: children,
    )
    same = Same()
    same.a, same.c = jnp.ones(1), jnp.ones(2)
    assert names(same) == ["w[0]", "w[1]"]


# --- wrappers of one array ---


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapper_of_one_array_changes_neither_name_nor_role(wrap: Any):
    def tree(wrap: Any) -> Any:
        norm = eqx.nn.LayerNorm(8)
        norm = eqx.tree_at(lambda m: (m.weight, m.bias), norm, (wrap(BIAS), wrap(BIAS)))
        return {"fc": {"kernel": wrap(KERNEL), "bias": wrap(BIAS)}, "last": norm}

    wrapped, plain = tree(wrap), tree(lambda w: w)
    assert describe(wrapped, weights).rows == describe(plain, weights).rows
    assert chosen(wrapped) == ["fc/kernel"]
    assert float(l2.on(weights)(wrapped)) == 64.0
    assert float(l2.around(plain)(wrapped)) == 0.0
    flags = jax.tree.map(lambda w: w.ndim == 2, wrapped)
    assert chosen(wrapped, flags) == ["fc/kernel"]


def test_a_wrapper_of_several_arrays_has_the_role_of_what_it_stands_for():
    codes, scale = jnp.ones((4, 4)), jnp.ones(4)
    tree: Any = {
        "fc": {
            "kernel": Quantised(codes, scale),
            "bias": LowRank(jnp.ones((8, 1)), jnp.ones((1, 1))),
        },
        "attn_norm": {"kernel": LowRank(jnp.ones((8, 1)), jnp.ones((1, 1)))},
        "out": {"kernel": LowRank(jnp.ones((4, 1)), jnp.ones((1, 4)))},
    }
    assert chosen(tree) == ["fc/kernel/codes", "out/kernel/u", "out/kernel/v"]
    assert chosen(tree, biases) == ["fc/bias/u", "fc/bias/v"]


@struct.dataclass
class Boxed:
    arr: Any


def test_a_box_under_a_name_of_its_own_keeps_it_and_has_the_role_of_what_it_holds():
    norm = eqx.tree_at(lambda m: m.weight, eqx.nn.LayerNorm(8), Boxed(BIAS))
    tree = {"fc": {"kernel": Boxed(KERNEL), "bias": Boxed(BIAS)}, "last": norm}
    assert names(tree) == ["fc/bias/arr", "fc/kernel/arr", "last/weight/arr", "last/bias"]
    assert chosen(tree) == ["fc/kernel/arr"]


def test_modules_with_one_parameter_are_no_wrappers():
    rms = eqx.nn.RMSNorm(4, use_bias=False)
    assert describe({"a": rms}, weights).rows[0][::3] == ("a/weight", "held by RMSNorm")

    class Gain(eqx.Module):
        value: Any

        def __call__(self, x: Any) -> Any:
            return self.value * x

    assert names({"gain": Gain(jnp.ones(3))}) == ["gain/value"]


# --- trees without names ---


NAMELESS = {
    "list": [KERNEL, BIAS],
    "pairs": [(KERNEL, BIAS), (), (KERNEL, BIAS)],
    "one array": jnp.ones(9),
    "within a name": {"layers": [KERNEL, BIAS]},
}


@pytest.mark.parametrize("params", NAMELESS.values(), ids=NAMELESS)
def test_what_cannot_be_known_is_said(params: Any):
    text = re.escape("weights: expected leaves with names, got ")
    for act in (
        lambda: l2.on(weights)(params),
        lambda: weights.mask(params),
        lambda: decoupled_decay(0.1, 0.1, where=weights).init(params),
        lambda: optax.adamw(0.1, mask=weights.mask).init(params),
    ):
        with pytest.warns(UserWarning, match=text):
            act()
    assert f"note: {'weights: expected leaves with names'}" in str(describe(params, weights))
    assert {row[3] for row in describe(params, weights).rows} == {
        "a weight as far as is known: it has no name"
    }
    with pytest.warns(UserWarning, match="expected leaves with names"):
        (~weights & where(None)).mask(params)
    flags = jax.tree.map(lambda w: w.ndim == 2, params)
    decoupled_decay(0.1, 0.1, where=flags).init(params)  # the way out says nothing
    where(None).mask(params)


def test_lists_that_say_what_they_hold_are_known():
    params = {"weights": [KERNEL, KERNEL], "biases": [BIAS, BIAS], "W": (KERNEL,), "b": (BIAS,)}
    assert chosen(params) == ["W/0", "weights/0", "weights/1"]
    assert chosen(params, biases) == ["b/0", "biases/0", "biases/1"]
    weights.mask(params)  # without a warning


def test_the_flat_vector_of_optax_is_told_what_to_do():
    optimizer = optax.flatten(decoupled_decay(0.1, 0.1, where=weights))
    with pytest.warns(UserWarning, match=r"outside of optax\.flatten"):
        optimizer.init({"kernel": KERNEL, "bias": BIAS})


class Variable:
    """What a library keeps beside an array: a leaf of JAX that is none."""

    def __init__(self, value: Any):
        self.value = value


def test_trees_whose_arrays_are_hidden_are_noted():
    params = {"weights": Variable(KERNEL)}
    for act in (l2, decoupled_decay(0.1, 0.1).init, proximal_step(l1, 0.1).init):
        with pytest.raises(ValueError, match="give the arrays that each Variable holds"):
            act(params)
    assert (
        str(describe(params, weights))
        .splitlines()[-1]
        .startswith("note: expected floating-point arrays, got Variable alone; ")
    )


class Known(Variable):
    """A variable that knows its path, as those of Keras do."""

    def __init__(self, path: str, value: Any):
        super().__init__(value)
        self.path, self.shape, self.dtype = path, value.shape, str(value.dtype)


def test_variables_that_know_their_path_bring_their_names():
    paths = ["mlp/dense/kernel", "mlp/dense/bias", "mlp/layer_normalization/gamma"]
    variables = [Known(path, w) for path, w in zip(paths, (KERNEL, BIAS, BIAS), strict=True)]
    assert names(variables) == paths
    assert weights.mask(variables) == [True, False, False]
    assert float(l2.on(weights)(variables)) == 64.0
    assert names({"trained": variables}) == [f"trained/{i}" for i in range(3)]


def test_variables_that_share_a_path_are_told_apart():
    twins = [Known("dense/kernel", jnp.full((2, 2), number)) for number in (1.0, 5.0)]
    assert names(twins) == ["dense/kernel[0]", "dense/kernel[1]"]
    reference = [Known("dense/kernel", jnp.zeros((2, 2))) for _ in range(2)]
    reference[1] = Known("dense/kernel", jnp.full((2, 2), 5.0))
    assert float(l2.around(reference)(twins)) == 4.0
    assert chosen(twins) == names(twins)
    assert chosen([Known("dense/bias", jnp.ones(2)) for _ in range(2)]) == []

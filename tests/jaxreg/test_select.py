"""Which leaves a rule selects. Of `weights` the truth is the type of a leaf's module."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx, struct, traverse_util
from flax.core import FrozenDict, freeze

import jaxreg
from jaxreg import _trees, biases, describe, l1, l2, max_norm, weights, where
from jaxreg._select.rules import Flags

KEY = jax.random.key(0)
FEATURES, DEPTH = 4, 3
BATCH = jnp.ones((2, 5, FEATURES))
Owners = dict[str, type]  # of every parameter, the class of the module that made it


def verdicts(params: Any, rule: Any = weights) -> dict[str, bool]:
    """Of every parameter, whether the rule selects it."""
    rows = describe(params, rule).rows
    names = {leaf.name for leaf in _trees.leaves(params) if leaf.is_parameter}
    return {name: selected for name, _, selected, _, _ in rows if name in names}


def norm_classes(module: Any) -> dict[str, type]:
    classes = inspect.getmembers(module, inspect.isclass)
    return {name: kind for name, kind in classes if "norm" in name.lower()}


# Every normalisation class, as a function that makes one in a block. A class that is new in one of
# the frameworks is missing here, which `test_no_normalisation_class_is_missing` tells.

LINEN = {
    "BatchNorm": lambda x: nn.BatchNorm(use_running_average=False)(x),
    "GroupNorm": lambda x: nn.GroupNorm(num_groups=2)(x),
    "InstanceNorm": lambda x: nn.InstanceNorm()(x),
    "LayerNorm": lambda x: nn.LayerNorm()(x),
    "RMSNorm": lambda x: nn.RMSNorm()(x),
    "SpectralNorm": lambda x: nn.SpectralNorm(nn.Dense(FEATURES))(x, update_stats=True),
    "WeightNorm": lambda x: nn.WeightNorm(nn.Dense(FEATURES))(x),
}
NNX = {
    "BatchNorm": lambda rngs: nnx.BatchNorm(FEATURES, rngs=rngs),
    "GroupNorm": lambda rngs: nnx.GroupNorm(FEATURES, num_groups=2, rngs=rngs),
    "InstanceNorm": lambda rngs: nnx.InstanceNorm(FEATURES, rngs=rngs),
    "LayerNorm": lambda rngs: nnx.LayerNorm(FEATURES, rngs=rngs),
    "RMSNorm": lambda rngs: nnx.RMSNorm(FEATURES, rngs=rngs),
    "SpectralNorm": lambda rngs: nnx.SpectralNorm(nnx_linear(rngs), rngs=rngs),
    "WeightNorm": lambda rngs: nnx.WeightNorm(nnx_linear(rngs), rngs=rngs),
}
EQUINOX = {
    "BatchNorm": lambda key: eqx.nn.BatchNorm(FEATURES, "batch", mode="ema"),
    "GroupNorm": lambda key: eqx.nn.GroupNorm(2, FEATURES),
    "LayerNorm": lambda key: eqx.nn.LayerNorm(FEATURES),
    "RMSNorm": lambda key: eqx.nn.RMSNorm(FEATURES),
    "SpectralNorm": lambda key: eqx.nn.SpectralNorm(eqx_linear(key), "weight", key=key),
    "WeightNorm": lambda key: eqx.nn.WeightNorm(eqx_linear(key), "weight"),
}
HAIKU = {
    "BatchNorm": lambda x: hk.BatchNorm(True, True, 0.9)(x, is_training=True),
    "GroupNorm": lambda x: hk.GroupNorm(2)(x),
    "InstanceNorm": lambda x: hk.InstanceNorm(True, True)(x),
    "LayerNorm": lambda x: hk.LayerNorm(-1, True, True)(x),
    "RMSNorm": lambda x: hk.RMSNorm(-1)(x),
    "SpectralNorm": lambda x: hk.SpectralNorm()(x[0, :, :]) + 0 * x,
}
FRAMEWORKS = [(nn, LINEN), (nnx, NNX), (eqx.nn, EQUINOX), (hk, HAIKU)]


def nnx_linear(rngs: nnx.Rngs) -> nnx.Linear:
    return nnx.Linear(FEATURES, FEATURES, rngs=rngs)


def eqx_linear(key: jax.Array) -> eqx.nn.Linear:
    return eqx.nn.Linear(FEATURES, FEATURES, key=key)


@pytest.mark.parametrize(("module", "table"), FRAMEWORKS, ids=lambda v: getattr(v, "__name__", ""))
def test_no_normalisation_class_is_missing(module: Any, table: dict[str, Any]):
    assert set(table) == set(norm_classes(module))


def check(module: Any, params: Any, owners: Owners, layers: int = 1):
    """Selected: exactly the parameters that a norm did not make and that are no biases."""
    norms = tuple(norm_classes(module).values())
    biased = {name for name in owners if name.rpartition("/")[2] in ("bias", "b")}
    truth = {name: not issubclass(kind, norms) for name, kind in owners.items()}
    truth |= dict.fromkeys(biased, False)
    assert verdicts(params) == truth
    assert sum(truth.values()) == layers  # the kernels of the dense layers, and nothing else


class LinenBlock(nn.Module):
    kind: str

    @nn.compact
    def __call__(self, x: Any, _: Any = None):
        return nn.Dense(FEATURES)(LINEN[self.kind](x)), None


def linen_stack(kind: str, stacked: bool) -> nn.Module:
    axes: Any = {"params": 0, "batch_stats": 0}
    scanned = nn.scan(LinenBlock, variable_axes=axes, split_rngs={"params": True}, length=DEPTH)
    return scanned(kind) if stacked else LinenBlock(kind)


def linen_init(model: nn.Module, *args: Any) -> tuple[Any, Owners]:
    modules: dict[tuple[str, ...], type] = {}

    def record(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        modules[context.module.path] = type(context.module)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        params = jax.eval_shape(model.init, KEY, *args)["params"]
    paths = traverse_util.flatten_dict(params)
    return params, {"/".join(path): modules[path[:-1]] for path in paths}


@pytest.mark.parametrize("stacked", [False, True], ids=["plain", "scan"])
@pytest.mark.parametrize("kind", LINEN)
def test_weights_of_linen(kind: str, stacked: bool):
    params, owners = linen_init(linen_stack(kind, stacked), BATCH)
    wraps = kind in ("SpectralNorm", "WeightNorm")
    check(nn, params, owners, layers=2 if wraps else 1)


class NNXBlock(nnx.Module):
    def __init__(self, kind: str, rngs: nnx.Rngs):
        self.norm = NNX[kind](rngs)
        self.out = nnx_linear(rngs)


def nnx_model(kind: str, stacked: bool) -> NNXBlock:
    def make(key: jax.Array) -> NNXBlock:
        return NNXBlock(kind, nnx.Rngs(key))

    keys = jax.random.split(KEY, DEPTH)
    return nnx.eval_shape(*((nnx.vmap(make), keys) if stacked else (make, KEY)))


def nnx_owners(model: nnx.Module) -> Owners:
    owners = {}
    for path, node in nnx.iter_graph(model):
        if isinstance(node, nnx.Module):
            for leaf in _own_arrays(node):
                owners["/".join(map(str, (*path, leaf)))] = type(node)
    return owners


def _own_arrays(node: nnx.Module) -> list[str]:
    """Names of what a module holds that is trained: its Params, and arrays outside Variables."""
    own = [name for name, value in vars(node).items() if isinstance(value, nnx.Param)]
    return own + [f"scales/{'/'.join(path)}" for path in getattr(node, "scales", ())]


@pytest.mark.parametrize("stacked", [False, True], ids=["plain", "vmap"])
@pytest.mark.parametrize("kind", NNX)
def test_weights_of_nnx(kind: str, stacked: bool):
    model = nnx_model(kind, stacked)
    wraps = kind in ("SpectralNorm", "WeightNorm")
    check(nnx, model, nnx_owners(model), layers=2 if wraps else 1)
    owners = {name: kind for name, kind in nnx_owners(model).items() if "scales" not in name}
    check(nnx, nnx.state(model), owners, layers=2 if wraps else 1)  # holds no shapes of scales


def test_the_magnitudes_of_a_weight_norm_are_known_without_their_module():
    state = nnx.State({"scales": {("kernel",): jnp.ones(3)}, "kernel": nnx.Param(jnp.ones((2, 3)))})
    assert verdicts(state) == {"kernel": True, "scales/kernel": False}


class EquinoxBlock(eqx.Module):
    norm: eqx.Module
    out: eqx.nn.Linear

    def __init__(self, kind: str, key: jax.Array):
        self.norm = EQUINOX[kind](key)
        self.out = eqx_linear(key)


def equinox_owners(module: eqx.Module, prefix: str = "") -> Owners:
    owners: Owners = {}
    for field in dataclasses.fields(module):  # pyright: ignore[reportArgumentType]
        value = getattr(module, field.name)
        if isinstance(value, eqx.Module) and not isinstance(value, eqx.nn.StateIndex):
            owners |= equinox_owners(value, f"{prefix}{field.name}/")
        elif hasattr(value, "dtype"):
            owners[prefix + field.name] = type(module)
    return owners


@pytest.mark.parametrize("stacked", [False, True], ids=["plain", "filter_vmap"])
@pytest.mark.parametrize("kind", EQUINOX)
def test_weights_of_equinox(kind: str, stacked: bool):
    def make(key: jax.Array) -> EquinoxBlock:
        return EquinoxBlock(kind, key)

    keys = jax.random.split(KEY, DEPTH)
    params = eqx.filter_eval_shape(*((eqx.filter_vmap(make), keys) if stacked else (make, KEY)))
    wraps = kind in ("SpectralNorm", "WeightNorm")
    check(eqx.nn, params, equinox_owners(params), layers=2 if wraps else 1)


def haiku_init(apply: Any, *args: Any) -> tuple[Any, Owners]:
    owners: Owners = {}

    def record(creator: Any, shape: Any, dtype: Any, init: Any, context: Any) -> jax.Array:
        owners[context.full_name] = type(context.module)
        return creator(shape, dtype, init)

    def recorded(*args: Any) -> Any:
        with hk.custom_creator(record):
            return apply(*args)

    return jax.eval_shape(hk.transform_with_state(recorded).init, KEY, *args)[0], owners


@pytest.mark.parametrize("stacked", [False, True], ids=["plain", "layer_stack"])
@pytest.mark.parametrize("kind", HAIKU)
def test_weights_of_haiku(kind: str, stacked: bool):
    def block(x: jax.Array) -> jax.Array:
        return hk.Linear(FEATURES)(HAIKU[kind](x))

    if not stacked:
        check(hk, *haiku_init(block, BATCH))
    elif kind not in ("BatchNorm", "SpectralNorm"):  # layer_stack has no state
        stack = hk.experimental.layer_stack(DEPTH)  # pyright: ignore[reportPrivateImportUsage]
        params, _ = haiku_init(lambda x: stack(block)(x), BATCH)
        found = {name.rpartition("/")[2]: chosen for name, chosen in verdicts(params).items()}
        assert found.pop("w")
        assert not any(found.values())


def test_norms_of_queries_and_keys_in_linen():
    model = nn.MultiHeadDotProductAttention(2, normalize_qk=True)
    params, owners = linen_init(model, BATCH, BATCH)
    assert owners["query_ln/scale"] is nn.LayerNorm
    check(nn, params, owners, layers=4)


def test_norms_of_queries_and_keys_in_nnx():
    model = nnx.eval_shape(
        lambda: nnx.MultiHeadAttention(
            2, FEATURES, normalize_qk=True, decode=False, rngs=nnx.Rngs(0)
        )
    )
    check(nnx, model, nnx_owners(model), layers=4)


class Attention(eqx.Module):
    attend: eqx.nn.MultiheadAttention
    queries: eqx.nn.RMSNorm  # a name that says nothing
    keys: eqx.nn.LayerNorm

    def __init__(self, key: jax.Array):
        self.attend = eqx.nn.MultiheadAttention(2, FEATURES, use_output_bias=True, key=key)
        self.queries, self.keys = eqx.nn.RMSNorm(FEATURES), eqx.nn.LayerNorm(FEATURES)


def test_norms_of_queries_and_keys_in_equinox():
    model = eqx.filter_eval_shape(Attention, KEY)
    check(eqx.nn, model, equinox_owners(model), layers=4)


class T5LayerNorm(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        weight = self.param("weight", nn.initializers.ones, (x.shape[-1],))
        return x * jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True)) * weight


class T5Block(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, _: Any = None):
        return nn.Dense(FEATURES)(T5LayerNorm(name="layer_norm")(x)), None


@pytest.mark.parametrize("stacked", [False, True])
def test_t5_names_the_scale_of_its_norm_weight(stacked: bool):
    scan = nn.scan(T5Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=DEPTH)
    params = jax.eval_shape((scan if stacked else T5Block)().init, KEY, BATCH)["params"]
    assert len(jax.tree.leaves(params)) == 3
    found = verdicts(params)
    assert {name: on for name, on in found.items() if "layer_norm" in name}
    assert [name.rpartition("/")[2] for name, on in found.items() if on] == ["kernel"]


class Home(eqx.nn.LayerNorm):
    """A norm whose own class is not called one."""


home: Any = eqx.filter_eval_shape(lambda: Home(FEATURES))  # pyright: ignore[reportCallIssue]


class RMSNormalization(nnx.Module):
    def __init__(self):
        self.weight = nnx.Param(jnp.ones((DEPTH, FEATURES)))


@struct.dataclass
class BatchNorm2d:
    weight: Any


@pytest.mark.parametrize(
    ("norm", "why"),
    [
        (home, "held by LayerNorm"),
        (RMSNormalization(), "held by RMSNormalization"),
        (BatchNorm2d(jnp.ones((DEPTH, FEATURES))), "held by BatchNorm2d"),
    ],
)
def test_home_made_norms_are_known_by_their_class(norm: Any, why: str):
    rows = {
        name: (selected, reason) for name, _, selected, reason, _ in describe(norm, weights).rows
    }
    assert rows["weight"] == (False, why)


@pytest.mark.parametrize("parent", ["norm1", "ln_f", "bn1", "input_layernorm", "decoder.gn"])
def test_norms_in_plain_dictionaries_are_known_by_name(parent: str):
    params = {
        parent: {"weight": jnp.ones((DEPTH, FEATURES))},
        "column": {"weight": jnp.ones((2, 2))},
    }
    assert verdicts(params) == {f"{parent}/weight": False, "column/weight": True}


@pytest.mark.parametrize("name", ["bias", "b", "b1", "b_2", "bias_n", "in_proj_bias", "fc1.bias"])
def test_names_of_biases(name: str):
    assert verdicts({name: jnp.ones(2), "w": jnp.ones(2)}) == {name: False, "w": True}
    assert verdicts({name: jnp.ones(2), "w": jnp.ones(2)}, biases) == {name: True, "w": False}


def test_weights_have_no_rule_by_dimension():
    linear = {"w": jnp.ones(3), "b": jnp.ones(())}
    local = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones((2, 2, 2))}
    assert verdicts(linear) == {"w": True, "b": False}
    assert verdicts(local) == {"kernel": True, "bias": False}


def test_a_layer_that_is_normalised_is_no_norm():
    params = {
        "weight_norm_linear": {"w": jnp.ones((2, 2))},
        "spectralnorm": {"w": jnp.ones((2, 2))},
    }
    assert all(verdicts(params).values())


# Layers with weights: biases are told from kernels by the dtype that their initialisers give them.


def kernel(key: Any, shape: Any, dtype: Any = None, **_: Any) -> jax.Array:
    return jnp.zeros(shape, jnp.float32)


def bias(key: Any, shape: Any, dtype: Any = None, **_: Any) -> jax.Array:
    return jnp.zeros(shape, jnp.float16)


def check_layer(params: Any):
    truth = {leaf.name: leaf.value.dtype == jnp.float32 for leaf in _trees.leaves(params)}
    assert set(truth.values()) == {True, False}
    assert verdicts(params) == truth


INIT: dict[str, Any] = {"kernel_init": kernel, "bias_init": bias}
CELL_INIT: dict[str, Any] = INIT | {"recurrent_kernel_init": kernel}
MGU_INIT: dict[str, Any] = {
    "kernel_init": kernel,
    "recurrent_kernel_init": kernel,
    "forget_bias_init": bias,
    "activation_bias_init": bias,
}
CELLS = ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell")
LINEN_LAYERS = {
    "Dense": (nn.Dense(3, **INIT), BATCH),
    "DenseGeneral": (nn.DenseGeneral((2, 3), **INIT), BATCH),
    "Einsum": (nn.Einsum((4, 3), "abc,cd->abd", **INIT), BATCH),
    "Conv": (nn.Conv(3, (2,), **INIT), BATCH),
    "ConvTranspose": (nn.ConvTranspose(3, (2,), **INIT), BATCH),
    "ConvLocal": (nn.ConvLocal(3, (2,), **INIT), BATCH),
    "MGUCell": (nn.RNN(nn.MGUCell(2, **MGU_INIT)), BATCH),
} | {name: (nn.RNN(getattr(nn, name)(2, **CELL_INIT)), BATCH) for name in CELLS}


@pytest.mark.parametrize("name", LINEN_LAYERS)
def test_layers_of_linen(name: str):
    model, x = LINEN_LAYERS[name]
    check_layer(jax.eval_shape(model.init, KEY, x)["params"])


NNX_LAYERS = {
    "Linear": lambda rngs: nnx.Linear(4, 3, rngs=rngs, **INIT),
    "LinearGeneral": lambda rngs: nnx.LinearGeneral(4, (2, 3), rngs=rngs, **INIT),
    "Einsum": lambda rngs: nnx.Einsum("ab,bc->ac", (4, 3), (3,), rngs=rngs, **INIT),
    "Conv": lambda rngs: nnx.Conv(4, 3, (2,), rngs=rngs, **INIT),
    "ConvTranspose": lambda rngs: nnx.ConvTranspose(4, 3, (2,), rngs=rngs, **INIT),
    "LSTMCell": lambda rngs: nnx.LSTMCell(4, 3, rngs=rngs, **CELL_INIT),
    "OptimizedLSTMCell": lambda rngs: nnx.OptimizedLSTMCell(4, 3, rngs=rngs, **CELL_INIT),
    "GRUCell": lambda rngs: nnx.GRUCell(4, 3, rngs=rngs, **CELL_INIT),
    "SimpleCell": lambda rngs: nnx.SimpleCell(4, 3, rngs=rngs, **CELL_INIT),
}


@pytest.mark.parametrize("name", NNX_LAYERS)
def test_layers_of_nnx(name: str):
    layer = nnx.eval_shape(lambda: NNX_LAYERS[name](nnx.Rngs(0)))
    check_layer(nnx.state(layer, nnx.Param))


def recurrent(core: Any) -> Any:
    return lambda x: core(x, core.initial_state(x.shape[0]))[0]


HAIKU_LAYERS = {
    "Linear": lambda x: hk.Linear(3)(x),
    "Conv1D": lambda x: hk.Conv1D(3, 2)(x),
    "Conv1DTranspose": lambda x: hk.Conv1DTranspose(3, 2)(x),
    "DepthwiseConv1D": lambda x: hk.DepthwiseConv1D(1, 2)(x),
    "LSTM": lambda x: recurrent(hk.LSTM(3))(x[:, 0]),
    "GRU": lambda x: recurrent(hk.GRU(3))(x[:, 0]),
    "VanillaRNN": lambda x: recurrent(hk.VanillaRNN(3))(x[:, 0]),
    "Conv1DLSTM": lambda x: recurrent(hk.Conv1DLSTM((5,), 2, 2))(x),
}


@pytest.mark.parametrize("name", HAIKU_LAYERS)
def test_layers_of_haiku(name: str):
    def initialised(creator: Any, shape: Any, dtype: Any, init: Any, context: Any) -> jax.Array:
        return (bias if init is jnp.zeros else kernel)(None, shape)  # Haiku's biases start at zero

    def layer(x: jax.Array) -> jax.Array:
        with hk.custom_creator(initialised):
            return HAIKU_LAYERS[name](x)

    check_layer(jax.eval_shape(hk.transform(layer).init, KEY, BATCH))


EQUINOX_LAYERS = {
    "Linear": lambda key: eqx.nn.Linear(4, 3, key=key),
    "Conv1d": lambda key: eqx.nn.Conv1d(4, 3, 2, key=key),
    "ConvTranspose2d": lambda key: eqx.nn.ConvTranspose2d(4, 3, 2, key=key),
    "LSTMCell": lambda key: eqx.nn.LSTMCell(4, 3, key=key),
    "GRUCell": lambda key: eqx.nn.GRUCell(4, 3, key=key),
}


@pytest.mark.parametrize("name", EQUINOX_LAYERS)
def test_layers_of_equinox(name: str):
    layer = eqx.filter_eval_shape(EQUINOX_LAYERS[name], KEY)
    chosen = verdicts(layer)
    assert {name for name, on in chosen.items() if on} in ({"weight"}, {"weight_ih", "weight_hh"})
    assert {name for name, on in chosen.items() if not on} <= {"bias", "bias_n"}
    assert len(chosen) == sum(hasattr(leaf, "dtype") for leaf in jax.tree.leaves(layer))


@pytest.mark.parametrize(
    "embedding",
    [
        jax.eval_shape(nn.Embed(5, 4).init, KEY, jnp.zeros(1, int))["params"],
        nnx.Embed(5, 4, rngs=nnx.Rngs(0)),
        eqx.nn.Embedding(5, 4, key=KEY),
        jax.eval_shape(hk.transform(lambda i: hk.Embed(5, 4)(i)).init, KEY, jnp.zeros(1, int)),
    ],
    ids=["linen", "nnx", "equinox", "haiku"],
)
def test_embeddings_are_weights_and_a_rule_leaves_them_out(embedding: Any):
    params = {"embed": embedding, "out": {"w": jnp.ones((2, 2))}}
    assert sum(verdicts(params).values()) == 2
    chosen = verdicts(params, weights & ~where("^embed/"))
    assert [name for name, on in chosen.items() if on] == ["out/w"]


# Names

MLP = {
    "fc1": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)},
    "fc2": {"kernel": jnp.ones((3, 1))},
}


class Layer(nnx.Module):
    def __init__(self, **params: Any):
        for name, value in params.items():
            setattr(self, name, nnx.Param(value))


class Net(nnx.Module):
    def __init__(self):
        self.fc1, self.fc2 = (Layer(**MLP[name]) for name in ("fc1", "fc2"))


class EquinoxNet(eqx.Module):
    fc1: Any = eqx.field(default_factory=lambda: MLP["fc1"])
    fc2: Any = eqx.field(default_factory=lambda: struct_layer(**MLP["fc2"]))


@struct.dataclass
class struct_layer:  # noqa: N801 (a class used as a function above)
    kernel: Any


def boxed(w: jax.Array) -> Any:
    return nn.Partitioned(w, (None,) * w.ndim)


CONTAINERS = {
    "dict": MLP,
    "FrozenDict": freeze(MLP),
    "flattened": traverse_util.flatten_dict(MLP),
    "flattened with /": traverse_util.flatten_dict(MLP, sep="/"),
    "Linen, partitioned": jax.tree.map(boxed, MLP),
    "Linen, logically": jax.tree.map(lambda w: nn.LogicallyPartitioned(w, ("a",) * w.ndim), MLP),
    "nnx.Module": Net(),
    "nnx.State": nnx.state(Net()),
    "nnx.State, pure": nnx.as_pure(nnx.state(Net())),
    "nnx.FlatState": nnx.to_flat_state(nnx.state(Net())),
    "Equinox": EquinoxNet(),
    "Haiku": hk.data_structures.to_haiku_dict(MLP),
    "FlatMapping": hk.data_structures.to_immutable_dict(MLP),
}


@pytest.mark.parametrize("params", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_names_and_selections_are_the_same_in_every_container(params: Any):
    assert sorted(verdicts(params, "^fc1/kernel$").items()) == [
        ("fc1/bias", False),
        ("fc1/kernel", True),
        ("fc2/kernel", False),
    ]
    assert float(l2.on(weights)(params)) == 9.0
    assert float(l2(params)) == 12.0


def test_names_of_sequences_attributes_and_classes_without_keys():
    class Pair:
        def __init__(self, *items: Any):
            self.items = items

    jax.tree_util.register_pytree_node(
        Pair, lambda p: (p.items, None), lambda _, items: Pair(*items)
    )
    tree = ([jnp.ones(1), None], Pair(jnp.ones(1), jnp.ones(1)))
    assert [leaf.name for leaf in _trees.leaves(tree)] == ["0/0", "1/0", "1/1"]
    assert [leaf.name for leaf in _trees.leaves(jnp.ones(1))] == [""]


class Unsorted(dict):
    """A mapping of its own order that tells jax no keys."""


jax.tree_util.register_pytree_node(
    Unsorted,
    lambda d: (list(d.values()), tuple(d)),
    lambda keys, items: Unsorted(zip(keys, items, strict=True)),
)


def test_a_mapping_that_hides_its_keys_is_named_only_where_its_order_is_known():
    one, two = jnp.ones(1), jnp.ones(2)
    for params, names in (
        (Unsorted(a=one, b=two), ["a", "b"]),
        (Unsorted(b=two, a=one), ["0", "1"]),
    ):
        assert [leaf.name for leaf in _trees.leaves(params)] == names
        assert [leaf.value for leaf in _trees.leaves(params)] == jax.tree.leaves(params)


def test_the_order_of_leaves_is_that_of_jax():
    for params in CONTAINERS.values():
        for leaf, value in zip(_trees.leaves(params), jax.tree.leaves(params), strict=True):
            assert leaf.value is value


class Counter(nnx.Variable):
    pass


class WithState(nnx.Module):
    def __init__(self):
        self.kernel = nnx.Param(jnp.ones(2))
        self.lora = nnx.LoRAParam(jnp.ones(2))
        self.average = nnx.BatchStat(jnp.ones(2))
        self.mine = Counter(jnp.ones(2))
        self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
    ("params", "parameters"),
    [
        ({"n": jnp.arange(2), "key": KEY, "p": 0.5, "on": jnp.array(True), "none": None}, []),
        ({"z": jnp.ones(1, complex), "h": jnp.ones(1, jnp.bfloat16)}, ["h", "z"]),
        (WithState(), ["kernel", "lora"]),
        (nnx.state(WithState()), ["kernel", "lora"]),
        ({"params": {"w": jnp.ones(1)}, "batch_stats": {"mean": jnp.ones(1)}}, ["params/w"]),
        ({"vae": {"batch_stats": {"mean": jnp.ones(1)}}, "w": np.ones(1, "f")}, ["w"]),
        (eqx.nn.BatchNorm(2, "batch", mode="batch"), ["weight", "bias"]),
        (eqx.nn.State(eqx.nn.BatchNorm(2, "batch", mode="batch")), []),
        (eqx.nn.Dropout(0.5), []),
    ],
)
def test_what_counts_as_a_parameter(params: Any, parameters: list[str]):
    rows = describe(params).rows
    assert [name for name, _, selected, _, _ in rows if selected] == parameters
    assert {why for _, _, selected, why, _ in rows if not selected} <= {"not a parameter"}


# Rules


PARAMS = {
    "embed": {"embedding": jnp.ones((5, 2))},
    "fc1": {"bias": jnp.ones(3), "kernel": jnp.ones((2, 3))},
    "fc2": {"kernel": jnp.ones((3, 1))},
    "steps": jnp.zeros((), int),
}
ALL = ["embed/embedding", "fc1/bias", "fc1/kernel", "fc2/kernel"]


def is_matrix(name: str, leaf: Any) -> bool:
    return leaf.ndim == 2 and not name.startswith("embed")


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        (None, ALL),
        ("kernel$", ["fc1/kernel", "fc2/kernel"]),
        ("(?i)FC1", ["fc1/bias", "fc1/kernel"]),
        (is_matrix, ["fc1/kernel", "fc2/kernel"]),
        (lambda name, leaf: np.bool_("fc2" in name), ["fc2/kernel"]),
        (True, ALL),
        (False, []),
        ({"embed": False, "fc1": True, "fc2": np.True_}, ["fc1/bias", "fc1/kernel", "fc2/kernel"]),
        ({"embed": False, "fc1": {"bias": True, "kernel": False}, "fc2": False}, ["fc1/bias"]),
        ({"embed": False, "fc1": True, "fc2": False, "steps": True}, ["fc1/bias", "fc1/kernel"]),
        (weights, ["embed/embedding", "fc1/kernel", "fc2/kernel"]),
        (biases, ["fc1/bias"]),
        (~weights, ["fc1/bias"]),
        (~biases, ["embed/embedding", "fc1/kernel", "fc2/kernel"]),
        (weights & "fc", ["fc1/kernel", "fc2/kernel"]),
        (weights & ~where("embed"), ["fc1/kernel", "fc2/kernel"]),
        (biases | where("fc2"), ["fc1/bias", "fc2/kernel"]),
        (~(biases | "embed") & is_matrix, ["fc1/kernel", "fc2/kernel"]),
        (weights & biases, []),
    ],
)
def test_rules(rule: Any, chosen: list[str]):
    assert [name for name, on in verdicts(PARAMS, rule).items() if on] == chosen
    sizes = {leaf.name: np.size(leaf.value) for leaf in _trees.leaves(PARAMS)}
    assert float(l2.on(rule)(PARAMS)) == sum(sizes[name] for name in chosen)
    mask = where(rule).mask(PARAMS)
    assert jax.tree.structure(mask) == jax.tree.structure(PARAMS)
    assert [leaf.name for leaf in _trees.leaves(mask) if leaf.value] == chosen


def test_an_equinox_module_of_bools_is_callable_and_still_a_tree():
    model = eqx.nn.MLP(2, 1, 3, 1, key=KEY)
    flags = jax.tree.map(lambda w: jnp.ndim(w) == 2, eqx.filter(model, eqx.is_array))
    assert callable(flags)
    assert isinstance(where(flags), Flags)
    assert eval(repr(where(flags)), {"where": where}) == where(flags)
    assert [name for name, on in verdicts(model, flags).items() if on] == [
        "layers/0/weight",
        "layers/1/weight",
    ]


def test_a_tree_of_bools_in_an_nnx_state():
    state = nnx.state(Net(), nnx.Param)
    flags = jax.tree.map(lambda w: w.ndim == 2, state)
    assert [name for name, on in verdicts(state, flags).items() if on] == [
        "fc1/kernel",
        "fc2/kernel",
    ]


def test_rules_are_never_asked_about_what_is_no_parameter():
    model = eqx.nn.MLP(2, 1, 3, 1, key=KEY)  # holds its activation functions as leaves

    def first(name: str, leaf: Any) -> bool:
        return leaf.ndim == 2

    assert sum(verdicts(model, first).values()) == 2


def test_rules_are_hashable_and_equal_by_content():
    flags = {"fc2": True, "fc1": False}
    for make in (
        lambda: where("fc1"),
        lambda: where(flags),
        lambda: where(is_matrix),
        lambda: ~weights & where("a") | where(is_matrix),
        lambda: where(None),
    ):
        assert make() == make()
        assert hash(make()) == hash(make())
    assert where("fc1") != where("fc2")
    assert weights != biases
    assert not callable(weights)
    assert where(dict(reversed(flags.items()))) == where(flags)


def test_equal_rules_share_one_compilation():
    traces = 0

    @jax.jit
    def value(penalty: Any, params: Any) -> jax.Array:
        nonlocal traces
        traces += 1
        return penalty(params)

    for strength in (0.1, 0.2, 0.3):
        rule = weights & ~where("embed") | where(is_matrix)
        assert float(value(strength * l2.on(rule), PARAMS)) == pytest.approx(9 * strength)
    assert traces == 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (where(None), "where(None)"),
        (where(r"fc\d$"), r"where('fc\\d$')"),
        (weights & ~where("embed"), "weights & ~where('embed')"),
        (~(weights | biases), "~(weights | biases)"),
        ((weights | "a") & "b" & ~biases, "((weights | where('a')) & where('b')) & ~biases"),
        (where(is_matrix), "where(is_matrix)"),
        (
            where({"fc2": True, "fc1": {"bias": False}}),
            "where({'fc1': {'bias': False}, 'fc2': True})",
        ),
        (where({"fc1/bias": False, "fc2": True}), "where({'fc1/bias': False, 'fc2': True})"),
        (where(True), "where(True)"),
    ],
)
def test_repr_evaluates_back(rule: Any, text: str):
    assert repr(rule) == text
    names = {"where": where, "weights": weights, "biases": biases, "is_matrix": is_matrix}
    assert eval(text, names) == rule


def test_rules_serve_as_masks_of_optax():
    optimizer = optax.add_decayed_weights(0.5, mask=weights.mask)
    params = {name: PARAMS[name] for name in ("fc1", "fc2")}
    grads = jax.tree.map(jnp.zeros_like, params)
    updates: Any = optimizer.update(grads, optimizer.init(params), params)[0]
    assert float(updates["fc1"]["bias"].sum()) == 0.0
    assert float(updates["fc1"]["kernel"].sum()) == 3.0


def test_describe_prints_the_coverage_and_the_reasons():
    assert str(describe(PARAMS, weights & ~where("embed"))) == (
        "leaf             shape   selected  count  why\n"
        "embed/embedding  (5, 2)  no        10     matches 'embed'\n"
        "fc1/bias         (3,)    no        3      called bias\n"
        "fc1/kernel       (2, 3)  yes       6      a weight, no match for 'embed'\n"
        "fc2/kernel       (3, 1)  yes       3      a weight, no match for 'embed'\n"
        "steps            ()      no        1      not a parameter\n"
        "2 of 5 leaves, 9 of 23 numbers"
    )


def test_describe_takes_shapes_and_single_arrays():
    shapes = jax.eval_shape(lambda: PARAMS)
    assert describe(shapes, weights) == describe(PARAMS, weights)
    assert describe(jnp.ones(3)).rows == ((".", (3,), True, "every parameter", 3),)
    assert str(describe({})).endswith("0 of 0 leaves, 0 of 0 numbers")


# Errors


@pytest.mark.parametrize(
    ("rule", "params", "nearest"),
    [
        ("fc1/kernal$", PARAMS, "fc1/kernel, fc2/kernel, fc1/bias"),
        ("^embeding", PARAMS, "embed/embedding, "),
        ("steps", PARAMS, ""),
        (
            "kernal$",
            {"a": {"b": {"very_long_name": {"kernel": jnp.ones(1)}}}, "nerk": jnp.ones(1)},
            "a/b/",
        ),
    ],
)
def test_a_regex_that_matches_nothing_names_the_nearest(rule: str, params: Any, nearest: str):
    text = f"where: expected {rule!r} to match at least one parameter, but it matches none of "
    for chosen in (where(rule), ~where(rule), weights & rule):
        with pytest.raises(ValueError, match=re.escape(text)) as error:
            describe(params, chosen)
        assert f"the nearest names are {nearest}" in str(error.value)
    with pytest.raises(ValueError, match=re.escape(text)):
        l2.on(rule).prox(params, 0.1)


def test_rules_on_trees_without_parameters_select_nothing():
    assert where("fc1").mask({}) == {}
    assert weights.mask({"n": jnp.arange(2), "none": None}) == {"n": False, "none": None}


class Unhashable:
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __call__(self, name: str, leaf: Any) -> bool:
        return True


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            3,
            "where: expected None, a regular expression, a function (name, leaf) -> bool or a tree "
            "of bools, got 3; for one leaf write its name, as in where('fc1/kernel$')",
        ),
        ({}, "where: expected None, a regular expression, a function"),
        ({"fc1": 1}, "where: expected None, a regular expression, a function"),
        (eqx.nn.MLP(1, 1, 1, 1, key=KEY), "where: expected None, a regular expression"),
        (Unhashable(), "where: expected a hashable function, since rules key jit's cache, got "),
        (
            ["kernel", "bias"],
            "where: expected None, a regular expression, a function (name, leaf) -> bool or a tree "
            "of bools, got several names; write one regular expression: where('kernel|bias')",
        ),
        (
            PARAMS,
            "of bools, got arrays in a dict; is it the parameters, exchanged with the rule? A tree "
            "of bools holds Python's True and False",
        ),
        (
            lambda params: jax.tree.map(lambda w: w.ndim > 1, params),
            "where: expected a function of two arguments, (name, leaf) -> bool, got "
            "<lambda>(params); write lambda name, leaf: …, or, if it makes a mask of the whole "
            "tree as optax's masks do, give its result: where(<lambda>(params))",
        ),
    ],
)
def test_what_is_no_rule(rule: Any, text: str):
    with pytest.raises(TypeError, match=re.escape(text)):
        where(rule)


ASKED = "expected a rule for many leaves to be asked leaf by leaf, got asked for one truth value"


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: optax.adamw(0.1, mask=weights).init(PARAMS), "write mask=weights.mask"),
        (lambda: optax.masked(optax.sgd(0.1), ~biases).init(PARAMS), "write mask=~biases.mask"),
        (lambda: optax.add_decayed_weights(0.1, weights & "fc").init(PARAMS), "('fc')).mask"),
        (lambda: weights and where("fc1"), "combine rules with &, | and ~"),
        (lambda: not weights, ASKED),
    ],
)
def test_a_rule_has_no_truth_value(ask: Any, text: str):
    with pytest.raises(TypeError, match=re.escape(text)) as error:
        ask()
    assert ASKED in str(error.value)


@pytest.mark.parametrize("rule", [weights, "kernel$", is_matrix, 0.1 * l2])
def test_exchanged_arguments_of_describe(rule: Any):
    got = re.escape(getattr(rule, "__name__", repr(rule)))
    text = f"got {got}; if the two are exchanged, write describe.params, {got}.$"
    with pytest.raises(TypeError, match=text):
        describe(rule, PARAMS)


def test_describe_is_given_the_variables_of_a_model_not_the_model():
    class Model:
        trainable_variables = ()

        def __call__(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(TypeError, match=r"got a Model; pass its trainable_variables$"):
        describe(Model(), weights)


def test_describe_tells_of_a_penalty_what_every_term_covers():
    penalty = 0.1 * l2.on(weights & "fc") + 2.0 * l1.on("bias") + max_norm(1.0, axis=0).on("fc2")
    covered = describe(PARAMS, penalty)
    assert covered.terms == (
        ("0.1 * l2.on(weights & where('fc'))", describe(PARAMS, weights & "fc")),
        ("2.0 * l1.on('bias')", describe(PARAMS, "bias")),
        ("max_norm(bound=1.0, axis=0).on('fc2')", describe(PARAMS, "fc2")),
    )
    tables = str(covered).split("\n\n")
    assert tables[1] == f"2.0 * l1.on('bias')\n{describe(PARAMS, 'bias')}"
    assert describe(PARAMS, l2).terms == (("l2", describe(PARAMS)),)


def test_a_regex_that_does_not_compile():
    with pytest.raises(
        ValueError,
        match=re.escape(
            "where: expected a regular expression, got 'fc1[' (unterminated character set at "
            "position 3); re.escape() quotes a literal name"
        ),
    ):
        where("fc1[")


def test_a_function_that_returns_no_bool():
    def large(name: str, leaf: Any) -> Any:
        return leaf.sum() > 0

    with pytest.raises(
        TypeError,
        match=re.escape(
            "where: expected large(name, leaf) to return a bool, got Array(True, dtype=bool) for "
            "embed/embedding; decide by name, shape or dtype, not by value"
        ),
    ):
        describe(PARAMS, large)


def test_a_tree_of_bools_that_leaves_a_parameter_out():
    with pytest.raises(
        ValueError,
        match=re.escape(
            "where: expected the tree of bools to cover every leaf, but fc2/kernel is missing; its "
            "nearest entry is 'fc1/kernel'"
        ),
    ):
        describe(PARAMS, {"embed": True, "fc1": {"kernel": True, "bias": False}})


def test_frozen_dict_is_a_container_of_rules_too():
    rule = FrozenDict({"fc1": True, "fc2": False, "embed": False})
    assert [name for name, on in verdicts(PARAMS, rule).items() if on] == ["fc1/bias", "fc1/kernel"]


def test_exports():
    assert jaxreg.where is where
    assert jaxreg.weights is weights

"""Inside `shard_map` as it is by default, and on explicit-sharding meshes: the same numbers."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxreg
from jaxreg import diagnostics, l1, l2
from tests.jaxreg.cases import CASES

SHAPE = (4, 4, 6)
PARTS = jnp.asarray(np.random.default_rng(0).standard_normal((4, *SHAPE)), jnp.float32)
W = PARTS[0]


def tree(w):
    return {"kernel": w}


def updated(w, *transforms):
    params, optimizer = tree(w), optax.chain(*transforms)
    updates, _ = optimizer.update(tree(0.5 * w + 1), optimizer.init(params), params)
    return optax.apply_updates(params, updates)["kernel"]


def in_adams_metric(penalty, w):
    return updated(w, jaxreg.proximal_step(penalty, optimizer=optax.adam(0.1), metric="adam"))


def of_penalty(penalty):
    """Everything that a penalty has: functions of one array by name."""
    return {
        "value": lambda w: penalty(tree(w)),
        "gradient": lambda w: penalty.grad(tree(w))["kernel"],
        "automatic gradient": lambda w: jax.grad(lambda w: penalty(tree(w)))(w),
        "prox": lambda w: penalty.prox(tree(w), 0.3)["kernel"],
    }


GROUPS = jaxreg.group_lasso(axis=1)
TRANSFORMS = {
    "coupled": lambda w: updated(w, jaxreg.add_penalty_gradient(jaxreg.spectral), optax.sgd(0.1)),
    "proximal": lambda w: updated(w, optax.sgd(0.1), jaxreg.proximal_step(jaxreg.nuclear, 0.1)),
    "decoupled": lambda w: updated(w, jaxreg.decoupled_decay(0.1, 0.1, cautious=True)),
    "projected": lambda w: updated(w, optax.sgd(0.1), jaxreg.project(jaxreg.max_norm(1.0, axis=1))),
    "l1 in Adam's metric": lambda w: in_adams_metric(0.5 * l1, w),
    "groups in Adam's metric": lambda w: in_adams_metric(0.5 * GROUPS, w),
    "bounds in Adam's metric": lambda w: in_adams_metric(jaxreg.max_norm(1.0, axis=1), w),
}


SIZES = np.abs(PARTS[0])
WEIGHTED = {
    "weighted entries": jaxreg.huber(1.0).weighted(SIZES) + 0.1 * l2.weighted(2.0),
    "weighted groups": l1.weighted(SIZES) + GROUPS.weighted(SIZES[:, 0]),
    "weighted matrices": jaxreg.spectral.weighted(SIZES[:, 0, 0]),
    "weighted squares": GROUPS + l2.weighted(SIZES),
}


def exists(function):
    """Whether the penalty has it: what it refuses on one device, it refuses everywhere."""
    try:
        jax.eval_shape(function, W)
    except (TypeError, NotImplementedError, ValueError):
        return False
    return True


MEASURES = {
    "norms": lambda w: diagnostics.norms(tree(w))["kernel"],
    "sparsity": lambda w: diagnostics.sparsity(tree(w), axis=1)["kernel"].near,
    "stable_rank": lambda w: diagnostics.stable_rank(tree(w))["kernel"],
    "angle": lambda w: diagnostics.angular_update(tree(w), tree(w + 1))["kernel"],
    "optimality": lambda w: diagnostics.optimality(l1, tree(w), tree(w + 1))["kernel"],
    "strength_max": lambda w: diagnostics.strength_max(jaxreg.nuclear + l2, tree(w)),
    "strength_max of l1": lambda w: diagnostics.strength_max(l1 + l2, tree(w)),
}


@functools.cache
def functions():
    penalties = {name: row.penalty for name, row in CASES.items()} | WEIGHTED
    of_penalties = {
        f"{name}, {what}": function
        for name, penalty in penalties.items()
        for what, function in of_penalty(penalty).items()
        if exists(function)
    }
    return TRANSFORMS | MEASURES | of_penalties


def all_of_them(w):
    return {name: function(w) for name, function in functions().items()}


@pytest.fixture(scope="module")
def alone():
    """What one device finds."""
    program = jax.jit(all_of_them)
    return [jax.device_get(program(w)) for w in PARTS]


def same(found, wanted):
    for name, number in jax.device_get(found).items():
        np.testing.assert_allclose(number, wanted[name], 2e-4, 2e-5, err_msg=name)


def test_inside_shard_map_every_device_finds_what_it_would_alone(alone):
    mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4])

    def mapped(w):
        return jax.tree.map(lambda x: x[None], all_of_them(w[0]))

    inside = jax.shard_map(mapped, mesh=mesh, in_specs=P("d"), out_specs=P("d"))
    parts = jax.device_put(PARTS, NamedSharding(mesh, P("d")))
    found = jax.jit(inside)(parts)
    for i, wanted in enumerate(alone):
        same(jax.tree.map(lambda x, i=i: x[i], found), wanted)


def test_an_eager_shard_map_makes_the_state_of_adams_metric():
    mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4])
    optimizer = jaxreg.proximal_step(l1, optimizer=optax.adam(0.1), metric="adam")

    def started(w):
        assert jax.tree.structure(optimizer.init(tree(w))) == alone
        return w

    alone = jax.tree.structure(optimizer.init(tree(W)))
    jax.shard_map(started, mesh=mesh, in_specs=P("d"), out_specs=P("d"))(W)


@pytest.mark.parametrize("split", [P("d", "m"), P(None, "d", "m")], ids=str)
def test_on_an_explicit_mesh_it_is_as_on_one_device_and_split_as_the_array(split, alone):
    kinds = (AxisType.Explicit, AxisType.Explicit)
    mesh = jax.make_mesh((4, 2), ("d", "m"), axis_types=kinds)
    w = jax.device_put(W, NamedSharding(mesh, split))
    with jax.set_mesh(mesh):
        found = jax.jit(all_of_them)(w)
    whole = [x for x in found.values() if x.shape == SHAPE]
    assert len(whole) > 40
    assert {x.sharding.spec for x in whole} == {jax.typeof(w).sharding.spec}
    same(found, alone[0])

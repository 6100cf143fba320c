"""The laws of optax transformations: one small function each; `jaxreg.testing` goes through them.

A law has the name of its function, and is about a `Transform`: a factory and what to try it on. As
those of penalties, they are checked in float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg import _trees
from jaxreg._select.rules import Where
from jaxreg.testing._case import TOLERANCE, equal, require

COUNT = 3  # updates
FACTORS = (0.5, 1.0, 2.0)  # of the numbers that are tried


class Transform(NamedTuple):
    """A factory of transformations, and the numbers, parameters and arguments to try it with."""

    factory: Callable[..., optax.GradientTransformation]
    numbers: dict[str, float]
    schedules: tuple[str, ...]  # which of the numbers may be schedules
    params: Any  # a tree of float64 arrays
    dtypes: tuple[Any, ...]
    still: Where | None
    update_args: dict[str, Any]
    facts: frozenset[str]  # "numbers", "schedules", "still"

    def make(self, **changed: Any) -> optax.GradientTransformationExtraArgs:
        return optax.with_extra_args_support(self.factory(**(self.numbers | changed)))

    def grads(self, t: int = 0) -> Any:
        """Gradients of the t-th update, of the order of 1."""
        rng = np.random.default_rng(t)
        return jax.tree.map(lambda w: jnp.asarray(rng.standard_normal(w.shape)), self.params)

    def update(self, transform: Any, grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        params = self.params if params is None else params
        return transform.update(grads, state, params, **self.update_args)

    def updates(self, transform: Any) -> list[Any]:
        """Those of the first steps, at unchanged parameters."""
        state, found = transform.init(self.params), []
        for t in range(COUNT):
            updates, state = self.update(transform, self.grads(t), state)
            found.append(updates)
        return found


def like_the_gradients(case: Transform) -> None:
    """The tree, the shapes and the dtypes of the updates."""
    for dtype in case.dtypes:
        params, grads = (_cast(tree, dtype) for tree in (case.params, case.grads()))
        transform = case.make()
        found = jax.eval_shape(
            lambda g, p, t=transform: case.update(t, g, t.init(p), p)[0], grads, params
        )
        _same_kind(found, grads, f"updates for {jnp.dtype(dtype)}")


def state_stable(case: Transform) -> None:
    transform = case.make()
    before = transform.init(case.params)
    for leaf in jax.tree.leaves(before):
        is_array = isinstance(leaf, jax.Array | np.ndarray)
        require(is_array, "arrays in the state, which a checkpoint can hold", repr(leaf))
    after = jax.eval_shape(lambda g, s: case.update(transform, g, s)[1], case.grads(), before)
    _same_kind(after, before, "a state after the update")


def pure(case: Transform) -> None:
    """The same arguments give the same updates, again and from another object."""
    first, again = case.make(), case.make()
    state = first.init(case.params)
    one, next_state = case.update(first, case.grads(), state)
    _equal(case.update(first, case.grads(), state)[0], one, "called again, updates", 0)
    restored = jax.device_get(next_state)  # as from a checkpoint
    two, _ = case.update(first, case.grads(1), next_state)
    _equal(case.update(again, case.grads(1), restored)[0], two, "from a restored state updates", 0)


def missing_params_named(case: Transform) -> None:
    transform = case.make()
    state = transform.init(case.params)
    try:
        updates, _ = transform.update(case.grads(), state, None, **case.update_args)
    except ValueError as error:
        text = str(error)
        named = "update" in text and "param" in text
        require(named, "an error that names optimizer.update(grads, state, params)", repr(text))
        return
    wanted, _ = case.update(transform, case.grads(), state)
    _equal(updates, wanted, "without parameters an error, or the updates")


def empty_trees(case: Transform) -> None:
    trees: list[Any] = [{}, {"layer": None}, ()]
    for empty in trees:
        transform = case.make()
        updates, _ = case.update(transform, empty, transform.init(empty), empty)
        require(updates == empty, f"the updates of {empty} unchanged", updates)


def none_leaves(case: Transform) -> None:
    transform = case.make()
    wanted, _ = case.update(transform, case.grads(), transform.init(case.params))
    params, grads = ({"tree": tree, "none": None} for tree in (case.params, case.grads()))
    updates, _ = case.update(transform, grads, transform.init(params), params)
    _equal(updates, {"tree": wanted, "none": None}, "beside a None updates")


def finite_at_zero(case: Transform) -> None:
    zeros = jax.tree.map(jnp.zeros_like, case.params)
    transform = case.make()
    updates, _ = case.update(transform, zeros, transform.init(zeros), zeros)
    finite = [np.isfinite(u).all() for u in jax.tree.leaves(updates)]
    require(finite, "finite updates for zero gradients and parameters", "NaN or inf")


def jit_equals_eager(case: Transform) -> None:
    transform = case.make()
    state, wanted = transform.init(case.params), case.updates(transform)
    traces = []

    @jax.jit
    def update(grads: Any, state: Any) -> Any:
        traces.append(state)
        return case.update(transform, grads, state)

    for t in range(COUNT):
        updates, state = update(case.grads(t), state)
        _equal(updates, wanted[t], f"under jit in update {t} updates")
    require(len(traces) == 1, f"1 compilation for {COUNT} updates", len(traces))


def inside_chain(case: Transform) -> None:
    transform = case.make()
    chain = optax.chain(optax.identity(), transform, optax.scale(2.0))
    state, wanted = chain.init(case.params), case.updates(transform)
    args = {"value": jnp.array(1.0)} | case.update_args  # which other members may ask for
    for t in range(COUNT):
        updates, state = chain.update(case.grads(t), state, case.params, **args)
        twice = jax.tree.map(lambda u: 2 * u, wanted[t])
        _equal(updates, twice, f"in a chain in update {t} updates")


def inside_masked(case: Transform) -> None:
    leaves, structure = jax.tree.flatten(case.params)
    mask = jax.tree.unflatten(structure, [i > 0 for i in range(len(leaves))])
    masked = optax.masked(case.make(), mask)
    grads = case.grads()
    updates, _ = case.update(masked, grads, masked.init(case.params))
    others, transform = (_without_first(tree) for tree in (case.params, grads)), case.make()
    params, kept = others
    wanted, _ = case.update(transform, kept, transform.init(params), params)
    _equal(_without_first(updates), wanted, "in a mask updates")
    _equal(jax.tree.leaves(updates)[0], jax.tree.leaves(grads)[0], "outside a mask updates", 0)


def inside_multi_steps(case: Transform) -> None:
    optimizer = optax.MultiSteps(case.make(), every_k_schedule=2).gradient_transformation()
    state, wanted = optimizer.init(case.params), case.updates(case.make())
    update = jax.jit(lambda grads, state: case.update(optimizer, grads, state))
    for t in range(2 * COUNT):
        updates, state = update(case.grads(t // 2), state)
        still = jax.tree.map(jnp.zeros_like, wanted[0])
        _equal(updates, wanted[t // 2] if t % 2 else still, f"in MultiSteps in update {t} updates")


def sharded_equals_unsharded(case: Transform) -> None:
    transform = case.make()
    sharded, grads = (
        jax.tree.map(lambda w: jax.device_put(w, _over_all_devices(w.shape)), tree)
        for tree in (case.params, case.grads())
    )
    wanted, _ = case.update(transform, case.grads(), transform.init(case.params))
    step = jax.jit(lambda g, p: case.update(transform, g, transform.init(p), p)[0])
    updates = step(grads, sharded)
    _equal(updates, wanted, "of sharded parameters updates")
    for u, w in zip(jax.tree.leaves(updates), jax.tree.leaves(sharded), strict=True):
        kept = u.sharding.is_equivalent_to(w.sharding, w.ndim)
        require(kept, f"updates sharded like the parameters, {w.sharding.spec}", u.sharding)


def _over_all_devices(shape: tuple[int, ...]) -> NamedSharding:
    """Along the first axis that divides evenly, or none."""
    fits = [axis for axis, size in enumerate(shape) if size % jax.device_count() == 0]
    spec = [None] * fits[0] + ["data"] if fits else []
    return NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec(*spec))


def inside_inject_hyperparams(case: Transform) -> None:
    injected = optax.inject_hyperparams(case.factory)(**case.numbers)
    _equal(case.updates(injected), case.updates(case.make()), "with injected numbers updates")


def vmap_equals_loop(case: Transform) -> None:
    def first(factor: Any) -> Any:
        transform = case.make(**{name: factor * x for name, x in case.numbers.items()})
        return case.update(transform, case.grads(), transform.init(case.params))[0]

    each = [first(factor) for factor in FACTORS]
    stacked = jax.tree.map(lambda *us: jnp.stack(us), *each)
    _equal(jax.vmap(first)(jnp.array(FACTORS)), stacked, "under vmap over its numbers updates")


def schedules_begin_at_step_0(case: Transform) -> None:
    """In every update a schedule is the number that it says for the step, counted from 0."""
    for name in case.schedules:
        scheduled = case.make(**{name: lambda step, x=case.numbers[name]: x * (1 + step)})
        state = scheduled.init(case.params)
        after = jax.eval_shape(functools.partial(case.update, scheduled), case.grads(), state)[1]
        _same_kind(after, state, f"for a schedule as {name}, under jit, a state after the update")
        for t, updates in enumerate(case.updates(scheduled)):
            fixed = case.make(**{name: case.numbers[name] * (1 + t)})
            wanted = case.updates(fixed)[t]
            _equal(updates, wanted, f"for a schedule as {name} in update {t} updates")


def frozen_leaves_still(case: Transform) -> None:
    assert case.still is not None
    leaves = _trees.leaves(case.params)
    rows = list(zip(leaves, case.still.selected(leaves), strict=True))
    for t, updates in enumerate(case.updates(case.make())):
        pairs = zip(rows, jax.tree.leaves(updates), jax.tree.leaves(case.grads(t)), strict=True)
        for (leaf, still), u, g in pairs:
            if still:
                equal(u, g, f"the update of {leaf.name} as it came,", 0)


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda w: w.astype(dtype), tree)


def _without_first(tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, [None, *leaves[1:]])


def _same_kind(found: Any, wanted: Any, what: str) -> None:
    """Requires the same tree, shapes and dtypes."""
    ours, theirs = jax.tree.structure(found), jax.tree.structure(wanted)
    require(ours == theirs, f"{what} of structure {theirs}", ours)
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(wanted), strict=True
    ):
        place = f"{what} with {b.dtype}{list(b.shape)} at {jax.tree_util.keystr(path)}"
        require((a.shape, a.dtype) == (b.shape, b.dtype), place, f"{a.dtype}{list(a.shape)}")


def _equal(found: Any, wanted: Any, what: str, tolerance: float = TOLERANCE) -> None:
    ours, theirs = jax.tree.structure(found), jax.tree.structure(wanted)
    require(ours == theirs, f"{what} of structure {theirs}", ours)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        require(a.shape == b.shape, f"{what} of shape {b.shape}", a.shape)
        equal(a, b, what, tolerance)


class TransformLaw(NamedTuple):
    """A law, and the facts about a transformation without which it does not apply."""

    holds: Callable[[Transform], None]  # or raises
    needs: frozenset[str]

    @property
    def name(self) -> str:
        return self.holds.__name__.replace("_", " ")


def _law(holds: Callable[[Transform], None], *needs: str) -> TransformLaw:
    return TransformLaw(holds, frozenset(needs))


TRANSFORM_LAWS = (
    _law(like_the_gradients),
    _law(state_stable),
    _law(pure),
    _law(missing_params_named),
    _law(empty_trees),
    _law(none_leaves),
    _law(finite_at_zero),
    _law(jit_equals_eager),
    _law(inside_chain),
    _law(inside_masked),
    _law(inside_multi_steps),
    _law(inside_inject_hyperparams, "numbers"),
    _law(vmap_equals_loop, "numbers"),
    _law(schedules_begin_at_step_0, "schedules"),
    _law(frozen_leaves_still, "still"),
    _law(sharded_equals_unsharded),
)

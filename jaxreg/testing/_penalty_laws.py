"""The laws of penalties: one small function each, of a `Case`; `jaxreg.testing` goes through them.

A law has the name of its function. Those of the prox are in `_prox_laws`; what a law is about is in
`_case`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg._messages.brief import brief
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.unit import Unit
from jaxreg._select.select import biases, weights, where
from jaxreg.testing import _prox_laws
from jaxreg.testing._case import (
    STEPS,
    TOLERANCE,
    Broken,
    Case,
    equal,
    leaf_of,
    outcomes_of,
    require,
)


def pytree_round_trip(case: Case) -> None:
    leaves, structure = jax.tree.flatten(case.penalty)
    again = jax.tree.unflatten(structure, leaves)
    require(isinstance(again, Penalty), "a penalty that is a pytree", repr(again))
    require(again is not case.penalty or not leaves, "a pytree (decorate with @pytree)", "a leaf")
    require(repr(again) == repr(case.penalty), repr(case.penalty), repr(again))
    params = case.tree(jnp.asarray(case.points()[0]))
    equal(again(params), case.penalty(params), "the value")


def repr_evaluates_back(case: Case) -> None:
    """Where ``jnp``, ``where``, ``weights``, ``biases`` and its units by their names are known."""
    text = repr(case.penalty)
    names: dict[str, Any] = {"jnp": jnp, "where": where, "weights": weights, "biases": biases}
    names |= {repr(unit).partition("(")[0]: _maker(unit) for unit in _units(case.penalty)}
    try:
        again = eval(text, names)
    except Exception as error:
        raise Broken(f"expected a repr that can be evaluated, got {text}: {error}") from None
    require(repr(again) == text, f"{text} evaluated to be itself", repr(again))
    params = case.tree(jnp.asarray(case.points()[0]))
    equal(again(params), case.penalty(params), f"of {text}, evaluated, the value")


def _units(penalty: Penalty) -> list[Unit]:
    return [term.unit for term in penalty.terms]


def _maker(unit: Any) -> Any:
    """What a unit's name means in its repr: itself, or with settings what they are given to."""
    return type(unit) if repr(unit).endswith(")") else unit


def empty_trees_refused(case: Case) -> None:
    integers = case.tree(jnp.zeros(case.shape, jnp.int32))
    for empty in ({}, {"layer": None}, (), integers):
        _require_refusal(case.penalty, empty)
        if "proximal" in case.facts:
            _require_refusal(lambda params: case.penalty.prox(params, 1.0), empty)


def _require_refusal(function: Callable[[Any], Any], empty: Any) -> None:
    try:
        found = function(empty)
    except ValueError as error:
        require("floating-point" in str(error), "an error that says what is missing", error)
        return
    raise Broken(f"expected an error for {brief(empty)}, which holds no parameter, got {found}")


def integers_left_alone(case: Case) -> None:
    w, integers = jnp.asarray(case.points()[0]), jnp.arange(3, dtype=jnp.int32) - 2
    alone = case.tree(w)
    beside = {**alone, "integers": integers} if isinstance(alone, dict) else (alone, integers)
    equal(case.penalty(beside), case.penalty(alone), "beside integers the value")
    if "proximal" in case.facts:
        moved = leaf_of(case.penalty.prox(beside, 1.0), lambda _: beside, integers)
        kept = moved.dtype == integers.dtype and (moved == integers).all()
        require(kept, "integers unchanged", moved)


def selection_respected(case: Case) -> None:
    unselected = case.penalty.on(_never)
    w = jnp.asarray(case.points()[0])
    params = case.tree(w)
    equal(unselected(params), 0, "the value with nothing selected")
    if "proximal" in case.facts:
        moved = leaf_of(unselected.prox(params, 1.0), case.tree, w)
        equal(moved, w, "the prox with nothing selected")


def _never(name: str, leaf: Any) -> bool:
    del name, leaf
    return False


def dtype_kept(case: Case) -> None:
    for dtype in case.dtypes:
        w = jax.ShapeDtypeStruct(case.shape, dtype)
        found = jax.eval_shape(lambda w: outcomes_of(case.penalty, w, case.tree, case.facts), w)
        value = jnp.promote_types(jnp.finfo(dtype).dtype, jnp.float32)
        for what, array in found.items():
            wanted = ((), value) if what == "value" else (case.shape, jnp.dtype(dtype))
            got = (array.shape, array.dtype)
            require(got == wanted, f"a {what} of {wanted} for {jnp.dtype(dtype)}", got)


def jit_equals_eager(case: Case) -> None:
    w = case.points()
    compiled = {"value": case.values(w)}
    if "proximal" in case.facts:
        compiled["prox"] = case.proxes(w, STEPS[0])
    if "differentiable" in case.facts:
        compiled["gradient"] = case.grads(w)[0]
    for what, array in case.eager(jnp.asarray(w[0])).items():
        equal(compiled[what][0], array, f"under jit the {what}")


def low_precision_accumulates(case: Case) -> None:
    dtypes = [dtype for dtype in case.dtypes if dtype != case.dtype]
    arrays = [jnp.asarray(case.points()[0]).astype(dtype) for dtype in dtypes]
    for w, found in zip(arrays, case.compiled(arrays), strict=True):
        wanted = case.eager(w.astype(case.dtype))
        for what, array in found.items():
            tolerance = 1e-4 + (0 if what == "value" else 2 * float(jnp.finfo(w.dtype).eps))
            equal(array, wanted[what], f"in {w.dtype} a {what} of", tolerance)


def sharded_equals_unsharded(case: Case) -> None:
    w = jnp.asarray(case.points()[0])
    sharded = jax.device_put(w, _sharding(case.shape))
    wanted = case.eager(w)
    for what, array in case.compiled([sharded])[0].items():
        equal(array, wanted[what], f"on {len(sharded.devices())} devices a {what} of")


def _sharding(shape: tuple[int, ...]) -> NamedSharding:
    """Over as many devices as divide an axis."""
    fits = [max(n for n in range(1, jax.device_count() + 1) if size % n == 0) for size in shape]
    axis = int(np.argmax(fits))
    mesh = Mesh(np.array(jax.devices()[: fits[axis]]), ("data",))
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def never_negative(case: Case) -> None:
    values = case.values(np.stack([case.points(seed) for seed in range(8)]))
    require(values >= 0, "values ≥ 0", np.min(values))


def zero_at_its_minimum(case: Case) -> None:
    values = case.values(case.minimisers())
    require(values <= TOLERANCE, "0 at the minimiser", np.max(values))


def gradient_matches_differences(case: Case) -> None:
    w, direction = case.points(), case.points(1)
    h = 1e-6 * np.abs(w).max() * direction / np.abs(direction).max()
    change = np.subtract(*case.values(np.stack([w + h, w - h]))) / 2
    for name, gradient in zip(("p.grad", "jax.grad"), case.grads(w), strict=True):
        slope, size = (
            case.inner(gradient, h),
            np.sqrt(case.inner(gradient, gradient) * case.inner(h, h)),
        )
        off = np.abs(slope - change) - 1e-5 * size - 1e-9 * np.abs(h).max()
        worst = int(np.argmax(off))
        require(off <= 0, f"of {name} a slope of {change[worst]:.6e}", f"{slope[worst]:.6e}")


def finite_at_zero(case: Case) -> None:
    zero = np.zeros_like(case.points())
    require(~np.isnan(case.values(zero)), "a value at 0", "NaN")
    if "proximal" in case.facts:
        require(np.isfinite(case.proxes(zero, 1.0)), "a finite prox of 0", "NaN or inf")
    if "differentiable" in case.facts:
        require(np.isfinite(case.grads(zero)), "a finite gradient at 0", "NaN or inf")


def gradient_zero_at_minimum(case: Case) -> None:
    for name, gradient in zip(("p.grad", "jax.grad"), case.grads(case.minimisers()), strict=True):
        require(np.abs(gradient) <= TOLERANCE, f"{name} = 0 there", np.abs(gradient).max())


def weights_multiply_its_parts(case: Case) -> None:
    """Those of one term, of which some are 0: what they leave out, others count; or one number."""
    w = jnp.asarray(case.points()[0])
    kept = np.random.default_rng(5).random(_parts_of(case)) > 0.5

    @jax.jit
    def values(w: jax.Array, weights: jax.Array) -> list[jax.Array]:
        params = case.tree(w)

        def value(own: Any) -> jax.Array:
            tree = jax.tree.map(lambda x: own if x is w else 1.0, params)
            return case.penalty.weighted(tree)(params)

        return [case.penalty.weighted(3.0)(params), value(weights) + value(1 - weights)]

    whole = case.penalty(case.tree(w))
    for found, wanted in zip(values(w, jnp.asarray(kept, float)), (3 * whole, whole), strict=True):
        equal(found, wanted, "with weights the value")


def _parts_of(case: Case) -> list[int]:
    """The shape of weights that fit all terms."""
    coupled = [unit.coupled_axes(len(case.shape)) for unit in _units(case.penalty)]
    together = frozenset().union(*coupled)
    return [1 if axis in together else size for axis, size in enumerate(case.shape)]


def linear_in_strength(case: Case) -> None:
    params = case.tree(jnp.asarray(case.points()[0]))
    equal((3.0 * case.penalty)(params), 3 * case.penalty(params), "3 times the value")


def vmap_equals_loop(case: Case) -> None:
    params = case.tree(jnp.asarray(case.points()[0]))
    strengths = np.array([0.0, 0.5, 2.0])

    def value(strength: Any) -> jax.Array:
        return (strength * case.penalty)(params)

    at_once = jax.jit(jax.vmap(value))(strengths)
    equal(at_once, [value(strength) for strength in strengths], "the values of a loop")


def one_trace_for_all_strengths(case: Case) -> None:
    traces = []

    @jax.jit
    def value(penalty: Penalty, w: jax.Array) -> jax.Array:
        traces.append(penalty)
        return penalty(case.tree(w))

    w = jnp.asarray(case.points()[0])
    for strength in np.linspace(0, 1, 50):
        jax.eval_shape(value, strength * case.penalty, w)
    require(len(traces) == 1, "1 trace for 50 strengths", len(traces))


class Law(NamedTuple):
    """A law, and the facts about a penalty without which it does not apply."""

    holds: Callable[[Case], None]  # or raises
    needs: frozenset[str]

    @property
    def name(self) -> str:
        return self.holds.__name__.replace("_", " ")


def _law(holds: Callable[[Case], None], *needs: str) -> Law:
    return Law(holds, frozenset(needs))


LAWS = (
    _law(pytree_round_trip, "real"),
    _law(repr_evaluates_back, "real", "spelled out"),
    _law(integers_left_alone, "real"),
    _law(empty_trees_refused, "real"),
    _law(dtype_kept),
    _law(jit_equals_eager, "real"),
    _law(low_precision_accumulates, "real"),
    _law(selection_respected, "real"),
    _law(sharded_equals_unsharded, "real"),
    _law(never_negative),
    _law(_prox_laws.prox_is_projection, "proximal", "constraint"),
    _law(zero_at_its_minimum),
    _law(finite_at_zero),
    _law(gradient_matches_differences, "differentiable"),
    _law(gradient_zero_at_minimum, "differentiable"),
    _law(linear_in_strength, "real", "scalable"),
    _law(one_trace_for_all_strengths, "real", "scalable"),
    _law(vmap_equals_loop, "real", "scalable"),
    _law(weights_multiply_its_parts, "real", "scalable"),
    _law(_prox_laws.prox_of_step_zero, "proximal", "scalable"),
    _law(_prox_laws.prox_non_expansive, "proximal", "convex"),
    _law(_prox_laws.prox_is_stationary, "proximal"),
    _law(_prox_laws.prox_beats_candidates, "proximal"),
    _law(_prox_laws.moreau_decomposition, "proximal", "convex"),
)

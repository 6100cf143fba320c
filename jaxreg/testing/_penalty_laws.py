"""The laws of penalties: one small function each, of a `Case`; `jaxreg.testing` goes through them.

A law has the name of its function. What it is about is in `_case`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg._messages.brief import brief
from jaxreg._penalty.penalty import Penalty
from jaxreg._penalty.unit import Unit
from jaxreg._select.select import biases, weights, where
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
    """Where ``where``, ``weights``, ``biases`` and its units by their names are known."""
    text = repr(case.penalty)
    names = {"where": where, "weights": weights, "biases": biases}
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


def prox_of_step_zero(case: Case) -> None:
    w = case.points()
    equal(case.proxes(w, 0.0), w, "the array itself")


def prox_is_projection(case: Case) -> None:
    """Of constraints: into the set, where nothing moves any more, whatever the step."""
    w = case.points()
    inside = case.proxes(w, STEPS[0])
    require(case.values(inside) == 0, "a point of the set (value 0)", case.values(inside).max())
    for step in (0.0, *STEPS):
        equal(case.proxes(inside, step), inside, "the projection unmoved")
        equal(case.proxes(w, step), inside, f"for step {step} the same projection")


def prox_non_expansive(case: Case) -> None:
    w = case.points()
    others = [case.points(1), *(w + size * case.points(2) for size in (0.001, 0.01, 0.1))]
    for step in STEPS:
        for other in others:
            moved = case.proxes(w, step) - case.proxes(other, step)
            ratio = np.sqrt(case.inner(moved, moved) / case.inner(w - other, w - other))
            require(
                ratio <= 1 + TOLERANCE, "‖prox(a) − prox(b)‖ ≤ ‖a − b‖", f"{ratio.max():.4f}‖·‖"
            )


def prox_is_stationary(case: Case) -> None:
    """No way down from the prox, in any direction, to first order."""
    w = case.points()
    for step in STEPS:
        v = case.proxes(w, step)
        random = [case.points(seed) for seed in (3, 4)]
        towards = [w - v, v, -v, *random, *(-d for d in random)]
        sizes = [1e-4 * (1 + np.abs(v)) / (np.abs(d).max() + 1e-30) for d in towards]
        near = [v + size * d for size, d in zip(sizes, towards, strict=True)]
        _require_least(case, w, v, step, near)


def prox_beats_candidates(case: Case) -> None:
    w = case.points()
    for step in STEPS:
        v = case.proxes(w, step)
        _require_least(case, w, v, step, list(_candidates(case, w, v)))


def _candidates(case: Case, w: np.ndarray, v: np.ndarray) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(7)
    yield from (case.minimisers(), np.zeros_like(w))
    yield from (v + t * (w - v) for t in (-1.0, -0.1, 0.1, 0.5, 0.9, 1.0))
    yield from (v + t * case.points(6) for t in (0.01, 0.1))
    for sparsity in (0.1, 0.5):
        kept = rng.random(w.shape) > sparsity
        yield from (np.where(kept, w, 0), np.where(kept, v, 0), np.where(kept, v, w))


def _require_least(case: Case, w: Any, v: Any, step: float, candidates: list[Any]) -> None:
    """Of step·penalty(x) + ½‖x − w‖²; what is not a number is not least."""
    x = np.stack([v, *candidates])
    objective = step * case.values(x) + case.inner(x - w, x - w) / 2
    least, others = objective[0], objective[1:]
    better = ~(least <= others + 1e-9 * (1 + np.abs(others)))
    worst = np.unravel_index(np.argmax(better), better.shape)
    what = f"step·penalty(v) + ½‖v − w‖² ≤ {others[worst]:.9g} for step {step}"
    require(~better, what, f"{least[worst[1]]:.9g}")


def moreau_decomposition(case: Case) -> None:
    """w = v + step·y, v = prox(w), with y a subgradient at v: f(u) ≥ f(v) + ⟨y, u − v⟩."""
    w = case.points()
    for step in STEPS:
        v = case.proxes(w, step)
        y = (w - v) / step
        u = np.stack([v, w, case.points(1), v + 0.1 * case.points(2), 2 * v, case.minimisers()])
        values = case.values(u)
        bound = values[0] + case.inner(y, u - v)
        above = values >= bound - TOLERANCE * (1 + np.abs(bound))
        require(above, f"(w − prox(w))/{step} to be a subgradient at prox(w)", "none")


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
    _law(prox_is_projection, "proximal", "constraint"),
    _law(zero_at_its_minimum),
    _law(finite_at_zero),
    _law(gradient_matches_differences, "differentiable"),
    _law(gradient_zero_at_minimum, "differentiable"),
    _law(linear_in_strength, "real", "scalable"),
    _law(one_trace_for_all_strengths, "real", "scalable"),
    _law(vmap_equals_loop, "real", "scalable"),
    _law(prox_of_step_zero, "proximal", "scalable"),
    _law(prox_non_expansive, "proximal", "convex"),
    _law(prox_is_stationary, "proximal"),
    _law(prox_beats_candidates, "proximal"),
    _law(moreau_decomposition, "proximal", "convex"),
)

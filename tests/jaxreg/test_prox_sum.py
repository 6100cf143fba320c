"""The prox of a sum, against brute force on 2 × 2 arrays; what has no closed form is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import (
    Penalty,
    box,
    elastic_net,
    group_lasso,
    group_mcp,
    group_scad,
    huber,
    l0,
    l1,
    l2,
    log_sum,
    max_norm,
    mcp,
    non_negative,
    nuclear,
    orthogonal,
    scad,
    slope,
    sparse_group_lasso,
    spectral,
)

STEP = 0.7
ENTRIES = (-2, -1)
REFERENCE = np.array([[0.5, -0.25], [0.25, 1.0]])  # exact in float32
POINTS = np.random.default_rng(0).normal(size=(24, 2, 2)) * np.linspace(0.3, 3.0, 24)[:, None, None]
WEIGHTS = np.array([[0.5, 2.0], [0.0, 1.5]])
OF_COLUMNS, OF_ROWS = np.array([0.5, 2.0]), np.array([[1.5], [0.0]])
Function = Callable[[np.ndarray], np.ndarray]  # of the last two axes


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def np_l1(v: np.ndarray) -> np.ndarray:
    return np.abs(v).sum(ENTRIES)


def np_l2(v: np.ndarray) -> np.ndarray:
    return (v**2).sum(ENTRIES)


def np_l0(v: np.ndarray) -> np.ndarray:
    return (v != 0).sum(ENTRIES)


def norms(v: np.ndarray, axis: int | None) -> np.ndarray:
    """Of columns (axis 0), of rows (axis 1), or of the matrix; one row of them per matrix."""
    square = (v**2).sum(ENTRIES)[..., None] if axis is None else (v**2).sum(axis - 2)
    return np.sqrt(square)


def np_group(axis: int | None) -> Function:
    return lambda v: norms(v, axis).sum(-1)


def np_group_mcp(gamma: float, axis: int) -> Function:
    return lambda v: mcp_curve(norms(v, axis), gamma).sum(-1)


def np_group_scad(a: float, axis: int) -> Function:
    return lambda v: scad_curve(norms(v, axis), a).sum(-1)


def np_slope(*weights: float) -> Function:
    return lambda v: (np.sort(np.abs(v.reshape(*v.shape[:-2], 4))) * weights[::-1]).sum(-1)


def np_max_norm(bound: float, axis: int | None) -> Function:
    return lambda v: forbidden(norms(v, axis) - bound).sum(-1)


def np_box(lower: float, upper: float) -> Function:
    return lambda v: (forbidden(lower - v) + forbidden(v - upper)).sum(ENTRIES)


def forbidden(excess: np.ndarray) -> np.ndarray:
    """So steep that the minimum is that of the constraint, and a search finds it."""
    return 1e3 * np.maximum(excess, 0)


def np_huber(delta: float) -> Function:
    def value(v: np.ndarray) -> np.ndarray:
        z = np.abs(v)
        return np.where(z <= delta, z**2 / 2, delta * (z - delta / 2)).sum(ENTRIES)

    return value


def mcp_curve(z: np.ndarray, gamma: float) -> np.ndarray:
    return np.where(z <= gamma, z - z**2 / (2 * gamma), gamma / 2)


def np_mcp(gamma: float) -> Function:
    return lambda v: mcp_curve(np.abs(v), gamma).sum(ENTRIES)


def scad_curve(z: np.ndarray, a: float) -> np.ndarray:
    bent = (2 * a * z - z**2 - 1) / (2 * (a - 1))
    return np.where(z <= 1, z, np.where(z <= a, bent, (a + 1) / 2))


def np_scad(a: float) -> Function:
    return lambda v: scad_curve(np.abs(v), a).sum(ENTRIES)


def np_log_sum(eps: float) -> Function:
    return lambda v: np.log(1 + np.abs(v) / eps).sum(ENTRIES)


def singular_values(v: np.ndarray) -> np.ndarray:
    """Of 2 × 2 matrices, by the quadratic equation that their squares solve."""
    square, area = (v**2).sum(ENTRIES), np.abs(np.linalg.det(v))
    total, gap = np.sqrt(square + 2 * area), np.sqrt(np.maximum(square - 2 * area, 0))
    return np.stack([(total + gap) / 2, (total - gap) / 2], axis=-1)


def np_nuclear(v: np.ndarray) -> np.ndarray:
    return singular_values(v).sum(-1)


def np_spectral(v: np.ndarray) -> np.ndarray:
    return singular_values(v).max(-1)


np_non_negative = np_box(0.0, np.inf)


def np_weighted(function: Callable[[np.ndarray], np.ndarray]) -> Function:
    """Σ wᵢ·f(|vᵢ|) over entries."""
    return lambda v: (WEIGHTS * function(np.abs(v))).sum(ENTRIES)


def np_group_weighted(axis: int) -> Function:
    weights = OF_COLUMNS if axis == 0 else OF_ROWS[:, 0]
    return lambda v: (weights * norms(v, axis)).sum(-1)


def itself(v: np.ndarray) -> np.ndarray:
    return v


def around(function: Function) -> Function:
    return lambda v: function(v - REFERENCE)


def total(*terms: tuple[float, Function]) -> Function:
    return lambda v: sum((s * function(v) for s, function in terms), np.zeros(()))


def both(*functions: Function) -> Function:
    return total(*((1.0, function) for function in functions))


def objective(function: Function, w: np.ndarray) -> Function:
    return lambda v: STEP * function(v) + 0.5 * ((v - w) ** 2).sum(ENTRIES)


def brute_force(goal: Function, starts: Sequence[np.ndarray]) -> float:
    """The least value that a random search finds, in ever smaller steps around the best so far."""
    rng = np.random.default_rng(1)
    best = min(starts, key=goal)
    for radius in np.geomspace(2.0, 1e-6, 40):
        tries = best + radius * rng.normal(size=(300, 2, 2)) * rng.integers(0, 2, (300, 2, 2))
        tries[::3] *= rng.integers(0, 2, (100, 2, 2))
        tries = np.concatenate([best[None], tries])
        best = tries[np.argmin(goal(tries))]
    return float(goal(best))


def labels(table: Sequence[tuple[Penalty, Penalty, Any]], word: str) -> list[str]:
    return [f"{first!r} {word} {second!r}" for first, second, _ in table]


ALLOWED: list[tuple[Penalty, Function]] = [
    # equal terms merge
    (0.2 * l1 + 0.3 * l1, total((0.5, np_l1))),
    (0.2 * mcp(0.9) + 0.3 * mcp(0.9), total((0.5, np_mcp(0.9)))),
    (0.2 * huber(0.5) + 0.9 * huber(0.5), total((1.1, np_huber(0.5)))),
    (box(-1.0, 0.5) + box(-1.0, 0.5), np_box(-1.0, 0.5)),
    # squared distances complete the square
    (0.3 * l2 + 0.4 * l2.around(REFERENCE), total((0.3, np_l2), (0.4, around(np_l2)))),
    (elastic_net(l1=0.5, l2=0.2), total((0.5, np_l1), (0.2, np_l2))),
    (0.5 * l1 + 0.2 * l2.around(REFERENCE), total((0.5, np_l1), (0.2, around(np_l2)))),
    (0.5 * l1.around(REFERENCE) + 0.2 * l2, total((0.5, around(np_l1)), (0.2, np_l2))),
    (0.6 * huber(0.5) + 0.2 * l2, total((0.6, np_huber(0.5)), (0.2, np_l2))),
    (group_lasso(0) + 0.2 * l2, total((1, np_group(0)), (0.2, np_l2))),
    (nuclear + 0.2 * l2.around(REFERENCE), total((1, np_nuclear), (0.2, around(np_l2)))),
    (spectral + 0.2 * l2, total((1, np_spectral), (0.2, np_l2))),
    (mcp(0.8) + 0.2 * l2, total((1, np_mcp(0.8)), (0.2, np_l2))),
    (2.0 * mcp(0.8) + 0.1 * l2, total((2, np_mcp(0.8)), (0.1, np_l2))),
    (scad(2.5) + 0.3 * l2, total((1, np_scad(2.5)), (0.3, np_l2))),
    (log_sum(0.5) + 0.3 * l2, total((1, np_log_sum(0.5)), (0.3, np_l2))),
    (0.4 * l0 + 0.3 * l2, total((0.4, np_l0), (0.3, np_l2))),
    (
        box(-0.2, 0.5) + 0.4 * l2.around(REFERENCE),
        both(np_box(-0.2, 0.5), total((0.4, around(np_l2)))),
    ),
    (max_norm(0.7, 0) + 0.4 * l2, both(np_max_norm(0.7, 0), total((0.4, np_l2)))),
    # within groups first, then the groups
    (0.3 * l1 + 0.5 * group_lasso(0), total((0.3, np_l1), (0.5, np_group(0)))),
    (0.5 * group_lasso(-1) + 0.3 * l1, total((0.3, np_l1), (0.5, np_group(1)))),
    (sparse_group_lasso(1, 0.4), total((0.4, np_l1), (0.6, np_group(1)))),
    (
        non_negative + 0.5 * group_lasso((0, 1)),
        both(np_non_negative, total((0.5, np_group(None)))),
    ),
    (
        0.5 * group_lasso((0, -1)) + 0.4 * group_lasso(0),
        total((0.5, np_group(None)), (0.4, np_group(0))),
    ),
    (0.5 * group_lasso(0) + 0.4 * group_lasso(-2), total((0.9, np_group(0)))),
    (0.3 * l1 + max_norm(0.7, 0), both(total((0.3, np_l1)), np_max_norm(0.7, 0))),
    (
        max_norm(0.9, (0, 1)) + 0.3 * group_lasso(1),
        both(total((0.3, np_group(1))), np_max_norm(0.9, None)),
    ),
    (max_norm(0.7, 1) + non_negative, both(np_non_negative, np_max_norm(0.7, 1))),
    (0.4 * nuclear + 0.3 * group_lasso((0, 1)), total((0.4, np_nuclear), (0.3, np_group(None)))),
    (
        0.4 * spectral + max_norm(0.9, (-1, -2)),
        both(total((0.4, np_spectral)), np_max_norm(0.9, None)),
    ),
    (
        0.3 * l1.around(REFERENCE) + 0.2 * l2,
        total((0.3, around(np_l1)), (0.2, np_l2)),
    ),
    (
        (0.3 * l1 + 0.5 * group_lasso(0)).around(REFERENCE),
        around(total((0.3, np_l1), (0.5, np_group(0)))),
    ),
    (
        max_norm(1.0, (0, 1)) + 0.2 * l1 + non_negative + 0.3 * group_lasso(0) + 0.1 * l2,
        both(
            np_non_negative,
            np_max_norm(1.0, None),
            total((0.2, np_l1), (0.3, np_group(0)), (0.1, np_l2)),
        ),
    ),
    # norms of groups that flatten, and sorted sizes, beside what goes with norms
    (
        0.3 * l1.weighted(WEIGHTS) + 0.5 * group_mcp(0.9, 0) + 0.2 * l2,
        total((0.3, np_weighted(itself)), (0.5, np_group_mcp(0.9, 0)), (0.2, np_l2)),
    ),
    (0.2 * l1 + 2.0 * group_scad(2.5, 1), total((0.2, np_l1), (2, np_group_scad(2.5, 1)))),
    (
        0.4 * group_lasso(0) + 2.0 * group_mcp(0.9, -2),
        total((0.4, np_group(0)), (2, np_group_mcp(0.9, 0))),
    ),
    (
        0.5 * slope([2.0, 1.0, 0.5, 0.0]) + 0.2 * l2.around(REFERENCE) + 0.3 * group_lasso((0, 1)),
        total((0.5, np_slope(2, 1, 0.5, 0)), *((0.2, around(np_l2)), (0.3, np_group(None)))),
    ),
    # weights: of entries and of groups, of twins, and of squares, after which the step is uneven
    (
        0.3 * l1.weighted(WEIGHTS) + 0.5 * group_lasso(0).weighted(OF_COLUMNS),
        total((0.3, np_weighted(itself)), (0.5, np_group_weighted(0))),
    ),
    (
        0.3 * l1.weighted(WEIGHTS) + 0.2 * l1 + 0.1 * l1.weighted(0.5),
        total((0.3, np_weighted(itself)), (0.25, np_l1)),
    ),
    (
        elastic_net(l1=0.5, l2=0.4).weighted(WEIGHTS) + 0.1 * l2.around(REFERENCE),
        total(
            (0.5, np_weighted(itself)),
            *((0.4, np_weighted(lambda v: v**2)), (0.1, around(np_l2))),
        ),
    ),
    (
        0.5 * group_lasso(1).weighted(OF_ROWS) + 0.4 * l2.weighted(WEIGHTS) + 0.1 * l1,
        total((0.5, np_group_weighted(1)), (0.4, np_weighted(lambda v: v**2)), (0.1, np_l1)),
    ),
    (
        0.5 * group_lasso((0, 1)) + 0.4 * group_lasso(1).weighted(OF_ROWS) + 0.2 * l2.weighted(2),
        total((0.5, np_group(None)), (0.4, np_group_weighted(1)), (0.4, np_l2)),
    ),
    (
        nuclear.weighted(0.5) + 0.2 * l2.weighted(2.0),
        total((0.5, np_nuclear), (0.4, np_l2)),
    ),
    (
        mcp(0.8).weighted(WEIGHTS) + 0.2 * l2.weighted(WEIGHTS),
        total((1, np_weighted(lambda v: mcp_curve(v, 0.8) + 0.2 * v**2))),
    ),
    (max_norm(0.7, 0) + l2.weighted(WEIGHTS), both(np_max_norm(0.7, 0), np_weighted(np.square))),
    (
        0.4 * l1.weighted(WEIGHTS).around(REFERENCE) + non_negative,
        both(lambda v: 0.4 * (WEIGHTS * abs(v - REFERENCE)).sum(ENTRIES), np_non_negative),
    ),
    # convex entry by entry, then clipped
    (0.4 * l1 + box(0.1, 0.6), both(total((0.4, np_l1)), np_box(0.1, 0.6))),
    (non_negative + 0.4 * l1, both(total((0.4, np_l1)), np_non_negative)),
    (0.9 * huber(0.5) + box(-0.3, 0.6), both(total((0.9, np_huber(0.5))), np_box(-0.3, 0.6))),
    (0.9 * huber(0.5) + non_negative, both(total((0.9, np_huber(0.5))), np_non_negative)),
    (0.4 * l1.around(REFERENCE) + non_negative, both(total((0.4, around(np_l1))), np_non_negative)),
    (box(-1.0, 0.5) + box(-0.4, 2.0), np_box(-0.4, 0.5)),
    (box(-1.0, 0.5) + non_negative, np_box(0.0, 0.5)),
]


@pytest.mark.parametrize(("penalty", "function"), ALLOWED, ids=[repr(p) for p, _ in ALLOWED])
def test_the_prox_of_an_allowed_sum_is_not_beaten_by_brute_force(penalty, function):
    prox = jax.jit(lambda w: penalty.prox(w, STEP))
    for w in POINTS[::4]:
        v = np.asarray(prox(w))
        goal = objective(function, w)
        assert goal(v) <= brute_force(goal, [v, w, np.zeros((2, 2))]) + 1e-9


WRONG_ORDER: list[tuple[Penalty, Penalty, Function]] = [
    (0.5 * group_lasso(0), 0.3 * l1, total((0.3, np_l1), (0.5, np_group(0)))),
    (0.4 * group_lasso(0), non_negative, both(np_non_negative, total((0.4, np_group(0))))),
    (max_norm(0.7, 0), 0.3 * l1, both(total((0.3, np_l1)), np_max_norm(0.7, 0))),
    (
        0.5 * group_lasso((0, 1)),
        0.4 * group_lasso(0),
        total((0.5, np_group(None)), (0.4, np_group(0))),
    ),
    (box(0.1, 0.6), 0.4 * l1, both(total((0.4, np_l1)), np_box(0.1, 0.6))),
]


@pytest.mark.parametrize(
    ("first", "second", "function"), WRONG_ORDER, ids=labels(WRONG_ORDER, "then")
)
def test_the_other_order_is_beaten(first, second, function):
    assert any(are_beaten(first, second, function))


def are_beaten(first: Penalty, second: Penalty, function: Function) -> Iterator[bool]:
    """At each point, whether brute force finds better than one prox after the other."""
    composed = jax.jit(jax.vmap(lambda w: second.prox(first.prox(w, STEP), STEP)))
    for w, v in zip(POINTS, np.asarray(composed(POINTS)), strict=True):
        goal = objective(function, w)
        yield bool(brute_force(goal, [v]) < goal(v) - 1e-5)


REFUSED: list[tuple[Penalty, Penalty, Function | None]] = [
    (0.5 * huber(0.5), 0.4 * l1, None),
    (0.5 * group_lasso(0), 0.5 * group_lasso(1), total((0.5, np_group(0)), (0.5, np_group(1)))),
    (0.4 * l1, 0.4 * nuclear, total((0.4, np_l1), (0.4, np_nuclear))),
    (2.0 * mcp(0.8), box(-0.2, 0.2), both(total((2, np_mcp(0.8))), np_box(-0.2, 0.2))),
    (box(-0.3, 0.5), 0.4 * group_lasso(0), both(np_box(-0.3, 0.5), total((0.4, np_group(0))))),
    (box(0.2, 0.9), max_norm(0.7, 0), both(np_box(0.2, 0.9), np_max_norm(0.7, 0))),
    (0.6 * huber(0.5), 0.5 * group_lasso(1), total((0.6, np_huber(0.5)), (0.5, np_group(1)))),
    (0.4 * nuclear, 0.4 * group_lasso(0), total((0.4, np_nuclear), (0.4, np_group(0)))),
    (max_norm(0.7, 0), max_norm(0.7, 1), both(np_max_norm(0.7, 0), np_max_norm(0.7, 1))),
    (spectral, nuclear, None),
    (l1, l1.around(REFERENCE), None),
    (0.4 * l1, 0.5 * group_lasso(0).around(REFERENCE), None),
    (mcp(0.8), mcp(0.9), None),
    (huber(0.5), huber(0.6), None),
    (mcp(0.8), group_lasso(0), None),
    (scad(3.0), non_negative, None),
    (log_sum(0.3), l1, None),
    (l0, l1, None),
    (l1, orthogonal("rows"), None),
    (0.5 * group_mcp(0.9, 0), 0.4 * group_lasso(1), None),
    (group_mcp(0.9, 0), max_norm(0.7, 0), None),
    (slope(q=0.1), l1, None),
    (slope(q=0.1), non_negative, None),
]


@pytest.mark.parametrize(("first", "second", "_"), REFUSED, ids=labels(REFUSED, "and"))
def test_a_sum_without_a_closed_form_names_both_terms_and_the_way_out(first, second, _):
    text = (
        f"prox: expected terms whose prox is known in closed form together, got {first!r} and "
        f"{second!r} on fc/kernel; put one of them into the loss, or select different leaves with "
        f".on(...)"
    )
    params = {"fc": {"kernel": jnp.asarray(POINTS[0])}}
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        (first + second + 0.1 * l2).prox(params, STEP)


PROVEN = [row for row in REFUSED if row[2] is not None]


@pytest.mark.parametrize(("first", "second", "function"), PROVEN, ids=labels(PROVEN, "and"))
def test_a_refused_sum_is_composed_exactly_in_neither_order(first, second, function):
    assert any(are_beaten(first, second, function))
    assert any(are_beaten(second, first, function))


def test_the_error_names_the_two_that_clash_among_many():
    penalty = l1 + non_negative + group_lasso(0) + group_lasso(1)
    with pytest.raises(TypeError, match=r"got group_lasso\(axis=0\) and group_lasso\(axis=1\) on "):
        penalty.prox(jnp.ones((2, 2)), STEP)


def test_terms_meet_only_on_the_leaves_that_both_select():
    params = {"a": jnp.asarray(POINTS[0]), "b": jnp.asarray(POINTS[1])}
    penalty = l1.on("a") + 0.5 * nuclear.on("b") + 0.1 * l2
    moved = penalty.prox(params, STEP)
    np.testing.assert_array_equal(moved["a"], (l1 + 0.1 * l2).prox(params["a"], STEP))
    np.testing.assert_array_equal(moved["b"], (0.5 * nuclear + 0.1 * l2).prox(params["b"], STEP))


def test_whether_groups_are_nested_depends_on_the_axes_of_the_leaf():
    penalty = 0.2 * group_lasso(0) + 0.3 * group_lasso(-1)
    row = jnp.array([3.0, 4.0])
    np.testing.assert_allclose(penalty.prox(row, 1.0), 0.9 * row)
    with pytest.raises(TypeError, match="known in closed form together"):
        penalty.prox(jnp.ones((2, 2)), 1.0)


def test_equal_constraints_merge_without_a_strength():
    penalty = non_negative + l1 + non_negative
    np.testing.assert_array_equal(penalty.prox(jnp.array([-1.0, 2.0]), 1.0), [0.0, 1.0])


def test_traced_strengths_and_settings_compose():
    w = jnp.asarray(POINTS[1])

    def moved(strength: jax.Array, delta: jax.Array) -> jax.Array:
        return (strength * huber(delta) + 0.1 * l2 + box(-delta, delta)).prox(w, STEP)

    strengths, deltas = jnp.array([0.1, 2.0]), jnp.array([0.3, 0.8])
    batched = jax.jit(jax.vmap(moved))(strengths, deltas)
    single = [moved(s, d) for s, d in zip(strengths, deltas, strict=True)]
    np.testing.assert_allclose(batched, jnp.stack(single), rtol=1e-12)


def test_constraints_hold_after_the_prox_whatever_the_strengths_beside_them():
    penalty = non_negative + max_norm(0.5, 1) + 0.3 * l1
    moved = penalty.prox(jnp.asarray(POINTS[5]), STEP)
    assert float((non_negative + max_norm(0.5, 1))(moved)) == 0
    assert bool(jnp.any(jnp.linalg.norm(moved, axis=1) > 0.4))

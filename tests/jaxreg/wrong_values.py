"""What no argument can mean: for every public function a call that is right, and values for each of
its arguments that are wrong there.

A call is refused as it should be if the last frame of the traceback is one of the library, and the
message says what was expected and what came. That of Python for a wrong signature never appears:
every public function says itself which arguments it takes.
"""

from __future__ import annotations

import inspect
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from jaxreg import l1, l2

LIBRARY = Path(jaxreg.__file__).parent
NAMESPACES = (jaxreg, jaxreg.convert, jaxreg.diagnostics, jaxreg.prox, jaxreg.testing, jaxreg.tune)
FORM = re.compile(r"[^:]+: .*expected .+(got|found|but) .+", re.DOTALL)


class Thing:
    """Of a class that nobody knows."""

    def __repr__(self) -> str:
        return "Thing()"


class Role(NamedTuple):
    """What an argument is for: one value that is right, and those that are wrong."""

    right: Any
    wrong: tuple[Any, ...]


THINGS = (Thing(), Thing, b"bytes", {1, 2}, (x for x in "x"), range(0), slice(None), NotImplemented)
DTYPES = (np.array(["a"]), np.array([None]), np.array(["2026-01-01"], "M8[D]"))
TEXT = ("", "1e-4", "text")
CONTAINERS = ([], [1e-4], (1,), {}, {"a": 1.0})
NO_NUMBER = (None, *TEXT, *THINGS, *CONTAINERS, *DTYPES, l2, optax.sgd(0.1), np, jnp.ones)
BELOW = (-1.0, -1, np.float32(-0.5), -1e-300)
NOT_FINITE = (float("nan"), float("inf"), np.float32("nan"), -np.inf)
OTHER_NUMBERS = (1j, True, False, np.True_, Decimal("0.1"), 10**400)
BAD = (*NO_NUMBER, *BELOW, *NOT_FINITE, *OTHER_NUMBERS)
FRACTIONS = (2.5, np.float32(1.5))
COUNTS = (*NO_NUMBER, *BELOW, *NOT_FINITE, 1j, Decimal("0.1"), 0, *FRACTIONS)

W = np.array([[3.0, -0.5], [4.0, 0.25]], np.float32)
PARAMS = {"bias": np.array([0.5, -1.0], np.float32), "kernel": W}
NO_TREE = (None, 1.0, 1, *TEXT, *THINGS, [], {}, (), [1.0], {"w": "x"}, {"w": 1.0}, l2, jnp.ones)
NO_PARAMS = (*NO_TREE, np.arange(3), {"w": np.arange(3)}, {"w": DTYPES[0]}, jax.random.key(0))
NO_ARRAY = (
    None,
    *TEXT,
    *THINGS[:5],
    *THINGS[6:],
    {},
    {"a": 1.0},
    *DTYPES,
    l2,
    jnp.ones,
    jax.random.key(0),
    np,
)
NO_FUNCTION = (None, 1.0, *TEXT, W, PARAMS, [], *THINGS[:1], *THINGS[2:-1])
NO_PENALTY = (None, 1e-4, *TEXT, W, PARAMS, [l1], {"w": l1}, *THINGS, optax.sgd(0.1))
UNKNOWN = ("[", 3, 1.5, *THINGS, [1], {"kernel": "yes"}, W, l2)
NO_RULE = ("no/such/leaf", {"other": True}, *UNKNOWN)
NO_AXES = ("0", "", 1.5, [0.5], (0, "1"), *THINGS, {}, float("nan"), W, l2)
NO_AXIS = (*NO_AXES, (0, 0), (0, -2), 9, -9)
NO_NAME = (None, 3, 1.5, "nothing", "", [], ["sgd"], *THINGS, W, l2)


def loss(params: Any) -> Any:
    """A data loss of `PARAMS`."""
    return sum(jnp.mean((w - 1) ** 2) for w in jax.tree.leaves(params))


def train(point: Any, weights: Any, x: Any, y: Any) -> Any:
    """A ridge regression of weighted examples: its losses."""
    rows = weights[:, None] * x
    w = jnp.linalg.solve(rows.T @ x + (1e-3 + point["strength"]) * jnp.eye(2), rows.T @ y)
    return (x @ w - y) ** 2


def run(point: Any) -> Any:
    """A training of a sweep."""
    return 2.0 * point["strength"]


X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0], [2.0, 2.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
Y = np.array([1.0, 2.0, 3.0, 4.0, 0.5, 1.5], np.float32)

STRENGTH = Role(0.25, BAD)
POSITIVE = Role(0.5, (*BAD, 0, 0.0))
NUMBER = Role(0.5, (*NO_NUMBER, float("nan"), 1j, 10**400))
ARRAY = Role(W, NO_ARRAY)
COUNT = Role(4, COUNTS)
SEED = Role(0, (*NO_NUMBER, -1, 1.5, float("nan"), 1j))
SHARE = Role(0.5, (*BAD, 1.5))
FLAG = Role(True, (*TEXT, 2, 0.5, *THINGS, [], W, jnp.ones, float("nan")))
NAME = Role("sgd", NO_NAME)
TRAIN = Role(train, NO_FUNCTION)
POINTS = Role(
    {"strength": np.array([0.1, 0.2])},
    (
        None,
        1.0,
        *TEXT,
        [],
        {},
        {"a": 3},
        {"a": [1], "b": [1, 2]},
        {"a": []},
        *THINGS,
        l2,
        loss,
        {"strength": "x"},
        {"strength": [object()]},
        {1: 2},
    ),
)
SPACE = Role(
    {"strength": (1e-3, 1.0)},
    (1.0, *TEXT, [], {"a": (1, 0)}, {"a": (0, 1)}, {"a": "x"}, {"a": (1,)},
     {"a": (1, float("nan"))}, {"a": [object()]}, {"a": ()}, {1: (1, 2)}, *THINGS, l2, loss),
)  # fmt: skip
FOLDS = Role(3, ("3", 1, 0, -1, 2.5, 99, float("nan"), *THINGS, {}, W, np.zeros((2, 6)), l2, loss))
GROUPS = Role(None, ("x", 1.5, [1], W, *THINGS, l2, loss, {}))
SOME = Role(None, (1.0, *TEXT, [1], *THINGS, W, l2, loss))
PROGRESS = Role(None, (1.0, "yes", [1], *THINGS[:1], W, {}))
MESH = Role(None, ("cpu", 2, [1], *THINGS, W, jax.devices()))
NUMBERS = Role(
    np.array([0.1, 0.2]),
    (*TEXT, *THINGS, {}, [], [-1.0], [float("nan")], ["a"], W, l2, loss, *DTYPES),
)
FEATURES = Role(X, (None, 1.0, *TEXT, *THINGS, {}, [], Y, X[:0], X[:, :0], *DTYPES, l2, loss))
TARGETS = Role(Y, (None, 1.0, *TEXT, *THINGS, {}, [], Y[:3], X[:2], *DTYPES, l2, loss))
SCHEDULE = Role(0.1, tuple(x for x in BAD if not callable(x)))
OPTIMIZER = Role(optax.sgd(0.1), (None, 0.1, *TEXT, *THINGS[:1], *THINGS[2:], W, PARAMS, l2, []))
TOLERANCE = Role(1e-3, (*BAD[1:], 0.0))
LIKE_PARAMS = (1.0, "x", *THINGS, [], {}, [1.0], {"w": W}, {"bias": W, "kernel": W}, l2, loss)

ROLES: dict[str, Role] = {
    # of one array
    "w": ARRAY,
    "step": STRENGTH,
    "delta": POSITIVE,
    "eps": POSITIVE,
    "gamma": POSITIVE,
    "a": Role(3.0, (*BAD, 0, 1.0)),
    "bound": STRENGTH,
    "lower": NUMBER,
    "upper": NUMBER,
    "axis": Role(0, NO_AXIS),
    **{f"jaxreg.{name}.axis": Role(0, NO_AXES) for name in
       ("group_lasso", "max_norm", "sparse_group_lasso", "group_mcp", "group_scad")},
    "mode": Role("rows", NO_NAME),
    "slope.weights": Role([2.0, 1.0, 1.0, 0.5], (*BAD, [-1.0] * 4, [1.0, 2.0, 3.0, 4.0], [0.0])),
    "q": Role(0.1, (*BAD[1:], 0.0, 1.0, 2.0)),
    # of trees
    "params": Role(PARAMS, NO_PARAMS),
    "where": Role(None, NO_RULE),
    "rule": Role("kernel", UNKNOWN),
    "decoupled_decay.where": Role(None, UNKNOWN),
    "describe.where": Role(None, NO_RULE[:-1]),
    "describe.params": Role(PARAMS, ("", "text", l2)),
    "decoupled_decay.reference": Role(None, LIKE_PARAMS[:-4]),
    "penalty": Role(0.1 * l2, NO_PENALTY),
    "constraint": Role(jaxreg.non_negative, (*NO_PENALTY, l2)),
    "reference": Role(PARAMS, LIKE_PARAMS),
    "grads": Role(PARAMS, LIKE_PARAMS),
    "previous": Role(PARAMS, LIKE_PARAMS),
    # numbers
    **dict.fromkeys(
        ("strength", "weight_decay", "l2", "l1", "alpha", "half_l2", "precision", "decay",
         "learning_rate", "total", "normalized"), STRENGTH
    ),
    **dict.fromkeys(("c", "noise_variance", "timescale", "epochs"), POSITIVE),
    **dict.fromkeys(("l1_ratio", "momentum"), SHARE),
    **dict.fromkeys(
        ("examples", "batch_size", "steps", "count", "repeats", "trials", "batch",
         "max_steps", "segment"), COUNT
    ),
    "seed": SEED,
    "tolerance": TOLERANCE,
    "rate": STRENGTH,
    "norm": Role("l2", NO_NAME),
    "optimizer": NAME,
    **dict.fromkeys(
        ("half", "has_aux", "intercept", "cautious", "zero", "grow", "side_by_side", "keep"), FLAG
    ),
    # transformations
    **{f"decoupled_decay.{name}": SCHEDULE for name in ("rate", "learning_rate")},
    **{f"{f}.{name}": SCHEDULE for f in ("to_total_decay", "from_total_decay")
       for name in ("rate", "learning_rate")},
    "proximal_step.learning_rate": SCHEDULE,
    "proximal_step.optimizer": OPTIMIZER,
    "proximal_step.metric": Role("adam", NO_NAME[1:]),
    "audit.optimizer": Role(optax.sgd, OPTIMIZER.wrong),
    "learning_rates": Role(None, (1.0, "x", *THINGS, [], ["a"], [-1.0], [float("nan")], W)),
    "update_args": SOME,
    "frozen": Role(None, NO_RULE),
    # losses and trainings
    "loss": Role(loss, NO_FUNCTION),
    "losses": Role(loss, NO_FUNCTION),
    "train": Role(run, NO_FUNCTION),
    "points": POINTS,
    "point": POINTS,
    "space": SPACE,
    "folds": FOLDS,
    "classes": GROUPS,
    "groups": GROUPS,
    "share": Role(0.5, (*BAD, 0.0, 1.0)),
    "low": POSITIVE,
    "high": POSITIVE,
    "strengths": NUMBERS,
    "features": FEATURES,
    "targets": TARGETS,
    "ratio": Role(0.1, (*BAD, 0, 1.5)),
    "per_device": Role(1, ("many", 0, -1, 2.5, *THINGS, [], W, l2, loss)),
    "mesh": MESH,
    "chunk": Role(None, COUNTS[1:]),
    "start": Role(0, (*NO_NUMBER, -1, 1.5, 99)),
    "progress": PROGRESS,
    "on_chunk": Role(None, (1.0, "yes", [1], *THINGS[:1], W, {})),
    "compiler_options": Role(None, (1.0, "yes", [1], *THINGS, W)),
    "journal": Role(None, (1.0, [1], *THINGS[:2], W, {}, l2)),
    "storage": Role(None, (1.0, [1], *THINGS[:2], W, {}, l2)),
    "sampler": Role("random", NO_NAME),
    "pruner": Role(None, NO_NAME[1:]),
    "average": Role("seed", (3, 1.5, *THINGS, W, l2, [1])),
    "wrt": Role("strength", NO_NAME),
    "bounds": Role((1e-8, 1.0), (None, 1.0, "x", (1.0,), (1, 0), (-1, 1), (0, "x"), *THINGS, W)),
    "weights": NUMBERS,
    **{f"{f}.rule": Role("minimum", NO_NAME) for f in ("cross_validate",)},
    **{f"{f}.mode": Role("reverse", NO_NAME) for f in ("hypergradient", "validation_gradient")},
    **{f"{f}.train": TRAIN for f in ("cross_validate", "bayesian", "random", "sobol",
       "hypergradient", "validation_gradient")},
    "hypergradient.optimizer": Role(None, OPTIMIZER.wrong[1:]),
    "checkpointed_scan.step": Role(lambda c, x: (c, x), NO_FUNCTION),
    "checkpointed_scan.start": Role(1.0, ()),
    "evidence.max_steps": COUNT,
    "linear.low": NUMBER,
    "linear.high": NUMBER,
    "effective_learning_rate.optimizer": NAME,
    "degrees_of_freedom.features": Role(X, tuple(x for x in FEATURES.wrong if np.size(x))),
    "strength_max.grads": Role(PARAMS, LIKE_PARAMS[:-4]),
    "grid.strength": Role([0.1], (None, 1.0, "x", [], {}, *THINGS[:1], *THINGS[3:], l2, jnp.ones)),
    "factory": Role(lambda: optax.identity(), NO_FUNCTION),
    "numbers": SOME,
    "schedules": Role((), (None, 1.0, "rate", [1], *THINGS[:5], W, l2)),
    "still": Role(None, UNKNOWN),
    "check_transform.params": Role(None, NO_PARAMS[1:]),
    "shapes": Role([(2,)], (None, 1, "x", [], [1], [("a",)], [(-1,)], [(2.5,)], *THINGS, W)),
    "dtypes": Role([np.float32], (None, 1, "x", [], ["x"], [int], [None], *THINGS, W, np.float32)),
    **dict.fromkeys(("convex", "differentiable", "proximal"), Role(None, FLAG.wrong)),
    "minimiser": Role(None, SOME.wrong[:2]),
    "tree": Role(None, SOME.wrong[:2]),
    "xs": Role(W, (None, {}, [], (), "", 1.0, l2, jnp.ones, {"a": W, "b": X})),
    "path.degrees_of_freedom": Role(None, FLAG.wrong),
}  # fmt: skip
"""By the name of the argument, or by function and argument where it is another thing there."""
NOT_CALLED = ("absent", "explained", "pytree", "static", "grid")


METHODS = {
    "l2": l2.__call__,
    "grid": lambda strength: jaxreg.grid(strength=strength),
    "l2.prox": l2.prox,
    "l2.grad": l2.grad,
    "l2.on": l2.on,
    "l2.around": l2.around,
}


def functions() -> dict[str, Callable[..., Any]]:
    """Every public function, by module and name; and some methods of what they return."""
    return METHODS | {
        f"{space.__name__}.{name}": thing
        for space in NAMESPACES
        for name, thing in vars(space).items()
        if inspect.isfunction(thing)
        and thing.__module__.startswith("jaxreg")
        and not name.startswith("_")
        and name not in NOT_CALLED
    }


def roles(name: str, function: Callable[..., Any]) -> dict[str, Role]:
    """What each of its arguments is for."""
    found = {}
    for p in inspect.signature(function).parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        own = f"{function.__name__}.{p.name}"
        names = (f"{name}.{p.name}", own, p.name)
        role = next((ROLES[n] for n in names if n in ROLES), None)
        if role is None:
            continue
        wrong = tuple(x for x in role.wrong if x is not p.default)
        found[p.name] = Role(role.right, wrong)
    return found


def required(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]


def fault(function: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """What is wrong with how a call is refused; nothing if it is as it should be."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = called(function, arguments)
    except Exception as error:
        return _fault_of(error)
    return f"accepted: {result!r}"[:200]


def called(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """The function with its arguments, and with data if it trains on some."""
    if not {"folds", "wrt"} & inspect.signature(function).parameters.keys():
        return function(**arguments)
    if not any(p.name == "shared" for p in inspect.signature(function).parameters.values()):
        return function(**arguments)
    named = dict(arguments)
    first = [named.pop(name) for name in required(function)]
    return function(*first, X, Y, **named)


def _fault_of(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    if not Path(last.filename).is_relative_to(LIBRARY):
        return f"not ours: {type(error).__name__}: {error}"[:300]
    if not FORM.match(str(error)):
        return f"not in our form: {type(error).__name__}: {error}"[:300]
    return ""


def each() -> Iterator[tuple[str, Callable[..., Any], dict[str, Any], str]]:
    """Every function with one wrong argument at a time."""
    for name, function in functions().items():
        known = roles(name, function)
        right = {key: known[key].right for key in required(function) if key in known}
        for key, role in known.items():
            for wrong in role.wrong:
                yield name, function, {**right, key: wrong}, key

"""Large trees on one device: thousands of leaves, and hundreds of millions of parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.benchmark.large import Rows
from experiments.benchmark.large.memory import timed
from jaxreg import (
    audit,
    decoupled_decay,
    describe,
    l1,
    l2,
    proximal_step,
    solve,
    weights,
)

PENALTY = 1e-4 * l2.on(weights) + 1e-5 * l1.on(weights)
LEARNING_RATE, RATE = 1e-2, 1e-2
DECAY = optax.chain(optax.sgd(LEARNING_RATE), decoupled_decay(RATE, LEARNING_RATE, where=weights))
PROXIMAL = optax.chain(optax.sgd(LEARNING_RATE), proximal_step(PENALTY, LEARNING_RATE))
METRIC = proximal_step(PENALTY, optimizer=optax.adam(LEARNING_RATE), metric="adam")


def leaves(quick: bool) -> Rows:
    """What is done once for each leaf: seconds, which should grow as the leaves do."""
    count = 200 if quick else 2000
    params = {
        f"layer{i}": {"bias": jnp.ones(4), "kernel": jnp.full((8, 4), 0.5)}
        for i in range(count // 2)
    }
    gradient, prox = jax.value_and_grad(PENALTY), functools.partial(PENALTY.prox, step=0.1)
    works: dict[str, Callable[[], object]] = {
        "`print(describe(params, penalty))`": lambda: str(describe(params, PENALTY)),
        "value and gradient, compiling": lambda: compiled(gradient, params),
        "prox, compiling": lambda: compiled(prox, params),
        "SGD and `decoupled_decay`, compiling": lambda: compiled(*step_of(DECAY, params)),
        "SGD and `proximal_step`, compiling": lambda: compiled(*step_of(PROXIMAL, params)),
        "`proximal_step` in Adam's metric, `init`": lambda: METRIC.init(params),
        "the same, compiling": lambda: compiled(*step_of(METRIC, params)),
        "`audit` of AdamW": lambda: audit(adamw, params),
        "`solve`, compiling and all": lambda: solve(distance, PENALTY, params).params,
    }
    for what, work in works.items():
        seconds, more = timed(work)
        yield {"what": what, "size": f"{count:,} leaves", "seconds": seconds, "held": more / 1e6}


def adamw(learning_rate: Any) -> Any:
    return optax.adamw(learning_rate, weight_decay=RATE, mask=weights.mask)


def distance(params: Any) -> jax.Array:
    """½Σ(w − 1)²/n of every leaf."""
    parts = [0.5 * jnp.mean(jnp.square(w - 1)) for w in jax.tree.leaves(params)]
    return jnp.sum(jnp.stack(parts))


def step_of(optimizer: Any, params: Any) -> tuple[Any, ...]:
    """One step in place, with the gradients given, and what it is compiled for."""

    def step(params: Any, state: Any, grads: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return jax.jit(step, donate_argnums=(0, 1)), params, state_of(optimizer, params), params


def state_of(optimizer: Any, params: Any) -> Any:
    """The shapes of its state."""
    return jax.eval_shape(optimizer.init, params)


def compiled(function: Any, *args: Any) -> Any:
    """The program for arrays, or for their shapes."""
    jitted = function if hasattr(function, "lower") else jax.jit(lambda *a: function(*a))
    return jitted.lower(*args).compile()


# --- parameters ---


def shapes(quick: bool) -> tuple[int, tuple[int, int]]:
    """How many kernels, and their shape; it can be split over eight devices."""
    return (20, (400, 250)) if quick else (200, (2000, 1250))


def parameters(quick: bool) -> Rows:
    """What programs hold beside the parameters, by XLA's account and by that of the process."""
    count, shape = shapes(quick)
    one = jax.ShapeDtypeStruct(shape, jnp.float32)
    described = {f"layer{i}": {"kernel": one} for i in range(count)}
    size = {"size": f"{count * shape[0] * shape[1] / 1e6:,.0f} million parameters"}
    whole = 4 * count * shape[0] * shape[1]

    def audited() -> None:
        assert {*audit(adamw, described).decayed} == {f"{name}/kernel" for name in described}

    seconds, more = timed(audited)
    yield {"what": "`audit` of AdamW", **size, "seconds": seconds, "held": more / 1e6}
    made = {name: {"kernel": kernel(i, shape)} for i, name in enumerate(described)}
    for what, (program, donates, args) in programs(described).items():
        seconds, more, made = run(program, donates, args, made)
        temporary = program.memory_analysis().temp_size_in_bytes / whole
        row = {"seconds": seconds, "held": more / 1e6, "times": more / whole}
        yield {"what": what, **size, **row, "temporary": temporary}


def kernel(seed: int, shape: tuple[int, int]) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


def programs(params: Any) -> dict[str, tuple[Any, bool, Any]]:
    """By name the program of one call, whether it takes over the parameters, and its state."""
    prox = jax.jit(lambda w: PENALTY.prox(w, 0.1), donate_argnums=0)
    found: dict[str, tuple[Any, bool, Any]] = {
        "value of the penalty": (compiled(PENALTY, params), False, None),
        "value and gradient": (compiled(jax.value_and_grad(PENALTY), params), False, None),
        "prox, in place": (compiled(prox, params), True, None),
    }
    for name, optimizer in (("`decoupled_decay`", DECAY), ("`proximal_step`", PROXIMAL)):
        program = compiled(*step_of(optimizer, params))
        found[f"SGD and {name}, in place"] = program, True, optimizer
    return found


def run(program: Any, donates: bool, optimizer: Any, params: Any) -> tuple[float, int, Any]:
    """Seconds and bytes of one call, and the parameters after it."""
    args, found = [params], []
    if optimizer is not None:
        args += [optimizer.init(params), jax.tree.map(lambda w: 0.1 * w, params)]
    jax.block_until_ready(args)

    def work() -> None:
        found.append(jax.block_until_ready(program(*args)))

    seconds, more = timed(work)
    if not donates:
        return seconds, more, args[0]
    return seconds, more, found[0] if optimizer is None else found[0][0]

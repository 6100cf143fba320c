"""What decay costs: a step on 100 million parameters in 200 leaves, beside optax's own.

jaxreg's transforms are separate members of a chain where optax fuses the decay into an optimizer.
Counts come first, since they do not depend on the machine: a compiled step should read and write
the same bytes, in place. Then times, as ratios within a round. Parameters and state are donated, as
in training; the gradients are given, so that nothing but the optimizer is measured.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from rich.console import Console
from rich.table import Table

from experiments.benchmark.limits import Limit, limit_json, limit_table
from experiments.benchmark.memory_traffic import bytes_moved, passes
from experiments.benchmark.suites import Recorder
from experiments.benchmark.suites.penalties import make_params
from experiments.benchmark.tables import Column, as_json, table
from experiments.benchmark.timing import Sample, Spread, interleave
from jaxreg import add_penalty_gradient, decoupled_decay, l2

Params = list[jax.Array]
PACKAGES = ()
LEARNING_RATE, RATE = 1e-6, 1e-2
CALLS = 5  # in each sample, of which the fastest counts: what else runs can only add time

ADAMW, DECOUPLED = "optax.adamw", "adam, decoupled_decay"
DECAYED, COUPLED = "add_decayed_weights, sgd", "add_penalty_gradient, sgd"
OPTIMIZERS = {
    ADAMW: optax.adamw(LEARNING_RATE, weight_decay=RATE),
    DECOUPLED: optax.chain(optax.adam(LEARNING_RATE), decoupled_decay(RATE, LEARNING_RATE)),
    DECAYED: optax.chain(optax.add_decayed_weights(RATE), optax.sgd(LEARNING_RATE)),
    COUPLED: optax.chain(add_penalty_gradient(RATE / 2 * l2), optax.sgd(LEARNING_RATE)),
}
PEERS = {DECOUPLED: (ADAMW, 1.05), COUPLED: (DECAYED, 1.08)}  # and how much longer at most
COLUMNS = (
    Column("a step", "ms", unit=" ms"),
    Column("to optax.adamw", "ms", ADAMW),
    Column("to add_decayed_weights, sgd", "ms", DECAYED),
)


def run(repeats: int, quick: bool, console: Console, record: Recorder) -> dict[str, object]:
    """Measures, prints the tables, and returns what is to be saved.

    Args:
      repeats: rounds, in each of which every contender runs once.
      quick: two million parameters in 20 leaves: shows that it works, measures little.
      console: where to print.
      record: called with each sample as soon as it is there.
    """
    shape, count = ((400, 250), 20) if quick else ((1000, 500), 200)
    params = make_params(shape, count)
    with console.status("compiling"):
        programs = {name: compiled(o, params) for name, o in OPTIMIZERS.items()}
    counts = {name: counted(program, params) for name, program in programs.items()}
    console.print(count_table(counts), f"load {os.getloadavg()[0]:.1f}")

    def on_sample(name: str, sample: Sample) -> None:
        record({"event": "sample", "contender": name, "load": os.getloadavg()[0], **sample})

    grads = jax.tree.map(lambda w: w[::-1] + 1e-3, params)
    contenders = {name: steps(name, programs[name], params, grads) for name in programs}
    with console.status("measuring"):
        times = interleave(contenders, repeats, on_sample=on_sample)
    limits = [*count_limits(counts)]
    for ours, (theirs, at_most) in PEERS.items():
        ratio = times.ratio("ms", ours, theirs)
        limits.append(Limit(f"time: {ours}, to {theirs}", at_most, ratio))
    console.print(table(f"{count} leaves of {shape}", times, COLUMNS), limit_table(limits))
    return {"counts": counts, "times": as_json(times, COLUMNS, ()), "limits": limit_json(limits)}


def compiled(optimizer: optax.GradientTransformation, params: Params) -> Any:
    """The program of one step: parameters, state, gradients → parameters and state, in place."""

    def step(params: Params, state: Any, grads: Params) -> tuple[Params, Any]:
        updates, state = optimizer.update(grads, state, params)
        return jax.tree.map(jnp.add, params, updates), state

    state = jax.eval_shape(optimizer.init, params)
    return jax.jit(step, donate_argnums=(0, 1)).lower(params, state, params).compile()


def counted(program: Any, params: Params) -> dict[str, float]:
    """Passes over the parameters, by its kernels and by XLA's account; kernels; temporaries."""
    size, text = sum(w.nbytes for w in params), program.as_text()
    return {
        "passes": passes(text, size),
        "accessed": program.cost_analysis()["bytes accessed"] / size,
        "kernels": len(bytes_moved(text)),
        "temporary": program.memory_analysis().temp_size_in_bytes / size,
    }


def count_limits(counts: Mapping[str, Mapping[str, float]]) -> list[Limit]:
    """No more bytes than the peer, up to the few of a step's number."""
    return [
        Limit(f"{what}: {ours}, beyond {theirs}", 0.001, Spread.of([more]), "")
        for ours, (theirs, _) in PEERS.items()
        for what in ("passes", "accessed", "temporary")
        for more in [counts[ours][what] - counts[theirs][what]]
    ]


def count_table(counts: Mapping[str, Mapping[str, float]]) -> Table:
    """What every program reads and writes, in passes over the parameters."""
    result = Table("", "passes", "accessed (XLA)", "temporary", "kernels", title="Counts")
    for name, row in counts.items():
        shown = (f"{row[what]:.4f}" for what in ("passes", "accessed", "temporary"))
        result.add_row(name, *shown, f"{row['kernels']:.0f}")
    return result


def steps(name: str, program: Any, params: Params, grads: Params) -> Callable[[], Sample]:
    """Samples of a training that goes on from call to call, with memory of its own."""
    params = jax.tree.map(jnp.copy, params)
    return functools.partial(_sample, program, [params, OPTIMIZERS[name].init(params)], grads)


def _sample(program: Any, training: list[Any], grads: Params) -> Sample:
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        training[:] = jax.block_until_ready(program(*training, grads))
        times.append(time.perf_counter() - started)
    return {"ms": min(times) * 1e3}

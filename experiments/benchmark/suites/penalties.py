"""What a penalty costs: 100 million parameters in 200 leaves, beside the least that could be done.

Counts come first, since they do not depend on the machine: how often each byte is read or written,
how many kernels there are, how often a program is compiled. Then times, as ratios within a round:
the value to BLAS on the same memory, the prox to one multiplication of every entry, and what the
penalty adds to a whole step of SGD. The peers' formulations are written out here: a Python sum of
one term for each layer, as Keras makes it, and the proximal operators in jaxopt's form.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table

from experiments.benchmark.limits import Limit, limit_json, limit_table
from experiments.benchmark.memory_traffic import bytes_moved, passes
from experiments.benchmark.suites import Recorder
from experiments.benchmark.tables import Column, as_json, table
from experiments.benchmark.timing import Sample, Spread, Timings, interleave
from jaxreg import Penalty, group_lasso, l1, l2

Params = list[jax.Array]
Run = Callable[[], object]
PACKAGES = ()
STRENGTH, LEARNING_RATE, BATCH = 1e-4, 1e-6, 8
CALLS = 5  # in each sample, of which the fastest counts: what else runs can only add time
REST = 0.1  # seconds before a sample: BLAS threads keep a core busy for a while after their work

BLAS, VALUE = "BLAS vdot", "l2"
KERAS, OPTAX = "Σ w² layer by layer, as in Keras", "optax.tree.norm, squared"
TIMES, SOFT = "w * c", "prox of l1"
GROUPS = {0: "prox of group_lasso(0)", 1: "prox of group_lasso(1)"}
JAXOPT_SOFT, JAXOPT_GROUPS = "prox of l1, as in jaxopt", "prox of group_lasso(0), as in jaxopt"
STEP, STEP_L2, STEP_KERAS = "SGD", "SGD with l2", f"SGD with {KERAS}"
TIME_COLUMNS = (
    Column("time", "ms", unit=" ms"),
    Column("to BLAS", "ms", BLAS),
    Column("to w * c", "ms", TIMES),
)
TRACE_COLUMNS = (Column("tracing a leaf", "ms", unit=" ms"), Column("to optax", "ms", OPTAX))
COMPILE_COLUMNS = (
    Column("compiling a leaf", "value", unit=" ms"),
    Column("with gradient", "gradient", unit=" ms"),
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
    small, large = (20, 80) if quick else (500, 2000)
    params = make_params(shape, count)
    with console.status("compiling"):
        programs = {name: compiled(f, params) for name, f in memory_programs().items()}
    counts, limits = count_passes(programs, params)
    console.print(count_table(counts), f"load {os.getloadavg()[0]:.1f}")
    measure = functools.partial(_interleave, repeats=repeats, record=record, console=console)
    times = measure(memory_contenders(programs, params))
    traces = measure(trace_contenders(large))
    compiles = measure(compile_contenders(small, large))
    limits = [*limits, *time_limits(times, traces, compiles, large)]
    console.print(table(f"{count} leaves of {shape}", times, TIME_COLUMNS))
    console.print(table(f"Tracing, {large:,} leaves", traces, TRACE_COLUMNS))
    console.print(table("Compiling", compiles, COMPILE_COLUMNS), limit_table(limits))
    return {
        "counts": counts,
        "times": as_json(times, TIME_COLUMNS, ()),
        "traces": as_json(traces, TRACE_COLUMNS, ()),
        "compiles": as_json(compiles, COMPILE_COLUMNS, ()),
        "limits": limit_json(limits),
    }


def _interleave(
    contenders: Mapping[str, Callable[[], Sample]],
    *,
    repeats: int,
    record: Recorder,
    console: Console,
) -> Timings:
    def on_sample(name: str, sample: Sample) -> None:
        record({"event": "sample", "contender": name, "load": os.getloadavg()[0], **sample})

    with console.status("measuring"):
        return interleave(contenders, repeats, on_sample=on_sample)


def make_params(shape: tuple[int, int], count: int) -> Params:
    """The kernels of a deep ReLU network, wide and narrow layers in turns, with He's variance."""
    random = np.random.default_rng(0)
    shapes = [shape if i % 2 == 0 else shape[::-1] for i in range(count)]
    kernels = (random.standard_normal(s, np.float32) * np.sqrt(2 / s[0]) for s in shapes)
    return [jnp.asarray(kernel, jnp.float32) for kernel in kernels]


def layer_by_layer(params: Any) -> Any:
    """Σ over layers, in Python, of strength · Σ w²."""
    return sum(STRENGTH * jnp.sum(jnp.square(w)) for w in jax.tree.leaves(params))


def with_optax(params: Any) -> jax.Array:
    """The squared norm of the tree, times the strength."""
    return STRENGTH * optax.tree.norm(params, squared=True)


def with_jaxreg(params: Any) -> jax.Array:
    """The penalty, times the strength."""
    return STRENGTH * l2(params)


def soft_threshold(w: jax.Array) -> jax.Array:
    """sign(w)·max(|w| − step, 0)."""
    return jnp.sign(w) * jax.nn.relu(jnp.abs(w) - 0.01)


def shrink_group(w: jax.Array) -> jax.Array:
    """One group, w·max(0, 1 − step/‖w‖), neither safe at 0 nor at extreme sizes."""
    return w * jnp.maximum(0, 1 - 0.1 / jnp.sqrt(jnp.sum(jnp.square(w))))


PENALTIES: dict[str, Callable[[Params], Any]] = {
    STEP: lambda params: 0.0,
    STEP_L2: with_jaxreg,
    STEP_KERAS: layer_by_layer,
}


def memory_programs() -> dict[str, Callable[[Params], Any]]:
    """Functions of the parameters, each bound by the memory it reads and writes."""
    columns = jax.vmap(shrink_group, in_axes=1, out_axes=1)
    return {
        VALUE: with_jaxreg,
        KERAS: layer_by_layer,
        OPTAX: with_optax,
        TIMES: lambda params: jax.tree.map(lambda w: w * 0.9, params),
        SOFT: lambda params: l1.prox(params, 0.01),
        JAXOPT_SOFT: lambda params: jax.tree.map(soft_threshold, params),
        **{name: _group_prox(axis) for axis, name in GROUPS.items()},
        JAXOPT_GROUPS: lambda params: jax.tree.map(columns, params),
        **{name: functools.partial(_step, penalty) for name, penalty in PENALTIES.items()},
    }


def _group_prox(axis: int) -> Callable[[Params], Params]:
    return lambda params: group_lasso(axis).prox(params, 0.1)


def compiled(f: Callable[[Params], Any], params: Params) -> Any:
    """The program of ``f``."""
    return jax.jit(lambda params: f(params)).lower(params).compile()


def count_passes(
    programs: Mapping[str, Any], params: Params
) -> tuple[dict[str, dict[str, float]], list[Limit]]:
    """For every program, passes over the parameters and kernels; and the limits they keep."""
    size = sum(w.nbytes for w in params)
    texts = {name: program.as_text() for name, program in programs.items()}
    counts = {
        name: {"passes": passes(text, size), "kernels": len(bytes_moved(text))}
        for name, text in texts.items()
    }
    floors = {VALUE: 1, SOFT: 2, **dict.fromkeys(GROUPS.values(), 3)}
    limits = [
        Limit(f"passes of {name}", 1.02 * floor, Spread.of([counts[name]["passes"]]), "")
        for name, floor in floors.items()
    ]
    added = Spread.of([counts[STEP_L2]["passes"] - counts[STEP]["passes"]])
    limits.append(Limit(f"passes that {VALUE} adds to a step of SGD", 1.02, added, ""))
    return counts, [*limits, Limit("compilations for 50 strengths", 1, _compilations(), "")]


def _compilations() -> Spread:
    traces: list[object] = []

    @jax.jit
    def value(penalty: Penalty, params: jax.Array) -> jax.Array:
        traces.append(penalty)
        return penalty(params)

    for strength in np.linspace(0, 1, 50):
        value(strength * l2, jnp.ones(3))
    return Spread.of([len(traces)])


def memory_contenders(
    programs: Mapping[str, Any], params: Params
) -> dict[str, Callable[[], Sample]]:
    """Samples of every program, of BLAS, and of steps of SGD without and with a penalty."""
    flat = [np.asarray(w).ravel() for w in params]  # the same memory
    calls: dict[str, Run] = {BLAS: lambda: sum(np.vdot(w, w) for w in flat)}
    calls |= {name: functools.partial(program, params) for name, program in programs.items()}
    calls |= {f"{name}, in place": _in_place(p, params) for name, p in PENALTIES.items()}
    return {name: functools.partial(_sample, call) for name, call in calls.items()}


def _sample(call: Run) -> Sample:
    time.sleep(REST)
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - started)
    return {"ms": min(times) * 1e3}


def _step(penalty: Callable[[Params], Any], params: Params) -> tuple[Params, jax.Array]:
    value, grads = jax.value_and_grad(lambda params: _loss(params) + penalty(params))(params)
    return jax.tree.map(lambda w, g: w - LEARNING_RATE * g, params, grads), value


def _in_place(penalty: Callable[[Params], Any], params: Params) -> Run:
    """A call that takes one more step with donated parameters; the first is taken here."""
    step = jax.jit(functools.partial(_step, penalty), donate_argnums=0)
    state = [step(jax.tree.map(jnp.copy, params))]

    def call() -> jax.Array:
        state[0] = step(state[0][0])
        return jax.block_until_ready(state[0])[1]

    return call


def _loss(params: Params) -> jax.Array:
    """The mean over a batch of what a network without biases gives for ones, squared."""
    x = jnp.ones((BATCH, params[0].shape[0]))
    for kernel in params:
        x = jax.nn.relu(x @ kernel)
    return jnp.mean(jnp.square(x))


def _abstract_params(leaves: int) -> dict[str, Any]:
    bias, kernel = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((4,), (8, 4)))
    return {f"layer{i}": {"bias": bias, "kernel": kernel} for i in range(leaves // 2)}


def trace_contenders(leaves: int) -> dict[str, Callable[[], Sample]]:
    """Samples of tracing a value of many leaves."""
    functions = {VALUE: with_jaxreg, OPTAX: with_optax, KERAS: layer_by_layer}
    return {name: functools.partial(_trace, f, leaves) for name, f in functions.items()}


def _trace(f: Callable[[Any], Any], leaves: int) -> Sample:
    params, started = _abstract_params(leaves), time.perf_counter()
    jax.jit(lambda params: f(params)).trace(params)  # a new function, or it would be remembered
    return {"ms": (time.perf_counter() - started) / leaves * 1e3}


def compile_contenders(small: int, large: int) -> dict[str, Callable[[], Sample]]:
    """Samples of compilation; the peers, quadratic in the number of leaves, for ``small`` alone."""
    cases = [(VALUE, with_jaxreg, large), (VALUE, with_jaxreg, small)]
    cases += [(KERAS, layer_by_layer, small), (OPTAX, with_optax, small)]
    return {
        _of_leaves(name, leaves): functools.partial(_compile, f, leaves)
        for name, f, leaves in cases
    }


def _of_leaves(name: str, leaves: int) -> str:
    return f"{name}, {leaves:,} leaves"


def _compile(f: Callable[[Any], Any], leaves: int) -> Sample:
    sample = {}
    for measure, g in (("value", f), ("gradient", jax.value_and_grad(f))):
        lowered = jax.jit(functools.partial(g)).lower(_abstract_params(leaves))  # new each time
        started = time.perf_counter()
        lowered.compile()
        sample[measure] = (time.perf_counter() - started) / leaves * 1e3
    return sample


def time_limits(times: Timings, traces: Timings, compiles: Timings, leaves: int) -> list[Limit]:
    """What the times are to keep."""
    ours = _of_leaves(VALUE, leaves)
    added = [
        (after - before) / alone
        for after, before, alone in zip(
            *(times.values("ms", name) for name in (STEP_L2, STEP, VALUE)), strict=True
        )
    ]
    return [
        Limit(f"{VALUE} to {BLAS}", 1.0, times.ratio("ms", VALUE, BLAS)),
        Limit(f"what {VALUE} adds to a step of SGD, to {VALUE}", 1.5, Spread.of(added)),
        Limit(f"{SOFT} to {TIMES}", 1.2, times.ratio("ms", SOFT, TIMES)),
        *(Limit(f"{g} to {TIMES}", 1.8, times.ratio("ms", g, TIMES)) for g in GROUPS.values()),
        Limit("tracing to optax.tree.norm", 1.0, traces.ratio("ms", VALUE, OPTAX)),
        Limit("compiling a leaf", 1.5, compiles.spread("value", ours), " ms"),
        Limit("compiling a leaf with gradient", 3.0, compiles.spread("gradient", ours), " ms"),
    ]


def count_table(counts: Mapping[str, Mapping[str, float]]) -> Table:
    """Passes and kernels of every program."""
    result = Table("", "passes over the parameters", "kernels", title="Counts")
    for name, row in counts.items():
        result.add_row(name, f"{row['passes']:.3f}", f"{row['kernels']:.0f}")
    return result

"""Runs what JAX traces in NumPy, equation by equation: nothing is compiled.

An optimizer is asked up to a hundred times on small arrays, and compiling it costs more than all
answers.
Primitives that stand in ``ELEMENTWISE`` or ``STRUCTURAL`` are NumPy's, control flow is Python's,
and any other primitive is JAX's own, called by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

Function = Callable[..., Sequence[Any]]  # of flat arguments
HURRY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def in_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of trees, traced once for each form of its arguments, as ``jax.jit`` does."""
    programs: dict[Any, tuple[Function, Any]] = {}

    def call(*args: Any) -> Any:
        flat, structure = jax.tree.flatten(args)
        key = structure, tuple(map(_form, flat))
        if key not in programs:
            closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
            programs[key] = _program(closed), jax.tree.structure(shapes)
        run, outputs = programs[key]
        with np.errstate(all="ignore"):
            return jax.tree.unflatten(outputs, run(*map(_array, flat)))

    return call


def evaluated(closed: ClosedJaxpr) -> Sequence[Any]:
    """The flat outputs of a traced function of nothing."""
    with np.errstate(all="ignore"):
        return _program(closed)()


def _form(leaf: Any) -> Any:
    """What a trace depends on: of Python's numbers the type alone, for they are weakly typed."""
    return (leaf.shape, leaf.dtype) if hasattr(leaf, "dtype") else type(leaf)


def _program(closed: Any) -> Function:
    """A function of flat arguments that runs a jaxpr and returns its flat outputs.

    Every variable has a place in one list, which each run begins with a copy of the constants.
    """
    tape = _Tape()
    inputs = [tape.new() for _ in _open(closed)[0].invars]
    outputs = tape.record(closed, inputs)

    def run(*args: Any) -> Sequence[Any]:
        at = tape.values.copy()
        for i, value in zip(inputs, args, strict=True):
            at[i] = value
        for operation, sources, target, targets in tape.rows:
            found = operation(*[at[i] for i in sources])
            if targets is None:
                at[target] = found
            else:
                for i, value in zip(targets, found, strict=True):
                    at[i] = value
        return [at[i] for i in outputs]

    return run


class _Tape:
    """The operations of a jaxpr, one after the other, with those of the functions that it calls."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.rows: list[tuple[Function, list[int], int, list[int] | None]] = []

    def new(self, value: Any = None) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def record(self, closed: Any, inputs: Sequence[int]) -> list[int]:
        """Adds what ``closed`` does to the values at ``inputs``; returns where its outputs are."""
        jaxpr, consts = _open(closed)
        places: dict[Any, int] = dict(zip(jaxpr.invars, inputs, strict=True))
        places |= {v: self.new(_array(c)) for v, c in zip(jaxpr.constvars, consts, strict=True)}

        def place(atom: Any) -> int:
            return self._literal(atom) if isinstance(atom, Literal) else places[atom]

        for eqn in jaxpr.eqns:
            targets = self._equation(eqn, list(map(place, eqn.invars)))
            places |= zip(eqn.outvars, targets, strict=True)
        return list(map(place, jaxpr.outvars))

    def _literal(self, atom: Literal) -> int:
        return self.new(np.asarray(atom.val, getattr(atom.aval, "dtype", None)))

    def _equation(self, eqn: Any, sources: list[int]) -> list[int]:
        if eqn.primitive.name in CALLS:
            return self.record(eqn.params.get("call_jaxpr", eqn.params.get("jaxpr")), sources)
        targets = [self.new() for _ in eqn.outvars]
        several = targets if eqn.primitive.multiple_results else None
        self.rows.append((_operation(eqn), sources, targets[0] if targets else -1, several))
        return targets


def _open(closed: Any) -> tuple[Jaxpr, Sequence[Any]]:
    """A jaxpr and its constants, of which one that is not closed has none."""
    return (closed.jaxpr, closed.consts) if hasattr(closed, "consts") else (closed, ())


def _operation(eqn: Any) -> Function:
    """One equation as a function of its inputs: of one output, or of the list of several."""
    name, params = eqn.primitive.name, eqn.params
    if name not in CONTROL and any(map(_is_key, (v.aval for v in eqn.invars))):
        return _as_jax_does(eqn)
    if name in ELEMENTWISE:
        return ELEMENTWISE[name]
    if name in STRUCTURAL:
        return STRUCTURAL[name](params)
    if name in CONTROL:
        return CONTROL[name](**params)
    return _as_jax_does(eqn)


def _as_jax_does(eqn: Any) -> Function:
    """Compiled at its first call, also where something else is being traced."""
    program: list[Any] = []

    def compiled(*args: Any) -> Any:
        if not program:
            bind = jax.jit(functools.partial(eqn.primitive.bind, **eqn.params))
            program.append(bind.lower(*args).compile(HURRY))
        return program[0](*args)

    if eqn.primitive.multiple_results:
        return lambda *args: list(map(_array, compiled(*args)))
    return lambda *args: _array(compiled(*args))


def _array(value: Any) -> Any:
    """Of numpy, but for PRNG keys."""
    return value if _is_key(value) else np.asarray(value)


def _is_key(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jax.dtypes.extended)


def _cond(branches: Sequence[Any], **_: Any) -> Function:
    runs = [_program(branch) for branch in branches]
    return lambda index, *args: runs[np.clip(int(index), 0, len(runs) - 1)](*args)


def _while(
    cond_jaxpr: Any, body_jaxpr: Any, cond_nconsts: int, body_nconsts: int, **_: Any
) -> Function:
    goes_on, body = _program(cond_jaxpr), _program(body_jaxpr)
    split = cond_nconsts + body_nconsts

    def run(*args: Any) -> Sequence[Any]:
        of_cond, of_body, carry = args[:cond_nconsts], args[cond_nconsts:split], args[split:]
        while goes_on(*of_cond, *carry)[0]:
            carry = body(*of_body, *carry)
        return carry

    return run


def _scan(
    jaxpr: Any, length: int, reverse: bool, num_consts: int, num_carry: int, **_: Any
) -> Function:
    body, split = _program(jaxpr), num_consts + num_carry
    forms = list(jaxpr.out_avals[num_carry:])

    def run(*args: Any) -> Sequence[Any]:
        carry, rows = args[num_consts:split], []
        for t in reversed(range(length)) if reverse else range(length):
            found = body(*args[:num_consts], *carry, *[x[t] for x in args[split:]])
            carry = found[:num_carry]
            rows.append(found[num_carry:])
        rows = rows[::-1] if reverse else rows
        stacked = [np.stack(column) for column in zip(*rows, strict=True)]
        return [*carry, *(stacked or [np.zeros((0, *a.shape), a.dtype) for a in forms])]

    return run


def _dot_general(params: Any) -> Any:
    (left, right), batch = params["dimension_numbers"]
    letters = "abcdefghijklmnopqrstuvwxyz"

    def dot(a: Any, b: Any) -> Any:
        """Batches first, then what is left of a, then of b."""
        of_a, of_b = letters[: a.ndim], list(letters[a.ndim :][: b.ndim])
        for i, j in zip((*left, *batch[0]), (*right, *batch[1]), strict=True):
            of_b[j] = of_a[i]
        free = [of_a[i] for i in range(a.ndim) if i not in (*left, *batch[0])]
        free += [of_b[j] for j in range(b.ndim) if j not in (*right, *batch[1])]
        kept = "".join([of_a[i] for i in batch[0]] + free)
        found = np.einsum(f"{of_a},{''.join(of_b)}->{kept}", a, b, optimize=True)
        return np.asarray(found, params["preferred_element_type"])

    return dot


def _broadcast_in_dim(params: Any) -> Any:
    shape, dimensions = params["shape"], params["broadcast_dimensions"]

    def broadcast(x: Any, *_: Any) -> Any:
        form = [1] * len(shape)
        for axis, n in zip(dimensions, np.shape(x), strict=True):
            form[axis] = n
        return np.broadcast_to(np.reshape(x, form), shape)

    return broadcast


def _iota(params: Any) -> Any:
    shape, axis = params["shape"], params["dimension"]
    counted = np.arange(shape[axis], dtype=params["dtype"])
    form = [n if i == axis else 1 for i, n in enumerate(shape)]
    return lambda: np.broadcast_to(counted.reshape(form), shape)


def _slices(params: Any) -> tuple[slice, ...]:
    begins, ends = params["start_indices"], params["limit_indices"]
    return tuple(map(slice, begins, ends, params["strides"] or [1] * len(begins)))


def _power(x: Any, y: int) -> Any:
    return np.power(x, x.dtype.type(y))


def _divided(x: Any, y: Any) -> Any:
    """Integers are divided towards 0."""
    if not np.issubdtype(x.dtype, np.integer):
        return np.divide(x, y)
    quotient = np.floor_divide(x, y)
    return quotient + ((np.remainder(x, y) != 0) & (quotient < 0)).astype(x.dtype)


def _selected(which: Any, *cases: Any) -> Any:
    return np.where(which, cases[1], cases[0]) if len(cases) == 2 else np.choose(which, cases)


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in ("sqrt", "cbrt", "square", "exp", "exp2", "log")},
    **{name: getattr(np, name) for name in ("log1p", "expm1", "sin", "cos", "tan", "tanh")},
    **{name: getattr(np, name) for name in ("abs", "sign", "floor", "ceil", "real", "imag")},
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divided,
    "rem": np.fmod,
    "pow": lambda x, y: np.power(x, y).astype(x.dtype),
    "neg": np.negative,
    "conj": np.conj,
    "max": np.maximum,
    "min": np.minimum,
    "rsqrt": lambda x: np.divide(x.dtype.type(1), np.sqrt(x)),
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "not": np.invert,
    "xor": np.bitwise_xor,
    "is_finite": np.isfinite,
    "select_n": _selected,
    "copy": np.copy,
    "copy_p": np.copy,
    "stop_gradient": lambda x: x,
}
STRUCTURAL: dict[str, Callable[[Any], Any]] = {
    "convert_element_type": lambda p: lambda x: np.asarray(x).astype(p["new_dtype"]),
    "integer_pow": lambda p: np.square if p["y"] == 2 else lambda x: _power(x, p["y"]),
    "reshape": lambda p: lambda x, *_: np.reshape(x, p["new_sizes"]),
    "squeeze": lambda p: lambda x: np.squeeze(x, p["dimensions"]),
    "slice": lambda p: lambda x: x[_slices(p)],
    "transpose": lambda p: lambda x: np.transpose(x, p["permutation"]),
    "concatenate": lambda p: lambda *xs: np.concatenate(xs, p["dimension"]),
    "stack": lambda p: lambda *xs: np.stack(xs, p["axis"]),
    "clamp": lambda p: lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "iota": _iota,
    "broadcast_in_dim": _broadcast_in_dim,
    "dot_general": _dot_general,
    "reduce_sum": lambda p: lambda x: np.sum(x, p["axes"], x.dtype),
    "reduce_prod": lambda p: lambda x: np.prod(x, p["axes"], x.dtype),
    "reduce_max": lambda p: lambda x: np.max(x, p["axes"]),
    "reduce_min": lambda p: lambda x: np.min(x, p["axes"]),
    "reduce_and": lambda p: lambda x: np.all(x, p["axes"]),
    "reduce_or": lambda p: lambda x: np.any(x, p["axes"]),
}
CALLS = ("jit", "pjit", "closed_call", "remat", "checkpoint", "custom_jvp_call", "custom_vjp_call")
CONTROL: dict[str, Callable[..., Function]] = {
    "cond": _cond,
    "while": _while,
    "scan": _scan,
    "optimization_barrier": lambda **_: lambda *args: args,
}

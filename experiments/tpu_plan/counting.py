"""What a program compiled for a TPU does, counted in its text, loops included.

XLA's own `cost_analysis` counts the body of a loop once, whatever its number of rounds. `kernels`
lists what runs, with the rounds of the loops around it; `flops`, `memory_bytes` and `collectives`
add that up. For the passes over memory of a CPU program see `experiments.benchmark.memory_traffic`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.tpu_plan.hlo import (
    Array,
    Computation,
    HloError,
    HloModule,
    Instruction,
    parse,
    rounds_of,
)

COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "all-to-all",
    "collective-permute",
    "reduce-scatter",
    "ragged-all-to-all",
)
_FREE = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all")
_FREE_CALLS = ('"AllocateBuffer"', '"ConcatBitcast"')  # they name memory, and move none
_CALLED = ("to_apply", "branch_computations", "true_computation", "false_computation")
_TAKES = ("gather", "dynamic-slice", "slice")


class Collective(NamedTuple):
    """One exchange between chips; ``bytes`` is what each has at its larger end."""

    opcode: str
    bytes: int


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One thing that a chip runs.

    Attributes:
      name: of its instruction.
      flops: of its matrix products, 2 for a multiplication and an addition.
      memory_bytes: read from and written to the chip's main memory. A gather or a slice counts what
        it takes, not what it takes it from.
      collectives: the exchanges that it starts.
      loops: the rounds of the loops around it, the outermost first.
    """

    name: str
    flops: int
    memory_bytes: int
    collectives: tuple[Collective, ...]
    loops: tuple[int, ...]

    @property
    def times(self) -> int:
        """How often it runs."""
        return math.prod(self.loops)


def flops(kernels: Iterable[Kernel]) -> int:
    """Of all matrix products, as often as they run."""
    return sum(kernel.flops * kernel.times for kernel in kernels)


def memory_bytes(kernels: Iterable[Kernel]) -> int:
    """Read from and written to main memory, as often as that happens."""
    return sum(kernel.memory_bytes * kernel.times for kernel in kernels)


def collectives(kernels: Iterable[Kernel]) -> list[Collective]:
    """All exchanges, each once."""
    return [found for kernel in kernels for found in kernel.collectives]


def kernels(hlo: str, rounds: int | None = None) -> list[Kernel]:
    """Everything that runs, with the rounds of the loops around it.

    Matrix products are the convolutions and dots of the program: TPU compilers write the one as the
    other. Products that are so narrow that they became sums are none. All branches of a conditional
    count.

    Args:
      hlo: the text of the optimized program, ``compiled.as_text()``.
      rounds: of an outermost loop whose number of rounds is an argument of the program.

    Raises:
      HloError: if the rounds of any other loop are not to be found in the program.

    >>> import jax, jax.numpy as jnp
    >>> def power(w):  # w¹⁰⁰⁰
    ...     return jax.lax.fori_loop(0, 999, lambda i, x: x @ w, w)
    >>> hlo = jax.jit(power).lower(jnp.ones((5, 5))).compile().as_text()
    >>> flops(kernels(hlo)) == 999 * 2 * 5**3
    True
    """
    module = parse(hlo)
    return list(_walk(module, module.entry, (), rounds))


def _walk(
    module: HloModule, name: str, loops: tuple[int, ...], rounds: int | None
) -> Iterator[Kernel]:
    computation = module.computations[name]
    for line in computation.lines.values():
        if line.opcode == "while":
            times = rounds_of(module, computation, line, None if loops else rounds)
            if times is None:
                raise HloError(f"program: expected a loop of known length, got {line.name}")
            (body,) = line.calls("body")
            yield from _walk(module, body, (*loops, times), rounds)
        elif line.opcode in ("call", "conditional"):
            for called in line.calls(*_CALLED):
                yield from _walk(module, called, loops, rounds)
        elif line.opcode not in _FREE and not line.opcode.endswith("-done"):
            yield _kernel(module, computation, line, loops)


def _kernel(
    module: HloModule, computation: Computation, line: Instruction, loops: tuple[int, ...]
) -> Kernel:
    inside = list(_inside(module, computation, line))
    products = sum(_flops(owner, part) for owner, part in inside)
    exchanged = [
        Collective(opcode, _payload(owner, part))
        for owner, part in inside
        if (opcode := part.opcode.removesuffix("-start")) in COLLECTIVES
    ]
    moved = _moved(module, computation, line)
    return Kernel(line.name, products, moved, tuple(exchanged), loops)


def _inside(
    module: HloModule, computation: Computation, line: Instruction
) -> Iterator[tuple[Computation, Instruction]]:
    """The instruction, or all that it is fused of, each with its computation."""
    called = line.calls("calls")
    if not called:
        yield computation, line
    for fused in (module.computations[name] for name in called):
        for part in fused.lines.values():
            yield from _inside(module, fused, part)


# --- matrix products ---


def _flops(computation: Computation, line: Instruction) -> int:
    if line.opcode == "convolution":
        left, right = (computation.lines[name].arrays[0] for name in line.operands)
        return _convolution(line, left, right)
    if line.opcode == "dot":
        contracted = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", line.attributes)
        lengths = computation.lines[line.operands[0]].arrays[0].lengths
        axes = [int(axis) for axis in contracted[1].split(",") if axis] if contracted else []
        return 2 * math.prod(line.arrays[0].lengths) * math.prod(lengths[axis] for axis in axes)
    return 0


def _convolution(line: Instruction, left: Array, right: Array) -> int:
    """2 · batch · features in · features out · places where the window meets an input."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", line.attributes)
    if labels is None:
        raise HloError(f"program: expected dim_labels of {line.name}, got {line.attributes}")
    lefts, rights, outs = (
        dict(zip(names, array.lengths, strict=True))
        for names, array in zip(labels.groups(), (left, right, line.arrays[0]), strict=True)
    )
    window = dict(re.findall(r"(\w+)=([\w\-+]+)", _braces(line.attributes, "window")))
    spatial = [name for name in outs if name.isdigit()]
    places = [_places(lefts[name], rights[name], outs[name], window, int(name)) for name in spatial]
    return 2 * outs["b"] * outs["f"] * rights["i"] * math.prod(places)


def _braces(attributes: str, name: str) -> str:
    match = re.search(rf"\b{name}=\{{(.*?)\}}", attributes)
    return match[1] if match else ""


def _places(length: int, size: int, out: int, window: Mapping[str, str], axis: int) -> int:
    """How many pairs of an output and a place in the window fall on an input, on one axis."""

    def setting(name: str, default: str) -> str:
        return window[name].split("x")[axis] if name in window else default

    stride, spread = int(setting("stride", "1")), int(setting("rhs_dilate", "1"))
    base, padding = int(setting("lhs_dilate", "1")), int(setting("pad", "0_0").split("_")[0])
    starts = (o * stride - padding for o in range(out))
    inputs = (start + k * spread for start in starts for k in range(size))
    return sum(i % base == 0 and 0 <= i < length * base for i in inputs)


# --- bytes ---


def _payload(computation: Computation, line: Instruction) -> int:
    given = sum(_size(computation, name) for name in line.operands)
    result = sum(array.bytes for array in line.arrays)
    both = line.opcode in ("all-gather-start", "collective-permute-start")
    return max(given, result - given if both else result)


def _size(computation: Computation, name: str) -> int:
    return sum(array.bytes for array in computation.lines[name].arrays)


def _moved(module: HloModule, computation: Computation, line: Instruction) -> int:
    if line.opcode == "custom-call" and any(name in line.attributes for name in _FREE_CALLS):
        return 0
    if line.opcode in ("copy-start", "slice-start"):
        taken = min(line.arrays[:2], key=lambda array: array.bytes).bytes
        return taken * sum(array.in_memory for array in line.arrays[:2])
    read = sum(
        _read(module, computation, line, place)
        for place, name in enumerate(line.operands)
        if all(array.in_memory for array in computation.lines[name].arrays)
    )
    return read + _written(module, computation, line)


def _read(module: HloModule, computation: Computation, line: Instruction, place: int) -> int:
    """What an instruction reads of one of its operands."""
    name = line.operands[place]
    whole = _size(computation, name)
    if line.opcode in _TAKES and place == 0:
        return min(whole, line.arrays[0].bytes)
    if line.opcode == "dynamic-update-slice" and place == 0:
        return 0
    if called := line.calls("calls"):
        fused = module.computations[called[0]]
        return min(whole, _read_by_all(module, fused, fused.parameter(place)))
    return whole


def _read_by_all(module: HloModule, computation: Computation, name: str) -> int:
    users = [
        (line, place)
        for line in computation.lines.values()
        for place, operand in enumerate(line.operands)
        if operand == name
    ]
    return sum(
        _read_by_all(module, computation, line.name)
        if line.opcode == "bitcast"
        else _read(module, computation, line, place)
        for line, place in users
    )


def _written(module: HloModule, computation: Computation, line: Instruction) -> int:
    """What an instruction writes to memory: of an array updated in place the update alone."""
    called = line.calls("calls")
    owner = module.computations[called[0]] if called else computation
    root = owner.root if called else line
    names: Sequence[str] = root.operands if root.opcode == "tuple" else (root.name,)
    if len(names) != len(line.arrays):  # a result of one instruction that is a tuple
        return sum(array.bytes for array in line.arrays if array.in_memory)
    return sum(
        _updated(owner, owner.lines[name])
        for name, array in zip(names, line.arrays, strict=True)
        if array.in_memory
    )


def _updated(computation: Computation, line: Instruction) -> int:
    if line.opcode == "bitcast":
        return _updated(computation, computation.lines[line.operands[0]])
    if line.opcode == "dynamic-update-slice":
        return _size(computation, line.operands[1])
    return sum(array.bytes for array in line.arrays)

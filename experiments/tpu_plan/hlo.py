"""The text of an optimized program, parsed: arrays, instructions, computations, loop rounds.

What a program does is counted in `experiments.tpu_plan.counting`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

_HEAD = re.compile(r"^(ENTRY )?(%[\w.-]+) \(.*\{$")
_LINE = re.compile(r"^\s+(ROOT )?(%[\w.-]+) = (\(.*?\)|\S+) ([\w-]+)\((.*?)\)(.*)$")
_ARRAY = re.compile(r"\b(pred|[a-z]+\d+\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_NAME = re.compile(r"%[\w.-]+")


class HloError(ValueError):
    """A program that cannot be counted: what was expected, what came."""


class Array(NamedTuple):
    """An array as the compiler lays it out."""

    dtype: str
    lengths: tuple[int, ...]
    layout: str

    @property
    def bytes(self) -> int:
        """Of its elements; the padding of tiles is not counted."""
        bits = 8 if self.dtype == "pred" else int(re.findall(r"\d+", self.dtype)[0])
        return math.prod(self.lengths) * bits // 8

    @property
    def in_memory(self) -> bool:
        """Whether it lies in the chip's main memory: S(1) and so on are memories on the core."""
        return "S(" not in self.layout


class Instruction(NamedTuple):
    """One line of a computation."""

    name: str
    arrays: tuple[Array, ...]  # of the result
    opcode: str
    operands: tuple[str, ...]
    argument: str  # what stands between the parentheses
    attributes: str

    def calls(self, *attributes: str) -> list[str]:
        """The computations that these attributes name: one, or several in braces."""
        names = "|".join(attributes)
        found = re.findall(rf"\b(?:{names})=(%[\w.-]+|\{{.*?\}})", self.attributes)
        return [name for text in found for name in _NAME.findall(text)]


class Computation(NamedTuple):
    """Instructions by name, in the order in which they run."""

    lines: Mapping[str, Instruction]
    root: Instruction

    def parameter(self, number: int) -> str:
        """The name of a parameter."""
        return next(
            line.name
            for line in self.lines.values()
            if line.opcode == "parameter" and line.argument == str(number)
        )


@dataclasses.dataclass(frozen=True)
class HloModule:
    """The computations of an optimized program."""

    computations: Mapping[str, Computation]
    entry: str


def parse(hlo: str) -> HloModule:
    """The computations of a program."""
    computations, entry, name, lines, root = {}, "", "", {}, None
    for text in hlo.splitlines():
        if head := _HEAD.match(text):
            name, lines, root = head[2], {}, None
            entry = name if head[1] else entry
        elif match := _LINE.match(text):
            line = _instruction(*match.groups()[1:])
            lines[line.name] = line
            root = line if match[1] else root
        elif text == "}" and root is not None:
            computations[name] = Computation(lines, root)
    return HloModule(computations, entry)


def _instruction(name: str, shape: str, opcode: str, argument: str, attributes: str) -> Instruction:
    arrays = tuple(
        Array(dtype, tuple(int(n) for n in lengths.split(",") if n), layout)
        for dtype, lengths, layout in _ARRAY.findall(shape)
    )
    return Instruction(name, arrays, opcode, tuple(_NAME.findall(argument)), argument, attributes)


def rounds_of(
    module: HloModule, computation: Computation, loop: Instruction, limit: int | None
) -> int | None:
    """How often a loop goes round that counts up to a constant, or at most if to an argument.

    ``limit`` is the largest value of the argument; None if the loop does neither. The compiler may
    have taken the first rounds out of a loop: then it does not start at 0. Where the start is an
    argument too, added to the counter or not, the loop counts as if from 0.
    """
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.attributes):
        return int(known[1])  # CPU and GPU compilers write it down
    ending, body = (module.computations[name] for name in loop.calls("condition", "body"))
    if ending.root.opcode != "compare" or "direction=LT" not in ending.root.attributes:
        return None
    counter, bound = (_source(ending, name) for name in ending.root.operands)
    stop = int(bound.argument) if bound.opcode == "constant" else limit
    summands = counter.operands if counter.opcode == "add" and stop == limit else ()
    for line in (counter, *(_source(ending, name) for name in summands)):
        place = _element(line)
        if place is None or stop is None:
            continue
        start = _source(computation, computation.lines[loop.operands[0]].operands[place])
        step = _step(body, _source(body, body.root.operands[place]), place)
        if step is not None and (start.opcode == "constant" or bound.opcode != "constant"):
            first = int(start.argument) if start.opcode == "constant" else 0
            return max(-(-(stop - first) // step), 0)
    return None


def _source(computation: Computation, name: str) -> Instruction:
    """Where a value comes from, behind its copies."""
    line = computation.lines[name]
    while line.opcode in ("copy", "bitcast"):
        line = computation.lines[line.operands[0]]
    return line


def _element(line: Instruction) -> int | None:
    """Which element of a tuple this is."""
    match = re.search(r"\bindex=(\d+)", line.attributes)
    return int(match[1]) if line.opcode == "get-tuple-element" and match else None


def _step(body: Computation, line: Instruction, place: int) -> int | None:
    """What a loop adds to its counter."""
    if line.opcode != "add":
        return None
    sources = [_source(body, name) for name in line.operands]
    steps = [int(source.argument) for source in sources if source.opcode == "constant"]
    counts = any(_element(source) == place for source in sources)
    return steps[0] if counts and len(steps) == 1 else None

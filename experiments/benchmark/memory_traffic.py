"""What the kernels of a compiled CPU or GPU program read and write, counted in its optimized HLO.

For programs of TPU compilers, loops included, see `experiments.tpu_plan.counting`.
"""

from __future__ import annotations

import re

import numpy as np

INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?(%[\w.-]+) = (\(.*?\)|\S+) ([\w-]+)\((.*?)\)", re.MULTILINE
)
ARRAY = re.compile(r"\b(pred|[a-z]+\d+)\[([\d,]*)\]")
NO_KERNEL = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "conditional")


def passes(hlo: str, size: int) -> float:
    """How many times ``size`` bytes the kernels of a program read and write.

    Unlike XLA's own ``cost_analysis`` it leaves out the branches of conditionals: those that cost
    anything run for extreme numbers only.

    Args:
      hlo: the text of the optimized program, ``compiled.as_text()``.
      size: how many bytes are one pass: those of the parameters.
    """
    return sum(bytes_moved(hlo)) / size


def bytes_moved(hlo: str) -> list[int]:
    """The bytes read and written by every kernel of the entry computation, in its order.

    >>> import jax, jax.numpy as jnp
    >>> doubled = jax.jit(lambda w: 2 * w).lower(jnp.ones(100)).compile()
    >>> bytes_moved(doubled.as_text())
    [800]
    """
    entry = hlo[hlo.index("\nENTRY") :].partition("\n}")[0]
    sizes: dict[str, int] = {}
    moved = []
    for name, shape, opcode, operands in INSTRUCTION.findall(entry):
        sizes[name] = sum(_bytes(dtype, lengths) for dtype, lengths in ARRAY.findall(shape))
        if opcode not in NO_KERNEL:
            read = [sizes[operand] for operand in re.findall(r"%[\w.-]+", operands)]
            moved.append(sizes[name] + sum(read))
    return moved


def _bytes(dtype: str, lengths: str) -> int:
    size = 1 if dtype == "pred" else int(re.sub(r"\D", "", dtype)) // 8
    return size * int(np.prod([int(n) for n in lengths.split(",") if n]))

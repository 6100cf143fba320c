"""Blocks of code in Markdown: run, and what they print compared with what the text says."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Sequence

import pytest

from tests.processes import ran
from tests.xla import environment_of_trainings

Block = tuple[str, str]
"""The language that a block names, and its lines."""
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?(?![\w])")
ROUNDING = 1e-9
"""Below this a number is rounding, and another machine rounds otherwise."""


def blocks_of(text: str) -> list[Block]:
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def run_python(blocks: Sequence[Block], name: str) -> int:
    """Runs them one after the other; how many printed what the text block below them says."""
    namespace: dict[str, object] = {}
    compared = 0
    for (language, body), (next_language, expected) in zip(
        blocks, [*blocks[1:], ("", "")], strict=True
    ):
        if language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(body, name, "exec"), namespace)
        if next_language == "text":
            assert_same(printed.getvalue(), expected)
            compared += 1
    return compared


def run_console(block: str) -> None:
    """Runs a command of ``make``; it prints what the lines below it say."""
    command, _, expected = block.removeprefix("$ ").partition("\n")
    assert_same(run(make(command)), expected)


def make(command: str, *flags: str) -> list[str]:
    """``make …`` in the environment of this test, whatever it was set up with."""
    program, *arguments = shlex.split(command, comments=True)
    assert program == "make"
    stamps = [f"-o{sys.prefix}/.{extra}" for extra in ("experiments", "dev")]
    return [program, "--no-print-directory", f"VENV={sys.prefix}", *stamps, *flags, *arguments]


def run(command: list[str]) -> str:
    # not those of the `make test` that this may run in: its ARGS would be passed on
    ours = environment_of_trainings().items()
    environment = {name: value for name, value in ours if "MAKE" not in name and name != "ARGS"}
    return ran(command, env=environment).stdout


def normal(text: str) -> list[str]:
    """Lines that count, with times, folders, spacing and rules masked."""
    text = re.sub(r"\d+\.\d+ s\b", "TIME", text)
    text = re.sub(r"runs/mnist/\S+", "runs/mnist/RUN", text)
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    return [line for line in lines if line.strip("─ ")]


def assert_same(printed: str, expected: str) -> None:
    """Equal word for word, and number for number within half a percent.

    Sums in another order, as on another processor, change the last digits of a training.
    """
    ours, theirs = normal(printed), normal(expected)
    if theirs[-1] == "…":
        theirs = theirs[:-1]
        ours = ours[: len(theirs)]
    assert [NUMBER.sub("N", line) for line in ours] == [NUMBER.sub("N", line) for line in theirs]
    for ours_line, theirs_line in zip(ours, theirs, strict=True):
        assert numbers(ours_line) == pytest.approx(numbers(theirs_line), rel=5e-3, abs=ROUNDING)


def numbers(line: str) -> list[float]:
    return [float(number.replace(",", "")) for number in NUMBER.findall(line)]

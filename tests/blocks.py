"""Blocks of code in Markdown: run, and what they print compared with what the text says."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence

import pytest

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

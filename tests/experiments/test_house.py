"""The plan of `experiments`: commands apart from each other, listed; numbers and verdicts in one
place."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import experiments
from experiments.__main__ import commands, mistake
from experiments.formatting import plus_minus, quantity, scientific, shortened, significant
from tests.jaxreg.test_imports import files, imported
from tests.processes import ran

FOLDER = Path(experiments.__file__).parent
SOURCES = files("experiments")


# --- commands ---


@pytest.mark.parametrize("command", commands())
def test_no_command_imports_from_the_folder_of_another(command):
    others = {f"experiments.{other}" for other in commands() if other != command}
    own = [path for path in SOURCES.values() if path.is_relative_to(FOLDER / command)]
    assert len(own) > 1
    for path in own:
        assert not {".".join(name.split(".")[:2]) for name in imported(path)} & others, path


def test_what_commands_share_imports_from_none():
    folders = [FOLDER / command for command in commands()]
    shared = [p for p in SOURCES.values() if not any(map(p.is_relative_to, folders))]
    assert len(shared) > 20
    for path in shared:
        used = {name.split(".")[1] for name in imported(path) if name.startswith("experiments.")}
        assert not used & set(commands()), path


def test_the_map_names_everything_that_commands_share():
    named = set(re.findall(r"`(\w+)`", experiments.__doc__))
    folders = {path.parent.name for path in FOLDER.glob("*/__init__.py")} - set(commands())
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "__main__"}
    assert named == folders | modules


def test_the_commands_are_listed_each_with_its_own_line():
    printed = ran([sys.executable, "-m", "experiments"]).stdout.splitlines()
    line = re.compile(r"  python -m experiments\.(\w+) +(.*)")
    found = dict(line.fullmatch(text).groups() for text in printed[1:])
    assert set(found) == {path.parent.name for path in FOLDER.glob("*/__main__.py")}
    for name, text in found.items():
        docstring = ast.get_docstring(ast.parse((FOLDER / name / "__main__.py").read_text()))
        assert docstring.startswith(f"`python -m experiments.{name}`: {text}")
        assert text.endswith(".")
    assert max(map(len, printed)) <= 100


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["minst"], "got 'minst'; write python -m experiments.mnist"),
        (["mnist", "--data", "idx:a b"], "write python -m experiments.mnist --data 'idx:a b'"),
        (["experiments.claims"], "write python -m experiments.claims"),
        (["tpu-plan"], "write python -m experiments.tpu_plan"),
        (["tpu"], "write python -m experiments.tpu_plan"),
        (["Coupled"], "write python -m experiments.coupling"),
        (["xyz"], f"got 'xyz'; take one of {', '.join(commands())}"),
        (["--epochs", "3"], f"got '--epochs'; take one of {', '.join(commands())}"),
    ],
)
def test_a_command_that_there_is_not_suggests_one(arguments, advice):
    assert mistake(arguments).endswith(advice)


def test_an_unknown_command_ends_with_status_2_and_one_line():
    done = ran([sys.executable, "-m", "experiments", "minst"], status=2)
    assert done.stdout == ""
    assert re.fullmatch(r"Error: experiments: expected .*experiments\.mnist\n", done.stderr)


# --- numbers and verdicts ---

WRITTEN_ELSEWHERE = re.compile(
    r'"−"\)|·10\{|⁻⁰|\.\df\} (s|ms|min|%)\b|\.\df\}%|± \{|[✓✗]|"expected", "not'
)
"""A minus sign, a power of ten, seconds, percent, an interval or a mark that is put together."""


@pytest.mark.parametrize(
    "name", sorted(set(SOURCES) - {"experiments.formatting", "experiments.verdicts"})
)
def test_numbers_and_marks_become_text_in_one_place(name):
    lines = SOURCES[name].read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if not re.match(r'\s*(#|"""|>>>|\')', line)]
    assert [line for line in code if WRITTEN_ELSEWHERE.search(line)] == []


@pytest.mark.parametrize("value", [1.5e-9, 0.00123, 0.9996, 1.0, 47.123, 99.96, 1234.0, 6.02e14])
def test_a_shown_number_is_the_number_to_its_digits(value):
    raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    assert float(scientific(value).translate(raised).replace("·10", "e")) == pytest.approx(
        value, rel=5e-3
    )
    prefixes = {"µ": 1e-6, "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
    number, prefix = quantity(value).split(" ")
    assert float(number) * prefixes[prefix] == pytest.approx(value, rel=5e-3)
    assert float(significant(value)) == pytest.approx(value, rel=5e-3, abs=5e-4)
    assert shortened(value, 3) == pytest.approx(value, rel=5e-3)
    assert plus_minus(-value, 0.0).startswith(f"−{value:.2f}" if value > 0.005 else "0.00")

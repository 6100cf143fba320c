"""The notebooks run without an error or a warning and assert what they claim.

The English notebook is executed; a Chinese one beside it (``NAME.zh.ipynb``) has the same code.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.xla import SOONER, environment_of_users

ROOT = Path(__file__).parents[1]
ENGLISH = sorted(
    path for path in (ROOT / "notebooks").glob("*.ipynb") if not path.name.endswith(".zh.ipynb")
)
CHINESE = sorted((ROOT / "notebooks").glob("*.zh.ipynb"))
CJK = re.compile(r"[\u3000-\u303f\u4e00-\u9fff]")
NUMBER = re.compile(r"\d[\d,]*\.?\d*(?:e[+-]?\d+)?")
FEWEST_ASSERTS = 10
LARGEST = 400_000
"""Bytes of a notebook with its pictures; more, and code hosts do not show it."""


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def sources(notebook):
    return [cell.source for cell in code_cells(notebook)]


def outputs(notebook, kind):
    return [output for c in code_cells(notebook) for output in c.outputs if kind(output)]


def is_figure(output):
    return "image/png" in output.get("data", {})


def printed(notebook):
    streams = outputs(notebook, lambda output: output.output_type == "stream")
    assert not [stream.text for stream in streams if stream.name == "stderr"]
    return "".join(stream.text for stream in streams)


def numbers(text):
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def execute(notebook, folder):
    """Runs the notebook in a fresh kernel on the CPU, in an empty folder."""
    environment = environment_of_users(
        XLA_FLAGS=SOONER,
        JAX_PLATFORMS="cpu",
        PYTHONPATH=str(ROOT),
        IPYTHONDIR=str(folder / "ipython"),
    )
    environment.pop("MPLBACKEND", None)
    client = NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(folder)}})
    return client.execute(env=environment)


def test_there_are_notebooks():
    assert ENGLISH
    assert CHINESE


@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.stem)
def test_runs_and_shows_what_is_committed(path, tmp_path):
    committed = read(path)
    executed = execute(read(path), tmp_path)
    assert len(outputs(executed, is_figure)) == len(outputs(committed, is_figure)) > 0
    ours, theirs = printed(executed), printed(committed)
    assert NUMBER.sub("N", ours) == NUMBER.sub("N", theirs)
    assert numbers(ours) == pytest.approx(numbers(theirs), rel=1e-2, abs=1e-5)


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_both_languages_are_one_notebook(path):
    english, chinese = read(path.with_name(path.name.replace(".zh.", "."))), read(path)
    assert sources(chinese) == sources(english)
    assert [cell.get("outputs") for cell in chinese.cells] == [
        cell.get("outputs") for cell in english.cells
    ]
    for ours, theirs in zip(english.cells, chinese.cells, strict=True):
        assert theirs.cell_type == ours.cell_type
        assert ours.cell_type == "code" or CJK.search(theirs.source), theirs.source


@pytest.mark.parametrize("path", [*ENGLISH, *CHINESE], ids=lambda path: path.stem)
def test_asserts_its_claims_and_defines_nothing(path):
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < LARGEST, "store its pictures with a palette, or draw them smaller"
    nodes = [node for cell in sources(notebook) for node in ast.walk(ast.parse(cell))]
    assert sum(isinstance(node, ast.Assert) for node in nodes) >= FEWEST_ASSERTS
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert not [node.name for node in nodes if isinstance(node, definitions)]
    assert not CJK.search("".join(sources(notebook)))

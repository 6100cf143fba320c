"""The notebooks run without an error or a warning and assert what they claim.

The English notebook is executed. The Chinese one beside it (``NAME.zh.ipynb``) has the same code,
after a cell with what the words of its pictures are in Chinese, and pictures of its own.
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
LABELS = ("label", "title", "xlabel", "ylabel")
NAMES = {"optax", "weight_decay"}
"""What pictures call by the same name in Chinese."""
DRAWN_BY_TUNE = (ROOT / "jaxreg" / "tune" / "_picture.py").read_text(encoding="utf-8")
NOT_YET_DRAWN = ("03_a_thousand_trainings_at_once.zh",)
"""Whose pictures are still those of the English notebook: run ``.ci/notebooks.py`` where there is a
Chinese font, and take the name away."""
WORD = re.compile(r"(?<![\w$.])[a-z]{3,}(?!\w)")
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


def assert_same_but_rounding(ours, theirs):
    assert NUMBER.sub("N", ours) == NUMBER.sub("N", theirs)
    assert numbers(ours) == pytest.approx(numbers(theirs), rel=1e-2, abs=1e-5)


def pictures(notebook):
    return [output["data"]["image/png"] for output in outputs(notebook, is_figure)]


def in_chinese(notebook):
    """The words of its pictures, and the notebook without the cell that has them."""
    (cell,) = (cell for cell in code_cells(notebook) if "\nWORDS = {" in cell.source)
    notebook.cells.remove(cell)
    (words,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "WORDS"
    )
    return words, notebook


def labels(code):
    """The texts that a picture is given by these names, formatted values left out."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.keyword) and node.arg in LABELS:
            parts = node.value.values if isinstance(node.value, ast.JoinedStr) else [node.value]
            yield from (part.value for part in parts if isinstance(part, ast.Constant))


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
    assert_same_but_rounding(printed(executed), printed(committed))


def test_every_notebook_is_there_in_both_languages():
    assert [path.name.replace(".zh.", ".") for path in CHINESE] == [path.name for path in ENGLISH]


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_both_languages_are_one_notebook(path):
    english, (_, chinese) = (
        read(path.with_name(path.name.replace(".zh.", "."))),
        in_chinese(read(path)),
    )
    assert sources(chinese) == sources(english)
    assert_same_but_rounding(printed(chinese), printed(english))
    pairs = list(zip(pictures(chinese), pictures(english), strict=True))
    drawn = [ours != theirs for ours, theirs in pairs]
    assert all(drawn) or path.stem in NOT_YET_DRAWN, "drawn without a Chinese font"
    for ours, theirs in zip(english.cells, chinese.cells, strict=True):
        assert theirs.cell_type == ours.cell_type
        assert ours.cell_type == "code" or CJK.search(theirs.source), theirs.source


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_pictures_are_translated(path):
    words, notebook = in_chinese(read(path))
    code = "\n".join(sources(notebook))
    drawn = code.replace("\\\\", "\\").replace("\\n", "\n") + DRAWN_BY_TUNE
    unused = [english for english in words if english.removeprefix("% ") not in drawn]
    assert not unused, "words that nothing draws"
    assert all(CJK.search(chinese) or chinese == "/" for chinese in words.values())
    phrase = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
    left = {word for label in labels(code) for word in WORD.findall(phrase.sub("", label))}
    assert left <= NAMES, "words without a translation"


@pytest.mark.parametrize("path", [*ENGLISH, *CHINESE], ids=lambda path: path.stem)
def test_asserts_its_claims_and_defines_nothing(path):
    notebook = read(path) if path in ENGLISH else in_chinese(read(path))[1]
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < LARGEST, "store its pictures with a palette, or draw them smaller"
    nodes = [node for cell in sources(notebook) for node in ast.walk(ast.parse(cell))]
    assert sum(isinstance(node, ast.Assert) for node in nodes) >= FEWEST_ASSERTS
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert not [node.name for node in nodes if isinstance(node, definitions)]
    assert not CJK.search("".join(sources(notebook)))

"""The reference site: complete, its blocks run, its links lead somewhere; read without building it.

``make docs`` builds it, where a warning is an error.
"""

from __future__ import annotations

import inspect
import itertools
import json
import re
import sys
from pathlib import Path

import pytest

import jaxreg
from experiments import records
from jaxreg._messages.names import NAMESPACES
from tests.blocks import blocks_of, run_console, run_python

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = {page.relative_to(DOCS).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
ELSEWHERE = {"contributing.md", "changelog.md", "explanation/experiments.md"}
ELSEWHERE |= {"explanation/claims.md"}
"""Pages that docs/_site/elsewhere.py makes of other files."""
TUTORIALS = {
    f"tutorials/{path.stem.replace('.', '_')}.md" for path in (ROOT / "notebooks").glob("*.ipynb")
}
"""Pages that docs/_site/notebooks.py makes."""
SECTION = re.compile(r"^ *(Args|Attributes|Returns|Raises|Warns):$", re.MULTILINE)
FIRST_SCREEN = 22
"""Lines that a terminal shows of ``help`` before one scrolls, below the signature."""


def public(module):
    """The names of a module that are its own, or that it brings from inside the package."""
    own = module == "jaxreg.testing"  # what checks are made of is imported there, and stays inside
    for name, thing in vars(sys.modules[module]).items():
        place = str(getattr(thing, "__module__", None) or type(thing).__module__)
        is_ours = place == module if own else place.startswith("jaxreg")
        if not name.startswith("_") and is_ours and name != "absent" and callable_or_data(thing):
            yield f"{module}.{name}", thing


def callable_or_data(thing):
    return not inspect.ismodule(thing) and not isinstance(thing, tuple)


NAMES = {name: thing for module in NAMESPACES for name, thing in public(module)}
FUNCTIONS = {name: thing for name, thing in NAMES.items() if inspect.isfunction(thing)}


def prose(text):
    """Without blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def links(text):
    return re.findall(r"(?<!\\)\]\(([^)\s]+)\)", prose(text))


def slugs(text):
    """The anchors of headings, as Python-Markdown makes them."""
    heads = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", head.replace("`", "")).strip().lower() for head in heads]
    return {re.sub(r"[-\s]+", "-", head) for head in plain}


def test_every_public_name_is_in_the_reference_once():
    told = [
        name
        for page, text in TEXTS.items()
        for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)
        if name not in NAMESPACES and page.startswith("reference/")
    ]
    assert sorted(told) == sorted(NAMES)
    assert len(NAMES) > 100


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_example_comes_first(name):
    text = inspect.getdoc(FUNCTIONS[name])
    assert ">>> " in text
    before = text.partition(">>> ")[0]
    assert before.count("\n") <= FIRST_SCREEN
    assert not SECTION.search(before)


def test_what_is_an_object_shows_its_example_first_too():
    for name, thing in NAMES.items():
        text = inspect.getdoc(thing)
        if isinstance(thing, jaxreg.Penalty):
            before = text.partition(">>> ")[0]
            assert before.count("\n") <= FIRST_SCREEN, name
            assert not SECTION.search(before), name


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if "```python" in text])
def test_blocks_print_what_stands_below_them(page):
    blocks = blocks_of(TEXTS[page])
    pairs = itertools.pairwise(blocks)
    shown = sum(a == "python" and b == "text" for (a, _), (b, _) in pairs)
    assert run_python(blocks, page) == shown > 0


COMMANDS = [
    body for text in TEXTS.values() for language, body in blocks_of(text) if language == "console"
]


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.splitlines()[0])
def test_command(block):
    run_console(block)


def test_every_wish_of_the_readme_has_a_page():
    rows = re.findall(r"^\| (.*) \| (`.*) \|$", TEXTS["how-to/index.md"], re.MULTILINE)
    wishes = {re.sub(r"\[(.*)\]\(.*\)", r"\1", wish): write for wish, write in rows}
    linked = {re.search(r"\]\((.*)\)$", wish)[1] for wish, _ in rows}
    assert len(linked) == len(rows) >= 16
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| I want … | I write … |")[2].partition("\n\n")[0]
    theirs = dict(re.findall(r"^\| (.*) \| (`.*) \|$", table, re.MULTILINE))
    assert theirs
    assert theirs.items() <= wishes.items()


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page):
    for link in links(TEXTS[page]):
        path, _, anchor = link.partition("#")
        assert ":" not in path, link  # the site needs no network
        target = (DOCS / page).parent / path if path else DOCS / page
        place = target.resolve().relative_to(ROOT).as_posix().removeprefix("docs/")
        assert target.exists() or place in ELSEWHERE | TUTORIALS, link
        if anchor and target.exists():
            assert anchor in slugs(target.read_text(encoding="utf-8")), link
    for name in re.findall(r"\]\[(jaxreg[\w.]*)\]", prose(TEXTS[page])):
        owner, _, _ = name.rpartition(".")
        assert name in NAMES or name in NAMESPACES or owner in NAMES, name


def test_no_other_kind_of_block_escapes():
    languages = {language for text in TEXTS.values() for language, _ in blocks_of(text)}
    assert languages <= {"python", "text", "console", "sh"}


def test_every_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = re.findall(r"[\w/-]+\.md", menu)
    assert sorted(listed) == sorted({*TEXTS, *ELSEWHERE})
    told = {f"tutorials/{link}" for link in links(TEXTS["tutorials/index.md"])}
    assert told >= TUTORIALS


def test_the_answer_of_the_study_is_that_of_its_records():
    found = records.read(ROOT / "experiments" / "results" / "coupling")
    (summary,) = (record for record in found if record["event"] == "summary")
    text = TEXTS["explanation/coupled-and-decoupled.md"]
    quoted = "\n".join(line[2:] for line in text.splitlines() if line.startswith("> "))
    assert quoted == "\n".join(summary["answer"])


SWEEP = "jaxreg sweep, SGD"
SPEED = {  # of a suite: what is measured, of whom, beside whom; as the page says it
    "main": [
        ("epoch", "PyTorch tutorial", "jaxreg, warm", "takes 1/{:.1f} of that of the PyTorch tut"),
        ("epoch", "PyTorch tuned", "jaxreg, warm", "1/{:.1f} of that of a PyTorch loop"),
        ("process", "PyTorch tutorial", "jaxreg, cold", "1/{:.1f} of the tutorial's with nothing"),
        ("process", "PyTorch tutorial", "jaxreg, warm", "and 1/{:.1f} the second time"),
    ],
    "sweep": [
        ("epoch", "PyTorch tutorial, one model", SWEEP, "1/{:.0f} of the PyTorch tutorial"),
        ("epoch", "PyTorch, 2 processes", SWEEP, "1/{:.1f} of two PyTorch processes"),
        ("epoch", "PyTorch, 2 processes, fused", SWEEP, "1/{:.1f} of two with fused SGD"),
        ("epoch", "PyTorch, torch.func.vmap", SWEEP, "1/{:.1f} of `torch.func.vmap`"),
    ],
    "decay": [
        ("ms", "adam, decoupled_decay", "optax.adamw", "{:.2f} times `optax.adamw`"),
        ("ms", "add_penalty_gradient, sgd", "add_decayed_weights, sgd", "{:.2f} times `add_dec"),
    ],
}


@pytest.mark.parametrize("suite", SPEED)
def test_how_fast_it_is_is_what_was_recorded(suite):
    file = ROOT / "experiments" / "results" / f"benchmark_{suite}" / "results.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    ratios = content.get("times", content)["ratios"]
    medians = {(r["measure"], r["contender"], r["reference"]): r["median"] for r in ratios}
    text = TEXTS["explanation/speed.md"]
    for measure, contender, reference, shown in SPEED[suite]:
        assert shown.format(medians[measure, contender, reference]) in text
    if suite == "sweep":
        seconds = {name: spread["epoch"]["median"] for name, spread in content["spreads"].items()}
        assert f"takes {seconds[SWEEP]:.3f} s a model" in text
        assert f"product {seconds['XLA, the arithmetic alone']:.3f} s" in text
        for each in content["thousand"]:
            assert f"{each['measured']['median']:.0f} s" in text

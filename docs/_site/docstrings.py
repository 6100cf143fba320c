"""Docstrings as Markdown: examples fenced, tables drawn, names linked, formulas as they stand.

`help` shows the same docstrings as they are in the source; what both need differs a little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

NAMESPACES = ("prox", "tune", "convert", "diagnostics", "testing")
EXAMPLE = re.compile(r"^(?P<indent> *)>>> .*\n(?:(?P=indent).*\S.*\n?)*", re.MULTILINE)
RULE = re.compile(r"=+(?: +=+)+")
FORMULA = re.compile(r";\n(?=gradient|prox\()")
NAME = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)")


class Docstrings(griffe.Extension):
    """For mkdocstrings, which reads the package without importing it."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        public = {name for name, member in pkg.members.items() if not name.startswith("_")}
        inner = {
            f"{space}.{name}"
            for space in NAMESPACES
            for name in pkg[space].members
            if not name.startswith("_")
        }
        things = list(_things(pkg))
        for thing in things:  # from docstrings as they are in the source
            if thing.is_attribute:
                _take_from_class(thing)
        for thing in things:
            if thing.docstring:
                _name_what_returns(thing)
                thing.docstring.value = markdown(
                    thing.docstring.value, lambda name, at=thing: _found(name, at, public | inner)
                )


def markdown(text: str, found: Any) -> str:
    """The docstring as Markdown; ``found`` gives the full name of one of ours, or None."""
    text = EXAMPLE.sub(_fenced, text + "\n").rstrip()
    text = re.sub(r"(?m)(?<=\S)::$", ":", text)
    text = re.sub(r"(?m)^::$\n", "", text)
    text = FORMULA.sub(";  \n", text)
    text = re.sub(r"(?m)^( *\w+: )> ", r"\1\> ", text)  # a bound, and no quotation
    lines = _tables(text.splitlines())
    return "\n".join(_linked(lines, found))


def _things(scope: Any) -> Iterator[Any]:
    for member in scope.members.values():
        if member.is_alias:
            continue
        yield member
        if member.is_module or member.is_class:
            yield from _things(member)


def _take_from_class(attribute: Any) -> None:
    """``l2 = ready_made(L2())`` is documented where its class is."""
    made = re.fullmatch(r"ready_made\((\w+)\(\)\)", str(attribute.value))
    if made:
        of_class = attribute.parent[made[1]].docstring
        attribute.docstring = griffe.Docstring(
            of_class.value, lineno=of_class.lineno, endlineno=of_class.endlineno, parent=attribute
        )


def _name_what_returns(thing: Any) -> None:
    """Writes the annotation before the text, whose own colons are not taken for one then."""
    kind = thing.returns if thing.is_function else "Array"  # of a penalty that is an object
    thing.docstring.value = re.sub(
        r"(?m)(?<=^Returns:\n)( +)", rf"\1{kind}: ", thing.docstring.value
    )


def _fenced(found: re.Match[str]) -> str:
    indent = found["indent"]
    body = re.sub(r" +# doctest: \+\w+", "", found[0].rstrip("\n"))
    return f"{indent}```pycon\n{body}\n{indent}```\n"


def _tables(lines: list[str]) -> Iterator[str]:
    """Tables between rules of ``===`` get the bars of Markdown; a cell may go on below."""
    rules = [i for i, line in enumerate(lines) if RULE.fullmatch(line.strip())]
    done = 0
    while rules:
        first, *rest = rules
        last = rest[1] if len(rest) > 1 and _is_head(lines, first, rest) else rest[0]
        yield from lines[done:first]
        yield from _table(lines[first : last + 1])
        done, rules = last + 1, [i for i in rest if i > last]
    yield from lines[done:]


def _is_head(lines: list[str], first: int, rest: list[int]) -> bool:
    return rest[0] == first + 2 and rest[1] > rest[0]


def _table(lines: list[str]) -> list[str]:
    starts = [found.start() for found in re.finditer("=+", lines[0])]
    rows: list[list[str]] = []
    for line in lines[1:-1]:
        if RULE.fullmatch(line.strip()):
            continue
        ends = [*starts[1:], len(line) + 1]
        cells = [line[a:b].strip().replace("|", r"\|") for a, b in zip(starts, ends, strict=True)]
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells, strict=True)]
    headed = sum(bool(RULE.fullmatch(line.strip())) for line in lines) == 3
    head, body = (rows[0], rows[1:]) if headed else ([""] * len(starts), rows)
    bars = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(starts), *body)]
    return ["", *bars, ""]


def _linked(lines: list[str], found: Any) -> Iterator[str]:
    """Single backticks around a name of ours become a link, outside of examples."""
    fenced = False
    for line in lines:
        fenced ^= line.lstrip().startswith("```")
        yield line if fenced else NAME.sub(lambda name: _link(name[1], found), line)


def _link(name: str, found: Any) -> str:
    target = found(name)
    return f"[`{name}`][{target}]" if target else f"`{name}`"


def _found(name: str, at: Any, names: set[str]) -> str | None:
    """The full name, looked for beside the thing first, as a reader would."""
    if name == "jaxreg":
        return None
    bare = name.removeprefix("jaxreg.")
    space = at.path.split(".")[1] if at.path.count(".") else ""
    beside = () if name != bare or space not in NAMESPACES else (f"{space}.{bare}",)
    for full in (*beside, bare):
        if full in names:
            return f"jaxreg.{full}"
    return None

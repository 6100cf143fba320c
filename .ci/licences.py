"""Which licences the dependencies have, by their own metadata: `make licences` writes them down.

What is declared is read from ``pyproject.toml``, what is pinned from ``constraints.txt``, licences
and requirements from `importlib.metadata`: no network is needed. Packages that are not installed
here, such as those of the extra ``benchmark``, keep the row that they have.
"""

from __future__ import annotations

import collections
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FILE = ROOT / "DEPENDENCIES.md"
EXTRAS = ("", "tune", "experiments", "tfds", "dev", "docs", "tpu", "benchmark")
"""A package is listed with the first of them that brings it; "" is the library alone."""
TITLES = {"": "the library"} | {extra: f"`jaxreg[{extra}]`" for extra in EXTRAS if extra}
SPELLINGS = {
    "Apache-2.0": ("Apache 2.0", "Apache License", "Apache License 2.0", "Apache Software License"),
    "BSD": ("BSD License",),
    "BSD-3-Clause": ("3-Clause BSD License", "BSD 3-Clause", "BSD 3-Clause License"),
    "ISC": ("ISC License (ISCL)", "ISC license"),
    "MIT": ("MIT License",),
    "MPL-2.0": ("Mozilla Public License 2.0 (MPL 2.0)",),
    "PSF-2.0": ("Python Software Foundation License",),
}
SPDX = {name: spdx for spdx, names in SPELLINGS.items() for name in names}
READ = {"namex": "Apache-2.0"}
"""Read in the licence that comes with a package whose metadata has none."""
UNKNOWN = ("", "unknown", "unknown")
"""Of a package that is not installed here and has no row."""
HEAD = """# What jaxreg depends on

Every package that [constraints.txt](constraints.txt) pins, with its licence as its own metadata
gives it; written by `make licences`, and compared with what is installed by the tests. Nothing of
them is part of jaxreg's own files. `BSD` is where a package does not say which one.

"""


def table() -> str:
    """The file, as it should be now."""
    needed = {name: TITLES[extra] for extra in reversed(EXTRAS) for name in brought_by(extra)}
    known = collections.defaultdict(lambda: UNKNOWN, {row[0]: row for row in rows()})
    lines = ["| package | licence | needed by |", "| --- | --- | --- |"]
    for name in pinned():
        licence = licence_of(name) or known[name][1]
        lines.append(f"| {name} | {licence} | {needed.get(name) or known[name][2]} |")
    return HEAD + "\n".join(lines) + "\n"


def rows() -> list[tuple[str, ...]]:
    """(package, licence, needed by) as the file has them."""
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    return re.findall(r"^\| ([\w.-]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)[2:]


def pinned() -> dict[str, str]:
    """Versions by name, as they are installed."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def licence_of(name: str) -> str | None:
    """In SPDX's spelling; None if the package is not installed."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    expression = found.get("License-Expression")
    if expression:
        return expression
    stated = (found.get("License") or "").partition("\n")[0]
    classes = [c.split(" :: ")[-1] for c in found.get_all("Classifier") or [] if c[:7] == "License"]
    clear = stated in SPDX or stated in SPDX.values() or " OR " in stated or " AND " in stated
    if not clear and (classes or name in READ):
        stated = " OR ".join(SPDX.get(c, c) for c in classes) or READ[name]
    return SPDX.get(stated, stated)


def brought_by(extra: str) -> set[str]:
    """The names of all that jaxreg brings with an extra, or without."""
    found: set[str] = set()
    waiting = list(declared(extra))
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            waiting.extend(requirements(name, requirement.extras))
    return found


def declared(extra: str) -> Iterator[Requirement]:
    """What pyproject.toml declares for an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional: Mapping[str, list[str]] = project["optional-dependencies"]
    for line in optional[extra] if extra else project["dependencies"]:
        requirement = Requirement(line)
        if requirement.name == project["name"]:
            for other in requirement.extras:
                yield from declared(other)
        else:
            yield requirement


def requirements(name: str, extras: set[str]) -> Iterator[Requirement]:
    """What an installed package requires here, with some of its own extras."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": e}) for e in ("", *extras)):
            yield requirement


if __name__ == "__main__":
    FILE.write_text(table(), encoding="utf-8")
    sys.stdout.write(f"Wrote {FILE.name}: {len(pinned())} packages\n")

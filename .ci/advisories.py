"""Known vulnerabilities of the versions that constraints.txt pins, from advisories on this disk.

    python .ci/advisories.py FOLDER

FOLDER is a checkout of the Python Packaging Authority's advisory database (the repository
pypa/advisory-database): one file in OSV's format for each advisory, ``vulns/PACKAGE/ID.yaml``. No
network is needed. Exit status 1, and a line for each, if a pinned version is affected.

Format: https://ossf.github.io/osv-schema/
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PINS = Path(__file__).parents[1] / "constraints.txt"
Advisory = Mapping[str, Any]


def pinned(text: str) -> dict[str, Version]:
    """Versions by name, from lines ``name==version``."""
    pairs = (line.split("==") for line in text.splitlines() if "==" in line)
    return {canonicalize_name(name): Version(version.strip()) for name, version in pairs}


def advisories(folder: Path, name: str) -> Iterator[Advisory]:
    """Those of one package, in the order of their files; withdrawn ones left out."""
    for path in sorted((folder / "vulns" / name).glob("*.yaml")):
        advisory = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        if "withdrawn" not in advisory:
            yield advisory


def is_affected(name: str, version: Version, advisory: Advisory) -> bool:
    """Whether an advisory holds for a version of a package."""
    return any(
        version in versions(entry) or any(is_within(version, r["events"]) for r in ranges(entry))
        for entry in advisory.get("affected", ())
        if canonicalize_name(entry["package"]["name"]) == name
    )


def versions(entry: Mapping[str, Any]) -> Iterator[Version]:
    """Those that are named; what is no version in today's sense is none that could be pinned."""
    for text in entry.get("versions", ()):
        with contextlib.suppress(InvalidVersion):
            yield Version(text)


def ranges(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those of versions; others are of commits."""
    return (r for r in entry.get("ranges", ()) if r["type"] in ("ECOSYSTEM", "SEMVER"))


def is_within(version: Version, events: Sequence[Mapping[str, str]]) -> bool:
    """Whether the last event before a version, or at it, is that a vulnerability came in."""
    within = False
    for kind, at in sorted(((k, _version(v)) for e in events for k, v in e.items()), key=_place):
        if kind == "introduced" and version >= at:
            within = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            within = False
    return within


def _place(event: tuple[str, Version]) -> tuple[Version, bool]:
    return event[1], event[0] == "last_affected"


def _version(text: str) -> Version:
    return Version("0.dev0" if text == "0" else text)


def main(folder: Path, pins: Mapping[str, Version]) -> int:
    """Prints what is affected: the exit status."""
    if not (folder / "vulns").is_dir():
        sys.stderr.write(
            f"Error: {folder}: expected a checkout of pypa/advisory-database with its folder "
            f"vulns, found none; clone it, and give its folder\n"
        )
        return 2
    looked, found = 0, 0
    for name, version in pins.items():
        for advisory in advisories(folder, name):
            looked += 1
            if is_affected(name, version, advisory):
                found += 1
                other = ", ".join(advisory.get("aliases", ()))
                sys.stdout.write(f"{name}=={version}: {advisory['id']} ({other})\n")
    sys.stdout.write(
        f"{found} known vulnerabilities in {len(pins)} pinned packages; {looked} advisories read\n"
    )
    return 1 if found or not looked else 0


if __name__ == "__main__":
    folder = Path(*sys.argv[1:2])
    sys.exit(main(folder, pinned(PINS.read_text(encoding="utf-8"))))

"""Whether a wheel and a source distribution hold what they should: python .ci/contents.py FOLDER.

The wheel holds the files of jaxreg, as git knows them, and its metadata; the source distribution
also the library's tests and what they need. Neither holds data, results or the experiments.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 2**20  # bytes of a distribution
BESIDE = (
    *("tests/jaxreg", ":(glob)tests/*.py", ":!:tests/test_*.py"),
    *("tests/fixtures/skglm.npz", "constraints.txt", "pyproject.toml"),
    *("LICENSE", "README.md", "CHANGELOG.md", "DEPENDENCIES.md"),
)
"""What the source distribution holds beside the library."""


def known(*paths: str) -> set[str]:
    """The files that git knows, those too that are about to be committed."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths)
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


def of_wheel(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return {name.replace(_version(path), "") for name in archive.namelist()}


def of_sdist(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


def _version(path: Path) -> str:
    return "-" + path.name.split("-")[1]


def mistakes(folder: Path) -> list[str]:
    """What is missing in the distributions of a folder, what they hold besides, and their size."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    about = {f"jaxreg.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    wanted = known("jaxreg") | about | {"jaxreg.dist-info/licenses/LICENSE"}
    source = known("jaxreg", *BESIDE) | {"PKG-INFO", ".gitignore"}
    return [*compared(wheel, of_wheel(wheel), wanted), *compared(sdist, of_sdist(sdist), source)]


def compared(path: Path, files: set[str], wanted: set[str]) -> Iterator[str]:
    """The mistakes of one distribution."""
    size = path.stat().st_size
    sys.stdout.write(f"{path.name}: {len(files)} files, {size / 1024:.0f} kB\n")
    for name in sorted(wanted - files):
        yield f"{path.name}: expected {name}, which is missing"
    for name in sorted(files - wanted):
        yield f"{path.name}: expected no {name}, but it is there"
    if size > LARGEST:
        yield f"{path.name}: expected {LARGEST} bytes at most, got {size}"


if __name__ == "__main__":
    sys.exit("\n".join(mistakes(Path(sys.argv[1]))) or 0)

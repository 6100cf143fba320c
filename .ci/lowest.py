"""The lowest versions that pyproject.toml promises for the library, as pip's constraints.

    python .ci/lowest.py >lowest.txt

Those of ``dependencies`` and of the extra ``tune``; what jax brings goes with it, and tools are as
constraints.txt pins them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
WITH_JAX = ("jaxlib",)
"""Of one version with jax."""


def lowest() -> dict[str, str]:
    """The lower bounds by name, in lower case with hyphens."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (*project["dependencies"], *project["optional-dependencies"]["tune"])
    pairs = (re.fullmatch(r"([\w.-]+)>=([\d.]+)", line) for line in lines)
    return {name(pair[1]): pair[2] for pair in pairs if pair}


def name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def constraints() -> list[str]:
    """A line ``name==version`` for each package but those that follow jax."""
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    replaced = lowest()
    kept = (line for line in pinned if name(line.partition("==")[0]) not in {*replaced, *WITH_JAX})
    return [*(f"{package}=={version}" for package, version in replaced.items()), *kept]


if __name__ == "__main__":
    sys.stdout.write("\n".join(constraints()) + "\n")

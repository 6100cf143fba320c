"""`python -m experiments`: lists the commands.

A command is a folder with a `__main__.py`; its line here is the first of that file's docstring.
"""

from __future__ import annotations

import ast
import difflib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.command import BAD_INPUT

FOLDER = Path(__file__).parent


def commands() -> dict[str, str]:
    """What each command does, by its name."""
    return {path.parent.name: _purpose(path) for path in sorted(FOLDER.glob("*/__main__.py"))}


def _purpose(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].partition(": ")[2]


def listed() -> str:
    """The commands as they are typed, each with its line."""
    found = commands()
    width = max(map(len, found))
    lines = [f"  python -m experiments.{name:<{width}}  {text}" for name, text in found.items()]
    return "\n".join(["Commands, each with --help:", *lines])


def mistake(arguments: Sequence[str]) -> str:
    """Of arguments, which this command has none of: what was meant by them."""
    name, *rest = arguments
    known = list(commands())
    name = name.removeprefix("experiments.").replace("-", "_")
    begun = [command for command in known if name and command.startswith(name.lower())]
    near = [name] if name in known else begun
    near = near or difflib.get_close_matches(name.lower(), known, 1, 0.5)
    near = near or [command for command in known if name and name.lower() in command]
    meant = shlex.join(["python", "-m", f"experiments.{near[0]}", *rest]) if near else ""
    advice = f"write {meant}" if meant else f"take one of {', '.join(known)}"
    expected = "expected a command as python -m experiments.NAME"
    return f"experiments: {expected}, got {arguments[0]!r}; {advice}"


def main(arguments: Sequence[str]) -> int:
    """Prints the list, or what was meant; the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(listed())
        return 0
    print(f"Error: {mistake(arguments)}", file=sys.stderr)
    return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

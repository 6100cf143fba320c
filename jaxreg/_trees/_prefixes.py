"""Trees that say something of parameters, for a leaf or for all leaves of a subtree at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from jaxreg._trees._leaves import Leaf
from jaxreg._trees._paths import Path


def entry_of(leaf: Leaf, entries: Collection[Path]) -> Path | None:
    """Which entry is that of the leaf, or of the nearest subtree that holds it.

    By path; where the containers differ, as in a flattened dictionary, by name.
    """
    near = (leaf.path[:n] for n in range(len(leaf.path), 0, -1))
    found = next((path for path in near if path in entries), None)
    return _by_name(leaf, entries) if found is None and not leaf.has_twin else found


def _by_name(leaf: Leaf, paths: Iterable[Path]) -> Path | None:
    named: dict[str, list[Path]] = {}
    for path in paths:
        named.setdefault("/".join(path), []).append(path)
    alike = (named.get(prefix, []) for prefix in _prefixes("/".join(leaf.path)))
    return next((some[0] for some in alike if len(some) == 1), None)


def _prefixes(name: str) -> Iterator[str]:
    """The name, then those of the subtrees that hold it, the whole tree ("") last."""
    yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
    yield ""


def nested(entries: Iterable[tuple[Path, object]]) -> object:
    """The entries as dictionaries in dictionaries, or that of the whole tree."""
    tree: dict[str, object] = {}
    for path, entry in entries:
        if not path:
            return entry
        node = tree
        for segment in path[:-1]:
            node = node.setdefault(segment, {})
            assert isinstance(node, dict)
        node[path[-1]] = entry
    return tree

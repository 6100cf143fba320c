"""What stands elsewhere in the repository: whole pages, and the files that pages link to.

A link out of ``docs/`` is one that a reader of the repository can follow; the site brings its file.
A link to a folder of the repository is text there, for a site has no listing of it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "explanation/experiments.md": "experiments/README.md",
    "explanation/claims.md": "experiments/results/claims/claims.md",
}
"""Pages of the site by the file that they are."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
KEPT = "files"


def on_files(files: Files, config: Any) -> Files:
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    here = page.file.src_uri
    source = PAGES.get(here, f"docs/{here}")

    def rewritten(link: re.Match[str]) -> str:
        mark, text, target = link.groups()
        path, _, anchor = target.partition("#")
        if not path or ":" in path:
            return link[0]
        full = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        place = _place(full, config, files)
        if place is None:
            return text
        relative = posixpath.relpath(place, posixpath.dirname(here))
        return f"{mark}[{text}]({relative}{f'#{anchor}' if anchor else ''})"

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part[:3] == "```" else LINK.sub(rewritten, part) for part in parts)


def _place(full: str, config: Any, files: Files) -> str | None:
    """Where on the site a file of the repository is; None where it is not."""
    for page, source in PAGES.items():
        if full == source:
            return page
    if full.startswith("docs/"):
        return full.removeprefix("docs/")
    if full.startswith("notebooks/") and full.endswith(".ipynb"):
        stem = posixpath.basename(full).removesuffix(".ipynb").replace(".", "_")
        return f"tutorials/{stem}.md"
    if not (ROOT / full).is_file():
        return None if (ROOT / full).is_dir() else full
    place = f"{KEPT}/{full}.txt" if full.endswith(".md") else f"{KEPT}/{full}"
    if files.get_file_from_path(place) is None:
        files.append(File.generated(config, place, abs_src_path=str(ROOT / full)))
    return place

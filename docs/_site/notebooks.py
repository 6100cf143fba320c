"""The notebooks as pages: their text, code and committed outputs, nothing run anew."""

from __future__ import annotations

import base64
import itertools
import json
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FOLDER = "tutorials"
BLOCK = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$(?!\s)([^$\n]+?)(?<!\s)\$")
LINK = re.compile(r"\]\((\w[\w.]*)\.ipynb\)")


def on_config(config: Any) -> Any:
    """The notebooks stand in the menu after what is written there."""
    (tutorials,) = (part["Tutorials"] for part in config.nav if "Tutorials" in part)
    tutorials += [
        f"{FOLDER}/{page_name(path.stem)}.md" for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        text, pictures = page(path.stem, notebook["cells"])
        files.append(File.generated(config, f"{FOLDER}/{page_name(path.stem)}.md", content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"{FOLDER}/{name}", content=picture))
    return files


def page_name(stem: str) -> str:
    return stem.replace(".", "_")


def page(stem: str, cells: list[dict[str, Any]]) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a page, and the pictures that it shows by name."""
    pictures: dict[str, bytes] = {}
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(mathematics(LINK.sub(lambda to: f"]({page_name(to[1])}.md)", source)))
            continue
        parts.append(f"```python\n{source}\n```")
        for is_picture, outputs in itertools.groupby(cell["outputs"], is_png):
            if is_picture:
                parts.extend(pictured(output, stem, pictures) for output in outputs)
            else:
                parts.append("```text\n" + "".join(map(printed, outputs)).rstrip() + "\n```")
    return "\n\n".join(parts) + "\n", pictures


def is_png(output: dict[str, Any]) -> bool:
    return "image/png" in output.get("data", {})


def pictured(output: dict[str, Any], stem: str, pictures: dict[str, bytes]) -> str:
    name = f"{page_name(stem)}_{len(pictures) + 1}.png"
    pictures[name] = base64.b64decode("".join(output["data"]["image/png"]))
    return f"![]({name})"


def printed(output: dict[str, Any]) -> str:
    lines = output.get("text") or output["data"]["text/plain"]
    return "".join(lines).rstrip("\n") + "\n"


def mathematics(source: str) -> str:
    """LaTeX as MathML, which browsers draw by themselves.

    A paragraph that began with ``<math>`` would be taken for raw HTML.
    """
    source = BLOCK.sub(lambda tex: f'<div class="math">{mathml(tex[1], "block")}</div>', source)
    return INLINE.sub(lambda tex: f"<span>{mathml(tex[1], 'inline')}</span>", source)


def mathml(tex: str, display: str) -> str:
    return convert(tex.strip(), display=display).replace("|", "&#124;").replace("\n", " ")

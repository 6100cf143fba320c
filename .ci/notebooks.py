"""Runs notebooks anew and keeps their outputs: `.venv/bin/python .ci/notebooks.py FILE.ipynb …`.

Pictures get a palette, since code hosts do not show large notebooks; of a Chinese notebook they
need a Chinese font (Debian: `apt install fonts-noto-cjk`).
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[1]
COLOURS = 255


def run(path: Path) -> None:
    """Executes a notebook on the CPU, in an empty folder, and writes it back."""
    notebook = nbformat.read(path, as_version=4)
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    environment.pop("MPLBACKEND", None)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=1800, resources=resources, coalesce_streams=True)
        client.execute(env=environment)
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            if picture := output.get("data", {}).get("image/png"):
                output["data"]["image/png"] = with_palette(picture)
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, path)


def with_palette(picture: str) -> str:
    """A PNG in base64, with few colours."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB").quantize(COLOURS)
    stored = io.BytesIO()
    image.save(stored, "PNG", optimize=True)
    return base64.b64encode(stored.getvalue()).decode()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(Path(name))

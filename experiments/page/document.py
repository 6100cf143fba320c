"""One HTML file with everything that it needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from experiments.formatting import shortened

FOLDER = Path(__file__).parent
REPORT = tuple(FOLDER / name for name in ("theme.css", "tables.css", "report.css"))
"""Style sheets of a page of tables and a picture."""
DIGITS = 5
"""Of numbers in embedded data: more than a page shows."""
CHARTS = FOLDER / "charts.js"
"""Needs plotly, which is most of the bytes of a page that has it."""
POLICY = "default-src 'none'; {}style-src 'unsafe-inline'; img-src data:"
"""The browser itself refuses whatever would leave the page."""
SCRIPTED = '<script>document.documentElement.classList.add("scripted");</script>\n'


def write(
    path: Path,
    title: str,
    body: str,
    styles: Sequence[Path],
    scripts: Sequence[Path] = (),
    data: Any = None,
) -> None:
    """Writes a page.

    Args:
      path: the file to write.
      title: of the window.
      body: HTML.
      styles: style sheets, in their order.
      scripts: likewise; they find the class ``scripted`` on the root element, ``data`` as JSON in
        the element with the id ``data``, and with `CHARTS` among them plotly loaded. A page without
        any has no script.
      data: for the scripts.
    """
    policy = POLICY.format("script-src 'unsafe-inline'; " if scripts else "")
    content = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{"".join(map(_read, styles))}</style>
{SCRIPTED if scripts else ""}</head>
<body>
{body}
{_scripts(scripts, data) if scripts else ""}</body>
</html>
"""
    path.write_text(content, encoding="utf-8")


def _scripts(scripts: Sequence[Path], data: Any) -> str:
    own = [*([_plotly()] if CHARTS in scripts else []), *map(_read, scripts)]
    elements = "".join(f"<script>{script}</script>\n" for script in own)
    return f'<script type="application/json" id="data">{embedded(data)}</script>\n{elements}'


def _plotly() -> str:
    from plotly import offline

    return offline.get_plotlyjs()


def embedded(content: Any) -> str:
    """JSON that stands inside a script element: no text in it can end that element.

    >>> embedded({"title": "</script>", "loss": float("nan")})
    '{"title":"\\\\u003c/script>","loss":null}'
    """
    text = json.dumps(plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def plain(value: Any) -> Any:
    """``value`` with numbers as a page needs them: few digits, and null for NaN and infinity.

    >>> plain([0.123456789, float("inf"), 7])
    [0.12346, None, 7]
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return shortened(value, DIGITS) if isinstance(value, float) else value


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")

"""What the pages of commands share; a page is one HTML file that opens without a network.

`document.write` makes the file: style sheets, scripts and data stand inside it, and its policy lets
the browser load nothing else. `parts` makes what stands on more than one page: header, tables,
pairs of labels and texts, verdicts; it escapes every text that is no `Markup`. `markdown` is the
same content without a page. Beside them lie

- `theme.css`: colours in light and dark, the measure of the text, the header; every page has it.
- `tables.css`: tables that fold where they are too wide, and pairs.
- `report.css`: headings, verdicts and the picture of a page that is tables and a picture.
- `charts.css`, `charts.js`: charts of plotly in the colours of the theme.
- `numbers.js`: numbers and marks of axes, by the rules of `experiments.formatting`.
- `elements.js`: elements of HTML and SVG.

What one command alone shows stands in its own folder: `experiments/claims/page.py` is a page
without a script, `experiments/coupling/page/` one with charts, `experiments/path/page/` one with
pictures and a slider, which needs no plotly.
"""

from __future__ import annotations

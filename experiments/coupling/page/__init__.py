"""The page of a study: `write.write` makes it of the content that `describe` gives.

`body.html` is its frame, `sections` its words and tables, which stand there without JavaScript,
`explanations` the meaning of the statistics, `scale` the colours and places that the picture for
the README (`experiments.coupling.heat_maps`) has in common with it. The scripts draw the heat maps
(`heatmap.js`), the curves of the selected training (`chosen.js`) and the switch (`page.js`); what
they share with other pages lies in `experiments/page/`.
"""

from __future__ import annotations

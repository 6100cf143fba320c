"""What the suite `large` measures: each part is a function that runs in a process of its own.

So the peak of one part is not that of another, and each has the devices that it needs. A part takes
``quick`` and yields rows, each as soon as it is there; `memory` reads what a process holds.

- `trainings`: runs of a sweep, epochs of the main job. Does memory stay flat?
- `trees`: trees of thousands of leaves, and of hundreds of millions of parameters.
- `sharded`: the same over eight devices. Does each hold its share and no more?
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping

Row = Mapping[str, object]
"""What one line of the table shows: ``what`` and ``size`` as text, and what was measured."""
Rows = Iterator[Row]
PARTS = {
    "trainings": ("sweep", "epochs"),
    "trees": ("leaves", "parameters"),
    "sharded": ("programs", "solutions"),
}
"""The functions of each module."""


def print_part(module: str, part: str, quick: bool) -> None:
    """Prints the rows of one part, a line of JSON each; called in a process of its own."""
    found = importlib.import_module(f"experiments.benchmark.large.{module}")
    for row in getattr(found, part)(quick):
        print(json.dumps(row), flush=True)

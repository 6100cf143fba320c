"""Records of claims in words: for the terminal, the table and the page. Imports no jax."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.formatting import general, in_seconds, plus_minus
from experiments.verdicts import MARKS, Verdicts

Record = Mapping[str, Any]
VERDICTS = Verdicts("holds", "does not hold here")
PLURALS = Verdicts("hold", "do not hold here")


def expected(part: Record) -> str:
    """The range of a part.

    >>> expected({"low": 0.8, "high": "inf"}), expected({"low": -1.15, "high": -0.85})
    ('≥ 0.8', '−1.15 to −0.85')
    """
    low, high = float(part["low"]), float(part["high"])
    if low == high:
        return general(low)
    if math.isinf(high):
        return f"≥ {general(low)}"
    return f"≤ {general(high)}" if math.isinf(low) else f"{general(low)} to {general(high)}"


def measured(part: Record) -> str:
    """The statistic with its 95 % interval, or the worst number of an exact identity.

    >>> measured({"value": 0.912, "jackknife": [0.826, 0.998]})
    '0.912 ± 0.086'
    >>> measured({"value": 3.3e-16, "jackknife": None})
    '3.3e−16'
    """
    value = part["value"]
    if value is None:
        return "undefined"
    if part["jackknife"] is None:
        return general(float(value), 2)
    low, high = part["jackknife"]
    return plus_minus(value, (high - low) / 2)


def papers(record: Record) -> str:
    """As ``Xie & Li 2024, arXiv:2404.04454``, several with semicolons."""
    return "; ".join(f"{p['authors']} {p['year']}, arXiv:{p['arxiv']}" for p in record["papers"])


def seeds_of(named: Sequence[tuple[str, Sequence[int]]]) -> str:
    """The seeds of most claims, and of those, by name, that have others.

    >>> seeds_of([("a", range(5)), ("b", range(200, 216)), ("c", range(5))])
    '0 to 4 (b: 200 to 215)'
    """
    spans = {name: f"{seeds[0]} to {seeds[-1]}" for name, seeds in named}
    (most, _), *others = Counter(spans.values()).most_common()
    own = [
        f"{', '.join(name for name, its in spans.items() if its == span)}: {span}"
        for span, _ in others
    ]
    return f"{most} ({'; '.join(own)})" if own else most


def line(record: Record) -> str:
    """What is printed as soon as a claim is measured."""
    parts = "; ".join(f"{part['name']} {measured(part)}" for part in record["parts"])
    verdict, took = record["verdict"], in_seconds(record["seconds"])
    return f"{MARKS[VERDICTS.answer(verdict)]} {record['name']}: {verdict} ({took}). {parts}"


def summary(records: Sequence[Record]) -> str:
    """As ``15 hold, 2 do not hold here, 3 undecided``."""
    counts = Counter(record["verdict"] for record in records)
    return ", ".join(
        f"{counts[one]} {one if counts[one] == 1 else several}"
        for one, several in zip(VERDICTS, PLURALS, strict=True)
        if counts[one]
    )

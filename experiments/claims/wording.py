"""Records of claims in words: for the terminal, the table and the page. Imports no jax."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
MARKS = {"holds": "✓", "does not hold here": "✗", "undecided": "?"}
PLURALS = {"holds": "hold", "does not hold here": "do not hold here", "undecided": "undecided"}


def plain(number: float) -> str:
    """A number in a few digits, with a minus sign.

    >>> plain(-0.25), plain(1e-12)
    ('−0.25', '1e−12')
    """
    return f"{number:g}".replace("-", "−")


def expected(part: Record) -> str:
    """The range of a part.

    >>> expected({"low": 0.8, "high": "inf"}), expected({"low": -1.15, "high": -0.85})
    ('≥ 0.8', '−1.15 to −0.85')
    """
    low, high = float(part["low"]), float(part["high"])
    if low == high:
        return plain(low)
    if math.isinf(high):
        return f"≥ {plain(low)}"
    return f"≤ {plain(high)}" if math.isinf(low) else f"{plain(low)} to {plain(high)}"


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
        return f"{float(value):.2g}".replace("-", "−")
    low, high = part["jackknife"]
    reach = (high - low) / 2
    decimals = 2 if reach == 0 else min(max(1 - math.floor(math.log10(reach)), 2), 4)
    shown = round(value, decimals) + 0.0  # no −0.00
    return f"{shown:.{decimals}f} ± {reach:.{decimals}f}".replace("-", "−")


def papers(record: Record) -> str:
    """As ``Xie & Li 2024, arXiv:2404.04454``, several with semicolons."""
    return "; ".join(f"{p['authors']} {p['year']}, arXiv:{p['arxiv']}" for p in record["papers"])


def line(record: Record) -> str:
    """What is printed as soon as a claim is measured."""
    parts = "; ".join(f"{part['name']} {measured(part)}" for part in record["parts"])
    verdict, seconds = record["verdict"], f"{record['seconds']:.0f} s"
    return f"{MARKS[verdict]} {record['name']}: {verdict} ({seconds}). {parts}"


def summary(records: Sequence[Record]) -> str:
    """As ``15 hold, 2 do not hold here, 3 undecided``."""
    counts = Counter(record["verdict"] for record in records)
    return ", ".join(
        f"{counts[verdict]} {verdict if counts[verdict] == 1 else PLURALS[verdict]}"
        for verdict in MARKS
        if counts[verdict]
    )

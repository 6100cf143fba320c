"""The small picture of a part: its expected range, and where the statistic lies. Imports no jax."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from experiments.claims import wording
from experiments.claims.wording import Record
from experiments.formatting import general

WIDTH, HEIGHT, MIDDLE, MARGIN = 360, 52, 18, 24
BASE = 36
"""Of the axis; labels stand below it."""
SMALLEST = 1e-17
"""Of an exact identity, on a logarithmic axis."""
Scale = Callable[[float], float]


def plot(part: Record) -> str:
    """An SVG: the expected range as a band, the intervals as lines, the value as a dot."""
    if part["value"] is None:
        return ""
    label = f"{part['name']}: {wording.measured(part)}, expected {wording.expected(part)}"
    scale = _scale(part)
    content = "".join((_band(part, scale), _axis(), _marks(part, scale), _labels(part, scale)))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{escape(label)}">{content}</svg>'


def is_exact(part: Record) -> bool:
    """Whether it has no interval: an identity, or too few seeds."""
    return part["jackknife"] is None


def _ends(part: Record) -> list[float]:
    """The finite ends of the expected range."""
    return [end for end in (float(part["low"]), float(part["high"])) if math.isfinite(end)]


def _seeds(part: Record) -> list[float]:
    """The numbers of the seeds, where the statistic is of one number each."""
    numbers = part["measured"]
    return [float(x) for x in numbers] if all(not isinstance(x, list) for x in numbers) else []


def _scale(part: Record) -> Scale:
    """From a number to a place: what is drawn fills the width."""
    logarithmic = is_exact(part)

    def place(number: float) -> float:
        return math.log10(max(abs(number), SMALLEST)) if logarithmic else number

    shown = [part["value"], *_ends(part), *(part["jackknife"] or ()), *(part["bootstrap"] or ())]
    shown += _seeds(part)
    places = [place(float(number)) for number in shown if math.isfinite(float(number))]
    low, high = min(places), max(places)
    spread = (high - low) or max(abs(high), 1.0)
    low, high = low - 0.12 * spread, high + 0.12 * spread
    return lambda number: MARGIN + (place(number) - low) / (high - low) * (WIDTH - 2 * MARGIN)


def _band(part: Record, scale: Scale) -> str:
    low, high = float(part["low"]), float(part["high"])
    left = 0.0 if math.isinf(low) or (is_exact(part) and low == 0) else scale(low)
    right = float(WIDTH) if math.isinf(high) else scale(high)
    width = max(right - left, 2.0)
    return f'<rect class="range" x="{left:.1f}" y="2" width="{width:.1f}" height="{BASE - 2}"/>'


def _axis() -> str:
    return f'<path class="axis" d="M0 {BASE}H{WIDTH}"/>'


def _marks(part: Record, scale: Scale) -> str:
    def across(name: str, ends: Any) -> Iterator[str]:
        if ends is not None:
            left, right = map(scale, ends)
            yield f'<path class="{name}" d="M{left:.1f} {MIDDLE}H{right:.1f}"/>'

    value = scale(float(part["value"]))
    return "".join((
        *(f'<path class="seed" d="M{scale(x):.1f} {BASE - 5}v5"/>' for x in _seeds(part)),
        *across("wide", part["bootstrap"]),
        *across("interval", part["jackknife"]),
        f'<circle class="value" cx="{value:.1f}" cy="{MIDDLE}" r="5"/>',
    ))  # fmt: skip


def _labels(part: Record, scale: Scale) -> str:
    """The ends of the range; of an exact identity the worst number too."""
    numbers = {end for end in _ends(part) if not (is_exact(part) and end == 0)}
    texts = [(scale(end), general(end)) for end in sorted(numbers)]
    if is_exact(part):
        texts.append((scale(part["value"]), wording.measured(part)))
    return "".join(
        f'<text x="{min(max(x, 18), WIDTH - 18):.1f}" y="{HEIGHT - 3}" text-anchor="middle">'
        f"{escape(text)}</text>"
        for x, text in texts
    )

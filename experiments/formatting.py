"""Numbers as text: the one module in which digits, units and signs of a shown number are chosen.

Counts need nothing from here: ``f"{count:,}"`` separates their thousands. Scripts of pages follow
the same rules in `experiments/page/numbers.js`. Imports nothing but the standard library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PREFIXES = ("µ", "m", "", "k", "M", "G", "T", "P")


def general(value: float, digits: int = 6) -> str:
    """At most so many significant digits.

    >>> general(-0.25), general(1e-12), general(2 / 3, 2)
    ('−0.25', '1e−12', '0.67')
    """
    return _minus(f"{value:.{digits}g}")


def fixed(value: float, decimals: int) -> str:
    """So many decimals, and no negative zero.

    >>> fixed(-0.126, 2), fixed(-0.001, 2)
    ('−0.13', '0.00')
    """
    return _minus(f"{round(value, decimals) + 0.0:.{decimals}f}")


def plus_minus(value: float, reach: float, decimals: int | None = None) -> str:
    """A value with half the width of its interval; two to four decimals where none are given.

    >>> plus_minus(-0.984, 0.052), plus_minus(-0.984, 0.052, 2), plus_minus(1.0, 0.00031)
    ('−0.984 ± 0.052', '−0.98 ± 0.05', '1.0000 ± 0.0003')
    """
    if decimals is None:
        decimals = 2 if reach == 0 else min(max(1 - math.floor(math.log10(reach)), 2), 4)
    return f"{fixed(value, decimals)} ± {fixed(reach, decimals)}"


def interval(ends: Sequence[float] | None) -> str:
    """The ends of an interval; nothing where there is none.

    >>> interval((-1.02, -0.948)), interval(None)
    ('[−1.02, −0.95]', '')
    """
    return "" if ends is None else _minus(f"[{ends[0]:.2f}, {ends[1]:.2f}]")


def scientific(value: float | None, digits: int = 3) -> str:
    """With a power of ten where it is very small or large; nothing where there is no number.

    >>> scientific(0.0125), scientific(9.77e-05), scientific(None)
    ('0.0125', '9.77·10⁻⁵', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    leading, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{leading}·10{str(int(exponent)).translate(_RAISED)}" if exponent else leading


def significant(value: float) -> str:
    """Three significant digits without an exponent.

    >>> significant(0.1234), significant(2.5), significant(123.4)
    ('0.123', '2.50', '123')
    """
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{decimals}f}"


def quantity(value: float) -> str:
    """Three significant digits and the prefix of the unit that follows.

    >>> quantity(26_181_632), quantity(0.00042), quantity(0)
    ('26.2 M', '420 µ', '0 ')
    """
    power = min(max(math.floor(math.log10(value) / 3), -2), 5) if value else 0
    return f"{value / 1000**power:.3g} {_PREFIXES[power + 2]}"


def percent(share: float, decimals: int = 2, unit: str = "%") -> str:
    """A share between 0 and 1.

    >>> percent(0.86556), percent(0.006, 1), percent(0.0512, unit=" %")
    ('86.56%', '0.6%', '5.12 %')
    """
    return f"{100 * share:.{decimals}f}{unit}"


def percent_with_spread(share: float | None, spread: float | None) -> str:
    """A share with the spread around it; a dash where there is none.

    >>> percent_with_spread(0.0512, 0.001), percent_with_spread(0.0512, None)
    ('5.12 ± 0.10 %', '5.12 %')
    >>> percent_with_spread(None, None)
    '–'
    """
    if share is None or not math.isfinite(share):
        return "–"
    around = "" if spread is None or not math.isfinite(spread) else f" ± {100 * spread:.2f}"
    return percent(share, unit=f"{around} %")


def in_seconds(value: float, decimals: int = 0) -> str:
    """
    >>> in_seconds(12.345), in_seconds(0.2446, 3)
    ('12 s', '0.245 s')
    """
    return f"{value:.{decimals}f} s"


def in_minutes(value: float) -> str:
    """Seconds as minutes and seconds.

    >>> in_minutes(251.6), in_minutes(40)
    ('4 min 12 s', '0 min 40 s')
    """
    whole, rest = divmod(round(value), 60)
    return f"{whole} min {rest} s"


def roughly(value: float) -> str:
    """Seconds as seconds or, from 100 on, as minutes.

    >>> roughly(40), roughly(359)
    ('40 s', '6 min')
    """
    return in_seconds(value) if value < 100 else f"{value / 60:.0f} min"


def shortened(value: float, digits: int) -> float | None:
    """The number with so many digits, for JSON; None for NaN and infinity, which JSON lacks.

    >>> shortened(0.123456789, 5), shortened(float("inf"), 5)
    (0.12346, None)
    """
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _minus(text: str) -> str:
    return text.replace("-", "−")

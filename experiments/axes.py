"""Axes that several pictures have. Imports no jax."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.formatting import general


def logarithmic(axes: Axes) -> None:
    """An x axis of powers of ten; within two of them, of 1, 2 and 5 too. After all is drawn."""
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_xlim()
    if high < 100 * low:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: general(value)))

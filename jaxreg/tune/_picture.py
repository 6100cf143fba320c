"""A choice as one picture: scores over strengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE, CHOSEN, BAND = "#0072B2", "#D55E00", "#DCE9F3"
"""Distinct without colour vision."""
FAR = 8.0  # times the range from the least score to the median: what lies higher is cut off


def drawn(choice: Any, axes: Axes | None) -> Figure:
    """The picture of a `Choice`, whose class imports this file: see `Choice.draw`."""
    if axes is None:
        axes = _figure().subplots()
    strengths = np.asarray(choice.candidates["strength"], float)
    scores = np.asarray(choice.scores, float)
    if strengths.ndim > 1:
        return _paths(axes, choice, strengths.reshape(len(strengths), -1))
    _scale(axes, strengths)
    if choice.interval is not None:
        low, high = choice.interval
        axes.axvspan(low, high, color=BAND, zorder=0, label="within one standard error")
    (_trace if choice.is_trace else _curve)(axes, choice, strengths, scores)
    axes.plot(
        strengths[choice.chosen], scores[choice.chosen], "o", color=CHOSEN, markersize=9, zorder=4,
        label=f"chosen: λ = {float(choice.strength):.3g}",
    )  # fmt: skip
    _limit(axes, scores)
    return _framed(axes, choice, xlabel="strength λ", ylabel="score")


def _framed(axes: Axes, choice: Any, **labels: str) -> Figure:
    axes.set(title=choice.method, **labels)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return axes.get_figure(root=True)  # pyright: ignore[reportReturnType]


def _paths(axes: Axes, choice: Any, strengths: np.ndarray) -> Figure:
    """Several strengths together: where each went, step by step."""
    axes.plot(strengths, color=LINE, alpha=max(1 / strengths.shape[1], 0.2) ** 0.5)
    axes.axvline(choice.chosen, color=CHOSEN, label=f"chosen: score {choice.score:.3g}")
    axes.set_yscale("log")
    return _framed(axes, choice, xlabel="step", ylabel="strengths λ")


def _figure() -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            'draw: expected matplotlib, which is not installed; run pip install "jaxreg[tune]"'
        ) from None
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    figure.set_facecolor("white")
    return figure


def _scale(axes: Axes, strengths: np.ndarray) -> None:
    """Logarithmic beyond a decade; with a 0 among them, linear below the smallest other one."""
    positive = strengths[(strengths > 0) & np.isfinite(strengths)]
    if len(positive) and len(positive) < len(strengths):
        axes.set_xscale("symlog", linthresh=float(positive.min()), linscale=0.5)
        decades = np.arange(np.ceil(np.log10(positive.min())), np.log10(positive.max()) + 0.01)
        every = max(len(decades) // 6, 1)
        axes.set_xticks([0.0, *10.0 ** decades[::every]])
        axes.set_xlim(-0.3 * positive.min(), 1.5 * positive.max())
    elif len(positive) and positive.max() > 10 * positive.min():
        axes.set_xscale("log")


def _curve(axes: Axes, choice: Any, strengths: np.ndarray, scores: np.ndarray) -> None:
    """A line through those that differ from the chosen in strength alone, others as crosses."""
    alike = _alike(choice)
    order = np.flatnonzero(alike)[np.argsort(strengths[alike], kind="stable")]
    errors = np.nan_to_num(np.asarray(choice.errors, float))[order]
    style: dict[str, Any] = {"color": LINE, "marker": "o", "markersize": 4, "capsize": 2}
    axes.errorbar(strengths[order], scores[order], errors, label="score ± error", **style)
    if not alike.all():
        style = {"color": LINE, "alpha": 0.3, "label": "other settings"}
        axes.plot(strengths[~alike], scores[~alike], "x", **style)


def _alike(choice: Any) -> np.ndarray:
    others = [values for name, values in choice.candidates.items() if name != "strength"]
    same = [np.all((v == v[choice.chosen]).reshape(len(v), -1), axis=1) for v in others]
    return np.logical_and.reduce(same) if same else np.ones(len(choice.scores), bool)


def _trace(axes: Axes, choice: Any, strengths: np.ndarray, scores: np.ndarray) -> None:
    """Dots, the later the darker."""
    order = np.arange(len(scores))
    dots = axes.scatter(strengths, scores, c=order, cmap="Blues", vmin=-len(order) / 3, zorder=3)
    figure = axes.get_figure(root=True)
    if figure is not None:
        bar = figure.colorbar(dots, ax=axes, label="candidate, in the order tried")
        bar.ax.set_ylim(0, max(len(order) - 1, 1))


def _limit(axes: Axes, scores: np.ndarray) -> None:
    """Cuts off scores that are so bad that the others would look alike."""
    finite = scores[np.isfinite(scores)]
    least, middle, most = np.quantile(finite, [0, 0.5, 1])
    if most - least > FAR * (middle - least) > 0:
        axes.set_ylim(least - 0.3 * (middle - least), least + FAR * (middle - least))

"""Records to pictures. Imports no jax: it works on what a run left on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # distinct without colour vision


def curves(records: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Draws loss, accuracy and penalty against the epoch into a PNG.

    Args:
      records: those of the epochs of one run.
      title: what was trained.
      path: the file to write.
    """
    epochs = [record["epoch"] for record in records]
    figure = Figure(figsize=(11, 3.4))
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.15, top=0.82, wspace=0.32)
    loss, accuracy, penalty = figure.subplots(1, 3)
    for key, colour, style, label in (
        ("loss", BLUE, "o-", "training"),
        ("test_loss", ORANGE, "s--", "test"),
    ):
        loss.plot(epochs, [float(r[key]) for r in records], style, color=colour, label=label)
    loss.set(title="Data loss", ylabel="cross-entropy (nats)")
    loss.legend(frameon=False, loc="upper right")
    accuracy.plot(epochs, [100 * float(r["accuracy"]) for r in records], "s-", color=ORANGE)
    accuracy.set(title="Test accuracy", ylabel="%")
    penalty.plot(epochs, [float(r["penalty"]) for r in records], "o-", color=GREEN)
    penalty.set(title="Penalty after the epoch", ylabel="value, beside the data loss")
    for axes in (loss, accuracy, penalty):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=120)

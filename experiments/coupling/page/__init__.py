"""One dictionary to one page, and to one picture: `write.write` and `picture.heat_maps`.

The dictionary is plain JSON. Whatever is not known is null (``None``); NaN and infinity are
written as null. Errors are shares between 0 and 1. Axes are called ``"strength"`` (λ) and
``"rate"`` (ω).

::

    study = {
      "title": str,
      "answer": [str, str, str],        # three sentences
      "note": str,                      # "stopped early: 180 of 650 trainings", or ""
      "regimes": [regime, …],
      "comparisons": [{"regime", "first", "second", "difference", "bootstrap", "verdict"}, …],
      "made": [[label, text], …],       # settings, seeds, versions, device, time, command
      "seeds": [int, …],                # the curves are those of the first
    }
    regime = {
      "name": "A", "title": str, "explanation": str, "setup": [[label, text], …],
      "panels": [panel, …],
      "statistics": [{"name", "panel", "axis", "expected", "measured", "bootstrap", "detail",
                      "verdict"}, …],
    }

In a statistic ``panel`` is the ``id`` of a panel, which the table shows by its label, or any other
text; ``axis`` is ``"λ"``, ``"ω"`` or ``""``; a verdict is ``"as expected"``,
``"not as expected"``, ``"undecided"`` or ``""``. The first statistic of a panel and an axis
stands under its heat map too. Names in `explanations.STATISTICS` are explained above the table.

::

    panel = {
      "id": "a-sgd-decoupled", "title": "SGD", "optimizer": "sgd" | "momentum" | "adam",
      "labels": {"strength": str | None, "rate": str | None},   # None: it has no such view;
                                        # where two are alike, ``title`` stands instead
      "trained": "rate" | "strength",   # the axis along which the grid is rectangular
      "learning_rates": [η, …],         # rows, ascending
      "decays": [number, …],            # columns, ascending, on the trained axis
      "strength": [[λ | None, …], …],   # rows × columns, also where a cell is missing
      "rate": [[ω | None, …], …],
      "times": [step, …],               # of the curves
      "multiplier": [s_t, …],           # of the learning rate, at those times
      "power": 1 | 2,                   # effective learning rate: η·s_t/‖w‖^power
      "cells": [[cell | None, …], …],   # None: not trained
      "row_best": [column | None, …],
      "best": [row, column] | None,
      "on_edge": str,                   # if the best cell lies on the rim of the grid, which; or ""
      "edge": [decay on the trained axis | None, …],            # of every row
    }
    cell = {
      "loss": geometric mean over the seeds of the validation loss | None,
      "spread": standard deviation over the seeds of its logarithm | None,
      "validation_error": mean | None, "test_error": mean | None,
      "test_spread": standard deviation | None,
      "diverged": number of seeds, "total_decay": D | None,
      "curves": {"loss": […], "norm": […], "sparsity": […]} | None,   # of the first seed
      "histogram": [41 counts] | None,  # over [−largest, largest]
      "largest": max |w| | None,
    }
"""

from __future__ import annotations

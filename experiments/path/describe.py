"""The paths of a study as the content of its picture and page: words and digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.formatting import fixed, percent, scientific, shortened
from experiments.path.answer import Choice, answer
from experiments.path.content import (
    ChoiceContent,
    CurveContent,
    CutContent,
    PathContent,
    StrengthContent,
)
from experiments.path.findings import Chosen, best, chosen, means, sparsest
from experiments.path.measures import MEASURES
from experiments.path.pictures import EDGES
from experiments.path.results import Results
from experiments.statistics.number import DIGITS, number
from experiments.statistics.resample import Estimate

IN_LOSS, BY_PROX = "in the loss", "by its proximal operator"


def describe(
    found: Sequence[Results],
    made: Mapping[str, str],
    note: str = "",
    headline: Sequence[str] = (),
) -> PathContent:
    """The content of picture and page, of all that is known so far.

    Args:
      found: as `results` gives them.
      made: how it was made: texts by their labels.
      note: what the reader must know first, such as that the study was stopped.
      headline: likewise, before the answer.
    """
    known = [Choice(each, b, s) for each in found if (b := chosen(each, best))
             if (s := chosen(each, sparsest))]  # fmt: skip
    return {
        "title": "The regularization path",
        "answer": [*headline, *answer(known)],
        "note": note,
        "curves": [_curve(choice) for choice in known],
        "choices": [_choice(choice) for choice in known],
        "edges": [float(edge) for edge in EDGES],
        "made": dict(made),
        "seeds": list(found[0].seeds) if found else [],
    }


def _curve(choice: Choice) -> CurveContent:
    results = choice.results
    by_name = {name: means(results, name) for name in MEASURES}
    row, is_network = results.row, results.network == "mlp"
    return {
        "id": results.id,
        "network": results.network,
        "penalty": results.penalty,
        "title": row.title,
        "formula": row.formula,
        "applied": (BY_PROX if row.by_prox else IN_LOSS) if is_network else "solved exactly",
        "unit": results.unit,
        "units": results.units,
        "full_rank": results.full_rank,
        "epochs": list(results.epochs),
        "strengths": [
            _strength(results, place, {name: found[place] for name, found in by_name.items()})
            for place in range(len(results.strengths))
        ],
        "chosen": choice.best.place,
        "sparse": choice.sparse.place,
    }


def _strength(results: Results, place: int, found: Mapping[str, Estimate]) -> StrengthContent:
    learning = results.learning[place].mean(0)
    missing = np.isnan(results.measured["test_accuracy"][place])
    cut = results.cuts.get(place)
    return {
        "strength": results.strengths[place],
        "measures": {name: number(estimate) for name, estimate in found.items()},
        "learning": [shortened(float(value), DIGITS) for value in learning],
        "diverged": int(missing.sum()),
        "unconverged": int((~results.converged[place]).sum()),
        "histogram": results.histograms.get(place),
        "cut": None if cut is None else _cut(cut),
    }


def _cut(record: Mapping[str, Any]) -> CutContent:
    before, after = record["seconds"]
    return {
        "units": (record["units"][0], record["units"][1]),
        "parameters": (record["parameters"][0], record["parameters"][1]),
        "time": after / before,
        "error": record["error"] / (record["largest"] or 1.0),
    }


def _choice(choice: Choice) -> ChoiceContent:
    results, at_best, at_sparsest = choice
    return {
        "network": results.network,
        "penalty": results.row.title,
        "chosen": scientific(at_best.strength, 2),
        "accuracy": points(at_best.accuracy),
        "gain": points(at_best.gain),
        "sparse": scientific(at_sparsest.strength, 2),
        "sparse_accuracy": points(at_sparsest.accuracy),
        "zeros": zeros_of(at_sparsest),
        "live": fixed(at_sparsest.live.value or 0.0, 0),
        "rank": fixed(at_sparsest.rank.value or 0.0, 0),
    }


def zeros_of(found: Chosen) -> str:
    """The share of exact zeros, with one decimal where it is none or nearly all."""
    value = found.zeros.value
    return "none" if value == 0 else percent(value or 0.0, 1, " %")


def points(found: Estimate) -> str:
    """A share as percentage points, with its interval."""
    return found.times(100).show(1)

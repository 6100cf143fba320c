"""The findings of a study as the content of its tables, picture and page: words and digits."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence

import numpy as np

from experiments.formatting import fixed, scientific, shortened
from experiments.statistics.resample import Estimate
from experiments.tune import findings
from experiments.tune.answer import answer, title
from experiments.tune.content import Content, CurveContent, RowContent, TraceContent
from experiments.tune.findings import VERDICTS
from experiments.tune.names import SUBJECTS
from experiments.tune.results import Results, Row

DIGITS = 6
TRACED = ("bayesian", "random", "sobol", "hypergradient")
CURVE = ("cv", "network")
GROW, WIDER = "grow=True tries them", "a wider --strengths tries them"
"""What a function advises, and what a command does."""


def describe(
    found: Results, made: Mapping[str, str], note: str = "", headline: Sequence[str] = ()
) -> Content:
    """The content of all that is known so far.

    Args:
      found: as `results` gives it.
      made: how it was made: texts by their labels.
      note: what the reader must know first, such as that the study was stopped.
      headline: likewise, in place of an answer: then ways are not compared.
    """
    return {
        "title": "Ways to choose λ",
        "answer": list(headline) or answer(found),
        "note": note,
        "rows": [_row(found, row, whole=not headline) for row in found.choices],
        "validation": _validation(found),
        "test": _test(found),
        "bare": None if found.bare is None else shortened(float(found.bare[1].mean()), DIGITS),
        "traces": [_trace(found, row) for row in found.choices if row[0] in TRACED],
        "warnings": _warnings(found),
        "made": dict(made),
    }


def _row(results: Results, row: Row, whole: bool) -> RowContent:
    chosen, choices = results.chosen(row), results.choices[row]
    known = [choice["interval"] for choice in choices if choice["interval"]]
    ends = None if not known else tuple(map(findings.log_mean, np.array(known, float).T))
    loss = findings.mean(results.loss[row]) if row in results.loss else None
    accuracy = results.accuracy.get(row)
    return {
        "method": row[0],
        "title": title(row),
        "subject": SUBJECTS[row[1]],
        "chosen": [x for value in chosen if (x := shortened(float(value), DIGITS)) is not None],
        "strength": scientific(findings.log_mean(chosen), 2),
        "over_seeds": _span(chosen.min(), chosen.max()),
        "within": "" if ends is None else _span(*ends),
        "interval": None if ends is None else (ends[0], ends[1]),
        "loss": "" if loss is None else loss.show(3),
        "accuracy": "" if accuracy is None else findings.mean(100 * accuracy).show(2),
        "beside_best": _beside_best(results, row) if whole else "",
        "word": _word(results, row) if whole else "",
        "trainings": fixed(float(results.spent(row).mean()), 0),
        "seconds": _seconds([choice["seconds"] for choice in choices]),
        "reached": None if loss is None else _ends(loss),
    }


def _span(low: float, high: float) -> str:
    return f"[{scientific(low, 2)}, {scientific(high, 2)}]"


def _beside_best(results: Results, row: Row) -> str:
    if row not in results.loss or len(results.of_network) < 2:
        return ""
    if row == findings.best(results):
        return "the least"
    return findings.beside_best(results, row).show(4)


def _word(results: Results, row: Row) -> str:
    """Whether its loss is seen to be above the least one."""
    if row not in results.loss or row == findings.best(results):
        return ""
    return VERDICTS.word(findings.better(findings.beside_best(results, row)))


def _seconds(seconds: list[float]) -> str:
    first, *others = seconds
    return f"{fixed(first, 1)}; {fixed(float(np.median(others)), 1)}" if others else fixed(first, 1)


def _ends(found: Estimate) -> tuple[float, float, float]:
    value = found.value if found.value is not None else float("nan")
    low, high = found.jackknife or (value, value)
    return value, low, high


def _validation(results: Results) -> CurveContent | None:
    if CURVE not in results.choices:
        return None
    first = results.choices[CURVE][0]
    rows = [
        row
        for row in zip(first["tried"], first["scores"], first["errors"], strict=True)
        if np.isfinite(float(row[1]))
    ]
    tried, scores, errors = (list(map(float, column)) for column in zip(*rows, strict=True))
    return {"strengths": tried, "values": scores, "errors": errors}


def _test(results: Results) -> CurveContent | None:
    if not len(results.strengths):
        return None
    losses = results.curve[1].mean(axis=1)
    return {"strengths": results.strengths.tolist(), "values": losses.tolist(), "errors": None}


def _trace(results: Results, row: Row) -> TraceContent:
    first = results.choices[row][0]
    scores = [shortened(float(score), DIGITS) for score in first["scores"]]
    return {"title": title(row), "strengths": list(first["tried"]), "scores": scores}


def _warnings(results: Results) -> list[str]:
    """What `jaxreg.tune` said of choices, and of how many seeds."""
    said = collections.Counter(
        f"{title(row)}, {SUBJECTS[row[1]]}: {text.replace(GROW, WIDER)}"
        for row, choices in results.choices.items()
        for choice in choices
        for text in choice["warnings"]
    )
    return [f"{text} ({count} of {len(results.seeds)} seeds)" for text, count in said.items()]

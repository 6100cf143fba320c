"""The findings of a study as the content of its tables, picture and page: words and digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.formatting import plus_minus, scientific, shortened
from experiments.language import findings, wording
from experiments.language.answer import answer
from experiments.language.comparison import Comparison, compared
from experiments.language.content import (
    CarriedContent,
    ClaimContent,
    Content,
    NumberContent,
    ProgramContent,
    RowContent,
)
from experiments.language.findings import KEEPING, VERDICTS, Carried, Row
from experiments.language.results import Results
from experiments.statistics.resample import Estimate, estimate

DIGITS = 6


def describe(found: Sequence[Results], made: Mapping[str, str], note: str = "") -> Content:
    """The content of all that is known so far.

    Args:
      found: as `results` gives them, those of which a row is complete.
      made: how it was made: texts by their labels.
      note: what the reader must know first, such as that the study was stopped.
    """
    compared_ = compared(found)
    return {
        "title": "Decay of a small language model: what to re-tune",
        "answer": answer(compared_),
        "note": note,
        "programs": [_program(each) for each in found],
        "carried": [_carried(compared_, each) for each in compared_.carried],
        "claims": [_claim(*claim) for claim in claims(compared_)],
        "made": dict(made),
    }


def _program(found: Results) -> ProgramContent:
    known = findings.rows([found])
    setup = found.setup
    return {
        "id": found.id,
        "title": wording.title(known[0]),
        "width": setup.width,
        "characters": setup.examples,
        "parameters": found.parameters,
        "steps": setup.steps,
        "steps_per_epoch": setup.steps_per_epoch,
        "rows": sorted(map(_row, known), key=lambda row: row["learning_rate"]),
    }


def _row(row: Row) -> RowContent:
    gain, time = findings.gain(row), findings.time_scale(row)
    everyone = np.arange(len(row.results.seeds))
    return {
        "learning_rate": row.learning_rate,
        "rates": list(row.results.rates),
        "test": [_number(_mean(losses)) for losses in row.test],
        "chosen": row.chosen(everyone),
        "tuned": wording.bits(findings.tuned(row)),
        "gain": "" if gain is None else wording.bits(gain),
        "time": _number(wording.exponentiated(time)),
        "shown": wording.epochs(time),
        "between": VERDICTS.word(findings.between(row)),
    }


def _mean(values: np.ndarray) -> Estimate:
    return estimate(lambda seeds: float(values[seeds].mean()), len(values), resamples=0)


def _number(found: Estimate) -> NumberContent:
    low, high = found.jackknife or (None, None)
    ends = (None if x is None else shortened(x, DIGITS) for x in (found.value, low, high))
    value, low, high = ends
    return {"value": value, "low": low, "high": high}


def _carried(compared: Comparison, found: Carried) -> CarriedContent:
    return {
        "change": wording.change(compared.base, found.row),
        "kept": wording.kept(found),
        "rate": scientific(found.rate, 3),
        "cost": _number(found.cost),
        "shown": wording.bits(found.cost),
        "verdict": KEEPING.word(found.verdict),
    }


def claims(compared: Comparison) -> list[tuple[str, str, str, str, bool | None]]:
    """(statement, statistic, value, expected, answer) of what is claimed of the time scale, and of
    which number is the better one to keep."""
    constant = plus_minus(0.0, findings.CONSTANT, 1)
    of_rates, of_text = compared.over_learning_rates, compared.over_text
    found: list[Any] = []
    if of_rates is not None:
        slope = "slope of log τ against log η", wording.steepness(of_rates), constant
        found.append(("the best τ is the same for every learning rate", *slope, of_rates))
    if of_text is not None:
        slope = "slope of log τ against log characters", wording.steepness(of_text), constant
        found.append(("the best τ is the same number of epochs for every text", *slope, of_text))
    constants = [(*claim[:-1], findings.constant(claim[-1])) for claim in found]
    return [*constants, *_better(compared)]


def _better(compared: Comparison) -> list[tuple[str, str, str, str, bool | None]]:
    pairs = (
        ("over learning rates ω is better kept than λ", "cost of λ − cost of ω", compared.by_rate),
        ("over texts τ is better kept than ω", "cost of ω − cost of τ", compared.by_time),
    )
    return [
        (name, f"{statistic}, bits per character", wording.bits(saved), "> 0", above(saved))
        for name, statistic, saved in pairs
        if saved is not None
    ]


def above(found: Estimate) -> bool | None:
    """Whether a number lies above 0: None if its interval holds 0."""
    return found.within(0.0, float("inf"))


def _claim(
    name: str, statistic: str, shown: str, expected: str, verdict: bool | None
) -> ClaimContent:
    return {
        "name": name,
        "statistic": statistic,
        "shown": shown,
        "expected": expected,
        "verdict": VERDICTS.word(verdict),
    }

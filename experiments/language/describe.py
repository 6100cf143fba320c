"""The findings of a study as the content of its tables, picture and page: words and digits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from experiments.formatting import plus_minus, scientific
from experiments.language import findings, wording
from experiments.language.answer import answer
from experiments.language.comparison import Comparison, compared
from experiments.language.content import (
    CarriedContent,
    ClaimContent,
    Content,
    ProgramContent,
    RowContent,
)
from experiments.language.findings import KEEPING, VERDICTS, Carried, Row
from experiments.language.results import Results
from experiments.statistics.number import mean, number
from experiments.statistics.resample import Estimate


def describe(
    found: Sequence[Results],
    made: Mapping[str, str],
    note: str = "",
    headline: Sequence[str] = (),
) -> Content:
    """The content of all that is known so far.

    Args:
      found: as `results` gives them, those of which a row is complete.
      made: how it was made: texts by their labels.
      note: what the reader must know first, such as that the study was stopped.
      headline: likewise, in place of an answer: then nothing is claimed over several rows.
    """
    comparison = compared(found)
    return {
        "title": "Decay of a small language model: what to re-tune",
        "answer": [*headline, *answer(comparison, whole=not headline)],
        "note": note,
        "programs": [_program(each) for each in found],
        "carried": [_carried(comparison, each) for each in comparison.carried],
        "claims": [] if headline else _claims(comparison),
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
        "test": [number(mean(losses)) for losses in row.test],
        "chosen": row.chosen(everyone),
        "tuned": wording.bits(findings.tuned(row)),
        "gain": "" if gain is None else wording.bits(gain),
        "time": number(wording.exponentiated(time)),
        "shown": wording.epochs(time),
        "between": VERDICTS.word(findings.between(row)),
    }


def _carried(compared: Comparison, found: Carried) -> CarriedContent:
    return {
        "change": wording.change(compared.base, found.row),
        "kept": wording.kept(found),
        "rate": scientific(found.rate, 3),
        "cost": number(found.cost),
        "shown": wording.bits(found.cost),
        "verdict": KEEPING.word(found.verdict),
    }


def _claims(compared: Comparison) -> list[ClaimContent]:
    """What is claimed of the time scale, and of which number is the better one to keep; of what
    there is."""
    slopes = (
        ("the best τ is the same for every learning rate", "η", compared.over_learning_rates),
        ("the best τ is the same number of epochs for every text", "text", compared.over_text),
    )
    savings = (
        ("over learning rates ω is better kept than λ", "cost of λ − cost of ω", compared.by_rate),
        ("over texts τ is better kept than ω", "cost of ω − cost of τ", compared.by_time),
    )
    return [
        *(_constant(name, x, found) for name, x, found in slopes if found is not None),
        *(_saving(name, what, found) for name, what, found in savings if found is not None),
    ]


def _constant(name: str, against: str, found: Estimate) -> ClaimContent:
    return {
        "name": name,
        "statistic": f"slope of log τ against log {against}",
        "shown": wording.steepness(found),
        "expected": plus_minus(0.0, findings.CONSTANT, 1),
        "verdict": VERDICTS.word(findings.constant(found)),
    }


def _saving(name: str, statistic: str, found: Estimate) -> ClaimContent:
    return {
        "name": name,
        "statistic": f"{statistic}, bits per character",
        "shown": wording.bits(found),
        "expected": "> 0",
        "verdict": VERDICTS.word(found.within(0.0, math.inf)),
    }

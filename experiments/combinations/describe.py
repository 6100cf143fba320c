"""The findings of a study as the content of its tables, picture and page: words and digits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.combinations import findings
from experiments.combinations.answer import answer
from experiments.combinations.content import (
    CellContent,
    Content,
    EffectContent,
    ModelContent,
    OrderingContent,
    TriedContent,
)
from experiments.combinations.findings import VERDICTS, Effect, Ordering
from experiments.combinations.penalties import NONE, PENALTIES
from experiments.combinations.results import Cell, Results
from experiments.combinations.wording import factor, named, points
from experiments.formatting import fixed, scientific
from experiments.models.table import MODELS
from experiments.statistics.number import mean, number

STRONGEST = "*"
NAMES = {"dropout": "Dropout", "batchnorm": "BatchNorm"}


def describe(
    found: Sequence[Results],
    made: Mapping[str, str],
    note: str = "",
    headline: Sequence[str] = (),
    unfinished: Collection[str] = (),
) -> Content:
    """The content of all that is known so far.

    Args:
      found: as `results` gives them.
      made: how it was made: texts by their labels.
      note: what the reader must know first, such as that the study was stopped.
      headline: likewise, before the answer.
      unfinished: networks of which trainings are missing, and to which there is no answer.
    """
    known = [each for each in found if each.model not in unfinished]
    return {
        "title": "Penalties beside Dropout and BatchNorm",
        "answer": [*headline, *(sentence for each in known for sentence in answer(each))],
        "note": note,
        "models": [_model(each) for each in found],
        "made": dict(made),
        "seeds": list(found[0].seeds) if found else [],
    }


def _model(results: Results) -> ModelContent:
    effects = findings.effects(results)
    by_cell = {effect.cell: effect for effect in effects if effect.added in PENALTIES}
    known = [(name, place) for name in results.strengths for place in results.places]
    order = findings.ordering(results)
    return {
        "model": results.model,
        "title": MODELS[results.model].title,
        "cells": [
            _cell(results, c, by_cell.get(c)) if results.has(c) else _failed(results, c)
            for c in known
            if results.has(c) or results.failed(c)
        ],
        "effects": [_effect(effect) for effect in effects if effect.added in NAMES],
        "ordering": None if order is None else _ordering(order),
        "tried": _tried(results),
    }


def _cell(results: Results, cell: Cell, effect: Effect | None) -> CellContent:
    penalty, place = cell
    found, raised = findings.error(results, cell), findings.factor(results, cell)
    rates = results.effective[cell]
    return {
        "penalty": penalty,
        "place": place,
        "strength": "" if penalty == NONE else _strength(results, cell),
        "error": number(found.times(100)),
        "shown": points(found),
        "gain": "" if effect is None else points(effect.difference),
        "word": "" if effect is None else effect.word,
        "zeros": float(100 * np.mean(results.zeros[cell])),
        "effective": number(mean(rates)) if np.isfinite(rates).all() else None,
        "factor": "" if raised is None or penalty == NONE else factor(raised),
    }


def _failed(results: Results, cell: Cell) -> CellContent:
    """A cell of which nothing can be said."""
    return {
        "penalty": cell[0],
        "place": cell[1],
        "strength": "",
        "error": {"value": None, "low": None, "high": None},
        "shown": results.failed(cell),
        "gain": "",
        "word": "",
        "zeros": None,
        "effective": None,
        "factor": "",
    }


def _strength(results: Results, cell: Cell) -> str:
    chosen = findings.choice(results, cell)
    mark = STRONGEST if chosen and chosen.strongest else ""
    symbol = PENALTIES[cell[0]].symbol
    return f"{symbol} = {scientific(results.used[cell], 2)}{mark}"


def _effect(effect: Effect) -> EffectContent:
    shown = points(effect.difference)
    return {
        "added": NAMES[effect.added],
        "to": named(effect.base),
        "shown": shown,
        "word": effect.word,
    }


def _ordering(found: Ordering) -> OrderingContent:
    cells = [cell for cell, _ in findings.PUBLISHED]
    pairs = zip(cells[:-1], cells[1:], found.steps, found.verdicts, strict=True)
    return {
        "errors": [f"{named(c)} {points(e)}" for c, e in zip(cells, found.errors, strict=True)],
        "steps": [
            {
                "name": f"{named(low)} < {named(high)}",
                "shown": points(step),
                "verdict": VERDICTS.word(verdict),
            }
            for low, high, step, verdict in pairs
        ],
        "verdict": VERDICTS.word(found.holds),
        "weaker": VERDICTS.word(found.weaker),
        "tau": fixed(found.tau, 2),
    }


def _tried(results: Results) -> list[TriedContent]:
    """L2 in the loss along its strengths, where a norm follows a layer."""
    return [
        _of_strength(results, ("l2", place), row)
        for place in results.places
        if results.invariant[place] and ("l2", place) in results.tried
        for row in range(len(results.strengths["l2"]))
        if np.isfinite(results.tried["l2", place][row]).all()
    ]


def _of_strength(results: Results, cell: Cell, row: int) -> TriedContent:
    rates: Any = results.tried_effective[cell][row]
    return {
        "place": cell[1],
        "strength": scientific(results.strengths[cell[0]][row], 2),
        "effective": scientific(float(rates.mean()), 3),
        "validation": fixed(100 * float(results.tried[cell][row].mean()), 2),
    }

"""The answer of a study in sentences, each computed from its records."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.formatting import general, scientific
from experiments.language import findings, wording
from experiments.language.comparison import Comparison
from experiments.language.findings import KEEPING, VERDICTS, Row

UNIT = "bits per character"


def answer(compared: Comparison, whole: bool = True) -> list[str]:
    """What the trainings say: of those that there are, until all are made, row by row alone."""
    rows = [_tuned(compared.base), *_kept(compared)]
    return [*rows, *_widths(compared), *_time(compared)] if whole else rows


def _tuned(base: Row) -> str:
    rate, gain = findings.rate(base), findings.gain(base)
    off = "" if gain is None else f", which takes off {wording.bits(gain)} of that without decay"
    strength = scientific(rate / base.learning_rate, 2)
    return (
        f"At {wording.title(base)}, η = {general(base.learning_rate)}, tuned decay is ω = "
        f"{scientific(rate, 2)} (λ = {strength}): {wording.bits(findings.tuned(base))} {UNIT} of "
        f"held-out text{off}."
    )


def _kept(compared: Comparison) -> list[str]:
    """For each change, what each number costs that is kept."""
    found = []
    for change in dict.fromkeys(wording.change(compared.base, c.row) for c in compared.carried):
        own = [c for c in compared.carried if wording.change(compared.base, c.row) == change]
        costs = "; ".join(
            f"{wording.kept(c)} kept costs {wording.bits(c.cost)} and {_said(c.verdict)}"
            for c in own
        )
        found.append(f"{change}: {costs}.")
    return found


def _said(verdict: bool | None) -> str:
    return "is undecided" if verdict is None else KEEPING.word(verdict)


def _widths(compared: Comparison) -> list[str]:
    """Whether the learning rate has to change with the width."""
    return [_learning_rate(compared.base, row) for row in compared.widths if _several(row)]


def _several(row: Row) -> bool:
    return int(row.results.complete.sum()) > 1


def _learning_rate(base: Row, row: Row) -> str:
    cost = findings.of_learning_rate(base, row)
    verdict = _said(cost.within(-math.inf, findings.TOLERANCE))
    return (
        f"{wording.change(base, row)}: the learning rate kept, its decay tuned, costs "
        f"{wording.bits(cost)} and {verdict}."
    )


def _time(compared: Comparison) -> list[str]:
    """Wang & Aitchison's time scale."""
    found = []
    own = (compared.base, *compared.texts)
    if compared.over_text is not None:
        found.append(
            f"Wang & Aitchison's τ = 1/(ω · updates in an epoch) of the best decay, in epochs of "
            f"{general(compared.base.results.setup.epochs)}: {_times(own)}. That it is the same "
            f"number of epochs for every text {_claimed(findings.constant(compared.over_text))}: "
            f"its slope against the characters is {wording.steepness(compared.over_text)}; that of "
            f"a constant ω is −1."
        )
    own = (compared.base, *compared.learning_rates)
    if compared.over_learning_rates is not None:
        claimed = _claimed(findings.constant(compared.over_learning_rates))
        times = ", ".join(
            f"{wording.epochs(findings.time_scale(row))} at η = {general(row.learning_rate)}"
            for row in sorted(own, key=lambda row: row.learning_rate)
        )
        found.append(
            f"Over learning rates it is {times}. That it is the same for every learning rate "
            f"{claimed}: its slope is {wording.steepness(compared.over_learning_rates)}; that of "
            f"a constant λ is −1."
        )
    return found


def _times(own: Sequence[Row]) -> str:
    ordered = sorted(own, key=lambda row: row.results.setup.examples)
    return ", ".join(
        f"{wording.epochs(findings.time_scale(row))} with {row.results.setup.examples:,} characters"
        for row in ordered
    )


def _claimed(verdict: bool | None) -> str:
    return "is undecided" if verdict is None else VERDICTS.word(verdict)

"""The conclusions of a study as the content of its page: words and digits, nothing is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from experiments.coupling import names
from experiments.coupling.answer import answer
from experiments.coupling.comparisons import Comparison
from experiments.coupling.conclusions import RegimeConclusions
from experiments.coupling.content import (
    ComparisonContent,
    RegimeContent,
    StatisticContent,
    StudyContent,
)
from experiments.coupling.describe_map import map_content, setup_row
from experiments.coupling.findings import SHARE, Finding
from experiments.formatting import general, interval

NATURES = {
    "invariant": "Multiplying any parameter that decays changes no logit (tried before training), "
    "so decay acts through the speed at which weights turn: at a constant learning rate theory "
    "expects the same ω.",
    "linear": "Logits are linear in the parameters, so loss and penalty have one minimum, and "
    "training goes on until it is reached: theory expects the same λ.",
    "neither": "Logits depend on the scale of some parameter that is trained, and are not linear "
    "in the parameters (tried before training): theory predicts neither the same ω nor the same λ.",
}


def describe(
    regimes: Sequence[RegimeConclusions],
    made: Mapping[str, str],
    note: str = "",
    headline: Sequence[str] = (),
) -> StudyContent:
    """The content of the page, of all that is known so far.

    Args:
      regimes: as `conclude` gives them.
      made: how it was made: texts by their labels.
      note: what the reader must know first, such as that the study was stopped.
      headline: likewise, in place of the answer.
    """
    seeds = [regime.results[0].seeds for regime in regimes[:1]]
    return {
        "title": "Coupled against decoupled weight decay",
        "answer": answer(regimes, headline),
        "note": note,
        "regimes": [_regime(regime) for regime in regimes],
        "comparisons": [_comparison(c) for regime in regimes for c in regime.comparisons],
        "made": dict(made),
        "seeds": [seed for first in seeds for seed in first],
    }


def _regime(regime: RegimeConclusions) -> RegimeContent:
    group = regime.results
    alone = names.are_alone(group)
    natures = dict.fromkeys(results.nature for results in group)
    findings = [*(f for each in regime.maps for f in each.findings), *regime.gaps]
    return {
        "name": names.short(regime.name),
        "title": names.regime_title(group),
        "explanation": " ".join(NATURES[nature] for nature in natures),
        "setup": list(dict.fromkeys(map(setup_row, regime.maps))),
        "panels": [map_content(each, alone) for each in regime.maps],
        "statistics": [_statistic(finding) for finding in findings],
    }


def _statistic(finding: Finding) -> StatisticContent:
    found = finding.estimate
    infinite = found.value is not None and math.isinf(found.value)
    return {
        "name": finding.name,
        "panel": finding.results.id,
        "axis": names.SYMBOL[finding.axis] if finding.axis else "",
        "expected": "" if finding.expected is None else general(finding.expected),
        "measured": "∞" if infinite else found.show(3 if finding.name == SHARE else 2),
        "bootstrap": interval(found.bootstrap),
        "detail": finding.detail,
        "verdict": finding.verdict,
    }


def _comparison(comparison: Comparison) -> ComparisonContent:
    return {
        "regime": names.short(comparison.regime),
        "first": comparison.first,
        "second": comparison.second,
        "difference": f"{comparison.points} points",
        "bootstrap": interval(comparison.bootstrap),
        "verdict": comparison.verdict,
    }

"""What should be known before a choice is used: divergence, rims, and mistakes in a training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxreg.tune._candidates import Candidates
from jaxreg.tune._rim import Rim
from jaxreg.tune._runs import Scored

FEW = 10
"""Held-out examples, for each strength that they choose: with fewer it is chance, or fits them."""


def held_out(weights: np.ndarray) -> int:
    """How many examples are, in one split or another."""
    return int(np.any(weights == 0, axis=0).sum())


def few(held: int) -> Iterator[str]:
    """The warning that a score is of hardly any examples."""
    if held < FEW:
        what = "1 example is" if held == 1 else f"{held} examples are"
        yield (
            f"only {what} held out, in all splits together: what scores best is mostly chance; "
            f"hold out more, or every example in turn (folds=5)"
        )


def of(candidates: Candidates, runs: Scored, rim: Rim | None) -> Iterator[str]:
    """The warnings of a curve, in words."""
    if runs.diverged.any():
        yield _diverged(candidates, runs)
    mistakes = list(_mistakes(candidates, runs))
    yield from mistakes
    if rim is not None and not mistakes:
        yield rim.text + "; grow=True tries them" * rim.can_grow


def _diverged(candidates: Candidates, runs: Scored) -> str:
    rows = runs.diverged.any(axis=1)
    left_out = np.unique(candidates.of_point[rows])
    strengths = candidates.strengths[left_out]
    return (
        f"{int(runs.diverged.sum())} of {runs.trainings} trainings diverged: "
        f"{len(left_out)} of {candidates.count} candidates are left out, of strengths "
        f"{strengths.min():.3g} to {strengths.max():.3g}"
    )


def _mistakes(candidates: Candidates, runs: Scored) -> Iterator[str]:
    """What scores look like if a training does not use what it is given."""
    whole = ~runs.diverged.any(axis=1)
    scores, overall = runs.scores[whole], runs.overall[whole]
    by_candidate = candidates.mean(runs.scores)
    by_candidate = by_candidate[~np.isnan(by_candidate).any(axis=1)]
    if not np.any(scores) and np.any(overall):
        yield (
            "the losses of all held-out examples are 0: return them before they are multiplied by "
            "the weights"
        )
    elif overall.shape[1] > 1 and np.ptp(overall, axis=1).max() == 0 and np.ptp(scores) > 0:
        yield (
            "the losses of all examples are the same whatever is held out: does train use its "
            "weights? Scores of examples that were trained on are no scores"
        )
    elif len(by_candidate) > 1 and not np.ptp(by_candidate, axis=0).any():
        yield "all candidates score the same: does train use point['strength']?"

"""The answer of a study in sentences, each computed from its records."""

from __future__ import annotations

import numpy as np

from experiments.formatting import fixed, scientific
from experiments.tune import findings
from experiments.tune.names import SUBJECTS, TITLES
from experiments.tune.results import Results, Row


def answer(results: Results) -> list[str]:
    """What the ways choose, what they reach, whether they differ, and which to take."""
    lines = [_network(results), _differ(results), _advice(results), *_closed(results)]
    return [line for line in lines if line]


def title(row: Row) -> str:
    """The way, as in ``Sobol search``."""
    return TITLES[row[0]]


def _seeds(results: Results) -> str:
    count = len(results.seeds)
    return f"{count} seed{'s' * (count > 1)}"


def _network(results: Results) -> str:
    """What λ is chosen, and what it gains over none."""
    rows = results.of_network
    if not rows or results.bare is None:
        return ""
    row = rows[0]
    gain = findings.gain(results, row)
    points = findings.mean(100 * (results.accuracy[row] - results.bare[0])).show(2)
    every = np.concatenate([results.chosen(each) for each in rows])
    low, high = scientific(every.min(), 2), scientific(every.max(), 2)
    loss = gain.show(3) if gain else ""
    return (
        f"The network: over ways and {_seeds(results)} the chosen λ lies between {low} and {high}; "
        f"beside no penalty the choice by {title(row)} changes the test loss by {loss} and "
        f"the test accuracy by {points} points."
    )


def _differ(results: Results) -> str:
    """Whether the ways differ beyond seeds at all."""
    apart, rows = findings.largest(results), results.of_network
    if apart is None:
        return ""
    count = len(rows) * (len(rows) - 1) // 2
    if apart.jackknife is None:
        return "Whether ways differ beyond seeds is undecided: there is one seed; take more."
    found = findings.differing(results)
    widest = f"the farthest apart differ by {apart.show(4)} in test loss"
    if not found:
        pairs = f"none of the {count} pairs does" if count > 1 else "they do not"
        return f"No way differs from another beyond seeds: {pairs}, {widest}."
    said = ", ".join(
        f"{title(pair.better)} is better than {title(pair.other)} by "
        f"{findings.mean(-_difference(results, pair)).show(4)}"
        for pair in found
    )
    chance = f"of so many at 95 % {fixed(0.05 * count, 1)} do by chance"
    verb = "differ" if len(found) > 1 else "differs"
    beyond = f"Of {count} pairs of ways {len(found)} {verb} beyond seeds ({chance})"
    return f"{beyond}: {said}; {widest}."


def _difference(results: Results, pair: findings.Pair) -> np.ndarray:
    return results.loss[pair.better] - results.loss[pair.other]


def _advice(results: Results) -> str:
    """Which way at which budget."""
    row = findings.cheapest(results)
    if row is None:
        return ""
    count = fixed(float(results.spent(row).mean()), 0)
    known = [(r, findings.needed(results, r)) for r in results.of_network if r[0] != "cv"]
    soon = ", ".join(f"{title(r)} after {fixed(n, 0)}" for r, n in known if n is not None)
    text = (
        f"Of the ways that are not seen to be worse than the best, {title(row)} spends the "
        f"least, {count} trainings for a choice."
    )
    if soon:
        text += (
            f" Trainings until within a standard error of the least validation loss of all ways: "
            f"{soon}{_derivative(results)}."
        )
    curve = ("cv", "network")
    if curve in results.of_network:
        spent = fixed(float(results.spent(curve).mean()), 0)
        text += f" With {spent} take cross-validation: it shows the curve, and its interval."
    return text


def _derivative(results: Results) -> str:
    """How much longer a training with its derivative takes."""
    factor = findings.of_derivative(results)
    return "" if factor is None else f" (each as long as {fixed(factor, 1)} without derivative)"


def _closed(results: Results) -> list[str]:
    """Closed forms, each for what it chooses."""
    found = []
    for subject in ("pixels", "features"):
        rows = [row for row in results.choices if row[1] == subject]
        said = ", ".join(
            f"λ = {scientific(findings.log_mean(results.chosen(row)), 2)} by {title(row)} reaches "
            f"{findings.mean(100 * results.accuracy[row]).show(2)} %"
            for row in rows
        )
        if said:
            where = SUBJECTS[subject]
            what = "in closed form" if subject == "pixels" else "with one training"
            found.append(f"{where[0].upper()}{where[1:]}, {what}: {said} of test images.")
    return found

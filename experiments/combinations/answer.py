"""The answer of a study in sentences, each computed from its records."""

from __future__ import annotations

from experiments.combinations import findings
from experiments.combinations.findings import PUBLISHED, VERDICTS, Effect
from experiments.combinations.penalties import NONE, PENALTIES
from experiments.combinations.results import Cell, Results
from experiments.combinations.wording import factor, named, points
from experiments.models.table import MODELS

VERBS: dict[str, tuple[str, str]] = {
    "helps": ("helps", "help"),
    "redundant": ("is redundant", "are redundant"),
    "hurts": ("hurts", "hurt"),
    "undecided": ("is undecided", "are undecided"),
}
"""Of one, and of several."""


def answer(results: Results) -> list[str]:
    """What the combinations of one network say, of those that there are."""
    known = [cell for cell in results.errors if results.has(cell)]
    if not known:
        return []
    found = findings.effects(results)
    lines = [_best(results, known), _penalties(results, found), _failed(results)]
    lines += _ordering(results)
    return [line for line in (*lines, *_effective(results)) if line]


def _failed(results: Results) -> str:
    """Of which cells nothing can be said."""
    cells = [(name, place) for name in results.strengths for place in results.places]
    texts = [f"{named(cell)}: {text}" for cell in cells if (text := results.failed(cell))]
    return f"{results.model.upper()}, not compared: {'; '.join(texts)}." if texts else ""


def _title(results: Results) -> str:
    return f"{results.model.upper()} ({MODELS[results.model].title})"


def _best(results: Results, known: list[Cell]) -> str:
    """The lowest test error, found among test errors and therefore a little too low."""
    plain = (NONE, "plain")
    best = min(known, key=lambda cell: float(results.errors[cell].mean()))
    lowest = f"{points(findings.error(results, best))} % with {named(best)}"
    text = f"{_title(results)}: the lowest test error is {lowest}"
    if not results.has(plain) or best == plain:
        return f"{text}."
    bare = points(findings.error(results, plain))
    return f"{text}; the plain network without a penalty has {bare} %."


def _penalties(results: Results, found: list[Effect]) -> str:
    """By place, what each penalty does there."""
    texts = [text for place in results.places if (text := _beside(place, found))]
    return f"{results.model.upper()}, penalties {'; '.join(texts)}." if texts else ""


def _beside(place: str, found: list[Effect]) -> str:
    own = [e for e in found if e.added in PENALTIES and e.cell[1] == place]
    by_word = {w: [PENALTIES[e.added].title for e in own if e.word == w] for w in VERBS}
    said = ", ".join(f"{_listed(names)} {_verb(w, names)}" for w, names in by_word.items() if names)
    where = "alone" if place == "plain" else f"beside {named((NONE, place))}"
    return f"{where}: {said}" if said else ""


def _listed(names: list[str]) -> str:
    return " and ".join([part for part in (", ".join(names[:-1]), names[-1]) if part])


def _verb(word: str, names: list[str]) -> str:
    return VERBS[word][len(names) > 1]


def _ordering(results: Results) -> list[str]:
    found = findings.ordering(results)
    if found is None:
        return []
    errors = ", ".join(
        f"{named(cell)} {points(error)}"
        for (cell, _), error in zip(PUBLISHED, found.errors, strict=True)
    )
    return [
        f"{results.model.upper()}: the published ordering {_said(found.holds)}: in its order "
        f"{errors} %. That both with Dropout are below L2 alone {_said(found.weaker)}."
    ]


def _said(answer: bool | None) -> str:
    return "is undecided" if answer is None else VERDICTS.word(answer)


def _effective(results: Results) -> list[str]:
    """What L2 does to layers that a norm follows."""
    cell = ("l2", "batchnorm")
    found = findings.factor(results, cell) if results.has(cell) else None
    if found is None or found.value is None:
        return []
    layers = ", ".join(name.removesuffix("/kernel") for name in results.invariant["batchnorm"])
    change = points(findings.difference(results, cell, (NONE, "batchnorm")))
    return [
        f"{results.model.upper()} with BatchNorm: tuned L2 in the loss multiplies the effective "
        f"learning rate η/‖w‖² of {layers} by {factor(found)} and changes "
        f"the test error by {change} points."
    ]

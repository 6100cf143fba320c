"""The ways to choose: how `jaxreg.tune` is called for each."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import training
from experiments.data import Split
from experiments.tune.config import TuneConfig
from experiments.tune.names import Subject
from experiments.tune.trainings import Own, TunedTrainings, flat
from jaxreg import tune

BATCH = 8
"""Trials side by side in a search."""
RIDGE = (1e-6, 1e2, 49)
"""Strengths of least squares."""


def kept(folder: Path, method: str, seed: int) -> Path:
    """The file of a choice that is under way."""
    return folder / f"{method}-{seed}.jsonl"


Report = Callable[[Any], None]


@dataclasses.dataclass(frozen=True)
class Given:
    """What a way chooses from.

    Attributes:
      config: resolved.
      trainings: of the network.
      own: what the seed draws.
      seed: of the folds, and of the strengths that a search tries.
      test: images that are reported.
      folder: of the study: what is done of a choice is kept there.
      width: trainings side by side on a device.
      report: is called as trainings end.
    """

    config: TuneConfig
    trainings: TunedTrainings
    own: Own
    seed: int
    test: Split
    folder: Path
    width: Any
    report: Report

    @property
    def held_out(self) -> dict[str, Any]:
        """The folds, the same for every way."""
        labels = self.own.train.labels
        folds = {"folds": self.config.folds, "seed": self.seed, "classes": np.asarray(labels)}
        return {"examples": len(labels), **folds, "progress": self.report}

    def kept(self, method: str) -> Path:
        """The file of a choice that is under way."""
        return kept(self.folder, method, self.seed)


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A choice, and for what.

    Attributes:
      subject: one of `names.SUBJECTS`.
      choice: as `jaxreg.tune` gives it.
      accuracy: of test images, where no network is to be trained.
      trainings: of networks, beside those of the choice.
    """

    subject: Subject
    choice: tune.Choice
    accuracy: float | None = None
    trainings: int = 0


def cross_validated(given: Given) -> list[Chosen]:
    strengths = tune.strengths(*given.config.strengths or (1e-5, 1e-2, 16))
    options = {"journal": given.kept("cv"), "per_device": given.width, **given.held_out}
    points = {"strength": strengths}
    choice = tune.cross_validate(given.trainings.losses, points, given.own, **options)
    return [Chosen("network", choice)]


def searched(name: str, given: Given) -> list[Chosen]:
    trials = given.config.trials or 1
    options = {"trials": trials, "batch": min(BATCH, trials), "storage": given.kept(name)}
    space = {"strength": given.config.span}
    search = {"bayesian": tune.bayesian, "random": tune.random, "sobol": tune.sobol}[name]
    width = 1 if given.width == 1 else None
    return [
        Chosen(
            "network",
            search(
                given.trainings.losses,
                space,
                given.own,
                per_device=width,
                **options,
                **given.held_out,
            ),
        )
    ]


def descended(given: Given) -> list[Chosen]:
    """With the derivative in step with the training: for one strength it needs no more memory."""
    low, high = given.config.span
    start = {"strength": float(np.sqrt(low * high))}
    options = {"bounds": (low, high), "steps": given.config.trials, "mode": "forward"}
    options["journal"] = given.kept("hypergradient")
    train, own = given.trainings.losses, given.own
    return [Chosen("network", tune.hypergradient(train, start, own, **options, **given.held_out))]


def by_ridge(given: Given) -> list[Chosen]:
    """Leave-one-out along a path of closed forms."""

    def choose(features: jax.Array, targets: jax.Array) -> tuple[tune.Choice, Any, Any]:
        path = tune.ridge_path(features, targets, tune.strengths(*RIDGE))
        choice = path.choice()
        return choice, path.coefficients[choice.chosen], path.intercept[choice.chosen]

    return _least_squares(given, choose)


def by_evidence(given: Given) -> list[Chosen]:
    def choose(features: jax.Array, targets: jax.Array) -> tuple[tune.Choice, Any, Any]:
        found = tune.evidence(features, targets)
        return found.choice(), found.coefficients, found.intercept

    return _least_squares(given, choose)


def _least_squares(given: Given, choose: Callable[..., Any]) -> list[Chosen]:
    """On one-hot targets, of pixels and of what the last layer is given."""
    own, test = given.own, given.test
    targets = jax.nn.one_hot(own.train.labels, given.trainings.dataset.classes)
    found = []
    for subject, features in _features(given).items():
        train, others = (jnp.asarray(flat(part)) for part in features)
        choice, coefficients, intercept = choose(train, targets)
        right = jnp.argmax(others @ coefficients + intercept, axis=1) == test.labels
        trainings = int(subject == "features")
        found.append(Chosen(subject, choice, float(jnp.mean(right)), trainings))
    given.report(None)
    return found


def _features(given: Given) -> Mapping[Any, tuple[Any, Any]]:
    images = given.own.train.images, given.test.images
    train, others = (training.pixels(jnp.asarray(part), jnp.float32) for part in images)
    features = _compiled(given.trainings)(given.own, given.test.images)
    return {"pixels": (train, others), "features": features}


@functools.lru_cache(maxsize=1)
def _compiled(trainings: TunedTrainings) -> Any:
    """Both closed forms take the same program, for every seed."""
    return jax.jit(trainings.features)


WAYS: dict[str, Callable[[Given], list[Chosen]]] = {
    "cv": cross_validated,
    "bayesian": functools.partial(searched, "bayesian"),
    "random": functools.partial(searched, "random"),
    "sobol": functools.partial(searched, "sobol"),
    "hypergradient": descended,
    "ridge": by_ridge,
    "evidence": by_evidence,
}
"""By method: its choices, one for each of its subjects."""

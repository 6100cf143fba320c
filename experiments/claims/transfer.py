"""Fine-tuning: decay towards the pretrained weights, and towards zero."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import optax

from experiments.claims.claim import Claim, Measured, Paper, Part, Settings
from experiments.claims.trainings import Course, Point, settled, setup_of
from experiments.data import Split
from experiments.optimizers import half_cosine
from experiments.paired.sample import Sample, Source
from jaxreg import decoupled_decay

HIDDEN = 256
PRETRAINED = setup_of("mlp", 6000, examples=25_000, hidden=HIDDEN)
STEPS, BATCH = 1000, 50
SCHEDULE = half_cosine(STEPS, 0.2)
STRENGTHS = [1e-3 * 3.0**k for k in range(5)]
HEAD = 1e-3  # λ of the new output layer beside a pull to the pretrained ones


def _only(split: Split, classes: Sequence[int]) -> Split:
    chosen = np.isin(split.labels, classes)
    return Split(split.images[chosen], split.labels[chosen])


def _of(settings: Settings, classes: Sequence[int]) -> Settings:
    source = settings.source
    parts = {
        name: _only(getattr(source, name), classes) for name in ("train", "validation", "test")
    }
    return dataclasses.replace(settings, source=dataclasses.replace(source, **parts))


def _with_body(network: Any, params: Any, own: Sample) -> dict[str, Any]:
    return {**settled(network, params, own), "body": params["fc1"]}


def _pretrained(params: Any, point: Point) -> Any:
    return {**params, "fc1": point["body"]}


def _pulled(point: Point) -> optax.GradientTransformation:
    """SGD; the hidden layer decays to the pretrained one or to zero, the output layer to zero."""
    pretrained = {"fc1": point["body"]}
    return optax.chain(
        optax.sgd(SCHEDULE),
        decoupled_decay(2 * point["pull"], SCHEDULE, where="^fc1/", reference=pretrained),
        decoupled_decay(2 * point["zero"], SCHEDULE, where="^fc1/kernel$"),
        decoupled_decay(2 * point["head"], SCHEDULE, where="^fc2/kernel$"),
    )


def _fine_tuned(settings: Settings, body: Any, examples: int) -> np.ndarray:
    """Errors [seeds, L2-SP and L2, validation and test, strengths]."""
    setup = setup_of("mlp", STEPS, examples, batch_size=BATCH, hidden=HIDDEN)
    none = [0.0] * len(STRENGTHS)
    cases = {
        "pull": [*STRENGTHS, *none],
        "zero": [*none, *STRENGTHS],
        "head": [*[HEAD] * len(STRENGTHS), *STRENGTHS],
    }
    paired = jax.tree.map(lambda w: np.repeat(w, len(cases["head"]), axis=1), body)
    found = Course(setup, _pulled, start=_pretrained).run(settings, cases, {"body": paired})
    names = ("validation_error", "test_error")
    errors = np.stack([found[name][..., -1] for name in names], axis=1)
    return np.swapaxes(errors.reshape(len(errors), 2, 2, -1), 1, 2)


def best_gain(errors: np.ndarray) -> float:
    """Test error of L2 less that of L2-SP in points, each at its best by the validation error."""
    pulled, plain = (test[np.argmin(validation)] for validation, test in errors.mean(0))
    return float(100 * (plain - pulled))


def halves(source: Source) -> tuple[range, range]:
    """The classes to pretrain on, and those to fine-tune on."""
    middle = source.classes // 2
    return range(middle), range(middle, source.classes)


def _transfer(settings: Settings) -> Measured:
    before, after = (_of(settings, classes) for classes in halves(settings.source))
    pretraining = Course(PRETRAINED, lambda point: optax.sgd(0.2), _with_body)
    found = pretraining.run(before, {"case": [0]})["body"]
    body = jax.tree.map(lambda w: w[:, :, -1], found)
    return {
        "10 a class": _fine_tuned(after, body, 50),
        "50 a class": _fine_tuned(after, body, 250),
    }


PULLED = Claim(
    "decay-to-pretrained",
    "In fine-tuning, L2 around the pretrained weights (L2-SP) does better than L2 around zero.",
    (Paper("Li, Grandvalet & Davoine", 2018, "1802.01483"),),
    "Points of test error that L2-SP is better, each at the strength that is best by the "
    "validation error of all seeds.",
    "MLP 196-256-10, pretrained on 25,000 digits from 0 to 4, fine-tuned on 10 or 50 digits of "
    "each class from 5 to 9 with a new output layer, SGD, cosine from 0.2, 1,000 steps.",
    (
        Part("10 a class", low=0.0, statistic=best_gain),
        Part("50 a class", low=0.0, statistic=best_gain),
    ),
    _transfer,
    axes={"form": ["L2-SP", "L2"], "error": ["validation", "test"], "λ": STRENGTHS},
    examples=2 * PRETRAINED.examples,
    # Over 16 seeds from 100 on, the standard deviation of a seed's share in the gain (its jackknife
    # pseudo-value) was 0.15 points with 10 a class and 0.47 with 50. 40 is the least multiple of 8
    # with which the interval is ± 0.15 points: 7 of the 4,861 images that test.
    seeds=range(200, 240),
    seconds=16,
)

CLAIMS = (PULLED,)

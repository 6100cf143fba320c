"""What a seed draws: training images, wrong labels, initial weights, the order of the batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.config import ConfigError
from experiments.data import Dataset, Split
from experiments.models import fit, start
from experiments.models.functions import make
from experiments.models.table import MODELS
from experiments.paired.setup import STRETCHES, Setup
from experiments.training import Images, key_of

VALIDATION = 5000


class Sample(NamedTuple):
    """What all trainings of a heat map use; the first four have a leading axis of seeds."""

    train: Images
    batches: Any  # int32 [seeds, STRETCHES, steps between, batch_size]
    params: Any
    key: Any  # uint32 [seeds, 2]: what drops out
    validation: Images
    test: Images


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set as the study uses it: pooled, and a part of the training images set aside."""

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int


def source(dataset: Dataset, pool: int) -> Source:
    """Images averaged over pool × pool pixels; the last 5,000 (at most a quarter) validate."""
    count = min(VALIDATION, len(dataset.train.labels) // 4)
    train, test = (Split(pooled(s.images, pool), s.labels) for s in (dataset.train, dataset.test))
    rest, validation = (
        Split(*(array[part] for array in train)) for part in (slice(-count), slice(-count, None))
    )
    return Source(dataset.name, rest, validation, test, dataset.classes)


def pooled(images: np.ndarray, pool: int) -> np.ndarray:
    """Means of pool × pool pixels, as bytes; rows and columns that are left over are dropped.

    >>> pooled(np.array([[[0], [2]], [[4], [6]]], np.uint8)[None], 2).ravel()
    array([3], dtype=uint8)
    """
    n, height, width, channels = images.shape
    rows, columns = height // pool, width // pool
    if not rows or not columns:
        raise ConfigError(
            f"--pool: expected at most the {min(height, width)} pixels of an image, got {pool}"
        )
    blocks = images[:, : rows * pool, : columns * pool].reshape(
        n, rows, pool, columns, pool, channels
    )
    return np.rint(blocks.mean((2, 4), dtype=np.float32)).astype(np.uint8)


def draw_sample(setup: Setup, source: Source, seeds: Sequence[int]) -> Sample:
    """The data, and for each seed what it determines."""
    network = network_of(setup, source.classes)
    example = source.train.images[:1].astype(np.float32)
    draw = start.drawn(network, example, MODELS[setup.model].start)
    drawn = [_draw(setup, source, seed) for seed in seeds]
    params = jax.tree.map(lambda *leaves: np.stack(leaves), *map(draw, seeds))
    images, labels, batches = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    held = Images(*source.validation), Images(*source.test)
    keys = np.stack([key_of(seed) for seed in seeds])
    return Sample(Images(images, labels), batches, params, keys, *held)


def network_of(setup: Setup, classes: int) -> Any:
    """The network of a set-up."""
    return make(setup.model, setup.hidden, classes, setup.norm, setup.dropout)


def check(setup: Setup, source: Source) -> None:
    """Stops before anything is trained if the data cannot be drawn, or not be learned from.

    Raises:
      ConfigError: if there are fewer training images than a seed draws, or if the network cannot
        take them, or has no place for what is asked of it.
    """
    fit.check_parts(setup.model, setup.norm, setup.dropout)
    fit.check_batches(setup.model, setup.norm, None, setup.batch_size)
    fit.check_images(setup.model, source.train.images.shape[1:], source.name)
    available = len(source.train.labels)
    if setup.examples > available:
        raise ConfigError(
            f"--examples: expected at most {available:,}, the training images of {source.name} "
            f"that do not validate, got {setup.examples:,}"
        )


def _draw(setup: Setup, source: Source, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(images, labels, batches) of a seed."""
    generator = np.random.default_rng([seed, 1])
    chosen = generator.permutation(len(source.train.labels))[: setup.examples]
    labels = wrong(source.train.labels[chosen], setup.label_noise, source.classes, generator)
    return source.train.images[chosen], labels, _batches(setup, generator)


def wrong(
    labels: np.ndarray, share: float, classes: int, generator: np.random.Generator
) -> np.ndarray:
    """Labels of which a share is replaced by another class, all others equally likely."""
    count = round(share * len(labels))
    places = generator.permutation(len(labels))[:count]
    labels = labels.copy()
    labels[places] = (labels[places] + generator.integers(1, classes, count)) % classes
    return labels


def _batches(setup: Setup, generator: np.random.Generator) -> np.ndarray:
    """Permutation after permutation, cut into batches that are all full: statistics of a batch
    must not depend on padding."""
    needed = setup.steps * setup.batch_size
    passes = -(-needed // setup.examples)
    order = np.concatenate([generator.permutation(setup.examples) for _ in range(passes)])
    return order[:needed].astype(np.int32).reshape(STRETCHES, -1, setup.batch_size)

"""A small data set of the shape that everything here takes."""

import numpy as np
import pytest

from experiments.data import Dataset, Split


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    """50 training and 20 test images of 4×3 pixels in three classes that can be told apart."""
    generator = np.random.default_rng(0)

    def split(examples: int) -> Split:
        labels = generator.integers(0, 3, examples).astype(np.int32)
        noise = generator.integers(0, 120, (examples, 4, 3, 1))
        images = noise + 60 * (labels[:, None, None, None] == np.arange(3)[:, None])
        return Split(images.astype(np.uint8), labels)

    return Dataset("tiny", split(50), split(20), 3)

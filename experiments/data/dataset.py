"""What a data set is here: two splits of images with labels, and the error that names a bad one.

`experiments.data` fills these from files; everything else reads them from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class DataError(ValueError):
    """A data set that cannot be had: what was expected, what was found, what to do."""


class Split(NamedTuple):
    """Images with their labels, in the order of the files.

    Attributes:
      images: uint8 `[n, height, width, channels]`, often read-only.
      labels: int32 `[n]`, in `range(classes)`.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """An image classification set.

    Attributes:
      name: The source it was loaded from, as `load` takes it.
      train: What to train on.
      test: What to test on; its images have the same shape.
      classes: How many classes the labels count.
    """

    name: str
    train: Split
    test: Split
    classes: int

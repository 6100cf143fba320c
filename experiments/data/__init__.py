"""Image classification sets as NumPy arrays: the MNIST beside this folder, idx files, TFDS."""

from __future__ import annotations

from experiments.data.dataset import DataError as DataError
from experiments.data.dataset import Dataset as Dataset
from experiments.data.dataset import Split as Split
from experiments.data.sources import imports_packages as imports_packages
from experiments.data.sources import load as load

"""Image classification sets of TensorFlow Datasets as NumPy arrays.

Preparing a set needs TensorFlow; it is written as array_record, which is read without. The arrays
are then kept beside the prepared files, so that from the second time on neither is needed.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import io
import logging
import os
import sys
import textwrap
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.data.dataset import DataError, Dataset, Split
from experiments.data.download import impatient

CACHE = "jaxreg-arrays.npz"
BLOCK = 1024
CHOOSE = "choose another set"
TENSORFLOW = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # with it, TensorFlow prints a notice whatever the level
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # leaves GPU memory to jax
}
EXTRAS = {
    "tensorflow_datasets": "experiments",
    "tensorflow": "tfds",
    "array_record": "tfds",
    "importlib_resources": "tfds",
}


def load(name: str) -> Dataset:
    """Loads a set of TensorFlow Datasets, downloading and preparing it the first time.

    Args:
      name: As `tfds.builder` takes it: `"mnist"`, `"emnist/letters"`, `"cifar10:3.0.2"`.

    Returns:
      The splits `train` and `test`, in the order of the prepared files (TFDS shuffles).

    Raises:
      DataError: No such set, not one of images of one shape with labels, or not to be had.
    """
    source = f"--data tfds:{name}"
    _require(source, "tensorflow_datasets")
    with _quiet():
        builder = _builder(source, name)
        shape, classes = _signature(source, builder.info.features)
        cache = builder.data_path / CACHE
        splits = _restore(cache, shape, classes)
        if splits is None:
            splits = _prepared_splits(source, builder, shape, classes)
            _store(cache, splits)
    return Dataset(f"tfds:{name}", *splits, classes)


def _require(source: str, *packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise DataError(
                f"{source}: expected the package {package}, which is not installed; "
                f'run pip install ".[{EXTRAS[package]}]"'
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TensorFlow and TFDS from printing, except errors."""
    import tensorflow_datasets as tfds

    for variable, value in TENSORFLOW.items():
        os.environ.setdefault(variable, value)
    tfds.disable_progress_bar()
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        absl.setLevel(level)


def _builder(source: str, name: str) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
    except tfds.core.DatasetNotFoundError as error:
        near = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False))
        names = " or ".join(f"--data tfds:{match}" for match in near)
        hint = f"; did you mean {names}?" if near else ""
        raise DataError(
            f"{source}: expected a name that TensorFlow Datasets {tfds.__version__} knows, "
            f'found "{name}"{hint}'
        ) from error
    # Builders raise whatever their authors chose.
    except Exception as error:
        raise DataError(
            f"{source}: expected NAME, NAME/CONFIG or NAME:VERSION, found {_reason(error)}"
        ) from error


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: TFDS wraps errors in lists of arguments."""
    while error.__cause__:
        error = error.__cause__
    return textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" ...")


def _signature(source: str, features: Any) -> tuple[tuple[int, ...], int]:
    """The shape of each image and the number of classes, known before anything is downloaded."""
    import tensorflow_datasets as tfds

    fields: dict[str, Any] = {}
    if isinstance(features, tfds.features.FeaturesDict):
        fields = dict(features)
    if not {"image", "label"} <= fields.keys():
        found = ", ".join(sorted(fields)) or type(features).__name__
        raise DataError(f"{source}: expected the features image and label, found {found}; {CHOOSE}")
    image, label = fields["image"], fields["label"]
    if not isinstance(label, tfds.features.ClassLabel) or not label.num_classes:
        raise DataError(f"{source}: expected label to be a class, found {label}; {CHOOSE}")
    # Not image.dtype: that property imports TensorFlow.
    if (dtype := np.dtype(image.np_dtype)) != np.uint8:
        raise DataError(f"{source}: expected images of uint8, found {dtype}; {CHOOSE}")
    if len(image.shape) != 3 or None in image.shape:
        raise DataError(f"{source}: expected images of one shape, found {image.shape}; {CHOOSE}")
    return image.shape, label.num_classes


def _prepared_splits(
    source: str, builder: Any, shape: tuple[int, ...], classes: int
) -> tuple[Split, Split]:
    if not builder.is_prepared():
        _prepare(source, builder)
    if not {"train", "test"} <= set(builder.info.splits):
        found = ", ".join(sorted(builder.info.splits)) or "none"
        raise DataError(f"{source}: expected the splits train and test, found {found}; {CHOOSE}")
    train, test = (_read(source, builder, split, shape, classes) for split in ("train", "test"))
    return train, test


def _prepare(source: str, builder: Any) -> None:
    import tensorflow_datasets as tfds

    _require(source, "tensorflow", "array_record", "importlib_resources")
    print(
        f"{source.removeprefix('--data ')}: preparing it in {builder.data_path} (once)",
        file=sys.stderr,
    )
    # The prepared files that TFDS offers for download are tfrecord.
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        with impatient():
            builder.download_and_prepare(file_format="array_record", download_config=config)
    # Builders raise whatever their authors chose, and downloads whatever requests does.
    except Exception as error:
        raise DataError(
            f"{source}: expected TensorFlow Datasets to download and prepare it, "
            f"found {_reason(error)}; check the network, or prepare it on another machine and "
            f"copy it to {builder.data_path}"
        ) from error


def _read(source: str, builder: Any, split: str, shape: tuple[int, ...], classes: int) -> Split:
    count = builder.info.splits[split].num_examples
    images = np.empty((count, *shape), np.uint8)
    labels = np.empty(count, np.int32)
    for index, example in enumerate(_examples(source, builder, split)):
        images[index], labels[index] = example["image"], example["label"]
    if not _in_range(labels, classes):
        raise DataError(
            f"{source}: expected labels from 0 to {classes - 1} in {split}, "
            f"found {labels.min()} to {labels.max()}; {CHOOSE}"
        )
    return Split(images, labels)


def _examples(source: str, builder: Any, split: str) -> Iterator[dict[str, Any]]:
    import tensorflow_datasets as tfds

    if builder.info.file_format.value == "array_record":
        _require(source, "array_record")
        examples = builder.as_data_source(split=split)
        for start in range(0, len(examples), BLOCK):  # one by one takes four times as long
            yield from examples.__getitems__(list(range(start, min(start + BLOCK, len(examples)))))
    else:  # prepared by somebody else, in the format that TFDS defaults to
        _require(source, "tensorflow")
        yield from tfds.as_numpy(builder.as_dataset(split=split))


def _restore(cache: Any, shape: tuple[int, ...], classes: int) -> tuple[Split, Split] | None:
    """The arrays of an earlier load; None where there are none or they are damaged."""
    try:
        with cache.open("rb") as file, np.load(file) as arrays:
            train, test = (
                Split(arrays[f"{split}_images"], arrays[f"{split}_labels"])
                for split in ("train", "test")
            )
    # Whatever damage makes of a zip file, of the arrays in it and of their headers.
    except Exception:
        return None
    whole = all(_is_whole(split, shape, classes) for split in (train, test))
    return (train, test) if whole else None


def _is_whole(split: Split, shape: tuple[int, ...], classes: int) -> bool:
    images, labels = split
    if (images.dtype, labels.dtype) != (np.uint8, np.int32) or labels.ndim != 1:
        return False
    return images.shape == (len(labels), *shape) and _in_range(labels, classes)


def _in_range(labels: np.ndarray, classes: int) -> bool:
    return not len(labels) or 0 <= labels.min() <= labels.max() < classes


def _store(cache: Any, splits: tuple[Split, Split]) -> None:
    arrays = {
        f"{name}_{field}": array
        for name, split in zip(("train", "test"), splits, strict=True)
        for field, array in split._asdict().items()
    }
    partial = cache.with_name(f"{cache.name}.{uuid.uuid4().hex}")
    # On a read-only or full disk the next load is slower, no worse.
    with contextlib.suppress(OSError):
        try:
            with partial.open("wb") as file:
                np.savez(file, **arrays)
            partial.replace(cache)
        finally:
            partial.unlink(missing_ok=True)

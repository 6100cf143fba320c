"""experiments.data: each way to load a set, and the text of each refusal."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download import downloader

from experiments import training
from experiments.config import Config, resolved
from experiments.data import DataError, load, sources
from experiments.models.table import TRAINED
from experiments.problem import Problem
from tests.processes import ran

ROOT = Path(sources.__file__).parents[2]
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = sources.FILES
HIDE = """
import sys
from importlib.machinery import PathFinder

class Without:
    hidden = set()
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in Without.hidden:
            return PathFinder.find_spec(name, path, target)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    own = os.environ | {"PYTHONPATH": path} | environment
    return ran([sys.executable, "-c", program], env=own)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{array.ndim + 1}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def contents() -> dict[str, bytes]:
    """Four small idx files: 6 and 4 images of 3 x 2 pixels, labels from 0 to 2."""
    images = np.arange(60, dtype=np.uint8).reshape(10, 3, 2)
    labels = np.array([0, 1, 2, 0, 1, 2, 2, 1, 0, 0], np.uint8)
    arrays = (images[:6], labels[:6], images[6:], labels[6:])
    return {name: idx(array) for name, array in zip(sources.FILES, arrays, strict=True)}


def write(directory: Path, files: dict[str, bytes]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def gzipped(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content) for name, content in files.items()}


# MNIST


def test_mnist_has_the_published_shapes_and_counts():
    mnist = load()
    assert (mnist.name, mnist.classes) == ("mnist", 10)
    for split, count in ((mnist.train, 60_000), (mnist.test, 10_000)):
        assert split.images.shape == (count, 28, 28, 1)
        assert split.images.dtype == np.uint8
        assert split.labels.shape == (count,)
        assert split.labels.dtype == np.int32
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(mnist.train.labels).tolist() == train
    assert np.bincount(mnist.test.labels).tolist() == test
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    # The mean pixel, as everyone who standardises MNIST writes it.
    assert mnist.train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)


def test_mnist_files_are_what_their_readme_says():
    text = (sources.MNIST / "README.md").read_text()
    sums = dict(re.findall(r"`([\w-]+)\.gz`.*`([0-9a-f]{32})`", text))
    assert sorted(sums) == sorted(sources.FILES)
    for name, md5 in sums.items():
        content = gzip.decompress((sources.MNIST / f"{name}.gz").read_bytes())
        assert hashlib.md5(content).hexdigest() == md5, name


def test_mnist_needs_neither_jax_nor_tensorflow():
    program = """
from experiments.data import load
load()
print(*sorted({"jax", "tensorflow", "tensorflow_datasets"} & set(sys.modules)))
"""
    assert run(f"import sys\n{program}").stdout == "\n"


# idx


@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw", "FashionMNIST/raw"])
@pytest.mark.parametrize("pack", [dict, gzipped])
def test_idx_files_are_found_where_torchvision_leaves_them(tmp_path, place, pack):
    write(tmp_path / place, pack(contents()))
    found = load(f"idx:{tmp_path}")
    assert (found.name, found.classes) == (f"idx:{tmp_path}", 3)
    images = np.concatenate([found.train.images, found.test.images])
    np.testing.assert_array_equal(images, np.arange(60).reshape(10, 3, 2, 1))
    assert found.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.test.labels.tolist() == [2, 1, 0, 0]


def test_idx_takes_the_unpacked_file_where_both_are(tmp_path):
    write(tmp_path, contents() | {f"{TRAIN_IMAGES}.gz": b"never opened"})
    assert load(f"idx:{tmp_path}").classes == 3


def test_idx_has_two_classes_at_least(tmp_path):
    ones = {TRAIN_LABELS: idx(np.zeros(6, np.uint8)), TEST_LABELS: idx(np.ones(4, np.uint8))}
    write(tmp_path, contents() | ones)
    assert load(f"idx:{tmp_path}").classes == 2


PACKED = gzip.compress(contents()[TRAIN_IMAGES])
WRONG_FILES = {
    "not gzip": (
        {f"{TRAIN_IMAGES}.gz": b"<html>"},
        TRAIN_IMAGES,
        "{dir}/train-images-idx3-ubyte.gz: expected gzip, whose first bytes are 1f8b, found 3c68; "
        "fetch the file again, or drop .gz from its name if it is unpacked",
    ),
    "an empty gzip": (
        {f"{TRAIN_IMAGES}.gz": b""},
        TRAIN_IMAGES,
        "{dir}/train-images-idx3-ubyte.gz: expected gzip, whose first bytes are 1f8b, "
        "found nothing; fetch the file again, or drop .gz from its name if it is unpacked",
    ),
    "truncated gzip": (
        {f"{TRAIN_IMAGES}.gz": PACKED[:-9]},
        TRAIN_IMAGES,
        "{dir}/train-images-idx3-ubyte.gz: expected a whole gzip file, "
        f"found one cut off after {len(PACKED) - 9} bytes; fetch the file again",
    ),
    "damaged gzip": (
        {f"{TRAIN_IMAGES}.gz": PACKED[:-8] + bytes(4) + PACKED[-4:]},
        TRAIN_IMAGES,
        "{dir}/train-images-idx3-ubyte.gz: expected gzip, found damage "
        "(Error -3 while decompressing data: incorrect data check); fetch the file again",
    ),
    "no header": (
        {TEST_LABELS: b"\0\0\x08"},
        None,
        "{dir}/t10k-labels-idx1-ubyte: expected an idx header of 8 bytes, found 3 bytes; "
        "fetch the file again",
    ),
    "magic number of labels": (
        {TRAIN_IMAGES: contents()[TRAIN_LABELS] + bytes(8)},
        None,
        "{dir}/train-images-idx3-ubyte: expected the idx magic number 2051, found 2049; "
        "check that the file belongs under this name",
    ),
    "fewer bytes than the header says": (
        {TEST_IMAGES: contents()[TEST_IMAGES][:-1]},
        None,
        "{dir}/t10k-images-idx3-ubyte: expected 4 x 3 x 2 bytes, at least one, after the header, "
        "found 23; fetch the file again",
    ),
    "more bytes than the header says": (
        {TEST_LABELS: contents()[TEST_LABELS] + b"\0"},
        None,
        "{dir}/t10k-labels-idx1-ubyte: expected 4 bytes, at least one, after the header, "
        "found 5; fetch the file again",
    ),
    "no images": (
        {TRAIN_IMAGES: idx(np.zeros((0, 3, 2), np.uint8))},
        None,
        "{dir}/train-images-idx3-ubyte: expected 0 x 3 x 2 bytes, at least one, after the header, "
        "found 0; fetch the file again",
    ),
    "fewer labels than images": (
        {TRAIN_LABELS: idx(np.zeros(5, np.uint8))},
        None,
        "{dir}/train-labels-idx1-ubyte: expected a label for each of the 6 images of "
        "train-images-idx3-ubyte, found 5 labels; take both files from one source",
    ),
    "another size of image": (
        {TEST_IMAGES: idx(np.zeros((4, 5, 5), np.uint8))},
        None,
        "{dir}/t10k-images-idx3-ubyte: expected images of 3 x 2 pixels as in "
        "train-images-idx3-ubyte, found 5 x 5; check that the file belongs under this name",
    ),
    "a test label that training never shows": (
        {TEST_LABELS: idx(np.array([0, 7, 1, 2], np.uint8))},
        None,
        "{dir}/t10k-labels-idx1-ubyte: expected labels from 0 to 2, found 7 at index 1; "
        "check that the file belongs under this name",
    ),
}


@pytest.mark.parametrize(("files", "without", "message"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_idx_file_is_refused(tmp_path, files, without, message):
    write(tmp_path, contents() | files)
    if without:
        (tmp_path / without).unlink()
    with pytest.raises(DataError) as error:
        load(f"idx:{tmp_path}")
    assert str(error.value) == message.replace("{dir}", str(tmp_path))


def test_mnist_labels_are_digits(tmp_path, monkeypatch):
    write(tmp_path, contents() | {TRAIN_LABELS: idx(np.array([0, 9, 10, 1, 2, 3], np.uint8))})
    monkeypatch.setattr(sources, "MNIST", tmp_path)
    with pytest.raises(DataError) as error:
        load("mnist")
    assert str(error.value) == (
        f"{tmp_path}/train-labels-idx1-ubyte: expected labels from 0 to 9, found 10 at index 2; "
        "check that the file belongs under this name"
    )


def test_an_idx_directory_must_be_there(tmp_path):
    with pytest.raises(DataError) as error:
        load(f"idx:{tmp_path}/none")
    assert str(error.value) == (
        f"--data idx:{tmp_path}/none: expected a directory, found none at {tmp_path}/none"
    )


@pytest.mark.parametrize("kept", [[], [TRAIN_IMAGES, TEST_LABELS]], ids=["empty", "two"])
def test_missing_idx_files_are_named(tmp_path, kept):
    write(tmp_path, {name: contents()[name] for name in kept})
    with pytest.raises(DataError) as error:
        load(f"idx:{tmp_path}")
    missing = ", ".join(name for name in sources.FILES if name not in kept)
    assert str(error.value) == (
        f"--data idx:{tmp_path}: expected four idx files, gzipped or not, in {tmp_path}, "
        f"found {len(kept)}; missing: {missing}"
    )


def test_one_idx_directory_holds_one_set(tmp_path):
    for name in ("KMNIST", "MNIST"):
        write(tmp_path / name / "raw", contents())
    with pytest.raises(DataError) as error:
        load(f"idx:{tmp_path}")
    assert str(error.value) == (
        f"--data idx:{tmp_path}: expected one data set, found several; "
        f"name one of {tmp_path}/KMNIST/raw, {tmp_path}/MNIST/raw"
    )


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("minst", "; did you mean --data mnist?"),
        ("MNIST", "; did you mean --data mnist?"),
        ("fashionmnist", "; did you mean --data tfds:fashion_mnist?"),
        ("cifar", "; did you mean --data tfds:cifar10?"),
        ("tdfs:mnist", "; did you mean --data tfds:mnist?"),
        ("idx:", ""),
        ("photographs", ""),
    ],
)
def test_an_unknown_source_names_the_nearest(source, hint):
    with pytest.raises(DataError) as error:
        load(source)
    assert str(error.value) == (
        f"--data: expected mnist, digits, idx:DIR or tfds:NAME, found {source!r}{hint}"
    )


# TensorFlow Datasets


class TinySet(tfds.core.GeneratorBasedBuilder):
    """Images of 4 x 5 pixels filled with their index, labelled by it modulo 3."""

    VERSION = tfds.core.Version("1.0.0")
    image = tfds.features.Image(shape=(4, 5, 3))
    label = tfds.features.ClassLabel(num_classes=3)
    counts = {"train": 9, "test": 4}  # noqa: RUF012 - the base class leaves it untyped

    def _info(self):
        features = tfds.features.FeaturesDict({"image": self.image, "label": self.label})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(count) for split, count in self.counts.items()}

    def _generate_examples(self, count):
        for index in range(count):
            # As Pillow's image TFDS encodes it without TensorFlow, which takes 5 s to import.
            yield index, {"image": Image.new("RGB", (5, 4), (index,) * 3), "label": index % 3}


class TinyColour(TinySet):
    """Of the shape of CIFAR."""

    image = tfds.features.Image(shape=(32, 32, 3))

    def _generate_examples(self, count):
        for index in range(count):
            shade = (20 + 80 * (index % 3), 10 * index, 90)
            yield index, {"image": Image.new("RGB", (32, 32), shade), "label": index % 3}


class TinyGrey(TinySet):
    """Of another shape than any set that is known."""

    image = tfds.features.Image(shape=(9, 6, 1))

    def _generate_examples(self, count):
        for index in range(count):
            yield index, {"image": Image.new("L", (6, 9), index), "label": index % 3}


class TinyVarying(TinySet):
    image = tfds.features.Image(shape=(None, None, 3))


class TinySixteenBits(TinySet):
    image = tfds.features.Image(shape=(4, 5, 3), dtype=np.uint16)


class TinyRegression(TinySet):
    label = tfds.features.Scalar(np.int64)


class TinyUntested(TinySet):
    counts = {"train": 2, "validation": 2}  # noqa: RUF012


class TinyUnlabelled(TinySet):
    def _generate_examples(self, count):
        for index, example in super()._generate_examples(count):
            yield index, example | {"label": -1}


class TinyText(TinySet):
    def _info(self):
        features = tfds.features.FeaturesDict({"text": tfds.features.Text(), "label": self.label})
        return tfds.core.DatasetInfo(builder=self, features=features)


class TinyUnreachable(TinySet):
    def _split_generators(self, dl_manager):
        dl_manager.download("http://127.0.0.1:9/images.zip")
        return super()._split_generators(dl_manager)


def refusal(source: str) -> str:
    with pytest.raises(DataError) as error:
        load(source)
    return str(error.value)


def test_tfds_prepares_reads_and_keeps_the_arrays(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    first = load("tfds:tiny_set")
    place = tmp_path / "tiny_set" / "1.0.0"
    assert capfd.readouterr() == ("", f"tfds:tiny_set: preparing it in {place} (once)\n")
    assert (first.name, first.classes) == ("tfds:tiny_set", 3)
    for split, count in ((first.train, 9), (first.test, 4)):
        assert split.images.shape == (count, 4, 5, 3)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int32)
        values = split.images[:, 0, 0, 0]
        np.testing.assert_array_equal(np.sort(values), np.arange(count))
        np.testing.assert_array_equal(split.images, np.tile(values, (3, 5, 4, 1)).T)
        np.testing.assert_array_equal(split.labels, values % 3)
    for file in place.glob("*array_record*"):
        file.unlink()
    second = load("tfds:tiny_set")
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(second.train.images, first.train.images)
    np.testing.assert_array_equal(second.test.labels, first.test.labels)


def test_tfds_reads_again_where_the_kept_arrays_are_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    first = load("tfds:tiny_set")
    (kept,) = tmp_path.glob("tiny_set/1.0.0/*.npz")
    whole = kept.read_bytes()
    for damaged in (b"", b"not a zip file", whole[: len(whole) // 2]):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(load("tfds:tiny_set").train.images, first.train.images)
        assert kept.read_bytes() == whole


SETTINGS = Config(batch_size=4, hidden=16, optimizer="adam", learning_rate=0.01, dropout=0.1)


def problems(name: str) -> dict[str, Problem]:
    """Every network with a set of TFDS."""
    dataset = load(name)
    configs = (dataclasses.replace(SETTINGS, model=model) for model in TRAINED)
    return {config.model: Problem(resolved(config), dataset) for config in configs}


def test_every_network_learns_from_images_in_colour(tmp_path, monkeypatch):
    """All of them in one program, which takes half as long to compile."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    found = problems("tfds:tiny_colour")
    start = {name: problem.start(0) for name, problem in found.items()}
    order = found["mlp"].order(start["mlp"].key, 0)
    assert order.indices.shape == (3, 4)  # the last of one image

    @jax.jit
    def train(states, order, images):
        runs = {name: training.scan_batches(problem.step()) for name, problem in found.items()}
        ends = {name: run(states[name], order, images) for name, run in runs.items()}
        return {n: s for n, (s, _) in ends.items()}, {n: x[0] for n, (_, x) in ends.items()}

    states, losses = start, []
    for _ in range(30):
        states, first = train(states, order, found["mlp"].images()[0])
        losses.append(first)
    for name in found:
        assert losses[-1][name] < 0.8 * losses[0][name], name


def test_every_network_takes_images_of_another_shape(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    for problem in problems("tfds:tiny_grey").values():
        begun = problem.begin(0)
        order, images = problem.order(begun.state.key, 0), problem.images()
        after, _ = jax.eval_shape(problem.epoch(), begun, np.int32(1), order, *images)
        assert jax.tree.map(np.shape, after) == jax.tree.map(np.shape, begun)


REFUSED = {
    "tiny_varying": "expected images of one shape, found (None, None, 3)",
    "tiny_sixteen_bits": "expected images of uint8, found uint16",
    "tiny_regression": "expected label to be a class, found Scalar(shape=(), dtype=int64)",
    "tiny_text": "expected the features image and label, found label, text",
    "tiny_untested": "expected the splits train and test, found train, validation",
    "tiny_unlabelled": "expected labels from 0 to 2 in train, found -1 to -1",
}


@pytest.mark.parametrize(("name", "message"), REFUSED.items(), ids=REFUSED)
def test_tfds_refuses_what_is_no_image_classification_set(tmp_path, monkeypatch, name, message):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert refusal(f"tfds:{name}") == f"--data tfds:{name}: {message}; choose another set"


def test_tfds_names_the_nearest_set():
    assert refusal("tfds:minst").startswith(
        f"--data tfds:minst: expected a name that TensorFlow Datasets {tfds.__version__} knows, "
        'found "minst"; did you mean --data tfds:mnist'
    )


def test_tfds_says_which_version_there_is():
    message = refusal("tfds:mnist:9.9.9")
    assert message.startswith(
        "--data tfds:mnist:9.9.9: expected NAME, NAME/CONFIG or NAME:VERSION, "
        "found AssertionError: "
    )
    assert message.endswith("Dataset mnist cannot be loaded at version 9.9.9, only: 3.0.1.")


def test_tfds_says_what_to_do_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(downloader, "MAX_RETRIES", 0)  # ten take three minutes
    message = refusal("tfds:tiny_unreachable")
    assert message.startswith(
        "--data tfds:tiny_unreachable: expected TensorFlow Datasets to download and prepare it, "
        "found ConnectionError: "
    )
    assert message.endswith(
        "; check the network, or prepare it on another machine and copy it to "
        f"{tmp_path}/tiny_unreachable/1.0.0"
    )


def test_tfds_names_the_extra_that_brings_a_missing_package(tmp_path):
    extras = {
        "tensorflow_datasets": "experiments",
        "tensorflow": "tfds",
        "array_record": "tfds",
        "importlib_resources": "tfds",
    }
    program = f"""{HIDE}
import json
from experiments.data import DataError, load
messages = []
for package in {list(extras)}:
    Without.hidden = {{package}}
    try:
        load("tfds:mnist")
    except DataError as error:
        messages.append(str(error))
print(json.dumps(messages))
"""
    assert json.loads(run(program, TFDS_DATA_DIR=str(tmp_path)).stdout) == [
        f"--data tfds:mnist: expected the package {package}, which is not installed; "
        f'run pip install ".[{extra}]"'
        for package, extra in extras.items()
    ]


# Of each split, in the order of the files: more than one block of those that are read at once;
# 60000 compares everything.
EXAMPLES = int(os.environ.get("JAXREG_TFDS_EXAMPLES", "1500"))

PREPARE = f"""
import os
import tensorflow_datasets as tfds
from tensorflow_datasets.image_classification import mnist
from experiments.data import sources

# The builder takes file paths for addresses too, and knows no checksum of these.
mnist.MNIST.URL = str(sources.MNIST) + "/"
tfds.disable_progress_bar()

def prepare(directory, examples, file_format):
    config = tfds.download.DownloadConfig(max_examples_per_split=examples, try_download_gcs=False)
    builder = tfds.builder("mnist", data_dir=directory)
    builder.download_and_prepare(file_format=file_format, download_config=config)

directory = os.environ["TFDS_DATA_DIR"]
prepare(directory, {EXAMPLES}, "array_record")

# The first of them again in the default format, which only TensorFlow reads.
prepare(directory + "/tfrecord", 50, "tfrecord")
os.environ["TFDS_DATA_DIR"] += "/tfrecord"
sources.load("tfds:mnist")
"""

READ = f"""{HIDE}
Without.hidden = {{"tensorflow", "jax"}}
from experiments.data import load
print(load("tfds:mnist").train.images.shape)
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """MNIST as TFDS itself prepares it, from the files of this repository."""
    directory = tmp_path_factory.mktemp("tensorflow_datasets")
    run(PREPARE, TFDS_DATA_DIR=str(directory))
    return directory


def rows(split: sources.Split) -> list[bytes]:
    """One string for each example; TFDS shuffles them."""
    return sorted(
        image.tobytes() + bytes([label])
        for image, label in zip(split.images, split.labels, strict=True)
    )


def assert_same_first(prepared: sources.Dataset, count: int) -> None:
    mnist = load("mnist")
    assert prepared.classes == mnist.classes
    for found, whole in ((prepared.train, mnist.train), (prepared.test, mnist.test)):
        assert rows(found) == rows(sources.Split(whole.images[:count], whole.labels[:count]))


def test_mnist_of_tfds_is_the_same_set_read_without_tensorflow(prepared, monkeypatch):
    result = run(READ, TFDS_DATA_DIR=str(prepared))
    assert (result.stdout, result.stderr) == (f"({EXAMPLES}, 28, 28, 1)\n", "")
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    assert_same_first(load("tfds:mnist"), EXAMPLES)


def test_tfds_reads_tfrecord_too(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared / "tfrecord"))
    assert_same_first(load("tfds:mnist"), 50)

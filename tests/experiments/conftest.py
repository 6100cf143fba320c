"""A small data set of the shape that everything here takes, and commands called as functions."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from experiments import interrupts
from experiments.command import run_command
from experiments.data import Dataset, Split


@pytest.fixture
def settings_of_jax():
    """A command sets JAX's own settings, as a program may; the next test must not notice.

    The number of devices is settled before it comes.
    """
    jax.devices()
    names = (
        "jax_enable_x64",
        "jax_platforms",
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def refused(monkeypatch, capsys, settings_of_jax):
    """Calls a command with options that it refuses with status 2: its stdout and its stderr."""

    def call(name, main, settings, *options: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", [name, *options])
        with interrupts.restored(), pytest.raises(SystemExit) as leaving:
            run_command(name, main, settings)
        assert leaving.value.code == 2
        return capsys.readouterr()

    return call


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


@pytest.fixture(scope="session")
def idx(tmp_path_factory, tiny) -> str:
    """The tiny data set as four idx files, as ``--data`` takes it."""
    folder = tmp_path_factory.mktemp("idx")
    for name, split in (("train", tiny.train), ("t10k", tiny.test)):
        shape = split.images.shape[:3]
        images = struct.pack(">4i", 0x803, *shape) + split.images.tobytes()
        labels = struct.pack(">2i", 0x801, shape[0]) + split.labels.astype(np.uint8).tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    return f"idx:{folder}"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One for all pages: starting it takes longer than most tests."""
    from tests.experiments.browser import started

    yield from started(tmp_path_factory.mktemp("profile"))

"""Files of which bytes are lost, turned, moved or made up: read as they were, or refused in a line.

A sample; thousands of each kind: ``JAXREG_FUZZ=1000 python -m pytest
tests/experiments/test_damaged_files.py``. What no checksum covers is taken as it stands: a pixel of
an idx file that is not gzipped, a digit within a number of ``records.jsonl`` or ``config.json``.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import pickle
import re
import resource
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from experiments import checkpoints, records
from experiments.data import DataError, load, sources, tfds
from experiments.errors import ConfigError
from experiments.options import going_on
from experiments.path.config import PathConfig, resolved
from experiments.records import OutputError
from jaxreg.tune import _journal, _study

FUZZ = int(os.environ.get("JAXREG_FUZZ", "0"))
ROOT = Path(__file__).parents[2]
JUNK = (b"", b"\0", b"<!DOCTYPE html><title>404</title>", b"[" * 100_000, b"\xff" * 16, b"NaN\n")


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """The content with one kind of damage, drawn."""
    if not content:
        return JUNK[generator.integers(len(JUNK))]
    at, length = generator.integers(len(content)), int(generator.integers(1, 9))
    first, rest = content[:at], content[at:]
    kinds: list[Callable[[], bytes]] = [
        lambda: first + bytes([rest[0] ^ 1 << int(generator.integers(8))]) + rest[1:],
        lambda: first,
        lambda: rest,
        lambda: first + rest[length:],
        lambda: first + generator.bytes(length) + rest,
        lambda: first + generator.bytes(length) + rest[length:],
        lambda: first + b"\x7f\xff\xff\xff" + rest[4:],
        lambda: first + bytes(length) + rest[length:],
        lambda: rest + first,
        lambda: content + content[: int(at) + 1],
        lambda: first + JUNK[generator.integers(len(JUNK))] + rest,
        lambda: JUNK[generator.integers(len(JUNK))],
    ]
    return kinds[generator.integers(len(kinds))]()


def each_damaged(seed: int, count: int, content: bytes) -> Iterator[bytes]:
    """So many different damages of a content."""
    generator = np.random.default_rng(seed)
    for _ in range(FUZZ or count):
        if (other := damaged(content, generator)) != content:
            yield other


def read(reader: Callable[[], Any], refusal: type[Exception]) -> tuple[Any, str]:
    """What is read, or how it is refused."""
    try:
        return reader(), ""
    except refusal as error:
        return None, str(error)


@contextlib.contextmanager
def little_memory():
    """Room for 4 GiB more than is in use: nothing here needs it."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**32, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


# --- data ---


def idx_files(folder: Path, pack: Callable[[bytes], bytes], ending: str) -> list[Path]:
    paths = []
    for name, count in zip(sources.FILES, (6, 6, 4, 4), strict=True):
        shape = (count, 3, 2) if "images" in name else (count,)
        values = np.arange(np.prod(shape), dtype=np.uint8) % 3
        header = struct.pack(f">{len(shape) + 1}I", 0x0800 + len(shape), *shape)
        paths.append(folder / f"{name}{ending}")
        paths[-1].write_bytes(pack(header + values.tobytes()))
    return paths


@pytest.mark.parametrize(("pack", "ending"), [(bytes, ""), (gzip.compress, ".gz")])
def test_idx_files(tmp_path, pack, ending):
    paths = idx_files(tmp_path, pack, ending)
    whole = load(f"idx:{tmp_path}")
    with little_memory():
        for i, path in enumerate(paths):
            content = path.read_bytes()
            for other in each_damaged(i, 40, content):
                path.write_bytes(other)
                found, refused = read(lambda: load(f"idx:{tmp_path}"), DataError)
                if refused:
                    assert re.match(r".+: expected .+ found .+", refused, re.DOTALL), refused
                    continue
                for split in ("train", "test"):
                    ours, theirs = getattr(found, split), getattr(whole, split)
                    assert len(ours.images) == len(ours.labels)
                    assert ours.labels.max() < found.classes
                    if ending:  # gzip keeps a checksum
                        np.testing.assert_array_equal(ours.images, theirs.images)
                        np.testing.assert_array_equal(ours.labels, theirs.labels)
            path.write_bytes(content)


def test_a_header_that_promises_more_than_there_is_takes_no_memory(tmp_path):
    idx_files(tmp_path, bytes, "")
    path = tmp_path / sources.FILES[0]
    path.write_bytes(struct.pack(">4I", 2051, 2**31, 2**31, 2**31) + bytes(36))
    with little_memory(), pytest.raises(DataError) as error:
        load(f"idx:{tmp_path}")
    assert str(error.value) == (
        f"{path}: expected 2147483648 x 2147483648 x 2147483648 bytes, at least one, after the "
        f"header, found 36; fetch the file again"
    )


def test_a_small_file_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    paths = idx_files(tmp_path, gzip.compress, ".gz")
    compressed = gzip.compress(struct.pack(">4I", 2051, 6, 3, 2) + bytes(2**25))
    paths[0].write_bytes(compressed)
    with pytest.raises(DataError, match="found 1048612 or more; fetch the file again"):
        load(f"idx:{tmp_path}")


def test_kept_arrays_of_tfds(tmp_path):
    path, labels = tmp_path / "arrays.npz", np.array([0, 1, 2], np.int32)
    split = sources.Split(np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1), labels)
    tfds._store(path, (split, split))
    content = path.read_bytes()
    with little_memory():
        for other in each_damaged(0, 60, content):
            path.write_bytes(other)
            for found in tfds._restore(path, (2, 2, 1), 3) or ():
                np.testing.assert_array_equal(found.images, split.images)
                np.testing.assert_array_equal(found.labels, split.labels)


# --- what runs leave ---


def test_config_of_a_run(tmp_path):
    tmp_path = tmp_path / "run"
    tmp_path.mkdir()
    (tmp_path / "records.jsonl").touch()
    records.write_config(tmp_path, "path", resolved(PathConfig(strengths=(1e-3, 1.0))), {})
    path, given = tmp_path / "config.json", PathConfig(resume=tmp_path)
    content = path.read_bytes()
    for other in each_damaged(0, 100, content):
        path.write_bytes(other)
        with contextlib.suppress(ConfigError, OutputError):
            resolved(going_on(given, records.run_of(tmp_path, "path"), ("resume",)))


def test_records_of_a_run(tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    records.write_config(folder, "path", PathConfig(), {})
    rows = [{"event": "run", "seed": i, "loss": 0.5 / (i + 1), "at": [i, "é"]} for i in range(5)]
    records.append(folder, *rows)
    path = folder / "records.jsonl"
    content = path.read_bytes()
    for other in each_damaged(0, 100, content):
        path.write_bytes(other)
        pairs = zip(content.splitlines(True), other.splitlines(True), strict=False)
        kept = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        records.reopen_folder(folder, "path")
        assert records.read(folder)[:kept] == rows[:kept]
        for line in path.read_bytes().splitlines():
            assert "event" in json.loads(line)
    capsys.readouterr()


# --- what searches leave ---


def test_journal_of_a_choice(tmp_path):
    path, data = tmp_path / "journal.jsonl", np.arange(3.0)
    keys = [(f"{{\"['strength']\": {0.1 * i}}}", i) for i in range(4)]
    entries = {key: {"score": 0.1 + i, "error": 1e-3} for i, key in enumerate(keys)}
    _journal.Journal("choice", path, data).add(entries, entries.values())
    content = path.read_bytes()
    for other in each_damaged(0, 100, content):
        path.write_bytes(other)
        found, refused = read(lambda: _journal.Journal("choice", path, data).entries, ValueError)
        assert refused.startswith("choice: journal: ") if refused else True
        assert (found or {}).items() <= entries.items()


def test_storage_of_a_study(tmp_path):
    path, purpose = tmp_path / "study.log", {"seed": 0}
    range_ = {"strength": optuna.distributions.FloatDistribution(1e-3, 1.0, log=True)}
    study = _study.Study(_study.opened("search", path, purpose, None), range_, 3)
    for trial in study.ask(3):
        study.tell(trial, {"scores": [0.5], "errors": [0.1]}, 0.5)
    content = path.read_bytes()
    for other in each_damaged(0, 40, content):
        path.write_bytes(other)
        found, refused = read(lambda: _study.opened("search", path, purpose, None), ValueError)
        if refused:
            assert refused.startswith("search: storage: ")
            continue
        for trial in _study.Study(found, range_, 3).ended:
            assert all(isinstance(x, float) for x in trial.user_attrs[_study.NAME]["scores"])


# --- checkpoints ---


def test_checkpoints(tmp_path):
    tree = {"w": np.arange(6.0, dtype=np.float32), "step": np.int32(3)}
    with checkpoints.Keeper(tmp_path / "kept", keep=2) as keeper:
        keeper.save(3, tree, {"epoch": 1})
        keeper.wait()
    place = tmp_path / "kept" / "3"
    files = sorted(path for path in place.rglob("*") if path.is_file())
    listed = [path for path in files if path.name not in checkpoints.OF_ORBAX]
    for i, path in enumerate(listed):
        content = path.read_bytes()
        for other in each_damaged(i, 10, content):
            path.write_bytes(other)
            with pytest.raises(checkpoints.DamagedError, match="expected "):
                checkpoints.read(tmp_path / "kept", 3)
            said: list[str] = []
            assert checkpoints.newest(tmp_path / "kept", said.append) is None
            assert len(said) == 1
        path.write_bytes(content)
    assert checkpoints.read(tmp_path / "kept", 3).about == {"epoch": 1}


# --- nothing is executed ---


class Bomb:
    """What is executed where a pickle is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_no_file_is_executed(tmp_path):
    gone_off = tmp_path / "gone off"
    bomb = pickle.dumps(Bomb(gone_off))
    pickle.loads(bomb)
    assert gone_off.exists()  # it works
    gone_off.unlink()
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, train_images=np.array([Bomb(gone_off)], object))
    assert tfds._restore(arrays, (2, 2, 1), 3) is None
    arrays.write_bytes(bomb)
    assert tfds._restore(arrays, (2, 2, 1), 3) is None
    for path in idx_files(tmp_path, bytes, ""):
        path.write_bytes(bomb)
    with pytest.raises(DataError):
        load(f"idx:{tmp_path}")
    (tmp_path / "records.jsonl").write_bytes(bomb)
    (tmp_path / "config.json").write_bytes(bomb)
    with pytest.raises(OutputError):
        records.reopen_folder(tmp_path, "path")
    assert not records.read(tmp_path)
    with pytest.raises(ValueError, match="journal: expected a file that an earlier call wrote"):
        _journal.Journal("choice", tmp_path / "records.jsonl", 0)
    with pytest.raises(ValueError, match="storage: expected a journal of Optuna"):
        _study.opened("search", tmp_path / "records.jsonl", {}, None)
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / checkpoints.CONTENTS).write_bytes(bomb)
    with pytest.raises(checkpoints.DamagedError):
        checkpoints.read(tmp_path, 3)
    assert not gone_off.exists()


EXECUTING = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}
MAY = re.compile(
    r"allow_pickle\s*=\s*(?!False)|\b(pickle|dill|marshal|joblib)\.loads?\b|(?<!\.)\b(exec|eval)\("
)


def test_nothing_reads_pickles():
    for path in [*ROOT.glob("jaxreg/**/*.py"), *ROOT.glob("experiments/**/*.py")]:
        text = path.read_text(encoding="utf-8")
        if path.name != "_penalty_laws.py":  # where the text of a penalty, of no file, is evaluated
            assert not MAY.search(text), path
        imported = re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE)
        assert not EXECUTING & set(imported), path

"""A training that is stopped and goes on ends where it would have ended, to the bit."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import itertools
import os
import random
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from experiments import checkpoints, devices, records, training
from experiments.checkpoints import DamagedError, Keeper
from experiments.config import Config, ConfigError, resolved
from experiments.forms import FORMS
from experiments.mnist import __main__ as mnist
from experiments.mnist import conduct, resume
from experiments.problem import Problem
from tests import killing
from tests.experiments.test_devices import QUICKLY, squares

SMALL = Config(hidden=5, batch_size=13, epochs=2, learning_rate=0.05, strength=0.02)
EVERY = {  # every coupling with every optimizer and a penalty that it has, every network
    **{
        f"{coupling}-{optimizer}": {
            "coupling": coupling,
            "optimizer": optimizer,
            "penalty": FORMS[coupling].penalties[-1],
            "schedule": "cosine",
        }
        for coupling, optimizer in itertools.product(FORMS, ("sgd", "momentum", "adam"))
    },
    **{
        f"{model}-{norm}": {"model": model, "norm": norm, "dropout": 0.3, "hidden": 8}
        for model, norm in (
            *(("mlp", "batch"), ("cnn", "batch"), ("rnn", "layer"), ("transformer", "layer")),
        )
    },
}


def together(dataset) -> tuple[training.Progress, training.Step]:
    """All of them as one training: where it starts, and its step."""
    problems = {
        name: Problem(resolved(dataclasses.replace(SMALL, **changes)), squares(dataset))
        for name, changes in EVERY.items()
    }
    steps = {name: problem.step() for name, problem in problems.items()}
    starts = {name: problem.start(0) for name, problem in problems.items()}
    parts = ("params", "opt_state", "statistics")

    def step(state, *batch):
        found = {
            name: steps[name](state._replace(**{p: getattr(state, p)[name] for p in parts}), *batch)
            for name in EVERY
        }
        after = {p: {n: getattr(s, p) for n, (s, _) in found.items()} for p in parts}
        return state._replace(step=state.step + 1, **after), sum(x for _, x in found.values())

    one = next(iter(starts.values()))
    state = one._replace(**{p: {n: getattr(s, p) for n, s in starts.items()} for p in parts})
    return training.progress_of(state, 4, np.float32), step


def test_every_training_goes_on_from_a_checkpoint_after_any_update(tiny, tmp_path):
    start, step = together(tiny)

    def evaluate(state, test):
        return jnp.float32(0), jnp.float32(len(test.labels))

    data = training.Images(*squares(tiny).train)
    orders = [training.epoch_order([0, 0], epoch, 50, 13, np.float32) for epoch in range(2)]
    placement = devices.OneDevice()
    lowered = placement.jit(training.make_epoch(step, evaluate)).lower(
        placement.like(start), np.int32(0), orders[0], data, data
    )
    program = lowered.compile(QUICKLY)
    progress = placement.start(start)
    with Keeper(tmp_path, 3) as keeper:
        for stop in (4, 8):
            progress, metrics = program(progress, np.int32(4), orders[stop // 4 - 1], data, data)
        whole, of_whole = jax.device_get((progress, metrics))
        progress = placement.start(start)
        for stop in (3, 4, 6, 8):
            epoch = (stop - 1) // 4
            progress, metrics = program(
                progress, np.int32(stop - 4 * epoch), orders[epoch], data, data
            )
            keeper.save(stop, progress, {})
            keeper.wait()
            found = checkpoints.newest(tmp_path, pytest.fail)
            progress = placement.start(found.restore(jax.tree.map(np.zeros_like, start)))
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(progress), whole)
    assert jax.device_get(metrics) == of_whole
    assert checkpoints.steps(tmp_path) == [8, 6, 4]


# --- the files ---


@pytest.fixture
def saved(tmp_path) -> Path:
    """Two checkpoints of an array that is split over eight devices."""
    mesh = Mesh(np.array(jax.devices()), ("d",))
    split = jax.device_put(
        np.arange(64.0, dtype=np.float32).reshape(16, 4), NamedSharding(mesh, P("d"))
    )
    with Keeper(tmp_path, 2) as keeper:
        for step in (1, 2):
            keeper.save(step, {"w": split * step, "n": np.int32(step)}, {"step": step})
        keeper.wait()
    return tmp_path


@pytest.mark.parametrize(
    ("count", "spec"), [(8, P()), (4, P("d")), (2, P(None, "d")), (1, P()), (0, None)]
)
def test_what_was_split_is_restored_on_other_devices_each_its_share(count, spec, saved):
    found = checkpoints.newest(saved, pytest.fail)
    like = np.zeros((16, 4), np.float32)
    if count:
        mesh = Mesh(np.array(jax.devices()[:count]), ("d",))
        like = jax.ShapeDtypeStruct(like.shape, like.dtype, sharding=NamedSharding(mesh, spec))
    restored = found.restore({"w": like, "n": np.int32(0)})
    np.testing.assert_array_equal(restored["w"], 2 * np.arange(64.0).reshape(16, 4))
    assert (restored["n"], found.about) == (2, {"step": 2})
    assert getattr(restored["w"], "sharding", None) == getattr(like, "sharding", None)


def mutated(content: bytes, draw: random.Random) -> bytes | None:
    """Another byte, fewer bytes, more, or none at all; None for a file that is gone."""
    place = draw.randrange(len(content))
    return draw.choice(
        [
            content[:place]
            + bytes([content[place] ^ 1 << draw.randrange(8)])
            + content[place + 1 :],
            content[:place],
            content + content[:place] + b"x",
            None,
        ]
    )


def test_no_byte_of_a_checkpoint_can_be_another_unnoticed(saved):
    draw, said = random.Random(0), []
    files = [path for path in (saved / "2").rglob("*") if path.is_file()]
    assert {path.name for path in files} > {"_METADATA", "manifest.ocdbt", *checkpoints.OF_ORBAX}
    for path in files * 20:
        content = path.read_bytes()
        changed = mutated(content, draw)
        path.unlink() if changed is None else path.write_bytes(changed)
        found = checkpoints.newest(saved, said.append)
        if path.name in checkpoints.OF_ORBAX:  # what nobody reads
            assert found.step == 2
            assert found.restore({"w": np.zeros((16, 4), "f"), "n": np.int32(0)})["n"] == 2
        else:
            assert found.step == 1, (path, changed)
        path.write_bytes(content)
    assert all(line.startswith(f"{saved}/2 is damaged: expected ") for line in said)
    assert len(said) == 20 * (len(files) - len(checkpoints.OF_ORBAX))


DAMAGES = {
    "expected the file contents.json, but: No such file or directory": lambda place: (
        place / "contents.json"
    ).unlink(),
    "expected contents.json as it was written, found other bytes": lambda place: (
        place / "contents.json"
    ).write_text("[" * 10**5),
    r"expected \d+ bytes in _METADATA, found 0": lambda place: (place / "_METADATA").write_bytes(
        b""
    ),
    "expected the file .*, but: No such file": lambda place: shutil.rmtree(
        place / "ocdbt.process_0"
    ),
}


@pytest.mark.parametrize(("message", "damage"), DAMAGES.items(), ids=range(len(DAMAGES)))
def test_what_is_wrong_with_a_checkpoint_is_said(message, damage, saved):
    damage(saved / "2")
    with pytest.raises(DamagedError, match=message):
        checkpoints.read(saved, 2)
    damage(saved / "1")
    assert checkpoints.newest(saved, lambda line: None) is None


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"w": np.zeros((16, 4), "f")}, r"expected nothing at n, found int32\[\]"),
        ({"w": np.zeros((16, 5), "f"), "n": np.int32(0)}, r"expected float32\[16, 5\] at w, found"),
        ({"w": np.zeros((16, 4)), "n": np.int32(0)}, r"expected float64\[16, 4\] at w"),
    ],
)  # fmt: skip
def test_a_state_of_another_kind_is_refused(like, message, saved):
    with pytest.raises(ValueError, match=message):
        checkpoints.read(saved, 2).restore(like)


def test_a_full_disk_is_one_line_and_harms_nothing(saved, monkeypatch):
    def seal(keeper):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Keeper, "_seal", seal)
    with Keeper(saved, 1) as keeper:
        keeper.save(3, {"w": np.zeros(3)}, {})
        with pytest.raises(records.WriteError) as error:
            keeper.wait()
    assert str(error.value) == (
        f"{saved}/3: expected to write a checkpoint, but: No space left on device; those before it "
        f"are whole"
    )
    assert sorted(path.name for path in saved.iterdir()) == ["1", "2"]
    assert checkpoints.newest(saved, pytest.fail).step == 2


# --- the command ---


SETTINGS: dict[str, Any] = {
    "compilation_cache": False,
    "batch_size": 13,
    "hidden": 5,
    "epochs": 6,
    "optimizer": "adam",
    "norm": "batch",
    "dropout": 0.3,
    "schedule": "cosine",
    "coupling": "decoupled",
    "learning_rate": 0.05,
}


@pytest.fixture(scope="module")
def whole(idx, tmp_path_factory) -> Path:
    """The folder of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    mnist.main(Config(**SETTINGS, data=idx, checkpoint_every=5, output=folder))
    return folder


@pytest.fixture(scope="module")
def stopped_once(idx, tmp_path_factory) -> Path:
    """The folder of one that SIGTERM stopped after 19 of 24 updates, in the middle of an epoch."""
    folder, asked = tmp_path_factory.mktemp("stopped") / "run", iter([0] * 8 + [15])
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(said):
        patched.setattr(conduct, "FIRST", 3)
        patched.setattr(conduct.interrupts, "asked", lambda: next(asked))
        patched.setattr(conduct.Pace, "took", steadily(conduct.Pace.took))
        with pytest.raises(SystemExit) as leaving:
            mnist.main(Config(**SETTINGS, data=idx, checkpoint_every=5, output=folder))
    assert leaving.value.code == 128 + 15
    assert "Stopped after 4 of 6 epochs, at update 19\n" in said.getvalue()
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path) -> Path:
    """A copy of it."""
    ignored = shutil.ignore_patterns("lock.json")
    return Path(shutil.copytree(stopped_once, tmp_path / "run", ignore=ignored))


def steadily(took):
    """Parts of three updates, whatever they take."""

    def hear(pace, part):
        took(pace, part)
        pace.length = 3

    return hear


def go_on(folder: Path, **changes) -> None:
    meant = resume.settings(["--resume", str(folder)]) or Config()
    mnist.main(dataclasses.replace(meant, resume=folder, **changes))


@pytest.mark.usefixtures("settings_of_jax")
def test_a_run_that_was_stopped_ends_as_one_that_was_not(stopped, whole, capsys):
    assert checkpoints.steps(stopped / "checkpoints") == [19, 15, 10]
    newest = next((stopped / "checkpoints" / "19").rglob("d/*"))
    newest.write_bytes(newest.read_bytes()[:-1])
    go_on(stopped)
    printed, errors = capsys.readouterr()
    assert f"Goes on after update 15, from {stopped}/checkpoints/15/\n" in printed
    assert errors.startswith(f"{stopped}/checkpoints/19 is damaged: expected ")
    assert "Epoch 4, " in printed
    assert "Epoch 3, " not in printed
    killing.same(killing.trained(stopped), killing.trained(whole))
    go_on(stopped)
    assert capsys.readouterr().out == (f"All 6 epochs are trained: nothing is left in {stopped}/\n")


@pytest.mark.usefixtures("settings_of_jax")
@pytest.mark.parametrize("machine", [{"devices": 3}, {"devices": 2, "parallel": "pmap"}])
def test_it_goes_on_on_other_devices(machine, stopped, whole):
    go_on(stopped, **machine)
    (found, records_of), (expected, others) = map(killing.trained, (stopped, whole))
    for path, leaf in found.items():
        np.testing.assert_allclose(leaf, expected[path], rtol=0, atol=1e-5, err_msg=path)
    assert [r["event"] for r in records_of] == [r["event"] for r in others]


@pytest.mark.usefixtures("settings_of_jax")
def test_other_settings_than_those_of_the_folder_are_refused(stopped):
    with pytest.raises(ConfigError) as error:
        go_on(stopped, epochs=7, coupling="loss")
    assert str(error.value) == (
        f"--resume: expected the settings of {stopped}, which has coupling decoupled, epochs 6, "
        f"got --coupling loss, --epochs 7; leave them out, or start a new run without --resume"
    )
    file = stopped / "config.json"
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(
        ConfigError, match=r"in \S+/checkpoints/19 differ seed \(seed is 0, not 1\)"
    ):
        go_on(stopped)
    file.write_text(file.read_text().replace('"epochs": 6', '"epochs": "six"'))
    with pytest.raises(ConfigError, match=r"config\.json: expected epochs as .* got 'six'"):
        go_on(stopped)


def test_a_run_that_is_killed_while_it_writes_goes_on(idx, tmp_path):
    training_of = ("--data", idx, "--hidden", "4", "--epochs", "40", "--checkpoint-every", "7")
    subject = dataclasses.replace(
        killing.SUBJECTS["mnist"],
        first=lambda folder: [killing.mnist(*training_of, "--output", str(folder))],
    )
    mnist.main(
        Config(
            data=idx,
            hidden=4,
            epochs=40,
            checkpoint_every=7,
            output=tmp_path / "whole",
            compilation_cache=False,
        )
    )
    expected, folder = subject.left(tmp_path / "whole"), tmp_path / "run"
    writes = lambda: lambda: any(folder.glob("checkpoints/[1-9]*.orbax-checkpoint-tmp*"))  # noqa: E731
    assert killing.trial(subject, folder, {**os.environ}, expected, [writes]) == 1

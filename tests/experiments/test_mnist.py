"""The main command, as a person meets it: what it prints, writes, refuses and survives."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import re
import signal
import struct
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import checkpoints, machine, records
from experiments.command import status_of, unknown_option
from experiments.config import Config, ConfigError, resolved
from experiments.mnist import __main__ as mnist
from experiments.problem import Problem
from tests.processes import module, ran, started
from tests.xla import HURRY, environment_of_users

pytestmark = pytest.mark.usefixtures("settings_of_jax")


@pytest.fixture
def idx(tmp_path, tiny) -> str:
    """The tiny data set as four idx files, as ``--data`` takes it."""
    folder = tmp_path / "idx"
    folder.mkdir()
    for name, split in (("train", tiny.train), ("t10k", tiny.test)):
        shape = split.images.shape[:3]
        images = struct.pack(">4i", 0x803, *shape) + split.images.tobytes()
        labels = struct.pack(">2i", 0x801, shape[0]) + split.labels.astype(np.uint8).tobytes()
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    return f"idx:{folder}"


def test_prints_two_lines_per_epoch_and_writes_what_it_printed(idx, tmp_path, capsys):
    output = tmp_path / "run"
    config = Config(data=idx, epochs=3, output=output, compilation_cache=False)
    mnist.main(dataclasses.replace(config, weight_decay=0.02, hidden=4))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("50 train / 20 test · 12-4-3 · SGD 0.01 · batch 64 · cpu")
    assert lines[1] == "loss = cross-entropy + 0.01·Σ‖w‖²    (PyTorch: weight_decay=0.02)"
    pattern = r"Epoch (\d), Average Loss: (\d\.\d{4})"
    printed = [
        (re.fullmatch(pattern, a), b) for a, b in zip(lines[2:8:2], lines[3:9:2], strict=True)
    ]
    written = [r for r in records.read(output) if r["event"] == "epoch"]
    assert len(written) == 3
    for number, ((loss, accuracy), record) in enumerate(zip(printed, written, strict=True), 1):
        assert loss is not None
        assert loss.groups() == (str(number), f"{record['loss']:.4f}")
        assert accuracy == f"Test Accuracy: {100 * record['accuracy']:.2f}%"
    assert json.loads((output / "config.json").read_text())["config"]["strength"] == 0.01
    assert (output / "curves.png").read_bytes().startswith(b"\x89PNG")
    summary = records.read(output)[-1]
    assert summary["event"] == "summary"
    assert {"import_seconds", "data_seconds", "compile_seconds", "train_seconds"} < summary.keys()


def test_config_json_repeats_the_run(idx, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    config = Config(
        data=idx, epochs=2, output=first, compilation_cache=False, optimizer="adam", seed=7
    )
    mnist.main(config)
    settings = json.loads((first / "config.json").read_text())["config"]
    mnist.main(Config(**{**settings, "output": second}))
    metrics = [
        [{k: v for k, v in r.items() if k != "epoch_seconds"} for r in records.read(run)[1:3]]
        for run in (first, second)
    ]
    assert metrics[0] == metrics[1]


def test_contrast_finds_which_forms_are_one_program(idx, tmp_path, capsys):
    output = tmp_path / "run"
    jax.config.update("jax_enable_x64", True)
    mnist.main(
        Config(
            data=idx, output=output, contrast=True, compilation_cache=False, hidden=4, strength=0.1
        )
    )
    found = {
        (r["optimizer"], r["first"], r["second"]): r["same"]
        for r in records.read(output)
        if r["event"] == "contrast"
    }
    assert found == {
        ("sgd", "loss", "coupled"): True,
        ("sgd", "loss", "decoupled"): True,
        ("sgd", "decoupled", "independent"): True,
        ("sgd", "loss", "proximal"): False,
        ("sgd", "decoupled", "proximal"): False,
        ("adam", "loss", "coupled"): True,
        ("adam", "loss", "decoupled"): False,
        ("adam", "decoupled", "independent"): True,
        ("adam", "loss", "proximal"): False,
        ("adam", "decoupled", "proximal"): False,
    }
    printed = capsys.readouterr().out
    assert re.search(r"^Adam +in loss ≠ adamw\(weight_decay=0\.2\) +max \|Δw\| \S+$", printed, re.M)
    assert re.search(r"^SGD +in loss = add_decayed_weights\(0\.2\) +max \|Δw\|", printed, re.M)


def test_a_loss_that_is_not_finite_ends_the_training_and_keeps_the_last_good_state(
    idx, tiny, tmp_path, capsys
):
    config = Config(data=idx, epochs=3, output=tmp_path / "run", compilation_cache=False)
    with pytest.raises(SystemExit) as leaving:
        mnist.main(dataclasses.replace(config, learning_rate=1e4, strength=1e3, batch_size=4))
    assert leaving.value.code == 3
    assert (
        f"The loss is not finite at update 4: try --learning-rate 1000; {tmp_path}/run/checkpoints"
        f"/2 holds update 2, the last good one\n"
    ) in capsys.readouterr().out
    kept = checkpoints.newest(tmp_path / "run" / "checkpoints", print)
    good = Problem(resolved(Config(batch_size=4)), tiny).begin(0)
    state = kept.restore(good).state
    assert int(state.step) == 2
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strenght", "1e-3"], "Perhaps you meant"),
        (["--coupling", "los"], "Expected one of"),
        (["--epochs", "many"], "--epochs"),
        (["--strength", "-1"], "Error: --strength: expected a finite number ≥ 0, got -1.0"),
        (
            ["--data", "minst"],
            "Error: --data: expected mnist, digits, idx:DIR or tfds:NAME, found 'minst'; "
            "did you mean --data mnist?",
        ),
        (
            ["--data", "idx:/nowhere"],
            "Error: --data idx:/nowhere: expected a directory, found none at /nowhere",
        ),
        (["--output", f"{__file__}/run"], "Error: --output: expected a folder that can be written"),
        (
            ["--platform", "tpu"],
            "Error: --platform tpu: expected a TPU, but JAX finds none",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_clear_line_and_status_2(options, message, refused):
    if "--platform" in options:  # which JAX settles once in a process
        done = ran(module("experiments.mnist", *options), status=2)
        printed, errors = done.stdout, done.stderr
        assert "Traceback" not in errors
    else:
        printed, errors = refused("mnist", mnist.main, Config, *options)
    assert message in errors
    assert "Epoch 1" not in printed


def test_a_mistake_ends_the_process_with_status_2_and_one_line():
    done = ran(module("experiments.mnist", "--strength", "-1"), status=2)
    assert done.stderr == "Error: --strength: expected a finite number ≥ 0, got -1.0\n"
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("option", "own"),
    [
        (["--lr", "0.1"], "learning-rate"),
        (["--wd=1e-4"], "weight-decay"),
        (["--lambda", "1"], "strength"),
        (["--batch_size", "32", "--gpu"], "platform"),
        (["--output_dir", "x"], "output"),
    ],
)
def test_an_option_by_another_name_is_told_its_own(option, own):
    wrong = next(o for o in reversed(option) if o.startswith("--")).partition("=")[0]
    assert unknown_option(option, Config) == (
        f"{wrong.replace('_', '-')}: expected an option that there is; write --{own}"
    )


def test_every_option_is_known():
    for field in dataclasses.fields(Config):
        for option in (field.name, field.name.replace("_", "-"), f"no-{field.name}"):
            assert unknown_option([f"--{option}", "--data=x"], Config) is None


def test_a_missing_package_is_named_with_its_extra(capsys):
    def work():
        raise ModuleNotFoundError("No module named 'flax'", name="flax")

    assert status_of(work) == 2
    assert capsys.readouterr().err == (
        'Error: expected the package flax, which is not installed; pip install ".[experiments]"\n'
    )


@pytest.mark.parametrize(
    ("platform", "reason", "message"),
    [
        (
            "gpu",
            "Unable to initialize backend 'rocm': Backend 'rocm' is not in the list of known "
            "backends: ['cpu', 'tpu']. (set JAX_PLATFORMS='' to choose)",
            "--platform gpu: expected an NVIDIA GPU, but JAX finds none; on a machine with one and "
            'its driver pip install ".[cuda]", or use --platform cpu',
        ),
        (
            "tpu",
            "Unable to initialize backend 'tpu': in use. (set JAX_PLATFORMS='' to choose)",
            "--platform tpu: expected a TPU, but JAX finds none (Unable to initialize backend "
            "'tpu': in use); on a Cloud TPU VM pip install \".[tpu]\", or use --platform cpu",
        ),
        (
            "auto",
            "Backend 'foo' is not in the list of known backends: ['cpu']",
            "--platform auto: expected a device, but JAX finds none (Backend 'foo' is not in the "
            "list of known backends: ['cpu']); unset JAX_PLATFORMS, or use --platform cpu",
        ),
    ],
)
def test_a_platform_that_is_missing_is_spoken_of_alone(platform, reason, message, monkeypatch):
    def devices_of(config):
        raise RuntimeError(reason)

    monkeypatch.setattr(machine, "chosen", devices_of)
    monkeypatch.setattr(machine, "reserve", lambda config: None)
    monkeypatch.setattr(machine.jax.config, "update", lambda name, value: None)
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        machine.choose_device(Config(platform=platform, compilation_cache=False))


def test_nothing_is_imported_while_tensorflow_datasets_is(tmp_path):
    """It puts a hook into the imports of every thread while it imports its own."""
    (tmp_path / "tensorflow_datasets.py").write_text("""
import builtins, threading, time
own, original, meanwhile = threading.get_ident(), builtins.__import__, []

def hooked(name, *args, **kwargs):
    if threading.get_ident() != own:
        meanwhile.append(name)
    return original(name, *args, **kwargs)

builtins.__import__ = hooked
time.sleep(0.5)
builtins.__import__ = original
from experiments.data import DataError
raise DataError(f"imported meanwhile: {meanwhile[:3]}")
""")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = ran(module("experiments.mnist", "--data", "tfds:mnist"), status=2, env=environment)
    assert done.stderr == "Error: imported meanwhile: []\n"


def test_earlier_results_are_not_overwritten(tmp_path):
    records.append(records.open_folder("mnist", tmp_path), {"epoch": 1})
    with pytest.raises(records.OutputError, match=r"holds records\.jsonl of an earlier run"):
        records.open_folder("mnist", tmp_path)
    assert records.read(tmp_path) == [{"epoch": 1}]


def test_help_explains_strength_and_loads_no_jax():
    script = (
        "import sys; sys.argv = ['mnist', '--help']\n"
        "import runpy\n"
        "try: runpy.run_module('experiments.mnist', run_name='__main__')\n"
        "except SystemExit: assert 'jax' not in sys.modules; raise"
    )
    done = ran([sys.executable, "-c", script])
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "PyTorch's weight_decay equals 2λ" in text
    for field in dataclasses.fields(Config):
        option = "no-" * (field.default is True) + field.name.replace("_", "-")
        assert f"--{option}" in text


def test_interrupt_keeps_what_is_done(tmp_path):
    output = tmp_path / "run"
    command = module("experiments.mnist", "--epochs", "1000", "--output", str(output))
    cache = str(tmp_path / "cache")
    environment = environment_of_users(JAXREG_CACHE_DIR=cache, XLA_FLAGS=HURRY)
    with started(command, env=environment) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not epochs_in(output):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    done = epochs_in(output)
    assert f"Stopped after {done} of 1000 epochs" in printed
    assert f"Epoch {done}, Average Loss" in printed
    assert f"Go on: python -m experiments.mnist --resume {output}\n" in printed
    (saved,) = checkpoints.steps(output / "checkpoints")
    assert saved // 938 == done
    assert (output / "curves.png").exists()


def epochs_in(output: Path) -> int:
    """Epochs recorded so far."""
    file = output / "records.jsonl"
    return file.read_text().count('"event": "epoch"') if file.exists() else 0

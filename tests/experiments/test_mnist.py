"""The main command, as a person meets it: what it prints, writes, refuses and survives."""

import dataclasses
import gzip
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import mnist, records
from experiments.config import Config

ROOT = Path(__file__).parents[2]


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


@pytest.fixture(autouse=True)
def settings_of_jax():
    """The command sets JAX's own settings, as a program may; tests beside it must not notice."""
    names = (
        "jax_enable_x64",
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def command(*options: str, **kwargs):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "experiments.mnist", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **kwargs,
    )


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


def test_diverged_training_is_said_and_recorded(idx, tmp_path, capsys):
    config = Config(data=idx, epochs=3, output=tmp_path / "run", compilation_cache=False)
    mnist.main(dataclasses.replace(config, learning_rate=1e4, strength=1e3, batch_size=4))
    assert "The loss is not finite: try --learning-rate 1000" in capsys.readouterr().out
    assert records.read(tmp_path / "run")[-1]["loss"] == "nan"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strenght", "1e-3"], "Perhaps you meant"),
        (["--coupling", "los"], "Expected one of"),
        (["--epochs", "many"], "--epochs"),
        (["--strength", "-1"], "Error: --strength: expected a finite number ≥ 0, got -1.0"),
        (["--data", "minst"], "Error: "),
        (["--data", "idx:/nowhere"], "Error: "),
        (["--output", f"{__file__}/run"], "Error: --output: expected a folder that can be written"),
        (
            ["--platform", "tpu"],
            "Error: --platform tpu: expected such a device, but JAX finds none",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_clear_line_and_status_2(options, message):
    done = command(*options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "Epoch 1" not in done.stdout


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
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "PyTorch's weight_decay equals 2λ" in text
    for field in dataclasses.fields(Config):
        option = "no-" * (field.default is True) + field.name.replace("_", "-")
        assert f"--{option}" in text


def test_interrupt_keeps_what_is_done(tmp_path):
    output = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.mnist", "--epochs", "1000", "--output", str(output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAXREG_CACHE_DIR": str(tmp_path / "cache")},
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not epochs_in(output):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    done = epochs_in(output)
    assert f"Stopped after {done} of 1000 epochs" in printed
    assert f"Epoch {done}, Average Loss" in printed
    assert (output / "curves.png").exists()


def epochs_in(output: Path) -> int:
    """Epochs recorded so far."""
    file = output / "records.jsonl"
    return file.read_text().count('"event": "epoch"') if file.exists() else 0

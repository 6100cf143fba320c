"""One regression from every framework: each ends where gradient descent by hand ends.

All in one process of its own, as the command is used: Keras takes its backend when it is imported,
and the tests of other files may have imported it for another.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.frameworks import __main__ as frameworks
from experiments.frameworks.__main__ import FRAMEWORKS, FrameworksConfig
from experiments.frameworks.regression import (
    DECOUPLED,
    IN_LOSS,
    INPUTS,
    LEARNING_RATE,
    RATE,
    STEPS,
    STRENGTH,
    TARGETS,
    ZEROS,
)
from experiments.records import read
from tests.processes import ran
from tests.xla import HURRY, environment_of_users


def by_hand(run: str) -> tuple[np.ndarray, float, float]:
    """Weights, bias and the last loss of a run, in float64: each step as the paper writes it."""
    w, b, loss = np.ones((5, 1)), 0.0, 0.0
    first, second = (np.zeros((6, 1)) for _ in range(2))
    for t in range(1, STEPS + 1):
        residual = INPUTS @ w + b - TARGETS
        loss = np.mean(residual**2)
        slope, offset = 2 * INPUTS.T @ residual / len(INPUTS), 2 * residual.mean()
        if run == IN_LOSS:
            loss += STRENGTH * np.sum(w**2)
            slope = slope + 2 * STRENGTH * w
        if run == DECOUPLED:  # Adam, and the weights alone decay by ηω
            grads = np.vstack([slope, [[offset]]])
            first, second = 0.9 * first + 0.1 * grads, 0.999 * second + 0.001 * grads**2
            step = (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
            w = (1 - LEARNING_RATE * RATE) * w - LEARNING_RATE * step[:5]
            b = b - LEARNING_RATE * step[5, 0]
            continue
        w, b = w - LEARNING_RATE * slope, b - LEARNING_RATE * offset
        if run == ZEROS:
            w = np.sign(w) * np.maximum(np.abs(w) - LEARNING_RATE * STRENGTH, 0)
    return w.ravel(), float(b), float(loss)


PROGRAM = """
import pathlib, sys
from experiments.frameworks.__main__ import FrameworksConfig, main

folder = pathlib.Path(sys.argv[1])
main(FrameworksConfig(output=folder))
assert "tensorflow" not in sys.modules

import keras
import numpy as np
from jaxreg import convert, l1, l2, weights

random = np.random.default_rng(0)
x = random.normal(size=(48, 5)).astype("float32")
y = random.normal(size=(48, 1)).astype("float32")


@keras.saving.register_keras_serializable()
def named(w):
    return 0.03 * l2(w) + 0.01 * l1(w)


def net(regularizer):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    hidden = layers.Dense(8, activation="relu", kernel_regularizer=regularizer)
    output = layers.Dense(1, kernel_regularizer=regularizer)
    model = keras.Sequential([layers.Input((5,)), hidden, output])
    model.compile(optimizer="sgd", loss="mse")
    return model


def losses(regularizer):
    fit = net(regularizer).fit(x, y, epochs=2, batch_size=20, verbose=0)  # a short last batch
    return fit.history["loss"]


own = keras.regularizers
by_l2 = losses(0.03 * l2)
np.testing.assert_allclose(by_l2, losses(own.L2(convert.to_keras_l2(0.03))), rtol=1e-6)
by_name = losses(named)
np.testing.assert_allclose(by_name, losses(own.L1L2(l1=0.01, l2=0.03)), rtol=1e-6)
assert min(np.subtract(by_name, by_l2)) > 0.01

model = net(named)
model.save(folder / "net.keras")
again = keras.models.load_model(folder / "net.keras")
before, after = (float(sum(each.losses)) for each in (model, again))
np.testing.assert_allclose(after, before, rtol=1e-6)
assert before > 0.1
trained = model.trainable_variables
kernels = [v for v in trained if v.path.endswith("kernel")]
assert weights.mask(trained) == [any(v is k for k in kernels) for v in trained]
squares = sum(float((v.numpy() ** 2).sum()) for v in kernels)
np.testing.assert_allclose(float(l2.on(weights)(trained)), squares, rtol=1e-6)
try:
    l2(model)
except ValueError as error:
    assert str(error).endswith("got a Sequential; pass its trainable_variables"), error
else:
    raise AssertionError("a model is no tree of parameters")
"""


def test_every_framework_ends_where_descent_by_hand_ends(tmp_path):
    """And penalties are regularizers of Keras: one process imports it once, for both."""
    folder = tmp_path / "run"
    environment = environment_of_users(XLA_FLAGS=HURRY, KERAS_HOME=str(tmp_path))
    environment.pop("KERAS_BACKEND", None)
    printed = ran([sys.executable, "-c", PROGRAM, str(folder)], env=environment).stdout
    found = [record for record in read(folder) if record["event"] == "framework"]
    assert list(dict.fromkeys(record["framework"] for record in found)) == list(FRAMEWORKS)
    for name in FRAMEWORKS:
        *runs, audit = (record for record in found if record["framework"] == name)
        they_are_those_by_hand({record["run"]: record for record in runs})
        decay_is_that_of_the_weights_alone(audit["leaves"])
        assert audit["audit"] in printed
    assert "The same weights from all, up to " in printed
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["command"] == "frameworks"


def they_are_those_by_hand(runs: dict[str, dict[str, Any]]) -> None:
    assert set(runs) >= {IN_LOSS, DECOUPLED, ZEROS}
    for run, record in runs.items():
        w, b, loss = by_hand(IN_LOSS if run not in (DECOUPLED, ZEROS) else run)
        np.testing.assert_allclose(record["weights"], w, rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(record["bias"], [b], rtol=2e-4)
        assert record["loss"] == pytest.approx(loss, rel=1e-4)
    assert [w == 0 for w in runs[ZEROS]["weights"]] == [False, False, True, True, True]
    assert all(runs[DECOUPLED]["weights"])


def decay_is_that_of_the_weights_alone(leaves: list[dict[str, Any]]) -> None:
    forms = {leaf["name"].split("/")[-1]: leaf for leaf in leaves}
    (bias,) = (leaf for last, leaf in forms.items() if last in ("bias", "b"))
    (weight,) = (leaf for last, leaf in forms.items() if last in ("kernel", "weight", "w"))
    assert (bias["form"], weight["form"]) == ("none", "decoupled")
    assert weight["coefficient"] == pytest.approx(RATE, rel=1e-3)


@pytest.mark.parametrize(
    ("installed", "options", "message"),
    [
        (False, ("--frameworks", "haiku", "keras"), "got haiku, keras; pip install dm-haiku keras"),
        (True, ("--frameworks", "jax"), "jax"),
        (True, ("--output", f"{__file__}/run"), "Error: --output: expected a folder"),
    ],
)
def test_mistakes_are_one_clear_line_and_status_2(
    installed, options, message, refused, monkeypatch
):
    if not installed:
        monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    assert message in refused(frameworks.COMMAND, frameworks.main, FrameworksConfig, *options)[1]


def test_every_framework_has_a_file_to_copy_from():
    folder = Path(frameworks.__file__).parent
    files = {path.stem for path in folder.glob("with_*.py")}
    assert files == {f"with_{name}" for name in FRAMEWORKS}
    assert all(name in (folder / "__init__.py").read_text(encoding="utf-8") for name in files)

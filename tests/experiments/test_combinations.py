"""The combinations: what they find in records whose answer is known, what a training does, and the
command, stopped and gone on with."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from experiments import study as studies
from experiments.combinations import __main__ as combinations
from experiments.combinations import findings, page, picture, tables
from experiments.combinations.conduct import Study
from experiments.combinations.config import CombinationsConfig, planned, resolved
from experiments.combinations.describe import describe
from experiments.combinations.penalties import NOTHING, PENALTIES
from experiments.combinations.results import Results, results
from experiments.combinations.trainings import CombinedTrainings, points
from experiments.data import Dataset
from experiments.models import start
from experiments.models.functions import make
from experiments.paired.sample import source
from experiments.paired.setup import Setup
from experiments.records import append, read
from tests.experiments import synthetic_combinations as synthetic

# --- findings, of records whose answer is known ---


@pytest.fixture(scope="module")
def known() -> Results:
    (found,) = results(synthetic.records())
    return found


def interval(values: Any) -> tuple[float, float, float]:
    """The mean and the ends of Student's interval."""
    mean, reach = np.mean(values), student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1)
    return mean, mean - reach / len(values) ** 0.5, mean + reach / len(values) ** 0.5


def errors_of(cell: Any) -> np.ndarray:
    """Test errors, straight from the records."""
    runs = [r for r in synthetic.records() if r["event"] == "run"]
    return np.array([r["test_error"] for r in runs if (r["penalty"], r["place"]) == cell])


def test_validation_chooses_the_weakest_of_the_best_strengths(known):
    for cell, strength in synthetic.CHOSEN.items():
        found = findings.choice(known, cell)
        assert found.strength == strength, cell
        assert found.strongest == (strength == synthetic.STRENGTHS[cell[0]][-1])


def test_intervals_are_those_of_differences_in_pairs(known):
    for effect in findings.effects(known):
        mean, low, high = interval(errors_of(effect.cell) - errors_of(effect.base))
        assert effect.difference.value == pytest.approx(mean)
        assert effect.difference.jackknife == pytest.approx((low, high))
        expected = synthetic.ERRORS[effect.cell] - synthetic.ERRORS[effect.base]
        assert mean == pytest.approx(expected, abs=1e-9)
        assert high - low < 0.01 < np.ptp(errors_of(effect.cell))  # what all share is not in it


def test_what_helps_is_redundant_and_hurts_is_told_apart(known):
    found = {(e.added, e.base): e.word for e in findings.effects(known)}
    assert [found["l2", ("none", place)] for place in known.places] == [
        *("helps", "redundant", "hurts", "helps")
    ]
    assert found["dropout", ("none", "plain")] == "helps"
    assert found["dropout", ("l2", "batchnorm")] == "helps"
    assert found["batchnorm", ("none", "dropout")] == "hurts"
    assert len(found) == 2 * 4 + 2 * 2 * 3


def test_no_difference_is_redundant_only_where_there_was_a_gain_to_repeat(known):
    """Without the gain of the plain network the same difference is undecided."""
    errors = {**synthetic.ERRORS, ("l2", "plain"): 0.16}
    (flat,) = results(synthetic.records(errors))
    found = {e.cell: e.word for e in findings.effects(flat) if e.added == "l2"}
    assert found["l2", "plain"] == found["l2", "dropout"] == "undecided"


@pytest.mark.parametrize(
    ("changes", "holds", "weaker", "tau"),
    [
        ({}, True, True, 1.0),
        ({("l2", "dropout"): 0.11}, None, True, None),
        ({("l2", "dropout"): 0.135}, False, True, 2 / 3),
        ({("l2", "plain"): 0.105}, False, False, 0.0),
    ],
)
def test_the_verdict_on_the_published_ordering_is_computed(changes, holds, weaker, tau):
    (found,) = results(synthetic.records({**synthetic.ERRORS, **changes}))
    order = findings.ordering(found)
    assert order is not None
    assert (order.holds, order.weaker) == (holds, weaker)
    if tau is not None:
        assert order.tau == pytest.approx(tau)


def test_effective_learning_rates_are_held_against_those_without_a_penalty(known):
    found = findings.factor(known, ("l2", "batchnorm"))
    assert found is not None
    assert found.value == pytest.approx(synthetic.FACTOR)
    assert known.effective["none", "both"] == pytest.approx(0.2)
    assert findings.factor(known, ("l2", "plain")) is None


LOST = {  # strengths that diverged while they were tried, and seeds at the one that was used
    ("l2", "dropout"): ((0.1, 0.3, 1.0), (), "every strength diverged"),
    ("l2", "both"): ((0.3,), (), ""),  # the best of them: the next is chosen
    ("max_norm", "plain"): ((), (101, 104), "2 of 8 seeds diverged"),
}


def diverging() -> list[dict[str, Any]]:
    """As records have it: the accuracy of a network of NaN is that of always naming one class."""
    found = synthetic.records()
    for record in found:
        strengths, seeds, _ = LOST.get((record.get("penalty"), record.get("place")), ((), (), ""))
        if record.get("strength") in strengths and record["event"] == "tried":
            record |= {"diverged": True, "validation_error": 0.9, "validation_loss": "nan"}
        if record.get("seed") in seeds and record["event"] == "run":
            record |= {"diverged": True, "test_error": 0.9, "test_loss": "nan"}
    return found


def test_what_diverged_is_not_chosen_and_not_compared_but_said(tmp_path):
    (found,) = results(diverging())
    assert findings.choice(found, ("l2", "dropout")) is None
    chosen = findings.choice(found, ("l2", "both"))
    assert chosen is not None
    assert chosen.strength == 1.0
    (model,) = (content := describe([found], {}))["models"]
    shown = {(cell["penalty"], cell["place"]): cell for cell in model["cells"]}
    assert len(shown) == len(synthetic.ERRORS)
    for cell, (*_, text) in LOST.items():
        assert text in shown[cell]["shown"]
        assert (shown[cell]["error"]["value"] is None) == bool(text)
    assert model["ordering"] is None
    (said,) = (line for line in content["answer"] if "not compared" in line)
    assert "Dropout + L2 in the loss: every strength diverged" in said
    picture.draw(content, drawn := tmp_path / "combinations.png")
    page.write(content, drawn, tmp_path / "report.html")
    for text in (tables.markdown(content), (tmp_path / "report.html").read_text("utf-8")):
        assert "every strength diverged" in text
        assert "2 of 8 seeds diverged" in text
    assert tables.errors(model).row_count == 3


def test_where_every_strength_diverged_the_weakest_is_measured(tmp_path):
    (tmp_path / "records.jsonl").touch()
    append(tmp_path, *diverging())
    part = planned(resolved(CombinationsConfig(models=("mlp",), penalties=("l2",))), 9)[0]
    part = dataclasses.replace(part, strengths={"none": (0.0,), "l2": (0.1, 0.3, 1.0)})
    study: Any = Study(TINY, None, tmp_path)  # pyright: ignore[reportArgumentType]
    assert study._chosen(part) == {("l2", "plain"): 0.3, ("l2", "dropout"): 0.1}


def test_unfinished_records_show_what_is_there():
    records = synthetic.records()
    (found,) = results(records[: len(records) // 2])
    content = describe([found], {}, "Stopped.")
    (model,) = content["models"]
    assert {cell["place"] for cell in model["cells"]} == {"plain", "dropout"}
    assert model["ordering"] is not None


def test_the_document_has_every_number_of_the_records(known):
    written = tables.markdown(describe([known], {"command": "python"}))
    for cell in synthetic.ERRORS:
        mean, low, high = (100 * number for number in interval(errors_of(cell)))
        assert f"{mean:.2f} ± {(high - low) / 2:.2f}" in written
    assert "| L2 in the loss | Dropout | λ = 0.1 |" in written
    assert "| max-norm | BatchNorm | c = 1* |" in written
    assert "| 3.00 ± 0.00 |" in written
    assert "the published ordering holds" in written


# --- trainings, by hand ---

SETUP = Setup("mlp", "momentum", "cosine", "weights", 30, 0.0, 10, 14.0, 4, "none")
RATE = 0.1
STRENGTHS = {"l2": 0.02, "decay": 0.4, "l1": 0.004, "elastic_net": 0.002, "max_norm": 0.5}


def gradient(p: Any, x: np.ndarray, labels: np.ndarray) -> tuple[float, Any]:
    """The mean cross-entropy of images → hidden → ReLU → classes, and its gradient."""
    hidden = np.maximum(x @ p["fc1", "kernel"] + p["fc1", "bias"], 0)
    logits = hidden @ p["fc2", "kernel"] + p["fc2", "bias"]
    share = np.exp(logits - logits.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    loss = -np.log(share[np.arange(len(x)), labels]).mean()
    share[np.arange(len(x)), labels] -= 1
    share /= len(x)
    back = share @ p["fc2", "kernel"].T * (hidden > 0)
    return loss, {
        ("fc1", "kernel"): x.T @ back,
        ("fc1", "bias"): back.sum(0),
        ("fc2", "kernel"): hidden.T @ share,
        ("fc2", "bias"): share.sum(0),
    }


def by_hand(own: Any, numbers: Any) -> dict[str, Any]:
    """Momentum of 0.9 and a half cosine; a penalty acts on the kernels alone."""
    layers = own.params.items()
    p = {(a, b): np.asarray(w[0], np.float64) for a, layer in layers for b, w in layer.items()}
    velocity = {name: np.zeros_like(w) for name, w in p.items()}
    losses, steps = [], SETUP.steps
    for step, batch in enumerate(own.batches[0].reshape(-1, SETUP.batch_size)):
        x = own.train.images[0][batch].reshape(len(batch), -1) / 255
        loss, grads = gradient(p, x, own.train.labels[0][batch])
        losses.append(loss)
        pace = RATE * (1 + np.cos(np.pi * step / steps)) / 2
        for name, w in p.items():
            is_weight = name[1] == "kernel"
            pull = 2 * numbers["loss"] * w * is_weight
            velocity[name] = 0.9 * velocity[name] + grads[name] + pull
            moved = w - pace * velocity[name]
            if is_weight:
                far = 10 * pace
                moved = np.sign(moved) * np.maximum(np.abs(moved) - far * numbers["l1"], 0)
                moved = moved / (1 + 2 * far * numbers["l2"]) - pace * numbers["rate"] * w
                norms = np.linalg.norm(moved, axis=0)
                moved = moved * np.minimum(1, numbers["bound"] / np.maximum(norms, 1e-30))
            p[name] = moved
    test = own.test.images.reshape(len(own.test.labels), -1) / 255
    kernels = [p[name] for name in p if name[1] == "kernel"]
    zero = sum((w == 0).sum() for w in kernels) / sum(w.size for w in kernels)
    return {
        "test_loss": gradient(p, test, own.test.labels)[0],
        "train_loss": np.mean(losses[-steps // 20 :]),
        "zeros": zero,
    }


def test_every_penalty_is_the_one_that_is_written_down(tiny: Dataset):
    trainings = CombinedTrainings(SETUP, source(tiny, 1), (3,))
    numbers = [NOTHING, *(PENALTIES[name].at(s) for name, s in STRENGTHS.items())]
    numbers += numbers[:1]  # none once more, with dropout
    count = len(numbers)
    swept = points(RATE, [0.0] * (count - 1) + [0.5], numbers, [0] * count)
    found = trainings.run(swept, per_device=1).results
    assert trainings.invariant == ()
    for place, each in enumerate(numbers[:-1]):
        for name, value in by_hand(trainings.sample, each).items():
            assert found[name][place] == pytest.approx(value, rel=2e-4), (place, name)
    losses = [float(loss) for loss in found["test_loss"]]
    assert len({round(loss, 5) for loss in losses}) == count
    zeros = dict(zip(("none", *STRENGTHS), found["zeros"][:-1], strict=True))
    assert zeros["l1"] > 0.05
    assert zeros["elastic_net"] > 0
    assert zeros["l2"] == zeros["max_norm"] == 0


# --- the command ---

TINY = CombinationsConfig(
    models=("mlp",),
    penalties=("l2",),
    data="digits",
    pool=4,
    examples=60,
    hidden=5,
    epochs=10.0,
    batch_size=30,
    seeds=3,
    tuning_seeds=1,
    learning_rate=1e-6,  # so low that no weight moves
)
AS_FUNCTION = (combinations.COMMAND, combinations.main, CombinationsConfig)
FILES = {"config.json", "records.jsonl", "combinations.png", "combinations.md", "report.html"}


def trained(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read(folder) if record["event"] in ("tried", "run")]


@pytest.fixture
def stopped_on_the_way(monkeypatch) -> None:
    """Ctrl-C as soon as there are trainings."""

    @contextlib.contextmanager
    def interrupting(*_: Any) -> Iterator[Any]:
        def advance(name: str, done: int, count: int) -> None:
            del name
            if 0 < done < count:
                raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(studies, "progress", interrupting)


def test_a_study_that_is_stopped_goes_on(
    tmp_path, capsys, settings_of_jax, stopped_on_the_way, monkeypatch
):
    folder = tmp_path / "study"
    monkeypatch.setenv("JAXREG_CACHE_DIR", str(tmp_path / "programs"))
    with pytest.raises(SystemExit) as leaving:
        combinations.main(dataclasses.replace(TINY, output=folder))
    assert leaving.value.code == 130
    assert f"Go on: python -m experiments.combinations --resume {folder}" in capsys.readouterr().out
    before = trained(folder)
    assert 0 < len(before) < 44
    monkeypatch.undo()
    monkeypatch.setenv("JAXREG_CACHE_DIR", str(tmp_path / "programs"))
    combinations.main(CombinationsConfig(resume=folder))
    printed = capsys.readouterr().out
    for text in (
        "What will be trained",
        "About 0 min",
        "mlp-batch: 22 trainings",
        "by 1.00 ± 0.00",
    ):
        assert text in printed
    assert {file.name for file in folder.iterdir()} == FILES
    assert trained(folder)[: len(before)] == before
    every_training_is_there_once(folder)
    drawn_anew_it_is_the_same(folder)


def every_training_is_there_once(folder: Path) -> None:
    runs = trained(folder)
    names = ("event", "penalty", "place", "strength", "seed")
    assert len({tuple(run[name] for name in names) for run in runs}) == len(runs) == 44
    tried = [run for run in runs if run["event"] == "tried"]
    assert {run["seed"] for run in tried} == {99}
    assert not any("test_error" in run for run in tried)  # nobody could choose by it
    assert {run["seed"] for run in runs if run["event"] == "run"} == {100, 101, 102}
    draw = start.drawn(make("mlp", 5, 10, "batch"), np.zeros((1, 2, 2, 1), np.float32), "torch")
    for run in runs:
        if run["place"] in ("batchnorm", "both"):  # half of η, over the mean of ‖w of a unit‖²
            squares = (draw(run["seed"])["fc1"]["kernel"] ** 2).sum(0)
            assert run["effective"]["fc1/kernel"] == pytest.approx(
                0.5e-6 / squares.mean(), rel=1e-4
            )
        else:
            assert run["effective"] == {}


def drawn_anew_it_is_the_same(folder: Path) -> None:
    records, page = read(folder), (folder / "report.html").read_bytes()
    (folder / "combinations.md").unlink()
    combinations.main(CombinationsConfig(resume=folder, compilation_cache=False))
    assert read(folder) == records
    assert (folder / "report.html").read_bytes() == page
    assert (folder / "combinations.md").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quick", "--full"], "Error: --full: expected it without --quick"),
        (["--seeds", "0"], "Error: --seeds: expected at least 1, got 0"),
        (["--dropout", "0"], "Error: --dropout: expected more than 0"),
        (["--dropout", "50"], "Error: --dropout: expected a share"),
        (["--penalties", "none"], "Error: --penalties: expected one beside none"),
        (["--penalties", "ridge"], "invalid choice"),
        (["--models", "vgg"], "invalid choice"),
        (["--batch-size", "1"], "Error: --norm batch: expected batches of at least 2"),
        (["--first-seed", "1"], "Error: --first-seed: expected at least 2"),
        (["--lr", "0.1"], "Error: --lr: expected an option that there is"),
        (["--data", "digits"], "Error: --examples: expected at most 973"),
        (["--data", "digits", "--pool", "4", "--models", "cnn"], "expected images of at least 4×4"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(options, message, refused):
    assert message in "".join(refused(*AS_FUNCTION, *options, "--output", "/nonexistent/folder"))


def test_each_network_is_two_programs_and_plain_is_its_own_norm():
    parts = planned(resolved(CombinationsConfig(models=("mlp", "transformer"))), 9)
    assert [part.id for part in parts] == [
        *("mlp-none", "mlp-batch", "transformer-layer", "transformer-batch")
    ]

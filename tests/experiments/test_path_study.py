"""The path as a command: what it prints, what it leaves, and that a stopped one goes on."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import study as studies
from experiments.path import __main__ as path
from experiments.path.config import PathConfig
from experiments.path.measures import MEASURES
from experiments.path.pictures import EDGES, unpacked
from experiments.path.results import results
from experiments.records import read

TINY = PathConfig(
    penalties=("group_lasso",),
    networks=("mlp",),
    data="digits",
    pool=4,
    examples=60,
    hidden=5,
    epochs=20.0,
    batch_size=30,
    seeds=5,
    count=3,
    strengths=(0.01, 10.0),
    compilation_cache=False,
)
AS_FUNCTION = (path.COMMAND, path.main, PathConfig)
FILES = {"config.json", "records.jsonl", "path.png", "weights.png", "report.html"}
FILES |= {"weights_mlp-group_lasso.npz"}


def runs(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read(folder) if record["event"] == "run"]


@pytest.fixture
def stopped_on_the_way(monkeypatch) -> None:
    """Ctrl-C as soon as there are trainings: as many as the tests have devices."""

    @contextlib.contextmanager
    def interrupting(*_: Any) -> Iterator[Any]:
        def advance(name: str, done: int, count: int) -> None:
            del name
            if 0 < done < count:
                raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(studies, "progress", interrupting)


def test_a_study_that_is_stopped_goes_on_and_is_the_one_that_was_not(
    tmp_path, capsys, settings_of_jax, stopped_on_the_way, monkeypatch
):
    folder = tmp_path / "study"
    with pytest.raises(SystemExit) as leaving:
        path.main(dataclasses.replace(TINY, output=folder))
    assert leaving.value.code == 130
    printed = capsys.readouterr().out
    assert f"Go on: python -m experiments.path --resume {folder}" in printed
    assert "Stopped after 8 trainings, in path 1 of 1. There is no answer yet: 8 of 15" in printed
    before = runs(folder)
    assert len(before) == 8
    monkeypatch.undo()
    path.main(PathConfig(resume=folder, compilation_cache=False))
    it_says_what_it_does_and_what_came_out(capsys.readouterr().out, folder)
    assert runs(folder)[: len(before)] == before
    every_training_is_there_once(folder)
    the_records_agree_with_the_weights(folder)
    dead_units_are_cut(folder)
    drawn_anew_it_is_the_same(folder, capsys)


def it_says_what_it_does_and_what_came_out(printed: str, folder: Path) -> None:
    assert "What will be trained" in printed
    assert "About 0 min" in printed
    assert "mlp-group_lasso: 15 trainings" in printed
    assert "at the λ that validation chooses" in printed
    assert f"Saved {folder}/" in printed
    assert {file.name for file in folder.iterdir()} == FILES


def every_training_is_there_once(folder: Path) -> None:
    places = [(run["curve"], run["strength"], run["seed"]) for run in runs(folder)]
    assert len(places) == len(set(places)) == 15
    assert {seed for _, _, seed in places} == set(range(100, 105))
    assert sorted({strength for _, strength, _ in places}) == [0.0, 0.01, 10.0]
    for found in results(read(folder)):
        assert len(found.complete) == 3
        assert found.learning.shape == (3, 5, 4)
        for name in MEASURES:
            assert np.isfinite(found.measured[name]).all()
    # with the highest strength nothing is left, and classes are guessed
    assert {run["zeros"] for run in runs(folder) if run["strength"] == 10} == {1.0}


def the_records_agree_with_the_weights(folder: Path) -> None:
    """Live units, ranks and histograms of the first seed, from its pictures."""
    for found in results(read(folder)):
        weights = unpacked(folder, found.id)
        assert weights is not None
        assert weights.shape == (3, 5, 2, 2)
        for place, kernel in enumerate(weights.reshape(3, 5, 4)):
            assert found.measured["live"][place, 0] == (kernel != 0).any(1).sum()
            counts = found.histograms[place]
            assert len(counts) == len(EDGES) - 1
            assert sum(counts) == (kernel != 0).sum()


def dead_units_are_cut(folder: Path) -> None:
    for found in results(read(folder)):
        live = found.measured["live"][:, 0]
        assert set(found.cuts) == {place for place in range(3) if live[place] < 5}
        assert 2 in found.cuts
        for place, record in found.cuts.items():
            assert record["units"] == [5, live[place]]
            assert record["parameters"] == [5 * 15 + 10, live[place] * 15 + 10]
            assert record["error"] < 1e-5


def drawn_anew_it_is_the_same(folder: Path, capsys: Any) -> None:
    records, page = read(folder), (folder / "report.html").read_bytes()
    (folder / "path.png").unlink()
    path.main(PathConfig(resume=folder, compilation_cache=False))
    assert read(folder) == records
    assert (folder / "path.png").exists()
    assert (folder / "report.html").read_bytes() == page
    assert "What will be trained" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quick", "--full"], "Error: --full: expected it without --quick"),
        (["--count", "2"], "Error: --count: expected at least 3, λ = 0 and two more, got 2"),
        (["--seeds", "0"], "Error: --seeds: expected at least 1, got 0"),
        (["--strengths", "1", "0.1"], "Error: --strengths: expected the lowest and the highest"),
        (["--label-noise", "2"], "Error: --label-noise: expected a share from 0 to 1, got 2"),
        (["--epochs", "0"], "Error: --epochs: expected more than 0, got 0"),
        (["--learning-rate", "nan"], "Error: --learning-rate: expected more than 0, got nan"),
        (["--penalties", "lasso"], "invalid choice"),
        (["--lr", "0.1"], "Error: --lr: expected an option that there is; write --learning-rate"),
        (["--data", "nowhere"], "Error: --data: expected mnist, digits"),
        (["--data", "digits"], "Error: --examples: expected at most 973"),
        (["--pool", "99"], "Error: --pool: expected at most the 28 pixels"),
        (
            ["--optimizer", "adam", "--penalties", "nuclear", "l1"],
            "Error: --optimizer adam: expected penalties of entries and groups",
        ),
        (
            ["--networks", "regression", "--penalties", "l1_subgradient"],
            "Error: --penalties l1_subgradient: expected beside --networks mlp",
        ),
        (["--sklearn-example", "--seeds", "3"], "Error: --sklearn-example: expected it alone"),
        (["--resume", "/nonexistent"], "Error: --resume: expected the folder of a run"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(options, message, refused):
    assert message in "".join(refused(*AS_FUNCTION, *options, "--output", "/nonexistent/folder"))


def test_a_study_goes_on_with_its_own_settings_alone(tmp_path, refused):
    (tmp_path / "config.json").write_text('{"command": "path", "config": {}}', encoding="utf-8")
    (tmp_path / "records.jsonl").touch()
    message = "--resume: expected it without settings of the study"
    assert message in refused(*AS_FUNCTION, "--resume", str(tmp_path), "--count", "9")[1]

"""The study as a command: what it prints, what it leaves, and that a stopped one goes on."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.coupling import __main__ as coupling
from experiments.coupling.conclusions import conclude
from experiments.coupling.config import StudyConfig
from experiments.coupling.describe import describe
from experiments.coupling.findings import findings
from experiments.coupling.results import results
from experiments.records import read
from tests.processes import module, ran, started

TINY = (
    "--data digits --pool 1 --examples 200 --batch-size 50 --epochs 10 --hidden 8 "
    "--seeds 3 --rows 4 --decays 0.002 0.256 --optimizers sgd adam"
)

AS_FUNCTION = (coupling.COMMAND, coupling.main, StudyConfig)


def command(*options: str) -> list[str]:
    return module("experiments.coupling", *options)


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> dict[str, str]:
    """The environment of studies of the same programs: the first compiles them."""
    return {**os.environ, "JAXREG_CACHE_DIR": str(tmp_path_factory.mktemp("programs"))}


@pytest.fixture(scope="module")
def study(tmp_path_factory, programs) -> tuple[Path, str]:
    """A small study of both regimes, and what it printed."""
    folder = tmp_path_factory.mktemp("study") / "done"
    return folder, ran(command(*TINY.split(), "--output", str(folder)), env=programs).stdout


def runs(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read(folder) if record["event"] == "run"]


def test_it_says_what_it_will_do_and_what_came_out(study):
    folder, printed = study
    before, after = printed.split("In all", 1) if "In all" in printed else printed.split("About", 1)
    assert "What will be trained" in before
    assert re.search(r"4 × 9 × 3\s+108\s+40", before)
    assert "Which one" in after
    assert "A, everything that decays is scale-invariant:" in after.replace("\n", " ")
    assert f"Saved {folder}/" in printed
    files = {path.name for path in folder.iterdir()}
    assert files == {"config.json", "records.jsonl", "heatmaps.png", "report.html"}


def test_every_training_is_in_the_records_and_says_how_to_repeat_it(study):
    folder, _ = study
    found = runs(folder)
    grids = [record for record in read(folder) if record["event"] == "grid"]
    assert len(grids) == 6
    for grid in grids:
        own = [r for r in found if r["panel"] == grid["panel"]]
        columns = 1 + grid["grid"]["columns"][1]
        assert len(own) == 4 * columns * 3
        assert len({(r["row"], r["column"], r["seed"]) for r in own}) == len(own)
        for record in own:
            if record["rate"] is not None:
                ω = 2 * grid["reach"] * record["learning_rate"] * record["strength"]
                assert record["rate"] == pytest.approx(ω, rel=1e-9)
    assert {r["seed"] for r in found} == {100, 101, 102}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert {"jax", "numpy"} <= set(config["versions"])
    assert config["devices"] == os.cpu_count()


def test_statistics_follow_from_the_records_by_other_means(study):
    """The upper-edge slope and the best test errors, by loops over the JSON lines."""
    folder, _ = study
    records = read(folder)
    for found in results(records):
        slopes = [f for f in findings(found) if f.name == "upper-edge slope"]
        edges = _edges([r for r in runs(folder) if r["panel"] == found.id], found.grid.axis)
        for finding in slopes:
            moved = [
                (math.log(η), math.log(decay) - _to_other(finding, found) * math.log(η))
                for η, decay in edges
            ]
            if len(moved) < 4:
                assert finding.estimate.value is None
            else:
                exact = np.polyfit(*zip(*moved, strict=True), 1)[0]
                assert finding.estimate.value == pytest.approx(exact, abs=1e-9)


def _to_other(finding: Any, found: Any) -> int:
    if finding.axis == found.grid.axis:
        return 0
    return 1 if finding.axis == "strength" else -1


def _edges(own: list[dict[str, Any]], axis: str) -> list[tuple[float, float]]:
    """(learning rate, decay at the edge) of every row that has one."""
    found = []
    for row in range(4):
        cells: dict[float, list[float]] = {}
        for r in own:
            if r["row"] == row and r["column"] is not None:
                loss = math.inf if r["diverged"] else math.log(float(r["validation_loss"]))
                cells.setdefault(r[axis], []).append(loss)
        decays = sorted(cells)
        means = [sum(cells[d]) / len(cells[d]) for d in decays]
        lowest = means.index(min(means))
        limit = means[lowest] + 0.25
        for k in range(lowest + 1, len(decays)):
            if means[k] > limit:
                share = (limit - means[k - 1]) / (means[k] - means[k - 1])
                between = math.log(decays[k - 1]), math.log(decays[k])
                edge = math.exp(between[0] + share * (between[1] - between[0]))
                found.append((next(r["learning_rate"] for r in own if r["row"] == row), edge))
                break
    return found


def test_comparisons_follow_from_the_records(study):
    """The validation images choose; the test images are only reported."""
    folder, _ = study
    found = results(read(folder))
    content = describe(conclude(found), {})
    best = {}
    for panel in {r["panel"] for r in runs(folder)}:
        own = [r for r in runs(folder) if r["panel"] == panel and r["column"] is not None]
        cells: dict[Any, list[Any]] = {}
        for r in own:
            cells.setdefault((r["row"], r["column"]), []).append(r)
        chosen = min(
            cells.values(), key=lambda c: sum(math.log(float(r["validation_loss"])) for r in c)
        )
        best[panel] = sum(r["test_error"] for r in chosen) / len(chosen)
    difference = 100 * (best["b-softmax-all-adam-decoupled"] - best["b-softmax-all-adam-coupled"])
    shown = next(
        c for c in content["comparisons"] if c["regime"] == "B" and c["second"] == "Adam with L2"
    )
    assert shown["difference"].startswith(f"{difference:.2f}".replace("-", "−"))


def test_the_summary_in_the_records_is_what_the_page_shows(study):
    folder, _ = study
    summary = next(r for r in read(folder) if r["event"] == "summary")
    content = describe(conclude(results(read(folder))), {})
    assert summary["answer"] == content["answer"]
    assert len(content["answer"]) == 3
    shown = [s for regime in content["regimes"] for s in regime["statistics"]]
    assert [{k: v for k, v in s.items() if k != "regime"} for s in summary["statistics"]] == shown
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(_escaped(sentence) in page for sentence in content["answer"])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_a_stopped_study_goes_on_and_ends_like_one_that_was_not(study, programs, tmp_path):
    whole, _ = study
    folder = tmp_path / "stopped"
    records = folder / "records.jsonl"
    # two heat maps: one is stopped in the middle, the other never begun
    options = (*TINY.split(), "--regime", "a", "--optimizers", "adam", "--output", str(folder))
    with started(command(*options), stderr=subprocess.STDOUT, env=programs) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(0.02)
            if records.exists() and records.read_text().count('"event": "run"') > 12:
                break
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=120)
    assert process.returncode == 130, printed
    assert "Stopped after" in printed
    assert f"--resume {folder}" in printed
    assert "Traceback" not in printed
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Stopped after" in page
    with records.open("a", encoding="utf-8") as file:
        file.write(
            '{"event": "run", "panel": "a-inv'
        )  # as a kill in the middle of a line leaves it
    ran(command("--resume", str(folder)), env=programs)
    ours, theirs = (
        {
            (r["panel"], r["row"], r["column"], r["seed"]): r["validation_loss"]
            for r in runs(f)
            if r["panel"].startswith("a-invariant-all-adam-")
        }
        for f in (folder, whole)
    )
    assert len(runs(folder)) == len(ours)
    assert ours.keys() == theirs.keys()
    for cell, loss in ours.items():
        assert float(loss) == pytest.approx(float(theirs[cell]), rel=1e-5), cell


@pytest.mark.usefixtures("settings_of_jax")
def test_the_page_of_a_finished_study_is_drawn_anew(study, capsys):
    folder, printed = study
    records, page = folder / "records.jsonl", folder / "report.html"
    before, first = records.read_bytes(), page.read_text(encoding="utf-8")
    page.unlink()
    coupling.main(StudyConfig(resume=folder, compilation_cache=False))
    what, drawn = capsys.readouterr().out.split("\n", 1)
    assert what == f"Nothing is left to train in {folder}: it is drawn anew."
    assert drawn in printed
    assert records.read_bytes() == before
    assert page.read_text(encoding="utf-8") == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--regime", "z"], "invalid choice"),
        (["--sedes", "3"], "--seeds"),
        (["--seeds", "0"], "Error: --seeds: expected at least 1, got 0"),
        (["--resume", "nowhere"], "Error: --resume: expected the folder of a run"),
        (["--data", "minst"], "did you mean --data mnist?"),
        (["--regime", "b", "--examples", "99999"], "--examples: expected at most 55,000"),
        (["--quick", "--full"], "Error: --full: expected it without --quick"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(options, message, refused):
    refusal = refused(*AS_FUNCTION, *options, "--output", "/nonexistent/folder")
    assert message in "".join(refusal)


def test_a_mistake_ends_the_process_with_status_2_and_one_line():
    done = ran(command("--seeds", "0"), status=2)
    assert done.stderr == "Error: --seeds: expected at least 1, got 0\n"
    assert done.stdout == ""


def test_a_study_goes_on_with_its_own_settings_alone(study, refused):
    folder, _ = study
    message = "--resume: expected it without settings of the study"
    assert message in refused(*AS_FUNCTION, "--resume", str(folder), "--seeds", "9")[1]


def test_a_run_of_another_command_is_not_resumed(tmp_path, refused):
    (tmp_path / "config.json").write_text('{"command": "mnist"}', encoding="utf-8")
    (tmp_path / "records.jsonl").touch()
    message = "expected a run of experiments.coupling, but"
    assert message in refused(*AS_FUNCTION, "--resume", str(tmp_path))[1]

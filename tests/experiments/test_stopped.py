"""What all studies do when they are stopped, killed, or the disk is full: one that only counts."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments import interrupts, ownership, progress, records, study
from experiments.command import status_of
from experiments.config import ConfigError
from tests.processes import ran


@dataclasses.dataclass(frozen=True)
class Config:
    seeds: int = 2
    resume: Path | None = None
    output: Path | None = None


@dataclasses.dataclass(frozen=True)
class Part:
    id: str


@dataclasses.dataclass(frozen=True)
class Counting:
    """Of each part three trainings, between which ``meanwhile`` is called."""

    config: Config
    folder: Path
    meanwhile: Callable[[], None]

    def count(self, part: Part) -> int:
        return 3

    def conduct(self, parts: Any, advance: Any) -> None:
        for part in parts:
            known = [r for r in records.read(self.folder) if r.get("part") == part.id]
            if not known:
                records.append(self.folder, {"event": "part", "part": part.id})
            for place in range(sum(r["event"] == "run" for r in known), 3):
                run = {"event": "run", "part": part.id, "place": place, "diverged": False}
                records.append(self.folder, run)
                advance(part.id, place + 1, 3)
                self.meanwhile()


def counting(meanwhile: Callable[[], None] = lambda: None) -> study.Kind:
    def prepare(config: Config) -> tuple[Counting, list[Part]]:
        config = study.settings(config, "counting", ("resume",))
        folder = study.folder(config, "counting", {})
        return Counting(config, folder, meanwhile), [Part("first"), Part("second")]

    def report(found: Any, parts: Any, every: Any, state: study.State) -> study.Report | None:
        whole = [part.id for part in parts if part.id not in state.left]
        if not whole:
            return None
        files = {"page.txt": lambda path: path.write_text(" ".join(whole))}
        answer = [*state.headline, f"Known of: {', '.join(whole)}."]
        return study.Report(answer, {"answer": answer}, files, ["the table"])

    return study.Kind(
        "counting",
        prepare,
        lambda found, parts: {part.id: 30.0 for part in parts},
        lambda found, parts, left, seconds: str([(p.id, left[p.id]) for p in parts]),
        report,
        trains=("run",),
        begins="part",
        part="part",
        lacks="seed",
        files=("config.json", "records.jsonl", "page.txt"),
    )


@pytest.fixture
def listening() -> Iterator[None]:
    with interrupts.restored():
        interrupts.listen()
        yield


def after(count: int, act: Callable[[], None]) -> Callable[[], None]:
    """Acts the so-manieth time that it is called."""
    calls = iter(range(1, 100))
    return lambda: act() if next(calls) == count else None


def places(folder: Path) -> list[tuple[str, int]]:
    return [(r["part"], r["place"]) for r in records.read(folder) if r["event"] == "run"]


WHOLE = [(part, place) for part in ("first", "second") for place in range(3)]


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("at", "headline"), [(2, "2 of 6"), (4, "4 of 6")])
def test_a_stopped_study_has_no_answer_yet_and_goes_on_with_what_is_left(
    number, status, at, headline, tmp_path, capsys
):
    kind = counting(after(at, lambda: os.kill(os.getpid(), number)))
    assert status_of(lambda: study.carry_out(kind, Config(output=tmp_path))) == status
    printed = capsys.readouterr().out
    assert f"There is no answer yet: {headline} trainings are made." in printed
    assert ("Known of: first." in printed) == (at == 4)
    assert printed.endswith(f"Go on: python -m experiments.counting --resume {tmp_path}\n")
    assert not (tmp_path / ownership.NAME).exists()
    study.carry_out(counting(), Config(resume=tmp_path))
    printed = capsys.readouterr().out
    left = [("first", 1), ("second", 3)] if at == 2 else [("second", 2)]
    assert str(left) in printed
    assert f"{at} trainings are made. About" in printed
    assert "Known of: first, second." in printed
    assert "no answer" not in printed
    assert places(tmp_path) == WHOLE
    before = records.read(tmp_path)
    study.carry_out(counting(), Config(resume=tmp_path))
    assert "Nothing is left to train" in capsys.readouterr().out
    assert records.read(tmp_path) == before


@pytest.mark.parametrize("cut", range(1, 9))
def test_from_wherever_it_was_killed_it_ends_like_one_that_was_not(cut, tmp_path, capsys):
    study.carry_out(counting(), Config(output=tmp_path))
    path = tmp_path / records.RECORDS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:cut]) + lines[cut][:-4])
    study.carry_out(counting(), Config(resume=tmp_path))
    assert places(tmp_path) == WHOLE
    assert records.read(tmp_path)[-1]["event"] == "summary"
    assert not (tmp_path / records.BROKEN).exists()


@pytest.mark.parametrize("garbage", [b"\0\0\0\0\n", b"[]\n", b"\xff\xfe\n", b'{"run": 1}\n', b"\n"])
def test_from_a_damaged_line_on_records_are_kept_apart_and_made_again(garbage, tmp_path, capsys):
    study.carry_out(counting(), Config(output=tmp_path))
    path = tmp_path / records.RECORDS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], garbage, *lines[3:]]))
    capsys.readouterr()
    study.carry_out(counting(), Config(resume=tmp_path))
    assert f"Line 4 of {path} is damaged" in capsys.readouterr().err
    assert (tmp_path / records.BROKEN).read_bytes() == b"".join([garbage, *lines[3:]])
    assert places(tmp_path) == WHOLE


def full(name: str) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    return fail


def test_on_a_full_disk_what_is_known_is_printed_and_what_was_saved_is_whole(
    tmp_path, capsys, monkeypatch
):
    def fill() -> None:
        monkeypatch.setattr(records, "_added", full("records"))
        monkeypatch.setattr(os, "replace", full("page"))

    kind = counting(after(4, fill))
    assert status_of(lambda: study.carry_out(kind, Config(output=tmp_path))) == 74
    printed, errors = capsys.readouterr()
    assert "There is no answer yet: 4 of 6 trainings are made." in printed
    assert "the table" in printed
    assert f"--resume {tmp_path}" in printed
    assert len(errors.splitlines()) == 2
    assert errors.count("No space left on device") == 2
    assert {path.name for path in tmp_path.iterdir()} == {records.CONFIG, records.RECORDS}
    monkeypatch.undo()
    study.carry_out(counting(), Config(resume=tmp_path))
    assert places(tmp_path) == WHOLE


def test_what_could_not_be_written_leaves_no_part_of_a_line(tmp_path):
    class Short:
        """Takes ten bytes, and then no more."""

        def __init__(self, file: Any) -> None:
            self.file, self.left = file, 10
            self.seek, self.truncate = file.seek, file.truncate

        def write(self, data: bytes) -> int:
            if not self.left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.left = 0
            return self.file.write(data[:10])

    records.append(tmp_path, {"event": "run"})
    before = (tmp_path / records.RECORDS).read_bytes()
    file = (tmp_path / records.RECORDS).open("ab", buffering=0)
    with file, pytest.raises(OSError, match="No space"):
        records._added(Short(file), b'{"event": "run", "place": 2}\n')
    assert (tmp_path / records.RECORDS).read_bytes() == before


HOLDS = """
import sys, time
from pathlib import Path
from experiments import records
records.open_folder("counting", Path(sys.argv[1]))
"""


def test_one_run_writes_to_a_folder_and_a_dead_one_does_not_keep_it(tmp_path, capsys):
    records.open_folder("counting", tmp_path)
    owner = json.loads((tmp_path / ownership.NAME).read_text())
    done = ran([sys.executable, "-c", HOLDS, str(tmp_path)], status=1)
    assert f"process {os.getpid()} on {owner['host']}" in done.stderr
    ownership.release(tmp_path)
    assert not (tmp_path / ownership.NAME).exists()
    dead = {**owner, "process": 7, "command": "python -m experiments.counting"}
    (tmp_path / ownership.NAME).write_text(json.dumps(dead))
    records.open_folder("counting", tmp_path)
    assert "process 7 on" in capsys.readouterr().err
    ownership.release(tmp_path)
    with pytest.raises(records.OutputError, match="expected the folder of a run"):
        records.reopen_folder(tmp_path, "counting")
    (tmp_path / records.CONFIG).write_text("[]")
    with pytest.raises(records.OutputError, match="expected an object, got list"):
        records.reopen_folder(tmp_path, "counting")


def test_other_settings_than_its_own_are_named(tmp_path):
    study.carry_out(counting(), Config(output=tmp_path))
    with pytest.raises(ConfigError, match="--seeds"):
        study.carry_out(counting(), Config(resume=tmp_path, seeds=5))
    assert not (tmp_path / ownership.NAME).exists()


def test_the_time_left_follows_the_speed_that_is_observed():
    now = [0.0]
    course = progress.Course({"a": 40.0, "b": 45.0}, lambda: now[0])
    assert course.left == 85
    for done in range(1, 11):  # more than twice as slow as was estimated
        now[0] += 4 * 2.2
        course.advance("a", done, 10)
    assert course.left == pytest.approx(45 * 2.2, rel=0.1)
    now[0] += 10
    assert course.left == pytest.approx(45 * 2.2 - 10, rel=0.12)


def test_trainings_of_before_count_as_no_speed():
    now = [0.0]
    course = progress.Course({"a": 10.0}, lambda: now[0])
    course.advance("a", 90, 100)
    assert course.left == 10
    now[0] = 5.0
    course.advance("a", 95, 100)
    assert course.left == pytest.approx(5)

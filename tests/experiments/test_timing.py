"""The benchmark's arithmetic, with contenders whose times are known. Nothing here is timed."""

from __future__ import annotations

import gzip
import importlib
import inspect
import io
import json
import statistics
import sys
from pathlib import Path
from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from experiments.benchmark.__main__ import BenchmarkConfig, Suite, check
from experiments.benchmark.suites import PEERS, decay, gpu, main, models, sweep, tune
from experiments.benchmark.suites.main import read_records
from experiments.benchmark.tables import Column, Target, as_json, table, target_table
from experiments.benchmark.timing import Spread, Timings, interleave, run_process
from experiments.config import ConfigError
from experiments.data import load
from experiments.provenance import conditions

# The machine slows down fourfold from round to round; the contenders' ratio stays near 3.
DRIFTING = Timings(
    {
        "ours": [{"epoch": 1.0}, {"epoch": 4.0}, {"epoch": 16.0}],
        "theirs": [{"epoch": 3.0}, {"epoch": 10.0}, {"epoch": 64.0}],
    }
)


def shown(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], Spread(5.0, 5.0, 5.0)),
        ([3.0, 1.0, 2.0], Spread(2.0, 1.0, 3.0)),
        ([4.0, 1.0, 2.0, 30.0], Spread(3.0, 1.0, 30.0)),
    ],
)
def test_spread_is_median_least_and_greatest(values: list[float], expected: Spread) -> None:
    assert Spread.of(values) == expected
    assert Spread.of(iter(values)) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123")],
)
def test_numbers_show_three_digits(value: float, text: str) -> None:
    assert Spread(value, value, value).show(" s") == f"{text} s [{text}–{text}]"


def test_ratios_are_paired_round_by_round() -> None:
    assert DRIFTING.ratio("epoch", "theirs", "ours") == Spread(3.0, 2.5, 4.0)
    assert DRIFTING.ratio("epoch", "ours", "ours") == Spread(1.0, 1.0, 1.0)
    # The ratio of the two medians would be another number.
    medians = [statistics.median(DRIFTING.values("epoch", name)) for name in ("theirs", "ours")]
    assert medians[0] / medians[1] == 2.5


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    seen: list[tuple[str, float]] = []

    def contender(name: str):
        def run() -> dict[str, float]:
            calls.append(name)
            return {"process": float(len(calls))}

        return run

    timings = interleave(
        {name: contender(name) for name in "ABC"},
        rounds=3,
        on_sample=lambda name, sample: seen.append((name, sample["process"])),
    )
    assert calls == list("ABCABCABC")
    assert timings.values("process", "B") == [2.0, 5.0, 8.0]
    assert seen == [(name, index + 1.0) for index, name in enumerate("ABCABCABC")]


@pytest.mark.parametrize(("at_least", "verdict"), [(3.0, "yes"), (3.01, "no")])
def test_a_target_is_judged_by_the_median_ratio(at_least: float, verdict: str) -> None:
    target = Target("epoch", slower="theirs", faster="ours", at_least=at_least)
    assert target.reached(DRIFTING) is (verdict == "yes")
    row = next(line for line in shown(target_table(DRIFTING, [target])).splitlines() if "×" in line)
    assert "ours than theirs" in row
    assert "3.00× [2.50–4.00]" in row
    assert verdict in row


def test_table_has_a_row_for_each_contender() -> None:
    columns = [
        Column("s", "epoch"),
        Column("to", "epoch", "ours"),
        Column("median", "epoch", unit=" %", decimals=3),
    ]
    text = shown(table("Epoch", DRIFTING, columns))
    ours = next(line for line in text.splitlines() if "ours" in line)
    theirs = next(line for line in text.splitlines() if "theirs" in line)
    assert "4.00 s [1.00–16.0]" in ours
    assert "1.00×" in ours
    assert "4.000 %" in ours
    assert "10.0 s [3.00–64.0]" in theirs
    assert "3.00×" in theirs


def test_json_holds_samples_spreads_ratios_and_targets() -> None:
    target = Target("epoch", slower="theirs", faster="ours", at_least=2)
    columns = [Column("s", "epoch"), Column("to", "epoch", "ours")]
    saved = json.loads(json.dumps(as_json(DRIFTING, columns, [target])))
    assert saved["samples"]["theirs"] == [{"epoch": 3.0}, {"epoch": 10.0}, {"epoch": 64.0}]
    assert saved["spreads"]["ours"]["epoch"] == {"median": 4.0, "low": 1.0, "high": 16.0}
    ratio = {row["contender"]: row["median"] for row in saved["ratios"]}
    assert ratio == {"ours": 1.0, "theirs": 3.0}
    assert saved["targets"][0]["reached"] is True
    assert saved["targets"][0]["measured"] == {"median": 3.0, "low": 2.5, "high": 4.0}


def test_machine_names_what_times_depend_on() -> None:
    described = conditions(["numpy", "no-such-package"])
    assert described["processor"]
    assert isinstance(described["cores"], int)
    assert described["cores"] >= 1
    versions = described["versions"]
    assert isinstance(versions, dict)
    assert versions == {"numpy": np.__version__, "no-such-package": None}


def test_process_runs_with_its_variables_where_told(tmp_path: Path) -> None:
    program = "import os; print(os.environ['COLOUR'], os.getcwd())"
    process = run_process(
        [sys.executable, "-c", program], cwd=tmp_path, environment={"COLOUR": "green"}
    )
    assert process.output.split() == ["green", str(tmp_path.resolve())]
    assert process.seconds > 0


def test_failed_process_is_shown_with_its_last_words() -> None:
    program = "import sys; print('out of paper', file=sys.stderr); sys.exit(3)"
    with pytest.raises(
        RuntimeError, match=r"expected exit status 0, got 3; it ended with:\nout of"
    ):
        run_process([sys.executable, "-c", program])


def test_records_are_found_below_the_output(tmp_path: Path) -> None:
    records = [
        {"epoch": 1, "epoch_seconds": 0.5},
        {"epoch": 2, "epoch_seconds": 0.25},
        {"event": "summary", "import_seconds": 1.5, "epoch_seconds": 0.3, "device": "cpu"},
    ]
    below = tmp_path / "later"
    below.mkdir()
    (below / "records.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    epochs, phases = read_records(tmp_path)
    assert epochs == [0.5, 0.25]
    assert phases["import_seconds"] == 1.5
    assert "device" not in phases


def test_missing_records_say_where_they_were_expected(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"expected a records\.jsonl in it, found none; run"
    ):
        read_records(tmp_path)


def test_missing_packages_are_named_with_what_brings_them() -> None:
    check(BenchmarkConfig(), ["json"])
    with pytest.raises(ConfigError) as raised:
        check(BenchmarkConfig(), ["json", "no_such_framework"])
    assert str(raised.value) == (
        "--suite main: expected json, no_such_framework to be installed, "
        'but no_such_framework is missing; pip install ".[benchmark]"'
    )


def test_no_rounds_are_refused() -> None:
    with pytest.raises(ConfigError, match="--repeats: expected at least 1 round, got 0; 5 show"):
        check(BenchmarkConfig(repeats=0), [])


def test_peers_elsewhere_are_for_suites_that_have_them(tmp_path: Path) -> None:
    check(BenchmarkConfig(suite="models", peers=tmp_path), [])
    with pytest.raises(
        ConfigError, match="--peers: expected beside --suite models, solve or tune, got"
    ):
        check(BenchmarkConfig(suite="main", peers=tmp_path), [])
    with pytest.raises(ConfigError, match=r"expected torch to be installed for .*; make an"):
        models.torch_of(str(tmp_path / "python"))


def test_fewer_images_are_the_first_of_them(tmp_path: Path) -> None:
    for split, count in (("train", 30), ("t10k", 20)):
        for kind, sizes in (("images-idx3", (count, 3, 2)), ("labels-idx1", (count,))):
            header = bytes([0, 0, 8, len(sizes)]) + b"".join(n.to_bytes(4) for n in sizes)
            content = np.arange(np.prod(sizes), dtype=np.uint8) % 10
            path = tmp_path / f"{split}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(header + content.tobytes()))
    (tmp_path / "few").mkdir()
    found = load(f"idx:{models.fewer(tmp_path, tmp_path / 'few', 10)}")
    for split, count in ((found.train, 3), (found.test, 2)):
        np.testing.assert_array_equal(split.labels, np.arange(count))
        np.testing.assert_array_equal(split.images.ravel(), np.arange(6 * count) % 10)


@pytest.mark.parametrize("name", get_args(Suite))
def test_each_suite_is_a_module_with_packages_and_run(name: str) -> None:
    suite = importlib.import_module(f"experiments.benchmark.suites.{name}")
    assert all(isinstance(package, str) for package in suite.PACKAGES)
    assert list(inspect.signature(suite.run).parameters)[:4] == [
        "repeats",
        "quick",
        "console",
        "record",
    ]


def test_every_peer_is_a_program_that_is_there() -> None:
    commands = [command[0] for command in main.PEER_COMMANDS.values()]
    commands += [setting for settings in sweep.PEER_SETTINGS.values() for setting in settings]
    commands += [job[0] for job in gpu.JOBS.values()]
    commands.append(models.PEER)
    commands += [
        Path(part).name
        for name in (tune.SKLEARN, tune.FAST, tune.LOADER)
        for part in tune.commands("python", "")[name]
        if part.endswith(".py")
    ]
    assert all((PEERS / command.split()[0]).is_file() for command in commands)


def test_decay_reads_and_writes_what_optax_does() -> None:
    params = [jnp.ones((300, 200)), jnp.ones((200, 300))]
    programs = {name: decay.compiled(o, params) for name, o in decay.OPTIMIZERS.items()}
    counts = {name: decay.counted(program, params) for name, program in programs.items()}
    limits = decay.count_limits(counts)
    assert len(limits) == 6
    assert [limit.what for limit in limits if not limit.kept] == []
    assert counts[decay.DECAYED]["passes"] == pytest.approx(3, abs=1e-3)  # w and g in, w out
    assert all(row["temporary"] < 0.01 for row in counts.values())
    twice = {**counts, decay.COUPLED: {what: 2 * n for what, n in counts[decay.COUPLED].items()}}
    assert not decay.count_limits(twice)[3].kept

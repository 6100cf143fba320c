"""The claims as a command: what it prints, leaves, refuses, and that verdicts can be redone."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments.claims import __main__ as claims
from experiments.claims import registry
from experiments.claims.__main__ import ClaimsConfig
from experiments.claims.claim import average, judge, verdict
from experiments.records import read
from tests.processes import module, ran, started
from tests.xla import SOONER, environment_of_users


def command(*options: str) -> list[str]:
    return module("experiments.claims", *options)


def claims_in(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read(folder) if record["event"] == "claim"]


# --- what it prints and leaves ---


def test_the_quick_set(tmp_path):
    """One test, so that where tests are spread over processes it is measured once.

    With the fewest seeds that have an interval: that five are the default is seen where one is
    interrupted.
    """
    folder = tmp_path / "quick"
    options = ("--quick", "--seeds", str(claims.FEWEST_SEEDS), "--output", str(folder))
    printed = ran(command(*options), env=environment_of_users(XLA_FLAGS=SOONER)).stdout
    it_says_what_it_will_do_then_each_verdict_then_the_table(folder, printed)
    it_is_quick()
    it_leaves_its_files(folder)
    identities_hold_in_float64_and_their_controls_differ(folder)
    verdicts_are_what_the_records_say(folder)


def it_says_what_it_will_do_then_each_verdict_then_the_table(folder: Path, printed: str) -> None:
    lines = printed.splitlines()
    names = [claim.name for claim in registry.CLAIMS if claim.quick]
    assert re.match(
        rf"{len(names)} claims, each with seeds 0 to 2, on mnist: about \d+ s", lines[0]
    )
    shown = lines[2 : 2 + len(names)]
    for name, line, record in zip(names, shown, claims_in(folder), strict=True):
        assert re.match(rf"[✓✗?] {name}: {record['verdict']} \(\d+ s\)\. ", line)
    table = printed.split("measured, 95 %")[1]
    assert all(name in table for name in names)
    assert f"Saved {folder}/" in printed


def it_is_quick() -> None:
    """By what is said of it, for two cores that do nothing else."""
    assert sum(claim.seconds for claim in registry.CLAIMS if claim.quick) <= 50


def it_leaves_its_files(folder: Path) -> None:
    files = {path.name for path in folder.iterdir()}
    assert files == {"config.json", "records.jsonl", "claims.md", "report.html"}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["config"]["quick"] is True
    assert {"jax", "numpy"} <= set(config["versions"])
    table = (folder / "claims.md").read_text(encoding="utf-8")
    page = (folder / "report.html").read_text(encoding="utf-8")
    for record in claims_in(folder):
        row = next(line for line in table.splitlines() if f"**{record['name']}**" in line)
        assert row.endswith(f"| {record['verdict']} |")
        assert len(re.split(r"(?<!\\)\|", row)) == 8
        assert f'<article id="{record["name"]}">' in page
    assert "python -m experiments.claims --quick --seeds 3" in page


def identities_hold_in_float64_and_their_controls_differ(folder: Path) -> None:
    exact = [record for record in claims_in(folder) if record["kind"] == "exact"]
    assert len(exact) == 3
    for record in exact:
        identity, control = record["parts"]
        assert record["verdict"] == "holds"
        assert max(identity["measured"]) < 1e-6 < 1e-3 < min(control["measured"])


def verdicts_are_what_the_records_say(folder: Path) -> None:
    """Of a mean the interval is Student's; other statistics are those of the registry."""
    known = {claim.name: claim for claim in registry.CLAIMS}
    for record in claims_in(folder):
        claim, holds = known[record["name"]], []
        for part, found in zip(claim.parts, record["parts"], strict=True):
            assert [float(found[end]) for end in ("low", "high")] == [part.low, part.high]
            measured = np.array(found["measured"], float)
            assert len(measured) == len(record["seeds"]) == claims.FEWEST_SEEDS
            if record["kind"] == "exact":
                holds.append(bool(np.all((part.low <= measured) & (measured <= part.high))))
                continue
            value, low, high = interval(part.statistic, measured)
            assert found["value"] == pytest.approx(value, rel=1e-9)
            assert found["jackknife"] == pytest.approx([low, high], rel=1e-6, abs=1e-9)
            holds.append(within(low, high, part.low, part.high))
        assert [found["holds"] for found in record["parts"]] == holds
        assert record["verdict"] == verdict(holds)


def interval(statistic: Any, measured: np.ndarray) -> tuple[float, float, float]:
    """The value and the ends of its interval, from scratch."""
    n = len(measured)
    if statistic is average:
        value, error = measured.mean(), measured.std(ddof=1) / math.sqrt(n)
    else:
        value = statistic(measured)
        without = np.array([statistic(np.delete(measured, seed, axis=0)) for seed in range(n)])
        error = math.sqrt((n - 1) * np.mean((without - without.mean()) ** 2))
    reach = stats.t.ppf(0.975, n - 1) * error
    return value, value - reach, value + reach


def within(low: float, high: float, lowest: float, highest: float) -> bool | None:
    if lowest <= low and high <= highest:
        return True
    return False if high < lowest or highest < low else None


# --- what it refuses ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--claims", "groking-time"], "got 'groking-time'; did you mean grokking-time?"),
        (["--claims", "xyz"], "got 'xyz'; take one of these"),
        (["--quick", "--claims", "low-rank"], "--quick: expected no --claims beside it"),
        (["--seeds", "2"], "Error: --seeds: expected at least 3, since verdicts are of intervals"),
        (["--first-seed", "-1"], "Error: --first-seed: expected at least 0, got -1"),
        (["--data", "minst"], "Error: "),
        (["--data", "digits", "--claims", "low-rank"], "images to train on for low-rank, got"),
        (["--output", f"{__file__}/run"], "Error: --output: expected a folder"),
        (["--qick"], "Perhaps you meant"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_clear_line_and_status_2(options, message, refused):
    assert message in refused(claims.COMMAND, claims.main, ClaimsConfig, *options)[1]


def test_a_mistake_ends_the_process_with_status_2_and_one_line():
    done = ran(command("--first-seed", "-1"), status=2)
    assert done.stderr == "Error: --first-seed: expected at least 0, got -1\n"
    assert done.stdout == ""


def test_help_loads_no_jax():
    script = (
        "import sys; sys.argv = ['claims', '--help']\n"
        "from experiments import command\n"
        "from experiments.claims import __main__ as claims\n"
        "try: command.run_command(claims.COMMAND, claims.main, claims.ClaimsConfig)\n"
        "except SystemExit: assert 'jax' not in sys.modules; raise"
    )
    done = ran([sys.executable, "-c", script])
    for field in dataclasses.fields(ClaimsConfig):
        option = "no-" * (field.default is True) + field.name.replace("_", "-")
        assert f"--{option}" in done.stdout


# --- interrupted ---


def test_interrupt_keeps_the_claims_that_are_finished(tmp_path):
    output = tmp_path / "run"
    options = ("--claims", "sgd-equivalence", "steps-to-best", "--output", str(output))
    with started(command(*options)) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0].startswith("2 claims, each with seeds 0 to 4, on mnist: about ")
        assert lines[2].startswith("✓ sgd-equivalence: holds")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Stopped after 1 of 2 claims." in rest
    assert f"Saved {output}/" in rest
    assert "Traceback" not in errors
    assert [record["name"] for record in claims_in(output)] == ["sgd-equivalence"]
    assert read(output)[-1]["finished"] is False
    assert "Stopped after 1 of 2 claims." in (output / "report.html").read_text(encoding="utf-8")


# --- the registry ---


def test_the_registry():
    claims = registry.CLAIMS
    names = [claim.name for claim in claims]
    assert len(set(names)) == len(names) >= 14
    exact = [claim for claim in claims if claim.kind == "exact"]
    assert len(exact) <= 4
    assert len(claims) - len(exact) >= 10
    assert sum(claim.seconds * len(claim.seeds) / 5 for claim in claims) < 15 * 60


def test_a_claim_has_its_own_seeds_unless_others_are_asked_for():
    def seeds(name: str, **options: Any) -> range:
        (claim,) = registry.chosen((name,), False)
        return claims.Job(ClaimsConfig(**options), (claim,), None, Path()).seeds(claim)

    assert seeds("low-rank") == range(5)
    assert seeds("grokking-time") == range(200, 224)
    assert seeds("grokking-time", seeds=3) == range(200, 203)
    assert seeds("grokking-time", first_seed=0) == range(24)
    assert seeds("low-rank", seeds=8, first_seed=50) == range(50, 58)
    with_own = [claim for claim in registry.CLAIMS if claim.seeds != range(5)]
    assert len(with_own) == 3
    assert all(len(claim.seeds) > 5 and not claim.quick for claim in with_own)


@pytest.mark.parametrize("claim", registry.CLAIMS, ids=lambda claim: claim.name)
def test_every_claim_says_who_what_and_where(claim):
    assert re.fullmatch(r"[a-z0-9-]+", claim.name)
    for paper in claim.papers:
        assert 2017 <= paper.year <= 2025
        assert re.fullmatch(r"\d{4}\.\d{5}", paper.arxiv)
    assert claim.papers
    assert claim.parts
    assert len({part.name for part in claim.parts}) == len(claim.parts)
    for part in claim.parts:
        assert part.low <= part.high
        assert math.isfinite(part.low) or math.isfinite(part.high)
    for text in (claim.claim, claim.statistic, claim.setup):
        assert text.endswith(".")
    if claim.kind == "exact":
        assert any("control" in part.name for part in claim.parts)


def test_a_broken_identity_is_found(monkeypatch):
    """With λ where 2λ belongs, the equivalence fails."""
    from experiments.claims import equivalence
    from experiments.claims.claim import Settings
    from experiments.data import load
    from experiments.paired.sample import source

    monkeypatch.setattr(equivalence, "DECAY", equivalence.STRENGTH)
    settings = Settings(source(load("mnist"), 4), (0, 1, 2))
    measured = equivalence.SGD.measure(settings)
    outcomes = [judge("exact", part, measured[part.name]) for part in equivalence.SGD.parts]
    assert [outcome.holds for outcome in outcomes] == [False, True]

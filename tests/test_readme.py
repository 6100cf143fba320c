"""Every block of the README runs, and prints what the README says it prints."""

from __future__ import annotations

import collections
import itertools
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from experiments import records
from experiments.benchmark.suites import gpu, large, models
from experiments.benchmark.suites import tune as searches
from experiments.benchmark.suites.main import TUTORIAL, WARM
from experiments.benchmark.timing import Timings
from experiments.combinations.describe import describe as describe_combinations
from experiments.combinations.penalties import PENALTIES
from experiments.combinations.results import results as combinations
from experiments.combinations.tables import by_penalty
from experiments.coupling.conclusions import conclude
from experiments.coupling.describe import describe
from experiments.coupling.results import results
from experiments.language import tables as tables_of_language
from experiments.language.describe import describe as describe_language
from experiments.language.results import results as programs
from experiments.path.describe import describe as describe_paths
from experiments.path.results import results as paths
from experiments.statistics.resample import estimate
from experiments.tune.describe import describe as describe_ways
from experiments.tune.results import results as ways
from experiments.tune.tables import rows as tune_rows
from tests.blocks import assert_same, blocks_of, make, run, run_console, run_python

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
BLOCKS = blocks_of(TEXT)
COMMANDS = [body for language, body in BLOCKS if language == "console"]
OF_SWEEP = {"PyTorch tutorial, one model": "28", "PyTorch, torch.func.vmap": "1.8"}
OF_PATH = {"scikit-learn lasso_path": "1.42", "celer": "0.80"}


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.splitlines()[0])
def test_command(block):
    run_console(block)


def test_shell_blocks_name_targets_that_exist():
    commands = [line for kind, body in BLOCKS if kind == "sh" for line in body.splitlines()]
    assert [command.split("#")[0].strip() for command in commands] == ["make mnist", "make test"]
    for command in commands:
        assert "python -m" in run(make(command, "--dry-run"))


def test_python_blocks_print_what_the_text_blocks_say():
    assert run_python(BLOCKS, "README.md") == 4


def test_it_is_read_in_a_few_minutes():
    assert len(TEXT.split()) < 1800


@pytest.mark.parametrize("text", [TEXT, CHINESE], ids=["en", "zh"])
def test_links_lead_somewhere(text):
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        assert (ROOT / link).exists(), link


def test_in_chinese_it_says_the_same():
    assert blocks_of(CHINESE) == BLOCKS
    rows, theirs = (
        [re.findall(r"`[^`]*`|\d[\d.,]*\d|[●○]", line) for line in text.splitlines()]
        for text in (TEXT, CHINESE)
    )
    for row, their_row in zip(rows, theirs, strict=True):
        assert collections.Counter(row) == collections.Counter(their_row)


def test_the_answer_of_the_study_is_the_one_that_its_records_give():
    folder = ROOT / "experiments" / "results" / "coupling"
    (summary,) = (r for r in records.read(folder) if r["event"] == "summary")
    regimes = conclude(results(records.read(folder)))
    assert describe(regimes, [])["answer"] == summary["answer"]
    which, a, b = (sentence for sentence in summary["answer"] if sentence)
    assert "none is shown to be better" in which
    assert ": tune ω" in a
    assert ": tune λ" in b
    for regime, answer in (("in A", a), ("in B", b)):
        costs = re.search(r"learning rate, (.) costs (.*) in log loss, (.) (.*)\.$", answer)
        kept, cost, other, its = costs.groups()
        said = rf"{regime} {kept} costs {cost}( in log loss)? and {other} {its}"
        assert re.search(said, TEXT), said


@pytest.mark.parametrize(
    ("suite", "place", "measure", "ours", "theirs"),
    [
        ("main", (), "epoch", WARM, {TUTORIAL: "16.6", "PyTorch tuned": "2.5"}),
        ("sweep", (), "epoch", "jaxreg sweep, SGD", OF_SWEEP),
        ("solve", ("dense, 2,000 × 5,000",), "seconds", "jaxreg path", OF_PATH),
        ("decay", ("times",), "ms", "optax.adamw", {"adam, decoupled_decay": "1.01"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ratios_of_times_are_those_of_the_records(suite, place, measure, ours, theirs):
    file = ROOT / "experiments" / "results" / f"benchmark_{suite}" / "results.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    for key in place:
        found = found[key]
    timings = Timings(found["samples"])
    (row,) = (line for line in TEXT.splitlines() if all(f" {n}" in line for n in theirs.values()))
    for peer, said in theirs.items():
        digits = len(said.partition(".")[2])
        assert f"{timings.ratio(measure, peer, ours).median:.{digits}f}" == said, row


def test_the_table_of_experiments_is_what_the_records_give():
    folder = ROOT / "experiments"
    table = (folder / "README.md").read_text(encoding="utf-8")
    study = records.read(folder / "results" / "coupling")
    (summary,) = (record for record in study if record["event"] == "summary")
    slopes = [s["measured"] for s in summary["statistics"] if s["name"] == "upper-edge slope"]
    assert len(slopes) == 10
    assert all(f"| {slope} |" in table for slope in slopes)
    claims = [r for r in records.read(folder / "results" / "claims") if r["event"] == "claim"]
    counts = collections.Counter(record["verdict"] for record in claims)
    undecided = f"{counts['undecided']} undecided"
    assert (
        f"{counts['holds']} of {len(claims)} hold, {counts['does not hold here']} do not hold "
        f"here, {undecided}: "
    ) in table
    assert (
        f"{counts['holds']} hold here, {counts['does not hold here']} do not, {undecided}" in TEXT
    )


def test_what_came_out_of_the_path_is_what_its_records_give():
    folder = ROOT / "experiments"
    found = records.read(folder / "results" / "path")
    summary = [record for record in found if record["event"] == "summary"][-1]
    text = (folder / "README.md").read_text(encoding="utf-8")
    quoted = [line[2:] for line in text.splitlines() if line.startswith("> ")]
    assert quoted == summary["answer"]
    assert describe_paths(paths(found), {})["answer"] == summary["answer"]


def test_what_came_out_of_the_language_model_is_what_its_records_give():
    folder = ROOT / "experiments"
    text = (folder / "README.md").read_text(encoding="utf-8")
    for name in ("language", "language_texts"):
        found = records.read(folder / "results" / name)
        summary = [record for record in found if record["event"] == "summary"][-1]
        content = describe_language(programs(found), {})
        assert content["answer"] == summary["answer"]
        assert content["carried"] == summary["carried"]
        for row in tables_of_language.claims(content):
            assert f"| {' | '.join(row)} |" in text
    assert content["answer"][-1] in text
    content = describe_language(programs(records.read(folder / "results" / "language")), {})
    for row in tables_of_language.carried(content):
        assert f"| {' | '.join(row)} |" in text
    (tuned,) = (r for r in content["programs"][0]["rows"] if r["learning_rate"] == 0.004)
    assert f"decay takes {tuned['gain']} off, to {tuned['tuned']} bits" in text
    for row in content["programs"][0]["rows"]:
        assert f"{row['shown']} at η = {row['learning_rate']:g}" in text
    assert next(line for line in content["answer"] if "learning rate kept" in line) in text


@pytest.mark.parametrize(("name", "quoted"), [("combinations", 4), ("combinations_full", 2)])
def test_what_came_out_of_combinations_is_what_their_records_give(name, quoted):
    folder = ROOT / "experiments"
    found = records.read(folder / "results" / name)
    text = (folder / "README.md").read_text(encoding="utf-8")
    content = describe_combinations(combinations(found), {})
    (summary,) = (record for record in found if record["event"] == "summary")
    assert summary["answer"] == content["answer"]
    assert sum(f"\n- {sentence}\n" in text for sentence in content["answer"]) == quoted
    for model in content["models"]:
        for penalty, cells in by_penalty(model).items():
            shown = [", ".join(filter(None, (c["shown"], c["word"]))) for c in cells.values()]
            assert f"| {PENALTIES[penalty].title} | {' | '.join(shown)} |\n" in text


def test_the_networks_beside_pytorch_are_what_their_records_give():
    folder = ROOT / "experiments" / "results" / "benchmark_models"
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    assert models.markdown(content) in text
    for model in models.RATES:
        timings = Timings(content[model]["samples"])
        spreads = [timings.spread("loss", name) for name in timings.samples]
        assert np.ptp([spread.median for spread in spreads]) < 0.02, model  # the same training


SEARCHES = ROOT / "experiments" / "results" / "benchmark_tune"


def test_searches_beside_scikit_learn_and_pytorch_are_what_their_record_gives():
    content = json.loads((SEARCHES / "results.json").read_text(encoding="utf-8"))
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    assert not content["quick"]
    assert searches.markdown(content) in text
    grid = Timings(content[searches.GRID]["samples"])
    losses = {name: grid.spread("loss", name).median for name in grid.samples}
    assert losses[searches.OURS] == pytest.approx(losses[searches.FAST], rel=1e-3)  # the same draws
    assert np.ptp([*losses.values()]) < 0.02  # the same work
    for name in content:
        if name.startswith(("ridge", "Lasso")):
            each = Timings(content[name]["samples"])
            chosen = [each.spread("strength", contender).median for contender in each.samples]
            assert np.ptp(np.log(chosen)) < 0.15  # a step of the grid at most


def test_how_far_it_goes_is_what_its_records_give():
    folder = ROOT / "experiments" / "results" / "benchmark_large"
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    assert large.markdown(content) in text
    rows = content["rows"]
    assert [{"event": "row", **row} for row in rows] == [
        {name: value for name, value in record.items() if name != "part"}
        for record in records.read(folder)
    ]
    for row in rows:
        assert row.get("late", 0) <= 1.01 * row.get("early", 0), row
        assert row.get("share", 1) == 1, row
        assert row.get("temporary", 0) < 0.01, row


def test_what_came_out_of_ways_to_choose_is_what_their_records_give():
    folder = ROOT / "experiments"
    found = records.read(folder / "results" / "tune")
    text = (folder / "README.md").read_text(encoding="utf-8")
    content = describe_ways(ways(found), {})
    assert all(f"\n- {sentence}\n" in text for sentence in content["answer"])
    for row in tune_rows(content):
        assert f"| {' | '.join(row)} |\n" in text
    (summary,) = (record for record in found if record["event"] == "summary")
    assert summary["answer"] == content["answer"]


def test_what_a_gpu_gave_is_what_its_records_give():
    table = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    samples = collections.defaultdict(list)
    for sample in records.read(ROOT / "experiments" / "results" / "benchmark_gpu"):
        samples[sample["contender"]].append(sample)
    timings = Timings(samples)
    peers = (TUTORIAL, gpu.EAGER, gpu.GRAPH)
    a, b, c = (timings.ratio("epoch", peer, WARM).median for peer in peers)
    seconds = timings.spread("epoch", WARM).median
    assert f"takes {seconds:.3f} s, 1/{a:.0f} of PyTorch's tutorial, 1/{b:.0f} of" in table
    assert f"1/{c:.1f} of that with its step as a CUDA graph" in table
    a, b, c = (timings.ratio("process", peer, WARM).median for peer in peers)
    assert f"the process 1/{a:.1f}, 1/{b:.1f} and 1/{c:.1f}." in table
    vmapped = timings.ratio("epoch", gpu.VMAP, gpu.SWEEP).median
    assert f"64 trainings at once take 1/{vmapped:.0f} of `torch.func.vmap`" in table


def test_the_accuracies_of_networks_are_what_their_records_give():
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    runs = collections.defaultdict(list)
    for record in records.read(ROOT / "experiments" / "results" / "models"):
        settings = record["settings"]
        assert (settings["optimizer"], settings["schedule"]) == ("adam", "cosine")
        assert (settings["strength"], settings["coupling"]) == (5e-5, "loss")
        runs[tuple(v for name, v in settings.items() if name != "seed")].append(record)
    rows = re.findall(r"^\| `--model (\w+) (.*)` \| (.* ± .*) \|$", text, re.MULTILINE)
    assert len(rows) == len(runs) == 8
    for (model, given, shown), same in zip(rows, runs.values(), strict=True):
        settings = same[0]["settings"]
        options = shlex.split(given)
        for option, value in zip(options[::2], options[1::2], strict=True):
            assert str(settings[option[2:].replace("-", "_")]) == value
        assert settings["model"] == model
        accuracies = 100 * np.array([record["accuracy"] for record in same])
        assert estimate(lambda seeds, a=accuracies: a[seeds].mean(), len(same)).show() == shown


def test_what_the_guide_for_contributors_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:[\w.]+/)*(?:\w+\.py|\w+/))`", text)
    assert len(named) >= 40
    # a file beside one that was named, or whose place the sentence gives, stands without folder
    paths = itertools.chain(ROOT.glob("*/**/*.py"), ROOT.glob("docs/**/*.md"))
    files = [path.relative_to(ROOT) for path in paths if ".venv" not in path.parts]
    inner = {"/".join(path.parts[-n:]) for path in files for n in range(1, len(path.parts) + 1)}
    folders = {
        f"{'/'.join(parent.parts[-n:])}/"
        for path in files
        for parent in path.parents
        for n in range(1, len(parent.parts) + 1)
    }
    assert set(named) <= inner | folders


def test_no_other_kind_of_block_escapes():
    assert {language for language, _ in BLOCKS} <= {"python", "console", "sh", "text"}


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("Accuracy: 91.40%", "Accuracy: 90.40%"), ("in loss = x", "in loss ≠ x"), ("a\nb", "a")],
)
def test_a_difference_is_seen(printed, expected):
    with pytest.raises(AssertionError):
        assert_same(printed, expected)

"""What the suite `large` measures, on a small scale; and what it says of memory."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmark.large import PARTS, memory, print_part, sharded, trees
from experiments.benchmark.suites import large
from jaxreg import grid, solve, sweep

KERNELS = 3, (512, 400)  # so large that XLA writes no copies, as it may for tiny ones


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(trees, "shapes", lambda quick: KERNELS)


def test_what_is_held_in_the_course_of_something_is_compared_early_and_late():
    course = memory.Course()
    for i in range(101):
        course.add(i / 100, 10**6 * (500 if i == 50 else 100 + i))
    assert course.row() == {"early": 140.0, "late": 200.0, "peak": 500.0}


def test_a_call_is_said_to_hold_what_it_holds():
    kept = []
    seconds, more = memory.timed(lambda: kept.append(np.ones(30_000_000, np.float32)))
    assert seconds > 0
    assert 110e6 < more < 200e6
    assert memory.resident() > 110e6
    assert memory.highest() > 110e6


def test_trees_are_not_copied(few):
    """Neither temporaries nor, in place, results."""
    rows = {row["what"]: row for row in trees.parameters(quick=True)}
    assert len(rows) == 6
    programs = [row for what, row in rows.items() if "audit" not in what]
    assert all(row["temporary"] < 0.01 for row in programs)


def test_over_eight_devices_each_holds_its_share(few):
    rows = list(sharded.programs(quick=True))
    assert len(rows) == 5
    for row in rows:
        copies = 2 if "SGD" in row["what"] else 1  # of the parameters: the gradients are given
        assert row["arguments"] == pytest.approx(copies, abs=1e-3), row
        assert row["share"] == 1
        assert row["temporary"] < 0.01
        assert not row["all-gather"] + row["all-to-all"] + row["collective-permute"]
        assert row["all-reduce"] == ("value" in row["what"])


def test_a_solution_is_found_without_gathering_it():
    described = sharded.layout(1, (64, 40))
    program = trees.compiled(lambda w: solve(trees.distance, trees.PENALTY, w).params, described)
    row = sharded.row("solve", program, described)
    assert not row["all-gather"] + row["all-to-all"] + row["collective-permute"]
    found = program(jax.tree.map(sharded.filled, described))
    assert sharded.shares(found) == {"share": 1}
    size, l2, l1 = 64 * 40, 1e-4, 1e-5  # of ½·Σ(w − 1)²/size + l2·Σw² + l1·Σ|w|
    wanted = (1 / size - l1) / (1 / size + 2 * l2)
    np.testing.assert_allclose(found["layer0"]["kernel"], wanted, rtol=1e-4)


def test_a_gather_is_counted():
    described = sharded.layout(*KERNELS)
    whole = jax.jit(lambda tree: jax.tree.map(jnp.sort, tree["layer0"]["kernel"].T))
    row = sharded.row("sorted columns", whole.lower(described).compile(), described)
    assert row["all-gather"] + row["all-to-all"] > 0


def test_a_sweep_leaves_nothing_behind_in_its_course():
    alive = []

    def train(point, x):
        return point["strength"] * jnp.sum(x)

    def look(rows, results):
        alive.append(len(jax.live_arrays()))

    points = grid(strength=np.linspace(0, 1, 2000))
    sweep(train, points, jnp.ones(3), per_device=1, chunk=20, keep=False, on_chunk=look)
    assert len(alive) >= 100
    assert alive[-1] == alive[2]


def test_every_part_is_a_function_whose_rows_are_printed(capsys):
    assert {name for parts in PARTS.values() for name in parts} == {
        *("sweep", "epochs", "leaves", "parameters", "programs", "solutions")
    }
    print_part("trainings", "sweep", quick=True)
    row = json.loads(capsys.readouterr().out)
    assert (row["what"], row["size"], row["chunks"]) == ("runs of a sweep", "400", 50)
    assert "print_part('trainings', 'sweep', True)" in large.PROGRAM.format(
        "trainings", "sweep", True
    )


SHOWN = {
    "a course": (
        {"seconds": 3.0, "early": 500.2, "late": 501.0, "peak": 612.0},
        ["3 s", "612 MB at most", "500 → 501 MB"],
    ),
    "a leaf": ({"seconds": 0.2, "held": 33.4}, ["0 s", "33 MB", ""]),
    "a program": (
        {"seconds": 0.2, "held": 33.4, "times": 1.004, "temporary": 0.0001},
        ["0 s", "1.00 × the parameters beside them", ""],
    ),
    "devices": (
        {
            "seconds": 0.2,
            "arguments": 1.0,
            "temporary": 0.25,
            "share": 1.0,
            "all-gather": 1,
            "all-to-all": 0,
            "collective-permute": 2,
            "all-reduce": 3,
        },
        ["0 s", "0.25 of a share beside it", "1.00 of a share in, 1.00 out; 3 gathers, 3 sums"],
    ),
}


@pytest.mark.parametrize(("row", "expected"), SHOWN.values(), ids=SHOWN)
def test_a_row_is_shown_by_what_it_measured(row, expected):
    assert large.cells({"what": "it", "size": "much", **row}) == ["it", "much", *expected]
    text = large.markdown({"rows": [{"what": "it", "size": "much", **row}]})
    assert text.splitlines()[2] == f"| it | much | {' | '.join(expected)} |"

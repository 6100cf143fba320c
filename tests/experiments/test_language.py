"""The language model: its laws, a training by hand and on several devices, what a study finds in
records whose answer is known, and the command, stopped and gone on with."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import study, training
from experiments.language import __main__ as language
from experiments.language import findings, tables, text
from experiments.language.comparison import compared
from experiments.language.conduct import Run, points
from experiments.language.config import LanguageConfig, Setup, planned, resolved
from experiments.language.describe import describe
from experiments.language.results import results
from experiments.language.sharding import layout
from experiments.language.trainings import LanguageTrainings, drawn_by, network_of, optimizer
from experiments.records import read
from jaxreg import weights
from tests.experiments import synthetic_language as synthetic

SETUP = Setup(width=6, depth=1, heads=2, context=4, batch_size=4, examples=90, epochs=2.0)
FABLE = (
    "A fox saw grapes. They hung high. It jumped, and jumped again, and left: sour, it said. " * 9
)
SOURCE = text.source("fable", FABLE)
SEEDS = (3, 4)


@functools.cache
def model() -> tuple[Any, Any]:
    """A network and its parameters."""
    network = network_of(SETUP, len(SOURCE.alphabet))
    init = jax.jit(lambda: network.init(jax.random.key(0), LINES))
    return network, init()["params"]


# --- the model ---

LINES = np.array([[1, 2, 3, 4], [9, 2, 3, 4], [1, 9, 3, 4], [1, 2, 9, 4], [1, 2, 3, 9]])
"""One, and those that have another character at one of its places."""


@functools.cache
def logits() -> Any:
    """Of parameters and lines."""
    network, _ = model()
    return jax.jit(lambda params, lines: network.apply({"params": params}, lines))


def test_no_logit_depends_on_a_later_character():
    _, params = model()
    line, *others = np.asarray(logits()(params, LINES))
    for place, other in enumerate(others):
        changed = np.abs(other - line).max(-1)
        assert (changed[:place] == 0).all()
        assert (changed[place:] > 0).all()


def test_a_shorter_text_has_the_logits_that_it_has_as_a_beginning():
    _, params = model()
    beginning, whole = (logits()(params, lines) for lines in (LINES[:, :2], LINES))
    np.testing.assert_allclose(beginning, whole[:, :2], atol=1e-6)


def test_with_an_output_of_zeros_all_characters_are_as_likely():
    _, params = model()
    silent = params | {"output": jax.tree.map(np.zeros_like, params["output"])}
    losses = training.cross_entropy(logits()(silent, LINES), LINES)
    np.testing.assert_allclose(losses, math.log(len(SOURCE.alphabet)), rtol=1e-6)


def test_bfloat16_computes_near_and_keeps_its_parameters():
    _, params = model()
    network = network_of(dataclasses.replace(SETUP, dtype="bfloat16"), len(SOURCE.alphabet))
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), LINES))["params"]
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {np.dtype(np.float32)}
    found = jax.jit(lambda params: network.apply({"params": params}, LINES))(params)
    assert found.dtype == jnp.bfloat16
    wide, exact = np.float32(found), logits()(params, LINES)
    assert 0 < np.abs(wide - exact).max() < 0.05 * np.abs(exact).max()


def test_kernels_and_tables_are_weights_and_nothing_else_is():
    _, params = model()
    layers = [*(f"attention/{name}" for name in ("query", "key", "value", "out")), "fc1", "fc2"]
    dense = [*(f"block1/{layer}" for layer in layers), "output"]
    norms = ["block1/norm1", "block1/norm2", "norm"]
    expected = {f"{layer}/{leaf}": leaf == "kernel" for layer in dense for leaf in KERNEL}
    expected |= {f"{norm}/{leaf}": False for norm in norms for leaf in ("scale", "bias")}
    expected |= {"embedding/embedding": True, "positions": True}
    found = jax.tree_util.tree_leaves_with_path(weights.mask(params))
    assert {"/".join(str(k.key) for k in path): on for path, on in found} == expected


KERNEL = ("kernel", "bias")

# --- trainings ---


@functools.cache
def trained(shards: int = 1) -> tuple[LanguageTrainings, Any]:
    """Two points, of two seeds."""
    trainings = LanguageTrainings(SETUP, SOURCE, SEEDS, layout(jax.devices(), shards))
    runs = [Run(0.03, 0.02, SEEDS[1]), Run(0.01, 0.3, SEEDS[0])]
    return trainings, trainings.run(points(runs, SEEDS), per_device=1).results


def by_hand(trainings: LanguageTrainings, learning_rate: float, decay: float, seed: int) -> Any:
    """One batch after the other by `optax.adamw`, whose decay is λ = ω/η, on matrices alone."""
    own = drawn_by(seed, trainings.sample)
    network, params = trainings.network, own.params
    schedule = optax.cosine_decay_schedule(learning_rate, SETUP.steps)
    mask = jax.tree.map(lambda leaf: leaf.ndim > 1, params)
    tx = optax.adamw(schedule, weight_decay=decay / learning_rate, mask=mask)
    state = tx.init(params)

    def loss(params: Any, line: Any, following: Any) -> jax.Array:
        logits = jax.nn.log_softmax(network.apply({"params": params}, line))
        return -jnp.take_along_axis(logits, following[..., None], -1).mean()

    @jax.jit
    def step(params: Any, state: Any, line: Any, following: Any) -> Any:
        updates, state = tx.update(jax.grad(loss)(params, line, following), state, params)
        return optax.apply_updates(params, updates), state

    for batch in own.batches:
        params, state = step(params, state, own.train.images[batch], own.train.labels[batch])
    return [float(loss(params, *part)) for part in (own.validation, own.test)]


def test_a_training_is_adamw_of_optax_on_the_matrices():
    trainings, found = trained()
    for place, (learning_rate, decay, seed) in enumerate(((0.03, 0.02, 1), (0.01, 0.3, 0))):
        expected = by_hand(trainings, learning_rate, decay, seed)
        names = "validation_loss", "test_loss"
        assert [found[name][place] for name in names] == pytest.approx(expected, rel=2e-4)


def test_with_the_rate_over_the_learning_rate_the_other_form_is_the_same():
    _, params = model()
    grads = jax.tree.map(jnp.sin, params)
    updates = []
    for form, rate in (("independent", 0.02), ("decoupled", 0.02 / 0.03)):
        tx = optimizer(SETUP, {"learning_rate": 0.03, "rate": rate}, form)
        state, moved = tx.init(params), params
        for _ in range(2):
            update, state = jax.jit(tx.update)(grads, state, moved)
            moved = optax.apply_updates(moved, update)
        updates.append(moved)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), *updates)


def test_on_four_devices_that_share_it_a_training_is_the_same():
    trainings, found = trained(4)
    assert trainings.layout.mesh is not None
    assert trainings.layout.mesh.shape == {"run": 2, "shard": 4}
    _, alone = trained()
    for name in alone:
        np.testing.assert_allclose(found[name], alone[name], rtol=1e-5)


def test_each_device_keeps_its_part_of_every_parameter():
    """Also of those whose first axis the devices do not divide."""
    places = layout(jax.devices()[:4], 4)
    _, params = model()
    mesh, spec = places.mesh, jax.sharding.PartitionSpec("shard")

    def local(params: Any) -> Any:
        parts = places.split(params)
        return parts, jax.tree.map(lambda leaf: leaf[None], places.whole(parts, params))

    split = jax.shard_map(
        local, mesh=mesh, in_specs=jax.sharding.PartitionSpec(), out_specs=spec, check_vma=False
    )
    parts, whole = jax.jit(split)(params)
    for leaf, part, each in zip(*map(jax.tree.leaves, (params, parts, whole)), strict=True):
        assert part.shape[0] == -(-leaf.shape[0] // 4) * 4
        assert part.addressable_data(0).shape[0] == part.shape[0] // 4
        for copy in each:
            np.testing.assert_array_equal(copy, leaf)


# --- findings, of records whose answer is known ---


def found_in(law: Any) -> Any:
    return compared(results(synthetic.records(law)))


def costs(found: Any) -> dict[tuple[str, float, int, str], Any]:
    """By what is changed and what is kept."""
    return {
        (kept, c.row.learning_rate, c.row.results.setup.examples, c.row.results.setup.width): c
        for c in found.carried
        for kept in (c.kept, *c.also)
    }


def test_a_number_that_is_the_right_one_everywhere_can_be_kept():
    keys = {
        synthetic.of_published: ("rate", 0.016, 513, 32),
        synthetic.of_torch: ("strength", 0.016, 513, 32),
        synthetic.of_time_scale: ("time", 0.004, 1025, 32),
    }
    for law, key in keys.items():
        found = costs(found_in(law))[key]
        assert found.cost.value == pytest.approx(0, abs=1e-9)
        assert found.verdict is True


def test_the_wrong_number_costs_what_the_parabola_says():
    keys = {
        synthetic.of_published: (("strength", 0.016, 513, 32), 4.0),
        synthetic.of_torch: (("rate", 0.001, 513, 32), 4.0),
        synthetic.of_time_scale: (("rate", 0.004, 257, 32), 2.0),
        synthetic.of_width: (("rate", 0.004, 513, 16), 8.0),
    }
    for law, (key, factor) in keys.items():
        found = costs(found_in(law))[key]
        expected = synthetic.BEND * math.log(factor) ** 2
        assert found.cost.value == pytest.approx(expected)
        assert found.verdict is (expected < findings.TOLERANCE)
        assert found.cost.jackknife == pytest.approx((expected, expected), abs=1e-6)


def test_slopes_of_the_time_scale_are_those_of_the_laws():
    expected = {
        synthetic.of_published: (0.0, -1.0),
        synthetic.of_torch: (-1.0, -1.0),
        synthetic.of_time_scale: (0.0, 0.0),
    }
    for law, slopes in expected.items():
        found = found_in(law)
        both = found.over_learning_rates, found.over_text
        assert [each.value for each in both] == pytest.approx(slopes, abs=5e-3)
        assert [findings.constant(each) for each in both] == [each == 0 for each in slopes]


def test_which_number_is_the_better_one_to_keep_is_told_by_its_cost():
    signs = {
        synthetic.of_published: (1, -1),
        synthetic.of_torch: (-1, -1),
        synthetic.of_time_scale: (1, 1),
    }
    for law, expected in signs.items():
        found = found_in(law)
        values = [each.value for each in (found.by_rate, found.by_time)]
        assert [np.sign(round(value, 9)) for value in values] == list(expected)


def test_what_decay_takes_off_is_told_in_bits():
    base = found_in(synthetic.of_published).base
    away = math.log(synthetic.BASE / synthetic.RATES[1])
    assert findings.gain(base).value == pytest.approx(synthetic.BEND * away**2 + 0.01)
    assert findings.rate(base) == synthetic.BASE
    assert findings.between(base) is True  # 2⁸ updates are 16 of 30 epochs


def test_the_best_at_the_rim_has_no_time_scale_and_its_sentences_say_so():
    found = results(synthetic.records(lambda *_: 1.0))
    content = describe(found, {})
    assert {row["shown"] for program in content["programs"] for row in program["rows"]} == {
        "not identified"
    }
    assert "is undecided" in content["answer"][-1]


def test_a_number_between_two_decays_is_priced_between_them_and_beyond_them_not():
    losses = np.array([[9.0], [1.0], [3.0], [4.0]])
    rates = (0.0, 0.1, 0.4, 1.6)
    assert findings.at(losses, rates, 0.2) == pytest.approx([2.0])
    assert findings.at(losses, rates, 0.4) == pytest.approx([3.0])
    assert findings.at(losses, rates, 0.0) == pytest.approx([9.0])
    assert np.isnan(findings.at(losses, rates, 0.05)).all()
    assert np.isnan(findings.at(losses, rates, 3.2)).all()


def test_the_document_has_the_costs_and_the_verdicts():
    content = describe(results(synthetic.records(synthetic.of_time_scale)), {"command": "python"})
    written = tables.markdown(content)
    assert "| text × 2 | τ | 0.00195 | 0.000 ± 0.000 | can be kept |" in written
    assert "| text × 2 | ω = λ | 0.00391 | 0.024 ± 0.000 | has to be re-tuned |" in written
    assert "| the best τ is the same number of epochs for every text |" in written


# --- the text ---


def test_a_text_is_split_at_fixed_places_and_every_character_predicted_once():
    parts = [SOURCE.train, SOURCE.validation, SOURCE.test]
    assert "".join(SOURCE.alphabet[i] for part in parts for i in part) == FABLE
    assert [len(part) for part in parts] == [int(0.8 * len(FABLE)), *np.diff(
        [int(0.8 * len(FABLE)), int(0.9 * len(FABLE)), len(FABLE)])]  # fmt: skip
    both = text.windows(np.arange(23), 5)
    assert both[:, 1:].ravel().tolist() == list(range(1, 21))


def test_the_text_that_is_always_there_is_the_help_of_python():
    found = text.load("pydoc")
    assert found.size > 300_000
    assert "lambda" in text.standard()


# --- the command ---

OPTIONS: dict[str, Any] = {
    "learning_rates": (0.03, 0.1),
    "rates": (0.0, 0.05, 0.2),
    "widths": (4,),
    "examples": (200, 100),
    "depth": 1,
    "heads": 2,
    "context": 4,
    "batch_size": 4,
    "epochs": 2.0,
    "seeds": 3,
}
TINY = LanguageConfig(**OPTIONS)
AS_FUNCTION = (language.COMMAND, language.main, LanguageConfig)


def runs(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read(folder) if record["event"] == "run"]


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

    monkeypatch.setattr(study, "progress", interrupting)


def test_a_study_that_is_stopped_goes_on_and_is_the_one_that_was_not(
    tmp_path, capsys, settings_of_jax, stopped_on_the_way, monkeypatch
):
    name, folder, whole = tmp_path / "fable.txt", tmp_path / "study", tmp_path / "whole"
    name.write_text(FABLE, encoding="utf-8")
    tiny = dataclasses.replace(TINY, text=str(name))
    monkeypatch.setenv("JAXREG_CACHE_DIR", str(tmp_path / "programs"))
    with pytest.raises(SystemExit) as leaving:
        language.main(dataclasses.replace(tiny, output=folder))
    assert leaving.value.code == 130
    assert f"Go on: python -m experiments.language --resume {folder}" in capsys.readouterr().out
    assert 0 < len(runs(folder)) < 27
    monkeypatch.undo()
    monkeypatch.setenv("JAXREG_CACHE_DIR", str(tmp_path / "programs"))
    language.main(LanguageConfig(resume=folder))
    printed = capsys.readouterr().out
    for line in ("What will be trained", "About", "width-4-text-100: 9 trainings", "can be kept"):
        assert line in printed
    assert {file.name for file in folder.iterdir()} == set(language.FILES)
    language.main(dataclasses.replace(tiny, output=whole))
    assert runs(folder) == runs(whole)
    assert len({(r["part"], r["learning_rate"], r["rate"], r["seed"]) for r in runs(whole)}) == 27
    drawn_anew_it_is_the_same(folder)


def drawn_anew_it_is_the_same(folder: Path) -> None:
    records, page = read(folder), (folder / "report.html").read_bytes()
    (folder / "language.md").unlink()
    language.main(LanguageConfig(resume=folder))
    assert read(folder) == records
    assert (folder / "report.html").read_bytes() == page
    assert (folder / "language.md").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quick", "--full"], "Error: --full: expected it without --quick"),
        (
            ["--text", "/no/such.txt"],
            "--text /no/such.txt: expected pydoc or a file that can be read, got",
        ),
        (["--text", "{bytes}"], "expected text in UTF-8, but its bytes are none"),
        (["--text", "{short}"], "--context: expected less than the 2 characters of --text"),
        (["--text", "{empty}"], "expected a text to split in three parts, got 0 characters"),
        (["--examples", "64", "--context", "32"], "expected at least 257 characters"),
        (["--examples", "1000000000"], "--examples: expected at most"),
        (["--context", "60000"], "--context: expected less than the"),
        (["--heads", "3"], "--heads: expected a number that divides the width 32, got 3; take 1"),
        (["--widths", "12", "15"], "--heads: expected a number that divides the width 15, got 2"),
        (["--widths", "0"], "--widths: expected at least 1, got 0"),
        (["--dtype", "float16"], "invalid choice"),
        (["--learning-rates", "-0.1"], "--learning-rates: expected > 0, got -0.1"),
        (["--learning-rates", "0.1", "0.1"], "--learning-rates: expected each once, got 0.1 twice"),
        (["--rates", "0", "0.1", "-1"], "--rates: expected a number from 0 to below 1, got -1"),
        (["--rates", "0", "0.1"], "--rates: expected at least three in ascending order, got 0 0.1"),
        (["--rates", "0.3", "0.2", "0.1"], "expected at least three in ascending order"),
        (["--seeds", "0"], "--seeds: expected at least 1, got 0"),
        (["--epochs", "nan"], "--epochs: expected more than 0, got nan"),
        (["--shard", "3"], "--shard: expected a number that divides the 8 windows of a batch"),
        (["--shard", "4", "--devices", "6"], "--shard: expected a number that divides the 6 devi"),
        (["--devices", "9"], "--devices: expected at most the 8 of cpu"),
        (["--lr", "0.1"], "Error: --lr: expected an option that there is"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(options, message, refused, tmp_path):
    files = {"bytes": b"\xff\xfe\x80", "short": b"a text of 19 letters", "empty": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    given = [option.format(**{name: tmp_path / name for name in files}) for option in options]
    assert message in "".join(refused(*AS_FUNCTION, *given, "--output", "/nonexistent/folder"))


def test_a_text_of_ones_own_is_learnt_as_far_as_it_goes():
    parts = planned(resolved(LanguageConfig()), 5000, 600)
    assert [part.id for part in parts] == [
        *("width-32-text-2500", "width-16-text-2500", "width-32-text-1250", "width-32-text-5000")
    ]
    assert [len(part.learning_rates) for part in parts] == [3, 3, 1, 1]

"""The page in a real browser, with a study that nobody trained."""

from __future__ import annotations

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from experiments.coupling import heat_maps
from experiments.coupling.page import sections
from experiments.coupling.page.scale import colour_range
from experiments.coupling.page.write import with_own_labels, write
from experiments.page.document import embedded, plain
from tests.experiments import synthetic_study
from tests.experiments.browser import (
    HOSTILE,
    LOADS,
    Reader,
    complaints,
    contrast,
    luminance,
    requests,
)

RESTART = """(document.querySelector("input[value=strength]").checked = true,
    document.activeElement.blur(), hover(null), scrollTo(0, 0),
    PAGE.regimes.forEach((regime) => regime.start("strength")))"""


def hostile() -> dict[str, Any]:
    """The study, with texts that want to be markup."""
    study = synthetic_study.study()
    study["title"] += HOSTILE
    study["regimes"][0]["title"] += HOSTILE
    study["regimes"][0]["panels"][0]["labels"]["strength"] += HOSTILE
    study["regimes"][0]["statistics"][0]["detail"] = HOSTILE + "\u2028"
    study["regimes"][1]["panels"][0]["cells"][0][0]["loss"] = math.nan
    return study


STUDY = hostile()
A, B = (regime["panels"] for regime in STUDY["regimes"])


# --- words, tables, picture ---


def test_no_text_ends_the_element_that_holds_the_data():
    text = embedded({"title": HOSTILE, "losses": [math.nan, math.inf, 0.1234567]})
    assert "<" not in text
    assert json.loads(text) == {"title": HOSTILE, "losses": [None, None, 0.12346]}


def test_whole_numbers_and_truths_stay_what_they_are():
    assert plain({"a": (1, True, None, "x")}) == {"a": [1, True, None, "x"]}


def test_the_colours_span_a_factor_of_three_at_most():
    losses = [c["loss"] for panel in B for row in panel["cells"] for c in row if c]
    low, high = colour_range(STUDY["regimes"][1])
    assert low == np.nanmin(np.array(losses, float))
    assert high == 3 * low
    assert colour_range({"panels": []}) == (1.0, 3.0)


def test_statistics_name_heat_maps_as_their_axis_does():
    regime = synthetic_study.study()["regimes"][0]
    assert sections.panel_label(regime, "a-sgd", "ω") == "SGDW as published"
    assert sections.panel_label(regime, "a-l2", "ω") == "Adam"
    assert sections.panel_label(regime, "all", "λ") == "all"


def test_heat_maps_with_one_label_are_called_by_their_titles():
    labels = {"strength": "AdamW", "rate": None}
    panels = [{"title": title, "labels": labels} for title in ("small", "large")]
    panels.append({"title": "other", "labels": {"strength": None, "rate": "SGDW"}})
    apart = with_own_labels({"panels": panels})["panels"]
    assert [panel["labels"]["strength"] for panel in apart] == ["small", "large", None]
    assert [panel["labels"]["rate"] for panel in apart] == [None, None, "SGDW"]


def test_the_picture_shows_one_map_without_and_one_with_adam(tmp_path: Path):
    assert [panel["id"] for panel in heat_maps.shown(STUDY["regimes"][0])] == ["a-sgd", "a-adam"]
    heat_maps.heat_maps(STUDY, tmp_path / "heatmaps.png")
    with Image.open(tmp_path / "heatmaps.png") as image:
        assert image.width == 1800
        colours = len(set(image.convert("RGB").reduce(4).get_flattened_data()))
    assert colours > 100


# --- in the browser ---


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write(STUDY, path)
    return path


class StudyReader(Reader):
    """What a person does with the page of a study."""

    def map(self, regime: int, panel: int) -> WebElement:
        host = self.find(".regime", regime)
        return host.find_elements(By.CSS_SELECTOR, ".map")[panel]

    def cell(self, regime: int, panel: int, row: int, column: int) -> WebElement:
        place = f'[data-row="{row}"][data-column="{column}"]'
        return self.map(regime, panel).find_element(By.CSS_SELECTOR, place)

    def point_at(self, cell: WebElement) -> str:
        self.run("arguments[0].scrollIntoView({block: 'center'})", cell)
        ActionChains(self.browser).move_to_element(cell).perform()
        return self.find("#tip").text

    def turn(self, axis: str) -> None:
        self.run(f"document.querySelector('input[value={axis}]').click()")

    def middles(self, regime: int, panel: int, turning: str | None = None) -> np.ndarray:
        """Pixels from the left, rows × columns; at once after ``turning`` to an axis."""
        script = """(arguments[1] && document.querySelector(arguments[1]).click(),
            Array.from(arguments[0].querySelectorAll('.row'), (row) =>
            Array.from(row.querySelectorAll('.cell > rect'), (rect) => {
              const box = rect.getBoundingClientRect();
              return box.x + box.width / 2;
            })))"""
        switch = turning and f"input[value={turning}]"
        return np.array(self.run(script, self.map(regime, panel), switch))

    def curve(self, regime: int, chart: int) -> list[float]:
        """What the chart of the selected training shows."""
        plots = self.find(".regime", regime).find_elements(By.CSS_SELECTOR, ".chosen .plot")
        return self.run("Array.from(arguments[0].data.at(-1).y)", plots[chart])


@pytest.fixture(scope="module")
def opened(browser: webdriver.Chrome, page: Path) -> StudyReader:
    reader = StudyReader(browser)
    reader.open(page)
    return reader


@pytest.fixture
def reader(opened: StudyReader, page: Path) -> StudyReader:
    """The page on a laptop as it is when it opens; loading it takes longer than most tests."""
    if opened.browser.current_url != page.as_uri() or opened.run("innerWidth") != 1366:
        opened.open(page)
    else:
        opened.see()
        opened.browser.get_log("browser")
        opened.run(RESTART)
    return opened


def test_nothing_complains_and_nothing_leaves(opened: StudyReader, page: Path):
    reader = opened
    reader.open(page)
    reader.turn("rate")
    reader.point_at(reader.cell(1, 1, 2, 2))
    reader.cell(1, 1, 2, 2).click()
    assert complaints(reader) == []
    assert requests(reader) == {page.as_uri()}
    assert reader.run("performance.getEntriesByType('resource').length") == 0
    assert page.stat().st_size < 7e6
    assert not re.search(LOADS, page.read_text(encoding="utf-8"))


def test_the_words_are_as_given_the_answer_first_and_large(reader: StudyReader):
    assert reader.browser.title == STUDY["title"]
    assert reader.run("document.querySelectorAll('h1 b, .regime > h2 b, .map b, td b').length") == 0
    assert "<b>bold</b>" in reader.find("h1").text
    assert "<b>bold</b>" in reader.map(0, 0).text
    sentences = reader.browser.find_elements(By.CSS_SELECTOR, ".answer")
    assert [s.text for s in sentences] == STUDY["answer"]
    assert float(sentences[1].value_of_css_property("font-size")[:-2]) > 19
    assert sentences[2].rect["y"] < 400


def test_charts_and_cells_have_names(reader: StudyReader):
    unnamed = ":is([role=img], [role=button], [role=group], select):not([aria-label])"
    assert reader.run("document.querySelectorAll(arguments[0]).length", unnamed) == 0
    assert reader.run("document.documentElement.lang") == "en"
    said = reader.cell(1, 0, 0, 4).get_attribute("aria-label") or ""
    assert said.startswith("η 0.125, λ 0.008, ω 0.002, D 4, validation loss ")


def test_pointing_at_a_cell_shows_its_numbers(reader: StudyReader):
    said = reader.point_at(reader.cell(0, 0, 2, 3))
    cell = A[0]["cells"][2][3]
    loss, error = cell["loss"], 100 * cell["test_error"]
    for text in (
        *("η\n6.4", "ω\n0.004", "λ\n3.13·10⁻⁴", "D\n8", "diverged\n0 of 5 seeds"),
        f"{loss:.4f} ± {loss * cell['spread']:.4f}",
        f"{error:.2f} ± 0.30 %",
    ):
        assert text in said
    assert "not trained" in reader.point_at(reader.cell(0, 0, 0, 0))
    assert "2 of 5 seeds" in reader.point_at(reader.cell(0, 0, 4, 9))
    ActionChains(reader.browser).move_to_element(reader.find("h1")).perform()
    assert not reader.find("#tip").is_displayed()


@pytest.mark.parametrize("regime", [0, 1])
def test_the_switch_moves_every_cell_to_where_its_decay_lies(reader: StudyReader, regime: int):
    for place, panel in enumerate(STUDY["regimes"][regime]["panels"][:2]):
        scales = []
        for axis in ("strength", "rate"):
            reader.turn(axis)
            lies = np.log10(np.array(panel[axis], float)).ravel()
            seen = reader.middles(regime, place).ravel()
            scale, start = np.polyfit(lies, seen, 1)
            np.testing.assert_allclose(seen, scale * lies + start, atol=0.5)
            scales.append(scale)
            assert panel["labels"][axis] in reader.map(regime, place).text
        assert scales[0] == pytest.approx(scales[1], rel=1e-3)


def test_cells_slide_and_arrive_where_they_would_have_jumped(reader: StudyReader):
    reader.turn("rate")
    there = reader.middles(1, 0)
    reader.turn("strength")
    reader.see(motion="no-preference")
    assert not np.allclose(reader.middles(1, 0, turning="rate"), there, atol=1)
    WebDriverWait(reader.browser, 5).until(
        lambda _: np.allclose(reader.middles(1, 0), there, atol=0.1)
    )


def test_a_form_without_an_axis_says_so_in_its_place(reader: StudyReader):
    assert not reader.map(0, 2).find_element(By.CSS_SELECTOR, ".absent").is_displayed()
    reader.turn("rate")
    assert "it has no ω" in reader.map(0, 2).text
    assert not reader.map(0, 2).find_element(By.TAG_NAME, "svg").is_displayed()


def test_selecting_a_cell_shows_its_curves_and_weights(reader: StudyReader):
    best = A[0]["best"]
    assert reader.curve(0, 0) == pytest.approx(
        A[0]["cells"][best[0]][best[1]]["curves"]["loss"], rel=1e-4
    )
    cell = reader.cell(0, 1, 3, 2)
    reader.point_at(cell)
    cell.click()
    chosen = A[1]["cells"][3][2]
    norm = np.array(chosen["curves"]["norm"])
    expected = [
        *(chosen["curves"]["loss"], A[1]["strength"][3][2] * norm**2, norm),
        *(A[1]["learning_rates"][3] / norm, 100 * np.array(chosen["curves"]["sparsity"])),
        100 * np.array(chosen["histogram"]) / sum(chosen["histogram"]),
    ]
    for chart, values in enumerate(expected):
        assert reader.curve(0, chart) == pytest.approx(list(values), rel=1e-3)
    assert f"η {A[1]['learning_rates'][3]:.3g}" in reader.find(".numbers").text
    assert len(reader.browser.find_elements(By.CSS_SELECTOR, ".selected rect")) == 4  # two regimes


def test_a_diverged_cell_can_be_selected(reader: StudyReader):
    reader.point_at(reader.cell(0, 0, 4, 9))
    reader.cell(0, 0, 4, 9).click()
    assert "diverged 2 of 5 seeds" in reader.find(".numbers").text
    assert reader.curve(0, 0)[2:4] == [4e30, None]
    assert complaints(reader) == []


def test_the_keyboard_turns_moves_and_selects(reader: StudyReader):
    reader.run("document.querySelector('input[value=strength]').focus()")
    reader.press(Keys.ARROW_RIGHT)
    assert "SGDW as published" in reader.map(0, 0).text
    row, column = A[0]["best"]
    reader.press(Keys.TAB)
    assert reader.browser.switch_to.active_element == reader.cell(0, 0, row, column)
    reader.press(Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    assert f"η\n{A[0]['learning_rates'][row - 1]:.3g}" in reader.find("#tip").text
    reader.press(Keys.ENTER)
    below = A[0]["cells"][row - 1][column - 1]["curves"]["loss"]
    assert reader.curve(0, 0) == pytest.approx(below, rel=1e-4)
    assert reader.cell(0, 0, row - 1, column - 1).get_attribute("aria-pressed") == "true"
    reader.press(Keys.ESCAPE)
    assert not reader.find("#tip").is_displayed()


def test_boxes_select_too(reader: StudyReader):
    for place, index in ((0, 2), (1, 0), (2, 4)):
        Select(reader.find(".choice select", place)).select_by_index(index)
    assert reader.curve(0, 0) == pytest.approx(A[2]["cells"][0][4]["curves"]["loss"], rel=1e-4)
    for place in range(3):
        Select(reader.find(".choice select", place)).select_by_index(0)
    assert "not trained" in reader.find(".numbers").text
    assert complaints(reader) == []


def test_accuracy_follows_the_switch(reader: StudyReader):
    def shown() -> list[Any]:
        script = "document.querySelector('.accuracy .plot').data.map(({x, y}) => [x[3], y[3]])"
        return reader.run(script)

    rows = [(panel, panel["best"][0]) for panel in A]
    accuracy = [100 - 100 * p["cells"][row][3]["test_error"] for p, row in rows]
    for axis, count in (("strength", 3), ("rate", 2)):
        reader.turn(axis)
        lies = [panel[axis][row][3] for panel, row in rows]
        expected = list(zip(lies, accuracy, strict=True))[:count]
        np.testing.assert_allclose(shown(), expected, rtol=1e-4)


@pytest.mark.parametrize("width", [390, 1366])
def test_no_window_scrolls_sideways(browser: webdriver.Chrome, page: Path, width: int):
    reader = StudyReader(browser)
    reader.open(page, width, 844)
    for axis in ("strength", "rate"):
        reader.turn(axis)
        assert reader.run("document.documentElement.scrollWidth") <= width


def test_dark_and_light_follow_the_reader_at_once(reader: StudyReader):
    def chart() -> str:
        return reader.run("document.querySelector('.chosen .plot').layout.font.color")

    def readable() -> bool:
        body = reader.find("body")
        paper, ink = map(body.value_of_css_property, ("background-color", "color"))
        return min(contrast(paper, ink), contrast(paper, chart())) > 10

    light = chart()
    assert readable()
    reader.see("dark")
    WebDriverWait(reader.browser, 5).until(lambda _: chart() != light)
    assert readable()
    assert luminance(chart()) > luminance(light)


def test_without_javascript_the_answer_and_the_tables_remain(browser: webdriver.Chrome, page: Path):
    text = StudyReader(browser).read_without_scripts(page)
    for words in (
        *STUDY["answer"],
        *("The charts need JavaScript", "−0.99 ± 0.05", "✗ not as expected", "? undecided"),
        *("−0.12 ± 0.31 points", "python -m experiments.coupling", "upper-edge slope"),
    ):
        assert words in text
    assert "Decay axis" not in text


def large() -> dict[str, Any]:
    """Three regimes, up to eight heat maps, 3×4 to 12×20 cells; one that was hardly begun."""
    study = copy.deepcopy(STUDY)
    labels = {"strength": "λ", "rate": "ω"}
    many = [
        synthetic_study.panel(
            f"c-{i}",
            ("sgd", "momentum", "adam")[i % 3],
            labels,
            "rate",
            [0.01 * 1.5**r for r in range(12)],
            [1e-4 * 1.5**c for c in range(20)],
            ("rate", 0.01),
        )
        for i in range(8)
    ]
    few = synthetic_study.panel(
        "d", "sgd", labels, "strength", [0.1, 0.2, 0.4], [0.1, 0.2, 0.3, 0.4], ("rate", 0.1)
    )
    few.update(cells=[[None] * 4] * 3, row_best=[None] * 3, best=None, edge=[None] * 3)
    study["regimes"][0].update(name="C", panels=many, statistics=[])
    study["regimes"].append({**study["regimes"][1], "name": "D", "panels": [few]})
    return study


def test_a_picture_of_nothing_is_empty_and_not_an_error(tmp_path: Path):
    study = large()
    study["regimes"] = [{**study["regimes"][0], "panels": []}, study["regimes"][2]]
    heat_maps.heat_maps(study, tmp_path / "nothing.png")
    assert (tmp_path / "nothing.png").stat().st_size > 1000


def test_any_number_of_maps_of_any_size(browser: webdriver.Chrome, tmp_path: Path):
    study = large()
    write(study, tmp_path / "large.html")
    reader = StudyReader(browser)
    reader.open(tmp_path / "large.html", 390, 844)
    for axis in ("rate", "strength"):
        reader.turn(axis)
        assert reader.run("document.documentElement.scrollWidth") <= 390
    assert len(reader.browser.find_elements(By.CSS_SELECTOR, ".map svg")) == 11
    assert complaints(reader) == []
    assert (tmp_path / "large.html").stat().st_size < 7e6

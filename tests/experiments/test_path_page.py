"""The page of a path in a real browser, with paths that nobody trained."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from experiments.path.page import sheets, still, words
from experiments.path.page.write import ordered, write
from tests.experiments import synthetic_path
from tests.experiments.browser import HOSTILE, LOADS, Reader, complaints, requests
from tests.experiments.synthetic_path import COUNT, HEIGHT, UNITS, WIDTH

SYMBOLS = set("λΣ‖η=|²")
OFF = (180, 187, 195)
"""What is exactly zero, in light colours."""


def hostile() -> tuple[Any, dict[str, np.ndarray]]:
    """The study, with texts that want to be markup."""
    content, weights = synthetic_path.study()
    content["curves"][0]["title"] += HOSTILE
    content["curves"][0]["formula"] = HOSTILE
    content["answer"].append(HOSTILE)
    content["made"]["data"] = HOSTILE
    content["note"] += HOSTILE + "\u2028"
    return content, weights


STUDY, WEIGHTS = hostile()
PANELS = [curve for curve in ordered(STUDY["curves"]) if curve["network"] == "mlp"]
NAMES = [curve["penalty"] for curve in PANELS]


# --- pictures ---


@pytest.mark.parametrize("levels", [levels for levels, _ in sheets.SIZES])
def test_only_what_is_zero_has_no_colour_and_greys_tell_levels_apart(levels: int):
    w = np.array([0.0, 1e-30, -1e-30, 0.3, -5.0])
    steps = sheets.Drawn(w, 1.0).steps(w, levels)
    assert np.array_equal(np.sign(steps), np.sign(w))
    every = np.arange(-levels, levels + 1)
    again = np.rint(sheets.greys(every, levels) * (2 * levels / 255)) - levels  # as scripts do
    assert np.array_equal(again, every)


def test_small_pictures_keep_what_is_not_zero():
    w = np.zeros((1, 1, 40, 40))
    w[..., :2, :2] = [[1, -1], [1, -1]]
    small = sheets.pooled(w, 32)
    assert small.shape == (1, 1, 20, 20)
    assert np.count_nonzero(small) == 1


def test_sheets_of_large_studies_fit(monkeypatch: pytest.MonkeyPatch):
    w = np.random.default_rng(0).normal(size=(3, 200, 40, 50, 3)).astype(np.float32)
    found = sheets.sheets({"a": w})["a"]
    assert (found["count"], found["width"], found["height"]) == (128, 25, 20)
    whole = sum(len(url or "") for url in found["urls"])
    monkeypatch.setattr(sheets, "ROOM", whole // 2)
    found = sheets.sheets({"a": w})["a"]
    assert sum(len(url or "") for url in found["urls"]) <= whole // 2


def test_every_penalty_has_a_sentence_without_symbols():
    from experiments.path.penalties import PENALTIES

    for network in words.NETWORKS:
        for penalty in PENALTIES:
            sentence = words.sentence(network, penalty)
            assert sentence.endswith(".")
            assert not SYMBOLS & set(sentence)
    assert not SYMBOLS & set(words.LEAD + words.TITLE)
    assert words.LEAD.count(".") == 1


def test_the_still_shows_the_weights_in_the_colours_of_the_page(tmp_path: Path):
    still.draw(STUDY, WEIGHTS, tmp_path / "still.png")
    with Image.open(tmp_path / "still.png") as image:
        assert image.width == 1144
        seen = np.asarray(image.convert("RGB"))
    assert (seen == OFF).all(-1).mean() > 0.02
    assert still.draw({**STUDY, "curves": []}, WEIGHTS, tmp_path / "nothing.png") is None
    units = sheets.drawn(WEIGHTS)["mlp-l1"]
    picture = still.picture(units, 2)
    assert (picture == OFF).all(-1).sum() == (WEIGHTS["mlp-l1"][2] == 0).sum()


# --- in the browser ---


class PathReader(Reader):
    """What a person does with the page of a path."""

    def position(self) -> int:
        return int(self.run("document.getElementById('slider').value"))

    def move(self, position: int) -> None:
        """As a finger does, until the pictures are there."""
        script = """(slider.value = arguments[0],
            slider.dispatchEvent(new Event("input", {bubbles: true})))"""
        self.run(script, position)

    def told(self, panel: int) -> str:
        return " ".join(self.find("article .facts", panel).text.split())

    def pixels(self, panel: int) -> np.ndarray:
        """Colours [height, width, 3] of the pictures."""
        script = """((canvas) => [canvas.height, canvas.width, Array.from(
            canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)]
            )(document.querySelectorAll("article canvas:not(.closer)")[arguments[0]])"""
        height, width, data = self.run(script, panel)
        return np.array(data, np.uint8).reshape(height, width, 4)

    def off(self, panel: int, colour: tuple[int, ...] = OFF) -> int:
        """How many weights are drawn as exactly zero."""
        seen = self.pixels(panel)
        return int(((seen[..., :3] == colour).all(-1) & (seen[..., 3] == 255)).sum())

    def sees_off(self, panel: int, expected: int, colour: tuple[int, ...] = OFF) -> None:
        WebDriverWait(self.browser, 5).until(lambda _: self.off(panel, colour) == expected)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("path") / "report.html"
    write(STUDY, WEIGHTS, path, still.draw(STUDY, WEIGHTS, path.with_name("still.png")))
    return path


@pytest.fixture
def reader(browser: webdriver.Chrome, page: Path) -> PathReader:
    """The page on a laptop, as it is when it opens."""
    found = PathReader(browser)
    found.open(page, 1280, 900)
    return found


def percent(share: float | None) -> str:
    value = 100 * (share or 0.0)
    whole = value in (0.0, 100.0)
    return "–" if share is None else f"{value:.0f} %" if whole else f"{value:.1f} %"


def test_the_first_screen_says_what_it_is_and_what_to_do(reader: PathReader):
    answers = [reader.find(".answer", i).text for i in range(reader.count(".answer"))]
    assert answers == [words.LEAD]
    script = """[...document.querySelectorAll(arguments[0])].slice(0, 5)
        .map((node) => node.getBoundingClientRect().bottom)"""
    below = reader.run(script, "#slider, article canvas:not(.closer)")
    assert max(below) < 900
    order = """[".answer", "#slider", ".strength"].map((name) =>
        document.querySelector(name).getBoundingClientRect().top)"""
    assert reader.run(order) == sorted(reader.run(order))
    before = reader.run("document.querySelector('header').innerText")
    assert not SYMBOLS & set(before.replace(STUDY["note"].rstrip("\u2028"), ""))


def test_nothing_complains_and_nothing_leaves(reader: PathReader, page: Path):
    for position in range(COUNT):
        reader.move(position)
    reader.find("input[value=regression]").click()
    assert complaints(reader) == []
    assert requests(reader) == {page.as_uri()}
    text = page.read_text(encoding="utf-8")
    assert not re.search(LOADS, text)
    assert "plotly" not in text
    assert page.stat().st_size < 200_000
    assert reader.run("document.querySelectorAll('b, p b, h2 b').length") == 3  # of the facts


def test_the_numbers_are_those_of_the_study_at_every_step(reader: PathReader):
    assert NAMES == ["l2", "l1", "group_lasso", "l1_subgradient"]
    assert "<b>bold</b>" in reader.find("article h2", 2).text
    for position in range(COUNT):
        reader.move(position)
        assert reader.find("#position").text == f"step {position + 1} of {COUNT}"
        for place, curve in enumerate(PANELS):
            found = curve["strengths"][position]["measures"]
            live = found["live"]["value"]
            on = "–" if live is None else f"{live:g} of {UNITS}"
            assert reader.told(place) == (
                f"{percent(found['test_accuracy']['value'])} right {on} units on "
                f"{percent(found['zeros']['value'])} of the weights off"
            )
    assert "3 of the trainings" in reader.find("article .remark", NAMES.index("l1")).text


def test_the_pictures_show_every_zero_and_no_other(reader: PathReader):
    for position in (0, 2):
        reader.move(position)
        for place, curve in enumerate(PANELS):
            reader.sees_off(place, int((WEIGHTS[curve["id"]][position] == 0).sum()))
    reader.move(3)
    assert reader.find(".missing", NAMES.index("l2")).text == "no pictures of this strength"


def test_the_graphs_mark_the_strength_and_count_the_weights(reader: PathReader):
    l1 = NAMES.index("l1")
    reader.move(0)
    left = reader.find(".marker circle", l1).rect["x"]
    reader.move(2)
    assert reader.find(".marker circle", l1).rect["x"] > left + 50
    zeros, total = int((WEIGHTS["mlp-l1"][2] == 0).sum()), UNITS * HEIGHT * WIDTH
    said = reader.run(
        """[...document.querySelectorAll("article")[arguments[0]].querySelectorAll("svg")]
            .map((svg) => svg.getAttribute("aria-label"))""",
        l1,
    )
    assert f"{zeros} of {total} are exactly zero" in said[1]
    accuracy = PANELS[l1]["strengths"][2]["measures"]["test_accuracy"]["value"]
    assert f"{percent(accuracy)} here" in said[0]
    unnamed = ":is([role=img], svg, canvas):not([aria-label], [aria-hidden])"
    assert reader.run("document.querySelectorAll(arguments[0]).length", unnamed) == 0


def test_arrow_keys_move_it_from_anywhere(reader: PathReader):
    reader.move(0)
    reader.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert reader.position() == 1
    reader.find("#slider").send_keys(Keys.ARROW_RIGHT)
    assert reader.position() == 2
    said = reader.find("#slider").get_attribute("aria-valuetext") or ""
    assert said.startswith("step 3 of 5: L2 84.2 % right, 0 % off; L1 ")
    reader.find("input[value=mlp]").send_keys(Keys.ARROW_RIGHT)
    assert reader.find("#square").text == words.NETWORKS["regression"]["square"]
    assert reader.position() == 2  # of four, where little is lost


def test_a_reload_keeps_the_place(reader: PathReader, page: Path):
    reader.find("input[value=regression]").click()
    reader.move(3)
    WebDriverWait(reader.browser, 5).until(lambda _: reader.run("location.hash").endswith("=3"))
    reader.browser.refresh()
    assert (reader.position(), reader.count("article")) == (3, 1)
    for nonsense in ("#mlp=999", "#mlp=x", "#<b>", "#constructor=1", "#="):
        reader.browser.get("about:blank")
        reader.browser.get(page.as_uri() + nonsense)
        assert reader.count("article") == 4
    assert complaints(reader) == []


def test_dark_narrow_zoomed_and_printed(reader: PathReader, page: Path):
    zeros = int((WEIGHTS["mlp-l1"][2] == 0).sum())
    reader.move(2)
    reader.see("dark")
    reader.sees_off(NAMES.index("l1"), zeros, (5, 6, 8))
    reader.see("dark", medium="print")
    reader.sees_off(NAMES.index("l1"), zeros)
    assert reader.find(".controls").value_of_css_property("position") == "static"
    for width, height in ((390, 844), (640, 450)):
        reader.open(page, width, height)
        assert reader.run("document.documentElement.scrollWidth") <= width
        assert reader.find("#slider").rect["width"] > 100


def test_without_javascript_the_words_and_tables_remain(browser: webdriver.Chrome, page: Path):
    reader = PathReader(browser)
    text = reader.read_without_scripts(page)
    assert reader.find("noscript img").rect["height"] > 300
    for said in (words.LEAD, *STUDY["answer"], "needs JavaScript", "92.30 ± 0.41"):
        assert said in text
    assert "Price of the weights" not in text


def test_more_units_than_fit(browser: webdriver.Chrome, tmp_path: Path):
    weights = np.random.default_rng(0).normal(size=(COUNT, 200, HEIGHT, WIDTH))
    content = {**STUDY, "curves": [synthetic_path.curve("mlp-l2", weights)]}
    write(content, {"mlp-l2": weights}, tmp_path / "many.html")
    reader = PathReader(browser)
    reader.open(tmp_path / "many.html")
    assert reader.find(".remark").text == "Here are the 128 largest of 200."
    assert "200 of 200 units on" in reader.told(0)
    said = reader.find("article figure:last-of-type svg").get_attribute("aria-label") or ""
    assert said.endswith(f"0 of {200 * HEIGHT * WIDTH} are exactly zero")


def test_less_than_a_whole_study(browser: webdriver.Chrome, tmp_path: Path):
    reader = PathReader(browser)
    content = copy.deepcopy(STUDY)
    content["curves"] = [curve for curve in content["curves"] if curve["id"] == "mlp-l1"]
    content["curves"][0].update(strengths=content["curves"][0]["strengths"][4:])
    content["curves"][0].update(chosen=None, sparse=None)
    write(content, {}, tmp_path / "one.html")
    reader.open(tmp_path / "one.html")
    assert reader.told(0).startswith("– right")
    assert reader.find("#slider").get_attribute("disabled")
    content["curves"] = []
    write(content, {}, tmp_path / "none.html")
    reader.open(tmp_path / "none.html")
    assert reader.count("article") == 0
    assert complaints(reader) == []


def test_pointing_at_a_square_shows_that_unit_on_every_panel(reader: PathReader):
    reader.move(1)
    reader.sees_off(0, 0)
    canvas = reader.find("article canvas")
    box = canvas.rect
    one = box["width"] / 4
    ActionChains(reader.browser).move_to_element_with_offset(canvas, one / 2, -one / 8).perform()
    assert reader.count(".closer:not([hidden])") == 4
    script = "[...document.querySelectorAll('.closer')].map((c) => [c.width, c.height])"
    assert reader.run(script) == [[WIDTH, HEIGHT]] * 4
    ActionChains(reader.browser).move_to_element(reader.find("h1")).perform()
    assert reader.count(".closer:not([hidden])") == 0

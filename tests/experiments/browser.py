"""A page in a real browser, as a person reads it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")
HOSTILE = "</script><b>bold</b><!-- <script> & \"'"
LOADS = r"<(?:link|img|iframe|script)[^>]+(?:src|href)=[\"'](?!data:)"
"""HTML that a browser would look for elsewhere."""
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--no-first-run", "--window-size=1366,768"),
)


def started(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser that is closed in the end; skips where there is none."""
    if not BROWSER or not DRIVER:
        pytest.skip("Chromium is missing: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


class Reader:
    """What a person does with a page."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser

    def open(self, page: Path, width: int = 1366, height: int = 768, **media: str) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.see(**media)
        for log in ("browser", "performance"):
            self.browser.get_log(log)
        self.browser.get(page.as_uri())

    def see(self, scheme: str = "light", motion: str = "reduce", medium: str = "screen") -> None:
        pairs = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        features = [{"name": name, "value": value} for name, value in pairs.items()]
        media = {"media": medium, "features": features}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(f"return {script}", *arguments)

    def find(self, selector: str, place: int = 0) -> WebElement:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)[place]

    def count(self, selector: str) -> int:
        return len(self.browser.find_elements(By.CSS_SELECTOR, selector))

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def read_without_scripts(self, page: Path) -> str:
        """All that the page then shows."""
        command = "Emulation.setScriptExecutionDisabled"
        self.browser.execute_cdp_cmd(command, {"value": True})
        try:
            self.open(page)
            return self.find("body").text
        finally:
            self.browser.execute_cdp_cmd(command, {"value": False})


def complaints(reader: Reader) -> list[str]:
    """Errors and warnings on the console."""
    entries = reader.browser.get_log("browser")
    return [e["message"] for e in entries if e["level"] in ("SEVERE", "WARNING")]


def requests(reader: Reader) -> set[str]:
    """Addresses that the browser has asked for."""
    messages = (json.loads(e["message"]) for e in reader.browser.get_log("performance"))
    sent = (m["message"] for m in messages)
    urls = (
        m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"
    )
    return {url for url in urls if not url.startswith("data:")}


def luminance(colour: str) -> float:
    found = re.findall(r"[\d.]+", colour)[:3]
    if colour.startswith("#"):
        found = [str(int(colour[i : i + 2], 16)) for i in (1, 3, 5)]
    shares = [float(value) / 255 for value in found]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)

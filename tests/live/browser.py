"""A headless Chromium for the live tests, and what it saw.

Needs Debian's packages ``chromium`` and ``chromium-driver`` (or what other systems call them)
and the Python package ``selenium``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.live.conftest import require

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PATIENCE = 30

_INK = """
const canvas = document.querySelector('#plot canvas');
if (!canvas) return 0;
const probe = document.createElement('i');
probe.style.color = getComputedStyle(document.documentElement).getPropertyValue(arguments[0]);
document.body.append(probe);
const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
probe.remove();
// Read from a copy: reading the chart itself makes Chromium warn in the console.
const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
copy.drawImage(canvas, 0, 0);
const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
let ink = 0;
for (let i = 0; i < data.length; i += 4) {
  const far = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
  if (data[i + 3] > 200 && far < 24) ink += 1;
}
return ink;
"""


def programs() -> tuple[str, str] | None:
    """Where the browser and its driver are; None where one is missing."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """One window.  Its console and its requests are kept for :meth:`problems`."""

    def __init__(self, driver: webdriver.Chrome):
        self.driver = driver

    def size(self, width: int, height: int, scheme: str = "light") -> None:
        """The window's size in CSS pixels, and the colour scheme that its user prefers."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """The text of every element that matches, as it stands in the document."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return list(self.run(script, selector))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def module(self, path: str, expression: str) -> Any:
        """The value of an expression over ``m``, a module of the page that is open."""
        script = f"const done = arguments[1]; import(arguments[0]).then((m) => done({expression}))"
        return self.driver.execute_async_script(script, path)

    def wait(self, script: str, *arguments: Any) -> Any:
        """Wait until a script answers something true, and answer that."""
        waiting = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.1)
        return waiting.until(lambda _: self.run(script, *arguments), f"never true: {script} {arguments}")

    def until(self, true: Callable[[], Any]) -> None:
        """Wait until a question has a true answer."""
        WebDriverWait(self.driver, PATIENCE, poll_frequency=0.1).until(lambda _: true())

    def ink(self, colour: str) -> int:
        """How many pixels of the chart have the colour of a custom property."""
        return int(self.run(_INK, colour))

    def choose(self, selector: str, value: str) -> None:
        """Pick an option of a <select> as a reader does."""
        script = (
            "const select = document.querySelector(arguments[0]); select.value = arguments[1];"
            "select.dispatchEvent(new Event('change', { bubbles: true })); return select.value;"
        )
        assert self.run(script, selector, value) == value

    def console(self) -> list[str]:
        """Warnings and errors that the console got since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]

    def hosts(self) -> set[str]:
        """Hosts and ports of all requests since the last call."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        urls = (m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent")
        return {urlsplit(url).netloc for url in urls if url.startswith("http")}

    def nameless(self) -> list[str]:
        """Controls that a screen reader could only call by their role."""
        tree = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = {"button", "combobox", "textbox", "searchbox", "link", "image", "img", "group", "region"}
        return [
            node["role"]["value"]
            for node in tree
            if not node.get("ignored")
            and node["role"]["value"] in roles
            and not node.get("name", {}).get("value")
        ]


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser whose profile is in the folder; it ends with the block."""
    found = programs()
    require(found, "chromium and chromedriver on the PATH (Debian: chromium, chromium-driver)")
    assert found
    options = webdriver.ChromeOptions()
    options.binary_location, driver_path = found
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    try:
        yield Browser(driver)
    finally:
        driver.quit()

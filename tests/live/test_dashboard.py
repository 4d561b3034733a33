"""The dashboard in a real Chromium, before a real gateway that real senders feed."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from tests.live.browser import Browser, chromium
from tests.live.gateway import RunningGateway, eventually

pytestmark = pytest.mark.live

SIGNED_IN = "return document.body.dataset.view === 'board'"
SIGNED_OUT = "return document.body.dataset.view === 'sign-in'"
CHARTED = (
    "return !!document.querySelector('#plot canvas') && document.querySelector('#chart-title').textContent"
)
ROW = (
    "return [...document.querySelectorAll('#series-rows button')]"
    ".find((row) => row.textContent.includes(arguments[0]))"
)
SUMMARY = "document.querySelector('#chart-summary').textContent"
BAD_LINES = (b"http.requests:one|c|#status:200", b"<b>bold</b>:none|c")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that was never sent anything."""
    with RunningGateway(tmp_path_factory.mktemp("empty") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with an hour of history, a little live statsd, and two lines that it rejected."""
    with RunningGateway(tmp_path_factory.mktemp("fed") / "data") as running:
        status, _, body = running.request("/tick", history(time.time()), {"Content-Type": "application/json"})
        assert status == 204, body
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            address = ("127.0.0.1", running.port("statsd", "udp"))
            sender.sendto(b"\n".join([b"live.hits:3|c", *BAD_LINES]), address)
        names = {"http.requests", "http.latency", "queue.depth", "live.hits"}
        found = eventually(
            lambda: {one["name"] for one in running.get("/streams/main/series")["series"]}, names.issubset
        )
        assert names <= found, running.log
        yield running


def history(now: float) -> bytes:
    """Points of the last 50 minutes, one a minute, as a body of ticks."""
    points: list[dict[str, object]] = []
    for minute in range(50):
        at = {"time": now - 60 * minute - 30, "p": 60}
        for status, n in (("200", 40 + minute % 7), ("500", 3 + minute % 2)):
            counter = {"name": "http.requests", "kind": "counter", "n": n, "v": {"status": status}}
            points.append({**at, **counter})
        points.append({**at, "name": "http.latency", "kind": "timer", "n": 20 + minute % 5})
        points.append({**at, "name": "queue.depth", "kind": "gauge", "n": minute % 11})
    return json.dumps(points).encode()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        window.size(1280, 800)
        yield window


def sign_in(browser: Browser, gateway: RunningGateway) -> None:
    browser.driver.get("about:blank")
    browser.driver.get(f"{gateway.url}/#token={gateway.token}")
    browser.wait(SIGNED_IN)


def assert_quiet(browser: Browser, gateway: RunningGateway) -> None:
    """Nothing in the console, nothing asked of anybody else."""
    assert browser.console() == []
    assert browser.hosts() == {urlsplit(gateway.url).netloc}


def test_the_token_in_the_fragment_signs_in_and_disappears(browser: Browser, gateway: RunningGateway) -> None:
    """The address bar, the scripts and the storage are all without the token afterwards."""
    sign_in(browser, gateway)
    assert browser.driver.current_url == f"{gateway.url}/"
    assert browser.run("return document.cookie") == ""
    assert gateway.token not in browser.run("return JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert_quiet(browser, gateway)


def test_series_are_listed_and_the_filter_narrows_them(browser: Browser, gateway: RunningGateway) -> None:
    """Name, kind, labels and age of each; a plain word matches anywhere, a glob the whole name."""
    sign_in(browser, gateway)
    row = browser.wait(ROW, "http.requests")
    assert row.text.split()[:2] == ["http.requests", "counter"]
    assert "status=" in row.text
    everything = browser.texts("#series-rows .name")
    assert "queue.depth" in everything

    browser.find("#filter").send_keys("latenc")
    browser.until(lambda: set(browser.texts("#series-rows .name")) == {"http.latency"})
    browser.find("#filter").clear()
    browser.find("#filter").send_keys("h?tp.lat*")
    browser.until(lambda: set(browser.texts("#series-rows .name")) == {"http.latency"})
    browser.find("#filter").send_keys("nothing")
    browser.until(lambda: browser.texts("#series-more") == ["No series has such a name."])
    assert browser.texts("#series-rows .name") == []
    assert browser.run("return document.body.dataset.empty") == "no"
    assert_quiet(browser, gateway)


def test_a_chosen_series_is_drawn(browser: Browser, gateway: RunningGateway) -> None:
    """A click charts a series: a line in the accent colour, its numbers beside it."""
    sign_in(browser, gateway)
    browser.wait(ROW, "queue.depth").click()
    browser.wait(f"{CHARTED} === 'queue.depth'")
    browser.until(lambda: browser.ink("--accent") > 20)
    assert "latest" in browser.find("#chart-summary").text
    assert "name=queue.depth" in browser.driver.current_url
    browser.driver.refresh()
    browser.wait(f"{CHARTED} === 'queue.depth'")
    assert_quiet(browser, gateway)


def test_lines_by_label_have_colours_and_a_legend(browser: Browser, gateway: RunningGateway) -> None:
    """Each value of the label is a line of its own; the legend names, hides and shows it."""
    sign_in(browser, gateway)
    browser.wait(ROW, "http.requests").click()
    browser.until(lambda: "by status" in " ".join(browser.texts("#group option")))
    browser.choose("#group", "label:status")
    browser.until(lambda: {"status=200", "status=500"} <= set(browser.texts("#legend .text")))
    browser.until(lambda: browser.ink("--line-1") > 20)
    browser.until(lambda: browser.ink("--line-2") > 20)
    browser.find("#legend button").click()
    browser.until(lambda: browser.ink("--line-1") == 0)
    assert browser.find("#legend button").get_attribute("aria-pressed") == "false"
    for stat, text in (("rate", "per second"), ("mean", "mean of samples"), ("count", "count")):
        browser.choose("#stat", stat)
        browser.wait(f"return {SUMMARY}.startsWith(arguments[0])", text)
        assert browser.texts("#chart-problem") == [""]
    assert_quiet(browser, gateway)


def test_every_range_is_answered(browser: Browser, gateway: RunningGateway) -> None:
    """Each range button asks, draws and stays pressed."""
    sign_in(browser, gateway)
    browser.wait(ROW, "http.latency").click()
    browser.wait(f"{CHARTED} === 'http.latency'")
    for identifier, text in (("15m", "15 min"), ("6h", "6 h"), ("24h", "24 h"), ("7d", "7 d"), ("1h", "1 h")):
        browser.find(f"[data-range='{identifier}']").click()
        assert browser.texts("#ranges [aria-pressed='true']") == [text]
        browser.wait(CHARTED)
        browser.until(lambda: browser.ink("--accent") > 5)
        assert browser.find("#chart-problem").text == ""
    assert_quiet(browser, gateway)


def test_the_books_show_what_was_rejected(browser: Browser, gateway: RunningGateway) -> None:
    """Totals of the day, reasons with their counts, and the lines themselves as text."""
    sign_in(browser, gateway)
    browser.until(lambda: browser.texts("#rejects code"))
    assert "bad value" in browser.texts("#reasons td")
    assert set(browser.texts("#rejects code")) == {line.decode() for line in BAD_LINES}
    assert browser.run("return document.querySelectorAll('#rejects b').length") == 0
    totals = dict(zip(browser.texts("#totals dt"), browser.texts("#totals dd"), strict=True))
    assert {"received", "stored", "rejected"} <= set(totals)
    assert int(totals["received"].replace(",", "")) > 0
    assert browser.wait("return document.querySelector('#health').dataset.state") == "ok"
    assert_quiet(browser, gateway)


def test_the_keyboard_is_enough(browser: Browser, gateway: RunningGateway) -> None:
    """The list is one stop with arrows inside; the chart reads its values by arrows."""
    sign_in(browser, gateway)
    browser.until(lambda: len(browser.texts("#series-rows button")) > 1)
    browser.find("#filter").send_keys("http" + Keys.TAB + Keys.TAB)
    browser.wait("return document.activeElement.closest('#series-rows') !== null")
    here = "return document.activeElement.textContent"
    active = browser.driver.switch_to.active_element
    active.send_keys(Keys.HOME)
    first = browser.run(here)
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert browser.run(here) != first
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.wait(CHARTED)
    browser.find("#plot").send_keys(Keys.ARROW_LEFT)
    browser.wait("return /\\d/.test(document.querySelector('#chart-reading').textContent)")
    assert browser.nameless() == []
    assert_quiet(browser, gateway)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(
    browser: Browser, gateway: RunningGateway, scheme: str
) -> None:
    """At 375 px nothing is wider than the window, and colours follow the scheme."""
    browser.size(375, 812, scheme)
    try:
        sign_in(browser, gateway)
        browser.wait(ROW, "queue.depth").click()
        browser.wait(f"{CHARTED} === 'queue.depth'")
        assert browser.run("return document.documentElement.scrollWidth") == 375
        browser.until(lambda: browser.ink("--accent") > 20)
        page = browser.run("return getComputedStyle(document.documentElement).backgroundColor")
        assert (page == "rgb(244, 246, 247)") == (scheme == "light")
    finally:
        browser.size(1280, 800)
    assert_quiet(browser, gateway)


def test_a_newcomer_is_told_what_to_send_and_sees_it_arrive(browser: Browser, empty: RunningGateway) -> None:
    """Commands with the bound addresses; the welcome goes once the first series is there."""
    sign_in(browser, empty)
    browser.until(lambda: len(browser.texts("#recipes code")) == 3)
    statsd, graphite, http = browser.texts("#recipes code")
    assert f"127.0.0.1 {empty.port('statsd', 'udp')}" in statsd
    assert f"127.0.0.1 {empty.port('graphite', 'tcp')}" in graphite
    assert http.endswith(f"{empty.url}/tick")
    assert not browser.find("#chart").is_displayed()
    for command in (statsd, http):
        subprocess.run(command, shell=True, check=True, capture_output=True, timeout=20)
    browser.wait(ROW, "signups")
    browser.wait(ROW, "hello")
    assert not browser.find("#welcome").is_displayed()
    assert browser.find("#chart").is_displayed()
    assert_quiet(browser, empty)


def test_signing_in_by_form_and_out_again(browser: Browser, gateway: RunningGateway) -> None:
    """A wrong token is refused in a sentence, a right one signs in, signing out ends it."""
    sign_in(browser, gateway)
    browser.find("#sign-out").click()
    browser.wait(SIGNED_OUT)
    browser.driver.refresh()
    browser.wait(SIGNED_OUT)
    browser.find("#token").send_keys("wrong" + Keys.ENTER)
    browser.until(lambda: browser.texts("#sign-in-problem") == ["No stream is read with this token."])
    browser.find("#token").send_keys(gateway.token + Keys.ENTER)
    browser.wait(SIGNED_IN)
    browser.wait(ROW, "http.requests")
    assert all("401" in message for message in browser.console())
    assert browser.hosts() == {urlsplit(gateway.url).netloc}

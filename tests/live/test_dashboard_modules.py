"""The dashboard's pure modules, case by case, in the browser that will run them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.browser import Browser, chromium
from tests.live.gateway import RunningGateway

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with (
        RunningGateway(tmp_path_factory.mktemp("gateway") / "data") as gateway,
        chromium(tmp_path_factory.mktemp("profile")) as window,
    ):
        window.driver.get(gateway.url)
        yield window


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("number(0)", "0"),
        ("number(1234.5678)", "1,235"),
        ("number(0.0123456)", "0.01235"),
        ("number(12840)", "12.84 k"),
        ("number(-3500000)", "-3.5 M"),
        ("number(2e20)", "2.000e20"),
        ("number(1e-7)", "1.000e-7"),
        ("number(null)", "–"),
        ("age(100, 101)", "now"),
        ("age(100, 90)", "now"),
        ("age(100, 112)", "12 s"),
        ("age(0, 300)", "5 min"),
        ("age(0, 7200)", "2 h"),
        ("age(0, 172800)", "2 d"),
        ("span(10)", "10 s"),
        ("span(300)", "5 min"),
        ("span(0.5)", "0.5 s"),
        ("plural(1, 'line')", "1 line"),
        ("plural(1200, 'series', 'series')", "1,200 series"),
        ("labelText({a: '1', b: ''})", "a=1 b=(none)"),
        ("globEscape('a*b[c]{d}\\\\?')", "a\\*b\\[c\\]\\{d\\}\\\\\\?"),
        ("globOf('  ')", "*"),
        ("globOf('web')", "*web*"),
        ("globOf('web.*')", "web.*"),
        ("words('too_many_labels')", "too many labels"),
    ],
)
def test_texts(page: Browser, call: str, text: str) -> None:
    """Numbers, ages and globs read as people write them."""
    assert page.module("/static/format.js", f"m.{call}") == text


def lines(page: Browser, groups: list[dict[str, Any]], stat: str, *, now: float, most: int = 8) -> Any:
    answer = {"step": 10, "from": 0, "until": 100, "groups": groups}
    return page.module("/static/lines.js", f"m.linesOf({json.dumps(answer)}, '{stat}', {most}, {now})")


def test_what_was_not_counted_is_zero_once_the_series_began(page: Browser) -> None:
    """Up to two steps ago: what is younger may still be on its way."""
    groups = [{"v": {"a": "x"}, "values": [[10, 5], [20, 1], [50, 2]]}]
    drawn = lines(page, groups, "count", now=100)
    assert drawn["times"] == [10, 20, 30, 40, 50, 60, 70, 80]
    assert drawn["lines"] == [{"text": "a=x", "values": [5, 1, 0, 0, 2, 0, 0, 0]}]


def test_a_short_silence_of_a_gauge_is_bridged_and_a_long_one_is_a_gap(page: Browser) -> None:
    """``undefined`` (absent in JSON) is drawn through, null breaks the line."""
    groups = [{"v": {}, "values": [[0, 1], [10, 2], [30, 3], [80, 4]]}]
    answer = {"step": 10, "from": 0, "until": 100, "groups": groups}
    expression = f"m.linesOf({json.dumps(answer)}, 'last', 8, 100).lines[0].values.map((v) => String(v))"
    drawn = page.module("/static/lines.js", expression)
    assert drawn == ["1", "2", "undefined", "3", "null", "null", "null", "null", "4"]


def test_the_grid_follows_series_that_are_flushed_less_often_than_the_step(page: Browser) -> None:
    """Every minute, asked for in steps of ten seconds: no zeros in between."""
    groups = [{"v": {}, "values": [[0, 6], [60, 7]]}]
    drawn = lines(page, groups, "count", now=100)
    assert (drawn["step"], drawn["times"], drawn["lines"][0]["values"]) == (60, [0, 60], [6, 7])


def test_the_largest_groups_are_kept_and_the_others_counted(page: Browser) -> None:
    """Size is what the line adds up to; empty groups are no lines."""
    groups = [{"v": {"n": str(i)}, "values": [[0, i], [10, i]] if i else []} for i in range(5)]
    drawn = lines(page, groups, "last", now=100, most=2)
    assert [line["text"] for line in drawn["lines"]] == ["n=4", "n=3"]
    assert drawn["hidden"] == 2


def test_nothing_at_all_is_no_lines(page: Browser) -> None:
    """An empty answer draws nothing and breaks nothing."""
    assert lines(page, [], "count", now=100) == {"times": [], "step": 10, "lines": [], "hidden": 0}


def test_the_books_of_the_newest_day_are_sorted_by_count(page: Browser) -> None:
    """Outcomes that did not happen have no total; rejected always has one."""
    outcomes = {"rejected": {"bad_value": 2, "bad_name": 3}, "filtered": {}, "shed": {"kernel": 1}}
    day = {"day": "2026-01-02", "received": 12, "stored": 5, "waiting": 1, **outcomes, "diverted": {}}
    answer = {"days": [day, {"day": "2026-01-01"}]}
    books = page.module("/static/books.js", f"m.today({json.dumps(answer)})")
    assert books["date"] == "2026-01-02"
    assert books["totals"] == [["received", 12], ["stored", 5], ["waiting", 1], ["rejected", 5], ["shed", 1]]
    assert [row["reason"] for row in books["reasons"]] == ["bad_name", "bad_value", "kernel"]
    empty = page.module("/static/books.js", "m.today({days: []})")
    assert empty == {"date": "", "totals": [["received", 0], ["stored", 0], ["rejected", 0]], "reasons": []}


@pytest.mark.parametrize(
    ("status", "detail", "sentence"),
    [
        (503, "", "The store is away. What was received is kept, and this view returns with it."),
        (400, "no such stat", "No such stat."),
        (401, "no token", "You are signed out. Sign in with a token to go on."),
        (500, "", "The gateway failed; its log has the trace."),
        (418, "", "The gateway refused the request."),
    ],
)
def test_failures_are_sentences(page: Browser, status: int, detail: str, sentence: str) -> None:
    """Whatever the gateway answers, a person can read it."""
    assert page.module("/static/api.js", f"m.sentenceOf({status}, {json.dumps(detail)})") == sentence


@pytest.mark.parametrize(
    ("addresses", "commands"),
    [
        (
            {"statsd": ["tcp://127.0.0.1:1", "udp://127.0.0.1:8125"], "graphite": ["tcp://0.0.0.0:2003"]},
            ["nc -u -w1 127.0.0.1 8125", "nc -w1 gate.example 2003", "/tick/shop"],
        ),
        ({"statsd": ["udp://[::1]:9"]}, ["nc -u -w1 ::1 9", "/tick/shop"]),
        ({}, ["/tick/shop"]),
    ],
)
def test_the_commands_for_newcomers_name_the_real_addresses(
    page: Browser, addresses: dict[str, list[str]], commands: list[str]
) -> None:
    """A receiver that is off has no command; one on every address is named as the page is."""
    call = f"m.recipesFor('shop', {json.dumps(addresses)}, {{hostname: 'gate.example'}})"
    recipes = page.module("/static/welcome.js", call)
    assert len(recipes) == len(commands)
    for (_, command), end in zip(recipes, commands, strict=True):
        assert command.endswith(end)

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.errors import REJECT_REASONS
from metronome.model import Event, Events
from metronome.wire import records
from metronome.wire.tick import Context, TickBatch, parse, parse_query

NOW = 1_421_928_000_000  # 2015-01-22T12:00:00Z
JSON = "application/json"
CONTEXT = Context(NOW)


def batch(*items: Any, context: Context = CONTEXT) -> TickBatch:
    return parse(orjson.dumps(items), JSON, context)


def event(item: dict[str, Any], context: Context = CONTEXT) -> Event:
    """The event that an item becomes."""
    found = batch(item, context=context)
    assert found.refused == []
    (tick,) = found.ticks
    assert tick.event is not None
    return tick.event


def refusal(item: Any, context: Context = CONTEXT) -> tuple[str, str]:
    """Reason and parameter for which an item is refused."""
    found = batch(item, context=context)
    assert found.ticks == []
    ((_, reason, param, _, _),) = found.refused
    return reason, param


def base(**more: Any) -> dict[str, Any]:
    return {"time": NOW, "type": "view", "id": "", "received": NOW, **more}


EVENTS = [
    ({}, base()),
    ({"id": "item-42"}, base(id="item-42")),
    ({"id": 42}, base(id="42")),
    ({"id": None, "type": None, "ts": "", "eid": ""}, base()),
    (
        {"url": "https://www.example.com/a/?q=1"},
        base(id="example.com/a", labels={"url": "https://www.example.com/a/?q=1"}),
    ),
    (
        {"id": "a", "color": "red", "paid": True, "free": False},
        base(id="a", labels={"color": "red", "paid": "true", "free": "false"}),
    ),
    ({"id": "a", "bytes": 12, "ratio": 0.5}, base(id="a", fields={"bytes": 12, "ratio": 0.5})),
    ({"id": "a", "x": None}, base(id="a")),
    ({"id": "a", "nul": "a\0b", "k\0": "v"}, base(id="a", labels={"nul": "a\ufffdb", "k\ufffd": "v"})),
    ({"id": "a", "": "v"}, base(id="a", labels={"_": "v"})),
    (
        {"id": "a", "a": {"b": 1, "c": {"d": [1]}}, "l": ["x", 2]},
        base(id="a", labels={"a.c": '{"d":[1]}', "l": '["x",2]'}, fields={"a.b": 1}),
    ),
    ({"id": "a", "ts": 1421928000}, base(id="a")),
    ({"id": "a", "@timestamp": "2015-01-22T11:00:00Z"}, base(id="a", time=NOW - 3_600_000)),
    ({"id": "a", "time": 350}, base(id="a", fields={"time": 350})),
    ({"id": "a", "tick": "t1"}, base(id="a", eid="t1")),
    ({"id": "a", "eid": 7}, base(id="a", eid="7")),
    ({"id": "a", "event": {"id": "e9"}}, base(id="a", eid="e9")),
    (
        {"@version": "1", "message": "hello", "host": "web1"},
        base(type="log", message="hello", labels={"@version": "1", "host": "web1"}),
    ),
    (
        {"type": "download", "id": "d", "file": "roads.KML"},
        base(type="download", id="d", format="kml", labels={"file": "roads.KML"}),
    ),
    ({"type": "download", "id": "d", "format": " CSV "}, base(type="download", id="d", format="csv")),
    ({"type": "download", "id": "d"}, base(type="download", id="d", format="")),
    ({"type": "view", "id": "d", "format": "pdf"}, base(id="d", labels={"format": "pdf"})),
    (
        {"type": "error", "id": "a", "message": "boom", "line": "12", "handled": False},
        base(type="error", id="a", message="boom", labels={"handled": "false"}, fields={"line": 12.0}),
    ),
    (
        {"type": "engage", "id": "a", "ms": "1500", "scroll": ""},
        base(type="engage", id="a", fields={"ms": 1500.0}),
    ),
    ({"id": "a", "name": "signup", "d": 3}, base(id="a", labels={"name": "signup"}, fields={"d": 3})),
    ({"id": "a", "session": "s", "visitor": "v"}, base(id="a", labels={"session": "s", "visitor": "v"})),
]


@pytest.mark.parametrize(("item", "expected"), EVENTS)
def test_events(item: dict[str, Any], expected: dict[str, Any]) -> None:
    """Reserved parameters take their places; text becomes labels, numbers fields."""
    assert event(item) == expected


PAGE = Context(NOW, page="https://www.own.org/here?x=1", own_hosts=frozenset({"other-own.org"}))
REFERERS = [
    ({}, None),
    ({"referer": ""}, None),
    ({"referer": "https://www.arcgis.com/"}, "arcgis.com"),
    (
        {"referrer": "https://www.washingtonpost.com/articles/dc-news/?a=b#c"},
        "washingtonpost.com/articles/dc-news",
    ),
    ({"ref": "news.example.com/x"}, "news.example.com/x"),
    ({"referer": "https://own.org/elsewhere"}, None),
    ({"referer": "https://other-own.org/elsewhere"}, None),
    ({"url": "https://third.org/", "referer": "https://www.third.org/x"}, None),
    ({"url": "https://third.org/", "referer": "https://own.org/x"}, "own.org/x"),
]


@pytest.mark.parametrize(("item", "expected"), REFERERS)
def test_referers(item: dict[str, Any], expected: str | None) -> None:
    """A referer is host and path; coming from the own pages is no referral."""
    assert event(item, PAGE).get("referer") == expected


def test_the_page_of_the_headers_is_the_default_item() -> None:
    """Without an id and a url the browser's headers say which page it is."""
    assert event({}, PAGE)["id"] == "own.org/here"
    assert event({"url": "/there/"}, PAGE)["id"] == "own.org/there"
    assert event({"id": "x"}, PAGE)["id"] == "x"


def test_a_referer_that_is_no_address_stays_a_label() -> None:
    """``ref=newsletter`` is not lost and not counted as a referring site."""
    found = event({"id": "a", "ref": "newsletter"})
    assert "referer" not in found
    assert found["labels"] == {"ref": "newsletter"}


def test_an_image_has_its_page_as_referer() -> None:
    """The default referer is used where none is given, for an item of another site."""
    context = Context(NOW, page="https://blog.org/post", referer="https://blog.org/post")
    assert event({"id": "maps.org/dc"}, context)["referer"] == "blog.org/post"
    assert "referer" not in event({}, context)
    assert event({}, context)["id"] == "blog.org/post"


TIMES = [
    (NOW - 86_400_000, False, NOW - 86_400_000, None),
    (NOW - 86_400_001, False, NOW, "skewed"),
    (NOW + 300_000, False, NOW + 300_000, None),
    (NOW + 300_001, False, NOW, "skewed"),
    (NOW - 10 * 86_400_000, True, NOW - 10 * 86_400_000, None),
    (NOW + 10 * 86_400_000, True, NOW + 10 * 86_400_000, None),
]


@pytest.mark.parametrize(("sent", "trusted", "kept", "clock"), TIMES)
def test_whose_time_is_believed(sent: int, trusted: bool, kept: int, clock: str | None) -> None:
    """A stranger's clock may be a day slow and five minutes fast; beyond, arrival counts."""
    found = event({"id": "a", "ts": sent}, Context(NOW, trusted=trusted))
    assert found["time"] == kept
    assert found.get("labels", {}).get("clock") == clock


REFUSED = [
    (42, "not_an_object", ""),
    ("text", "not_an_object", ""),
    (None, "not_an_object", ""),
    ([{"id": "a"}], "not_an_object", ""),
    ({"type": "No Good"}, "bad_param", "type"),
    ({"type": 7}, "bad_param", "type"),
    ({"type": "x" * 65}, "bad_param", "type"),
    ({"id": True}, "bad_param", "id"),
    ({"ts": "lunch"}, "bad_param", "ts"),
    ({"timestamp": True}, "bad_param", "timestamp"),
    ({"date": -5}, "bad_param", "date"),
    ({"tick": True}, "bad_param", "tick"),
    ({"eid": "x" * 1025}, "bad_param", "eid"),
    ({"type": "error", "line": "twelve"}, "bad_param", "line"),
    ({"seq": "first"}, "bad_param", "seq"),
    ({"type": "perf", "metric": "lcp"}, "bad_param", "value"),
    ({"type": "perf", "metric": "lcp", "value": "fast"}, "bad_param", "value"),
    ({"type": "perf", "lcp": "fast"}, "bad_param", "lcp"),
    ({"n": 1}, "bad_param", "name"),
    ({"name": "x", "n": "many"}, "bad_param", "n"),
]


@pytest.mark.parametrize(("item", "reason", "param"), REFUSED)
def test_refused_items(item: Any, reason: str, param: str) -> None:
    """A reserved parameter that cannot be used refuses the item and is named."""
    assert refusal(item) == (reason, param)


def test_a_bad_item_costs_only_itself() -> None:
    """Neighbours of a refused item are taken, and each keeps its index."""
    found = batch({"id": "a"}, 7, {"id": "c"}, {"ts": "x"}, {"id": "e"})
    assert [(tick.item, tick.event["id"]) for tick in found.ticks if tick.event] == [
        (0, "a"),
        (2, "c"),
        (4, "e"),
    ]
    assert [(item.item, item.reason) for item in found.refused] == [(1, "not_an_object"), (3, "bad_param")]
    assert found.refused[1].excerpt == b'{"ts":"x"}'


def test_nan_refuses_only_its_item() -> None:
    """NaN is no value of n, and its neighbours in the same body are taken."""
    found = parse(b'[{"name":"x","n":1},{"name":"x","n":NaN},{"id":"c","x":NaN}]', JSON, CONTEXT)
    assert [tick.item for tick in found.ticks] == [0, 2]
    assert [item[:3] for item in found.refused] == [(1, "bad_param", "n")]
    assert found.ticks[1].event is not None
    assert found.ticks[1].event["labels"] == {"x": "nan"}


def test_long_values_are_cut_and_marked() -> None:
    """What is too long is cut at a character's end, and the tick says what was cut."""
    found = event(
        {
            "id": "é" * 400,
            "type": "error",
            "message": "m" * 5000,
            "stack": "s" * 20_000,
            "note": "é" * 600,
            "k" * 80: "v",
            "short": "x",
        }
    )
    labels = found["labels"]
    assert found["id"] == "é" * 256
    assert found["message"] == "m" * 4096
    assert labels["stack"] == "s" * 16_384
    assert labels["note"] == "é" * 512
    assert labels["k" * 64] == "v"
    assert set(labels["truncated"].split(",")) == {"id", "message", "stack", "note", "k" * 64}


def test_parameters_beyond_the_limit_are_left_out_and_named() -> None:
    """64 parameters are kept; reserved ones are found wherever they stand."""
    item: dict[str, Any] = {f"p{number:03}": number for number in range(70)}
    found = event({**item, "id": "last", "ts": NOW - 1000})
    assert list(found["fields"]) == [f"p{number:03}" for number in range(64)]
    assert found["labels"] == {"truncated": "p064,p065,p066,p067,p068,p069"}
    assert (found["id"], found["time"]) == ("last", NOW - 1000)


def test_a_query_string_is_a_tick() -> None:
    """An image's query string, and that of a POST without body, are one item."""
    query = b"id=a&type=download&format=kml&n=&x=1"
    expected = base(id="a", type="download", format="kml", labels={"n": "", "x": "1"})
    assert [tick.event for tick in parse_query(query, CONTEXT).ticks] == [expected]
    assert [tick.event for tick in parse(b"", "text/plain", CONTEXT, query=query).ticks] == [expected]
    assert parse(b"", "", CONTEXT).reason == "malformed"
    assert parse_query(b"", CONTEXT).reason == "malformed"


def test_items_may_name_their_stream_and_key() -> None:
    """Each item is admitted by what it names; the others are the request's."""
    asked = []

    def admit(stream: str, key: str) -> Context | str:
        asked.append((stream, key))
        return "bad_key" if key == "wrong" else Context(NOW, stream=stream or "main", trusted=bool(key))

    items = [{"id": "a"}, {"id": "b", "stream": "s", "key": "k", "ts": 1}, {"stream": "s", "key": "wrong"}]
    found = parse(orjson.dumps(items), JSON, CONTEXT, admit)
    assert asked == [("", ""), ("s", "k"), ("s", "wrong")]
    assert [tick.stream for tick in found.ticks] == ["main", "s"]
    assert found.ticks[1].event is not None
    assert found.ticks[1].event["time"] == 1000
    assert [item[:3] for item in found.refused] == [(2, "bad_key", "key")]


def test_page_performance_is_event_and_points() -> None:
    """A perf event stays an event; each metric is also a part of the timer ``perf``."""
    (tick,) = batch(
        {"type": "perf", "id": "a", "metric": "LCP", "value": 2500, "delta": 2500, "eid": "e"}
    ).ticks
    assert tick.event is not None
    assert tick.event["fields"] == {"value": 2500, "delta": 2500}
    ((row, eid),) = tick.rows
    assert row.key == b"tperf\0metric\0lcp"
    assert (row.n, row.d, list(row.samples), row.time, row.period, eid) == (2500, 1, [2500], NOW, 10, "e#lcp")


def test_a_later_report_of_a_metric_adds_only_its_delta() -> None:
    """The mean over both reports is the final value: sum of n 2800, sum of d 1."""
    (tick,) = batch({"type": "perf", "metric": "lcp", "value": 2800, "delta": 300}).ticks
    ((row, eid),) = tick.rows
    assert (row.n, row.d, row.low, row.high, list(row.samples), eid) == (300, 0, 2800, 2800, [], "")


def test_many_metrics_in_one_perf_event() -> None:
    """Each metric under its own name is a point with d = 1, also when a form sends text."""
    found = parse_query(b"type=perf&id=a&lcp=2500&cls=0.1&ttfb=&other=5", CONTEXT)
    (tick,) = found.ticks
    assert [(row.key.split(b"\0")[2], row.n, row.d) for row, _ in tick.rows] == [
        (b"lcp", 2500, 1),
        (b"cls", 0.1, 1),
    ]


HOSTILE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SKELETON: dict[str, Any] = {
    "id": "a",
    "type": "view",
    "ts": NOW,
    "eid": "e",
    "url": "https://x.org/",
    "referer": "y.org",
}
NAMES = [
    *SKELETON,
    "n",
    "d",
    "p",
    "v",
    "kind",
    "name",
    "message",
    "line",
    "lcp",
    "metric",
    "stream",
    "key",
    "other",
]


@given(
    st.sampled_from(["view", "perf", "error", "download", "engage"]),
    st.booleans(),
    st.sampled_from(NAMES) | st.text(max_size=10),
    HOSTILE,
)
def test_one_wild_field(kind: str, is_point: bool, name: str, value: Any) -> None:
    """Whatever one parameter holds, the item is taken or refused for a known reason, and
    what is taken can be written to the journal."""
    item = {**SKELETON, "type": kind, **({"name": "x", "n": 1} if is_point else {}), name: value}
    found = parse(json.dumps([item, {"id": "good"}]).encode(), JSON, CONTEXT)
    assert found.reason == ""
    assert found.ticks[-1].event == base(id="good")
    for refused in found.refused:
        assert refused.reason in REJECT_REASONS
    events = [tick.event for tick in found.ticks if tick.event is not None]
    decoded = records.decode(records.KIND_EVENTS, records.encode_events(Events("main", events)))
    assert decoded == Events("main", events)
    rows = [row for tick in found.ticks for row, _ in tick.rows]
    columns = records.columns_of(rows)
    assert all(math.isfinite(number) for number in columns.n)
    assert all(math.isfinite(number) for number in columns.d)

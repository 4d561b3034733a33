from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import hash64
from metronome.model import Kind, Labels, parse_key
from metronome.wire import point, records
from metronome.wire.records import Row
from metronome.wire.tick import Context, parse, parse_query

NOW = 1_421_928_003_456  # 2015-01-22T12:00:03.456Z
SLOT = 1_421_928_000_000
CONTEXT = Context(NOW, period=10.0)


def rows(item: dict[str, Any], context: Context = CONTEXT) -> list[Row]:
    found = parse(orjson.dumps(item), "application/json", context)
    assert found.refused == []
    assert found.ticks[0].event is None
    return [row for row, _ in found.ticks[0].rows]


def refusal(item: dict[str, Any]) -> tuple[str, str]:
    ((_, reason, param, _, _),) = parse(orjson.dumps(item), "application/json", CONTEXT).refused
    return reason, param


POINTS = [
    ({"n": 3}, Kind.COUNTER, (3, 1, 3, 3, 0, []), SLOT, 10),
    ({"n": "3.5", "d": "2"}, Kind.COUNTER, (3.5, 2, 3.5, 3.5, 0, []), SLOT, 10),
    ({"n": -3, "d": -1}, Kind.COUNTER, (-3, -1, -3, -3, 0, []), SLOT, 10),
    ({"n": 3, "p": 60}, Kind.COUNTER, (3, 1, 3, 3, 0, []), SLOT, 60),
    ({"n": 3, "p": 0}, Kind.COUNTER, (3, 1, 3, 3, 0, []), NOW, 0),
    ({"n": 3, "p": 0.5}, Kind.COUNTER, (3, 1, 3, 3, 0, []), SLOT + 3000, 0.5),
    ({"n": 3, "ts": NOW - 60_000}, Kind.COUNTER, (3, 1, 3, 3, 0, []), SLOT - 60_000, 10),
    ({"n": 3, "time": 1421927990}, Kind.COUNTER, (3, 1, 3, 3, 0, []), SLOT - 10_000, 10),
    ({"n": 7, "kind": "gauge"}, Kind.GAUGE, (7, 1, 7, 7, 0, []), SLOT, 10),
    ({"n": 250, "kind": "timer"}, Kind.TIMER, (250, 1, 250, 250, 62_500, [250]), SLOT, 10),
    ({"n": 600, "d": 3, "kind": "timer"}, Kind.TIMER, (600, 3, 200, 200, 120_000, []), SLOT, 10),
    ({"n": 5, "d": 0, "kind": "timer"}, Kind.TIMER, (5, 0, 5, 5, 0, []), SLOT, 10),
    ({"n": 42, "kind": "set"}, Kind.SET, (1, 1, 1, 1, 0, []), SLOT, 10),
]


@pytest.mark.parametrize(("item", "kind", "numbers", "time", "period"), POINTS)
def test_points(
    item: dict[str, Any], kind: Kind, numbers: tuple[object, ...], time: int, period: float
) -> None:
    """A point is one part, at the start of its period, with what its kind keeps."""
    (row,) = rows({"name": "x", **item})
    assert parse_key(row.key).kind == row.kind == kind
    assert (row.n, row.d, row.low, row.high, row.squares, list(row.samples)) == numbers
    assert (row.time, row.period, row.counts) == (time, period, 1)
    assert row.series_id == hash64(row.key)


def test_the_member_of_a_set_is_n() -> None:
    """A number and the same text are one member, as in a statsd line."""
    (number,) = rows({"name": "x", "kind": "set", "n": 42})
    (text,) = rows({"name": "x", "kind": "set", "n": "42"})
    assert number.hashes == text.hashes == (hash64(b"42"),)


LABELS = [
    (
        {"v": {"country": "US", "free": True, "status": 200, "none": None}},
        {"country": "US", "free": "true", "status": "200"},
    ),
    ({"country": "US", "paid": False, "status": 200}, {"country": "US", "paid": "false", "status": "200"}),
    ({"country": "US", "v": {"country": "UK"}}, {"country": "UK"}),
    ({"v": '{"country":"US"}'}, {"country": "US"}),
    ({"v.country": "US"}, {"country": "US"}),
    ({"v": {"a": {"b": 1}}}, {"a": '{"b":1}'}),
    ({"type": "event", "tick": "t", "stream": "s", "key": "k", "ts": 1421928000}, {"type": "event"}),
    ({"v": {}}, {}),
    ({"v": ""}, {}),
    ({"v": {"nul": "a\0b"}}, {"nul": "a\ufffdb"}),
]


@pytest.mark.parametrize(("item", "expected"), LABELS)
def test_labels(item: dict[str, Any], expected: dict[str, str]) -> None:
    """Labels are ``v`` and every parameter that is not reserved, as text, sorted."""
    (row,) = rows({"name": "x", "n": 1, **item})
    series = parse_key(row.key)
    assert series.labels == tuple(sorted(expected.items()))


REFUSED = [
    ({"n": 1}, "bad_param", "name"),
    ({"name": "", "n": 1}, "bad_param", "name"),
    ({"name": 5, "n": 1}, "bad_param", "name"),
    ({"name": "a\nb", "n": 1}, "bad_param", "name"),
    ({"name": "é" * 101, "n": 1}, "bad_param", "name"),
    ({"name": "x", "n": "1e999"}, "bad_param", "n"),
    ({"name": "x", "n": True}, "bad_param", "n"),
    ({"name": "x", "n": "0x10"}, "bad_param", "n"),
    ({"name": "x", "n": "1_0"}, "bad_param", "n"),
    ({"name": "x", "n": [1]}, "bad_param", "n"),
    ({"name": "x", "n": 1, "d": "three"}, "bad_param", "d"),
    ({"name": "x", "n": 1, "p": -1}, "bad_param", "p"),
    ({"name": "x", "n": 1, "p": 1e300}, "bad_param", "p"),
    ({"name": "x", "n": 1, "kind": "rate"}, "bad_param", "kind"),
    ({"name": "x", "n": 1, "d": 2, "kind": "gauge"}, "bad_param", "d"),
    ({"name": "x", "n": 1, "d": -1, "kind": "timer"}, "bad_param", "d"),
    ({"name": "x", "n": True, "kind": "set"}, "bad_param", "n"),
    ({"name": "x", "n": "m" * 1025, "kind": "set"}, "bad_param", "n"),
    ({"name": "x", "n": 1, "time": "noon"}, "bad_param", "time"),
    ({"name": "x", "n": 1, "v": "text"}, "bad_param", "v"),
    ({"name": "x", "n": 1, "v": "[1]"}, "bad_param", "v"),
    ({"name": "x", "n": 1, "v": 5}, "bad_param", "v"),
    ({"name": "x", "n": 1, "v": {"1st": "a"}}, "bad_label", "1st"),
    ({"name": "x", "n": 1, "v": {"": "a"}}, "bad_label", ""),
    ({"name": "x", "n": 1, "a b": "a"}, "bad_label", "a b"),
    ({"name": "x", "n": 1, "v": {"a": "é" * 513}}, "bad_label", "a"),
    ({"name": "x", "n": 1, "v": {"a" * 201: "b"}}, "bad_label", "a" * 201),
    ({"name": "x", "n": 1, "v": {f"l{i}": "x" for i in range(33)}}, "too_many_labels", ""),
    ({"name": "x", "n": 1, "v": {f"l{i}": "x" for i in range(99)}}, "too_many_labels", ""),
]


@pytest.mark.parametrize(("item", "reason", "param"), REFUSED)
def test_refused_points(item: dict[str, Any], reason: str, param: str) -> None:
    """What breaks the model's rules is refused, with the parameter at fault."""
    assert refusal(item) == (reason, param)


def test_the_most_that_a_series_may_have() -> None:
    """32 labels, a name of 200 bytes and values of 1,024 bytes are allowed."""
    (row,) = rows({"name": "n" * 200, "n": 1, "v": {f"l{i}": "x" * 1024 for i in range(32)}})
    assert len(parse_key(row.key).labels) == 32


def test_a_form_carries_a_point() -> None:
    """A query string's numbers are read as numbers, its other parameters are labels."""
    ((row, eid),) = parse_query(b"name=http.requests&n=3&status=200&tick=t", CONTEXT).ticks[0].rows
    assert (row.n, eid) == (3, "t")
    assert parse_key(row.key).labels == (("status", "200"),)


def test_a_clock_that_is_not_believed_shows_in_the_labels() -> None:
    """A point of a stranger from last week is kept as of now, and can be told apart."""
    (row,) = rows({"name": "x", "n": 1, "ts": NOW - 7 * 86_400_000})
    assert (row.time, parse_key(row.key).labels) == (SLOT, (("clock", "skewed"),))
    (row,) = rows({"name": "x", "n": 1, "ts": NOW - 7 * 86_400_000}, CONTEXT._replace(trusted=True))
    assert (row.time, parse_key(row.key).labels) == (SLOT - 7 * 86_400_000, ())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["counter", "gauge", "timer", "set"]),
            st.floats(allow_nan=False, allow_infinity=False, width=32),
            st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), st.text(max_size=8), max_size=4),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_points_go_through_the_journal(points: list[tuple[str, float, dict[str, str]]]) -> None:
    """What was sent stands in the columns that a consumer reads back."""
    items = [{"name": "x", "n": n, "kind": kind, "v": labels} for kind, n, labels in points]
    sent = [row for tick in parse(orjson.dumps(items), "", CONTEXT).ticks for row, _ in tick.rows]
    payload = records.encode_parts("main", records.columns_of(sent))
    columns = records.decode(records.KIND_PARTS, payload).columns  # type: ignore[union-attr]
    assert [columns.key(index) for index in range(len(columns))] == [row.key for row in sent]
    assert [
        n for (kind, n, _), got in zip(points, columns.n, strict=True) if kind != "set" and n != got
    ] == []


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("params", "labels"),
    [
        ({}, ()),
        ({"trace_id": "abc"}, (("trace_id", "abc"),)),
        ({"trace_id": "abc", "span_id": "1"}, (("trace_id", "abc"), ("span_id", "1"))),
        ({"span_id": "1"}, ()),
        ({"trace_id": "a\n"}, ()),
        ({"trace_id": "é"}, ()),
        ({"trace_id": 7}, ()),
        ({"trace_id": "x" * 49}, ()),
        ({"traceparent": PARENT}, (("trace_id", PARENT[3:35]), ("span_id", PARENT[36:52]))),
        ({"traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01", "trace_id": "y"}, (("trace_id", "y"),)),
        ({"traceparent": PARENT.upper()}, ()),
    ],
)
def test_traces(params: dict[str, Any], labels: Labels) -> None:
    """Which trace a point is of; what says none of it that can be used is no matter."""
    assert point.trace(params) == labels
    row = point.point({"name": "a", "n": 1, **params}, {}, 0, 10.0)
    assert parse_key(row.key).labels == ()

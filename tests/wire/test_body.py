from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.limits import TICKS_PER_BODY
from metronome.wire.body import UNREADABLE, excerpt, form, parse_json, read

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

READ = [
    (JSON, b'{"a":1}', [{"a": 1}]),
    ("application/json; charset=utf-8", b'{"a":1}', [{"a": 1}]),
    ("application/vnd.api+json", b'{"a":1}', [{"a": 1}]),
    ("text/plain;charset=UTF-8", b'{"a":1}', [{"a": 1}]),
    ("", b'{"a":1}', [{"a": 1}]),
    ("application/octet-stream", b'{"a":1}', [{"a": 1}]),
    (JSON, b'\xef\xbb\xbf{"a":1}', [{"a": 1}]),
    (JSON, b'[{"a":1}, 2, [3]]', [{"a": 1}, 2, [3]]),
    (JSON, b"[]", []),
    (JSON, b"42", [42]),
    (JSON, b'{\n "a": 1,\n "b": 2\n}\n', [{"a": 1, "b": 2}]),
    (JSON, b'{"a":1}\n\n{"a":2}\r\n', [{"a": 1}, {"a": 2}]),
    ("text/plain", b'{"a":1}\n{"a":2}', [{"a": 1}, {"a": 2}]),
    ("application/x-ndjson", b'{"a":1}\n', [{"a": 1}]),
    (JSON, b'{"a":1,"a":2}', [{"a": 2}]),
    (JSON, b'{"a":"\\ud800x"}', [{"a": "\ufffdx"}]),
    (JSON, b'{"\\udfff":"\\ud83d\\ude00"}', [{"\ufffd": "\U0001f600"}]),
    (JSON, b'{"a":"\xff"}', [{"a": "\ufffd"}]),
    (JSON, b'{"a":"\x01"}', [{"a": "\x01"}]),
    (JSON, b'{"a":' + b"1" * 5000 + b"}", [{"a": math.inf}]),
    (JSON, b'[{"n":Infinity},{"n":1e999}]', [{"n": math.inf}, {"n": math.inf}]),
    (FORM, b"a=1&b=x+y%21&c=&a=2", [{"a": "2", "b": "x y!", "c": ""}]),
    (FORM, b' {"type":"view"}', [{"type": "view"}]),
    (FORM, b'[{"a":1}]', [{"a": 1}]),
    (FORM, b"a=%FF", [{"a": "\ufffd"}]),
]


@pytest.mark.parametrize(("content_type", "body", "items"), READ)
def test_bodies(content_type: str, body: bytes, items: list[object]) -> None:
    """JSON, arrays, lines and forms are cut into items, numbered from 0."""
    found = read(body, content_type)
    assert found.items == list(enumerate(items))
    assert (found.refused, found.reason) == ([], "")


UNREADABLE_BODIES = [
    (JSON, b"", "malformed"),
    (JSON, b" \n ", "malformed"),
    (JSON, b"hello", "malformed"),
    (JSON, b'{"a":', "malformed"),
    (JSON, b'{\n"a": 1,\n"b"\n', "malformed"),
    (JSON, b"1\n2", "malformed"),
    (JSON, b'[{"a":1},', "malformed"),
    (JSON, b"[" * 100_000, "malformed"),
    (JSON, b"[" * 1500 + b"]" * 1500, "malformed"),
    ("text/plain", b"hello\nworld", "malformed"),
    (FORM, b"", "malformed"),
    (FORM, b"&".join(b"a%d=1" % i for i in range(2000)), "too_many"),
    (JSON, b"[" + b"1," * TICKS_PER_BODY + b"1]", "too_many"),
    (JSON, b"{}\n" * (TICKS_PER_BODY + 1), "too_many"),
    (JSON, b"\n" * 20_000 + b"{", "too_many"),
    ("multipart/form-data; boundary=x", b"--x", "unsupported_type"),
    ("image/png", b"{}", "unsupported_type"),
]


@pytest.mark.parametrize(("content_type", "body", "reason"), UNREADABLE_BODIES)
def test_bodies_of_which_nothing_can_be_read(content_type: str, body: bytes, reason: str) -> None:
    """A body that is nothing has one reason and no items."""
    assert read(body, content_type) == ([], [], reason)


def test_as_many_items_as_the_limit() -> None:
    """The limit itself is allowed, as array and as lines."""
    assert len(read(b"[" + b"1," * (TICKS_PER_BODY - 1) + b"1]", JSON).items) == TICKS_PER_BODY
    assert len(read(b"{}\n" * TICKS_PER_BODY, JSON).items) == TICKS_PER_BODY


def test_a_bad_line_costs_only_itself() -> None:
    """Lines before and behind a bad one are read; the bad one is refused by its index."""
    found = read(b'{"a":1}\nnonsense\n\n{"a":3}\n', "application/x-ndjson")
    assert found.items == [(0, {"a": 1}), (2, {"a": 3})]
    assert found.refused == [(1, "malformed", "", b"nonsense", "")]


def test_one_nan_does_not_cost_its_neighbours() -> None:
    """A number that JSON does not know leaves the items around it readable."""
    items = [item for _, item in read(b'[{"n":1},{"n":NaN},{"n":3}]', JSON).items]
    assert items[0] == {"n": 1}
    assert math.isnan(items[1]["n"])
    assert items[2] == {"n": 3}


def test_an_excerpt_is_short_whatever_the_item() -> None:
    """The ledger gets the beginning of an item, also of one that cannot be written."""
    assert excerpt({"a": "x" * 10_000, "b": [1] * 10_000}) == b'{"a":"' + b"x" * 154
    assert excerpt({"n": math.nan}) == b'{"n":null}'
    deep: list[object] = []
    for _ in range(400):
        deep = [deep]
    assert excerpt({"a": {"b": deep}}) == b""


@given(st.binary(max_size=80), st.sampled_from([JSON, FORM, "", "text/plain", "application/x-ndjson"]))
def test_no_bytes_break_the_reader(noise: bytes, content_type: str) -> None:
    """Noise inside a good body gives items, refusals or a reason, and never raises."""
    found = read(b'{"a":"' + noise + b'"}\n{"a":1}', content_type)
    assert found.items or found.reason


def test_lone_values() -> None:
    """A form without fields is nothing; what is no JSON is told apart from null."""
    assert form(b"&&").reason == "malformed"
    assert parse_json(b"null") is None
    assert parse_json(b"nul") is UNREADABLE

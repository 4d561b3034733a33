from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from twisted.web.http import parse_qs

from metronome.errors import ClientError
from metronome.model import Kind
from metronome.web.query import Query

NOW = 1_700_000_000_000


def query(text: str) -> Query:
    return Query(parse_qs(text.encode(), 1))


READ: list[tuple[str, Callable[[Query], object], object]] = [
    ("", lambda q: q.text("a", "x"), "x"),
    ("a=", lambda q: q.text("a", "x"), "x"),
    ("a=1&a=2", lambda q: q.text("a"), "2"),
    ("a=1&a=&a=2", lambda q: q.texts("a"), ["1", "2"]),
    ("a=x,y&a=,z ", lambda q: q.words("a"), ["x", "y", "z"]),
    ("a=%C3%BC", lambda q: q.required("a"), "ü"),
    ("t=-1h", lambda q: q.time("t", NOW, 5), NOW - 3_600_000),
    ("", lambda q: q.time("t", NOW, 5), 5),
    ("s=5min", lambda q: q.span("s", 1), 300),
    ("n=7", lambda q: q.number("n", 1, 10), 7),
    ("", lambda q: q.number("n", 1, 10), 1),
    ("f=1", lambda q: q.flag("f"), True),
    ("f=false", lambda q: q.flag("f"), False),
    ("", lambda q: q.flag("f"), False),
    ("kind=timer", lambda q: q.kind(), Kind.TIMER),
    ("kind=counter", lambda q: q.kind(), Kind.COUNTER),
    ("", lambda q: q.kind(), None),
    ("i=a,b", lambda q: q.wished("i", ("a", "b", "c")), {"a", "b"}),
    ("where=b:x*&where=a:y:z&where=c:", lambda q: q.where(), (("a", "y:z"), ("b", "x*"), ("c", ""))),
    ("tz=Europe/Berlin", lambda q: q.zone(), ZoneInfo("Europe/Berlin")),
    ("", lambda q: q.zone(), ZoneInfo("UTC")),
]


@pytest.mark.parametrize(("text", "read", "expected"), READ)
def test_parameters(text: str, read: Callable[[Query], object], expected: object) -> None:
    """Each reader gives its value, or the default for what is missing or empty."""
    assert read(query(text)) == expected


REFUSED: list[tuple[str, Callable[[Query], object], str]] = [
    ("", lambda q: q.required("a"), "a is missing"),
    ("a=%FF", lambda q: q.text("a"), "a is not UTF-8"),
    ("t=soon", lambda q: q.time("t", NOW, 5, UTC), "t: 'soon' is not a time"),
    ("s=soon", lambda q: q.span("s", 1), "s: 'soon' is not a length of time"),
    ("n=-1", lambda q: q.number("n", 1, 10), "n: '-1' is not a whole number"),
    ("n=11", lambda q: q.number("n", 1, 10), "n must be at most 10"),
    ("f=yes", lambda q: q.flag("f"), "f must be one of 0, false, 1, true, not 'yes'"),
    ("kind=x", lambda q: q.kind(), "kind must be one of counter, gauge, timer, set, not 'x'"),
    ("i=a,z,y", lambda q: q.wished("i", ("a", "b")), "i knows a, b, not y, z"),
    ("where=:x", lambda q: q.where(), "where must be label:glob"),
    ("tz=Nowhere", lambda q: q.zone(), "tz 'Nowhere' is not a time zone"),
    ("tz=Europe", lambda q: q.zone(), "tz 'Europe' is not a time zone"),
    ("tz=%00", lambda q: q.zone(), "is not a time zone"),
    ("tz=/etc/localtime", lambda q: q.zone(), "is not a time zone"),
]


@pytest.mark.parametrize(("text", "read", "words"), REFUSED)
def test_what_cannot_be_used(text: str, read: Callable[[Query], object], words: str) -> None:
    """400 with a sentence that names the parameter and says what would be right."""
    with pytest.raises(ClientError) as caught:
        read(query(text))
    assert (caught.value.reason, caught.value.status) == ("bad_request", 400)
    assert words in caught.value.detail

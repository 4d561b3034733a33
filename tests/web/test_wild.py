from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.kit import WebKit

QUESTIONS = {
    "/streams/main/points": {
        "name": "sold",
        "from": "-1h",
        "until": "now",
        "step": "10",
        "by": "c",
        "tz": "UTC",
    },
    "/streams/main/series": {"match": "*", "where": "c:*", "kind": "counter", "from": "0"},
    "/tock/a.json": {
        "from": "0",
        "until": "now",
        "last": "1d",
        "limit": "5",
        "fill": "0",
        "include": "other",
    },
    "/tick.gif": {"id": "a", "name": "sold", "n": "1", "ts": "0", "v": "", "kind": "gauge", "key": ""},
}
NAMES = sorted(
    {name for query in QUESTIONS.values() for name in query} | {"stat", "stream", "where", "type", "p"}
)
TRICKY = (
    "",
    "*",
    "{",
    "a:",
    "9999-12-31",
    "253402300799",
    "-99999999y",
    "1e999",
    "٣",
    "\0",
    "../..",
    "p101",
    "1" * 400,
)
HEADERS = ("Accept", "Authorization", "Content-Encoding", "Content-Type", "Cookie", "Origin", "Referer")
STATUSES = {200, 202, 204, 304, 400, 401, 403, 404, 413, 415}

values = st.sampled_from(TRICKY).map(str.encode) | st.binary(max_size=12)


@pytest.fixture(scope="module")
def kit() -> Iterator[WebKit]:
    kit = WebKit()
    yield kit
    kit.close()


@given(st.sampled_from(sorted(QUESTIONS)), st.sampled_from(NAMES), values)
def test_one_wild_parameter(kit: WebKit, path: str, name: str, value: bytes) -> None:
    """Whatever a parameter holds, it is answered or refused, and never fails us."""
    query = {key: quote_from_bytes(text.encode()) for key, text in QUESTIONS[path].items()}
    query[name] = quote_from_bytes(value)
    reply = kit.get(f"{path}?{'&'.join(f'{key}={text}' for key, text in query.items())}")
    assert reply.status in STATUSES
    assert reply.status < 400 or set(reply.json) == {"error", "detail"}


@given(st.sampled_from(["/tick", "/tock/a.json", "/"]), st.sampled_from(HEADERS), values)
def test_one_wild_header(kit: WebKit, path: str, name: str, value: bytes) -> None:
    """The same of a header's bytes."""
    connection = kit.connect()
    body = b'{"id":"a"}' if path == "/tick" else b""
    head = b"%b %b HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n" % (
        b"POST" if body else b"GET",
        path.encode(),
        len(body),
    )
    cleaned = value.translate(None, b"\0\r\n")
    connection.send(head + name.encode() + b": " + cleaned + b"\r\n\r\n" + body)
    kit.settle()
    assert connection.reply().status in STATUSES
    connection.lose()

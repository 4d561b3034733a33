from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.web.http import Request
from twisted.web.test.requesthelper import DummyChannel

from metronome.errors import ClientError
from metronome.web.endpoint import Asked, Web, json_answer


def asked(body: bytes = b"", **headers: str) -> Asked:
    request = Request(DummyChannel(), False)
    request.args = {}
    request.gotLength(len(body))
    request.handleContentChunk(body)
    assert request.content is not None
    request.content.seek(0)
    for name, value in headers.items():
        request.requestHeaders.addRawHeader(name, value)
    return Asked(request, {})


def test_headers_and_body() -> None:
    """A missing header is empty; of a repeated one the first counts; a body is bytes."""
    one = asked(b"text", Accept="a")
    one.request.requestHeaders.addRawHeader("Accept", "b")
    assert (one.header("accept"), one.header("Origin"), one.body) == ("a", "", b"text")
    one.request.requestHeaders.setRawHeaders(b"Origin", [b"\xff"])
    assert one.header("Origin") == "\ufffd"


def test_documents() -> None:
    """A JSON object with known members; null is missing; no body is an empty one."""
    known: dict[str, type[Any]] = {"name": str, "size": int}
    assert asked(b'{"name":"x","size":null}').document(known) == {"name": "x"}
    assert asked().document(known) == {}
    for body, words in (
        (b"[]", "JSON object"),
        (b"{", "no JSON"),
        (b'{"x":1}', "no 'x'"),
        (b'{"name":1}', "str"),
    ):
        with pytest.raises(ClientError, match=words):
            asked(body).document(known)


def test_the_time_in_milliseconds() -> None:
    """As the gateway's clock has it."""
    gateway = SimpleNamespace(clock=SimpleNamespace(seconds=lambda: 1.5))
    assert Web(cast(Any, gateway)).now == 1500


def test_json_answers_are_kept_by_nobody() -> None:
    """Unless an endpoint says otherwise."""
    answer = json_answer({"a": 1}, 201, {"Location": "/x"})
    assert (answer.status, answer.body, answer.media_type) == (201, b'{"a":1}', "application/json")
    assert dict(answer.headers) == {"Cache-Control": "no-store", "Location": "/x"}

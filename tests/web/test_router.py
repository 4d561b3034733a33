from __future__ import annotations

import pytest

from metronome.errors import ClientError
from metronome.web.endpoint import Answer, Asked, Endpoint, Web
from metronome.web.router import Router, found


def view(web: Web, asked: Asked) -> Answer:
    return Answer(204)


def endpoint(name: str, *paths: str) -> Endpoint:
    return Endpoint(name, {path: {"GET": view} for path in paths})


ROUTER = Router([endpoint("plain", "/a", "/a/b"), endpoint("parts", "/a/:id", "/a/:id/x", "/t/:id*.json")])

MATCHES = [
    ("/a", "plain", {}),
    ("/a/b", "plain", {}),
    ("/a/c", "parts", {"id": "c"}),
    ("/a/c%2Fd", "parts", {"id": "c/d"}),
    ("/a/%C3%BC", "parts", {"id": "ü"}),
    ("/a/%FF", "parts", {"id": "\ufffd"}),
    ("/a/c/x", "parts", {"id": "c"}),
    ("/t/c.json", "parts", {"id": "c"}),
    ("/t/c/d/e.json.json", "parts", {"id": "c/d/e.json"}),
    ("/t/a%0Ab.json", "parts", {"id": "a\nb"}),
]


@pytest.mark.parametrize(("path", "name", "parts"), MATCHES)
def test_paths_and_their_parts(path: str, name: str, parts: dict[str, str]) -> None:
    """A part is up to the next slash, a starred one over slashes; both are decoded."""
    match = ROUTER.match(path)
    assert match is not None
    assert (match.name, match.parts) == (name, parts)


@pytest.mark.parametrize("path", ["", "/", "/a/", "/a/c/y", "/t/.json", "/t/c", "/A", "*", "/a/b/"])
def test_paths_that_mean_nothing(path: str) -> None:
    """A path is matched as a whole, and no part is empty."""
    assert ROUTER.match(path) is None


def test_methods() -> None:
    """HEAD comes with GET, OPTIONS with everything."""
    match = ROUTER.match("/a")
    assert match is not None
    assert match.view("HEAD") is view
    assert match.allowed == ["GET", "HEAD", "OPTIONS"]
    with pytest.raises(ClientError) as caught:
        match.view("POST")
    assert (caught.value.reason, caught.value.status) == ("method_not_allowed", 405)


def test_two_endpoints_with_one_path_are_reported() -> None:
    """At start, by name."""
    with pytest.raises(AssertionError, match="second: another endpoint serves /a"):
        Router([endpoint("first", "/a"), endpoint("second", "/a")])


def test_every_endpoint_is_found() -> None:
    """By walking the folder; names are told apart on /metrics."""
    names = [one.name for one in found()]
    assert len(names) == len(set(names))
    assert {"tick", "tock", "points", "series", "streams", "ledger", "metrics", "health", "session"} <= set(
        names
    )

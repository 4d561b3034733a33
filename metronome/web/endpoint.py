"""What an endpoint is, what it is asked, and what it answers.

A file of this folder that has a constant ``ENDPOINT`` is an endpoint; ``router.py`` finds it.
Its views are plain functions of what the gateway offers and what was asked; they return an
answer or a Deferred of one, and raise ``ClientError`` and the other errors of ``errors.py``,
which ``respond.py`` turns into answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson
from twisted.internet.defer import Deferred
from twisted.web.http import Request

from metronome.errors import ClientError
from metronome.gateway.gateway import Gateway
from metronome.web.page import File
from metronome.web.query import Query

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Web:
    """What views work with."""

    gateway: Gateway
    metrics_public: bool = False
    """``GET /metrics`` needs no token."""
    files: Mapping[str, File] = field(default_factory=dict)
    """The dashboard's files by their path."""
    addresses: Callable[[], Mapping[str, Sequence[str]]] = dict
    """What the gateway listens on, as in ``addresses.json``."""

    @property
    def now(self) -> int:
        """The time in ms."""
        return int(self.gateway.clock.seconds() * 1000)


class Answer(NamedTuple):
    """One answer.  ``tag`` is an entity tag, with which a repeated question is told 304."""

    status: int
    body: bytes | Iterable[bytes] = b""
    """Whole, or in pieces that are made when the client is ready for them."""
    media_type: str = JSON
    headers: Mapping[str, str] = MappingProxyType({})
    tag: str = ""


def header(request: Request, name: str) -> str:
    """A header of a request, empty when it is missing; bytes that are not UTF-8 are replaced."""
    values = request.requestHeaders.getRawHeaders(name.encode())
    return values[0].decode("utf-8", "replace") if values else ""


class Asked:
    """One request: its path's parts, query, headers and body."""

    __slots__ = ("parts", "query", "request")

    def __init__(self, request: Request, parts: Mapping[str, str]):
        self.request = request
        self.parts = parts
        self.query = Query(request.args)

    def header(self, name: str) -> str:
        """A request header, empty when it is missing; of a repeated one the first."""
        return header(self.request, name)

    @property
    def body(self) -> bytes:
        """The whole body, as it came."""
        content = self.request.content
        assert content is not None
        content.seek(0)
        return bytes(content.read())

    def document(self, known: Mapping[str, type[Any]]) -> dict[str, Any]:
        """The JSON object in the body; only these members, of these types.  ``ClientError``."""
        try:
            found = orjson.loads(self.body or b"{}")
        except orjson.JSONDecodeError as error:
            raise ClientError("malformed", 400, f"the body is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise ClientError("bad_request", 400, "the body must be a JSON object")
        for name, value in found.items():
            if name not in known:
                names = ", ".join(known)
                raise ClientError("bad_request", 400, f"there is no {name!r}; what is known: {names}")
            if value is not None and not isinstance(value, known[name]):
                raise ClientError("bad_request", 400, f"{name} must be of type {known[name].__name__}")
        return {name: value for name, value in found.items() if value is not None}


View = Callable[[Web, Asked], Answer | Deferred[Answer]]


class Endpoint(NamedTuple):
    """The paths of one family and their views by method.

    In a path ``:name`` stands for one part and ``:name*`` for any number of them, slashes
    included.  A path with a GET view answers HEAD as well.
    """

    name: str
    """For ``/metrics``: ``metronome_http_requests_total{endpoint=...}``."""
    routes: Mapping[str, Mapping[str, View]]


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Content as JSON, not to be kept by anybody in between."""
    return Answer(status, orjson.dumps(content), JSON, {"Cache-Control": "no-store", **(headers or {})})

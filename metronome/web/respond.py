"""The one place where errors become statuses and bodies, and answers become bytes.

==========================  ======  ==================================================
error                       status  body
==========================  ======  ==================================================
``ClientError``             its own ``{"error": reason, "detail": sentence}``
``StoreUnavailable``        503     ``store_unavailable``, with Retry-After
``JournalUnavailable``      503     the shed reason, with Retry-After
anything else               500     ``internal``; the log has the trace
==========================  ======  ==================================================

A 401 asks for a Bearer token.  It offers Basic only to programs: a browser would show its own
dialogue in front of the dashboard's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Final

import orjson
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import NOT_MODIFIED, RESPONSES, Request
from zope.interface import implementer

from metronome.errors import ClientError, JournalUnavailable, StoreUnavailable
from metronome.limits import RETRY_AFTER
from metronome.web.endpoint import JSON, Answer, header

REALM: Final = "metronome"
_log = Logger()


def refusal(error: ClientError) -> Answer:
    """The answer to a request that cannot be granted."""
    headers = {"Cache-Control": "no-store"}
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    body = orjson.dumps({"error": error.reason, "detail": error.detail})
    return Answer(error.status, body, JSON, headers)


def excuse(failure: Failure) -> Answer:
    """The answer to a request that failed."""
    error = failure.value
    if isinstance(error, ClientError):
        return refusal(error)
    if isinstance(error, JournalUnavailable):
        return refusal(ClientError(error.reason, 503, str(error), RETRY_AFTER))
    if isinstance(error, StoreUnavailable):
        return refusal(ClientError("store_unavailable", 503, str(error), RETRY_AFTER))
    _log.failure("a request failed", failure)
    return refusal(ClientError("internal", 500, "the gateway failed; its log has the trace"))


def write(request: Request, answer: Answer, date: bytes) -> None:
    """Send an answer, unless the client has gone.  ``date`` is the Date header."""
    if getattr(request, "channel", None) is None:
        return
    status: int = answer.status
    body: bytes | Iterable[bytes] = answer.body
    set_header = request.responseHeaders.setRawHeaders
    if answer.tag:
        set_header(b"ETag", [answer.tag.encode()])
        if status == 200 and _is_known(request, answer.tag):
            status, body = NOT_MODIFIED, b""
    request.setResponseCode(status, RESPONSES.get(status, b"Unknown"))
    set_header(b"Date", [date])
    set_header(b"X-Content-Type-Options", [b"nosniff"])
    for name, value in answer.headers.items():
        set_header(name.encode(), [value.encode("utf-8", "replace")])
    if status == 401:
        set_header(b"WWW-Authenticate", _challenges(request))
    if status not in (204, NOT_MODIFIED):
        set_header(b"Content-Type", [answer.media_type.encode()])
    if not isinstance(body, bytes):
        _Pieces(request, body).begin()
        return
    if status not in (204, NOT_MODIFIED):
        set_header(b"Content-Length", [b"%d" % len(body)])
    request.write(body)
    request.finish()


@implementer(IPushProducer)
class _Pieces:
    """Writes a body piece by piece, as fast as the client takes it.

    After an empty piece it lets the reactor do something else: what comes next takes its time.
    """

    def __init__(self, request: Request, body: Iterable[bytes]):
        self._request = request
        self._pieces = iter(body)
        self._paused = False
        self._ended = False

    def begin(self) -> None:
        """Write the head, then the pieces; a HEAD request has the head alone."""
        if self._request.method == b"HEAD":
            self._request.write(b"")
            self._request.finish()
        else:
            self._request.registerProducer(self, True)
            self.resumeProducing()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        if getattr(self._request, "channel", None) is None:
            self.stopProducing()
        while not self._paused and not self._ended:
            piece = next(self._pieces, None)
            if piece is None:
                self._ended = True
                self._request.unregisterProducer()
                self._request.finish()
            elif piece:
                self._request.write(piece)
            else:
                self._paused = True
                self._request.channel.callLater(0, self.resumeProducing)

    def stopProducing(self) -> None:
        self._ended = True
        if isinstance(self._pieces, Generator):
            self._pieces.close()


def early(error: ClientError, headers: dict[str, str]) -> bytes:
    """A whole answer as bytes, for a request that is refused before it is complete."""
    answer = refusal(error)
    assert isinstance(answer.body, bytes)
    lines = [b"HTTP/1.1 %d %s" % (error.status, RESPONSES.get(error.status, b"Unknown"))]
    fixed = {"Content-Type": JSON, "Content-Length": str(len(answer.body)), "Connection": "close"}
    for name, value in {**answer.headers, **headers, **fixed}.items():
        lines.append(f"{name}: {' '.join(value.split())}".encode())
    return b"\r\n".join([*lines, b"", answer.body])


def _is_known(request: Request, tag: str) -> bool:
    """Whether the client has this entity already (If-None-Match, compared weakly)."""
    known = [one.strip().removeprefix("W/") for one in header(request, "If-None-Match").split(",")]
    return "*" in known or tag.removeprefix("W/") in known


def _challenges(request: Request) -> list[bytes]:
    challenges = [b'Bearer realm="%s"' % REALM.encode()]
    is_browser = header(request, "User-Agent").startswith("Mozilla/")
    if not is_browser and not header(request, "X-Requested-With"):
        challenges.append(b'Basic realm="%s", charset="UTF-8"' % REALM.encode())
    return challenges

"""The site: everything HTTP of one gateway, as a factory of connections.

A request is routed to an endpoint's view; the view's answer, or the answer that its error
becomes, is written.  Connections, and the bytes of all bodies together, are counted here.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.web.http import HTTPFactory, Request, datetimeToString

from metronome.errors import ClientError
from metronome.gateway.streams import MAIN
from metronome.limits import HTTP_BODIES_BYTES, HTTP_CONNECTIONS, HTTP_IDLE, RETRY_AFTER
from metronome.web import respond, tick
from metronome.web.channel import Call, Channel, Turned
from metronome.web.endpoint import Answer, Asked, Web
from metronome.web.router import Match, Router, found

NOWHERE = "none"
"""The endpoint, in our own counters, of requests that mean none."""


class Site(HTTPFactory):
    """Serves one gateway.  Hand it to ``listenTCP`` or ``listenSSL``."""

    protocol = Channel  # type: ignore[assignment]
    noisy = False

    def __init__(self, web: Web, connections: int = HTTP_CONNECTIONS, idle: float = HTTP_IDLE):
        """``idle`` bounds in seconds the silence between requests and the arrival of one."""
        super().__init__(timeout=idle, reactor=web.gateway.clock)
        self._web = web
        self._router = Router(found())
        self._most = connections
        self.held = 0
        """Bytes of bodies that are held now, all connections together."""
        self._date = (0, b"")
        self._channels: set[Channel] = set()
        self._retired: Deferred[None] | None = None
        web.gateway.telemetry.gauge("metronome_connections", lambda: len(self._channels), source="http")

    # --- connections -------------------------------------------------------------------------

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A new connection; one too many is told so and closed."""
        telemetry = self._web.gateway.telemetry
        if len(self._channels) >= self._most:
            self._count(NOWHERE, 503)
            error = ClientError("overloaded", 503, "too many connections", RETRY_AFTER)
            return Turned(respond.early(error, {}))
        telemetry.count("metronome_connections_accepted_total", source="http")
        channel: Any = super().buildProtocol(addr)
        channel.site = self
        self._channels.add(channel)
        return channel

    def closed(self, channel: Channel) -> None:
        """A connection has ended."""
        self._channels.discard(channel)
        if self._retired is not None and not self._channels:
            retired, self._retired = self._retired, None
            retired.callback(None)

    def retire(self) -> Deferred[None]:
        """Close every connection, those with a request under way when it is answered."""
        if not self._channels:
            return succeed(None)
        self._retired = Deferred()
        retired = self._retired
        for channel in list(self._channels):
            channel.retire()
        return retired

    def room(self, number: int) -> bool:
        """Whether so many more bytes of bodies may be held; they are held then."""
        if self.held + number > HTTP_BODIES_BYTES:
            return False
        self.held += number
        return True

    def free(self, number: int) -> None:
        """So many bytes of bodies are held no longer."""
        self.held -= number

    def startFactory(self) -> None:
        """Nothing to start: there is no access log, the counters tell what is asked."""

    def stopFactory(self) -> None:
        """Nothing to stop."""

    def log(self, request: Request) -> None:
        """No access log: it would keep visitors' addresses."""

    # --- requests ----------------------------------------------------------------------------

    def respond(self, request: Call) -> None:
        """Answer a request."""
        path = request.path.decode("latin-1")
        match = self._router.match(path)
        if match is None:
            error = ClientError("not_found", 404, "there is nothing at this path")
            self._write(request, NOWHERE, respond.refusal(error))
            return
        done = maybeDeferred(self._view, match, request)
        done.addErrback(respond.excuse)
        done.addCallback(lambda answer: self._write(request, match.name, _with_allowed(answer, match)))

    def refused(self, error: ClientError, path: bytes, origin: str) -> bytes:
        """A request was refused before it was complete: the bytes of the answer."""
        self._count(NOWHERE, error.status)
        if not path.startswith(b"/tick"):
            return respond.early(error, {})
        if error.reason == "too_large":
            ledger = self._web.gateway.ledger
            ledger.received(MAIN, tick.SOURCE, 1)
            ledger.reject(MAIN, tick.SOURCE, error.reason, 1, path, origin)
        return respond.early(error, tick.headers_of(origin, 0, 1, 0))

    def _view(self, match: Match, request: Call) -> Any:
        method = request.method.decode("latin-1")
        if method == "OPTIONS" and method not in match.views:
            return Answer(204, headers={"Allow": ", ".join(match.allowed)})
        return match.view(method)(self._web, Asked(request, match.parts))

    def _write(self, request: Call, name: str, answer: Answer) -> None:
        self._count(name, answer.status)
        respond.write(request, answer, self._now())

    def _count(self, name: str, status: int) -> None:
        self._web.gateway.telemetry.count("metronome_http_requests_total", endpoint=name, status=str(status))

    def _now(self) -> bytes:
        """The Date header, written once a second."""
        second = int(self._web.gateway.clock.seconds())
        if self._date[0] != second:
            self._date = (second, datetimeToString(second))
        return self._date[1]


def _with_allowed(answer: Answer, match: Match) -> Answer:
    if answer.status != 405:
        return answer
    return answer._replace(headers={**answer.headers, "Allow": ", ".join(match.allowed)})

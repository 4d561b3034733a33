"""One HTTP connection, bounded while a request arrives.

twisted.web keeps what it is sent: a body of any length, for as long as a byte comes now and
then.  Here a request is refused as soon as it is known to be too much:

- its length, or a chunk of it, takes the body over the limit: 413, nothing more is kept;
- all bodies in memory together would be over their limit: 503;
- it is not complete ``idle`` seconds after its first byte, however it trickles: 408;
- its request line and header fields are too long or too many: 431;
- what comes is not HTTP: 400.

A client that does not take its answer is cut off as well: ``idle`` seconds are what it has each
time until there is room for more.

After such an answer the rest of what the client sends is thrown away, within bounds, so that
a client that reads only when it has sent everything still finds its answer; then the
connection is closed.
"""

# mypy: disallow-untyped-calls=False
# (what is overridden here has no annotations in Twisted)

from __future__ import annotations

from io import BytesIO
from typing import Any, Protocol, cast

from twisted.internet.interfaces import IHalfCloseableDescriptor
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from metronome.errors import ClientError
from metronome.limits import (
    BODY_BYTES,
    HTTP_DISCARD_BYTES,
    HTTP_HEADER_BYTES,
    HTTP_HEADERS,
    HTTP_LINGER,
    RETRY_AFTER,
)
from metronome.web.endpoint import header


class Host(Protocol):
    """What connections need of their site."""

    def room(self, number: int) -> bool:
        """Whether so many more bytes of bodies may be held; they are held then."""
        ...

    def free(self, number: int) -> None:
        """So many bytes of bodies are held no longer."""
        ...

    def respond(self, request: Call) -> None:
        """A request is complete."""
        ...

    def refused(self, error: ClientError, path: bytes, origin: str) -> bytes:
        """A request was refused before it was complete: the bytes of the answer."""
        ...

    def closed(self, channel: Channel) -> None:
        """A connection has ended."""
        ...


class Call(Request):
    """One request whose body is held in memory, within bounds."""

    channel: Channel

    def __init__(self, channel: Channel, *_: object):
        super().__init__(channel, parsePOSTFormSubmission=False)
        self._host = channel.site
        self._held = 0
        self._body = BytesIO()

    def gotLength(self, length: int | None) -> None:
        """The header fields are complete."""
        self.content = self._body
        if length is not None and length > BODY_BYTES:
            self._refuse_size()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, or refuse the request for it."""
        if self.channel.refusing:
            return
        if self._held + len(data) > BODY_BYTES:
            self._refuse_size()
        elif self._host.room(len(data)):
            self._held += len(data)
            self._body.write(data)
        else:
            self.channel.refuse(
                ClientError("overloaded", 503, "too many requests are being received", RETRY_AFTER)
            )

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is complete."""
        if not self.channel.refusing:
            super().requestReceived(command, path, version)

    def process(self) -> None:
        """Answer it."""
        self._host.respond(self)

    def finish(self) -> None:
        """The answer is complete."""
        self._free()
        super().finish()

    def connectionLost(self, reason: Failure) -> None:
        """The client has gone."""
        self._free()
        super().connectionLost(reason)

    def _refuse_size(self) -> None:
        self._free()
        detail = f"a body may have {BODY_BYTES} bytes"
        self.channel.refuse(ClientError("too_large", 413, detail))

    def _free(self) -> None:
        self._host.free(self._held)
        self._held = 0


class Channel(HTTPChannel):
    """The connection."""

    transport: Any

    maxHeaders = HTTP_HEADERS
    totalHeadersSize = HTTP_HEADER_BYTES
    MAX_LENGTH = HTTP_HEADER_BYTES
    requestFactory = Call  # type: ignore[assignment]
    site: Host
    refusing = False
    """The connection's last answer was given; what still comes is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self._arriving = False
        self._discarded = 0

    def dataReceived(self, data: bytes) -> None:
        """Only a request's first byte winds the clock up; its last one stops it."""
        if self.refusing:
            self._discarded += len(data)
            if self._discarded > HTTP_DISCARD_BYTES:
                self.transport.abortConnection()
            return
        if not self._arriving:
            self._arriving = True
            self.resetTimeout()
        # Past HTTPChannel's own dataReceived, which would wind it up with every byte.
        super(HTTPChannel, self).dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """A line of the request's head."""
        if not self.refusing:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """A piece of the request's body."""
        if not self.refusing:
            super().rawDataReceived(data)

    def pauseProducing(self) -> None:
        """The client takes no more of its answer for now."""
        super().pauseProducing()
        if self._handlingRequest:
            self.setTimeout(self._savedTimeOut)

    def resumeProducing(self) -> None:
        """It does again; how long the rest takes to be made is not its fault."""
        if self._handlingRequest:
            self.setTimeout(None)
        super().resumeProducing()

    def allContentReceived(self) -> None:
        """The request is complete; the next one gets a time of its own."""
        self._arriving = False
        super().allContentReceived()

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line that is longer than all of them may be."""
        self._refuse_head()

    def headerReceived(self, line: bytes) -> bool:
        """One header field."""
        if self.refusing:
            return False
        if self._receivedHeaderCount >= self.maxHeaders:
            self._refuse_head()
            return False
        return bool(super().headerReceived(line))

    def timeoutConnection(self) -> None:
        """Nothing came, or not all of a request, or a refused client does not go."""
        if self.refusing:
            self.transport.abortConnection()
        elif self._arriving:
            self.refuse(ClientError("timeout", 408, "the request took too long to arrive"))
        else:
            super().timeoutConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """The connection has ended."""
        super().connectionLost(reason)
        self.site.closed(self)

    def retire(self) -> None:
        """Close after the answer to the request under way, if there is one, else now."""
        if self.requests and not self._arriving and not self.refusing:
            self.persistent = 0
        else:
            self.loseConnection()

    def refuse(self, error: ClientError) -> None:
        """Answer before the request is complete, and take nothing more."""
        if self.refusing:
            return
        self.refusing = True
        origin, path = "", getattr(self, "_path", b"")
        if self.requests:
            request = self.requests[-1]
            request.requestHeaders.removeHeader(b"Expect")  # or 100 Continue would follow
            origin = header(request, "Origin")
        self.transport.write(self.site.refused(error, path, origin))
        self.setTimeout(HTTP_LINGER)
        if IHalfCloseableDescriptor.providedBy(self.transport) and not self.isSecure():
            cast(Any, self.transport).loseWriteConnection()
        else:
            self.loseConnection()  # TLS says goodbye, and waits for the other side's

    def _refuse_head(self) -> None:
        detail = f"a request's head may have {HTTP_HEADERS} fields and {HTTP_HEADER_BYTES} bytes"
        self.refuse(ClientError("too_large", 431, detail))

    def _respondToBadRequestAndDisconnect(self) -> None:
        """What HTTPChannel calls when it is sent something that is not HTTP."""
        if self._receivedHeaderSize > self.totalHeadersSize:
            self._refuse_head()
        else:
            self.refuse(ClientError("bad_request", 400, "this is not HTTP"))


class Turned(TwistedProtocol):
    """A connection beyond the limit: told so, and closed."""

    def __init__(self, answer: bytes):
        self._answer = answer

    def connectionMade(self) -> None:
        """Answer before anything was asked."""
        assert self.transport is not None
        self.transport.write(self._answer)
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> Any:
        """Whatever it was, it is not read."""

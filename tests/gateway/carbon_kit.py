"""A carbon for tests: a transport that is drained by hand, behind an endpoint that is answered
by hand."""

from __future__ import annotations

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure


class Line:
    """A TCP transport whose socket takes bytes only when a test says so."""

    def __init__(self) -> None:
        self.sent = b""
        self.buffer = b""
        self.producer = None
        self.aborted = False
        self.closing = False

    def write(self, data: bytes) -> None:
        self.buffer += data

    def registerProducer(self, producer, streaming: bool) -> None:
        assert self.producer is None
        assert streaming is False
        self.producer = producer
        producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self.producer = None

    def setTcpKeepAlive(self, enabled: bool) -> None:
        assert enabled

    def loseConnection(self) -> None:
        self.closing = True

    def abortConnection(self) -> None:
        self.aborted = True

    def take(self) -> bool:
        """The kernel takes the buffer; whether there was anything."""
        taken, self.buffer = self.buffer, b""
        self.sent += taken
        if self.producer is not None:
            self.producer.resumeProducing()
        return bool(taken or self.buffer)

    def drain(self) -> bytes:
        while self.take():
            pass
        return self.sent


class Endpoint:
    """An endpoint whose attempts a test answers."""

    def __init__(self) -> None:
        self.attempts: list[tuple[object, Deferred]] = []

    def connect(self, factory) -> Deferred:
        cancelled = []
        attempt: Deferred = Deferred(cancelled.append)
        self.attempts.append((factory, attempt))
        return attempt

    def accept(self) -> tuple[Line, Protocol]:
        """Let the last attempt succeed."""
        factory, attempt = self.attempts.pop()
        protocol = factory.buildProtocol(IAddress)
        line = Line()
        attempt.callback(protocol)
        protocol.makeConnection(line)
        return line, protocol

    def refuse(self) -> None:
        """Let the last attempt fail."""
        _, attempt = self.attempts.pop()
        attempt.errback(Failure(error.ConnectionRefusedError()))

"""Lines over connections: TCP, TLS and Unix streams alike, however they are framed.

Whole lines are taken in block by block.  While the intake has no room nothing is read, so that
the sender waits instead of losing.  A last line without a line end counts when the sender has
closed properly (``printf 'a:1|c' | nc``); when the connection broke it may be cut, and is refused.
A connection that is silent for too long is closed, and there are never more than a set number.

A sender that has more for us than we read at once is read in larger pieces: what a piece costs, however
large it is, is then shared by more lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast
from typing import Protocol as TypingProtocol

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from metronome.addresses import Address
from metronome.limits import STREAM_READ_BYTES
from metronome.receivers import sockets
from metronome.receivers.interface import Given
from metronome.wire.framing import Framing, Lines, Taken

READ_AT_ONCE: Final = 1 << 16
"""What Twisted reads from a connection at once."""
Feed = Callable[[bytes, str], None]
"""Takes a block of whole lines and its sender."""


class _Transport(TypingProtocol):
    """What is used of Twisted's stream transports."""

    bufferSize: int

    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def abortConnection(self) -> None: ...


class LineConnection(Protocol):
    """One connection that lines come in on."""

    def __init__(self, owner: StreamListener, sender: str):
        self._owner = owner
        self._given = owner.given
        self._sender = sender
        self._framing = owner.framing()
        self._idle: IDelayedCall | None = None
        self._lost = False
        self._waiting = False
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            # A peer that vanished without a word is noticed.
            self.transport.setTcpKeepAlive(True)
        self._owner.came(self)
        self._watch()

    def dataReceived(self, data: bytes) -> None:
        self._watch()
        taken = self._framing.feed(data)
        self._take(taken)
        if taken.lost:
            self._owner.closed("unreadable")
            self.close()
            return
        if self._given.inlet.blocked():
            self._owner.hold()
        elif len(data) >= READ_AT_ONCE:
            self._read_more(len(data))

    def hold(self) -> None:
        """Read nothing until the intake has room again."""
        if self._waiting or self._lost:
            return
        self._waiting = True
        # Waiting is ours, not the sender's silence.
        self._unwatch()
        self._transport.pauseProducing()
        self._given.inlet.when_free().addCallback(self._go_on)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self._unwatch()
        self._take(self._framing.end(isinstance(reason.value, ConnectionDone)))
        self._owner.went(self)
        self.gone.callback(None)

    def close(self) -> None:
        """End the connection at once: what was not read is the sender's still."""
        self._transport.abortConnection()

    def _take(self, taken: Taken) -> None:
        for reason, excerpt, number in taken.refused:
            self._given.inlet.reject(reason, excerpt, self._sender, number)
        if taken.block:
            self._owner.feed(taken.block, self._sender)

    @property
    def _transport(self) -> _Transport:
        return cast(_Transport, self.transport)

    def _read_more(self, got: int) -> None:
        """All that is read at once was there: read up to twice as much from now on."""
        transport = self._transport
        if got == transport.bufferSize < STREAM_READ_BYTES:
            transport.bufferSize = min(2 * got, STREAM_READ_BYTES)

    def _watch(self) -> None:
        """Count silence from now on."""
        if self._idle is None:
            self._idle = self._given.reactor.callLater(self._given.idle, self._on_silence)
        else:
            self._idle.reset(self._given.idle)

    def _unwatch(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _on_silence(self) -> None:
        self._idle = None
        self._owner.closed("idle")
        self.close()

    def _go_on(self, _: None) -> None:
        if self._lost:
            return
        if self._given.inlet.blocked():
            self._given.inlet.when_free().addCallback(self._go_on)
            return
        self._waiting = False
        self._watch()
        self._transport.resumeProducing()


class Held(TypingProtocol):
    """A connection as its listener sees it."""

    gone: Deferred[None]
    """Fires when it is over."""

    def close(self) -> None:
        """End it at once."""
        ...


class ConnectionListener(ServerFactory):
    """Listens, and holds its connections."""

    noisy = False

    def __init__(self, given: Given):
        self.given = given
        self._connections: set[Held] = set()
        self._port: IListeningPort | None = None
        self._bound = given.address

    def connection(self, sender: str) -> Any:
        """The protocol of a new connection, which is :class:`Held`."""
        raise AssertionError("a listener says what its connections are")

    @property
    def connected(self) -> int:
        """Open connections."""
        return len(self._connections)

    def listen(self) -> Address:
        """Bind and accept; the address that was bound."""
        given = self.given
        self._port, self._bound = sockets.listen_stream(given.reactor, given.address, self, one_way=True)
        return self._bound

    def stop(self) -> Deferred[Any]:
        """Accept nothing more and close what is open; fires when all are gone."""
        if self._port is None:
            return succeed(None)
        port, self._port = self._port, None
        gone = [connection.gone for connection in self._connections]
        for connection in list(self._connections):
            connection.close()
        return gatherResults([sockets.close_stream(port, self._bound), *gone])

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection, or none when there are as many as there may be."""
        if len(self._connections) >= self.given.connections:
            self.closed("too_many_connections")
            return None
        return self.connection(str(getattr(addr, "host", "unix")))

    def came(self, connection: Held) -> None:
        """A connection is open."""
        self._connections.add(connection)
        self.given.telemetry.count("metronome_connections_accepted_total", source=self.given.inlet.source)

    def went(self, connection: Held) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    def closed(self, reason: str) -> None:
        """A connection is closed by our own decision."""
        source = self.given.inlet.source
        self.given.telemetry.count("metronome_connections_closed_total", source=source, reason=reason)


class StreamListener(ConnectionListener):
    """Listens for connections that bring lines."""

    def __init__(self, given: Given, feed: Feed, framing: Callable[[], Framing] = Lines):
        """``framing()`` makes what takes one connection apart."""
        super().__init__(given)
        self.feed = feed
        self.framing = framing

    def hold(self) -> None:
        """There is no room: none of the connections is read, whichever has noticed."""
        for connection in list(self._connections):
            if isinstance(connection, LineConnection):
                connection.hold()

    def connection(self, sender: str) -> LineConnection:
        """Lines, framed as they may be."""
        return LineConnection(self, sender)

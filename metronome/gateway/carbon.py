"""A connection to carbon that is kept up, and what is written to it.

Graphite's protocols have no acknowledgement, and carbon never sends a byte.  So:

- Bytes count as **confirmed** once the connection has lived ``CARBON_CONFIRM`` seconds after
  they left, or ``CARBON_WINDOW_BYTES`` more have left behind them (more than the socket
  buffers on the way hold).  What is not confirmed yet is the window.
- When a connection breaks, the next one begins by sending the window again.  In Graphite a
  value sent twice is one value.
- An end of file means that carbon is gone, although TCP would let us go on writing.
- carbon pauses reading when its cache is full, for minutes.  Nothing is pulled meanwhile; a
  connection that takes nothing for ``CARBON_STALL`` seconds is given up and made anew.

Chunks are pulled out of an iterator one at a time, whenever the transport has handed all
that it had to the kernel: that is the flow control, and it bounds how long one turn of the
reactor takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, cast

from twisted.internet.defer import Deferred, execute, fail, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IPullProducer,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from metronome.errors import DestinationUnavailable
from metronome.gateway.telemetry import Telemetry
from metronome.limits import (
    CARBON_CONFIRM,
    CARBON_GOODBYE,
    CARBON_STALL,
    CARBON_WINDOW_BYTES,
    RETRY_FIRST,
    RETRY_MOST,
)


class Chunk(NamedTuple):
    """Bytes to send, and what they complete."""

    data: bytes
    lines: int
    end: int
    """Journal position that is done once this chunk is confirmed; 0 completes nothing."""


class _Sent:
    """A chunk in the window; ``left`` is when it was last written."""

    __slots__ = ("chunk", "left")

    def __init__(self, chunk: Chunk):
        self.chunk = chunk
        self.left = 0.0


class _Transport(Protocol):
    """What is used of Twisted's TCP transport."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def setTcpKeepAlive(self, enabled: bool) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


class _Line(Connection):
    """Tells when the connection is there and when it is gone; reads nothing."""

    def __init__(self, owner: Carbon):
        self._owner = owner

    def connectionMade(self) -> None:
        self._owner._connected(cast(_Transport, self.transport))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._owner._lost(reason)


@implementer(IPullProducer)
class Carbon:
    """Sends chunks to one carbon, in order, at least once.

    ``back`` is called whenever a connection is there again.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        telemetry: Telemetry,
        back: Callable[[], None] = lambda: None,
    ):
        self._name = name
        self._endpoint = endpoint
        self._clock = clock
        self._telemetry = telemetry
        self._back = back
        self._running = False
        self._trouble = "not connected yet"
        self._transport: _Transport | None = None
        self._attempt: Deferred[IProtocol] | None = None
        self._timer: IDelayedCall | None = None
        self._stall: IDelayedCall | None = None
        self._pause = RETRY_FIRST
        self._since = 0.0
        self._gone: Deferred[None] | None = None
        self._chunks: Iterator[Chunk] | None = None
        self._waiter: Deferred[None] | None = None
        self._producing = False
        self._window: deque[_Sent] = deque()
        self._window_bytes = 0
        self._written = 0
        self._confirmed = 0
        telemetry.gauge("metronome_graphite_connected", lambda: self._transport is not None, destination=name)

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._running = True
        self._connect()

    def stop(self) -> Deferred[None]:
        """Fail what is being sent, hand what was written to the kernel and close."""
        self._running = False
        for call in (self._timer, self._stall):
            if call is not None and call.active():
                call.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
        self._fail_waiter("stopped")
        transport = self._transport
        if transport is None:
            return succeed(None)
        gone = self._gone = Deferred()
        self._rest()
        transport.loseConnection()
        self._timer = self._clock.callLater(CARBON_GOODBYE, transport.abortConnection)
        return gone

    def send(self, chunks: Iterator[Chunk]) -> Deferred[None]:
        """Send all that an iterator gives; fires when it has left, for the kernel to deliver.

        Fails with ``DestinationUnavailable`` when there is no connection, or no longer.
        Chunks that were taken from the iterator are in the window and are not lost: call
        again with the same iterator to go on.  One iterator at a time.
        """
        assert self._waiter is None, "one iterator at a time"
        if self._transport is None:
            return fail(DestinationUnavailable(f"{self._name}: {self._trouble}"))
        self._chunks = chunks
        waiter = self._waiter = Deferred()
        self._produce()
        return waiter

    def confirmed(self) -> int:
        """The journal position up to which everything has been sent and confirmed."""
        if self._transport is not None:
            self._prune()
        return self._confirmed

    # --- the connection ------------------------------------------------------------------

    def _connect(self) -> None:
        self._timer = None
        attempt = self._attempt = self._endpoint.connect(Factory.forProtocol(lambda: _Line(self)))
        attempt.addErrback(self._refused)

    def _refused(self, failure: Failure) -> None:
        self._attempt = None
        self._away(failure.getErrorMessage())

    def _connected(self, transport: _Transport) -> None:
        self._attempt = None
        self._transport = transport
        self._since = self._clock.seconds()
        self._written = 0
        transport.setTcpKeepAlive(True)
        self._telemetry.count("metronome_graphite_reconnects_total", destination=self._name)
        self.log.info(
            "connected to {name}, sending {bytes} bytes again", name=self._name, bytes=self._window_bytes
        )
        if self._window:
            self._produce()
        self._back()

    def _lost(self, reason: Failure) -> None:
        self._transport = None
        self._producing = False
        if self._stall is not None and self._stall.active():
            self._stall.cancel()
        if self._clock.seconds() - self._since > CARBON_CONFIRM:
            self._pause = RETRY_FIRST
        gone, self._gone = self._gone, None
        if gone is not None:
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            gone.callback(None)
            return
        self._away(reason.getErrorMessage())

    def _away(self, trouble: str) -> None:
        if not self._running:
            return
        self._trouble = trouble
        self.log.warn(
            "{name} is away, next try in {pause} s: {trouble}",
            name=self._name,
            pause=self._pause,
            trouble=trouble,
        )
        self._timer = self._clock.callLater(self._pause, self._connect)
        self._pause = min(self._pause * 2, RETRY_MOST)
        self._fail_waiter(trouble)

    def _fail_waiter(self, trouble: str) -> None:
        waiter, self._waiter = self._waiter, None
        self._chunks = None
        if waiter is not None:
            waiter.errback(DestinationUnavailable(f"{self._name}: {trouble}"))

    # --- writing -------------------------------------------------------------------------

    def _produce(self) -> None:
        if self._transport is not None and not self._producing:
            self._producing = True
            self._transport.registerProducer(self, False)

    def _rest(self) -> None:
        if self._producing and self._transport is not None:
            self._producing = False
            self._transport.unregisterProducer()

    def resumeProducing(self) -> None:
        """Write the next chunk; what was written before is with the kernel by now."""
        if not self._producing or self._transport is None:
            return
        self._watch()
        if self._written < len(self._window):
            self._write(self._window[self._written])
            return
        if self._chunks is None:
            self._finish(None)
        else:
            execute(next, self._chunks, None).addCallbacks(self._pulled, self._finish)

    def _pulled(self, chunk: Chunk | None) -> None:
        if chunk is None:
            self._finish(None)
        elif chunk.data:
            self._window.append(_Sent(chunk))
            self._window_bytes += len(chunk.data)
            self._telemetry.count("metronome_graphite_sent_total", chunk.lines, destination=self._name)
            self._write(self._window[-1])
            self._prune()
        else:
            self._mark(chunk.end)
            self._clock.callLater(0, self.resumeProducing)

    def stopProducing(self) -> None:
        """The transport is closing; ``connectionLost`` follows."""

    def _write(self, sent: _Sent) -> None:
        assert self._transport is not None
        sent.left = self._clock.seconds()
        self._written += 1
        self._transport.write(sent.chunk.data)

    def _finish(self, failure: Failure | None) -> None:
        self._rest()
        if self._stall is not None and self._stall.active():
            self._stall.cancel()
        waiter, self._waiter = self._waiter, None
        self._chunks = None
        if waiter is not None:
            waiter.callback(None) if failure is None else waiter.errback(failure)

    def _mark(self, end: int) -> None:
        """Something without bytes is complete once all before it is confirmed."""
        if self._window:
            last = self._window[-1]
            last.chunk = last.chunk._replace(end=max(last.chunk.end, end))
        else:
            self._confirmed = max(self._confirmed, end)

    def _prune(self) -> None:
        """Let go of what is confirmed."""
        old = self._clock.seconds() - CARBON_CONFIRM
        while self._written and (self._window[0].left <= old or self._window_bytes > CARBON_WINDOW_BYTES):
            chunk = self._window.popleft().chunk
            self._written -= 1
            self._window_bytes -= len(chunk.data)
            self._confirmed = max(self._confirmed, chunk.end)

    def _watch(self) -> None:
        """Carbon has taken something: begin to wait for its taking the next."""
        if self._stall is not None and self._stall.active():
            self._stall.reset(CARBON_STALL)
        else:
            self._stall = self._clock.callLater(CARBON_STALL, self._stalled)

    def _stalled(self) -> None:
        self.log.warn("{name} has read nothing for {s} s", name=self._name, s=CARBON_STALL)
        if self._transport is not None:
            self._transport.abortConnection()

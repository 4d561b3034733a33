"""A connection to carbon that is kept up, and what is written to it.

Graphite's protocols have no acknowledgement, and carbon never sends a byte.  So:

- Bytes count as **confirmed** some seconds after they left (``resend``), unless carbon stands still by
  then; until they are they are kept in the window (``window.py``).
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

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from twisted.internet.defer import Deferred, execute, fail, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IProtocol,
    IPullProducer,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from metronome.errors import DestinationUnavailable
from metronome.gateway.telemetry import Telemetry
from metronome.gateway.window import Chunk, Window
from metronome.limits import (
    CARBON_GOODBYE,
    CARBON_RESEND,
    CARBON_SLOW,
    CARBON_STALL,
    CARBON_STEADY,
    CARBON_WINDOW_BYTES,
    RETRY_FIRST,
    RETRY_MOST,
)

__all__ = ["Carbon", "Chunk", "Destination", "Sending"]


class Destination(Protocol):
    """Whoever takes chunks, in order, at least once as far as can be told."""

    @property
    def trouble(self) -> str:
        """Why nothing gets there at present; empty while all is well."""
        ...

    def start(self) -> None: ...

    def stop(self) -> Deferred[None]: ...

    def send(self, chunks: Iterator[Chunk]) -> Deferred[None]:
        """Send all that an iterator gives; fires when it has left.

        Fails with ``DestinationUnavailable`` when that is not possible now.  What was taken
        from the iterator is not lost: call again with the same one to go on.
        """
        ...

    def confirmed(self) -> int:
        """The journal position up to which everything has been sent and confirmed."""
        ...


class Sending(NamedTuple):
    """How something is sent; times in seconds."""

    secure: bool = False
    """Whether the endpoint speaks TLS: there is a connection only after the handshake."""
    form: Callable[[bytes], bytes] | None = None
    """What is written for the bytes of a chunk; None: they themselves."""
    resend: float = CARBON_RESEND
    """How long what was sent is kept, to be sent again when the connection breaks."""
    again: float = 0.0
    """After how long everything is sent a second time; 0: not at all."""
    stall: float = CARBON_STALL
    """How long it may take nothing before the connection is made anew."""
    folder: Path | None = None
    """Where what was sent is kept, as far as memory has no room for it."""


class _Transport(Protocol):
    """What is used of Twisted's transports."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


class _Line(Connection):
    """Tells when the connection is there and when it is gone; reads nothing."""

    def __init__(self, owner: Carbon):
        self._owner = owner

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(True)
        self._owner._connected(cast(_Transport, self.transport))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._owner._lost(reason)


@implementer(IHandshakeListener)
class _SecureLine(_Line):
    """The same over TLS, where there is a connection only when both sides know each other."""

    def connectionMade(self) -> None:
        self._owner._greeting(cast(_Transport, self.transport))

    def handshakeCompleted(self) -> None:
        super().connectionMade()


@implementer(IPullProducer)
class Carbon:
    """Sends chunks to one carbon, in order, at least once.

    ``back`` is called whenever a connection is there again, ``gone`` when one is lost.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        telemetry: Telemetry,
        back: Callable[[], None] = lambda: None,
        sending: Sending = Sending(),  # noqa: B008 (a tuple)
        gone: Callable[[], None] = lambda: None,
    ):
        self._name = name
        self._endpoint = endpoint
        self._clock = clock
        self._telemetry = telemetry
        self._back = back
        self._sending = sending
        self._gone = gone
        self._running = False
        self._trouble = "not connected yet"
        self._transport: _Transport | None = None
        self._greeted: _Transport | None = None
        self._attempt: Deferred[IProtocol] | None = None
        self._timer: IDelayedCall | None = None
        self._stall: IDelayedCall | None = None
        self._bell: IDelayedCall | None = None
        self._slow = False
        self._pause = RETRY_FIRST
        self._since = 0.0
        self._stopped: Deferred[None] | None = None
        self._chunks: Iterator[Chunk] | None = None
        self._waiter: Deferred[None] | None = None
        self._producing = False
        self.window = Window(sending.resend, sending.again, CARBON_WINDOW_BYTES, sending.folder)
        self._expose()

    def _expose(self) -> None:
        gauge, name = self._telemetry.gauge, self._name
        gauge("metronome_graphite_connected", lambda: self._transport is not None, destination=name)
        gauge("metronome_graphite_stalled", lambda: self._slow, destination=name)
        gauge("metronome_graphite_window_bytes", lambda: self.window.size, destination=name)
        gauge("metronome_graphite_let_go_total", lambda: self.window.let_go, destination=name)

    @property
    def trouble(self) -> str:
        """Why nothing gets there at present; empty while all is well."""
        if self._transport is None:
            return self._trouble
        return f"it has taken nothing for {CARBON_SLOW:g} s" if self._slow else ""

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._transport is not None

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._running = True
        self._connect()

    def stop(self) -> Deferred[None]:
        """Fail what is being sent, hand what was written to the kernel and close."""
        self._running = False
        for call in (self._timer, self._stall, self._bell):
            if call is not None and call.active():
                call.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
        self._fail_waiter("stopped")
        transport = self._transport or self._greeted
        if transport is None:
            return succeed(None)
        stopped = self._stopped = Deferred()
        self._rest()
        transport.loseConnection()
        self._timer = self._clock.callLater(CARBON_GOODBYE, transport.abortConnection)
        return stopped

    def send(self, chunks: Iterator[Chunk]) -> Deferred[None]:
        """As :meth:`Destination.send`; fires when the kernel has it.  One iterator at a time."""
        assert self._waiter is None, "one iterator at a time"
        if self._transport is None:
            return fail(DestinationUnavailable(f"{self._name}: {self._trouble}"))
        self._chunks = chunks
        waiter = self._waiter = Deferred()
        self._produce()
        return waiter

    def confirmed(self) -> int:
        """The journal position up to which everything has been sent and confirmed."""
        if self._transport is not None and not self._slow:
            self.window.prune(self._clock.seconds(), not self._producing)
        return self.window.confirmed

    def drop(self) -> None:
        """Give the connection up, and make a new one."""
        if self._transport is not None:
            self._transport.abortConnection()

    # --- the connection ------------------------------------------------------------------

    def _connect(self) -> None:
        self._timer = None
        line = _SecureLine if self._sending.secure else _Line
        factory = Factory.forProtocol(lambda: line(self))
        factory.noisy = False
        attempt = self._attempt = self._endpoint.connect(factory)
        attempt.addCallbacks(self._answered, self._refused)

    def _answered(self, _: IProtocol) -> None:
        self._attempt = None

    def _refused(self, failure: Failure) -> None:
        self._attempt = None
        self._away(failure.getErrorMessage())

    def _greeting(self, transport: _Transport) -> None:
        """TLS has begun; somebody who does not answer is given up."""
        self._greeted = transport
        self._stall = self._clock.callLater(CARBON_SLOW, transport.abortConnection)

    def _connected(self, transport: _Transport) -> None:
        self._transport = transport
        self._since = self._clock.seconds()
        self._cancel_stall()
        self._telemetry.count("metronome_graphite_reconnects_total", destination=self._name)
        self.log.info("connected to {name}, keeping {size} bytes", name=self._name, size=self.window.size)
        if self.window.size:
            self._produce()
        self._back()

    def _lost(self, reason: Failure) -> None:
        if self.connected and self._clock.seconds() - self._since > CARBON_STEADY:
            self._pause = RETRY_FIRST
        self._transport = self._greeted = None
        self._producing = self._slow = False
        self._cancel_stall()
        if self._bell is not None and self._bell.active():
            self._bell.cancel()
        self.window.broken()
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            stopped.callback(None)
            return
        self._away(reason.getErrorMessage())
        self._gone()

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
        now = self._clock.seconds()
        due = self.window.due(now)
        if due is not None:
            self._telemetry.count("metronome_graphite_resent_total", due.lines, destination=self._name)
            self._write(due.data)
        elif self._chunks is None:
            self._finish(None)
        else:
            execute(next, self._chunks, None).addCallback(self._pulled).addErrback(self._finish)

    def _pulled(self, chunk: Chunk | None) -> None:
        if chunk is None:
            self._finish(None)
        elif chunk.data:
            self.window.put(chunk, self._clock.seconds())
            self._telemetry.count("metronome_graphite_sent_total", chunk.lines, destination=self._name)
            self._write(chunk.data)
            self.window.prune(self._clock.seconds(), False)
        else:
            self.window.mark(chunk.end)
            self._clock.callLater(0, self.resumeProducing)

    def stopProducing(self) -> None:
        """The transport is closing; ``connectionLost`` follows."""

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        written = self._sending.form(data) if self._sending.form else data
        self._telemetry.count("metronome_graphite_sent_bytes_total", len(written), destination=self._name)
        self._transport.write(written)

    def _finish(self, failure: Failure | None) -> None:
        self._rest()
        self._slow = False
        self._cancel_stall()
        self._set_bell()
        waiter, self._waiter = self._waiter, None
        self._chunks = None
        if waiter is not None:
            waiter.callback(None) if failure is None else waiter.errback(failure)

    def _set_bell(self) -> None:
        """Wake up when something is to be sent the second time."""
        if self._bell is not None and self._bell.active():
            self._bell.cancel()
        moment = self.window.next_due()
        if moment is not None:
            self._bell = self._clock.callLater(max(0.0, moment - self._clock.seconds()), self._produce)

    # --- a carbon that takes nothing -------------------------------------------------------

    def _watch(self) -> None:
        """Carbon has taken something: begin to wait for its taking the next."""
        if self._stall is not None and self._stall.active() and not self._slow:
            self._stall.reset(CARBON_SLOW)
        else:
            self._cancel_stall()
            self._stall = self._clock.callLater(CARBON_SLOW, self._stalled)
        self._slow = False

    def _stalled(self) -> None:
        self._slow = True
        self._telemetry.count("metronome_graphite_stalls_total", destination=self._name)
        self.log.warn("{name} has taken nothing for {s} s", name=self._name, s=CARBON_SLOW)
        self._stall = self._clock.callLater(max(0.0, self._sending.stall - CARBON_SLOW), self._given_up)

    def _given_up(self) -> None:
        self.log.warn("{name} is connected to anew", name=self._name)
        self.drop()

    def _cancel_stall(self) -> None:
        if self._stall is not None and self._stall.active():
            self._stall.cancel()

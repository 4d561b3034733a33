"""statsd's admin console over TCP or a Unix stream socket: a line in, a reply out.

A command that comes without a line end counts as well, once nothing has followed it for a
moment or the sender has closed its half: statsd takes whatever arrives at once for a command,
and scripts rely on it (``printf counters | nc HOST 8126``).

While a reply waits to be read nothing more is asked, so that who does not read costs no memory.
Nobody is asked for a password, as in statsd: whoever reaches the address may read the names and
values of its stream and forget series.  So it is bound to the loopback address by default.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from metronome.gateway.console import Reply
from metronome.limits import CONSOLE_LINE_BYTES, CONSOLE_PAUSE
from metronome.receivers.interface import Given, Receiver
from metronome.receivers.streams import ConnectionListener


@implementer(IHalfCloseableProtocol, IPushProducer)
class AdminConnection(Protocol):
    """One operator or script."""

    transport: Any

    def __init__(self, owner: AdminListener):
        self._owner = owner
        self._given = owner.given
        self._asked = b""
        self._ending = False
        self._full = False
        self._over = False
        self._pause: IDelayedCall | None = None
        self._idle: IDelayedCall | None = None
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self._owner.came(self)
        self.transport.registerProducer(self, True)
        self._idle = self._given.reactor.callLater(self._given.idle, self._on_silence)

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        if self._idle is not None:
            self._idle.reset(self._given.idle)
        self._asked += data
        self._answer()
        if len(self._asked) > CONSOLE_LINE_BYTES and b"\n" not in self._asked:
            self._owner.closed("unreadable")
            self.close()

    def readConnectionLost(self) -> None:
        """The sender has closed its half: answer the rest, then close ours."""
        self._ending = True
        self._answer()

    def writeConnectionLost(self) -> None:
        """Nobody reads our answers any more."""
        self._end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._over = True
        for call in (self._pause, self._idle):
            if call is not None and call.active():
                call.cancel()
        self._owner.went(self)
        self.gone.callback(None)

    def pauseProducing(self) -> None:
        """The other side is slow to read."""
        self._full = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """It has caught up."""
        self._full = False
        if not self._over:
            self.transport.resumeProducing()
            self._answer()

    def stopProducing(self) -> None:
        """It has gone."""
        self._over = True

    def close(self) -> None:
        """End the connection at once."""
        self._over = True
        self.transport.abortConnection()

    def _answer(self) -> None:
        """Answer whole lines, as long as the answers are read."""
        while not self._full and not self._over and b"\n" in self._asked:
            line, _, self._asked = self._asked.partition(b"\n")
            self._command(line)
        if self._full or self._over:
            return
        if self._ending:
            self._end_of_line()
            self._end()
        elif self._asked:
            self._wait()

    def _command(self, line: bytes) -> None:
        reply = self._owner.answer(line.decode("utf-8", "replace"))
        self.transport.write(reply.text.encode("utf-8", "replace"))
        if reply.over:
            self._end()

    def _wait(self) -> None:
        if self._pause is not None and self._pause.active():
            self._pause.reset(CONSOLE_PAUSE)
        else:
            self._pause = self._given.reactor.callLater(CONSOLE_PAUSE, self._end_of_line)

    def _end_of_line(self) -> None:
        rest, self._asked = self._asked, b""
        if rest and not self._over:
            self._command(rest)

    def _end(self) -> None:
        """Close when all is read."""
        if not self._over:
            self._over = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def _on_silence(self) -> None:
        self._idle = None
        self._owner.closed("idle")
        self.close()


class AdminListener(ConnectionListener):
    """Listens for operators."""

    def __init__(self, given: Given):
        super().__init__(given)
        assert given.console is not None, "there is no console to ask"
        self._console = given.console

    def connection(self, sender: str) -> AdminConnection:
        """A line in, a reply out."""
        return AdminConnection(self)

    def answer(self, line: str) -> Reply:
        """The reply to a command line, about the stream of the address."""
        return self._console.answer(self.given.inlet, line)


RECEIVER = Receiver("admin", ("tcp", "unix"), AdminListener)

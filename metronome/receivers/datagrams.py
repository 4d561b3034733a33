"""Datagrams, UDP and Unix alike: read in one turn of the reactor until none waits.

Twisted's own UDP port calls a protocol for each datagram; here the kernel's table reads them
itself, many with one system call, and where it can in a thread that needs nobody (``serving.py``).
Only while somebody watches the input (``metronome tail``) are they read one by one in the reactor,
so that they can be shown with their sender.

A datagram that the system drops because the socket's buffer is full is gone without a trace
but for a counter of the socket; it is read each second and told on ``/metrics``.  So the buffer
is made as large as the system lets us.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from metronome.addresses import Address
from metronome.limits import DATAGRAM_BYTES, DATAGRAMS_PER_TURN
from metronome.receivers import buffers, sockets
from metronome.receivers.interface import Given
from metronome.receivers.serving import Serve, ServingThread

Feed = Callable[[bytes, str], None]
"""Takes a datagram and its sender."""

DROPS_INTERVAL: Final = 1.0
LOOK_INTERVAL: Final = 0.1
"""How often the books of what a thread takes in are kept."""


@implementer(IReadDescriptor)
class DatagramListener:
    """Reads one datagram socket."""

    log = Logger()
    connected = 0

    def __init__(
        self,
        given: Given,
        drain: Callable[[int, int], int] | None,
        feed: Feed,
        serve: Serve | None = None,
    ):
        """``drain(fd, budget)`` reads and takes in by itself and tells how many; where it is
        None, or while the input is watched, ``feed`` gets each datagram.  With ``serve`` a thread
        does instead what ``drain`` would do."""
        self._given = given
        self._drain = drain
        self._feed = feed
        self._serve = serve
        self._thread: ServingThread | None = None
        self._changing: Deferred[None] = succeed(None)
        self._socket: socket.socket | None = None
        self._dropped = 0
        self._drops = LoopingCall(self.count_drops)
        self._look = LoopingCall(self._on_look)
        self._drops.clock = self._look.clock = given.reactor

    def listen(self) -> Address:
        """Bind, widen the buffer, and read from now on."""
        address = self._given.address
        bound = self._socket = sockets.datagram_socket(address)
        buffers.widen(bound, str(address), self.log)
        self._drops.start(DROPS_INTERVAL, now=False)
        if self._serve is None:
            self._given.reactor.addReader(self)
        else:
            self._start(self._serve)
            self._look.start(LOOK_INTERVAL, now=False)
        if address.path:
            return address._replace(parameters=())
        host, port = bound.getsockname()[:2]
        return Address(address.transport, host, port)

    def stop(self) -> Deferred[None]:
        """Read what has arrived, then close."""
        if self._socket is None:
            return succeed(None)
        for call in (self._drops, self._look):
            if call.running:
                call.stop()
        self._changing.addCallback(lambda _: self._end_thread())
        return self._changing.addCallback(lambda _: self._close())

    def _close(self) -> None:
        if self._socket is None:
            return
        while self._read() == DATAGRAMS_PER_TURN:
            pass
        self.count_drops()
        self._given.reactor.removeReader(self)
        self._socket.close()
        self._socket = None
        if self._given.address.path and os.path.lexists(self._given.address.path):
            os.unlink(self._given.address.path)

    # --- the thread --------------------------------------------------------------------------

    def _start(self, serve: Serve) -> None:
        reactor, name = self._given.reactor, self._given.inlet.source
        self._thread = ServingThread(reactor, name, serve, self.fileno())

    def _on_look(self) -> None:
        """Keep the books; step aside for the reactor while somebody watches."""
        self._given.inlet.settle()
        if not self._changing.called:
            return
        if self._given.inlet.watched and self._thread is not None:
            self._changing = self._end_thread()
            self._changing.addCallback(lambda _: self._given.reactor.addReader(self))
        elif not self._given.inlet.watched and self._thread is None and self._serve is not None:
            self._given.reactor.removeReader(self)
            self._start(self._serve)

    def _end_thread(self) -> Deferred[None]:
        thread, self._thread = self._thread, None
        if thread is None:
            return succeed(None)
        return thread.stop().addCallback(lambda _: self._given.inlet.settle())

    # --- in the reactor ----------------------------------------------------------------------

    def fileno(self) -> int:
        """The socket's descriptor; -1 when it is closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def doRead(self) -> None:
        """There is something to read.  What is left over comes with the next turn."""
        self._read()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has thrown the socket out: only when its descriptor went bad."""
        self.log.failure("the receiver of {address} has failed", reason, address=str(self._given.address))

    def logPrefix(self) -> str:
        """How Twisted names us in the log."""
        return self._given.inlet.source

    def count_drops(self) -> None:
        """Tell how many datagrams the system has dropped since the last call."""
        assert self._socket is not None, "counted after stop"
        dropped = buffers.dropped(self._socket)
        if dropped > self._dropped:
            self._given.inlet.kernel_dropped(dropped - self._dropped)
            self._dropped = dropped

    def _read(self) -> int:
        if self._drain is not None and not self._given.inlet.watched:
            return self._drain(self.fileno(), DATAGRAMS_PER_TURN)
        return self._read_singly()

    def _read_singly(self) -> int:
        assert self._socket is not None, "read after stop"
        for number in range(DATAGRAMS_PER_TURN):
            try:
                datagram, _, flags, place = self._socket.recvmsg(DATAGRAM_BYTES)
            except BlockingIOError:
                return number
            sender = str(place[0]) if isinstance(place, tuple) else "unix"
            if not flags & socket.MSG_TRUNC:
                self._feed(datagram, sender)
            else:
                self._feed_beginning(datagram, sender)
        return DATAGRAMS_PER_TURN

    def _feed_beginning(self, datagram: bytes, sender: str) -> None:
        """A datagram has lost its end: its whole lines count, where nobody has signed all of it."""
        whole = 0 if self._drain is None else datagram.rfind(b"\n") + 1
        self._given.inlet.reject("truncated", datagram[whole:], sender)
        if whole:
            self._feed(datagram[:whole], sender)

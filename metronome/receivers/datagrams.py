"""Datagrams, UDP and Unix alike: read in one turn of the reactor until none waits.

Twisted's own UDP port calls a protocol for each datagram; here the kernel's table reads them
itself, many with one system call.  Only while somebody watches the input (``metronome tail``)
are they read one by one, so that they can be shown with their sender.

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

Feed = Callable[[bytes, str], None]
"""Takes a datagram and its sender."""

DROPS_INTERVAL: Final = 1.0


@implementer(IReadDescriptor)
class DatagramListener:
    """Reads one datagram socket."""

    log = Logger()
    connected = 0

    def __init__(self, given: Given, drain: Callable[[int, int], int] | None, feed: Feed):
        """``drain(fd, budget)`` reads and takes in by itself and tells how many; where it is
        None, or while the input is watched, ``feed`` gets each datagram."""
        self._given = given
        self._drain = drain
        self._feed = feed
        self._socket: socket.socket | None = None
        self._dropped = 0
        self._drops = LoopingCall(self.count_drops)
        self._drops.clock = given.reactor

    def listen(self) -> Address:
        """Bind, widen the buffer, and read from now on."""
        address = self._given.address
        bound = self._socket = sockets.datagram_socket(address)
        buffers.widen(bound, str(address), self.log)
        self._given.reactor.addReader(self)
        self._drops.start(DROPS_INTERVAL, now=False)
        if address.path:
            return address._replace(parameters=())
        host, port = bound.getsockname()[:2]
        return Address(address.transport, host, port)

    def stop(self) -> Deferred[None]:
        """Read what has arrived, then close."""
        if self._socket is None:
            return succeed(None)
        while self._read() == DATAGRAMS_PER_TURN:
            pass
        self.count_drops()
        self._drops.stop()
        self._given.reactor.removeReader(self)
        self._socket.close()
        self._socket = None
        if self._given.address.path and os.path.lexists(self._given.address.path):
            os.unlink(self._given.address.path)
        return succeed(None)

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
                datagram, sender = self._socket.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                return number
            self._feed(datagram, str(sender[0]) if isinstance(sender, tuple) else "unix")
        return DATAGRAMS_PER_TURN

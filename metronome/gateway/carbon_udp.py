"""carbon over UDP: lines in datagrams, and nothing is known of them once they have left.

A datagram has whole lines only, as many as an Ethernet frame holds, so that none is cut and none is
put together from fragments.  Between chunks there is a pause, because who receives too much at once drops
it.  Nothing is kept and nothing is sent again: what left is done.  That somebody is there at all is
learnt only on this machine or its network, where a closed port answers; then the rest waits and is
tried again, as with a connection that is refused.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from metronome.errors import DestinationUnavailable
from metronome.gateway.telemetry import Telemetry
from metronome.gateway.window import Chunk
from metronome.limits import CARBON_DATAGRAM_BYTES, CARBON_DATAGRAM_PAUSE, CARBON_RESOLVE

_FULL: Final = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)
"""Answers of a system whose own buffers are full."""


class Socket(Protocol):
    """What is used of a connected, non-blocking socket."""

    def send(self, data: bytes) -> int: ...
    def close(self) -> None: ...


def datagrams(data: bytes, most: int = CARBON_DATAGRAM_BYTES) -> Iterator[bytes]:
    """Lines as datagrams of at most so many bytes; a longer line is one by itself."""
    begin = 0
    while len(data) - begin > most:
        end = data.rfind(b"\n", begin, begin + most) + 1
        if not end:
            end = data.index(b"\n", begin) + 1
        yield data[begin:end]
        begin = end
    if begin < len(data):
        yield data[begin:]


class CarbonDatagrams:
    """Sends chunks to one carbon, in order, without knowing what arrives.

    ``open_socket`` gives a socket that is connected to it; it fails with ``OSError`` or Twisted's
    ``DNSLookupError``, which is one.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        open_socket: Callable[[], Deferred[Socket]],
        clock: IReactorTime,
        telemetry: Telemetry,
    ):
        self._name = name
        self._open = open_socket
        self._clock = clock
        self._telemetry = telemetry
        self._socket: Socket | None = None
        self._opened = 0.0
        self._running = False
        self._rest: deque[bytes] = deque()
        self._confirmed = 0
        self._end = 0
        self.trouble = ""
        telemetry.gauge("metronome_graphite_connected", lambda: not self.trouble, destination=name)

    def start(self) -> None:
        """Nothing is opened before there is something to send."""
        self._running = True

    def stop(self) -> Deferred[None]:
        """Send no more."""
        self._running = False
        self._close()
        return succeed(None)

    def confirmed(self) -> int:
        """What has left is done."""
        return self._confirmed

    @inlineCallbacks
    def send(self, chunks: Iterator[Chunk]) -> Generator[Deferred[Any], Any, None]:
        """As :meth:`carbon.Destination.send`."""
        try:
            yield self._ready()
            yield self._empty()
            for chunk in chunks:
                self._rest.extend(datagrams(chunk.data))
                self._end = max(self._end, chunk.end)
                self._telemetry.count("metronome_graphite_sent_total", chunk.lines, destination=self._name)
                yield self._empty()
                yield self._wait(CARBON_DATAGRAM_PAUSE if chunk.data else 0)
        except OSError as error:
            self._close()
            if not self.trouble:
                self.log.warn("{name} is away: {error}", name=self._name, error=error)
            self.trouble = str(error)
            raise DestinationUnavailable(f"{self._name}: {error}") from None
        self.trouble = ""

    @inlineCallbacks
    def _ready(self) -> Generator[Deferred[Any], Any, None]:
        """A socket, now and then a new one: the name may mean another host by now."""
        now = self._clock.seconds()
        if self._socket is not None and now - self._opened > CARBON_RESOLVE:
            self._close()
        if self._socket is None:
            self._socket = yield self._open()
            self._opened = now

    @inlineCallbacks
    def _empty(self) -> Generator[Deferred[Any], Any, None]:
        """Send what waits."""
        while self._rest or not self._running:
            if self._socket is None or not self._running:
                raise DestinationUnavailable(f"{self._name}: stopped")
            try:
                self._socket.send(self._rest[0])
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                yield self._wait(CARBON_DATAGRAM_PAUSE)
                continue
            sent = len(self._rest.popleft())
            self._telemetry.count("metronome_graphite_sent_bytes_total", sent, destination=self._name)
        self._confirmed = self._end

    def _wait(self, seconds: float) -> Deferred[None]:
        waited: Deferred[None] = Deferred()
        self._clock.callLater(seconds, waited.callback, None)
        return waited

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

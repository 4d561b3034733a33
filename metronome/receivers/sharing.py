"""An address that several worker processes read: its sockets, bound and kept open by the gateway."""

from __future__ import annotations

import socket

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from metronome.addresses import Address
from metronome.limits import DATAGRAMS_PER_TURN
from metronome.receivers import buffers, sockets
from metronome.receivers.interface import Given


class SharingListener:
    """Binds a socket for each worker; reads nothing itself before the end."""

    log = Logger()
    connected = 0

    def __init__(self, given: Given, number: int):
        """``number`` is how many workers there are."""
        self.inlet = given.inlet
        self._address = given.address
        self._number = number
        self._sockets: list[socket.socket] = []
        self._dropped: list[int] = []

    def listen(self) -> Address:
        """Bind all of them and widen their buffers."""
        self._sockets = sockets.sharing_datagram_sockets(self._address, self._number)
        self._dropped = [0] * self._number
        for one in self._sockets:
            buffers.widen(one, str(self._address), self.log)
        host, port = self._sockets[0].getsockname()[:2]
        return Address(self._address.transport, host, port)

    def fileno(self, place: int) -> int:
        """The descriptor of one worker's socket."""
        return self._sockets[place].fileno()

    def stop(self) -> Deferred[None]:
        """Read what workers that are gone have left, then close."""
        self.count_drops()
        for one in self._sockets:
            while self.inlet.drain(one.fileno(), DATAGRAMS_PER_TURN) == DATAGRAMS_PER_TURN:
                pass
            one.close()
        self._sockets = []
        return succeed(None)

    def count_drops(self) -> None:
        """Tell how many datagrams the system has dropped since the last call."""
        for place, one in enumerate(self._sockets):
            dropped = buffers.dropped(one)
            if dropped > self._dropped[place]:
                self.inlet.kernel_dropped(dropped - self._dropped[place])
                self._dropped[place] = dropped

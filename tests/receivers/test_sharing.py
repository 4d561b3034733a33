"""An address that several processes read: bound together, and nothing left in it at the end."""

from __future__ import annotations

import os
import socket

import pytest

from metronome.receivers import buffers
from metronome.receivers.sharing import SharingListener
from tests.receivers.fakes import RememberingInlet, given


class DrainingInlet(RememberingInlet):
    """Reads datagrams itself."""

    def drain(self, fd: int, budget: int) -> int:
        with socket.socket(fileno=os.dup(fd)) as same:
            for number in range(budget):
                try:
                    self.blocks.append((same.recv(100), ""))
                except BlockingIOError:
                    return number
        return budget


def test_what_nobody_has_read_is_read_at_the_end() -> None:
    """Datagrams in the sockets of workers that are gone are taken in before they are closed."""
    inlet = DrainingInlet()
    listener = SharingListener(given("udp://127.0.0.1:0", inlet), 3)
    bound = listener.listen()
    assert len({listener.fileno(place) for place in range(3)}) == 3
    for _ in range(40):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"a:1|c", (bound.host, bound.port))
    assert not inlet.blocks
    listener.stop()
    assert len(inlet.blocks) == 40
    again = SharingListener(given(f"udp://127.0.0.1:{bound.port}", inlet), 2)
    assert again.listen().port == bound.port
    again.stop()


def test_drops_of_all_sockets_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each socket counts for itself; what was told is not told again."""
    numbers: dict[int, int] = {}
    monkeypatch.setattr(buffers, "dropped", lambda bound: numbers.get(bound.fileno(), 0))
    inlet = DrainingInlet()
    listener = SharingListener(given("udp://127.0.0.1:0", inlet), 2)
    listener.listen()
    numbers[listener.fileno(0)] = 3
    listener.count_drops()
    assert inlet.dropped == 3
    numbers[listener.fileno(1)] = 4
    listener.count_drops()
    listener.stop()
    assert inlet.dropped == 7

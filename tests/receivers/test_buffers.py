"""The receive buffer: as large as may be, and what it lost."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress

from twisted.logger import Logger, formatEvent

from metronome.limits import RECEIVE_BUFFER
from metronome.receivers import buffers


def test_the_receive_buffer_is_raised_or_the_remedy_is_logged() -> None:
    """Either the socket has what was asked for, or the log says which setting allows it."""
    warnings: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        log = Logger(observer=lambda event: warnings.append(formatEvent(event)))
        buffers.widen(bound, "udp://here:1", log)
        got = bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    if got < RECEIVE_BUFFER:
        assert warnings[0].startswith("udp://here:1: ")
        assert f"net.core.rmem_max={RECEIVE_BUFFER}" in warnings[0]
    else:
        assert not warnings


def test_what_the_buffer_had_no_room_for_is_counted() -> None:
    """Datagrams that were dropped and those that can be read make up what was sent."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        assert buffers.dropped(bound) == 0
        for _ in range(200):
            sender.sendto(b"x" * 100, bound.getsockname())
        read = 0
        with suppress(BlockingIOError):
            while bound.recv(200):
                read += 1
        assert read < 200
        if sys.platform == "linux":
            assert buffers.dropped(bound) == 200 - read

"""Receiving waiting datagrams from a socket that somebody else owns; the pure twin's.

This is the one place of the lower layers that touches a socket, because the native twin
receives, parses and folds in one call.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator

from metronome.limits import DATAGRAM_BYTES

_SO_RXQ_OVFL = 40
"""Linux: the kernel's count of datagrams it dropped at this socket; Python has no name for it."""


def receive(fd: int, budget: int) -> Iterator[tuple[bytes, bool, int | None, str]]:
    """Datagrams until none waits or ``budget`` are read: the bytes, whether they lost their end, the
    socket's drop counter (None where it is not asked for), and the sender, an IP address or
    ``unix``.  Raises OSError for a broken socket."""
    # As plain numbers: with the enumeration's members the test of a flag costs as much as the system call.
    space, now, cut = socket.CMSG_SPACE(4), int(socket.MSG_DONTWAIT), int(socket.MSG_TRUNC)
    with socket.socket(fileno=os.dup(fd)) as sock:
        read, place, sender = sock.recvmsg, None, ""
        for _ in range(budget):
            try:
                data, extra, flags, whence = read(DATAGRAM_BYTES, space, now)
            except (BlockingIOError, InterruptedError):
                return
            if whence != place or not sender:  # most come from where the last one came from
                place, sender = whence, sender_text(whence)
            yield data, bool(flags & cut), _drops(extra) if extra else None, sender


def _drops(extra: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL:
            return int.from_bytes(data[:4], sys.byteorder)
    return None


def sender_text(sender: object) -> str:
    """A sender's address as it is shown."""
    return str(sender[0]).partition("%")[0] if isinstance(sender, tuple) else "unix"

"""Receiving waiting datagrams from a socket that somebody else owns; the pure twin's.

This is the one place of the lower layers that touches a socket, because the native twin
receives, parses and folds in one call.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from typing import NamedTuple

from metronome.limits import DATAGRAM_BYTES

_SO_RXQ_OVFL = 40
"""Linux: the kernel's count of datagrams it dropped at this socket; Python has no name for it."""


class Datagram(NamedTuple):
    """One datagram.  ``drops`` is the socket's drop counter, None where it is not asked for;
    ``sender`` an IP address, or ``unix``."""

    data: bytes
    truncated: bool
    drops: int | None
    sender: str = ""


def receive(fd: int, budget: int) -> Iterator[Datagram]:
    """Datagrams until none waits or ``budget`` are read.  Raises OSError for a broken socket."""
    with socket.socket(fileno=os.dup(fd)) as sock:
        for _ in range(budget):
            try:
                data, extra, flags, sender = sock.recvmsg(
                    DATAGRAM_BYTES, socket.CMSG_SPACE(4), socket.MSG_DONTWAIT
                )
            except (BlockingIOError, InterruptedError):
                return
            yield Datagram(data, bool(flags & socket.MSG_TRUNC), _drops(extra), sender_text(sender))


def _drops(extra: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL:
            return int.from_bytes(data[:4], sys.byteorder)
    return None


def sender_text(sender: object) -> str:
    """A sender's address as it is shown."""
    return str(sender[0]).partition("%")[0] if isinstance(sender, tuple) else "unix"

"""A datagram socket's receive buffer: as large as the system lets us, and what it lost.

A datagram for which the buffer has no room is gone without a trace but for a counter of the socket.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from twisted.logger import Logger

from metronome.limits import DATAGRAM_BYTES, RECEIVE_BUFFER

_SO_RCVBUFFORCE: Final = 33
_SO_MEMINFO: Final = 55
"""Linux: nine 32-bit numbers about the socket's memory; the ninth counts drops (since 4.12)."""
_MEMINFO: Final = struct.Struct("9I")


def widen(bound: socket.socket, name: str, log: Logger) -> None:
    """Ask for a large receive buffer: by right of the administrator, else as far as allowed.

    Linux doubles what it is asked for, macOS refuses what is too much.  A buffer that stays too
    small is a warning that names the remedy; ``name`` is the socket's in it.
    """
    wanted = RECEIVE_BUFFER
    if _took(bound, _SO_RCVBUFFORCE, wanted):
        return
    while not _took(bound, socket.SO_RCVBUF, wanted) and wanted > DATAGRAM_BYTES:
        wanted //= 2
    got = bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    if got < RECEIVE_BUFFER:
        log.warn(
            "{address}: the system allows a receive buffer of {got} bytes only, so bursts may lose"
            " datagrams; `sysctl -w net.core.rmem_max={wanted}` (macOS: kern.ipc.maxsockbuf) allows more",
            address=name,
            got=got,
            wanted=RECEIVE_BUFFER,
        )


def dropped(bound: socket.socket) -> int:
    """Datagrams dropped since the socket was made; 0 where the system does not tell."""
    try:
        told = bound.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(told)[8]) if len(told) == _MEMINFO.size else 0


def _took(bound: socket.socket, option: int, value: int) -> bool:
    try:
        bound.setsockopt(socket.SOL_SOCKET, option, value)
    except OSError:
        return False
    return True

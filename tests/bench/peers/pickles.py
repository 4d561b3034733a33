"""Load in carbon's pickle form: frames built beforehand, sent over some connections at once."""

from __future__ import annotations

import os
import pickle
import selectors
import socket
import struct
import time
from typing import Final

POINTS_PER_FRAME: Final = 500
"""As carbon's relay sends them."""
LOAD_CORE: Final = 1
STEP_SECONDS: Final = 10


def frames(number: int, paths: int) -> list[bytes]:
    """So many points on so many paths, up to now."""
    start = int(time.time()) - number // paths * STEP_SECONDS
    names = [f"bench.app{n % 16:02}.host{n % 50:02}.requests.m{n:06}" for n in range(paths)]
    built = []
    for begin in range(0, number, POINTS_PER_FRAME):
        rows = [
            (names[at % paths], (start + at // paths * STEP_SECONDS, float(at * 7919 % 100_000) / 100))
            for at in range(begin, min(begin + POINTS_PER_FRAME, number))
        ]
        payload = pickle.dumps(rows, protocol=2)
        built.append(struct.pack("!L", len(payload)) + payload)
    return built


def send(port: int, number: int, paths: int, connections: int) -> float:
    """Send them and wait until the server has closed every connection; the seconds it took."""
    built = frames(number, paths)
    shares = [b"".join(built[first::connections]) for first in range(connections)]
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        return _sent(port, shares)
    finally:
        os.sched_setaffinity(0, allowed)


def _sent(port: int, shares: list[bytes]) -> float:
    began = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for share in shares:
            to = socket.create_connection(("127.0.0.1", port))
            to.setblocking(False)
            waiting.register(to, selectors.EVENT_WRITE, memoryview(share))
        while waiting.get_map():
            for key, _ in waiting.select():
                assert isinstance(key.fileobj, socket.socket)
                out, left = key.fileobj, key.data
                if left:
                    left = left[out.send(left) :]
                    waiting.modify(out, selectors.EVENT_WRITE if left else selectors.EVENT_READ, left)
                    if not left:
                        out.shutdown(socket.SHUT_WR)
                elif not out.recv(4096):
                    waiting.unregister(out)
                    out.close()
    return time.perf_counter() - began

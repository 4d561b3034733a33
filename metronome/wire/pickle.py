"""carbon's pickle form, written: frames of ``u32 length | pickle``.

Each pickle is a list of ``(path, (timestamp, value))``.  Protocol 2 is the newest that
every carbon reads.  carbon closes a connection that sends a frame above 1 MiB, and its own
relay sends 500 points at a time; so do we.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from metronome.wire.graphite import Line

PROTOCOL: Final = 2
POINTS_PER_FRAME: Final = 500


def encode(points: Sequence[Line]) -> bytes:
    """Write values as frames, in order."""
    return b"".join(_frames(points))


def _frames(points: Sequence[Line]) -> Iterator[bytes]:
    for begin in range(0, len(points), POINTS_PER_FRAME):
        rows = [(path, (time, value)) for path, value, time in points[begin : begin + POINTS_PER_FRAME]]
        body = pickle.dumps(rows, PROTOCOL)
        yield struct.pack("!L", len(body))
        yield body

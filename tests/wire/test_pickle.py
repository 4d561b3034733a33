"""carbon's pickle frames, written."""

from __future__ import annotations

import pickle
import struct

from metronome.wire.graphite import Line
from metronome.wire.pickle import POINTS_PER_FRAME, encode


def frames(data: bytes) -> list[list[tuple[str, tuple[int, float]]]]:
    """Read frames back the way carbon's receiver does."""
    found = []
    while data:
        (length,) = struct.unpack("!L", data[:4])
        found.append(pickle.loads(data[4 : 4 + length]))
        data = data[4 + length :]
    return found


def test_one_frame() -> None:
    """A list of path, time and value in a frame with its length."""
    assert frames(encode([Line("a;b=c", 1.5, 10), Line("d", 2.0, 20)])) == [
        [("a;b=c", (10, 1.5)), ("d", (20, 2.0))]
    ]


def test_many_frames() -> None:
    """No frame is larger than carbon takes, and none is lost at the border."""
    points = [Line("p" * 1500, float(number), number) for number in range(POINTS_PER_FRAME * 2 + 1)]
    found = frames(encode(points))
    assert [len(frame) for frame in found] == [POINTS_PER_FRAME, POINTS_PER_FRAME, 1]
    assert [row[1][0] for frame in found for row in frame] == list(range(len(points)))
    assert len(encode(points[:POINTS_PER_FRAME])) < 1 << 20


def test_nothing() -> None:
    """No points, no frame."""
    assert encode([]) == b""

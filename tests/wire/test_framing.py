"""Framings give the same lines however the stream was cut, and memory is bounded."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from metronome.limits import DATAGRAM_BYTES, LINE_BYTES
from metronome.wire.framing import Either, Frames, Framing, Lines, Packets


def everything(framing: Framing, chunks: list[bytes], proper: bool = True) -> tuple[bytes, list[str], bool]:
    """All lines, the reasons of what was refused, and whether the rest was lost."""
    taken = [framing.feed(chunk) for chunk in chunks]
    lost = any(one.lost for one in taken)
    taken.append(framing.end(proper))
    block = b"".join(one.block for one in taken)
    return block, [reason for one in taken for reason, _, _ in one.refused], lost


def packet(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


LONG = b"x" * (LINE_BYTES + 1)

CASES: list[tuple[Callable[[], Framing], bytes, bytes, list[str]]] = [
    (Lines, b"a:1|c\r\nb:2|c", b"a:1|c\nb:2|c\n", []),
    (Lines, LONG + b"\nb:2|c\n", b"b:2|c\n", ["line_too_long"]),
    (Packets, packet(b"a:1|c\nb:2|c") + packet(b"c:3|c\n"), b"a:1|c\nb:2|c\nc:3|c\n", []),
    (Packets, packet(b"a:1|c") + packet(b"b:2|c")[:-1], b"a:1|c\n", ["unfinished_line"]),
    (Packets, packet(b"a:1|c") + b"\x05\0", b"a:1|c\n", ["unfinished_line"]),
    (Packets, packet(b""), b"\n", []),
    (Packets, packet(b"y" * (DATAGRAM_BYTES + 1)) + packet(b"b:2|c"), b"b:2|c\n", ["frame_too_long"]),
    (Either, packet(b"a:1|c") + packet(b"b:2|c"), b"a:1|c\nb:2|c\n", []),
    (Either, b"a:1|c\nb:2|c\n", b"a:1|c\nb:2|c\n", []),
    (Either, b"\n\n\na:1|c\n", b"\n\n\na:1|c\n", []),
    (Either, b"a:1", b"a:1\n", []),
    (Either, b"", b"", []),
]


@pytest.mark.parametrize(("make", "stream", "block", "reasons"), CASES)
def test_a_cut_at_any_byte_changes_nothing(
    make: Callable[[], Framing], stream: bytes, block: bytes, reasons: list[str]
) -> None:
    """One chunk, two cut anywhere near the interesting places, or single bytes."""
    places = [at for at in range(len(stream) + 1) if at < 40 or len(stream) - at < 40]
    for chunks in [
        [stream],
        [bytes([byte]) for byte in stream],
        *([stream[:at], stream[at:]] for at in places),
    ]:
        assert everything(make(), chunks) == (block, reasons, False)


def test_what_a_broken_connection_leaves_is_refused() -> None:
    """A number may have been cut; a proper end is the sender's word that it was not."""
    for make in (Lines, Either):
        assert everything(make(), [b"a:1|c\nb:22"], proper=False) == (b"a:1|c\n", ["unfinished_line"], False)
    assert everything(Either(), [b"b:2"], proper=False) == (b"", ["unfinished_line"], False)


def test_a_length_beyond_reason_loses_the_rest() -> None:
    """Plaintext that is sent to a port for frames: refused once, nothing is kept, nothing goes on."""
    frames = Frames(1 << 20, "big")
    found, refused, lost = frames.feed(b"GET / HTTP/1.1\r\n\r\n")
    assert (found, [one.reason for one in refused], lost) == ([], ["frame_too_long"], True)
    assert refused[0].excerpt.startswith(b"GET / HTTP")
    assert frames.feed(b"\0\0\0\x01a") == ([], [], True)
    assert not frames.end().refused


def test_frames_of_either_byte_order_come_whole() -> None:
    """Several in one chunk, and one over many."""
    for order, code in (("big", ">I"), ("little", "<I")):
        stream = b"".join(struct.pack(code, len(body)) + body for body in (b"one", b"", b"three"))
        assert Frames(10, order).feed(stream) == ([b"one", b"", b"three"], [], False)
        frames = Frames(10, order)
        found = [body for byte in stream for body in frames.feed(bytes([byte]))[0]]
        assert found == [b"one", b"", b"three"]


def test_what_is_skipped_is_not_kept() -> None:
    """A long frame costs no memory while it is thrown away."""
    frames = Frames(100, "big")
    frames.feed(struct.pack(">I", 5000))
    for _ in range(49):
        assert frames.feed(b"x" * 100) == ([], [], False)
    assert frames.feed(b"x" * 100 + b"\0\0\0\x02ok") == ([b"ok"], [], False)

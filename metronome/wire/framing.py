"""How a stream of bytes is cut into what a receiver takes in, and what of it is refused.

A *framing* takes chunks as they arrive and gives blocks that can be fed.  How the stream is
cut into chunks never changes what comes out, and memory is bounded.  Three of them:

*Lines* end with LF (``wire/lines.py``).

*Packets* are DogStatsD's form on Unix stream sockets: four bytes, little-endian, the length
of the packet of lines that follows; the last line of a packet needs no line end.

*Either* looks at the first four bytes of the connection: the length of a packet is below
65,536, so its third and fourth byte are NUL, and no line has a NUL there.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from metronome.limits import DATAGRAM_BYTES, EXCERPT_BYTES, LINE_BYTES
from metronome.wire.lines import LineSplitter

HEADER_BYTES = 4
_SKIPPED_AT_MOST = 64
"""A frame is skipped when it is at most so many times the limit; a longer one is no frame."""


class Refused(NamedTuple):
    """So many lines, frames or points that were refused for one reason, and the first of them."""

    reason: str
    excerpt: bytes
    number: int = 1


class Taken(NamedTuple):
    """What a chunk has brought: whole lines, what was refused, and whether the rest is lost."""

    block: bytes = b""
    refused: tuple[Refused, ...] = ()
    lost: bool = False
    """Nothing that follows on this connection can be read: it should be closed."""


class Framing(Protocol):
    """Takes a connection apart."""

    def feed(self, chunk: bytes) -> Taken:
        """Take a chunk; what has become whole."""
        ...

    def end(self, proper: bool) -> Taken:
        """The connection has ended, properly or by breaking; what is left."""
        ...


class Lines:
    """Lines that end with LF; the last one counts without, if the end is a proper one."""

    def __init__(self, limit: int = LINE_BYTES):
        self._splitter = LineSplitter(limit)

    def feed(self, chunk: bytes) -> Taken:
        """Whole lines."""
        block, refused = self._splitter.feed(chunk)
        return Taken(block, tuple(Refused("line_too_long", excerpt) for excerpt in refused))

    def end(self, proper: bool) -> Taken:
        """The last line: when the connection broke, it may be cut in the middle of a number."""
        rest = self._splitter.rest()
        if not rest:
            return Taken()
        return Taken(rest + b"\n") if proper else Taken(refused=(_unfinished(rest),))


class Frames:
    """Frames of bytes behind their lengths; the length is four bytes.

    A frame above the limit is refused and skipped, and the next one is good again.  A length
    beyond all reason is none: somebody speaks another protocol, and the rest is lost.
    """

    def __init__(self, limit: int, byteorder: Literal["little", "big"]):
        self._limit = limit
        self._byteorder = byteorder
        self._buffer = bytearray()
        self._skip = 0
        self._lost = False

    def feed(self, chunk: bytes) -> tuple[list[bytes], list[Refused], bool]:
        """Take a chunk; whole frames, what was refused, and whether the rest is lost."""
        frames: list[bytes] = []
        refused: list[Refused] = []
        self._buffer += chunk
        at = 0
        with memoryview(self._buffer) as view:
            while not self._lost:
                passed = min(self._skip, len(view) - at)
                self._skip -= passed
                at += passed
                body = at + HEADER_BYTES
                if len(view) < body:
                    break
                length = int.from_bytes(view[at:body], self._byteorder)
                if length > self._limit:
                    refused.append(Refused("frame_too_long", bytes(view[at : at + EXCERPT_BYTES])))
                    self._skip = length
                    self._lost = length > self._limit * _SKIPPED_AT_MOST
                    at = body
                    continue
                if len(view) < body + length:
                    break
                frames.append(bytes(view[body : body + length]))
                at = body + length
        del self._buffer[:at]
        if self._lost:
            self._buffer.clear()
        return frames, refused, self._lost

    def end(self) -> Taken:
        """What was not finished is refused; what was to be skipped has been."""
        rest = bytes(self._buffer[: HEADER_BYTES + EXCERPT_BYTES])
        self._buffer.clear()
        return Taken(refused=(_unfinished(rest),)) if rest else Taken()


class Packets:
    """DogStatsD's packets behind their lengths."""

    def __init__(self, limit: int = DATAGRAM_BYTES):
        self._frames = Frames(limit, "little")

    def feed(self, chunk: bytes) -> Taken:
        """The lines of whole packets."""
        packets, refused, lost = self._frames.feed(chunk)
        return Taken(b"".join(map(_lines, packets)), tuple(refused), lost)

    def end(self, proper: bool) -> Taken:
        """A packet that was not finished is refused."""
        return self._frames.end()


class Either:
    """Lines or packets, as the first four bytes say."""

    def __init__(self) -> None:
        self._begin = b""
        self._found: Framing | None = None

    def feed(self, chunk: bytes) -> Taken:
        """Whole lines, however they are framed."""
        if self._found is None:
            self._begin += chunk
            if len(self._begin) < HEADER_BYTES:
                return Taken()
            self._found = Packets() if self._begin[2:HEADER_BYTES] == b"\0\0" else Lines()
            chunk, self._begin = self._begin, b""
        return self._found.feed(chunk)

    def end(self, proper: bool) -> Taken:
        """The rest; a connection of less than four bytes held a line, if anything."""
        if self._found is None:
            self._found = Lines()
            self._found.feed(self._begin)
        return self._found.end(proper)


def _lines(packet: bytes) -> bytes:
    return packet if packet.endswith(b"\n") else packet + b"\n"


def _unfinished(rest: bytes) -> Refused:
    return Refused("unfinished_line", rest[:EXCERPT_BYTES])

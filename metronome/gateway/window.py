"""What has been sent to a carbon and may have to be sent again.

Graphite has no acknowledgement, and whoever takes a value may lose it later: what lies in socket
buffers, in the queue of a relay or in carbon's cache is gone when that process is killed.  So
everything stays here for some seconds after it left, and is sent again when the connection breaks.

Behind a relay nothing breaks when a carbon dies.  With ``again`` everything is sent a second time after so
many seconds, and only then does its time here begin to run out.  In Graphite a value that is sent
twice is one value.

Bytes are kept compressed (lines of one period resemble each other: a sixth is left) and bounded:
what is too much is let go early, the oldest first.  A part of them is in memory (``spill.py``).
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

from zstandard import ZstdCompressor, ZstdDecompressor

from metronome.gateway.spill import Kept, Spill, size_of
from metronome.limits import CARBON_WINDOW_MEMORY

_LEVEL: Final = 1
"""Of compression: 0.1 ms for 500 lines."""


class Chunk(NamedTuple):
    """Bytes to send, and what they complete."""

    data: bytes
    lines: int
    end: int
    """Journal position that is done once this chunk is confirmed; 0 completes nothing."""


class _Sent:
    """A chunk that is kept; ``left`` is when it was last written."""

    __slots__ = ("again", "end", "kept", "left", "lines")

    def __init__(self, kept: Kept, lines: int, end: int):
        self.kept = kept
        self.lines = lines
        self.end = end
        self.left = 0.0
        self.again = False
        """Whether it has been sent the second time."""


class Window:
    """Chunks in the order in which they were first sent."""

    def __init__(self, hold: float, again: float, most: int, folder: Path | None = None):
        """``hold`` and ``again`` in seconds, ``again`` 0 for once only; ``most`` in bytes.  ``folder``
        is where what memory has no room for is kept."""
        self._hold = hold
        self._again = again
        self._most = most
        self._sent: deque[_Sent] = deque()
        self._spill = Spill(folder, CARBON_WINDOW_MEMORY)
        self._size = 0
        self._written = 0
        self._repeated = 0
        self._confirmed = 0
        self.let_go = 0
        """Lines that were let go before their time."""
        self._compress = ZstdCompressor(level=_LEVEL).compress
        self._expand = ZstdDecompressor().decompress

    @property
    def size(self) -> int:
        """Bytes that it takes, compressed."""
        return self._size

    @property
    def held(self) -> int:
        """Those of them that are in memory."""
        return self._spill.held

    @property
    def first(self) -> int | None:
        """The lowest ``end`` that is not confirmed."""
        return min((sent.end for sent in self._sent if sent.end), default=None)

    @property
    def confirmed(self) -> int:
        """Everything up to this ``end`` has been sent and confirmed."""
        return self._confirmed

    def put(self, chunk: Chunk, now: float) -> None:
        """A chunk is being written for the first time."""
        assert self._written == len(self._sent), "what is older goes first"
        # A copy: what the compressor gives is as long as the chunk inside, and leaves holes when it is cut.
        kept = bytes(memoryview(self._compress(chunk.data)))
        sent = _Sent(self._spill.keep(kept), chunk.lines, chunk.end)
        sent.left = now
        self._sent.append(sent)
        self._size += len(kept)
        self._written += 1

    def mark(self, end: int) -> None:
        """Something without bytes is complete once all before it is confirmed."""
        if self._sent:
            self._sent[-1].end = max(self._sent[-1].end, end)
        else:
            self._confirmed = max(self._confirmed, end)

    def broken(self) -> None:
        """The connection is gone: all has to be written anew."""
        self._written = self._repeated = 0

    def due(self, now: float) -> Chunk | None:
        """What has to be written before anything new: after a break all that is kept, then what is
        to be sent the second time.  Taking it counts as writing it."""
        while (sent := self._next(now)) is not None:
            sent.left = now
            chunk = self._chunk(sent)
            if chunk.data:
                return chunk
        return None

    def _next(self, now: float) -> _Sent | None:
        if self._written < len(self._sent):
            sent = self._sent[self._written]
            self._written += 1
            sent.again = False
        elif (moment := self.next_due()) is not None and moment <= now:
            sent = self._sent[self._repeated]
            self._repeated += 1
            sent.again = True
        else:
            return None
        return sent

    def next_due(self) -> float | None:
        """When something is to be sent the second time; None when nothing is."""
        if not self._again or self._repeated >= self._written:
            return None
        return self._sent[self._repeated].left + self._again

    def prune(self, now: float, all_left: bool = True) -> None:
        """Let go of what is confirmed, and of what is too much; of what was written last only when
        ``all_left`` says that nothing of it waits to be sent."""
        while self._written > (0 if all_left else 1):
            first = self._sent[0]
            over = (first.again or not self._again) and first.left + self._hold <= now
            if not over and self._size <= self._most:
                return
            self._sent.popleft()
            self.let_go += 0 if over else first.lines
            self._written -= 1
            self._repeated = max(self._repeated - 1, 0)
            self._size -= size_of(first.kept)
            self._spill.drop(first.kept)
            self._confirmed = max(self._confirmed, first.end)
        if not self._sent:
            self._spill.rest()

    def take_back(self) -> list[Chunk]:
        """All that is kept, to be sent elsewhere; nothing is kept any more."""
        chunks = [self._chunk(sent) for sent in self._sent]
        for sent in self._sent:
            self._spill.drop(sent.kept)
        self._spill.rest()
        self._sent.clear()
        self._size = self._written = self._repeated = 0
        return chunks

    def _chunk(self, sent: _Sent) -> Chunk:
        """What was sent; nothing of it where the file cannot be read any more."""
        try:
            return Chunk(self._expand(self._spill.read(sent.kept)), sent.lines, sent.end)
        except OSError:
            self.let_go += sent.lines
            return Chunk(b"", 0, sent.end)

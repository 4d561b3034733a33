"""Bounded reassembly of lines from a stream of bytes.

A line ends with LF; a CR before it belongs to the line end.  A line longer than the limit
(without its end) is refused: its beginning is handed back as an excerpt, everything up to
its LF is skipped, and the next line is good again.  How the stream is cut into chunks never
changes what comes out; memory is bounded by the limit.
"""

from __future__ import annotations

from metronome.limits import EXCERPT_BYTES


class LineSplitter:
    """Takes chunks, gives blocks of whole lines."""

    def __init__(self, limit: int):
        self._limit = limit
        self._rest = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> tuple[bytes, list[bytes]]:
        """Take a chunk; a block of whole lines, each with its LF, and excerpts of refused ones."""
        if self._skipping:
            end = chunk.find(b"\n") + 1
            if not end:
                return b"", []
            self._skipping = False
            chunk = chunk[end:]
        end = chunk.rfind(b"\n") + 1
        block = b"".join((self._rest, memoryview(chunk)[:end])) if end else b""
        self._rest = chunk[end:] if end else self._rest + chunk
        refused: list[bytes] = []
        if len(block) > self._limit:
            block = self._without_long(block, refused)
        # A CR may be the last byte so far: the line's end is then still to come.
        if len(self._rest) > self._limit + self._rest.endswith(b"\r"):
            refused.append(self._rest[:EXCERPT_BYTES])
            self._rest = b""
            self._skipping = True
        # To look for one byte is far cheaper than for two, and most senders use none.
        return block.replace(b"\r\n", b"\n") if b"\r" in block else block, refused

    def rest(self) -> bytes:
        """Take out what stands without a line end: the last line of a stream that has ended."""
        rest, self._rest = self._rest.removesuffix(b"\r"), b""
        return rest

    def _without_long(self, block: bytes, refused: list[bytes]) -> bytes:
        kept: list[bytes] = []
        start = at = 0
        while at < len(block):
            # The last line end within a line's longest length: all lines before it fit.
            fits = block.rfind(b"\n", at, at + self._limit + 1)
            if fits >= 0:
                at = fits + 1
                continue
            end = block.index(b"\n", at)
            if end - at == self._limit + 1 and block[end - 1] == 13:
                at = end + 1
                continue
            kept.append(block[start:at])
            refused.append(block[at : min(end, at + EXCERPT_BYTES)])
            at = start = end + 1
        kept.append(block[start:])
        return b"".join(kept)

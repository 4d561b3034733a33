"""What was written last, for those who read along.

All consumers that are not behind read a record within a second of its being written, each for
itself.  It is still in memory then, so it need not be read back, and checked, once for each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from metronome.journal.format import HEADER_BYTES
from metronome.journal.interface import Entry


class Recent:
    """The last entries, without a gap between them; bounded by bytes and by age."""

    def __init__(self, most: int):
        """``most`` bytes of payloads are kept; 0 keeps nothing."""
        self._most = most
        self._entries: list[Entry] = []
        self._bytes = 0
        self._old = 0
        """How many of them were here at the last ``age``."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, positions: Sequence[int], kind: int, payloads: Sequence[bytes]) -> None:
        """Records were written there."""
        if self._entries and positions and self._entries[-1].end != positions[0]:
            self.clear()
        for position, payload in zip(positions, payloads, strict=True):
            end = position + HEADER_BYTES + len(payload)
            self._entries.append(Entry(position, end, kind, payload))
            self._bytes += len(payload)
        while self._bytes > self._most:
            self._leave(1)

    def read(self, position: int, most: int) -> list[Entry]:
        """Entries from a position on until their payloads are ``most`` bytes or more; none where the
        first of them is not here."""
        first = bisect_left(self._entries, position, key=lambda entry: entry.position)
        if first == len(self._entries) or self._entries[first].position != position:
            return []
        last, taken = first, 0
        while last < len(self._entries) and taken < most:
            taken += len(self._entries[last].payload)
            last += 1
        return self._entries[first:last]

    def age(self) -> None:
        """Let go of what was here the last time already."""
        self._leave(self._old)
        self._old = len(self._entries)

    def clear(self) -> None:
        """Let go of everything."""
        self._leave(len(self._entries))

    def _leave(self, number: int) -> None:
        self._bytes -= sum(len(entry.payload) for entry in self._entries[:number])
        del self._entries[:number]
        self._old = max(self._old - number, 0)

"""How far each consumer is, what is pinned, and the file that remembers the cursors.

``cursors.json`` is ``{"crc32": …, "cursors": {consumer: position}}``; the CRC is that of the
cursors written with sorted names and no spaces.  A wrong digit in a cursor would skip
records in silence, so a file whose CRC is wrong is as good as none: consumers then begin
at the oldest record, which their idempotent effects allow.
"""

from __future__ import annotations

import json
import zlib
from typing import Final

CURSORS: Final = "cursors.json"


class Cursors:
    """Consumers' cursors and pins; both hold back the deletion of segments."""

    def __init__(self, positions: dict[str, int]):
        self._positions = dict(positions)
        self._pins: dict[int, int] = {}
        self._last_pin = 0

    def at(self, consumer: str, oldest: int) -> tuple[int, bool]:
        """Where a consumer is, never before ``oldest``, and whether that is news."""
        known = self._positions.get(consumer)
        position = oldest if known is None else max(known, oldest)
        self._positions[consumer] = position
        return position, position != known

    def move(self, consumer: str, position: int) -> bool:
        """Move on, never back; whether the cursor has changed."""
        known = self._positions.get(consumer, -1)
        if position <= known:
            return False
        self._positions[consumer] = position
        return True

    def lift(self, start: int, end: int) -> bool:
        """Nothing between can be read: who stands there stands at ``end``; whether anybody did."""
        stuck = [consumer for consumer, at in self._positions.items() if start <= at < end]
        self._positions.update(dict.fromkeys(stuck, end))
        return bool(stuck)

    def names(self) -> list[str]:
        """Every consumer that has a cursor."""
        return sorted(self._positions)

    def forget(self, consumer: str) -> bool:
        """Drop a consumer; whether there was one."""
        return self._positions.pop(consumer, None) is not None

    def pin(self, position: int) -> int:
        """Hold everything from ``position`` on; the number that lets it go."""
        self._last_pin += 1
        self._pins[self._last_pin] = position
        return self._last_pin

    def unpin(self, pin: int) -> None:
        """Let go."""
        del self._pins[pin]

    def floor(self) -> int:
        """Everything before may go.  Without any consumer that is nothing: 0."""
        if not self._positions:
            return 0
        return min([*self._positions.values(), *self._pins.values()])

    def highest(self) -> int:
        """The furthest cursor, 0 when there is none."""
        return max(self._positions.values(), default=0)

    def encode(self) -> bytes:
        """The file's content."""
        cursors = _canonical(self._positions)
        return b'{"crc32": %d, "cursors": %s}\n' % (zlib.crc32(cursors), cursors)


def decode_cursors(data: bytes) -> dict[str, int]:
    """The cursors that a file's content gives; ``ValueError`` when it is damaged."""
    content = json.loads(data)
    if not isinstance(content, dict) or not isinstance(content.get("cursors"), dict):
        raise ValueError("no cursors in it")
    cursors: dict[str, int] = content["cursors"]
    if zlib.crc32(_canonical(cursors)) != content.get("crc32"):
        raise ValueError("the checksum is wrong")
    return cursors


def _canonical(cursors: dict[str, int]) -> bytes:
    return json.dumps(cursors, sort_keys=True, separators=(",", ":")).encode()

"""Reading records back, on the reader's thread, and the book of damage.

Files are read in windows, never beyond the end of a segment's extent.  A file that is
shorter than its extent, or gone, is damage like any other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from metronome.journal.disk import Disk
from metronome.journal.format import CUT, DAMAGED, HEADER_BYTES, MORE, scan
from metronome.journal.interface import Entry
from metronome.journal.segments import Extent, name_of
from metronome.limits import READ_BYTES

_LEAST_WINDOW: Final = 64 << 10
"""Less than this costs as much to read."""


class Damage(NamedTuple):
    """Positions that hold no record that can be read."""

    position: int
    end: int


class Found(NamedTuple):
    """What a read has met."""

    entries: list[Entry]
    damages: list[Damage]


def walk(disk: Disk, extent: Extent, position: int, window: int) -> Iterator[Entry | Damage]:
    """Everything from ``position`` to the end of the extent, without gaps.

    An entry's kind still has its MORE bit.  ``window`` is how much is read at once.
    """
    end = extent.end
    wanted = 0
    damage: Damage | None = None  # not told yet: the next window may go on with it
    while position < end:
        size = min(end - position, max(window, wanted))
        data = _read(disk, extent, position, size)
        if len(data) < size:
            end = position + len(data)
        base = position
        wanted = 0
        for span in scan(data, position, end):
            if span.kind == CUT:
                wanted = span.end - span.position
                break
            position = span.end
            if span.kind == DAMAGED:
                damage = Damage(damage.position if damage else span.position, span.end)
                continue
            if damage:
                yield damage
                damage = None
            payload = data[span.position - base + HEADER_BYTES : span.end - base]
            yield Entry(span.position, span.end, span.kind, payload)
    if end < extent.end:
        damage = Damage(damage.position if damage else end, extent.end)
    if damage:
        yield damage


def read_entries(disk: Disk, extents: Sequence[Extent], position: int, most: int) -> Found:
    """Entries from a position on, until their payloads are ``most`` bytes or more.

    The first extent must hold ``position`` or lie behind it.
    """
    found = Found([], [])
    taken = 0
    for extent in extents:
        position = max(position, extent.first)
        for met in walk(disk, extent, position, max(most - taken, _LEAST_WINDOW)):
            if isinstance(met, Damage):
                if met.position == position:
                    met = _unless_inside(disk, extent, met)
                if met.position < met.end:
                    found.damages.append(met)
                continue
            if met.kind & MORE:
                met = met._replace(kind=met.kind & ~MORE)
            found.entries.append(met)
            taken += len(met.payload)
            if taken >= most:
                return found
    return found


def _unless_inside(disk: Disk, extent: Extent, damage: Damage) -> Damage:
    """The damage without what is a record's rest: the read began inside of that record."""
    for met in walk(disk, extent, extent.first, READ_BYTES):
        if met.end > damage.position:
            if isinstance(met, Entry) and met.position < damage.position:
                return damage._replace(position=met.end)
            break
    return damage


def _read(disk: Disk, extent: Extent, position: int, size: int) -> bytes:
    try:
        return disk.read(name_of(extent.first), position - extent.first, size)
    except FileNotFoundError:
        return b""


class DamageBook:
    """Which damage is known, so that each byte is counted once however often it is met."""

    def __init__(self) -> None:
        self._known: list[Damage] = []  # apart from each other, ascending
        self.records = 0
        """Stretches of damage: at least one record was lost in each."""
        self.bytes = 0

    def note(self, damage: Damage) -> bool:
        """Enter damage; whether any of it is new."""
        low = bisect_left(self._known, damage.position, key=lambda known: known.end)
        high = low
        while high < len(self._known) and self._known[high].position <= damage.end:
            high += 1
        touched = self._known[low:high]
        merged = Damage(
            min([damage.position, *(known.position for known in touched)]),
            max([damage.end, *(known.end for known in touched)]),
        )
        fresh = (merged.end - merged.position) - sum(known.end - known.position for known in touched)
        self._known[low:high] = [merged]
        self.records += 0 if touched else 1
        self.bytes += fresh
        return fresh > 0

    def forget(self, floor: int) -> None:
        """Nothing before ``floor`` will be read any more."""
        while self._known and self._known[0].end <= floor:
            del self._known[0]

"""The files a journal consists of: which there are, where each one ends.

A segment's name is the position of its first byte, so the file's offset 0 stands at that
position.  A segment ends where the next one begins, whatever its file holds behind that:
bytes of a failed append that could not be cut off are no part of the journal.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final, NamedTuple

SUFFIX: Final = ".seg"
_NAME: Final = re.compile(r"(\d{20})\.seg\Z")


class Extent(NamedTuple):
    """The positions that a segment's file holds: from ``first`` to before ``end``."""

    first: int
    end: int


def name_of(first: int) -> str:
    """The file name of the segment that begins at a position."""
    return f"{first:020d}{SUFFIX}"


def first_of(name: str) -> int | None:
    """The position that a file's name gives; None when it is no segment."""
    found = _NAME.match(name)
    return int(found[1]) if found else None


class Segments:
    """The segments in order, with their sizes on disk.  The last one is the active one.

    Belongs to the reactor.  Workers are handed ``extents``, which do not change.
    """

    def __init__(self, sizes: dict[int, int]):
        self._firsts = sorted(sizes)
        self._sizes = dict(sizes)
        self._size = sum(sizes.values())
        self._leaving: list[int] = []

    def __len__(self) -> int:
        return len(self._firsts)

    @property
    def oldest(self) -> int:
        """The first position kept."""
        return self._firsts[0]

    @property
    def size(self) -> int:
        """Bytes on disk, also those of segments whose deletion is not done."""
        return self._size

    def grow(self, size: int) -> None:
        """The active segment's file has this size now."""
        active = self._firsts[-1]
        self._size += size - self._sizes[active]
        self._sizes[active] = size

    def begin(self, first: int) -> None:
        """The active segment is this one from now on."""
        if self._firsts[-1] != first:
            self._firsts.append(first)
            self._sizes[first] = 0

    def extents(self, end: int, position: int = 0) -> tuple[Extent, ...]:
        """From the segment that holds ``position`` on; the last one ends at ``end``."""
        start = max(bisect_right(self._firsts, position) - 1, 0)
        firsts = self._firsts[start:]
        return tuple(Extent(*pair) for pair in zip(firsts, [*firsts[1:], end], strict=True))

    def leave(self, floor: int) -> list[int]:
        """Take out the segments that end at or before ``floor``, but never the active one.

        What is answered, oldest first, is to be deleted, then told to ``left``: these and
        those of earlier calls that could not be deleted.
        """
        count = max(bisect_right(self._firsts, floor) - 1, 0)
        going, self._firsts = self._firsts[:count], self._firsts[count:]
        self._leaving += going
        return list(self._leaving) if going else []

    def left(self, first: int) -> None:
        """A segment that ``leave`` has answered is deleted."""
        if first in self._leaving:
            self._leaving.remove(first)
            self._size -= self._sizes.pop(first)

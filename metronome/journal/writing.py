"""What the writer's thread does: write a group, and undo one that failed.

Rules that every path obeys:

- A record counts when its bytes, its file's size and its file's name are synced.
- At most one group is being written, behind ``Tail.end``; what stands in front of it is
  synced and is never touched again.
- A group that fails is undone before anybody is told: after a failed write the file is
  cut back to ``Tail.end`` and synced.  If that fails too, and after every failed sync (the
  kernel may then hold pages as clean that never reached the disk), a new segment is begun
  at ``Tail.end``; it ends the old one there, so the failed bytes belong to nothing.
- If even that fails, ``Tail.clean`` is false, and nothing is written before a new segment
  has been begun.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from metronome.journal.disk import Disk, put
from metronome.journal.format import bytes_of, encode
from metronome.journal.segments import name_of
from metronome.limits import PROBE_BYTES

PROBE: Final = "probe"
"""A file that is written to find out whether the disk takes anything."""


class Tail(NamedTuple):
    """Where the journal ends."""

    first: int
    """The active segment."""
    end: int
    """Position behind the last synced record."""
    clean: bool = True
    """Whether nothing stands on disk behind ``end``."""

    @property
    def size(self) -> int:
        """Bytes in the active segment."""
        return self.end - self.first


class Written(NamedTuple):
    """What became of a group."""

    tail: Tail
    """With another ``first`` when a segment was begun."""
    positions: list[list[int]]
    """For each append, where its records are; empty when the group failed."""
    failure: OSError | None = None


def write_group(
    disk: Disk, tail: Tail, group: Sequence[tuple[int, Sequence[bytes]]], segment_bytes: int
) -> Written:
    """Write appends ``(kind, payloads)`` behind the tail and sync them, all or none.

    A new segment is begun first where the active one would grow beyond ``segment_bytes``.
    """
    parts: list[bytes] = []
    positions = []
    end = tail.end
    for kind, payloads in group:
        positions.append(encode(end, kind, payloads, parts))
        end += bytes_of(payloads)
    if tail.size and end - tail.first > segment_bytes:
        try:
            tail = begin_segment(disk, tail.end)
        except OSError as failure:
            # Its file may be there or not: what is written next must not depend on that.
            return Written(_restart(disk, tail), [], failure)
    if parts:
        try:
            disk.append(name_of(tail.first), b"".join(parts))
        except OSError as failure:
            return Written(_cut(disk, tail), [], failure)
        try:
            disk.sync(name_of(tail.first))
        except OSError as failure:
            return Written(_restart(disk, tail), [], failure)
    return Written(tail._replace(end=end), positions)


def _cut(disk: Disk, tail: Tail) -> Tail:
    """Take back what a failed write has left behind the tail."""
    try:
        disk.truncate(name_of(tail.first), tail.size)
        disk.sync(name_of(tail.first))
    except OSError:
        return _restart(disk, tail)
    return tail


def _restart(disk: Disk, tail: Tail) -> Tail:
    """Leave the active segment's file as it is and go on in a new one."""
    with suppress(OSError):
        # Not needed when the rest works; without it, fewer bytes that nobody wants.
        disk.truncate(name_of(tail.first), tail.size)
    try:
        return begin_segment(disk, tail.end)
    except OSError:
        return tail._replace(clean=False)


def begin_segment(disk: Disk, first: int) -> Tail:
    """Make an empty segment, durably; one of the same name is replaced."""
    put(disk, name_of(first), b"")
    return Tail(first, first)


def probe(disk: Disk, tail: Tail) -> Tail:
    """Find out whether the disk takes writes again, and undo what could not be undone.

    Raises ``OSError`` while it does not.
    """
    if not tail.clean:
        tail = begin_segment(disk, tail.end)
    if disk.free() < PROBE_BYTES:
        raise OSError(errno.ENOSPC, "no room")
    try:
        disk.write(PROBE, bytes(PROBE_BYTES))
        disk.sync(PROBE)
    finally:
        with suppress(FileNotFoundError):
            disk.remove(PROBE)
    return tail

"""Opening the folder: find the segments, cut the torn tail, load identity and cursors.

Only the last segment is read; damage in the others is met when they are read.  Whatever
is found good is synced before anybody sees it: after a kill it may so far be in the
kernel's memory only, and a consumer that has read it must never see its position again
with another record in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from metronome.errors import ConfigError
from metronome.journal.cursors import CURSORS, decode_cursors
from metronome.journal.disk import NEW, Disk, put
from metronome.journal.format import MORE
from metronome.journal.reading import Damage, walk
from metronome.journal.segments import Extent, first_of, name_of
from metronome.journal.writing import PROBE, Tail, begin_segment
from metronome.limits import READ_BYTES

IDENTITY: Final = "identity"
_IDENTITY: Final = re.compile(r"[0-9a-f]{32}\Z")


class Opened(NamedTuple):
    """A folder that is ready to be appended to."""

    identity: str
    sizes: dict[int, int]
    """Each segment's first position and size."""
    tail: Tail
    cursors: dict[str, int]
    cursors_damage: str
    """Why the cursors could not be read; empty when they could."""
    torn_bytes: int
    damages: list[Damage]


def open_folder(disk: Disk, make_identity: Callable[[], str]) -> Opened:
    """Open, or make what is missing.  Raises ``OSError``, ``ConfigError``."""
    names = disk.names()
    for name in names:
        if name.endswith(NEW) or name == PROBE:
            disk.remove(name)
    identity = _identity(disk, names, make_identity)
    cursors, cursors_damage = _cursors(disk, names)
    sizes = {first: size for name, size in names.items() if (first := first_of(name)) is not None}
    furthest = max(cursors.values(), default=0)
    if not sizes:
        tail = begin_segment(disk, furthest)
        return Opened(identity, {tail.first: 0}, tail, cursors, cursors_damage, 0, [])
    last = max(sizes)
    tail, damages = _tail(disk, Extent(last, last + sizes[last]))
    torn = sizes[last] - tail.size
    if torn:
        disk.truncate(name_of(last), tail.size)
    disk.sync(name_of(last))
    disk.sync_folder()
    sizes[last] = tail.size
    if furthest > tail.end:
        # Somebody has taken files away.  Positions that were handed out are never used
        # again: a store may have written down that it has them.
        tail = begin_segment(disk, furthest)
        sizes[furthest] = 0
    return Opened(identity, sizes, tail, cursors, cursors_damage, torn, damages)


def _tail(disk: Disk, extent: Extent) -> tuple[Tail, list[Damage]]:
    """Where the last whole append of the last segment ends, and the damage before."""
    end = extent.first
    damages = []
    for met in walk(disk, extent, extent.first, READ_BYTES):
        if isinstance(met, Damage):
            damages.append(met)
        elif not met.kind & MORE:
            end = met.end
    return Tail(extent.first, end), [damage for damage in damages if damage.end <= end]


def _identity(disk: Disk, names: dict[str, int], make_identity: Callable[[], str]) -> str:
    known = IDENTITY in names
    content = disk.read(IDENTITY, 0, names[IDENTITY]) if known else make_identity().encode()
    identity = content.decode("ascii", "replace").strip()
    if not _IDENTITY.match(identity):
        raise ConfigError(
            f"the journal's file {IDENTITY!r} holds {identity[:64]!r}: it should be 32 hexadecimal digits;"
            " write back the gateway's id, or remove the file to begin as a new gateway"
        )
    if not known:
        put(disk, IDENTITY, identity.encode() + b"\n")
    return identity


def _cursors(disk: Disk, names: dict[str, int]) -> tuple[dict[str, int], str]:
    if CURSORS not in names:
        return {}, ""
    try:
        return decode_cursors(disk.read(CURSORS, 0, names[CURSORS])), ""
    except ValueError as damage:
        return {}, str(damage)

"""Opening the folder: find the segments, cut the torn tail, load identity and cursors.

Only the last segment is read; damage in the others is met when they are read.  Whatever
is found good is synced before anybody sees it: after a kill it may so far be in the
kernel's memory only, and a consumer that has read it must never see its position again
with another record in it.

Every start begins a new segment.  The last process may have died between an fsync that
failed and the undoing of it, and to this process the kernel would go on calling that file
clean; it is read, but never written again.
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
    failure: OSError | None
    """Why the folder cannot be written now; the tail is not clean then."""


def open_folder(disk: Disk, make_identity: Callable[[], str]) -> Opened:
    """Open, or make what is missing.

    Raises ``ConfigError``, and ``OSError`` when the folder cannot be read or a new one
    cannot be made; one that can only not be written is opened for reading.
    """
    names = disk.names()
    identity = _identity(disk, names, make_identity)
    cursors, cursors_damage = _cursors(disk, names)
    furthest = max(cursors.values(), default=0)
    sizes = {first: size for name, size in names.items() if (first := first_of(name)) is not None}
    if not sizes:
        tail = begin_segment(disk, furthest)
        return Opened(identity, {tail.first: 0}, tail, cursors, cursors_damage, 0, [], None)
    last = max(sizes)
    end, damages = _end(disk, Extent(last, last + sizes[last]))
    torn = last + sizes[last] - end
    # Cursors are further when somebody has taken files away.  Positions that were handed out
    # are never used again: a store may have written down that it has them.
    tail = Tail(last, max(end, furthest), clean=False)
    failure = None
    try:
        for name in names:
            if name.endswith(NEW) or name == PROBE:
                disk.remove(name)
        disk.truncate(name_of(last), end - last)
        sizes[last] = end - last
        disk.sync(name_of(last))
        tail = begin_segment(disk, tail.end)
        sizes[tail.first] = 0
    except OSError as refusal:
        failure = refusal
    return Opened(identity, sizes, tail, cursors, cursors_damage, torn, damages, failure)


def _end(disk: Disk, extent: Extent) -> tuple[int, list[Damage]]:
    """Where the last whole append of the last segment ends, and the damage before."""
    end = extent.first
    damages = []
    for met in walk(disk, extent, extent.first, READ_BYTES):
        if isinstance(met, Damage):
            damages.append(met)
        elif not met.kind & MORE:
            end = met.end
    return end, [damage for damage in damages if damage.end <= end]


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

"""The last distinct lines that an owner wants to see: what was refused, and what no mapping rule takes.

Lines are one where receiver, sender, reason and text are the same; of unmapped lines the name stands
for the text, so that one name fills one place.  When there is no room the one that was met longest ago
gives way.  Refused and unmapped lines have room of their own: a flood of one hides nothing of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from metronome.limits import EXCERPT_BYTES, REJECTS_KEPT

UNMAPPED: Final = "unmapped"


@dataclass(frozen=True, slots=True)
class Note:
    """One line as it is shown to its owner, and how often it came."""

    time: float
    """When it came last, epoch seconds."""
    source: str
    sender: str
    reason: str
    excerpt: str
    count: int = 1


class Notes:
    """What is kept of one stream."""

    def __init__(self) -> None:
        self._rejected: dict[tuple[str, ...], Note] = {}
        self._unmapped: dict[tuple[str, ...], Note] = {}

    def keep(self, note: Note) -> None:
        """Add a line, or count it where it is known."""
        note = replace(note, sender=note.sender[:EXCERPT_BYTES])  # a web page writes its own
        kept, text = self._rejected, note.excerpt
        if note.reason == UNMAPPED:
            kept, text = self._unmapped, note.excerpt.partition(":")[0]
        key = note.source, note.sender, note.reason, text
        known = kept.pop(key, None)
        if known is not None:
            note = replace(note, excerpt=known.excerpt, count=known.count + note.count)
        elif len(kept) == REJECTS_KEPT:
            del kept[next(iter(kept))]
        kept[key] = note

    def rejected(self) -> list[Note]:
        """Refused lines, those that came last first."""
        return list(reversed(self._rejected.values()))

    def unmapped(self) -> list[Note]:
        """Lines whose name no mapping rule takes, those that came last first."""
        return list(reversed(self._unmapped.values()))

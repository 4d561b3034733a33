"""A way in with its own books: what it brought, what of it was refused, its events; the pure twin's."""

from __future__ import annotations

from collections import Counter

from metronome.kernel.interface import Reject
from metronome.limits import EVENT_BYTES_WAITING, EVENTS_WAITING, EXCERPT_BYTES, REJECTS_KEPT


class Lane:
    """See ``Table.lane`` of ``interface.py``."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(
            dict.fromkeys(("lines", "samples", "datagrams", "bytes", "events", "kernel_drops"), 0)
        )
        self.changed = False
        self._rejects: dict[tuple[str, bytes, str], Reject] = {}
        self._events: list[bytes] = []
        self._event_bytes = 0

    def reject(self, reason: str, line: bytes, sender: str) -> None:
        """Count a refused line, and keep it unless an equal one is kept; the oldest gives way."""
        self.counts[f"rejected:{reason}"] += 1
        self._keep(Reject(reason, line[:EXCERPT_BYTES], sender), line)

    def note_unmapped(self, line: bytes, sender: str) -> None:
        """Count a line whose name no mapping rule takes, and keep the first with this name."""
        self.counts["unmapped"] += 1
        self._keep(Reject("unmapped", line[:EXCERPT_BYTES], sender), line.partition(b":")[0])

    def _keep(self, reject: Reject, key: bytes) -> None:
        place = reject.reason, key[:EXCERPT_BYTES], reject.sender
        known = self._rejects.get(place)
        if known is None and len(self._rejects) == REJECTS_KEPT:
            del self._rejects[next(iter(self._rejects))]
        self._rejects[place] = known._replace(number=known.number + 1) if known else reject

    def rejects(self) -> list[Reject]:
        """Take the rejects out."""
        rejects, self._rejects = list(self._rejects.values()), {}
        return rejects

    def keep_event(self, line: bytes) -> None:
        """Keep a good event's line, if there is room."""
        if len(self._events) == EVENTS_WAITING or self._event_bytes + len(line) > EVENT_BYTES_WAITING:
            self.counts["shed:queue_full"] += 1
        else:
            self._events.append(line)
            self._event_bytes += len(line)
            self.counts["events"] += 1

    def events(self) -> list[bytes]:
        """Take the events out."""
        events, self._events = self._events, []
        self._event_bytes = 0
        return events

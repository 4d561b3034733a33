"""Which deduplication ids were seen in the last 24 hours.

An id is remembered as the interpreter's keyed 64-bit hash of stream and id, in one set an
hour.  The sets are bounded together; when there are too many ids the oldest hour is
forgotten early, which is counted.  The memory is filled at start from the store and from
what waits in the journal, so a restart forgets nothing.
"""

from __future__ import annotations

from metronome.gateway.telemetry import Telemetry
from metronome.limits import DUPLICATE_IDS, DUPLICATE_WINDOW

_HOUR_MS = 3_600_000


class Duplicates:
    """A bounded memory of ids by the hour in which they came."""

    def __init__(self, telemetry: Telemetry, most: int = DUPLICATE_IDS):
        self._hours: dict[int, set[int]] = {}
        self._most = most
        self._size = 0
        self._telemetry = telemetry
        telemetry.gauge("metronome_duplicate_ids", lambda: self._size)

    def seen(self, stream: str, eid: str, now: int) -> bool:
        """Whether the id came before within the window; remember it if not (``now`` in ms)."""
        self._expire((now - DUPLICATE_WINDOW * 1000) // _HOUR_MS)
        code = hash((stream, eid))
        if any(code in ids for ids in self._hours.values()):
            return True
        self._remember(code, now)
        return False

    def learn(self, stream: str, eid: str, received: int) -> None:
        """Remember an id that a former run accepted at ``received`` (ms)."""
        code = hash((stream, eid))
        if not any(code in ids for ids in self._hours.values()):
            self._remember(code, received)

    def forget(self, stream: str, eid: str) -> None:
        """The tick with this id was not accepted after all."""
        code = hash((stream, eid))
        for ids in self._hours.values():
            if code in ids:
                ids.discard(code)
                self._size -= 1

    def _remember(self, code: int, received: int) -> None:
        self._hours.setdefault(received // _HOUR_MS, set()).add(code)
        self._size += 1
        if self._size > self._most and len(self._hours) > 1:
            forgotten = self._drop(min(self._hours))
            self._telemetry.count("metronome_duplicate_ids_forgotten_total", forgotten)

    def _expire(self, before: int) -> None:
        if self._hours and min(self._hours) < before:
            for hour in [hour for hour in self._hours if hour < before]:
                self._drop(hour)

    def _drop(self, hour: int) -> int:
        dropped = len(self._hours.pop(hour))
        self._size -= dropped
        return dropped

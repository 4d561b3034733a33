"""Which deduplication ids were seen in the last 24 hours.

An id is remembered as the interpreter's keyed 64-bit hash of stream and id, in one set an
hour, or several where many come in it.  The sets are bounded together; when there are too
many ids the oldest set is forgotten early, which is counted.  The memory is filled at start
from the store and from what waits in the journal, so a restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from metronome.gateway.telemetry import Telemetry
from metronome.limits import DUPLICATE_IDS, DUPLICATE_WINDOW

_HOUR_MS = 3_600_000
_SHARES = 16
"""A set takes at most this share of all ids: a flood within one hour is bounded as well."""


class Duplicates:
    """A bounded memory of ids by the hour in which they came."""

    def __init__(
        self, telemetry: Telemetry, most: int = DUPLICATE_IDS, born: Callable[[str], int] = lambda _: 0
    ):
        """``born`` tells where in the journal a stream begins."""
        self._born = born
        self._sets: dict[tuple[int, int], set[int]] = {}
        """By hour and, within the hour, number: the greater, the newer."""
        self._number = 0
        self._most = most
        self._size = 0
        self._telemetry = telemetry
        telemetry.gauge("metronome_duplicate_ids", lambda: self._size)

    def seen(self, stream: str, eid: str, now: int) -> bool:
        """Whether the id came before within the window; remember it if not (``now`` in ms)."""
        self._expire(((now - DUPLICATE_WINDOW * 1000) // _HOUR_MS, 0))
        code = self._code(stream, eid)
        if any(code in ids for ids in self._sets.values()):
            return True
        self._remember(code, (now // _HOUR_MS, self._number))
        return False

    def learn(self, stream: str, eid: str, received: int, page: int = 0) -> None:
        """Remember an id that a former run accepted at ``received`` (ms).

        Those that come newest first come in pages, which have growing numbers.
        """
        code = self._code(stream, eid)
        if not any(code in ids for ids in self._sets.values()):
            self._remember(code, (received // _HOUR_MS, -page))

    def forget(self, stream: str, eid: str) -> None:
        """The tick with this id was not accepted after all."""
        code = self._code(stream, eid)
        for ids in self._sets.values():
            if code in ids:
                ids.discard(code)
                self._size -= 1

    def _code(self, stream: str, eid: str) -> int:
        """A stream that has the name of one that was deleted knows none of that one's ids."""
        return hash((stream, self._born(stream), eid))

    def _remember(self, code: int, place: tuple[int, int]) -> None:
        ids = self._sets.setdefault(place, set())
        ids.add(code)
        self._size += 1
        if len(ids) >= self._most / _SHARES:
            self._number += 1
        if self._size > self._most:
            forgotten = self._drop(min(self._sets))
            self._telemetry.count("metronome_duplicate_ids_forgotten_total", forgotten)

    def _expire(self, before: tuple[int, int]) -> None:
        if self._sets and min(self._sets) < before:
            for place in [place for place in self._sets if place < before]:
                self._drop(place)

    def _drop(self, place: tuple[int, int]) -> int:
        dropped = len(self._sets.pop(place))
        self._size -= dropped
        return dropped

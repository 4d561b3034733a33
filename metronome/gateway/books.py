"""The books of a stream by day, as its owner reads them.

Joined from the store (what was applied), the journal (tallies on their way) and the ledger
(what was counted since the last flush).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import asdict
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from metronome.gateway.ledger import Ledger, day_of
from metronome.gateway.reader import Reader
from metronome.model import Record, Tally
from metronome.store.interface import Store

_OUTCOMES = ("rejected", "filtered", "shed", "diverted")


class Books:
    """Answers ``GET /ledger.json``."""

    def __init__(self, ledger: Ledger, store: Store, reader: Reader, now: Callable[[], float]):
        self._ledger = ledger
        self._store = store
        self._reader = reader
        self._now = now

    @inlineCallbacks
    def report(self, stream: str) -> Generator[Deferred[Any], Any, dict[str, Any]]:
        """The stream's books::

            {"stream", "days": [{"day", "received", "stored", "waiting",
                                 "rejected": {reason: n}, "filtered": {…}, "shed": {…}, "diverted": {…}}],
             "rejects": [{"time", "source", "sender", "reason", "excerpt"}]}

        Days are UTC, newest first; what waits is counted in today's; ``received`` is the sum
        of the rest of its day.
        """
        counts: Counter[tuple[str, str, str]] = Counter()
        for day, _, outcome, reason, number in (yield self._store.tallies(stream)):
            counts[day, outcome, reason] += number
        on_the_way: list[Tally] = self._ledger.untold(stream)

        def take(waiting: list[Record]) -> None:
            for record in waiting:
                if isinstance(record.content, list):
                    on_the_way.extend(tally for tally in record.content if tally.stream == stream)

        yield self._reader.waiting(take)
        for tally in on_the_way:
            counts[tally.day, tally.outcome, tally.reason] += tally.number
        counts[day_of(self._now()), "waiting", ""] += self._ledger.waiting(stream)
        days = {key[0] for key, number in counts.items() if number}
        return {
            "stream": stream,
            "days": [_day(day, counts) for day in sorted(days, reverse=True)],
            "rejects": [asdict(note) for note in self._ledger.notes(stream)],
            "unmapped": [asdict(note) for note in self._ledger.unmapped(stream)],
        }


def _day(day: str, counts: Counter[tuple[str, str, str]]) -> dict[str, Any]:
    of_day = {key[1:]: number for key, number in counts.items() if key[0] == day and number}
    outcomes = {
        outcome: {reason: number for (name, reason), number in sorted(of_day.items()) if name == outcome}
        for outcome in _OUTCOMES
    }
    return {
        "day": day,
        "received": sum(of_day.values()),
        "stored": sum(number for (name, _), number in of_day.items() if name == "stored"),
        "waiting": of_day.get(("waiting", ""), 0),
        **outcomes,
    }

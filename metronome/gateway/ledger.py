"""The books: what became of everything that arrived.

At any instant, for each stream::

    received = stored + waiting + rejected + filtered + shed + diverted

``received`` is counted where input enters and is never derived from the other side, so
that a loss anywhere shows as an imbalance.  Waiting is what was admitted and is neither
stored nor diverted; the part of it that the folding table still holds is read from the
table.

What a crash must not lose is carried by the journal: the numbers of rejected, filtered
and shed input go there as tallies with each flush, and the store adds them to the
stream's days.  What a record holds is counted as stored by the store itself when it
applies the record, and as diverted by the line that stands in its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from metronome.gateway.notes import Note, Notes
from metronome.gateway.telemetry import Telemetry
from metronome.limits import EXCERPT_BYTES
from metronome.model import Tally

_FAMILIES = {
    "rejected": "metronome_rejected_total",
    "filtered": "metronome_filtered_total",
    "shed": "metronome_shed_total",
}


def day_of(seconds: float) -> str:
    """The UTC day of an epoch time, as ``2026-11-22``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


class Ledger:
    """Counts by stream, source, outcome and reason; keeps the last lines that owners want to see."""

    def __init__(self, telemetry: Telemetry, now: Callable[[], float]):
        self._telemetry = telemetry
        self._now = now
        self._untold: Counter[tuple[str, str, str, str, str]] = Counter()
        self._notes: dict[str, Notes] = {}
        self._waiting: Counter[str] = Counter()
        self._open: dict[str, Callable[[], int]] = {}

    def received(self, stream: str, source: str, number: int) -> None:
        """So many samples, points or events arrived, good and bad together."""
        if number:
            self._telemetry.count("metronome_received_total", number, stream=stream, source=source)

    def holds(self, stream: str, read: Callable[[], int]) -> None:
        """Say how to read what a stream's folding table holds."""
        self._open[stream] = read
        self._telemetry.gauge("metronome_waiting", lambda: self.waiting(stream), stream=stream)

    def taken(self, stream: str, number: int) -> None:
        """So many left the table, or came past it, and are on their way to the store."""
        self._waiting[stream] += number

    def stored(self, stream: str, number: int) -> None:
        """So many of those are in the store."""
        self._waiting[stream] -= number
        self._telemetry.count("metronome_stored_total", number, stream=stream)

    def recovered(self, stream: str, number: int) -> None:
        """A former run accepted so many; they are received by this one from its journal."""
        self.received(stream, "journal", number)
        self.taken(stream, number)

    def diverted(self, stream: str, reason: str, number: int) -> None:
        """So many were refused by the store and put aside; the writer told the store's books."""
        self._waiting[stream] -= number
        self._telemetry.count("metronome_diverted_total", number, stream=stream, reason=reason)

    def replayed(self, stream: str, number: int) -> None:
        """So many that had been put aside are in the store.  What only grows cannot be taken back,
        so they are received once more by this run."""
        self.received(stream, "replay", number)
        self._telemetry.count("metronome_stored_total", number, stream=stream)

    def left_over(self, stream: str, number: int) -> None:
        """So many were of a stream that has been deleted.  They stand in no stream's books: one that
        has its name now did not receive them."""
        self._waiting[stream] -= number
        self._telemetry.count("metronome_diverted_total", number, stream=stream, reason="stream_deleted")

    def forget(self, stream: str) -> None:
        """The stream is deleted, with its books."""
        self._notes.pop(stream, None)
        for key in [key for key in self._untold if key[0] == stream]:
            del self._untold[key]

    def closed(self, stream: str) -> None:
        """The stream has no folding table any more."""
        self._open.pop(stream, None)

    def reject(
        self, stream: str, source: str, reason: str, number: int = 1, excerpt: bytes = b"", sender: str = ""
    ) -> None:
        """Bad input was refused."""
        self._outcome("rejected", stream, source, reason, number)
        text = excerpt[:EXCERPT_BYTES].decode("utf-8", "replace")
        self.note(stream, Note(self._now(), source, sender, reason, text, number))

    def count_rejects(self, stream: str, source: str, reason: str, number: int) -> None:
        """Bad input was refused and is noted elsewhere."""
        self._outcome("rejected", stream, source, reason, number)

    def note(self, stream: str, note: Note) -> None:
        """Keep a line that is counted elsewhere."""
        self._notes.setdefault(stream, Notes()).keep(note)

    def filtered(self, stream: str, source: str, reason: str, number: int = 1) -> None:
        """Input was classed and set aside."""
        self._outcome("filtered", stream, source, reason, number)

    def shed(self, stream: str, source: str, reason: str, number: int) -> None:
        """Good input that never got in was refused for load."""
        self._outcome("shed", stream, source, reason, number)

    def shed_waiting(self, stream: str, reason: str, number: int) -> None:
        """Input that was on its way (``taken``) had to be given up for load."""
        self._waiting[stream] -= number
        self._outcome("shed", stream, "", reason, number)

    def waiting(self, stream: str) -> int:
        """Admitted, and neither stored nor diverted nor shed."""
        read = self._open.get(stream)
        return self._waiting[stream] + (read() if read else 0)

    def today(self) -> str:
        """The UTC day."""
        return day_of(self._now())

    def take_tallies(self) -> list[Tally]:
        """What was counted since the last call, to be journalled."""
        tallies = [Tally(*key, number) for key, number in sorted(self._untold.items())]
        self._untold.clear()
        return tallies

    def give_back(self, tallies: list[Tally]) -> None:
        """The journal would not take these: count them again with the next."""
        for tally in tallies:
            self._untold[tally[:5]] += tally.number

    def untold(self, stream: str) -> list[Tally]:
        """What was counted since the last ``take_tallies``, for one stream."""
        return [Tally(*key, number) for key, number in self._untold.items() if key[0] == stream]

    def notes(self, stream: str) -> list[Note]:
        """The last distinct lines that were refused, newest first."""
        return self._notes.get(stream, Notes()).rejected()

    def unmapped(self, stream: str) -> list[Note]:
        """The last lines, each with a name of its own, that no mapping rule takes, newest first."""
        return self._notes.get(stream, Notes()).unmapped()

    def _outcome(self, outcome: str, stream: str, source: str, reason: str, number: int) -> None:
        if number:
            self._telemetry.count(_FAMILIES[outcome], number, stream=stream, source=source, reason=reason)
            self._tell(stream, source, outcome, reason, number)

    def _tell(self, stream: str, source: str, outcome: str, reason: str, number: int) -> None:
        self._untold[stream, day_of(self._now()), source, outcome, reason] += number

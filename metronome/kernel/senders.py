"""Who sends most datagrams, in bounded memory; the pure twin's.

The space-saving algorithm (Metwally, Agrawal and El Abbadi, ICDT 2005): a sender that is not
kept takes the place of the one with the fewest, and its count.  So counts are never too low, and
whoever sends more than one datagram in ``SENDERS_KEPT`` is there.
"""

from __future__ import annotations

from metronome.limits import SENDERS_KEPT


class Senders:
    """Counts of the senders since they were last taken."""

    def __init__(self, kept: int = SENDERS_KEPT) -> None:
        self._kept = kept
        self._places: dict[str, int] = {}
        self._counts: list[int] = []

    def note(self, sender: str) -> None:
        """Count one datagram."""
        place = self._places.get(sender)
        if place is None:
            place = self._place(sender)
        self._counts[place] += 1

    def _place(self, sender: str) -> int:
        place = len(self._counts)
        if place < self._kept:
            self._counts.append(0)
        else:
            place = self._counts.index(min(self._counts))
            del self._places[next(one for one, at in self._places.items() if at == place)]
        self._places[sender] = place
        return place

    def take(self) -> list[tuple[str, int]]:
        """Senders and their datagrams, most first; begins again."""
        found = [(sender, self._counts[place]) for sender, place in self._places.items()]
        self._places, self._counts = {}, []
        return sorted(found, key=lambda item: (-item[1], item[0]))

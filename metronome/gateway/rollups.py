"""Rolls up the parts of one stream for one output, by rules.

Parts wait until the mark of their flush says what time it is.  Then each row's series is
looked up (the rules are asked once for a series), its rows go on the piles of the periods
that they begin in, and what has ended is given out:

- A period of a rule ends with the flush that ends it or lies behind it, and is given out once.
- Parts that come later **amend** it: the groups that they change are given out again, with the
  whole of their values.  That is possible for ``LATE_PERIODS`` periods, and for at most
  ``LATE_SECONDS``; what is later, or ahead of its time by more, is counted and left out.
- With ``arrivals`` it does not matter of when a part is: it counts in the period in which it
  arrives, and nothing is given out twice.  That is what counters that only go up need.

``begin`` says from when on all parts are seen.  A period that began earlier is known in part
only, after a restart or for a rule that has just been added; it is not given out, because a
part of a value would overwrite the whole.  ``needed`` is the other side of that: the time from
which on parts have to be seen again after a restart, so that nothing is missing.

What is given out may be abandoned: what has been taken is not given out twice, and what was
being worked on is given out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from metronome.fold.columns import expanded_pieces
from metronome.fold.rules import Book, Rule, Slot
from metronome.gateway.gathering import Gathering
from metronome.gateway.shelf import LONG_AGO, Count, Ended, Gone, Make, Shelf
from metronome.limits import ROLLUP_SERIES, ROLLUP_STEP_ROWS
from metronome.model import Columns, Flushed, Parts


class Rollups:
    """The rollups of one stream for one output."""

    def __init__(
        self,
        make: Make,
        gone: Gone = lambda slot, group: None,
        count: Count = lambda reason, number: None,
        *,
        arrivals: bool = False,
        series: int = ROLLUP_SERIES,
    ):
        self._make = make
        self._gone = gone
        self._count = count
        self._arrivals = arrivals
        self._most_series = series
        self._rules: tuple[Rule, ...] = ()
        self._shelves: dict[int, Shelf] = {}
        self._gathering = Gathering()
        self._begun = False
        self._since = LONG_AGO
        self._now = LONG_AGO

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return sum(shelf.groups for shelf in self._shelves.values())

    @property
    def needed(self) -> int:
        """From when on (ms) parts would be needed again by a run that begins anew."""
        return min((shelf.oldest(self._now) for shelf in self._shelves.values()), default=self._now)

    def use(self, rules: Sequence[Rule], slots: Sequence[Slot]) -> None:
        """Go by these rules, of which ``slots`` are those that are for this output.  Rules that
        were there before keep what they have."""
        self._rules = tuple(rules)
        for every in {slot.every for slot in slots} - self._shelves.keys():
            self._shelves[every] = Shelf(every, self._make, self._gone, self._arrivals, self._most_series)
        for every, shelf in list(self._shelves.items()):
            shelf.use([slot for slot in slots if slot.every == every], self._rules, self._now)
            if not shelf.used:
                del self._shelves[every]

    def ask_again(self) -> None:
        """Rules have changed everywhere: see whether there is a place for groups that had none."""
        for shelf in self._shelves.values():
            shelf.ask_again()

    def begin(self, since: int) -> None:
        """From this time on (ms) all parts are seen."""
        self._begun = True
        self._since = since
        self._now = max(self._now, since)

    def keep(self, columns: Columns) -> None:
        """Take parts; nothing happens to them before the next :meth:`end`."""
        if self._shelves:
            self._gathering.keep(columns)

    def end(self, flushed: Flushed) -> Iterator[Ended | None]:
        """A flush has ended: what has ended with it, and None where the reactor may breathe."""
        if not self._begun:
            self.begin(flushed.time)
        self._now = max(self._now, flushed.time + round(flushed.period * 1000))
        for piece in self._gathering.pieces(ROLLUP_STEP_ROWS):
            for columns in expanded_pieces(piece, ROLLUP_STEP_ROWS):
                for shelf in self._shelves.values():
                    for reason, number in shelf.add(columns, self._now).items():
                        self._count(reason, number)
                yield None
        for shelf in self._shelves.values():
            yield from shelf.ended(self._now, self._since)
            shelf.tidy(self._now)


class StreamRollups:
    """The rollups of all streams that the rules for one output speak of.

    A stream that only ticks go to has no flushes; it ends its periods with those of ``main``.
    """

    def __init__(self, make: Callable[[str], Rollups], slots: Callable[[Sequence[Rule]], list[Slot]]):
        """``make`` gives the rollups of a stream, ``slots`` what of some rules is for the output."""
        self._make = make
        self._slots = slots
        self._streams: dict[str, Rollups] = {}
        self.ending: list[str] = []
        """The streams whose periods the last mark has ended."""
        self._marked: set[str] = set()
        self._since: int | None = None

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return sum(rollups.groups for rollups in self._streams.values())

    @property
    def needed(self) -> int | None:
        """From when on (ms) a new run would have to see parts again; None: it needs none."""
        return min((rollups.needed for rollups in self._streams.values()), default=None)

    def use(self, book: Book) -> None:
        """Go by these rules; those that have not changed keep what they have."""
        slots = {stream: self._slots(book.of(stream)) for stream in {rule.stream for rule in book.rules}}
        for stream, found in slots.items():
            if found and stream not in self._streams:
                rollups = self._streams[stream] = self._make(stream)
                if self._since is not None:
                    rollups.begin(self._since)
        for stream in list(self._streams):
            self._streams[stream].use(book.of(stream), slots.get(stream, []))
            if not slots.get(stream):
                del self._streams[stream]
        for rollups in self._streams.values():
            rollups.ask_again()

    def begin(self, since: int) -> None:
        """All parts from this time on (ms) are seen."""
        self._since = since
        for rollups in self._streams.values():
            rollups.begin(since)

    def keep(self, parts: Parts) -> None:
        """Take parts of any stream."""
        rollups = self._streams.get(parts.stream)
        if rollups is not None:
            rollups.keep(parts.columns)

    def end(self, flushed: Flushed, main: str) -> Iterator[tuple[str, Ended] | None]:
        """A stream's flush has ended: the streams whose periods that ends, with what has."""
        self._since = flushed.time + round(flushed.period * 1000)
        if flushed.stream != main:
            self._marked.add(flushed.stream)
            ending = [flushed.stream]
        else:
            ending = [stream for stream in self._streams if stream not in self._marked]
            self._marked.clear()
        self.ending = ending
        for stream in ending:
            if stream in self._streams:
                for ended in self._streams[stream].end(flushed):
                    yield None if ended is None else (stream, ended)

"""Answers: what the store has, joined with what still waits in the journal.

So an answer is never behind an acknowledgement.  The store says with each answer up to
which position of our journal it includes (``applied``); everything behind that is read from
the journal and folded by the same algebra.  While that happens the journal is pinned, so
that nothing in between is trimmed away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from operator import itemgetter
from typing import Any, Final, TypeVar

import numpy as np
from twisted.internet.defer import Deferred, inlineCallbacks

from metronome.fold import events as folding_events
from metronome.fold.columns import first_times, keys_of, within
from metronome.fold.rollup import fold_parts, merge_folded, regroup
from metronome.fold.select import wanted
from metronome.fold.stat import Stat, needs_sketches
from metronome.gateway.owned import Owns, every, owned
from metronome.glob import is_plain
from metronome.journal.interface import Entry, Journal
from metronome.limits import COUNT_GROUPS, READ_BYTES
from metronome.model import (
    Event,
    Events,
    EventSelection,
    Folded,
    Found,
    Kind,
    Parts,
    Record,
    Selection,
    parse_key,
    series_key,
)
from metronome.store.interface import Counted, Fetched, Store
from metronome.wire import records

Answer = TypeVar("Answer")
_STEADY_TRIES = 5
_PIECE_BYTES: Final = READ_BYTES // 8
"""What is looked at in one turn of the reactor: some milliseconds, and one record at least."""


class Reader:
    """Joins one store with the journal of one gateway."""

    def __init__(self, store: Store, journal: Journal, cursor: Callable[[], int], owns: Owns = every):
        """``cursor`` tells how far the store's consumer is: nothing before it waits."""
        self._owns = owns
        self._store = store
        self._journal = journal
        self._cursor = cursor

    def series(self, selection: Selection) -> Deferred[list[Found]]:
        """Series with parts in the selection, by key, ascending."""
        return self._pinned(self._series, selection)

    def fetch(
        self, selection: Selection, step: int, by: tuple[str, ...] | None, stat: Stat | None = None
    ) -> Deferred[list[Folded]]:
        """Fold the selected series into steps of ``step`` ms and groups, all of one kind.

        Where a name exists in several kinds and the selection names none, the kind that
        suits the stat is taken: first those that have it, in the order counter, timer,
        gauge, set.
        """
        return self._pinned(self._fetch, selection, step, by, stat)

    def events(self, selection: EventSelection) -> Deferred[list[Event]]:
        """The newest events of a selection, newest first."""
        return self._pinned(self._events, selection)

    def count(
        self, selection: EventSelection, by: tuple[str, ...]
    ) -> Deferred[Counter[tuple[str | int, ...]]]:
        """Count events by fields; see ``fold.events.COUNT_FIELDS``.

        Bounded as ``Store.count``.  While it waits, an event of a group that the store has summed
        up already stands on its own.
        """
        return self._pinned(self._count, selection, by)

    # --- one question each, the journal being pinned ---------------------------------------

    @inlineCallbacks
    def _series(self, selection: Selection) -> Generator[Deferred[Any], Any, list[Found]]:
        since = self._cursor()
        stored: list[Found] = yield self._store.find(selection)
        fresh: dict[bytes, Found] = {}

        def take(waiting: list[Record]) -> None:
            for key, found in _found(waiting, selection):
                fresh[key] = _spanning(found, fresh.get(key))

        yield self._waiting(since, take)
        if not fresh:
            return stored
        for one in stored:
            key = series_key(one.series)
            fresh[key] = _spanning(one, fresh.get(key))
        return [found for _, found in sorted(fresh.items(), key=itemgetter(0))]

    @inlineCallbacks
    def _fetch(
        self, selection: Selection, step: int, by: tuple[str, ...] | None, stat: Stat | None
    ) -> Generator[Deferred[Any], Any, list[Folded]]:
        if selection.kind is None:
            found = yield self._series(selection)
            kinds = {one.series.kind for one in found}
            if not kinds:
                return []
            selection = selection._replace(kind=_suiting(kinds, stat))
        apart = None if selection.kind is Kind.GAUGE else by
        sketches = selection.kind is Kind.TIMER and stat is not None and needs_sketches(stat)
        members = selection.kind is Kind.SET
        fetched: Fetched = yield self._store.fetch(selection, step, apart, sketches=sketches, members=members)
        answers = [fetched.groups]

        def take(waiting: list[Record]) -> None:
            sources = [
                (self._journal.identity, record.position, record.content.columns)
                for record in waiting
                if isinstance(record.content, Parts) and record.content.stream == selection.stream
            ]
            if sources:
                answers.append(
                    fold_parts(sources, selection, step, apart, sketches=sketches, members=members)
                )

        yield self._waiting(fetched.applied.get(self._journal.identity, 0), take)
        folded = merge_folded(answers) if len(answers) > 1 else answers[0]
        return regroup(folded, by) if apart is None and by is not None else folded

    @inlineCallbacks
    def _events(self, selection: EventSelection) -> Generator[Deferred[Any], Any, list[Event]]:
        applied, stored = yield self._steady(lambda: self._store.events(selection))
        found: list[Event] = list(stored)

        def take(waiting: list[Record]) -> None:
            found.extend(_selected(waiting, selection))

        yield self._waiting(applied, take)
        found.sort(key=lambda event: event["time"], reverse=True)
        return found[: selection.limit]

    @inlineCallbacks
    def _count(
        self, selection: EventSelection, by: tuple[str, ...]
    ) -> Generator[Deferred[Any], Any, Counter[tuple[str | int, ...]]]:
        counted: Counted = yield self._store.count(selection, by)
        counts = Counter(counted.counts)

        def take(waiting: list[Record]) -> None:
            nonlocal counts
            counts.update(folding_events.count(_selected(waiting, selection), by))
            if len(counts) > 2 * COUNT_GROUPS:
                counts = folding_events.bounded(counts, by, COUNT_GROUPS)

        yield self._waiting(counted.applied.get(self._journal.identity, 0), take)
        return counts

    # --- what waits --------------------------------------------------------------------------

    def waiting(self, take: Callable[[list[Record]], None]) -> Deferred[None]:
        """Show everything that the store has not applied, some records at a time."""
        return self._pinned(self._all_waiting, take)

    def kept(self, take: Callable[[list[Record]], None]) -> Deferred[None]:
        """Show everything that the journal still has, applied or not."""
        return self._pinned(self._waiting, self._journal.oldest, take)

    @inlineCallbacks
    def _all_waiting(self, take: Callable[[list[Record]], None]) -> Generator[Deferred[Any], Any, None]:
        applied = yield self._store.applied()
        yield self._waiting(applied.get(self._journal.identity, 0), take)

    @inlineCallbacks
    def _waiting(
        self, position: int, take: Callable[[list[Record]], None]
    ) -> Generator[Deferred[Any], Any, None]:
        end = self._journal.synced_end
        while position < end:
            entries: list[Entry] = yield self._journal.read(position, _PIECE_BYTES)
            if not entries:
                return
            take(owned(_decoded(entry for entry in entries if entry.position < end), self._owns))
            position = entries[-1].end

    @inlineCallbacks
    def _steady(
        self, ask: Callable[[], Deferred[Answer]]
    ) -> Generator[Deferred[Any], Any, tuple[int, Answer]]:
        """An answer and the position that it includes, for questions whose answer does not
        say: asked again while the store moves on in between."""
        for _ in range(_STEADY_TRIES):
            before = yield self._store.applied()
            answer = yield ask()
            after = yield self._store.applied()
            if before == after:
                break
        return before.get(self._journal.identity, 0), answer

    def _pinned(self, ask: Callable[..., Deferred[Answer]], *args: object) -> Deferred[Answer]:
        pin = self._journal.pin(self._cursor())

        def unpin(result: Any) -> Any:
            self._journal.unpin(pin)
            return result

        return ask(*args).addBoth(unpin)


def _decoded(entries: Iterable[Entry]) -> Iterable[Record]:
    for entry in entries:
        try:
            content = records.decode(entry.kind, entry.payload)
        except ValueError:
            continue  # counted and logged by the store's consumer, which meets it too
        yield Record(entry.position, content)


def _selected(waiting: Iterable[Record], selection: EventSelection) -> Iterable[Event]:
    for record in waiting:
        if isinstance(record.content, Events) and record.content.stream == selection.stream:
            for event in record.content.events:
                if folding_events.selected(event, selection):
                    yield event


def _found(waiting: Iterable[Record], selection: Selection) -> Iterable[tuple[bytes, Found]]:
    """The selected series of each record with their keys; a key is read only where it may match."""
    plain = selection.name.encode() if is_plain(selection.name) else None
    for record in waiting:
        if not isinstance(record.content, Parts) or record.content.stream != selection.stream:
            continue
        columns = within(record.content.columns, selection.start, selection.end)
        _, first, place = np.unique(columns.ids, return_index=True, return_inverse=True)
        earliest, latest = first_times(columns)[first], columns.times[first]
        np.minimum.at(earliest, place, first_times(columns))
        np.maximum.at(latest, place, columns.times)
        spans = zip(keys_of(columns, first), earliest.tolist(), latest.tolist(), strict=True)
        for key, begin, end in spans:
            if plain is not None and key[1:].partition(b"\0")[0] != plain:
                continue
            series = parse_key(key)
            if wanted(series, selection):
                yield key, Found(series, begin, end)


def _spanning(one: Found, other: Found | None) -> Found:
    """A series with the time that both know of."""
    if other is None:
        return one
    return Found(one.series, min(one.first, other.first), max(one.last, other.last))


_PREFERENCE: dict[str, tuple[Kind, ...]] = {
    "distinct": (Kind.SET,),
    "last": (Kind.GAUGE,),
    "min": (Kind.TIMER, Kind.GAUGE),
    "max": (Kind.TIMER, Kind.GAUGE),
    "std": (Kind.TIMER,),
}


def _suiting(kinds: set[Kind], stat: Stat | None) -> Kind:
    wish: tuple[Kind, ...] = ()
    if stat is not None:
        wish = (Kind.TIMER,) if needs_sketches(stat) else _PREFERENCE.get(stat.name, ())
    order = (*wish, Kind.COUNTER, Kind.TIMER, Kind.GAUGE, Kind.SET)
    return next(kind for kind in order if kind in kinds)

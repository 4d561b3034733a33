"""The store that keeps everything in memory: obviously right, the oracle of the others.

``memory:`` is also useful for trying things out.  Records are kept as they come; every
question looks at all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from heapq import nlargest

import numpy as np
from twisted.internet.defer import Deferred, execute, succeed

from metronome.errors import StoreRejected
from metronome.fold import events as event_folds
from metronome.fold.columns import expanded, no_rows, take
from metronome.fold.rollup import compact, fold_parts
from metronome.fold.select import Source, select
from metronome.limits import COUNT_GROUPS, DUPLICATE_PAGE, EARLIEST_MS, EXPORT_ROWS, LATEST_MS
from metronome.model import (
    Batch,
    Columns,
    Event,
    Events,
    EventSelection,
    Found,
    Parts,
    Ragged,
    Record,
    Selection,
    Tally,
    parse_key,
)
from metronome.store.admission import flaw, stored_lines
from metronome.store.interface import Counted, Exported, Fetched, Health, Retention
from metronome.store.ladder import merges, oldest_event, oldest_id, oldest_part

SCHEME = "memory"
MERGED = ("", 0)
"""Gateway and position of merged parts: of gauges of equal time, any other stands."""

Place = tuple[int, str, int]
"""Time, gateway and position of an event: the order in which events are answered."""


def open_store(url: str, **context: object) -> MemoryStore:
    """The store of ``memory:``."""
    return MemoryStore()


class MemoryStore:
    """A ``Store`` of lists and dictionaries."""

    def __init__(self) -> None:
        self._applied: dict[str, int] = {}
        self._parts: dict[str, list[Source]] = {}
        self._events: dict[str, list[tuple[Place, Event]]] = {}
        self._eids: dict[str, list[tuple[int, str]]] = {}
        self._books: Counter[tuple[str, str, str, str, str]] = Counter()

    def start(self) -> Deferred[None]:
        return succeed(None)

    def stop(self) -> Deferred[None]:
        return succeed(None)

    # --- writing -----------------------------------------------------------------------------

    def write(self, batch: Batch) -> Deferred[None]:
        """See ``Store.write``."""
        return execute(self._write, batch)

    def _write(self, batch: Batch) -> None:
        applied = self._applied.get(batch.gateway, 0)
        fresh = [record for record in batch.records if record.position >= applied]
        if flaws := [(record, text) for record in fresh if (text := flaw(record))]:
            raise StoreRejected(list(flaws))
        for record in fresh:
            self._take(batch.gateway, record)
        for tally in stored_lines(fresh):
            self._books[_line(tally)] += tally.number
        self._applied[batch.gateway] = max(applied, batch.end)

    def _take(self, gateway: str, record: Record) -> None:
        content = record.content
        if isinstance(content, Parts):
            source = (gateway, record.position, expanded(content.columns))
            self._parts.setdefault(content.stream, []).append(source)
            self._eids.setdefault(content.stream, []).extend(content.ids)
        elif isinstance(content, Events):
            kept = self._events.setdefault(content.stream, [])
            for index, event in enumerate(content.events):
                kept.append(((event["time"], gateway, record.position + index), event))
                if event.get("eid"):
                    self._eids.setdefault(content.stream, []).append(_id(event))

    # --- reading -----------------------------------------------------------------------------

    def applied(self) -> Deferred[dict[str, int]]:
        """See ``Store.applied``."""
        return succeed(dict(self._applied))

    def find(self, selection: Selection) -> Deferred[list[Found]]:
        """See ``Store.find``."""
        return execute(self._find, selection)

    def _find(self, selection: Selection) -> list[Found]:
        columns, _ = select(self._parts.get(selection.stream, []), selection)
        spans: dict[bytes, tuple[int, int]] = {}
        for row, time in enumerate(columns.times.tolist()):
            key = columns.key(row)
            first, last = spans.get(key, (time, time))
            spans[key] = min(first, time), max(last, time)
        return [Found(parse_key(key), *span) for key, span in sorted(spans.items())]

    def fetch(
        self,
        selection: Selection,
        step: int,
        by: tuple[str, ...] | None,
        *,
        sketches: bool = False,
        members: bool = False,
    ) -> Deferred[Fetched]:
        """See ``Store.fetch``."""

        def answer() -> Fetched:
            sources = self._parts.get(selection.stream, [])
            folded = fold_parts(sources, selection, step, by, sketches=sketches, members=members)
            return Fetched(folded, dict(self._applied))

        return execute(answer)

    def events(self, selection: EventSelection) -> Deferred[list[Event]]:
        """See ``Store.events``."""
        found = self._selected(selection)
        found.sort(key=lambda item: item[0], reverse=True)
        return succeed([event for _, event in found[: selection.limit]])

    def count(
        self, selection: EventSelection, by: tuple[str, ...], most: int = COUNT_GROUPS
    ) -> Deferred[Counted]:
        """See ``Store.count``."""
        counts = event_folds.count((event for _, event in self._selected(selection)), by)
        return succeed(Counted(dict(event_folds.bounded(counts, by, most)), dict(self._applied)))

    def _selected(self, selection: EventSelection) -> list[tuple[Place, Event]]:
        kept = self._events.get(selection.stream, [])
        return [item for item in kept if event_folds.selected(item[1], selection)]

    def recent_ids(
        self, since: int, before: tuple[int, str] | None = None, most: int = DUPLICATE_PAGE
    ) -> Deferred[list[tuple[int, str]]]:
        """See ``Store.recent_ids``."""
        ids = (
            (received, f"{stream}\0{eid}")
            for stream, eids in self._eids.items()
            for received, eid in eids
            if received >= since
        )
        return succeed(nlargest(most, (one for one in ids if before is None or one < before)))

    def tallies(self, stream: str) -> Deferred[list[tuple[str, str, str, str, int]]]:
        """See ``Store.tallies``."""
        lines = ((line, number) for line, number in self._books.items() if line[0] == stream)
        return succeed(sorted((*line[1:], number) for line, number in lines))

    def export(self, after: int, most: int = EXPORT_ROWS) -> Deferred[Exported]:
        """See ``Store.export``; a record counts as its rows, events, ids or lines."""
        return execute(self._export, after, most)

    def _export(self, after: int, most: int) -> Exported:
        records: list[Record] = []
        begin, place, end = 0, after, after + most
        for content in self._everything():
            size = _length(content)
            first, last = max(place - begin, 0), min(end - begin, size)
            begin += size
            if first < last:
                records.append(Record(place, _cut(content, first, last)))
                place += last - first
        return Exported(records, place)

    def _everything(self) -> Iterator[Parts | Events | list[Tally]]:
        """All that is kept; of the books what is left when the rest is counted."""
        counted: Counter[tuple[str, str, str, str, str]] = Counter()
        contents: list[Parts | Events] = []
        for stream in sorted({*self._parts, *self._events, *self._eids}):
            sources = sorted(self._parts.get(stream, []), key=lambda source: source[:2])
            contents += [Parts(stream, columns) for _, _, columns in sources]
            events = [event for _, event in sorted(self._events.get(stream, []), key=lambda item: item[0])]
            contents.append(Events(stream, events))
            ids = Counter(self._eids.get(stream, ()))
            ids.subtract(_id(event) for event in events if event.get("eid"))
            contents.append(Parts(stream, no_rows(), tuple((+ids).elements())))
        for tally in stored_lines(Record(0, content) for content in contents):
            counted[_line(tally)] += tally.number
        yield from contents
        lines = [(line, number - counted[line]) for line, number in sorted(self._books.items())]
        yield [Tally(*line, number) for line, number in lines if number or line[3] != "stored"]

    # --- keeping -----------------------------------------------------------------------------

    def expire(self, now: int, retention: dict[str, Retention]) -> Deferred[dict[str, int]]:
        """See ``Store.expire``."""
        return execute(self._expire, now, retention)

    def _expire(self, now: int, retention: dict[str, Retention]) -> dict[str, int]:
        done = {"merged": 0, "deleted": 0, "events_deleted": 0}
        for stream in {*self._parts, *self._events, *self._eids}:
            kept = retention.get(stream, Retention())
            sources = self._parts.get(stream, [])
            rows = _rows(sources)
            sources = _between(sources, oldest_part(now, kept), LATEST_MS + 1)
            done["deleted"] += rows - _rows(sources)
            rows = _rows(sources)
            for step, before, _ in merges(now, kept):
                sources = _merged(sources, step, before)
            done["merged"] += rows - _rows(sources)
            self._parts[stream] = sources
            events = self._events.get(stream, [])
            young = [item for item in events if item[0][0] >= oldest_event(now, kept)]
            done["events_deleted"] += len(events) - len(young)
            self._events[stream] = young
            eids = self._eids.get(stream, [])
            self._eids[stream] = [item for item in eids if item[0] >= oldest_id(now)]
        return done

    def forget(self, stream: str) -> Deferred[None]:
        """See ``Store.forget``."""
        for kept in (self._parts, self._events, self._eids):
            kept.pop(stream, None)
        for line in [line for line in self._books if line[0] == stream]:
            del self._books[line]
        return succeed(None)

    def health(self) -> Deferred[Health]:
        """See ``Store.health``; memory is always there."""
        return succeed(Health("ok"))

    def statistics(self) -> dict[str, float]:
        """See ``Store.statistics``; bytes are those of the columns."""
        columns = [source[2] for sources in self._parts.values() for source in sources]
        series = [
            np.unique(np.concatenate([source[2].ids for source in sources]))
            for sources in self._parts.values()
            if sources
        ]
        return {
            "bytes": float(sum(map(_bytes, columns))),
            "series": float(sum(map(len, series))),
            "parts": float(sum(map(len, columns))),
        }


def _id(event: Event) -> tuple[int, str]:
    return event.get("received", event["time"]), event["eid"]


def _length(content: Parts | Events | list[Tally]) -> int:
    """Rows, ids, events or lines."""
    if isinstance(content, Parts):
        return len(content.columns) or len(content.ids)
    return len(content.events if isinstance(content, Events) else content)


def _cut(content: Parts | Events | list[Tally], begin: int, end: int) -> Parts | Events | list[Tally]:
    """Some of a content, which has rows or ids."""
    if isinstance(content, Parts):
        if content.ids:
            return Parts(content.stream, content.columns, content.ids[begin:end])
        return Parts(content.stream, content.columns.cut(begin, end))
    if isinstance(content, Events):
        return Events(content.stream, content.events[begin:end])
    return content[begin:end]


def _line(tally: Tally) -> tuple[str, str, str, str, str]:
    return tally.stream, tally.day, tally.source, tally.outcome, tally.reason


def _rows(sources: Iterable[Source]) -> int:
    return sum(len(columns) for _, _, columns in sources)


def _between(sources: Iterable[Source], start: int, end: int) -> list[Source]:
    """The sources with only the rows of a time."""
    kept = [
        (gateway, position, take(columns, np.flatnonzero((columns.times >= start) & (columns.times < end))))
        for gateway, position, columns in sources
    ]
    return [source for source in kept if len(source[2])]


def _merged(sources: list[Source], step: int, before: int) -> list[Source]:
    """The sources with the rows before a time merged into steps (seconds)."""
    old = _between(sources, EARLIEST_MS, before)
    if not old:
        return sources
    return [(*MERGED, compact(old, step * 1000)), *_between(sources, before, LATEST_MS + 1)]


def _bytes(columns: Columns) -> int:
    values = [getattr(columns, field.name) for field in fields(columns)]
    return sum(value.flat.nbytes if isinstance(value, Ragged) else value.nbytes for value in values)

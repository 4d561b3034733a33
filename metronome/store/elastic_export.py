"""Everything in a cluster, a page at a time: see ``Store.export``.

The order is that of the gateways' names and, within a gateway, of positions; merged parts, which
are nobody's, come first.  So of gauges and of events of equal time the one that stood stands in
the copy as well.  First come parts, then events, ids, books.

A place is how many documents come before it in that order.  Whoever asks for page after page is
given them out of one point in time; asked for a place in the middle it has to pass by what comes
before, which costs little, because nothing of it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np

from metronome.fold.columns import no_rows, take
from metronome.kernel.hash64 import hash64
from metronome.model import Events, Parts, Record, Tally
from metronome.store.admission import day_text
from metronome.store.elastic_names import DAY_MS, Names
from metronome.store.elastic_points import columns_of
from metronome.store.elastic_query import Clause, Filters, exists
from metronome.store.elastic_read import PART_FIELDS, keys_of, row_of
from metronome.store.elastic_search import Server, buckets
from metronome.store.elastic_ticks import event_of
from metronome.store.elastic_view import View
from metronome.store.interface import Exported

_FIRST: Final = {"order": "asc", "missing": "_first"}
_WRITTEN: Final = ({"gateway": _FIRST}, {"position": "asc"}, {"row": "asc"})
_PART_ORDER: Final = (*_WRITTEN, {"merge": _FIRST}, {"stream": "asc"})
_ID_ORDER: Final = ({"@timestamp": "asc"}, *_WRITTEN)
_EVERYTHING: Final[Clause] = {"match_all": {}}

Content = Parts | Events
Contents = list[tuple[int, Content]]
"""Contents of records, each with the number of the document that it begins at."""
Tallies = Callable[[Clause], list[Tally]]


class _Section(NamedTuple):
    """Documents of one kind."""

    pattern: str
    body: Mapping[str, Any]
    order: Sequence[Any]
    contents: Callable[[View, list[Any]], Contents]


class _Reading:
    """The documents of one section after a place, out of one point in time."""

    def __init__(self, view: View, section: _Section, size: int):
        self.section = section
        self.place = 0
        self._stack = ExitStack()
        self._size = size
        self._after: list[Any] = []
        self._pit = self._stack.enter_context(view.server.snapshot(section.pattern))

    def close(self) -> None:
        """Let the point in time go."""
        self._stack.close()

    def skip(self, view: View, number: int) -> None:
        """Pass by so many documents."""
        while number > 0 and (hits := self._next(view, min(number, self._size), {"_source": False})):
            number -= len(hits)

    def read(self, view: View, number: int) -> list[Any]:
        """So many documents; fewer at the end."""
        found: list[Any] = []
        while len(found) < number:
            hits = self._next(view, min(number - len(found), self._size), self.section.body)
            found += hits
            if not hits:
                break
        return found

    def _next(self, view: View, size: int, body: Mapping[str, Any]) -> list[Any]:
        query = Filters([_EVERYTHING], view.unwanted).query
        whole = {**body, "query": query, "size": size, "sort": self.section.order, "pit": self._pit}
        if self._after:
            whole["search_after"] = self._after
        hits: list[Any] = view.server.search("", {**whole, "track_total_hits": False})["hits"]["hits"]
        if hits:
            self._after = hits[-1]["sort"]
        self.place += len(hits)
        return hits


class Export:
    """Hands out pages; for one thread."""

    def __init__(self, server: Server, names: Names, tallies: Tallies, size: int):
        """``tallies`` gives the lines of the books' documents; ``size``: documents asked for at once."""
        self._server = server
        self._names = names
        self._tallies = tallies
        self._size = size
        self._reading: _Reading | None = None

    def page(self, view: View, after: int, most: int) -> Exported:
        """The page of at most so many documents that begins at a place."""
        begin = 0
        for section in self._sections():
            width = self._server.count(section.pattern, Filters([_EVERYTHING], view.unwanted).query)
            if after < begin + width:
                hits = self._at(view, section, after - begin).read(view, most)
                if hits:
                    contents = section.contents(view, hits)
                    records = [Record(after + place, content) for place, content in contents]
                    # A page without records would be the last one.
                    return Exported(records or [Record(after, [])], after + len(hits))
            begin += width
        self.close()
        if after > begin:
            return Exported([], after)
        lines = self._lines()
        return Exported([Record(begin, lines)] if lines else [], begin + bool(lines))

    def close(self) -> None:
        """Nobody goes on reading."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _at(self, view: View, section: _Section, place: int) -> _Reading:
        reading = self._reading
        if reading is None or reading.section.pattern != section.pattern or reading.place != place:
            self.close()
            reading = self._reading = _Reading(view, section, self._size)
            reading.skip(view, place)
        return reading

    def _sections(self) -> Iterator[_Section]:
        yield _Section(self._names.points, PART_FIELDS, _PART_ORDER, _parts)
        yield _Section(self._names.ticks, {"_source": ["event", "stream"]}, _WRITTEN, _events)
        yield _Section(self._names.ids, {"_source": ["eid", "stream"]}, _ID_ORDER, _ids)

    # --- books -----------------------------------------------------------------------------------

    def _lines(self) -> list[Tally]:
        """The books, less what a store counts by itself when it is given the parts and events."""
        stored = self._stored()
        lines = []
        for line in self._tallies(_EVERYTHING):
            number = line.number - (stored[line.stream, line.day] if line.outcome == "stored" else 0)
            if number or line.outcome != "stored":
                lines.append(line._replace(number=number))
        return lines

    def _stored(self) -> Counter[tuple[str, str]]:
        stored: Counter[tuple[str, str]] = Counter()
        samples = {"c": {"sum": {"field": "samples"}}}
        for bucket in self._days(self._names.points, _EVERYTHING, "@timestamp", samples):
            stored[bucket["key"]["s"], _day(bucket)] += int(bucket["c"]["value"])
        received = exists("received")
        not_received = {"bool": {"must_not": [received]}}
        for query, field in ((received, "received"), (not_received, "@timestamp")):
            for bucket in self._days(self._names.ticks, query, field, {}):
                stored[bucket["key"]["s"], _day(bucket)] += bucket["doc_count"]
        return stored

    def _days(self, index: str, query: Clause, field: str, sums: Mapping[str, Any]) -> Iterator[Any]:
        sources = [
            {"s": {"terms": {"field": "stream"}}},
            {"d": {"date_histogram": {"field": field, "fixed_interval": f"{DAY_MS}ms"}}},
        ]
        for page in buckets(self._server, index, query, sources, sums, size=self._size):
            yield from page


def _day(bucket: Mapping[str, Any]) -> str:
    return day_text(bucket["key"]["d"] // DAY_MS)


def _parts(view: View, hits: list[Any]) -> Contents:
    rows = [row_of(hit) for hit in hits]
    keys = keys_of(view, {row.term for row in rows})
    identities = {term: hash64(key) for term, key in keys.items()}
    columns, order = columns_of(rows, keys, identities)
    place = np.empty(len(rows), np.int64)
    place[order] = np.arange(len(rows))
    return [(numbers[0], Parts(stream, take(columns, place[numbers]))) for stream, numbers in _streams(hits)]


def _events(view: View, hits: list[Any]) -> Contents:
    return [
        (numbers[0], Events(stream, [event_of(hits[number]["_source"]) for number in numbers]))
        for stream, numbers in _streams(hits)
    ]


def _ids(view: View, hits: list[Any]) -> Contents:
    """Ids of points: those of events come with the events."""
    names = [hit["_id"] for hit in hits]
    body = {"size": len(names), "query": {"ids": {"values": names}}, "_source": False}
    events = {hit["_id"] for hit in view.server.search(view.names.ticks, body)["hits"]["hits"]}
    contents: Contents = []
    for stream, numbers in _streams(hits):
        own = [hits[number] for number in numbers if hits[number]["_id"] not in events]
        if own:
            ids = tuple((int(hit["sort"][0]), hit["_source"]["eid"]) for hit in own)
            contents.append((numbers[0], Parts(stream, no_rows(), ids)))
    return contents


def _streams(hits: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[int]]]:
    """Neighbours of one stream, by their numbers."""
    for stream, some in groupby(range(len(hits)), key=lambda number: hits[number]["_source"]["stream"]):
        yield stream, list(some)

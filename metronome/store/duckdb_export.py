"""Everything in a DuckDB file, a page at a time: see ``Store.export``.

The order is that of the gateways' names and, within a gateway, of the rows as they lie in the
file, which is the order in which they were written; merged parts, which are nobody's, come
first.  So of gauges and of events of equal time the one that stood stands in the copy as well.
Packs come in front of their gateway's other parts; but those of their points that were written
after another part of the same time come behind these (``duckdb_export_packs.py``).

A place is a number.  Each gateway's rows of a table have a range of numbers as wide as the
table, and a row's place is the start of that range and its ``rowid``, for packs times the most
rows that one can become.  DuckDB finds a range of rowids by skipping blocks, so a page costs what
it holds, wherever it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from metronome.fold.columns import no_rows, ragged_of
from metronome.limits import READ_BYTES
from metronome.model import I64, Columns, Event, Events, Parts, Ragged, Record, Tally
from metronome.store.admission import day_text
from metronome.store.duckdb_events import EVENT_COLUMNS, event_of
from metronome.store.duckdb_export_packs import (
    WITHIN_A_DAY,
    Contents,
    Range,
    by_stream,
    of_packs,
    over_midnight,
)
from metronome.store.duckdb_file import Connection, scalar
from metronome.store.interface import Exported

_MOST_COUNT: Final = (1 << 32) - 1
"""What a part can say of its samples; a merged row that holds more is copied as so many."""

_RANGE: Final = "{table}.gateway = $gateway AND {table}.rowid >= $first AND {table}.rowid < $last"
_WEIGHTS: Final = f"SELECT rowid AS row, {{weight}} AS weight FROM {{table}} WHERE {_RANGE} ORDER BY row"
_NEXT: Final = "SELECT min(rowid) FROM {table} WHERE gateway = $gateway AND rowid >= $first"
_WEIGHT: Final = {
    "parts": "100 + 10 * coalesce(len(bins), len(hashes), len(registers), 0)",
    "events": "100 + strlen(labels) + strlen(rest) + strlen(message)",
    "packs": "if(step > 0, 100 * count, 100 + octet_length(points))",
}
"""About the bytes of a row."""
_PARTS: Final = f"""
SELECT parts.rowid AS row, streams.name AS stream, key, id, kind, time, period,
       least(count, {_MOST_COUNT}) AS count, n, d, coalesce(low, n) AS low, coalesce(high, n) AS high, squares
FROM parts JOIN series USING (sid) JOIN streams ON parts.stream = streams.stream
WHERE {_RANGE.format(table="parts")} ORDER BY row
"""
_LISTS: Final = {
    "bins": "unnest(bins) AS value, unnest(bin_counts) AS count",
    "hashes": "unnest(hashes) AS value",
    "registers": "unnest(registers) AS value, generate_subscripts(registers, 1) AS number",
}
_LIST: Final = f"""
SELECT rowid AS row, {{values}} FROM parts WHERE {_RANGE.format(table="parts")} AND {{name}} IS NOT NULL
"""
_EVENTS: Final = f"""
SELECT name, {EVENT_COLUMNS} FROM events JOIN streams USING (stream)
WHERE {_RANGE.format(table="events")} ORDER BY events.rowid
"""
_IDS: Final = """
SELECT name, received, eid FROM (
    SELECT stream, received, eid FROM eids EXCEPT ALL
    SELECT stream, if(received = -1, time, received), json_extract_string(rest, '$.eid')
    FROM events WHERE contains(rest, '"eid"'))
JOIN streams USING (stream) ORDER BY ALL LIMIT $most OFFSET $first
"""
_BOOKS: Final = """
SELECT name, day, source, outcome, reason, sum(number)::BIGINT
FROM tallies JOIN streams USING (stream) GROUP BY ALL ORDER BY ALL
"""
_STORED: Final = f"""
SELECT name, day, sum(number)::BIGINT FROM (
    SELECT stream, time // 86400000 AS day, least(count, {_MOST_COUNT}) AS number FROM parts
    UNION ALL SELECT stream, first // 86400000, count FROM packs WHERE {WITHIN_A_DAY}
    UNION ALL SELECT stream, if(received = -1, time, received) // 86400000, 1 FROM events)
JOIN streams USING (stream) GROUP BY ALL
"""


class _Section(NamedTuple):
    """A stretch of places.  ``read`` gives the records from a place within it on, and where the
    next ones begin; no records when there are no more."""

    width: int
    read: Callable[[int], tuple[list[Record], int]]


class _Rows(NamedTuple):
    """The rows of one gateway in a table, and how contents are made of a range of them."""

    connection: Connection
    table: str
    gateway: int
    most: int
    contents: Callable[[Connection, Range], Contents]
    spread: int = 1
    """The most rows of contents that one row can become."""

    def read(self, first: int) -> tuple[list[Record], int]:
        """See ``_Section``."""
        begin = -(-first // self.spread)
        while True:
            rows, weights = self._weights(begin)
            if not len(rows):
                sql = _NEXT.format(table=self.table)
                values = {"gateway": self.gateway, "first": begin + self.most}
                following = self.connection.execute(sql, values).fetchall()[0][0]
                if following is None:
                    return [], first
                rows, weights = self._weights(following)
            fitting = max(int(np.searchsorted(np.cumsum(weights), READ_BYTES, side="right")), 1)
            row, begin = int(rows[0]), int(rows[:fitting][-1]) + 1
            place, records = row * self.spread, []
            for size, content in self.contents(self.connection, self._range(row, begin)):
                records.append(Record(place, content))
                place += size
            if records:
                return records, begin * self.spread

    def _weights(self, first: int) -> tuple[I64, I64]:
        sql = _WEIGHTS.format(table=self.table, weight=_WEIGHT[self.table])
        found = self.connection.execute(sql, self._range(first, first + self.most)).fetchnumpy()
        return found["row"], found["weight"]

    def _range(self, first: int, last: int) -> Range:
        return {"gateway": self.gateway, "first": first, "last": last}


def page(connection: Connection, after: int, most: int) -> Exported:
    """The page of at most so many rows that begins at a place."""
    begin = 0
    for section in _sections(connection, most):
        if after < begin + section.width:
            records, end = section.read(max(after - begin, 0))
            if records:
                moved = [record._replace(position=begin + record.position) for record in records]
                return Exported(moved, begin + end)
        begin += section.width
    return Exported([], max(after, begin))


def _sections(connection: Connection, most: int) -> Iterator[_Section]:
    named = connection.execute("SELECT gateway FROM gateways ORDER BY name").fetchall()
    gateways = (0, *(row[0] for row in named))
    widths = {
        table: scalar(connection, f"SELECT coalesce(max(rowid) + 1, 0) FROM {table}")
        for table in ("packs", "parts", "events")
    }
    spread = scalar(connection, "SELECT coalesce(max(count), 1) FROM packs")
    early, late = partial(of_packs, _RANGE, False), partial(of_packs, _RANGE, True)
    points = (("packs", early, spread), ("parts", _parts, 1), ("packs", late, spread))
    for gateway in gateways:
        for table, contents, factor in points:
            rows = _Rows(connection, table, gateway, most, contents, factor)
            yield _Section(widths[table] * factor, rows.read)
    for gateway in gateways:
        yield _Section(widths["events"], _Rows(connection, "events", gateway, most, _events).read)
    yield _Section(scalar(connection, "SELECT count(*) FROM eids"), partial(_ids, connection, most))
    lines = _lines(connection)
    yield _Section(len(lines), lambda first: ([Record(first, lines[first:])], len(lines)))


# --- parts ---------------------------------------------------------------------------------------


def _parts(connection: Connection, rows: Range) -> Contents:
    found = connection.execute(_PARTS, rows).fetchnumpy()
    return by_stream(found["stream"], _columns(connection, found, rows))


def _columns(connection: Connection, found: dict[str, Any], rows: Range) -> Columns:
    row = found["row"]
    keys = [key.encode() for key in found["key"]]
    bins, hashes, registers = (
        connection.execute(_LIST.format(name=name, values=values), rows).fetchnumpy()
        for name, values in _LISTS.items()
    )
    nothing = no_rows()

    def ragged(lists: dict[str, Any], within: str, value: str = "value") -> Ragged:
        order = np.lexsort((lists[within], lists["row"]))
        return ragged_of(np.searchsorted(row, lists["row"][order]), lists[value][order], len(row))

    return Columns(
        keys=Ragged(
            np.cumsum([len(key) for key in keys], dtype=np.uint32), np.frombuffer(b"".join(keys), np.uint8)
        ),
        ids=found["id"],
        kinds=found["kind"],
        times=found["time"],
        periods=found["period"],
        counts=found["count"].astype(np.uint32),
        n=found["n"],
        d=found["d"],
        low=found["low"],
        high=found["high"],
        squares=found["squares"],
        samples=nothing.samples,
        weights=nothing.weights,
        bins=ragged(bins, "value"),
        bin_counts=ragged(bins, "value", "count"),
        hashes=ragged(hashes, "value"),
        registers=ragged(registers, "number"),
    )


# --- everything else -----------------------------------------------------------------------------


def _events(connection: Connection, rows: Range) -> Contents:
    events: dict[str, list[Event]] = {}
    for name, *row in connection.execute(_EVENTS, rows).fetchall():
        events.setdefault(name, []).append(event_of(row))
    return [(len(of_stream), Events(name, of_stream)) for name, of_stream in events.items()]


def _ids(connection: Connection, most: int, first: int) -> tuple[list[Record], int]:
    """Deduplication ids of points: those of events come with the events."""
    ids: dict[str, list[tuple[int, str]]] = {}
    rows = connection.execute(_IDS, {"most": most, "first": first}).fetchall()
    for name, received, eid in rows:
        ids.setdefault(name, []).append((received, eid))
    place, records = first, []
    for name, of_stream in ids.items():
        records.append(Record(place, Parts(name, no_rows(), tuple(of_stream))))
        place += len(of_stream)
    return records, place


def _lines(connection: Connection) -> list[Tally]:
    """The books, less what a store counts by itself when it is given the parts and events."""
    stored: Counter[tuple[str, str]] = Counter()
    for name, day, number in [*connection.execute(_STORED).fetchall(), *over_midnight(connection)]:
        stored[name, day_text(day)] += number
    lines = [Tally(*line) for line in connection.execute(_BOOKS).fetchall()]
    for index, line in enumerate(lines):
        if line.outcome == "stored":
            lines[index] = line._replace(number=line.number - stored[line.stream, line.day])
    return [line for line in lines if line.number or line.outcome != "stored"]

"""Batches to rows: series are given small numbers, samples become bins, columns go in whole, packs as
they are.

Everything that a batch adds and the new applied position are one transaction.  Columns are
handed to DuckDB as numpy arrays, which it reads where they lie; lists are put together from
flat arrays by SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metronome.errors import StoreRejected
from metronome.fold.cells import Cells, cells_of
from metronome.fold.columns import join, keys_of, lengths_of, take, unpacked
from metronome.fold.index import Index, grown
from metronome.model import I64, U64, Batch, Columns, Events, Kind, Parts, Ragged, Record
from metronome.store import duckdb_packs
from metronome.store.admission import flaw, stored_lines
from metronome.store.duckdb_events import INSERT_EVENTS, columns_of_events, received
from metronome.store.duckdb_file import Arrays, Connection, scalar, tables, texts, transaction

I32 = npt.NDArray[np.int32]
Order = npt.NDArray[np.intp]

_INSERT_SERIES = """
INSERT INTO series
SELECT sid, stream, id, key, kind, words[1], map(words[2:-:2], words[3:-:2])
FROM (SELECT *, string_split(key[2:], chr(0)) AS words FROM new_series)
ORDER BY sid
"""
_INSERT_PARTS = """
INSERT INTO parts
SELECT stream, sid, time, period, count, n, d, nullif(low, n), nullif(high, n), squares,
       $gateway, position, $step, {lists}
FROM new_parts {joins}
"""
_NO_LISTS = {"bins": "NULL, NULL", "hashes": "NULL", "registers": "NULL"}
_LISTS = {
    "bins": "sketches.bins, sketches.counts",
    "hashes": "members.hashes",
    "registers": "dense.registers",
}
_JOINS = {
    "bins": """LEFT JOIN (
        SELECT row, list(bin ORDER BY bin) AS bins, list(count ORDER BY bin) AS counts
        FROM new_bins GROUP BY row) AS sketches USING (row)""",
    "hashes": """LEFT JOIN (
        SELECT row, list(hash ORDER BY hash) AS hashes
        FROM new_hashes GROUP BY row) AS members USING (row)""",
    "registers": """LEFT JOIN (
        SELECT row, list(rank ORDER BY number) AS registers
        FROM new_registers GROUP BY row) AS dense USING (row)""",
}


class Known:
    """The series of one stream: the number in the file (sid) of each id, from 1."""

    def __init__(self) -> None:
        self._index = Index()
        self._sids: I32 = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return len(self._index)

    def find(self, ids: U64) -> I32:
        """The number of each; 0 where it is not known."""
        places = self._index.find(ids)
        if not len(self._sids):
            return np.zeros(len(ids), np.int32)
        return np.where(places < 0, np.int32(0), self._sids[places])

    def add(self, ids: U64, sids: I32) -> None:
        """These are known from now on, each given once."""
        places, _ = self._index.numbers(ids)
        if self._index.room > len(self._sids):
            self._sids = grown(self._sids, self._index.room)
        self._sids[places] = sids


class Writer:
    """Writes to an open database, and remembers of it what every write needs.

    That is some 20 bytes for each series.  After a failed write the memory may be ahead of the
    file: make a new one.
    """

    def __init__(self, connection: Connection):
        self.connection = connection
        self.applied: dict[str, int] = {}
        self._gateways: dict[str, int] = {}
        for gateway, name, applied in connection.execute("FROM gateways").fetchall():
            self.applied[name] = applied
            self._gateways[name] = gateway
        self.streams: dict[str, int] = dict(
            connection.execute("SELECT name, stream FROM streams").fetchall()
        )
        self.ranks = ranks(self._gateways)
        self._known: dict[int, Known] = {}
        self._next_sid = 0
        self.load_series()
        self.parts = count_parts(connection)

    @property
    def series(self) -> int:
        """How many series there are."""
        return sum(map(len, self._known.values()))

    def load_series(self) -> None:
        """Read anew which series there are."""
        self._next_sid = scalar(self.connection, "SELECT coalesce(max(sid) + 1, 1) FROM series")
        self._known = {}
        for stream in self.streams.values():
            rows = self.connection.execute(
                "SELECT id, sid FROM series WHERE stream = ?", [stream]
            ).fetchnumpy()
            self._known[stream] = Known()
            self._known[stream].add(rows["id"], rows["sid"])

    def write(self, batch: Batch) -> None:
        """Apply a batch; ``StoreRejected`` when some of it can never be taken."""
        begin = self.applied.get(batch.gateway, 0)
        if batch.end <= begin:
            return
        fresh = [record for record in batch.records if record.position >= begin]
        if flaws := [(record, text) for record in fresh if (text := self._flaw(record))]:
            raise StoreRejected(list(flaws))
        with transaction(self.connection):
            gateway = self._gateway(batch.gateway)
            rows = self._write_parts(gateway, fresh)
            self._write_events(gateway, fresh)
            self._write_eids(fresh)
            self._write_books(fresh)
            self.connection.execute(
                "UPDATE gateways SET applied = ? WHERE gateway = ?", [batch.end, gateway]
            )
        self.applied[batch.gateway] = batch.end
        self.parts += rows

    def forget(self, stream: str) -> None:
        """Delete everything of a stream."""
        number = self.streams.pop(stream, None)
        if number is None:
            return
        with transaction(self.connection):
            for table in ("parts", "packs", "series", "events", "eids", "tallies", "streams"):
                self.connection.execute(f"DELETE FROM {table} WHERE stream = ?", [number])
        del self._known[number]
        self.parts = count_parts(self.connection)

    # --- small numbers for long names ----------------------------------------------------------

    def _flaw(self, record: Record) -> str:
        """As ``admission.flaw``, reading only the keys of series that are new."""
        if not isinstance(record.content, Parts):
            return flaw(record)
        ids = record.content.columns.ids
        known = self._known.get(self.streams.get(record.content.stream, 0))
        new = np.arange(len(ids)) if known is None else np.flatnonzero(known.find(ids) == 0)
        return flaw(record, new[np.unique(ids[new], return_index=True)[1]].tolist())

    def _gateway(self, name: str) -> int:
        if name not in self._gateways:
            number = 1 + max(self._gateways.values(), default=0)
            self.connection.execute("INSERT INTO gateways VALUES (?, ?, 0)", [number, name])
            self._gateways[name] = number
            self.ranks = ranks(self._gateways)
        return self._gateways[name]

    def _stream(self, name: str) -> int:
        if name not in self.streams:
            number = 1 + max(self.streams.values(), default=0)
            self.connection.execute("INSERT INTO streams VALUES (?, ?)", [number, name])
            self.streams[name] = number
            self._known[number] = Known()
        return self.streams[name]

    def _sids(self, stream: int, columns: Columns) -> I32:
        """The number of each row's series; series that are new get one."""
        known = self._known[stream]
        numbers = known.find(columns.ids)
        new = np.flatnonzero(numbers == 0)
        if not len(new):
            return numbers
        # In the order in which they came, as they come with every flush: then there is nothing to sort.
        new = new[np.sort(np.unique(columns.ids[new], return_index=True)[1])]
        sids = np.arange(self._next_sid, self._next_sid + len(new), dtype=np.int32)
        self._next_sid += len(new)
        self._insert(
            _INSERT_SERIES,
            new_series={
                "sid": sids,
                "stream": np.full(len(new), stream, np.int32),
                "id": columns.ids[new],
                "key": texts([key.decode() for key in keys_of(columns, new)]),
                "kind": columns.kinds[new],
            },
        )
        known.add(columns.ids[new], sids)
        return known.find(columns.ids)

    # --- the tables ------------------------------------------------------------------------------

    def _write_parts(self, gateway: int, taken: Sequence[Record]) -> int:
        pieces, sids, streams, positions = [], [], [], []
        for position, parts in _contents(taken, Parts):
            columns, stream = parts.columns, self._stream(parts.stream)
            rows = len(columns)
            sids.append(self._sids(stream, columns))
            streams.append(np.full(rows, stream, np.int32))
            positions.append(np.arange(position, position + rows, dtype=np.int64))
            pieces.append(replace(columns, keys=Ragged(columns.keys.ends[:0], columns.keys.flat[:0])))
        columns = join(pieces)
        if not len(columns):
            return 0
        sid = np.concatenate(sids)
        places: dict[str, npt.NDArray[Any]] = {
            "stream": np.concatenate(streams),
            "sid": sid,
            "position": np.concatenate(positions),
        }
        packed = lengths_of(columns.packs, len(columns)) > 0
        if not packed.any():
            return self._write_rows(gateway, columns, places)
        written = self._write_packs(gateway, columns, places, np.flatnonzero(packed))
        rest = np.flatnonzero(~packed)
        if len(rest):
            others = {name: values[rest] for name, values in places.items()}
            written += self._write_rows(gateway, take(unpacked(columns), rest), others)
        return written

    def _write_packs(self, gateway: int, columns: Columns, places: Arrays, chosen: Order) -> int:
        order = chosen[np.lexsort((columns.times[chosen], places["sid"][chosen]))]
        rows = {
            **{name: values[order] for name, values in places.items()},
            "last": columns.times[order],
            "count": columns.counts[order],
            "gateway": np.full(len(order), gateway),
            "step": np.zeros(len(order), np.int32),
        }
        return duckdb_packs.insert(self.connection, rows, columns.packs, order)

    def _write_rows(self, gateway: int, columns: Columns, places: Arrays) -> int:
        sid = places["sid"]
        cells = cells_of(columns, sid.astype(np.int64), columns.times, sketches=True)
        plain: dict[str, npt.NDArray[Any]] = {
            "stream": places["stream"],
            "sid": sid,
            "time": columns.times,
            "period": columns.periods,
            "count": columns.counts,
            "n": columns.n,
            "d": columns.d,
            "low": columns.low,
            "high": columns.high,
            "squares": columns.squares,
            "position": np.where(columns.kinds == Kind.GAUGE, places["position"], 0),
        }
        row = np.arange(len(sid))
        if not (sid[1:] > sid[:-1]).all():
            # Rows of one series side by side compress better and are found faster.
            order = np.lexsort((columns.times, sid))
            plain = {name: values[order] for name, values in plain.items()}
            row[order] = np.arange(len(order))
        plain = {name: np.ascontiguousarray(values) for name, values in plain.items()}
        plain["row"] = np.arange(len(sid))
        self.insert_parts(plain, lists_of(cells, row), gateway, 0)
        return len(sid)

    def insert_parts(self, plain: Arrays, lists: Mapping[str, Arrays], gateway: int, step: int) -> None:
        """Insert rows of parts, merged to ``step`` seconds; the lists say their row's number
        and a value each."""
        filled = {name: arrays for name, arrays in lists.items() if len(arrays["row"])}
        sql = _INSERT_PARTS.format(
            lists=", ".join((_LISTS if name in filled else _NO_LISTS)[name] for name in _LISTS),
            joins=" ".join(_JOINS[name] for name in filled) + (" ORDER BY row" if filled else ""),
        )
        views = {f"new_{name}": arrays for name, arrays in filled.items()}
        self._insert(sql, {"gateway": gateway, "step": step}, new_parts=plain, **views)

    def _write_events(self, gateway: int, taken: Sequence[Record]) -> None:
        rows = [
            (self._stream(events.stream), position + index, event)
            for position, events in _contents(taken, Events)
            for index, event in enumerate(events.events)
        ]
        if not rows:
            return
        rows.sort(key=lambda row: (row[0], row[2]["time"]))
        arrays = {
            "stream": np.array([stream for stream, _, _ in rows], np.int32),
            "position": np.array([position for _, position, _ in rows], np.int64),
            **columns_of_events([event for _, _, event in rows]),
        }
        self._insert(INSERT_EVENTS, {"gateway": gateway}, new_events=arrays)

    def _write_eids(self, taken: Sequence[Record]) -> None:
        rows = [
            (self._stream(parts.stream), moment, eid)
            for _, parts in _contents(taken, Parts)
            for moment, eid in parts.ids
        ]
        rows += [
            (self._stream(events.stream), received(event), event["eid"])
            for _, events in _contents(taken, Events)
            for event in events.events
            if event.get("eid")
        ]
        if rows:
            self._insert(
                "INSERT INTO eids SELECT stream, received, eid FROM new_eids",
                new_eids={
                    "stream": np.array([row[0] for row in rows], np.int32),
                    "received": np.array([row[1] for row in rows], np.int64),
                    "eid": texts([row[2] for row in rows]),
                },
            )

    def _write_books(self, taken: Sequence[Record]) -> None:
        lines = [(self._stream(tally.stream), *tally[1:]) for tally in stored_lines(taken)]
        if lines:
            self.connection.executemany("INSERT INTO tallies VALUES (?, ?, ?, ?, ?, ?)", lines)

    def _insert(self, sql: str, values: dict[str, int] | None = None, **views: Arrays) -> None:
        """Run an INSERT that reads the arrays as tables."""
        with tables(self.connection, **views):
            self.connection.execute(sql, values or {})


def count_parts(connection: Connection) -> int:
    """How many parts there are; each point of a pack is one."""
    rows, points = "(SELECT count(*) FROM parts)", "(SELECT coalesce(sum(count), 0) FROM packs)"
    return scalar(connection, f"SELECT {rows} + {points}")


def lists_of(cells: Cells, row: I64) -> dict[str, Arrays]:
    """What cells hold beside numbers, flat; ``row`` is the number that each cell is given."""
    bins, members = cells.sketches, cells.members
    width = members.registers.shape[1]
    return {
        "bins": {"row": row[bins.owners], "bin": bins.bins, "count": bins.counts},
        "hashes": {"row": row[members.owners], "hash": members.hashes},
        "registers": {
            "row": np.repeat(row[members.register_owners], width),
            "number": np.tile(np.arange(width), len(members.register_owners)),
            "rank": members.registers.reshape(-1),
        },
    }


def ranks(gateways: Mapping[str, int]) -> list[int]:
    """The place of each gateway in the order of names, by number; nobody's (0) is before all."""
    places = {number: place for place, (_, number) in enumerate(sorted(gateways.items()), 1)}
    return [0, *(places[number] for number in sorted(places))]


def _contents(taken: Iterable[Record], kind: type[Any]) -> Iterable[tuple[int, Any]]:
    return ((record.position, record.content) for record in taken if isinstance(record.content, kind))

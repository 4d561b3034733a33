"""Packs in DuckDB: points that came together stay as they left the table until somebody asks.

Points come by the million; a row for each would cost more than everything else that happens to
them.  So a row of the table ``packs`` is a series' points of one record, or those of one window
of the ladder.  Who reads takes them apart, and what of a pack lies in one step becomes one
row that SQL folds with the rows of ``parts``: its latest point, extremes and number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from metronome.kernel import pack, spans, unpack
from metronome.model import F64, I64, Ragged
from metronome.store.duckdb_file import Arrays, Connection, tables

_ROWS_AT_ONCE: Final = 4096
_STEPS_AT_ONCE: Final = 1_000_000
"""Rows for SQL that wait before those of one series and step are brought together."""

CHOSEN: Final = """
FROM packs JOIN chosen USING (sid)
WHERE packs.stream = $stream AND last >= $start AND first < $end AND step <= $most_step
"""
"""The packs of the series in the table ``chosen``, which may be partly in the time."""

_INSERT: Final = """
INSERT INTO packs SELECT stream, sid, first, last, count, gateway, position, step, points FROM new_packs
"""
_COLUMNS: Final = ("sid", "gateway", "position", "time", "n", "low", "high", "count", "step")


Order = npt.NDArray[np.intp]


class Points(NamedTuple):
    """Packs taken apart: ``counts`` points of each row, with their times and values."""

    rows: Arrays
    """Stream, sid, gateway, position and step of each row."""
    counts: I64
    times: I64
    values: F64

    def cut(self, inside: npt.NDArray[np.bool_]) -> Points:
        """Some of the points."""
        owners = np.repeat(np.arange(len(self.counts)), self.counts)[inside]
        counts = np.bincount(owners, minlength=len(self.counts))
        return self._replace(counts=counts, times=self.times[inside], values=self.values[inside])


def insert(connection: Connection, rows: Arrays, packs: Ragged, order: Order | None = None) -> int:
    """Insert packs, all of them or those of ``order``; how many points they hold.  ``rows`` has what
    else is known of each but its first time, in the order in which they are to lie."""
    bounds, firsts = [0, *packs.ends.tolist()], spans(packs)[1]
    chosen = range(len(packs.ends)) if order is None else order.tolist()
    data = packs.flat.tobytes()
    points = np.empty(len(chosen), object)
    points[:] = [data[bounds[row] : bounds[row + 1]] for row in chosen]
    firsts = firsts if order is None else firsts[order]
    with tables(connection, new_packs={**rows, "first": firsts, "points": points}):
        connection.execute(_INSERT)
    return int(rows["count"].sum())


def insert_points(connection: Connection, points: Points) -> int:
    """Pack points again and insert them; how many."""
    some = np.flatnonzero(points.counts)
    if not len(some):
        return 0
    ends = np.cumsum(points.counts)[some]
    rows = {name: values[some] for name, values in points.rows.items()}
    rows |= {"last": points.times[ends - 1], "count": points.counts[some]}
    return insert(connection, rows, pack(points.counts[some], points.times, points.values))


def read(connection: Connection, source: str, values: dict[str, Any]) -> Iterator[Points]:
    """The packs of a source (SQL from FROM on), some at a time; nothing else may be asked meanwhile."""
    names = ("stream", "sid", "gateway", "position", "step")
    sql = f"SELECT {', '.join(f'packs.{name}' for name in names)}, points {source}"
    asked = connection.execute(sql, values)
    while found := asked.fetchmany(_ROWS_AT_ONCE):
        *columns, blobs = zip(*found, strict=True)
        ends = np.cumsum([len(blob) for blob in blobs], dtype=np.uint32)
        counts, times, points = unpack(Ragged(ends, np.frombuffer(b"".join(blobs), np.uint8)))
        rows = {name: np.array(column, np.int64) for name, column in zip(names, columns, strict=True)}
        yield Points(rows, counts, times, points)


def stepped(
    connection: Connection, source: str, values: dict[str, Any], step: int, ranks: list[int]
) -> Arrays | None:
    """What SQL is to fold of a source's points between ``$start`` and ``$end``; None where there are none.

    Columns as those of ``parts``; ``step`` in ms, 0 keeps the times.
    """
    pieces: list[Arrays] = []
    number = 0
    for points in read(connection, source, values):
        inside = (points.times >= values["start"]) & (points.times < values["end"])
        if not inside.any():
            continue
        piece = _stepped(points if inside.all() else points.cut(inside), step)
        pieces.append(piece)
        number += len(piece["sid"])
        if number > 2 * _STEPS_AT_ONCE:
            pieces = [_together(_joined(pieces), step, ranks)]
            number = max(len(pieces[0]["sid"]), _STEPS_AT_ONCE)
    if not number:
        return None
    rows = _joined(pieces)
    size = len(rows["sid"])
    return {**rows, "period": rows.pop("step").astype(np.float64), "squares": np.zeros(size)}


def _stepped(points: Points, step: int) -> dict[str, Any]:
    """A row for each pack and step."""
    owners = np.repeat(np.arange(len(points.counts)), points.counts)
    moments = _moments(points.times, step)
    first = np.ones(len(owners), bool)
    first[1:] = (owners[1:] != owners[:-1]) | (moments[1:] != moments[:-1])
    begins = np.flatnonzero(first)
    ends = np.append(begins[1:], len(owners))
    rows = {name: points.rows[name][owners[begins]] for name in ("sid", "gateway", "position", "step")}
    return {
        **rows,
        "time": points.times[ends - 1],
        "n": points.values[ends - 1],
        "low": np.minimum.reduceat(points.values, begins),
        "high": np.maximum.reduceat(points.values, begins),
        "count": ends - begins,
    }


def _together(rows: Arrays, step: int, ranks: list[int]) -> dict[str, Any]:
    """A row for each series and step: the latest stands, by time, gateway and position."""
    moments = _moments(rows["time"], step)
    rank = np.array(ranks)[rows["gateway"]]
    order = np.lexsort((rows["position"], rank, rows["time"], moments, rows["sid"]))
    sids, moments = rows["sid"][order], moments[order]
    first = np.ones(len(order), bool)
    first[1:] = (sids[1:] != sids[:-1]) | (moments[1:] != moments[:-1])
    begins = np.flatnonzero(first)
    latest = order[np.append(begins[1:], len(order)) - 1]
    return {
        **{name: rows[name][latest] for name in ("sid", "gateway", "position", "time", "n")},
        "low": np.minimum.reduceat(rows["low"][order], begins),
        "high": np.maximum.reduceat(rows["high"][order], begins),
        "count": np.add.reduceat(rows["count"][order], begins),
        "step": np.maximum.reduceat(rows["step"][order], begins),
    }


def _moments(times: I64, step: int) -> I64:
    return times // step * step if step else times


def _joined(pieces: list[Arrays]) -> dict[str, Any]:
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in _COLUMNS}

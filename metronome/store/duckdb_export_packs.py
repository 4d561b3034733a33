"""Packs of a DuckDB file as contents of records, for ``duckdb_export.py``.

A pack stays one, but for what it may not be in the copy: merged points have a period, which
points in packs have not, so each of them is a row there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import expanded, no_rows, take
from metronome.kernel import pack
from metronome.model import Columns, Events, Kind, Parts, Ragged
from metronome.store.duckdb_file import Connection
from metronome.store.duckdb_packs import Points, read

Range = dict[str, int]
"""Parameters of a range of rows: ``gateway``, ``first`` and ``last``."""
Contents = list[tuple[int, Parts | Events]]
"""Contents of records, each with its number of rows."""

WITHIN_A_DAY: Final = "first // 86400000 = last // 86400000"
_SERIES: Final = """
SELECT streams.name, key, id FROM packs JOIN series USING (sid) JOIN streams ON packs.stream = streams.stream
WHERE {range} ORDER BY packs.rowid
"""
_TIED: Final = """
SELECT packs.rowid AS row, time FROM packs JOIN parts ON
    parts.sid = packs.sid AND parts.gateway = packs.gateway AND parts.position < packs.position
    AND time >= packs.first AND time <= packs.last
WHERE {range}
"""


def of_packs(range_: str, late: bool, connection: Connection, rows: Range) -> Contents:
    """The packs of a range (SQL, with a place for the table): the points that were written after a
    part of the same gateway, series and time if ``late``, else the others."""
    where = range_.format(table="packs")
    found = list(read(connection, f"FROM packs WHERE {where} ORDER BY packs.rowid", rows))
    if not found:
        return []
    names, keys, ids = zip(*connection.execute(_SERIES.format(range=where), rows).fetchall(), strict=True)
    numbers = connection.execute(f"SELECT rowid FROM packs WHERE {where} ORDER BY rowid", rows).fetchnumpy()
    tied = connection.execute(_TIED.format(range=where), rows).fetchnumpy()
    points = _joined(found)
    owners = np.repeat(numbers["rowid"], points.counts)
    points = points.cut(_are_among(owners, points.times, tied) == late)
    here = np.flatnonzero(points.counts)
    columns = _columns([key.encode() for key in keys], np.array(ids, np.uint64), points, here)
    return by_stream(np.array(names)[here], columns)


def by_stream(names: npt.NDArray[Any], columns: Columns) -> Contents:
    """Rows as one content for each stream; those of merged packs taken apart."""
    found, which = np.unique(names.astype(str), return_inverse=True)
    contents: Contents = []
    for number, name in enumerate(found.tolist()):
        own = take(columns, np.flatnonzero(which == number))
        own = expanded(own, own.periods > 0)
        contents.append((len(own), Parts(name, own)))
    return contents


def over_midnight(connection: Connection) -> list[tuple[str, int, int]]:
    """Of packs that are of more than one UTC day: stream, day and number of points."""
    names = dict(connection.execute("SELECT stream, name FROM streams").fetchall())
    lines = []
    for points in read(connection, f"FROM packs WHERE NOT ({WITHIN_A_DAY})", {}):
        streams = np.repeat(points.rows["stream"], points.counts)
        days = np.stack((streams, points.times // 86_400_000))
        for (stream, day), number in zip(*_counted(days), strict=True):
            lines.append((names[stream], day, number))
    return lines


def _counted(days: npt.NDArray[np.int64]) -> tuple[list[list[int]], list[int]]:
    found, numbers = np.unique(days, axis=1, return_counts=True)
    return found.T.tolist(), numbers.tolist()


def _joined(found: list[Points]) -> Points:
    rows = {name: np.concatenate([one.rows[name] for one in found]) for name in found[0].rows}
    columns = [np.concatenate(column) for column in zip(*(one[1:] for one in found), strict=True)]
    return Points(rows, *columns)


def _are_among(owners: Any, times: Any, tied: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """Which points are of a row and a time that are named."""
    if not len(tied["row"]):
        return np.zeros(len(times), bool)
    pairs = set(zip(tied["row"].tolist(), tied["time"].tolist(), strict=True))
    return np.array([pair in pairs for pair in zip(owners.tolist(), times.tolist(), strict=True)], bool)


def _columns(keys: list[bytes], ids: Any, points: Points, here: npt.NDArray[np.intp]) -> Columns:
    """The packs that have points left, packed again."""
    if not len(here):
        return no_rows()
    counts = points.counts[here]
    ends = np.cumsum(counts)
    begins = ends - counts
    own = [keys[row] for row in here.tolist()]
    several = np.repeat(counts > 1, counts)
    nothing = no_rows()
    return Columns(
        keys=Ragged(
            np.cumsum([len(key) for key in own], dtype=np.uint32), np.frombuffer(b"".join(own), np.uint8)
        ),
        ids=ids[here],
        kinds=np.full(len(here), Kind.GAUGE, np.uint8),
        times=points.times[ends - 1],
        periods=points.rows["step"][here].astype(np.float64),
        counts=counts.astype(np.uint32),
        n=points.values[ends - 1],
        d=np.ones(len(here)),
        low=np.minimum.reduceat(points.values, begins),
        high=np.maximum.reduceat(points.values, begins),
        squares=np.zeros(len(here)),
        samples=nothing.samples,
        weights=nothing.weights,
        bins=nothing.bins,
        bin_counts=nothing.bin_counts,
        hashes=nothing.hashes,
        registers=nothing.registers,
        packs=pack(np.where(counts > 1, counts, 0), points.times[several], points.values[several]),
    )

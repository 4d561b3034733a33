"""The ladder in DuckDB: old parts are merged a chunk at a time, what is past keeping is deleted.

A chunk is one window of one stream (see ``ladder``) and a range of series, sized so that a
transaction takes about a second and little memory.  A chunk folds its rows as a fetch would,
deletes them and inserts the result: the rows of each series together, which is also how they
compress best and are found fastest.  ``parts.step`` says how far a row was merged, so a round
finds what is due by the least and greatest value of each block, and a round that is cut
short or repeated does no harm: what was done is not due any more.

Replays stay safe, because whether a record is applied is kept apart from its rows.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from metronome.fold.cells import Cells, settled
from metronome.fold.piles import chosen
from metronome.limits import MERGE_ROWS
from metronome.model import F64, Kind, Selection
from metronome.store import duckdb_packs
from metronome.store.duckdb_file import Connection, scalar, transaction
from metronome.store.duckdb_read import Bounds, Question, cells_and_periods
from metronome.store.duckdb_write import Writer, lists_of
from metronome.store.interface import Retention
from metronome.store.ladder import Merge, merges, oldest_event, oldest_id, oldest_part

_NOBODY: Final = 0
"""The gateway of merged parts: of gauges of equal time, any other stands."""
_RECENT_MS: Final = 86_400_000
"""A series with parts as young as this is surely alive."""
_TALLY_LINES: Final = 10_000
"""Lines of the books that are added up now and then."""

_UNBOUNDED: Final = Bounds(*[(1 << 62) - 1] * 3)
"""A chunk is bounded by its rows."""

_DUE: Final = """
SELECT part, sid, sum(weight) AS weight
FROM (
    SELECT time // $window AS part, sid,
           count(*) + sum(coalesce(len(bins), len(hashes), len(registers), 0)) / 8 AS weight
    FROM parts WHERE stream = $stream AND step < $step AND time < $before GROUP BY part, sid
    UNION ALL
    SELECT unnest(range(first // $window, least(last, $before - 1) // $window + 1)) AS part, sid,
           count::DOUBLE AS weight
    FROM packs WHERE stream = $stream AND step < $step AND first < $before)
GROUP BY part, sid ORDER BY part, sid
"""
_CHOOSE: Final = """
CREATE OR REPLACE TEMP TABLE chosen AS
SELECT sid, kind, sid AS owner FROM series WHERE sid IN (
    SELECT sid FROM parts WHERE stream = $stream AND time >= $start AND time < $end
    AND step < $step AND sid BETWEEN $first AND $last
    UNION ALL
    SELECT sid FROM packs WHERE stream = $stream AND last >= $start AND packs.first < $end
    AND step < $step AND sid BETWEEN $first AND $last)
"""
_DELETE_PACKS: Final = """
DELETE FROM packs WHERE stream = $stream AND last >= $start AND packs.first < $end AND step <= $step
AND sid BETWEEN $first AND $last AND sid IN (SELECT sid FROM chosen)
"""
_DELETE_CHOSEN: Final = """
DELETE FROM parts WHERE stream = $stream AND time >= $start AND time < $end AND step <= $step
AND sid BETWEEN $first AND $last AND sid IN (SELECT sid FROM chosen)
"""
_OLD: Final = "FROM packs WHERE stream = $stream AND first < $before"
_SUSPECTS: Final = """
CREATE OR REPLACE TEMP TABLE suspects AS
SELECT DISTINCT sid FROM (
    SELECT sid FROM parts WHERE stream = $stream AND time < $before
    UNION ALL SELECT sid FROM packs WHERE stream = $stream AND first < $before)
WHERE sid NOT IN (SELECT sid FROM parts WHERE stream = $stream AND time >= $recent)
AND sid NOT IN (SELECT sid FROM packs WHERE stream = $stream AND last >= $recent)
"""
_DELETE_SERIES: Final = """
DELETE FROM series WHERE stream = $stream AND sid IN (
    FROM suspects WHERE sid NOT IN (
        SELECT sid FROM parts WHERE stream = $stream AND sid IN (FROM suspects)
        UNION ALL SELECT sid FROM packs WHERE stream = $stream AND sid IN (FROM suspects)))
"""


class Chunk(NamedTuple):
    """Parts of a stream from ``start`` to ``end`` (ms) of the series ``first`` to ``last``
    that go into steps of ``step`` seconds."""

    stream: int
    step: int
    start: int
    end: int
    first: int
    last: int

    def merge(self, writer: Writer) -> int:
        """Do it; how many rows there are less."""
        connection = writer.connection
        values = self._asdict()
        with transaction(connection):
            connection.execute(_CHOOSE, values)
            before = self._rewrite(writer)
            connection.execute("DROP TABLE chosen")
        writer.parts -= before
        return before

    def _rewrite(self, writer: Writer) -> int:
        selection = Selection("", "*", start=self.start, end=self.end)
        step = self.step * 1000
        question = Question(self.stream, selection, step, None, writer.ranks, _UNBOUNDED, self.step)
        kinds = writer.connection.execute("SELECT sid, kind FROM chosen").fetchnumpy()
        kind_of = np.zeros(int(kinds["sid"].max(initial=0)) + 1, np.uint8)
        kind_of[kinds["sid"]] = kinds["kind"]
        cells, periods = cells_and_periods(writer.connection, question, kind_of, sketches=True)
        cells, periods = settled(cells), np.maximum(periods, float(self.step))
        deleted = self._take_packs_out(writer, question)
        deleted += _changed(writer.connection, _DELETE_CHOSEN, self._asdict())
        single = _are_single(cells, periods, self.step)
        if single.any():
            self._insert_packs(writer, cells, single)
        self._insert_rows(writer, chosen(cells, np.flatnonzero(~single)), periods[~single])
        return deleted - len(cells.owners)

    def _take_packs_out(self, writer: Writer, question: Question) -> int:
        """Delete the packs, insert what of them is outside; how many points are out."""
        found = list(duckdb_packs.read(writer.connection, duckdb_packs.CHOSEN, question.values))
        _changed(writer.connection, _DELETE_PACKS, self._asdict())
        gone = 0
        for points in found:
            gone += len(points.times)
            for outside in (points.times < self.start, points.times >= self.end):
                gone -= duckdb_packs.insert_points(writer.connection, points.cut(outside))
        return gone

    def _insert_packs(self, writer: Writer, cells: Cells, single: npt.NDArray[np.bool_]) -> None:
        sids, counts = np.unique(cells.owners[single], return_counts=True)
        # A window has fewer steps than a pack may have points.
        same = np.zeros(len(sids), np.int64)
        rows = {"stream": same + self.stream, "sid": sids, "gateway": same + _NOBODY}
        rows |= {"position": same, "step": same + self.step}
        points = duckdb_packs.Points(rows, counts, cells.times[single], cells.n[single])
        duckdb_packs.insert_points(writer.connection, points)

    def _insert_rows(self, writer: Writer, cells: Cells, periods: F64) -> None:
        rows = np.arange(len(cells.owners))
        plain = {
            "row": rows,
            "stream": np.full(len(rows), self.stream, np.int32),
            "sid": cells.owners.astype(np.int32),
            "time": cells.times,
            "period": periods,
            "count": cells.counts.astype(np.uint64),
            "n": cells.n,
            "d": cells.d,
            "low": cells.low,
            "high": cells.high,
            "squares": cells.squares,
            "position": np.zeros(len(rows), np.int64),
        }
        writer.insert_parts(plain, lists_of(cells, rows), _NOBODY, self.step)


def _are_single(cells: Cells, periods: F64, step: int) -> npt.NDArray[np.bool_]:
    """Which cells are one gauge point each, beside others of their series."""
    single: npt.NDArray[np.bool_] = (cells.kinds == Kind.GAUGE) & (cells.counts == 1) & (periods == step)
    single &= (cells.low == cells.n) & (cells.high == cells.n)
    if single.any():
        single &= np.bincount(cells.owners[single], minlength=int(cells.owners.max()) + 1)[cells.owners] > 1
    return single


def chunks_due(
    writer: Writer, now: int, retention: dict[str, Retention], rows: int = MERGE_ROWS
) -> list[Chunk]:
    """What has to be merged at ``now`` (ms), in chunks of about so many rows."""
    chunks = []
    for name, stream in writer.streams.items():
        for merge in merges(now, retention.get(name, Retention())):
            chunks += _chunks(writer.connection, stream, merge, rows)
    return chunks


def delete_old(writer: Writer, now: int, retention: dict[str, Retention]) -> dict[str, int]:
    """Delete what is past keeping at ``now`` (ms)."""
    done = {"merged": 0, "deleted": 0, "events_deleted": 0}
    for name, stream in writer.streams.items():
        kept = retention.get(name, Retention())
        with transaction(writer.connection):
            parts = _delete_parts(writer.connection, stream, oldest_part(now, kept), now)
            done["deleted"] += parts
            done["events_deleted"] += _changed(
                writer.connection,
                "DELETE FROM events WHERE stream = $stream AND time < $before",
                {"stream": stream, "before": oldest_event(now, kept)},
            )
            _changed(
                writer.connection,
                "DELETE FROM eids WHERE stream = $stream AND received < $before",
                {"stream": stream, "before": oldest_id(now)},
            )
    if done["deleted"]:
        writer.load_series()
        writer.parts -= done["deleted"]
    return done


def tidy(writer: Writer) -> None:
    """Add up the books' lines where there are many, and give the space of what is gone back."""
    connection = writer.connection
    if scalar(connection, "SELECT count(*) FROM tallies") > _TALLY_LINES:
        with transaction(connection):
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE books AS SELECT stream, day, source, outcome, reason, "
                "sum(number)::BIGINT AS number FROM tallies GROUP BY ALL"
            )
            connection.execute("DELETE FROM tallies")
            connection.execute("INSERT INTO tallies FROM books")
            connection.execute("DROP TABLE books")
    connection.execute("CHECKPOINT")


def _chunks(connection: Connection, stream: int, merge: Merge, rows: int) -> list[Chunk]:
    due = connection.execute(_DUE, {"stream": stream, **merge._asdict()}).fetchnumpy()
    windows, sids, weights = due["part"], due["sid"], due["weight"].astype(np.float64)
    chunks = []
    begin, size = 0, len(sids)
    total = np.concatenate(([0.0], np.cumsum(weights)))
    while begin < size:
        fits = int(np.searchsorted(total, total[begin] + rows, side="right")) - 1
        same = int(np.searchsorted(windows, windows[begin], side="right"))
        end = min(max(fits, begin + 1), same)
        start = int(windows[begin]) * merge.window
        first, last = int(sids[begin]), int(sids[end - 1])
        chunks.append(Chunk(stream, merge.step, start, start + merge.window, first, last))
        begin = end
    return chunks


def _delete_parts(connection: Connection, stream: int, before: int, now: int) -> int:
    """Delete a stream's parts before a time, and the series that have none left."""
    values = {"stream": stream, "before": before}
    old = f"SELECT 1 {_OLD}"
    some = f"SELECT 1 FROM parts WHERE stream = $stream AND time < $before UNION ALL {old} LIMIT 1"
    if not connection.execute(some, values).fetchall():
        return 0
    connection.execute(_SUSPECTS, {**values, "recent": max(before, now - _RECENT_MS)})
    deleted = _changed(
        connection, "DELETE FROM parts WHERE stream = $stream AND time < $before", values
    )
    deleted += _delete_points(connection, stream, before)
    connection.execute(_DELETE_SERIES, {"stream": stream})
    connection.execute("DROP TABLE suspects")
    return deleted


def _delete_points(connection: Connection, stream: int, before: int) -> int:
    """Delete points before a time; a pack that goes on behind it is packed again."""
    values = {"stream": stream, "before": before}
    gone = int(connection.execute(f"SELECT coalesce(sum(count), 0) {_OLD}", values).fetchall()[0][0])
    some = list(duckdb_packs.read(connection, f"{_OLD} AND last >= $before", values))
    connection.execute(f"DELETE {_OLD}", values)
    for points in some:
        gone -= duckdb_packs.insert_points(connection, points.cut(points.times >= before))
    return gone


def _changed(connection: Connection, sql: str, values: dict[str, int]) -> int:
    """Run a statement that changes rows; how many."""
    return int(connection.execute(sql, values).fetchall()[0][0])

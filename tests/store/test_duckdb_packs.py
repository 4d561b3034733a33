"""Rows of packs in DuckDB: what they are, how they are taken apart, and that merging leaves few."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from metronome.store import duckdb_packs
from metronome.store.duckdb_expire import chunks_due
from metronome.store.duckdb_file import IN_MEMORY, Settings, open_file, scalar, tables
from metronome.store.duckdb_packs import CHOSEN, Points, insert_points, read, stepped
from metronome.store.duckdb_write import Writer, count_parts
from metronome.store.interface import Retention, Rung
from tests.store.build import RECORD, batch, gauge, packed, parts
from tests.store.contract_packs import points

HOUR = 3_600_000
RETENTION = {"main": Retention((Rung(10, 10**9),))}


@pytest.fixture
def writer(tmp_path: object) -> Iterator[Writer]:
    connection = open_file(IN_MEMORY, Settings(64_000_000, 1, str(tmp_path)))
    yield Writer(connection)
    connection.close()


def rows(writer: Writer, columns: str = "first, last, count, gateway, step") -> list[Any]:
    return writer.connection.execute(f"SELECT {columns} FROM packs ORDER BY sid, first").fetchall()


def values(start: int = 0, end: int = 1 << 62) -> dict[str, int]:
    return {"stream": 1, "start": start, "end": end, "most_step": 1 << 30}


def choose(writer: Writer) -> None:
    """All series, as a question does."""
    writer.connection.execute("CREATE TEMP TABLE chosen AS SELECT sid, kind, sid AS owner FROM series")


def test_points_that_came_together_are_one_row(writer: Writer) -> None:
    """Others are rows of parts; both count as parts."""
    writer.write(batch("g", points("a 1 10\na 2 20\nb 1 5\n")))
    assert rows(writer) == [(10_000, 20_000, 2, 1, 0)]
    assert scalar(writer.connection, "SELECT count(*) FROM parts") == 1
    assert writer.parts == count_parts(writer.connection) == 3


def test_reading_gives_points_of_every_row(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some rows at a time, in any number."""
    monkeypatch.setattr(duckdb_packs, "_ROWS_AT_ONCE", 2)
    lines = "".join(f"{name} {second} {second}\n" for name in "abc" for second in (1, 2, 3))
    writer.write(batch("g", points(lines)))
    choose(writer)
    found = list(read(writer.connection, CHOSEN, values()))
    assert [one.counts.tolist() for one in found] == [[3, 3], [3]]
    assert [one.rows["sid"].tolist() for one in found] == [[1, 2], [3]]
    assert found[0].times.tolist() == [1000, 2000, 3000] * 2


def test_cut_points_keep_their_rows() -> None:
    """A row of which nothing is left has none."""
    some = Points({}, np.array([2, 1, 0]), np.array([1, 2, 3]), np.array([1.0, 2.0, 3.0]))
    left = some.cut(np.array([False, True, False]))
    assert (left.counts.tolist(), left.times.tolist(), left.values.tolist()) == ([1, 0, 0], [2], [2.0])


def test_many_rows_of_one_step_are_brought_together(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest by time, gateway and position stands, whatever is brought together when."""
    monkeypatch.setattr(duckdb_packs, "_STEPS_AT_ONCE", 1)
    monkeypatch.setattr(duckdb_packs, "_ROWS_AT_ONCE", 1)
    for gateway, value in (("g2", 2), ("g3", 3), ("g1", 9)):
        one = packed(parts(gauge("a", 5000, value), gauge("a", 1000, -value)))
        writer.write(batch(gateway, one, packed(parts(gauge("a", 5000, value + 10), gauge("a", 2000, 0)))))
    choose(writer)
    found = stepped(writer.connection, CHOSEN, values(), 10_000, writer.ranks)
    assert found is not None
    total = {"n": 0.0, "count": 0, "low": 0.0, "high": 0.0}
    with tables(writer.connection, found=found):
        latest = "arg_max(n, row(time, list_extract($ranks, gateway + 1), position))"
        sql = f"SELECT {latest}, sum(count), min(low), max(high), count(*) FROM found"
        *numbers, size = writer.connection.execute(sql, {"ranks": writer.ranks}).fetchall()[0]
    assert dict(zip(total, [float(number) for number in numbers], strict=True)) == {
        "n": 13.0,
        "count": 12.0,
        "low": -9.0,
        "high": 19.0,
    }
    assert size <= 3
    assert stepped(writer.connection, CHOSEN, values(6000, 7000), 10_000, writer.ranks) is None


def test_merged_even_points_are_one_row_an_hour(writer: Writer) -> None:
    """Small packs become one; what is more than a point in its step is a row of parts."""
    for begin in range(0, 7200, 100):
        lines = "".join(f"a {second / 4} {second}\n" for second in range(begin, begin + 100, 10))
        writer.write(batch("g", points(lines), begin=begin * RECORD))
    writer.write(batch("g", points("a 7 55\nb 1 1\nb 1 5\n"), begin=7200 * RECORD))
    assert len(rows(writer)) == 73
    assert sum(chunk.merge(writer) for chunk in chunks_due(writer, 4 * HOUR, RETENTION)) == 2
    assert rows(writer) == [(0, HOUR - 10_000, 359, 0, 10), (HOUR, 2 * HOUR - 10_000, 360, 0, 10)]
    others = writer.connection.execute("SELECT time, count, n, low, high FROM parts ORDER BY time")
    assert others.fetchall() == [(0, 2, 1.0, None, None), (50_000, 2, 7.0, None, 12.5)]
    assert writer.parts == count_parts(writer.connection) == 721
    size = scalar(writer.connection, "SELECT sum(octet_length(points)) FROM packs")
    assert size < 720 * 3
    assert chunks_due(writer, 4 * HOUR, RETENTION) == []


def test_nothing_is_packed_of_nothing(writer: Writer) -> None:
    """Points of which none are left leave no row."""
    nothing = Points({"sid": np.array([1])}, np.array([0]), np.empty(0, np.int64), np.empty(0))
    assert insert_points(writer.connection, nothing) == 0
    assert rows(writer) == []

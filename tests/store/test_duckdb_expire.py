"""The ladder's chunks are bounded, and each is a transaction that may be the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from metronome.model import Tally
from metronome.store.duckdb_expire import chunks_due, delete_old, tidy
from metronome.store.duckdb_file import IN_MEMORY, Settings, open_file, scalar
from metronome.store.duckdb_write import Writer
from metronome.store.interface import Retention, Rung
from tests.store.build import batch, counter, parts, timer

HOUR = 3_600_000
NOW = 10 * HOUR
RETENTION = {"main": Retention((Rung(10, 10**6), Rung(60, 10**7)))}


@pytest.fixture
def writer(tmp_path: object) -> Iterator[Writer]:
    connection = open_file(IN_MEMORY, Settings(64_000_000, 1, str(tmp_path)))
    yield Writer(connection)
    connection.close()


def fill(writer: Writer) -> None:
    """Three series of 10 rows in each of two hours, two rows to a step."""
    rows = [
        counter("c", hour * HOUR + 5000 * turn, 1, host=host)
        for hour in (0, 1)
        for host in "abc"
        for turn in range(10)
    ]
    writer.write(batch("g", parts(*rows)))


@pytest.mark.parametrize(("most", "chunks"), [(1000, 2), (20, 4), (10, 6), (1, 6)])
def test_chunks_are_of_one_window_and_so_many_rows(writer: Writer, most: int, chunks: int) -> None:
    """A series' window is never cut; together the chunks do all there is to do."""
    fill(writer)
    due = chunks_due(writer, NOW, RETENTION, most)
    assert len(due) == chunks
    assert {(chunk.step, chunk.end - chunk.start) for chunk in due} == {(10, HOUR)}
    assert sum(chunk.merge(writer) for chunk in due) == 30
    assert writer.parts == scalar(writer.connection, "SELECT count(*) FROM parts") == 30
    assert chunks_due(writer, NOW, RETENTION, most) == []


def test_a_chunk_done_twice_does_nothing_more(writer: Writer) -> None:
    """So a round may be cut short anywhere."""
    fill(writer)
    chunk = chunks_due(writer, NOW, RETENTION)[0]
    assert [chunk.merge(writer), chunk.merge(writer)] == [15, 0]
    assert scalar(writer.connection, "SELECT sum(n)::INTEGER FROM parts") == 60


def test_lists_weigh(writer: Writer) -> None:
    """A timer with many bins fills a chunk sooner than a counter."""
    rows = [
        timer("t", 1000 * turn, [1.1**power for power in range(80)], host=host)
        for turn in range(10)
        for host in "ab"
    ]
    writer.write(batch("g", parts(*rows)))
    assert len(chunks_due(writer, NOW, RETENTION, 150)) == 2
    assert len(chunks_due(writer, NOW, RETENTION, 250)) == 1


def test_rows_of_coarser_steps_are_left(writer: Writer) -> None:
    """A retention that became finer does not touch what is merged further."""
    fill(writer)
    coarse = {"main": Retention((Rung(600, 10**7),))}
    for chunk in chunks_due(writer, 100 * HOUR, coarse):
        chunk.merge(writer)
    assert scalar(writer.connection, "SELECT count(*) FROM parts WHERE step = 600") == 6
    assert chunks_due(writer, NOW, RETENTION) == []


def test_series_without_parts_are_forgotten(writer: Writer) -> None:
    """Those that still have some, young or old, are not."""
    day = 24 * HOUR
    writer.write(
        batch(
            "g",
            parts(counter("gone", 0, 1), counter("old", 0, 1), counter("young", 0, 1)),
            parts(counter("old", 10 * day, 1), counter("young", 20 * day, 1)),
        )
    )
    kept = {"main": Retention((Rung(10, 15 * 86_400),))}
    assert delete_old(writer, 20 * day, kept)["deleted"] == 3
    assert writer.series == 2
    names = writer.connection.execute("SELECT name FROM series ORDER BY name").fetchall()
    assert names == [("old",), ("young",)]


def test_the_books_are_added_up(writer: Writer) -> None:
    """Lines that differ in the number only become one, when there are many."""
    tallies = [Tally("main", "2026-01-01", "udp", "shed", "idle", 1)] * 10_001
    writer.write(batch("g", tallies, [Tally("main", "2026-01-02", "udp", "shed", "idle", 5)]))
    tidy(writer)
    rows = writer.connection.execute("SELECT day, number FROM tallies ORDER BY day").fetchall()
    assert rows == [("2026-01-01", 10_001), ("2026-01-02", 5)]

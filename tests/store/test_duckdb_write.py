"""Series get numbers once, gateways an order, and lists lie flat."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from metronome.fold.cells import cells_of
from metronome.store.duckdb_file import IN_MEMORY, Connection, Settings, open_file
from metronome.store.duckdb_write import Writer, lists_of, ranks
from tests.store.build import RECORD, batch, counter, gauge, members, parts, timer


@pytest.fixture
def connection(tmp_path: object) -> Iterator[Connection]:
    connection = open_file(IN_MEMORY, Settings(64_000_000, 1, str(tmp_path)))
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("gateways", "expected"),
    [({}, [0]), ({"b": 1, "a": 2, "c": 3}, [0, 2, 1, 3]), ({"g2": 1, "g10": 2}, [0, 2, 1])],
)
def test_ranks_are_the_order_of_names(gateways: dict[str, int], expected: list[int]) -> None:
    """By number; nobody is before all."""
    assert ranks(gateways) == expected


def test_a_series_has_one_number(connection: Connection) -> None:
    """Later batches, other gateways and a new writer find it again; streams are apart."""
    writer = Writer(connection)
    writer.write(batch("g1", parts(counter("a", 0, 1), counter("b", 0, 1), counter("a", 1000, 1))))
    writer.write(batch("g2", parts(counter("b", 0, 1), counter("c", 0, 1))))
    writer = Writer(connection)
    writer.write(batch("g2", parts(counter("c", 0, 1)), parts(counter("a", 0, 1), stream="o"), begin=RECORD))
    numbers = connection.execute("SELECT sid, count(*) FROM parts GROUP BY sid ORDER BY sid").fetchall()
    assert (len(numbers), sum(count for _, count in numbers)) == (4, 7)
    assert connection.execute("SELECT count(DISTINCT sid), count(*) FROM series").fetchall() == [(4, 4)]
    assert (writer.series, writer.parts) == (4, 7)


def test_series_are_cut_up_for_selections(connection: Connection) -> None:
    """Name, labels and kind stand beside the key."""
    Writer(connection).write(batch("g", parts(gauge("größe", 0, 1, a="x y", b=""), counter("plain", 0, 1))))
    rows = connection.execute("SELECT kind, name, labels FROM series ORDER BY kind").fetchall()
    assert rows == [(0, "plain", {}), (1, "größe", {"a": "x y", "b": ""})]


def test_only_gauges_have_a_place(connection: Connection) -> None:
    """Where order does not matter nothing is stored, nor what repeats n."""
    Writer(connection).write(
        batch("g", parts(counter("c", 0, 2), gauge("g", 0, 3), timer("t", 0, [1, 5])), begin=500)
    )
    rows = connection.execute("SELECT n, low, high, position, bins FROM parts ORDER BY n").fetchall()
    assert rows[:2] == [(2.0, None, None, 0, None), (3.0, None, None, 501, None)]
    assert rows[2][:4] == (6.0, 1.0, 5.0, 0)
    assert len(rows[2][4]) == 2


def test_lists_lie_flat() -> None:
    """Each value says its row's new number."""
    columns = parts(timer("t", 0, [5, 1, 1]), counter("c", 0, 1), members("s", 0, "ab")).columns
    cells = cells_of(columns, np.arange(3), columns.times, sketches=True)
    lists = lists_of(cells, np.array([30, 20, 10]))
    assert lists["bins"]["row"].tolist() == [30, 30]
    assert lists["bins"]["count"].tolist() == [2.0, 1.0]
    assert lists["hashes"]["row"].tolist() == [10, 10]
    assert len(lists["registers"]["row"]) == 0

"""Questions are put into SQL; what is not in the contract of every store."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from metronome.errors import ClientError
from metronome.model import Kind, Selection
from metronome.store.duckdb_file import IN_MEMORY, Connection, Settings, open_file
from metronome.store.duckdb_read import BOUNDS, Bounds, Question, cells_and_periods, fetch, find
from metronome.store.duckdb_write import Writer
from tests.store.build import batch, counter, gauge, members, parts, timer

ALL = Selection("main", "*")


@pytest.fixture
def connection(tmp_path: object) -> Iterator[Connection]:
    connection = open_file(IN_MEMORY, Settings(64_000_000, 1, str(tmp_path)))
    Writer(connection).write(
        batch(
            "g",
            parts(counter("c", 1000, 1, period=1.0), counter("c", 9000, 2, period=60.0)),
            parts(gauge("g", 5000, 7), timer("t", 5000, [3.0]), members("s", 5000, "ab")),
        )
    )
    yield connection
    connection.close()


def question(step: int, bounds: Bounds = BOUNDS) -> Question:
    return Question(1, ALL, step, (), [0, 1], bounds)


@pytest.mark.parametrize(("step", "expected"), [(0, "time"), (10_000, "(time // 10000) * 10000")])
def test_moments(step: int, expected: str) -> None:
    """Steps are aligned to the epoch; without a step parts keep their time."""
    assert question(step).moment == expected


def test_cells_come_with_their_longest_period(connection: Connection) -> None:
    """That is what merging needs to know beside the numbers; cells are in order."""
    connection.execute("CREATE TEMP TABLE chosen AS SELECT sid, kind, kind AS owner FROM series")
    kinds = np.array([0, 1, 2, 3], np.uint8)
    cells, periods = cells_and_periods(connection, question(10_000), kinds, sketches=True)
    assert cells.owners.tolist() == [0, 1, 2, 3]
    assert cells.n.tolist() == [3.0, 7.0, 3.0, 2.0]
    assert periods.tolist() == [60.0, 0.0, 10.0, 10.0]
    assert cells.sketches.owners.tolist() == [2]
    assert cells.members.owners.tolist() == [3, 3]
    cells, periods = cells_and_periods(connection, question(0), kinds, sketches=False)
    assert (cells.times.tolist()[:2], periods.tolist()[:2]) == ([1000, 9000], [1.0, 60.0])
    assert len(cells.sketches.owners) == 0


def test_nothing_is_left_behind(connection: Connection) -> None:
    """The table of chosen series goes, also when the answer is refused."""
    assert len(fetch(connection, question(10_000), sketches=True, members=False)) == 4
    assert tables_left(connection) == []
    with pytest.raises(ClientError, match="too_expensive"):
        fetch(connection, question(10_000, Bounds(points=1)), sketches=True, members=False)
    assert tables_left(connection) == []


def tables_left(connection: Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()


def test_finding_is_bounded(connection: Connection) -> None:
    """As many as may be are found, one more is refused."""
    kinds = [Kind.COUNTER, Kind.GAUGE, Kind.SET, Kind.TIMER]
    assert [one.series.kind for one in find(connection, 1, ALL, 4)] == kinds
    with pytest.raises(ClientError, match="too_expensive"):
        find(connection, 1, ALL, 3)

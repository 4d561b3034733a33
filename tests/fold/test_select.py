"""Which series and rows a selection takes."""

from __future__ import annotations

import pytest

from metronome.fold.select import Source, select, wanted
from metronome.kernel import hash64
from metronome.model import Kind, Labels, Selection, Series, series_key
from metronome.wire.records import Row, columns_of

SERIES = Series("http.requests", (("host", "x1"), ("status", "503")), Kind.COUNTER)


@pytest.mark.parametrize(
    ("selection", "takes"),
    [
        (Selection("s", "http.requests"), True),
        (Selection("s", "http.*"), True),
        (Selection("s", "*quest?"), True),
        (Selection("s", "*quest??"), False),
        (Selection("s", "*"), True),
        (Selection("s", "HTTP.requests"), False),
        (Selection("s", "*", (("status", "5*"),)), True),
        (Selection("s", "*", (("status", "5*"), ("host", "y*"))), False),
        (Selection("s", "*", (("country", "*"),)), False),
        (Selection("s", "*", (("host", "{x1,x2}"),)), True),
        (Selection("s", "*", (), Kind.COUNTER), True),
        (Selection("s", "*", (), Kind.TIMER), False),
    ],
)
def test_series_of_a_selection(selection: Selection, takes: bool) -> None:
    """Name, every label glob and the kind must fit; an absent label fits no glob."""
    assert wanted(SERIES, selection) is takes


def source(gateway: str, position: int, *points: tuple[str, int, float], labels: Labels = ()) -> Source:
    rows = []
    for name, time, n in points:
        key = series_key(Series(name, labels, Kind.COUNTER))
        rows.append(Row(key, hash64(key), Kind.COUNTER, time, 10.0, 1, n, 1.0, n, n, 0.0, ()))
    return gateway, position, columns_of(rows)


def test_rows_come_by_gateway_position_and_row() -> None:
    """Whatever the order of the sources, rows come in the order in which gauges override."""
    sources = [
        source("b", 0, ("x", 0, 5.0)),
        source("a", 20, ("x", 0, 4.0)),
        source("a", 3, ("x", 0, 1.0), ("y", 0, 2.0), ("x", 0, 3.0)),
    ]
    columns, known = select(sources, Selection("s", "*"))
    assert columns.n.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert {series.name for series in known.values()} == {"x", "y"}


def test_start_is_inside_and_end_is_not() -> None:
    """Parts that begin at the start are taken, those that begin at the end are not."""
    parts = source("a", 0, ("x", 999, 1.0), ("x", 1000, 2.0), ("x", 1999, 3.0), ("x", 2000, 4.0))
    columns, _ = select([parts], Selection("s", "x", start=1000, end=2000))
    assert columns.n.tolist() == [2.0, 3.0]


def test_only_wanted_series_are_named() -> None:
    """The series that come back are those with rows in the answer."""
    parts = source("a", 0, ("x", 0, 1.0), ("y", 0, 2.0), ("z", 5000, 3.0))
    columns, known = select([parts], Selection("s", "[xz]", end=1000))
    assert columns.n.tolist() == [1.0]
    assert [series.name for series in known.values()] == ["x"]

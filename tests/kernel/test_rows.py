"""Rows of different lengths."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from metronome.kernel import packs
from metronome.kernel.rows import columns_of_cells, columns_of_points, ragged
from metronome.limits import PACK_SPAN_MS, POINTS_PER_PACK
from tests.kernel.helpers import UNION, rows


def test_rows_are_told_apart_by_their_ends() -> None:
    """Empty rows stand between the others."""
    rows = ragged([[], [1.0, 2.0], [], [3.0]], "f8")
    assert (rows.ends.tolist(), rows.flat.tolist()) == ([0, 2, 2, 3], [1.0, 2.0, 3.0])
    assert ragged([b"ab", b"c"], "u1").row(1).tobytes() == b"c"


def test_no_rows_at_all_have_no_ends() -> None:
    """Where every row is empty nothing is written."""
    rows = ragged([[], []], "i2")
    assert (len(rows.ends), rows.flat.dtype) == (0, np.int16)


def test_nothing_is_columns_without_rows() -> None:
    """A flush of nothing has all its columns, with their types."""
    for columns in (columns_of_cells([], 0, 10.0), columns_of_points([])):
        assert len(columns) == 0
        assert (columns.times.dtype, columns.counts.dtype, columns.n.dtype) == (
            np.int64,
            np.uint32,
            np.float64,
        )


def test_points_of_a_series_are_one_row(kernel: ModuleType) -> None:
    """In the order in which the series came; a row says what its latest point says, of equally late
    ones the last, and its pack has all of them by their times."""
    table = kernel.Table()
    table.feed_graphite(b"b 1 30\na 4 7\nb 9 10\nb 2 30\nc 5 5\nb 0 20\na 3 9\n", 1.0, UNION)
    columns = table.flush_points()
    found = [(row["series"][0], row["times"], row["n"], row["counts"]) for row in rows(columns)]
    assert found == [("b", 30_000, 2.0, 4), ("a", 9000, 3.0, 2), ("c", 5000, 5.0, 1)]
    assert (columns.low.tolist(), columns.high.tolist()) == ([0.0, 3.0, 5.0], [9.0, 4.0, 5.0])
    assert (columns.d.tolist(), columns.periods.tolist()) == ([1.0] * 3, [0.0] * 3)
    counts, times, values = packs.unpack(columns.packs)
    assert counts.tolist() == [4, 2, 0]
    assert times.tolist() == [10_000, 20_000, 30_000, 30_000, 7000, 9000]
    assert values.tolist() == [9.0, 0.0, 1.0, 2.0, 4.0, 3.0]
    assert (table.points_waiting, len(table.flush_points())) == (0, 0)


def test_a_pack_has_its_bounds(kernel: ModuleType) -> None:
    """So many points and a day; what goes beyond is a row of its own, with a pack or none."""
    table = kernel.Table()
    day = PACK_SPAN_MS // 1000
    lines = [b"many %d %d" % (number, number // 2) for number in range(2 * POINTS_PER_PACK + 1)]
    lines += [b"long 1 %d" % second for second in (3, 0, day, day + 1, 5 * day)]
    table.feed_graphite(b"\n".join(lines), 1.0, UNION)
    columns = table.flush_points()
    found = [(row["series"][0], row["times"], row["counts"]) for row in rows(columns)]
    half = POINTS_PER_PACK // 2
    assert found == [
        ("many", (half - 1) * 1000, POINTS_PER_PACK),
        ("many", (2 * half - 1) * 1000, POINTS_PER_PACK),
        ("many", 2 * half * 1000, 1),
        ("long", day * 1000, 3),
        ("long", (day + 1) * 1000, 1),
        ("long", 5 * day * 1000, 1),
    ]
    assert packs.unpack(columns.packs)[0].tolist() == [POINTS_PER_PACK, POINTS_PER_PACK, 0, 3, 0, 0]


def test_points_that_are_no_gauges_are_never_packed(kernel: ModuleType) -> None:
    """They add up, so each stays a row, behind the gauges and in front of late parts."""
    table = kernel.Table()
    table.feed_statsd(b"late:1|c|T100", UNION)
    for key, time in ((b"cc", 1), (b"gg", 2), (b"cc", 1), (b"gg", 3)):
        table.add_point(key, time, 1.5)
    columns = table.flush_points()
    found = [(row["series"][0], row["times"], row["counts"]) for row in rows(columns)]
    assert found == [("g", 3, 2), ("c", 1, 1), ("c", 1, 1), ("late", 100_000, 1)]
    assert packs.unpack(columns.packs)[0].tolist() == [2, 0, 0, 0]


def test_series_are_used_when_their_points_are_taken_out(kernel: ModuleType) -> None:
    """So those with points are forgotten later than others, and never while these wait."""
    table = kernel.Table()
    table.feed_graphite(b"a 1 1\na 2 2\n", 1.0, UNION)
    table.flush(0, 1.0)
    assert table.prune(0) == 0
    table.flush_points()
    assert table.prune(0) == 0
    table.flush(0, 1.0)
    assert [table.prune(1), table.prune(0)] == [0, 1]

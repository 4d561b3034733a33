"""Samples with a time of their own go to the period that they belong to."""

from __future__ import annotations

from types import ModuleType

import pytest

from metronome.kernel.cells import Cell
from metronome.kernel.late import Late
from metronome.limits import LATE_PARTS
from tests.kernel.helpers import UNION, rows

OPEN = 1_700_000_000


def taken(table: object) -> list[tuple[str, int, float, int]]:
    """Name, time in seconds, n and samples of what has a time of its own."""
    columns = table.flush_points()  # type: ignore[attr-defined]
    return [(row["series"][0], row["times"] / 1000, row["n"], row["counts"]) for row in rows(columns)]


def test_samples_fold_into_their_period(kernel: ModuleType) -> None:
    """Counters add up, of a gauge the latest time stands; one part for each series and period."""
    table = kernel.Table(period=10.0)
    table.feed_statsd(b"a:1|c|T101\na:2|c|T109.9|@0.5\na:4|c|T110\ng:7|g|T105\ng:3|g|T101\ng:9|g|T105", UNION)
    assert (table.waiting, table.points_waiting) == (6, 6)
    columns = table.flush_points()
    found = [(row["series"][0], row["times"], row["n"], row["d"], row["counts"]) for row in rows(columns)]
    assert found == [
        ("a", 100_000, 5.0, 3.0, 2),
        ("a", 110_000, 4.0, 1.0, 1),
        ("g", 100_000, 9.0, 1.0, 3),
    ]
    assert [(row["low"], row["high"], row["periods"]) for row in rows(columns)] == [
        (5.0, 5.0, 10.0),
        (4.0, 4.0, 10.0),
        (3.0, 9.0, 10.0),
    ]
    assert (table.waiting, len(table.flush_points())) == (0, 0)


def test_a_late_gauge_leaves_the_kept_value_alone(kernel: ModuleType) -> None:
    """Deltas go on from what was set now, not from what was set then."""
    table = kernel.Table()
    table.feed_statsd(b"g:5|g\ng:100|g|T100\ng:+1|g", UNION)
    assert rows(table.flush(0, 10.0))[0]["n"] == 6.0


@pytest.mark.parametrize(
    ("behind", "good"),
    [(0, True), (3600, True), (3610, False), (-10, True), (-300, True), (-310, False), (3605, False)],
)
def test_a_time_must_be_near_the_open_period(kernel: ModuleType, behind: int, good: bool) -> None:
    """An hour back and five minutes ahead, by the beginnings of periods; else it is refused."""
    table = kernel.Table()
    table.begin(OPEN * 1000)
    line = b"a:1|c|T%d" % (OPEN - behind)
    assert table.feed_statsd(line, UNION) == int(good)
    assert [reject.reason for reject in table.rejects()] == ([] if good else ["bad_time"])


def test_the_window_moves_with_the_flushes(kernel: ModuleType) -> None:
    """And is as wide as was asked for; who does not know the time takes everything."""
    table = kernel.Table(late=60.0)
    assert table.feed_statsd(b"a:1|c|T5", UNION) == 1
    table.flush(OPEN * 1000, 10.0)
    assert table.feed_statsd(b"a:1|c|T%d\na:1|c|T%d" % (OPEN - 50, OPEN - 51), UNION) == 1
    table.flush((OPEN + 10) * 1000, 10.0)
    assert table.feed_statsd(b"a:1|c|T%d" % (OPEN - 50), UNION) == 0
    assert taken(table) == [("a", 0, 1.0, 1), ("a", OPEN - 50, 1.0, 1)]


def test_parts_outlive_forgetting(kernel: ModuleType) -> None:
    """A series with a part that waits is kept; others move up and keep theirs."""
    table = kernel.Table()
    table.feed_statsd(b"a:1|c\nb:1|c|T100\nc:1|c\nd:2|c|T100", UNION)
    table.flush(0, 10.0)
    table.flush(10_000, 10.0)
    assert table.prune(1) == 2
    table.feed_statsd(b"e:1|c|T100\nd:3|c|T100", UNION)
    assert taken(table) == [("b", 100, 1.0, 1), ("d", 100, 5.0, 2), ("e", 100, 1.0, 1)]


def test_parts_are_bounded(native: ModuleType) -> None:
    """Beyond ``LATE_PARTS`` samples are shed and counted."""
    table = native.Table(period=0.001)
    for begin in range(0, LATE_PARTS + 1000, 1000):
        lines = [b"a:1|c|T%d.%03d" % divmod(n, 1000) for n in range(begin + 1, begin + 1001)]
        table.feed_statsd(b"\n".join(lines), UNION)
    assert table.points_waiting == LATE_PARTS
    assert table.counts()["shed:queue_full"] == (LATE_PARTS // 1000 + 1 + 1) * 1000 - LATE_PARTS - 1000 * (
        (LATE_PARTS + 1000) % 1000 == 0
    )
    assert table.feed_statsd(b"a:1|c|T1", UNION) == 1
    assert len(table.flush_points()) == LATE_PARTS


def test_a_part_without_room_is_told() -> None:
    """The pure twin's keeper of parts answers 0, and folds what has a part already."""
    late = Late(10.0, 60.0)
    cell = Cell(b"ca", 0)
    late._parts.update({(b"x", number): None for number in range(LATE_PARTS - 1)})  # type: ignore[misc]
    assert [late.fold(cell, time, 1.0, 1.0) for time in (1, 20_000, 2)] == [1, 0, 1]
    assert late.samples == 2

"""What a table shows without giving it out, gets back after a restart, and forgets."""

from __future__ import annotations

from types import ModuleType

from metronome.kernel.interface import Dialect
from tests.kernel.helpers import UNION, dumped, rows

LINES = b"c:2|c|@0.5\ng:5|g\ng:+2|g\nt:1:2:3|ms\ns:x:y|s\np:1|c|T100"


def test_a_snapshot_is_what_the_flush_gives(kernel: ModuleType) -> None:
    """Bit by bit; and looking changes nothing, however often."""
    table = kernel.Table(timer_samples=2, set_members=1)
    table.feed_statsd(LINES, UNION)
    shown = [dumped(table.snapshot(5000, 10.0)) for _ in range(2)]
    assert table.waiting == 8
    assert shown[0] == shown[1] == dumped(table.flush(5000, 10.0))
    assert len(table.snapshot(0, 1.0)) == 0


def test_gauges_are_told_live_and_idle(kernel: ModuleType) -> None:
    """Values that were set; a gauge of which only points came has none to go on from."""
    table = kernel.Table()
    table.feed_statsd(b"idle:1.5|g\nc:1|c", UNION)
    table.flush(0, 10.0)
    table.feed_statsd(b"live:-2|g|#k:v\nlive:-1|g|#k:v", UNION)
    table.feed_graphite(b"point 1 2", 0.0, UNION)
    told = table.gauges()
    assert [(row["series"], row["n"], row["counts"]) for row in rows(told)] == [
        (("idle", ()), 1.5, 0),
        (("live", (("k", "v"),)), -3.0, 0),
    ]
    assert table.waiting == 3


def test_deltas_go_on_after_a_restart(kernel: ModuleType) -> None:
    """Restored values are where they begin; what has a value by now keeps it."""
    before, after = kernel.Table(), kernel.Table()
    before.feed_statsd(b"a:10|g\nb:20|g\nc:1|c", UNION)
    told = before.gauges()
    after.feed_statsd(b"b:1|g", UNION)
    keys = [told.key(row) for row in range(len(told))]
    assert after.restore_gauges([*keys, b"cx", b""], [*told.n.tolist(), 7.0, 8.0]) == 1
    assert after.waiting == 1
    after.feed_statsd(b"a:+1|g\nb:+1|g", UNION)
    assert [(row["series"][0], row["n"]) for row in rows(after.flush(0, 10.0))] == [("b", 2.0), ("a", 11.0)]
    assert after.restore_gauges([b"gnew"], [3.0]) == 1
    assert after.restore_gauges([b"gnew"], [4.0]) == 0
    assert after.gauges().n.tolist() == [2.0, 11.0, 3.0]


def test_running_totals_go_on_after_a_restart(kernel: ModuleType) -> None:
    """The difference to what was told counts, a smaller total as a beginning; idle ones are told too."""
    before, after = kernel.Table(), kernel.Table()
    before.feed_statsd(b"idle:5|C\nup:10|C\ndown:20|C\nplain:1|c\ng:1|g", UNION)
    before.flush(0, 10.0)
    before.feed_statsd(b"up:12.5|C|#k:v\nup:12|C\nlive:3|C", UNION)
    told = before.totals()
    assert [(row["series"], row["n"], row["d"], row["counts"]) for row in rows(told)] == [
        (("idle", ()), 5.0, 1.0, 0),
        (("up", ()), 12.0, 1.0, 0),
        (("down", ()), 20.0, 1.0, 0),
        (("up", (("k", "v"),)), 12.5, 1.0, 0),
        (("live", ()), 3.0, 1.0, 0),
    ]
    assert before.waiting == 3
    after.feed_statsd(b"live:7|C", UNION)
    keys = [told.key(row) for row in range(len(told))]
    assert after.restore_totals([*keys, b"gx", b""], [*told.n.tolist(), 7.0, 8.0]) == 4
    after.feed_statsd(b"up:15|C\ndown:4|C\nlive:8|C\nnew:9|C", UNION)
    assert {row["series"][0]: row["n"] for row in rows(after.flush(0, 10.0))} == {
        "live": 1.0,
        "up": 3.0,
        "down": 4.0,
        "new": 0.0,
    }
    assert after.restore_totals([b"cup"], [1.0]) == 0
    assert len(kernel.Table().totals()) == 0


def test_totals_that_met_in_one_series_are_not_told(kernel: ModuleType) -> None:
    """Where there was no room for their own, they say nothing."""
    table = kernel.Table(series_limit=1)
    table.feed_statsd(b"a:1|C\nb:2|C\nc:3|C", UNION)
    assert [(row["series"][0], row["n"]) for row in rows(table.totals())] == [("a", 1.0)]


def test_gauges_lose_their_value(kernel: ModuleType) -> None:
    """After so many flushes without a sample, the one that had it among them: a change begins at 0."""
    for flushes, expected in (
        (0, [7.0, 8.0, 9.0, 10.0]),
        (1, [7.0, 1.0, 1.0, 1.0]),
        (3, [7.0, 8.0, 9.0, 1.0]),
    ):
        table = kernel.Table(gauge_flushes=flushes)
        found = []
        for silent, line in ((0, b"a:7|g"), (1, b"a:+1|g"), (2, b"a:+1|g"), (3, b"a:+1|g")):
            for _ in range(max(silent - 1, 0)):
                assert rows(table.flush(0, 10.0)) == []
            table.feed_statsd(line, UNION)
            (row,) = rows(table.flush(0, 10.0))
            found.append(row["n"])
        assert found == expected
        assert len(table.gauges()) == (flushes != 1)


def test_restoring_keeps_to_the_limit(kernel: ModuleType) -> None:
    """A gauge without room is left out, and a running total."""
    table = kernel.Table(series_limit=2)
    assert table.restore_gauges([b"ga", b"gb", b"gc"], [1.0, 2.0, 3.0]) == 2
    assert table.restore_totals([b"ca"], [1.0]) == 0


def test_forgotten_series_are_gone_and_accounted_for(kernel: ModuleType) -> None:
    """With their samples, which stay in the books, and with gauges' values."""
    table = kernel.Table()
    table.feed_statsd(b"a:1|c\na:1|c\nb:1|c\ng:5|g\nt:1|ms", UNION)
    assert table.forget([b"ca", b"gg", b"ca", b"cnever", b"ta"]) == 2
    assert (table.series, table.waiting) == (2, 2)
    assert table.counts()["filtered:forgotten"] == 3
    table.feed_statsd(b"g:+1|g\na:4|c", UNION)
    found = {row["series"][0]: row["n"] for row in rows(table.flush(0, 10.0))}
    assert found == {"b": 1.0, "t": 1.0, "g": 1.0, "a": 4.0}


def test_points_of_a_forgotten_series_still_come_out(kernel: ModuleType) -> None:
    """They were taken in with their own time; the series goes when it is pruned."""
    table = kernel.Table()
    table.feed_graphite(b"a 1 2\nb 3 4", 0.0, Dialect())
    table.feed_statsd(b"a:5|g", UNION)
    assert table.forget([b"ga"]) == 1
    assert len(table.gauges()) == 0
    assert [(row["series"][0], row["n"]) for row in rows(table.flush_points())] == [("a", 1.0), ("b", 3.0)]
    table.flush(0, 10.0)
    table.flush(10_000, 10.0)
    assert table.prune(1) == 2

"""Too many series: what comes for further ones shares a series, and says so."""

from __future__ import annotations

from types import ModuleType

import pytest

from metronome.kernel.guard import Guard, other_key, prefix_of
from tests.kernel.helpers import UNION, rows

OTHER = (("_other_", "true"),)


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        (b"ca", b"a"),
        (b"ca.b", b"a.b"),
        (b"ga.b.c.d", b"a.b"),
        (b"ca\0k\0v.w.x", b"a"),
        (b"ta.b.c\0k\0v", b"a.b"),
        (b"c.a.b", b".a"),
        (b"c..", b"."),
        (b"c", b""),
    ],
)
def test_the_prefix_is_the_first_two_elements(key: bytes, prefix: bytes) -> None:
    """Of the name, whatever its labels say."""
    assert prefix_of(key) == prefix
    assert other_key(key, crowded=True) == key[:1] + prefix + b"\0_other_\0true"


def test_the_guard_counts_series_by_prefix() -> None:
    """Those that are left, after some have gone; without a limit it is never crowded."""
    guard, off = Guard(2), Guard(0)
    for key in (b"ca.b.1", b"ca.b.2", b"cx"):
        guard.add(key)
        off.add(key)
    assert guard.is_crowded(b"ta.b.3")
    assert not guard.is_crowded(b"cx")
    guard.recount([b"ca.b.1", b"cx"])
    assert not guard.is_crowded(b"ca.b.3")
    assert not off.is_crowded(b"ca.b.3")


def test_a_prefix_has_a_limit(kernel: ModuleType) -> None:
    """Further series of it fold into one for each kind; other prefixes go on."""
    table = kernel.Table(prefix_limit=2)
    block = b"\n".join(b"app.web.n%d:%d|c" % (n, n) for n in range(5)) + b"\napp.db:1|c\napp.web:9|ms|#k:v"
    assert table.feed_statsd(block, UNION) == 7
    assert table.feed_statsd(b"app.web.n4:10|c\napp.web.n0:1|c", UNION) == 2
    assert table.counts()["overflowed"] == 5
    found = {(row["series"], row["kinds"]): row["n"] for row in rows(table.flush(0, 10.0))}
    assert found == {
        (("app.web.n0", ()), 0): 1.0,
        (("app.web.n1", ()), 0): 1.0,
        (("app.web", OTHER), 0): 19.0,
        (("app.db", ()), 0): 1.0,
        (("app.web", OTHER), 2): 9.0,
    }


def test_a_stream_has_a_limit(kernel: ModuleType) -> None:
    """Beyond it one series of each kind stands in, known ones go on."""
    table = kernel.Table(series_limit=2, prefix_limit=1)
    assert table.feed_statsd(b"a:1|c\nb:1|c\nc:1|c\na:1|c\na:1|ms\na:1|c:2|g\nd:3|c|#x", UNION) == 8
    assert table.counts()["overflowed"] == 4
    assert [(row["series"], row["n"]) for row in rows(table.flush(0, 10.0))] == [
        (("a", ()), 3.0),
        (("b", ()), 1.0),
        (("_other_", OTHER), 4.0),
        (("_other_", OTHER), 1.0),
        (("_other_", OTHER), 2.0),
    ]


def test_points_that_find_no_room_are_refused(kernel: ModuleType) -> None:
    """Graphite's points and pickle's: many series in one would say nothing."""
    table = kernel.Table(series_limit=1)
    assert table.feed_graphite(b"a 1 2\nb 3 4", 0.0, UNION) == 1
    assert not table.add_point(b"gc", 5, 1.0)
    assert table.counts()["rejected:too_many_series"] == 2
    assert "overflowed" not in table.counts()


def test_room_that_idle_series_leave_is_used_again(kernel: ModuleType) -> None:
    """Then names that were too many get series of their own."""
    table = kernel.Table(prefix_limit=2)
    table.feed_statsd(b"a.b.1:1|c\na.b.2:1|c\na.b.3:1|c", UNION)
    table.flush(0, 10.0)
    table.feed_statsd(b"a.b.2:1|c\na.b.3:1|c", UNION)
    table.flush(10_000, 10.0)
    assert table.prune(1) == 1
    table.feed_statsd(b"a.b.3:1|c\na.b.4:1|c", UNION)
    assert [row["series"][0] for row in rows(table.flush(20_000, 10.0))] == ["a.b", "a.b.3"]
    assert table.counts()["overflowed"] == 3


def test_names_without_end_stay_within_bounds(kernel: ModuleType) -> None:
    """A flood of new names is counted whole and makes one series."""
    table = kernel.Table(series_limit=10)
    for begin in range(0, 20_000, 1000):
        table.feed_statsd(b"\n".join(b"n%d:1|c" % n for n in range(begin, begin + 1000)), UNION)
    assert table.series == 11
    assert table.counts()["overflowed"] == 20_000 - 10
    assert sum(row["n"] for row in rows(table.flush(0, 10.0))) == 20_000

"""Lanes: each way in keeps books of its own."""

from __future__ import annotations

from types import ModuleType

import pytest

from metronome.kernel.interface import Reject
from metronome.kernel.lanes import Lane
from metronome.limits import REJECTS_KEPT
from tests.kernel.helpers import UNION


def test_lanes_of_one_table_are_told_apart(kernel: ModuleType) -> None:
    """Samples, rejects and events count where they came in; they fold into the same series."""
    table = kernel.Table()
    one, two = table.lane(), table.lane()
    table.feed_statsd(b"a:1|c\nbad\n_sc|db|0", UNION, one)
    table.feed_graphite(b"g 1 2\nworse", 0.0, UNION, two)
    waiting, books = table.books()
    assert waiting == table.waiting == 2
    assert set(books) - {0} == {one, two}
    assert (books[one]["samples"], books[one]["events"], books[one]["rejected:malformed_line"]) == (1, 1, 1)
    assert (books[two]["samples"], books[two]["lines"]) == (1, 2)
    assert table.rejects(one) == [Reject("malformed_line", b"bad")]
    assert table.rejects(two) == [Reject("malformed_line", b"worse")]
    assert [table.take_events(lane) for lane in (0, one, two)] == [[], [b"_sc|db|0"], []]
    assert table.counts()["lines"] == 5


def test_books_tell_what_has_changed(kernel: ModuleType) -> None:
    """A lane that got nothing since the last call is not told again."""
    table = kernel.Table()
    lane = table.lane()
    table.books()
    assert table.books() == (0, {})
    table.feed_statsd(b"a:1|c", UNION, lane)
    waiting, books = table.books()
    assert (waiting, list(books)) == (1, [lane])
    table.flush(0, 10.0)
    assert table.books() == (0, {})


def test_there_is_no_lane_that_was_not_opened(kernel: ModuleType) -> None:
    """A wrong number is a programming error and says so."""
    with pytest.raises(ValueError, match="no lane 7"):
        kernel.Table().feed_statsd(b"a:1|c", UNION, 7)


def test_a_lane_keeps_the_last_distinct_rejects() -> None:
    """The oldest gives way; an equal one is counted only."""
    lane = Lane()
    for number in range(REJECTS_KEPT + 2):
        lane.reject("bad_name", b"%d" % number, "")
    lane.reject("bad_name", b"5", "")
    lane.reject("bad_name", b"5", "10.0.0.1")
    kept = lane.rejects()
    assert len(kept) == REJECTS_KEPT
    assert kept[:3] == [Reject("bad_name", b"3"), Reject("bad_name", b"4"), Reject("bad_name", b"5", "", 2)]
    assert kept[-1] == Reject("bad_name", b"5", "10.0.0.1")
    assert lane.counts["rejected:bad_name"] == REJECTS_KEPT + 4

"""Top talkers: right about the largest, bounded about the rest."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from metronome.gateway.talkers import Heavy, Talkers
from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.limits import TALKERS_COUNTED, TALKERS_LEARNT, TALKERS_WINDOW
from metronome.model import Columns

DIALECT = Dialect()


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def seconds(self) -> float:
        return self.now


def folded(text: str) -> Columns:
    """A flush of these lines."""
    table = Table()
    table.feed_statsd(text.encode(), DIALECT)
    return table.flush(0, 10.0)


def points(text: str) -> Columns:
    """Points of these lines of Graphite."""
    table = Table()
    table.feed_graphite(text.encode(), 1.0, DIALECT)
    return table.flush_points()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 50)), max_size=200), st.integers(1, 10))
def test_a_heavy_count_is_never_too_high_and_too_low_by_at_most_short(
    added: list[tuple[int, int]], kept: int
) -> None:
    """And what is short is at most the whole divided by the counters, the memory twice those."""
    heavy, true = Heavy(kept), Counter[str]()
    for name, number in added:
        heavy.add(str(name), number)
        true[str(name)] += number
    assert len(heavy.counts()) <= 2 * kept
    assert heavy.short <= true.total() / (kept + 1)
    for name, number in true.items():
        assert number - heavy.short <= heavy.counts().get(name, 0) <= number


def test_series_prefixes_and_their_numbers() -> None:
    """Samples of series, and samples and series of the first two elements of names."""
    talkers = Talkers(Time().seconds)
    talkers.flushed("main", folded("a.b.c:1|c\na.b.c:1|c\na.b.d:1|ms\nx:1|g\nq.r:1|c|#env:prod\na.b.c:5|c"))
    report = talkers.report("main", 2)
    assert (report["stream"], report["samples"], report["short"]) == ("main", 6, 0)
    assert report["series"][0] == {"name": "a.b.c", "v": {}, "kind": "counter", "samples": 3}
    assert report["prefixes"]["samples"][0] == {"prefix": "a.b", "samples": 4}
    assert report["prefixes"]["series"][0] == {"prefix": "a.b", "series": 2}
    everything = talkers.report("main", 10)
    assert {"name": "q.r", "v": {"env": "prod"}, "kind": "counter", "samples": 1} in everything["series"]
    assert {one["prefix"] for one in everything["prefixes"]["samples"]} == {"a.b", "x", "q.r"}


def test_points_of_one_series_count_together() -> None:
    """Each is a row of its own."""
    talkers = Talkers(Time().seconds)
    talkers.flushed("main", points("g.h.i 1 5\ng.h.i 2 6\ng.h.j 3 7\n"))
    report = talkers.report("main", 1)
    assert report["series"] == [{"name": "g.h.i", "v": {}, "kind": "gauge", "samples": 2}]
    assert report["prefixes"]["series"] == [{"prefix": "g.h", "series": 2}]


def test_a_series_counts_once_a_window() -> None:
    """However often it is flushed; its samples add up."""
    clock = Time()
    talkers = Talkers(clock.seconds)
    for _ in range(3):
        talkers.flushed("main", folded("a.b.c:1|c\na.b.d:1|c"))
        clock.now += 10
    report = talkers.report("main", 1)
    assert report["prefixes"]["series"] == [{"prefix": "a.b", "series": 2}]
    assert report["prefixes"]["samples"] == [{"prefix": "a.b", "samples": 6}]


def test_more_series_than_there_was_room_for() -> None:
    """They are learnt and counted anew, none twice, but for some that share a slot."""
    talkers = Talkers(Time().seconds)
    talkers.flushed("main", folded("\n".join(f"a.b.x{number}:1|c" for number in range(1000))))
    many = folded("\n".join(f"a.b.x{number}:1|c" for number in range(3 * TALKERS_LEARNT)))
    for _ in range(4):
        talkers.flushed("main", many)
    (found,) = talkers.report("main", 1)["prefixes"]["series"]
    assert 0.88 * 3 * TALKERS_LEARNT < found["series"] <= 3 * TALKERS_LEARNT


def test_what_is_told_is_of_late() -> None:
    """The last whole window and the one that runs; who was silent since is not in it."""
    clock = Time()
    talkers = Talkers(clock.seconds)
    talkers.flushed("main", folded("old.a:1|c"))
    clock.now += TALKERS_WINDOW
    talkers.flushed("main", folded("new.a:1|c\nold.a:1|c"))
    report = talkers.report("main", 5)
    assert (report["from"], report["until"], report["samples"]) == (1000, clock.now, 3)
    assert report["prefixes"]["series"] == [
        {"prefix": "old.a", "series": 1},
        {"prefix": "new.a", "series": 1},
    ]
    clock.now += TALKERS_WINDOW
    assert talkers.report("main", 5)["samples"] == 2
    clock.now += 2 * TALKERS_WINDOW
    assert talkers.report("main", 5)["samples"] == 0


def test_senders_by_samples_and_by_new_series() -> None:
    """Those that a receiver knows exactly; those of drained datagrams by their share."""
    talkers = Talkers(Time().seconds)
    talkers.heard("main", "192.0.2.1", 40, 3)
    talkers.heard("main", "192.0.2.2", 50, 0)
    talkers.drained("main", 90, 30)
    talkers.drained("main", 30, 10)
    talkers.senders("main", [("192.0.2.3", 30), ("192.0.2.1", 10)])
    senders = talkers.report("main", 5)["senders"]
    assert senders["samples"] == [
        {"sender": "192.0.2.3", "samples": 90},
        {"sender": "192.0.2.1", "samples": 70},
        {"sender": "192.0.2.2", "samples": 50},
    ]
    assert senders["series"] == [{"sender": "192.0.2.1", "series": 3}]


def test_streams_are_kept_apart() -> None:
    """And one that was never sent anything has nothing to tell."""
    talkers = Talkers(Time().seconds)
    talkers.flushed("shop", folded("a.b:1|c"))
    assert talkers.report("main", 5)["series"] == []
    assert talkers.report("shop", 5)["samples"] == 1


def test_the_largest_stand_out_of_many() -> None:
    """More series than there are counters: the hot ones come first, and short says how sure it is."""
    dice = random.Random(7)
    talkers = Talkers(Time().seconds)
    number = 5 * TALKERS_COUNTED
    for _ in range(4):
        lines = [f"s{index}:1|c" for index in dice.sample(range(number), 2 * TALKERS_COUNTED)]
        talkers.flushed("main", folded("\n".join([*lines, *["hot.a:1|c"] * 100, *["hot.b:1|c"] * 50])))
    report = talkers.report("main", 2)
    assert [one["name"] for one in report["series"]] == ["hot.a", "hot.b"]
    assert report["short"] <= report["samples"] / TALKERS_COUNTED
    for one, true in zip(report["series"], (400, 200), strict=True):
        assert true - report["short"] <= one["samples"] <= true

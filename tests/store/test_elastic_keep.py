"""What grows old: whole days at once, the rest where it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from metronome.model import Selection
from metronome.store.interface import Retention, Rung
from tests.store.build import RECORD, batch, counter, events, happened, parts
from tests.store.cluster import FakeCluster, Fault
from tests.store.contract import ALL, StoreCase
from tests.store.test_elastic import opened

DAY = 86_400_000
WEEK = Retention((Rung(10, 7 * 86_400),), 7 * 86_400)
MONTH = Retention((Rung(10, 30 * 86_400),), 30 * 86_400)


def once_at(moment: int, act: Callable[[], Deferred[Any]]) -> Fault:
    """Do something before the request of this number."""
    left, done = iter(range(moment)), []

    def fault(method: str, path: str) -> None:
        if next(left, None) is None and not done:
            done.append(act().addErrback(lambda failure: None))

    return fault


class KeepTests(StoreCase, SynchronousTestCase):
    """A cluster's retention."""

    def make_store(self) -> Any:
        self.cluster = FakeCluster()
        return opened(self.cluster)

    def expire(self, now: int, **retention: Retention) -> dict[str, int]:
        return dict(self.done(self.store.expire(now, retention)))

    def names(self, what: str) -> list[str]:
        return [name.rpartition("-")[2] for name in sorted(self.cluster.indices) if f"-{what}-" in name]

    def test_a_day_that_nobody_keeps_goes_whole(self) -> None:
        """No document of it is deleted by itself, and its index is gone."""
        for day in range(3):
            self.write(
                "g", parts(counter("c", day * DAY, 1)), events(happened(day * DAY)), begin=day * RECORD * 2
            )
        self.cluster.calls.clear()
        done = self.expire(9 * DAY, main=WEEK)
        assert (done["deleted"], done["events_deleted"]) == (2, 2)
        assert (self.names("points"), self.names("ticks")) == (["1970.01.03"], ["1970.01.03"])
        assert not [path for method, path in self.cluster.calls if path == "/_bulk"]

    def test_a_stream_that_keeps_longer_keeps_its_own(self) -> None:
        """Of a shared day only the others' documents go."""
        self.write("g", parts(counter("c", 0, 1)), parts(counter("c", 0, 1), stream="long"))
        assert self.expire(10 * DAY, main=WEEK, long=MONTH)["deleted"] == 1
        assert self.numbers() == {}
        assert self.numbers(Selection("long", "*"), DAY) == {(): {0: 1.0}}
        assert self.expire(30 * DAY, main=WEEK, long=MONTH)["deleted"] == 0
        assert self.expire(31 * DAY, main=WEEK, long=MONTH)["deleted"] == 1
        assert self.names("points") == []

    def test_what_comes_while_a_day_is_deleted_is_not_lost(self) -> None:
        """Another stream's part of that day: the index stays, or is made anew."""
        for moment in range(40):
            self.store = self.make_store()
            self.done(self.store.start())
            self.write("g", parts(counter("c", 0, 1)))
            other = opened(self.cluster)
            self.done(other.start())
            late = batch("h", parts(counter("c", 0, 1), stream="long"))
            self.cluster.faults.append(once_at(moment, partial(other.write, late)))
            self.expire(9 * DAY, main=WEEK, long=MONTH)
            self.cluster.faults.clear()
            self.expire(9 * DAY, main=WEEK, long=MONTH)
            self.done(other.write(late))
            assert self.numbers() == {}
            self.cluster.call("POST", "/metronome-*/_refresh")
            assert self.numbers(Selection("long", "*"), DAY) == {(): {0: 1.0}}, moment

    def test_many_parts_of_a_day_wait_for_its_end(self) -> None:
        """They stay until the whole index goes; few are deleted as they grow old."""
        few, many = 5, 21
        self.store._keep.few = many - 1
        for number, day in ((few, 0), (many, 2)):
            rows = [counter("c", day * DAY, 1, host=str(host)) for host in range(number)]
            self.write("g", parts(*rows), begin=day * many * RECORD)
        assert self.expire(7 * DAY + 1, main=WEEK)["deleted"] == few
        assert self.expire(9 * DAY + 1, main=WEEK)["deleted"] == 0
        assert self.expire(10 * DAY, main=WEEK)["deleted"] == many

    def test_another_gateway_comes_second(self) -> None:
        """It finds nothing left, and what it meant to delete may be gone in between."""
        self.write("g", parts(counter("c", 0, 1)))
        other = opened(self.cluster)
        self.done(other.start())
        assert self.expire(900 * DAY)["deleted"] == 1
        assert self.done(other.expire(900 * DAY, {}))["deleted"] == 0
        assert self.done(other.fetch(ALL, 0, ())).groups == []

    def test_what_comes_for_a_day_that_is_gone_makes_it_anew(self) -> None:
        """Until the next round."""
        self.write("g", parts(counter("c", 0, 1, host="a")))
        self.expire(900 * DAY)
        self.write("g", parts(counter("c", 0, 1, host="a")), begin=RECORD)
        assert self.numbers(by=("host",)) == {("a",): {0: 1.0}}
        assert self.expire(900 * DAY)["deleted"] == 1

    def test_a_round_ends_when_the_store_stops(self) -> None:
        """After the step in hand."""
        self.write("g", parts(counter("c", 0, 1)))
        self.done(self.store.stop())
        self.store = opened(self.cluster)
        self.done(self.store.start())
        assert self.numbers() == {(): {0: 1.0}}

    def test_forgetting_leaves_what_is_applied(self) -> None:
        """So that a replay does not bring anything back."""
        written = self.write("g", parts(counter("c", 0, 1), ids=((5, "p"),)), events(happened(5)))
        self.done(self.store.forget("main"))
        self.done(self.store.write(written))
        assert self.numbers() == {}
        assert self.done(self.store.recent_ids(0)) == []
        assert self.done(self.store.applied()) == {"g": written.end}

"""What grows old: whole days at once, the rest where it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import StoreUnavailable
from metronome.model import Selection
from metronome.store.interface import Retention, Rung
from tests.store.build import RECORD, batch, counter, events, gauge, happened, parts
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

    def test_what_the_ladder_has_emptied_goes(self) -> None:
        """Else every day would leave indices behind; a day that is not long over stays."""
        self.write("g", parts(counter("c", 0, 1), counter("c", 5000, 1)))
        for day, left in (
            (1, ["points-1970.01.01"]),
            (3, ["points-1970.01.01", "points-60s-1970.01.01"]),
            (4, ["points-60s-1970.01.01"]),
            (40, ["points-600s-1970.01", "points-60s-1970.01.01"]),
            (41, ["points-600s-1970.01"]),
        ):
            self.expire(day * DAY)
            names = [name.removeprefix("metronome-") for name in sorted(self.cluster.indices)]
            assert [name for name in names if name.startswith("points")] == left, day
            assert self.numbers(step=DAY) == {(): {0: 2.0}}

    def test_what_comes_while_an_empty_day_is_deleted_is_not_lost(self) -> None:
        """Whatever request it comes before."""
        for moment in range(40):
            self.store = self.make_store()
            self.done(self.store.start())
            self.cluster.call("PUT", "/metronome-points-1970.01.01")
            other = opened(self.cluster)
            self.done(other.start())
            late = batch("h", parts(counter("c", 0, 1, host="a")))
            self.cluster.faults.append(once_at(moment, partial(other.write, late)))
            self.expire(9 * DAY)
            self.cluster.faults.clear()
            self.done(other.write(late))
            self.cluster.call("POST", "/metronome-*/_refresh")
            assert self.numbers(by=("host",), step=DAY) == {("a",): {0: 1.0}}, moment

    def test_days_that_are_far_away_share_an_index(self) -> None:
        """A sender whose clock is wrong makes one index, not thousands; it is kept as any other."""
        clock = Clock()
        clock.advance(1000 * DAY / 1000)
        self.store = opened(self.cluster, clock=clock)
        self.done(self.store.start())
        days = [0, 599, 600, 1000, 1031, 1032, 9000]
        rows = [gauge("c", day * DAY, day) for day in days]
        self.write("g", parts(*rows), events(*(happened(day * DAY) for day in days)))
        assert self.names("points") == ["1971.08.24", "1972.09.27", "1972.10.28", "far"]
        assert self.names("ticks") == ["1971.08.24", "1972.09.27", "1972.10.28", "far"]
        assert self.numbers(step=DAY) == {(): {day * DAY: float(day) for day in days}}
        done = self.expire(1000 * DAY)
        assert (done["deleted"], done["events_deleted"]) == (1, 1)
        self.store._keep.few = 0
        assert self.expire(1400 * DAY)["deleted"] == 2

    def test_a_batch_that_is_tried_again_goes_into_the_same_indices(self) -> None:
        """However long it takes: what was written of it is not written again beside it."""
        clock = Clock()
        clock.advance(1000 * DAY / 1000)
        self.store = opened(self.cluster, clock=clock)
        self.done(self.store.start())
        self.write("g", parts(counter("c", 1000 * DAY, 1)))
        later = batch("g", parts(counter("d", 600 * DAY, 1), counter("d", 1032 * DAY, 1)), begin=RECORD)
        fault = StoreUnavailable("cut")
        self.cluster.faults.append(lambda method, path: fault if "_doc/gateway" in path else None)
        self.failureResultOf(self.store.write(later), StoreUnavailable)
        self.cluster.faults.clear()
        clock.advance(5 * DAY / 1000)
        self.store = opened(self.cluster, clock=clock)
        self.done(self.store.start())
        self.done(self.store.write(later))
        days = {600 * DAY: 1.0, 1032 * DAY: 1.0}
        assert self.numbers(Selection("main", "d"), DAY) == {(): days}

    def test_a_stream_is_kept_as_long_as_any_gateway_says(self) -> None:
        """Also one that this gateway has never heard of."""
        self.store = opened(self.cluster, gateway="mine")
        self.done(self.store.start())
        years = Retention((Rung(10, 3650 * 86_400),), 3650 * 86_400)
        other = opened(self.cluster, gateway="other")
        self.done(other.start())
        self.write("g", parts(counter("c", 0, 1), stream="theirs"), events(happened(0), stream="theirs"))
        self.done(other.expire(1000 * DAY, {"theirs": years, "main": WEEK}))
        kept = self.done(self.store.expire(1000 * DAY, {"main": WEEK}))
        assert kept == {"merged": 0, "deleted": 0, "events_deleted": 0}
        assert self.numbers(Selection("theirs", "*"), DAY) == {(): {0: 1.0}}
        assert self.done(self.store.expire(1031 * DAY, {"main": WEEK}))["deleted"] == 1

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

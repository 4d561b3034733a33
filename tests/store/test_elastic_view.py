"""Questions see all that is applied, nothing else of ours, and each part once."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import StoreUnavailable
from metronome.model import Selection
from tests.store.build import RECORD, batch, counter, events, happened, parts
from tests.store.cluster import FakeCluster, away
from tests.store.contract import ALL, StoreCase
from tests.store.test_elastic import opened


class ViewTests(StoreCase, SynchronousTestCase):
    """One gateway's view."""

    def make_store(self) -> Any:
        self.cluster = FakeCluster()
        return opened(self.cluster)

    def refreshes(self) -> int:
        return sum(path.endswith("_refresh") for _, path in self.cluster.calls)

    def test_what_was_applied_is_found_at_once(self) -> None:
        """One refresh of what was written, and none when nothing was."""
        self.write("g", parts(counter("c", 0, 1)))
        before = self.refreshes()
        assert self.numbers() == {(): {0: 1.0}}
        assert self.refreshes() == before + 1
        assert self.numbers() == {(): {0: 1.0}}
        assert self.refreshes() == before + 1

    def test_a_batch_that_failed_half_way_is_not_seen(self) -> None:
        """The reader has it from the journal; another gateway may see it early."""
        self.write("g", parts(counter("c", 0, 1)))
        self.cluster.faults.append(
            lambda method, path: away(method, path) if path.endswith("_doc/gateway.g") else None
        )
        second = batch("g", parts(counter("c", 0, 10)), events(happened(5, eid="e")), begin=RECORD)
        self.failureResultOf(self.store.write(second), StoreUnavailable)
        self.cluster.faults.clear()
        self.cluster.call("POST", "/metronome-*/_refresh")
        assert self.numbers() == {(): {0: 1.0}}
        assert self.done(self.store.recent_ids(0)) == []
        assert self.done(self.store.tallies("main")) == [("1970-01-01", "", "stored", "", 1)]
        other = opened(self.cluster)
        self.done(other.start())
        assert self.done(other.fetch(ALL, 10_000, ())).groups[0].n.tolist() == [11.0]
        self.done(self.store.write(second))
        assert self.numbers() == {(): {0: 11.0}}
        assert self.done(self.store.tallies("main")) == [("1970-01-01", "", "stored", "", 3)]

    def test_a_restarted_gateway_does_not_see_it_either(self) -> None:
        """It is told which gateway it is, before it has written anything."""
        self.write("g", parts(counter("c", 0, 1)))
        self.cluster.faults.append(
            lambda method, path: away(method, path) if path.endswith("_doc/gateway.g") else None
        )
        late = batch("g", parts(counter("c", 0, 10)), begin=RECORD)
        self.failureResultOf(self.store.write(late), StoreUnavailable)
        self.cluster.faults.clear()
        again = opened(self.cluster, gateway="g")
        self.done(again.start())
        fetched = self.done(again.fetch(ALL, 10_000, ()))
        assert (fetched.groups[0].n.tolist(), fetched.applied) == ([1.0], {"g": RECORD})

    def test_a_refresh_that_failed_is_made_up_for(self) -> None:
        """The next question refreshes."""
        self.write("g", parts(counter("c", 0, 1)))
        self.cluster.faults.append(away)
        self.failureResultOf(self.store.fetch(ALL, 0, ()), StoreUnavailable)
        self.cluster.faults.clear()
        assert self.numbers() == {(): {0: 1.0}}

    def test_a_question_is_asked_again_when_the_ladder_moves(self) -> None:
        """And given up when it never stands still."""
        self.write("g", parts(counter("c", 0, 1)))
        moves = iter(range(3))

        def move(method: str, path: str) -> None:
            if path.endswith("_search") and next(moves, None) is not None:
                self.move()

        self.cluster.faults.append(move)
        assert self.numbers() == {(): {0: 1.0}}
        self.cluster.faults[:] = [lambda method, path: self.move() if path.endswith("_search") else None]
        self.failureResultOf(self.store.find(Selection("main", "*")), StoreUnavailable)

    def move(self) -> None:
        meta = self.cluster.indices["metronome-meta"].docs
        was = meta.get("ladder.main")
        state = {"rounds": (was.source["state"]["rounds"] if was else 0) + 1}
        source = {"role": "ladder", "stream": "main", "state": state}
        meta["ladder.main"] = (was or next(iter(meta.values())))._replace(source=source, seq=-state["rounds"])

    def test_a_record_is_named_by_its_place(self) -> None:
        """So two gateways never meet."""
        self.write("g", parts(counter("c", 0, 1), counter("d", 0, 1)))
        found = self.cluster.indices["metronome-points-1970.01.01"].docs
        assert sorted(found) == ["g.0.0", "g.0.1"]

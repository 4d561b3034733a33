"""Merging in a cluster: interrupted at every request, by two gateways at once, next to writers."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import StoreUnavailable
from metronome.limits import ELASTIC_CLAIM, ELASTIC_SETTLED
from metronome.store.interface import Retention, Rung
from tests.store.build import RECORD, batch, counter, gauge, members, parts, plain, timer
from tests.store.cluster import FakeCluster
from tests.store.contract import ALL, StoreCase
from tests.store.test_elastic import opened

HOUR = 3_600_000
DAY = 24 * HOUR
KEPT = Retention((Rung(10, 86_400), Rung(60, 10 * 86_400), Rung(600, 100 * 86_400)), 100 * 86_400)


class LadderTests(StoreCase, SynchronousTestCase):
    """One stream's ladder."""

    def make_store(self) -> Any:
        self.cluster = FakeCluster()
        return opened(self.cluster)

    def fill(self) -> None:
        """Two gateways, two minutes, every kind."""
        for gateway in ("g", "h"):
            rows = []
            for time in range(0, HOUR // 30, 10_000):
                rows += [
                    counter("c", time, 1, host="a"),
                    gauge("g", time + 5, time / 1000, host=gateway),
                    timer("t", time, [1.0, time / 1000]),
                    members("s", time, [gateway, str(time % 7)]),
                ]
            self.write(gateway, parts(*rows))

    def answers(self, store: Any = None, step: int = 600_000) -> list[Any]:
        asked = (store or self.store).fetch(ALL, step, None, sketches=True, members=True)
        return plain(self.done(asked).groups)

    def documents(self) -> list[dict[str, Any]]:
        return [
            doc.source
            for name, index in self.cluster.indices.items()
            if "-points-" in name
            for doc in index.docs.values()
        ]

    def test_a_round_that_breaks_anywhere_changes_no_answer(self) -> None:
        """After every single request the gateway dies; others see the same, and finish it."""
        self.fill()
        before = self.answers()
        start = self.cluster
        calls = len(start.calls)
        self.done(self.store.expire(3 * HOUR, {"main": KEPT}))
        requests = len(start.calls) - calls
        expected = len(self.documents())
        assert self.answers() == before
        for broken in range(0, requests, 1):
            self.store = self.make_store()
            self.done(self.store.start())
            self.fill()
            left = iter(range(broken))

            def fault(method: str, path: str, left: Any = left) -> Exception | None:
                return None if next(left, None) is not None else StoreUnavailable("cut")

            self.cluster.faults.append(fault)
            self.store.expire(3 * HOUR, {"main": KEPT}).addErrback(lambda f: f.trap(StoreUnavailable))
            self.cluster.faults.clear()
            self.cluster.call("POST", "/metronome-*/_refresh")
            other = opened(self.cluster)
            self.done(other.start())
            assert self.answers(other) == before, f"broken at request {broken}"
            self.done(other.expire(3 * HOUR, {"main": KEPT}))
            assert self.answers(other) == before
            assert len(self.documents()) == expected, f"broken at request {broken}"

    def test_two_gateways_at_once(self) -> None:
        """Whenever the second one comes, in the end everything is there once."""
        self.fill()
        before, expected = self.answers(), 0
        calls = len(self.cluster.calls)
        self.done(self.store.expire(3 * HOUR, {"main": KEPT}))
        requests, expected = len(self.cluster.calls) - calls, len(self.documents())
        for moment in range(requests):
            self.store = self.make_store()
            self.done(self.store.start())
            self.fill()
            other = opened(self.cluster)
            self.done(other.start())
            left = iter(range(moment))
            done: list[Any] = []

            def second(
                method: str, path: str, left: Any = left, done: Any = done, other: Any = other
            ) -> None:
                if next(left, None) is None and not done:
                    done.append(None)
                    other.expire(3 * HOUR, {"main": KEPT})

            self.cluster.faults.append(second)
            self.done(self.store.expire(3 * HOUR, {"main": KEPT}))
            self.cluster.faults.clear()
            assert self.answers() == before, f"second at request {moment}"
            self.done(other.expire(3 * HOUR, {"main": KEPT}))
            assert self.answers() == before
            assert len(self.documents()) == expected

    def test_readers_see_the_same_at_every_moment(self) -> None:
        """Between any two requests of a round the answer is what it was."""
        self.fill()
        before = self.answers()
        other = opened(self.cluster)
        self.done(other.start())
        seen = []

        def look(method: str, path: str) -> None:
            faults, self.cluster.faults = self.cluster.faults, []
            seen.append(self.answers(other))
            self.cluster.faults = faults

        self.cluster.faults.append(look)
        self.done(self.store.expire(20 * DAY, {"main": KEPT}))
        assert len(seen) > 20
        assert all(one == before for one in seen)

    def test_a_round_that_is_given_up_never_counts(self) -> None:
        """Its owner was only slow: what it writes after that is left out, and it lets go."""
        self.fill()
        before = self.answers()
        clock = Clock()
        clock.advance(1e6)
        slow = opened(self.cluster, clock=clock)
        self.done(slow.start())
        other = opened(self.cluster, clock=clock)
        self.done(other.start())
        clock.advance(ELASTIC_CLAIM * 5)
        taken: list[Any] = []

        def take_over(method: str, path: str) -> None:
            if "-points-" in path and path.endswith("_bulk") and not taken:
                taken.append(None)
                clock.advance(ELASTIC_CLAIM)
                taken.append(self.done(other.expire(3 * HOUR, {"main": KEPT})))

        self.cluster.faults.append(take_over)
        done = self.done(slow.expire(3 * HOUR, {"main": KEPT}))
        self.cluster.faults.clear()
        assert (done["merged"], taken[1]["merged"] > 0) == (0, True)
        self.cluster.call("POST", "/metronome-*/_refresh")
        assert self.answers() == before
        state = self.cluster.indices["metronome-meta"].docs["ladder.main"].source["state"]
        assert len(state["ended"]) == 1

    def test_somebody_at_work_is_left_alone(self) -> None:
        """Until the claim is old."""
        self.fill()
        clock = Clock()
        clock.advance(1e6)
        first, second = (opened(self.cluster, clock=clock) for _ in range(2))
        for store in (first, second):
            self.done(store.start())
        clock.advance(ELASTIC_CLAIM * 5)
        self.cluster.faults.append(
            lambda method, path: StoreUnavailable("cut") if path.endswith("_bulk") else None
        )
        self.failureResultOf(first.expire(3 * HOUR, {"main": KEPT}), StoreUnavailable)
        self.cluster.faults.clear()
        assert self.done(second.expire(3 * HOUR, {"main": KEPT}))["merged"] == 0
        clock.advance(ELASTIC_CLAIM)
        assert self.done(second.expire(3 * HOUR, {"main": KEPT}))["merged"] > 0

    def test_only_settled_parts_are_merged(self) -> None:
        """A request of before might still create them again."""
        clock = Clock()
        clock.advance(1e6)
        self.store = opened(self.cluster, clock=clock)
        self.done(self.store.start())
        self.write("g", parts(counter("c", 0, 1), counter("c", 1, 1)))
        assert self.done(self.store.expire(3 * HOUR, {}))["merged"] == 0
        clock.advance(ELASTIC_SETTLED + 1)
        self.write("g", parts(counter("c", 2, 1)), begin=RECORD)
        assert self.done(self.store.expire(3 * HOUR, {}))["merged"] == 1
        clock.advance(4 * ELASTIC_CLAIM)
        assert self.done(self.store.expire(3 * HOUR, {}))["merged"] == 1

    def test_an_unfinished_batch_is_not_merged(self) -> None:
        """It will be created once more: merged away it would count twice."""
        self.cluster.faults.append(
            lambda method, path: StoreUnavailable("cut") if path.endswith("_doc/gateway.g") else None
        )
        late = batch("g", parts(counter("c", 0, 1), counter("c", 1, 1)))
        self.failureResultOf(self.store.write(late), StoreUnavailable)
        self.cluster.faults.clear()
        other = opened(self.cluster)
        self.done(other.start())
        assert self.done(other.expire(3 * HOUR, {}))["merged"] == 0
        self.done(self.store.write(late))
        assert self.done(other.expire(3 * HOUR, {}))["merged"] == 1
        assert self.numbers() == {(): {0: 2.0}}

    def test_what_merging_would_not_change_stays(self) -> None:
        """One gateway with periods of the first rung: looked at once, and not written again."""
        self.write("g", parts(*(counter("c", time, 1) for time in range(0, 60_000, 10_000))))
        self.done(self.store.expire(3 * HOUR, {}))
        assert all("merge" not in doc for doc in self.documents())
        calls = len(self.cluster.calls)
        self.done(self.store.expire(3 * HOUR, {}))
        reads = [path for _, path in self.cluster.calls[calls:] if path.endswith("_bulk")]
        assert reads == []
        self.write("h", parts(counter("c", 10_000, 1)))
        assert self.done(self.store.expire(3 * HOUR, {}))["merged"] == 1

    def test_coarse_parts_have_indices_of_their_own(self) -> None:
        """By day, or by month; the fine ones' day can then be deleted."""
        self.fill()
        self.done(self.store.expire(2 * DAY, {"main": KEPT}))
        self.done(self.store.expire(30 * DAY, {"main": KEPT}))
        filled = [name for name, index in self.cluster.indices.items() if "-points-" in name and index.docs]
        assert filled == ["metronome-points-600s-1970.01"]

    def test_forgetting_interrupts(self) -> None:
        """What is being merged of the stream does not come back."""
        self.fill()
        self.cluster.faults.append(lambda method, path: StoreUnavailable("cut") if path == "/_bulk" else None)
        self.failureResultOf(self.store.expire(3 * HOUR, {"main": KEPT}), StoreUnavailable)
        self.cluster.faults.clear()
        other = opened(self.cluster)
        self.done(other.start())
        self.done(other.forget("main"))
        assert self.documents() == []
        assert self.answers(other) == []

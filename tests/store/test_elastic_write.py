"""Batches: replayed, interrupted at every request, refused in part."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import StoreRejected, StoreUnavailable
from metronome.limits import ELASTIC_SETTLED
from metronome.model import Batch, Tally
from metronome.store.elastic_write import Shared, books_lines
from tests.store.build import RECORD, batch, counter, events, happened, parts
from tests.store.cluster import FakeCluster, busy
from tests.store.contract import StoreCase
from tests.store.test_elastic import opened

DAY = 86_400_000


def first() -> Batch:
    """Parts of two days, an event, a tally."""
    return batch(
        "g",
        parts(counter("c", 0, 3, host="a"), counter("c", DAY, 4, host="b"), ids=((5, "p"),)),
        events(happened(6, eid="e", labels={"x": "y"}, fields={"z": 1.0})),
        [Tally("main", "1970-01-01", "udp", "shed", "journal_full", 2)],
    )


class WriterTests(StoreCase, SynchronousTestCase):
    """One gateway's writing."""

    def make_store(self) -> Any:
        self.cluster = FakeCluster()
        return opened(self.cluster)

    def answers(self) -> list[Any]:
        return [
            self.numbers(step=DAY, by=("host",)),
            self.done(self.store.tallies("main")),
            self.done(self.store.recent_ids(0)),
            self.done(self.store.applied()),
        ]

    def test_a_batch_that_breaks_anywhere_can_be_written_again(self) -> None:
        """After every single request the connection breaks; in the end everything is there once.

        The gateway is started anew for each attempt, so nothing but the cluster remembers.
        """
        self.done(self.store.write(first()))
        expected, requests = self.answers(), len(self.cluster.calls)
        for broken in range(requests):
            self.cluster = FakeCluster()
            left = iter(range(broken))

            def fault(method: str, path: str, left: Any = left) -> Exception | None:
                return None if next(left, None) is not None else StoreUnavailable("cut")

            self.cluster.faults.append(fault)
            self.store = opened(self.cluster)
            self.store.start().addErrback(lambda failure: failure.trap(StoreUnavailable))
            self.store.write(first()).addErrback(lambda failure: failure.trap(StoreUnavailable))
            self.cluster.faults.clear()
            self.store = opened(self.cluster)
            self.done(self.store.start())
            self.done(self.store.write(first()))
            assert self.answers() == expected, f"broken at request {broken}"

    def test_batches_may_be_cut_otherwise_the_second_time(self) -> None:
        """A longer or shorter batch comes after a crash: the books count each record once."""
        contents = [parts(counter("c", 0, 1)) for _ in range(4)]
        for begin, end in ((1, 2), (1, 4), (2, 3)):
            self.cluster = FakeCluster()
            self.store = opened(self.cluster)
            self.done(self.store.start())
            self.done(self.store.write(batch("g", *contents[:1])))
            self.cluster.faults.append(
                lambda method, path: StoreUnavailable("cut") if path.endswith("_doc/gateway.g") else None
            )
            once = batch("g", *contents[1:end], begin=RECORD)
            self.failureResultOf(self.store.write(once), StoreUnavailable)
            assert self.stored() == 1
            self.cluster.faults.clear()
            self.done(self.store.write(batch("g", *contents[1 : begin + 1], begin=RECORD)))
            self.done(self.store.write(batch("g", *contents[1:], begin=RECORD)))
            assert self.stored() == 4
            assert self.numbers() == {(): {0: 4.0}}

    def stored(self) -> int:
        return int(sum(line[-1] for line in self.done(self.store.tallies("main"))))

    def test_books_that_count_a_batch_already_are_left_alone(self) -> None:
        """Their answer was lost: the next attempt reads them, and writes only the position."""
        lost = [StoreUnavailable("cut")]

        def fault(method: str, path: str) -> Exception | None:
            return lost.pop() if lost and "/_doc/gateway." in path else None

        self.cluster.faults.append(fault)
        self.failed(self.store.write(first()), StoreUnavailable)
        self.cluster.faults.clear()
        again = opened(self.cluster)
        before = len(self.cluster.calls)
        self.done(again.write(first()))
        places = [path for _, path in self.cluster.calls[before:] if path.startswith("/metronome-meta/")]
        assert "/metronome-meta/_bulk" not in places
        assert places[-1] == "/metronome-meta/_doc/gateway.g"
        assert self.done(again.tallies("main")) == self.done(self.store.tallies("main")) != []

    def test_a_busy_cluster_gets_it_in_the_end(self) -> None:
        """Refusals for now are tried again within the batch."""
        self.cluster.faults.append(busy(5))
        self.done(self.store.write(first()))
        assert self.stored() == 2 + 1 + 2

    def test_what_the_mapping_cannot_take_is_refused_with_its_record(self) -> None:
        """Nothing of the batch stays; without it the rest is applied, in other places too."""
        whole = batch("g", parts(counter("a", 0, 1), counter("b", 0, 1)), parts(counter("c", 0, 5)))
        self.cluster.refusals["g.0.1"] = (400, "document_parsing_exception")
        for _ in range(2):
            failure = self.failureResultOf(self.store.write(whole), StoreRejected)
            assert [record for record, _ in failure.value.items] == [whole.records[0]]
            assert "document_parsing_exception" in failure.value.items[0][1]
        assert not self.cluster.indices["metronome-points-1970.01.01"].docs
        assert self.done(self.store.applied()) == {}
        self.done(self.store.write(batch("g", parts(counter("c", 0, 5)))))
        assert self.numbers() == {(): {0: 5.0}}
        assert self.stored() == 1

    def test_books_go_on_after_somebody_has_forgotten_the_stream(self) -> None:
        """Another gateway deleted them; what is remembered of them is let go."""
        self.write("g", parts(counter("c", 0, 1)))
        other = opened(self.cluster)
        self.done(other.start())
        self.done(other.forget("main"))
        self.write("g", parts(counter("c", 0, 1)), begin=RECORD)
        assert self.stored() == 1

    def test_an_index_that_somebody_deletes_is_written_again_with_its_fields(self) -> None:
        """Before any request of a batch: afterwards all of it is there, and is found by its labels."""
        self.done(self.store.write(first()))
        requests = len(self.cluster.calls)
        for moment in range(requests):
            self.cluster = FakeCluster()
            self.store = opened(self.cluster)
            self.done(self.store.start())
            left = iter(range(moment))

            def fault(method: str, path: str, left: Any = left, cluster: FakeCluster = self.cluster) -> None:
                if next(left, None) is None:
                    cluster.faults.clear()
                    cluster.indices.pop("metronome-points-1970.01.02", None)

            self.cluster.faults.append(fault)
            self.store.write(first()).addErrback(lambda failure: failure.trap(StoreUnavailable))
            if self.cluster.faults:
                break  # the batch was over before
            again = not self.done(self.store.applied())
            self.done(self.store.write(first()))
            whole = {("a",): {0: 3.0}, ("b",): {DAY: 4.0}}
            kept = [whole] if again else [whole, {("a",): {0: 3.0}}]  # deleted when all was written
            assert self.numbers(step=DAY, by=("host",)) in kept, moment
        assert moment > 10

    def test_a_copy_of_a_gateway_is_told_from_it(self) -> None:
        """Two with one identity: what one has written is not taken for the other's, which waits."""
        copy = opened(self.cluster)
        self.done(copy.start())
        self.done(self.store.write(batch("g", parts(counter("c", 0, 3, host="a")))))
        failure = self.failureResultOf(
            copy.write(batch("g", parts(counter("c", 0, 4, host="a")))), StoreUnavailable
        )
        assert "copies" in str(failure.value)
        assert self.numbers() == {(): {0: 3.0}}

    def test_a_position_settles_after_a_while(self) -> None:
        """Until then a request of before may still be on its way, and its parts are not merged."""
        clock = Clock()
        clock.advance(1e9)
        self.store = opened(self.cluster, clock=clock)
        self.done(self.store.start())
        for number in range(3):
            self.write("g", parts(counter("c", 0, 1)), begin=number * RECORD)
            clock.advance(ELASTIC_SETTLED * 0.6)
        meta = self.cluster.indices["metronome-meta"].docs["gateway.g"].source
        assert (meta["applied"], meta["settled"]) == (3 * RECORD, RECORD)
        again = opened(self.cluster, clock=clock)
        self.done(again.start())
        self.done(again.write(batch("g", begin=3 * RECORD)._replace(end=3 * RECORD + 1)))
        assert self.cluster.indices["metronome-meta"].docs["gateway.g"].source["settled"] == RECORD


def test_threads_share_what_is_applied() -> None:
    """Own gateways are those that write here, or the one that this is."""
    shared = Shared("me")
    shared.move({"a": 1, "b": 2})
    shared.writes("a")
    assert shared.applied() == {"a": 1, "b": 2}
    assert shared.own() == {"a": 1, "me": 0}
    shared.touched(["i", "j"])
    assert shared.take_touched() == {"i", "j"}
    assert shared.take_touched() == set()


def test_lines_that_are_ahead_do_not_count() -> None:
    """They belong to a batch that is not applied yet."""
    content = {"through": 9, "state": {"lines": [["", "stored", "", 3]], "before": [], "since": 5}}
    assert books_lines(content, 5) == []
    assert books_lines(content, 9) == [["", "stored", "", 3]]

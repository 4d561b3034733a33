"""Chunks on their way: several at once, fewer when the cluster has enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import StoreUnavailable
from metronome.limits import ELASTIC_BUSY, ELASTIC_CHUNK_LEAST, ELASTIC_IN_FLIGHT, ELASTIC_SLOW
from metronome.store.elastic_bulk import Chunk, Outcome
from metronome.store.elastic_flow import Flow
from metronome.store.elastic_points import Doc
from metronome.threads.memory import MemoryWorker


def chunk(number: int, size: int = 1) -> Chunk:
    return Chunk([("i", Doc(f"{number}.{at}", "{}")) for at in range(size)])


class Source:
    """Gives chunks of one document, so many."""

    def __init__(self, number: int):
        self.left = [chunk(at) for at in range(number)]
        self.asked: list[int] = []

    def __call__(self, most: int, size: int) -> Deferred[Chunk | None]:
        self.asked.append(most)
        return succeed(self.left.pop(0) if self.left else None)


class FlowTests(SynchronousTestCase):
    """The way of one batch."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.workers = [MemoryWorker() for _ in range(ELASTIC_IN_FLIGHT)]
        self.flow = Flow(self.workers, self.clock, 1000)
        self.sent: list[Chunk] = []
        self.answer: Callable[[Chunk], Outcome] = lambda one: Outcome(len(one.docs), [], [])

    def post(self, one: Chunk) -> Outcome:
        self.sent.append(one)
        return self.answer(one)

    def send(self, source: Any) -> Deferred[list[Outcome]]:
        return self.flow.send(source, self.post)

    def step(self) -> bool:
        return sum(worker.step() for worker in self.workers) > 0

    def run_all(self, done: Deferred[Any], seconds: float = 0.0) -> Any:
        for _ in range(1000):
            if not self.step():
                self.clock.advance(0.5)
            if done.called:
                break
            self.clock.advance(seconds)
        return done

    def test_everything_is_sent_once(self) -> None:
        """And what became of each chunk is told."""
        done = self.send(Source(20))
        outcomes = self.successResultOf(self.run_all(done))
        assert len(outcomes) == 20
        assert sorted(one.docs[0][1].id for one in self.sent) == sorted(f"{at}.0" for at in range(20))
        assert (self.flow.in_flight, self.flow.sent, self.flow.refused) == (0, 20, 0)

    def test_nothing_to_send_is_soon_done(self) -> None:
        """A batch without documents."""
        assert self.successResultOf(self.send(Source(0))) == []

    def test_more_go_at_once_while_all_goes_well(self) -> None:
        """Up to as many as there are senders."""
        done = self.send(Source(100))
        assert self.flow.in_flight == 2
        for _ in range(20):
            self.step()
        assert self.flow.in_flight == ELASTIC_IN_FLIGHT
        self.successResultOf(self.run_all(done))

    def test_fewer_and_smaller_go_once_something_is_refused(self) -> None:
        """What was refused goes again, after a pause."""
        refusals = iter([True])
        self.answer = lambda one: (
            Outcome(0, [], [one], True, "busy") if next(refusals, False) else Outcome(1, [], [])
        )
        source = Source(5)
        done = self.send(source)
        self.workers[0].step()
        assert (self.flow.window, self.flow.most) == (1.0, 500)
        self.successResultOf(self.run_all(done))
        assert self.flow.refused == 1
        assert len({one.docs[0][1].id for one in self.sent}) == 5
        assert len(self.sent) == 6
        assert self.flow.most > 500

    def test_a_slow_answer_makes_smaller_chunks(self) -> None:
        """Down to a least size, and up again when it is quick."""
        done = self.send(Source(30))
        self.successResultOf(self.run_all(done, ELASTIC_SLOW + 1))
        assert self.flow.most == ELASTIC_CHUNK_LEAST
        self.successResultOf(self.run_all(self.send(Source(200))))
        assert self.flow.most == 1000

    def test_a_cluster_that_takes_nothing_is_as_one_that_is_away(self) -> None:
        """After half a minute of refusals, and nothing is on its way then."""
        self.answer = lambda one: Outcome(0, [], [one], True, "it is busy")
        done = self.send(Source(3))
        failure = self.failureResultOf(self.run_all(done), StoreUnavailable)
        assert "it is busy" in str(failure.value)
        assert ELASTIC_BUSY < self.clock.seconds() < ELASTIC_BUSY + 10
        assert self.flow.in_flight == 0

    def test_without_a_clock_there_is_an_end_too(self) -> None:
        """Tests and tools need no clock."""
        flow = Flow([MemoryWorker()], None)
        self.workers = list(flow._idle)  # type: ignore[arg-type]
        self.flow = flow
        self.answer = lambda one: Outcome(0, [], [one], True, "")
        self.failureResultOf(self.run_all(self.send(Source(1))), StoreUnavailable)

    def test_a_failure_waits_for_those_on_their_way(self) -> None:
        """So that nothing of this attempt arrives in the middle of the next."""

        def answer(one: Chunk) -> Outcome:
            raise StoreUnavailable("gone")

        self.answer = answer
        done = self.send(Source(5))
        self.workers[0].step()
        self.assertNoResult(done)
        self.run_all(done)
        self.failureResultOf(done, StoreUnavailable)
        assert len(self.sent) == 2

    def test_a_chunk_that_cannot_be_made_fails_the_batch(self) -> None:
        """An index cannot be made: the cluster is away."""

        def broken(most: int, size: int) -> Deferred[Chunk | None]:
            return execute(self.fail_to_make)

        self.failureResultOf(self.send(broken), StoreUnavailable)

    def fail_to_make(self) -> Chunk:
        raise StoreUnavailable("away")

    def test_refusals_for_ever_are_handed_on(self) -> None:
        """They are no reason to send anything again."""
        self.answer = lambda one: Outcome(0, [(one.docs[0][1].id, "no")], [])
        outcomes = self.successResultOf(self.run_all(self.send(Source(2))))
        assert sorted(name for one in outcomes for name, _ in one.refused) == ["0.0", "1.0"]

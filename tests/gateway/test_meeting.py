"""A store that is away keeps no gateway from starting, and is met when it answers."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from metronome.errors import ConfigError, StoreUnavailable
from metronome.gateway.intake import TickVerdict
from metronome.gateway.meeting import Meeting
from metronome.gateway.recall import recall, recall_kept
from metronome.limits import RETRY_MOST
from metronome.store.memory import MemoryStore
from tests.gateway.kit import Kit, view


class AwayStore(MemoryStore):
    """Away for so many starts; then it is met, unless it is one that cannot be worked with."""

    def __init__(self, starts: int):
        super().__init__()
        self.left = starts

    def start(self) -> Deferred[None]:
        self.left -= 1
        return fail(StoreUnavailable("away")) if self.left >= 0 else succeed(None)


class World:
    """A meeting on a kit's clock."""

    def __init__(self, store: MemoryStore, wrong: Exception | None = None):
        self.kit = Kit()
        self.greeted = 0
        self.wrong = wrong
        self.failures: list[Failure] = []
        self.told: list[object] = []
        self.meeting = Meeting(store, self.greet, self.kit.clock, self.failures.append)

    def greet(self) -> Deferred[None]:
        self.greeted += 1
        return fail(self.wrong) if self.wrong else succeed(None)

    def begin(self, seconds: float = 10) -> list[object]:
        self.meeting.begin(seconds).addBoth(self.told.append)
        return self.told

    def turn(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.kit.clock.advance(0.25)


def test_a_store_that_is_there_is_met_at_once() -> None:
    """True, and nothing is left on the clock."""
    world = World(MemoryStore())
    before = len(world.kit.clock.getDelayedCalls())
    assert world.begin() == [True]
    assert len(world.kit.clock.getDelayedCalls()) == before
    world.meeting.end()


def test_one_that_comes_late_is_met_later() -> None:
    """False after a while; it is tried on, more and more seldom, until it is there."""
    world = World(AwayStore(8))
    told = world.begin()
    world.turn(9)
    assert told == []
    world.turn(2)
    assert (told, world.greeted) == ([False], 0)
    world.turn(3 * RETRY_MOST)
    assert (told, world.greeted) == ([False], 1)
    assert world.failures == []


def test_one_that_goes_away_while_it_is_greeted_is_greeted_again() -> None:
    """From the beginning."""
    world = World(MemoryStore(), StoreUnavailable("away again"))
    told = world.begin()
    world.turn(1)
    assert (told, world.greeted > 1) == ([], True)
    world.wrong = None
    world.turn(2)
    assert told == [True]


def test_one_that_we_cannot_work_with_is_said() -> None:
    """While the start waits, to the start; later, to whoever has to stop the gateway."""
    wrong = ConfigError("the store is ahead")
    (failure,) = World(MemoryStore(), wrong).begin()
    assert isinstance(failure, Failure)
    assert failure.value is wrong
    late = World(AwayStore(5), wrong)
    told = late.begin(1)
    late.turn(60)
    assert told == [False]
    assert [one.value for one in late.failures] == [wrong]


def test_it_can_be_ended() -> None:
    """While it waits, and while the store does not even refuse."""

    class Silent(MemoryStore):
        def start(self) -> Deferred[None]:
            return Deferred()

    for store in (AwayStore(100), Silent()):
        world = World(store)
        told = world.begin()
        world.turn(1)
        world.meeting.end()
        assert told == [False]
        world.turn(60)
        assert (world.greeted, world.failures) == (0, [])


def test_without_its_store_a_run_knows_the_ids_that_its_journal_has() -> None:
    """What a client sends again after a crash is not taken twice, written or not; the rest is learnt
    when the store answers."""
    kit = Kit()
    kit.consumer.start()
    kit.wait(kit.intake.ticks("main", [view("a", "one")], [], [], "http"))
    kit.settle()
    assert kit.journal.cursor("store") == kit.journal.synced_end
    kit.wait(kit.journal.stop())
    again = Kit(kit.disk, kit.store)
    again.store = MemoryStore()
    again.wait(recall_kept(again.duplicates, again.reader, int(again.clock.seconds() * 1000)))
    repeat = again.intake.ticks("main", [view("a", "one")], [], [], "http")
    assert again.wait(repeat) == TickVerdict([0], [])
    later = Kit(store=kit.store)
    later.wait(recall(later.duplicates, later.store, later.reader, int(later.clock.seconds() * 1000)))
    assert later.wait(later.intake.ticks("main", [view("a", "one")], [], [], "http")) == TickVerdict([0], [])


def test_nothing_is_written_before_the_store_was_met() -> None:
    """The consumer tries, and goes on when it is released and woken."""
    kit = Kit()
    kit.writer.hold()
    kit.consumer.start()
    kit.wait(kit.intake.ticks("main", [view("a")], [], [], "http"))
    kit.settle()
    assert kit.ledger.waiting("main") == 1
    assert "not answered" in kit.consumer.troubled
    kit.writer.release()
    kit.consumer.wake()
    kit.settle()
    assert kit.ledger.waiting("main") == 0
